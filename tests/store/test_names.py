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


def test_columns_are_told_apart_by_event_code(held: Store, events: Make) -> None:
    rows = [{"event.code": "1", "process.name": "p"}, {"event.code": "3", "source.ip": "::1"}, {"user.name": "u"}]
    held.insert("0:0", events(rows))
    own = {"process.name", "source.ip", "user.name"}

    def filled(*codes: str) -> set[str]:
        return held._known.filled_of("events", [("test.dataset", code) for code in codes]) & own

    assert (filled("1"), filled("3"), filled("")) == ({"process.name"}, {"source.ip"}, {"user.name"})
    assert filled("1", "3") == {"process.name", "source.ip"}
    assert filled("9") == set()


def test_codes_past_a_bound_are_not_told_apart(held: Store, events: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_names, "MOST_CODES", 3)
    rows = [{"event.code": str(row), f"user.{'name' if row % 2 else 'id'}": "x"} for row in range(9)]
    held.insert("0:0", events(rows))
    held.insert("0:1", events([{"event.code": "20", "url.path": "/"}], seed="x"))
    assert all("user.name" in each or "user.id" in each or "url.path" in each for each in held.search(TRUE))
    assert held._known.filled_of("events", [("test.dataset", "20")]) >= {"url.path", "user.id"}
    assert len(held._known._filled["events"]) == 4


@pytest.mark.parametrize("dataset", ["a/b", '["a","b"]', "*", "a\tb", "é", ""])
def test_any_spelling_of_a_data_set_or_code_keeps_its_columns(folder: Path, events: Make, dataset: str) -> None:
    document = {"event.dataset": dataset, "event.code": dataset, "user.name": "u"}
    with store.open(f"chdb://{folder}") as first:
        first.insert("0:0", events([document]))
    with store.open(f"chdb://{folder}") as second:
        (found,) = second.search(TRUE)
        assert found["user.name"] == "u"
