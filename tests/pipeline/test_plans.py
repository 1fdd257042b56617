"""The plan is what settings and people say."""

from __future__ import annotations

from pathlib import Path

from tests.pipeline.conftest import QUERY
from tocsin import config
from tocsin import state as states
from tocsin.pipeline.knowledge import Knowledge
from tocsin.pipeline.plans import plan_of


def test_settings_and_state_make_the_plan(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "query.toml").write_text(QUERY)
    flags = {"data": str(tmp_path / "data"), "rules.dirs": [str(tmp_path / "rules")], "rules.shipped": False}
    settings = config.load(None, flags=flags)
    settings.data_dir.mkdir()
    with states.open(settings.state_address) as state:
        plan = plan_of(settings, state)
        assert plan.folders == [str(tmp_path / "rules")]
        assert not plan.shipped
        assert [rule.id for rule in Knowledge(plan).running] == ["query"]
