"""The benchmark of the store; the figures are for `make bench` alone."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.conftest import line
from tocsin.bench import store
from tocsin.errors import UsageError


def test_a_store_is_filled_and_gone_and_one_that_is_there_is_left(tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join(line(number) for number in range(20)))
    told = io.StringIO()
    found = store.run([events], events=50, originals=False, quiet=0.0, console=Console(file=told, width=120))
    assert found["disk_ratio"] == pytest.approx(found["raw_bytes"] / found["disk_bytes"])
    assert "of raw" in told.getvalue()
    (tmp_path / "kept" / "store").mkdir(parents=True)
    with pytest.raises(UsageError):
        store.run([events], events=50, data=tmp_path / "kept")
