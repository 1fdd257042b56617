"""Which names there are outside the hot columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.conftest import Make
from tocsin import store
from tocsin.lang.ir import Equals, Exists, Test
from tocsin.store import Store, _names

Test.__test__ = False  # type: ignore[attr-defined]


def test_a_name_is_known_before_its_first_row_and_after_a_restart(folder: Path, events: Make) -> None:
    with store.open(f"chdb://{folder}") as first:
        first.insert("0:0", events([{"my.own": 1, "source.port": "https"}]))
        assert first.known_names() == ["my.own", "source.port"]
    with store.open(f"chdb://{folder}") as second:
        assert second.known_names() == ["my.own", "source.port"]
        assert second.count(Test(second.names["events"].field("source.port"), Equals(("https",)))) == 1


def test_past_a_bound_every_map_is_read(held: Store, events: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_names, "MOST", 5)
    held.insert("0:0", events([{f"own.{row}": 1} for row in range(10)]))
    held.insert("0:1", events([{"late": 1}], seed="x"))
    assert held.known_names() == []
    assert held.count(Test(held.names["events"].field("late"), Exists())) == 1
