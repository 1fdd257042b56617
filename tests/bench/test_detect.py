"""The benchmark of the matcher gives figures; what they are is for `make bench` alone."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.conftest import line
from tocsin.bench import detect
from tocsin.errors import UsageError

RULE = """title: A shell that makes a user
id: 6d1f3cbe-5ac8-4f5a-9d0e-3e2e5ed4c001
logsource: {category: process_creation, product: windows}
detection:
  selection: {CommandLine|contains: ' /add'}
  condition: selection
"""


def folder(path: Path, events: int) -> Path:
    added = ({} if number % 4 else {"CommandLine": f"net user x{number} /add"} for number in range(events))
    lines = [line(number, **more) for number, more in enumerate(added)]
    (path / "events").mkdir()
    with zipfile.ZipFile(path / "events" / "host.zip", "w") as archive:
        archive.writestr("host.json", b"\n".join(lines))
        archive.writestr("notes.txt", "no events")
    (path / "rules").mkdir()
    (path / "rules" / "add.yml").write_text(RULE, encoding="utf-8")
    (path / "rules" / "broken.yml").write_text("title: [", encoding="utf-8")
    return path


def test_it_measures_cold_warm_and_unseen(tmp_path: Path) -> None:
    made = folder(tmp_path, 40)
    shown = io.StringIO()
    figures = detect.run(made / "events", made / "rules", rows=16, passes=1, console=Console(file=shown, width=200))
    assert figures["events"] == 40
    assert (figures["rules"], figures["rules_refused"]) == (1, 1)
    for way in ("cold", "warm", "half_unseen"):
        assert figures[way]["matches"] == 10
    assert figures["cold"]["values_scanned"] > figures["warm"]["values_scanned"] == 0
    assert figures["half_unseen"]["values_scanned"] > 0
    assert "half unseen" in shown.getvalue()
    assert json.loads(detect.to_json(figures))["rules"] == 1


def test_it_says_what_is_missing(tmp_path: Path) -> None:
    made = folder(tmp_path, 1)
    with pytest.raises(UsageError, match="no events"):
        detect.run(made / "rules", made / "rules")
    with pytest.raises(UsageError, match="no rules"):
        detect.run(made / "events", made / "events")
