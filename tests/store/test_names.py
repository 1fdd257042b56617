"""Which names there are outside the hot columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.conftest import Make
from tocsin import store
from tocsin.lang.ir import TRUE, Equals, Exists, Test
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


def test_columns_are_read_where_their_data_set_has_values(held: Store, events: Make) -> None:
    held.insert(
        "0:0", events([{"event.dataset": "a.b", "url.path": "/"}, {"event.dataset": "c.d", "host.ip": ["::1"]}])
    )
    held.insert("0:1", events([{"event.dataset": "a.b", "url.path": "/", "user.name": "u"}], seed="x"))
    own = {"url.path", "host.ip", "user.name"}
    assert held._known.filled("events", ["A.B"]) & own == {"url.path", "user.name"}
    assert held._known.filled("events", ["c.d"]) & own == {"host.ip"}
    assert held._known.filled("events") & own == own
    assert held._known.filled("events", ["nobody"]) == set()
    dataset = held.names["events"].field("event.dataset")
    found = held.search(Test(dataset, Equals(("A.B",), fold=True)))
    assert [("url.path" in each, "host.ip" in each) for each in found] == [(True, False)] * 2


def test_past_a_bound_data_sets_are_not_told_apart(held: Store, events: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_names, "MOST_DATASETS", 3)
    held.insert(
        "0:0", events([{"event.dataset": f"set.{row}", f"user.{'name' if row % 2 else 'id'}": "x"} for row in range(9)])
    )
    assert len(held.search(TRUE)) == 9
    assert all("user.name" in each or "user.id" in each for each in held.search(TRUE))
    only = Test(held.names["events"].field("event.dataset"), Equals(("set.3",)))
    assert held.search(only)[0]["user.name"] == "x"
