"""Where events stand: growing windows of time, keys, and rows by their keys."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.conftest import NOW, Make
from tocsin.lang.ir import TRUE, And, Equals, Not, Test
from tocsin.ports import ALL_TIME, Span
from tocsin.store import Store, _places

Test.__test__ = False  # type: ignore[attr-defined]
HOUR = 3_600_000_000


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_places, "FEW", 10)
    monkeypatch.setattr(_places, "MORE", 1)
    monkeypatch.setattr(_places, "_STALE", 0.0)


def pages(held: Store, newest_first: bool, span: Span = ALL_TIME, **how: Any) -> list[str]:
    seen: list[str] = []
    after = None
    while page := held.search(TRUE, span, limit=7, newest_first=newest_first, after=after, **how):
        seen += [document["_id"] for document in page]
        last = held.by_ids([seen[-1]])[seen[-1]]
        after = int(last["message"]), seen[-1]
        assert len(seen) <= 200
    return seen


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("how", [{}, {"fields": ["message"]}])
def test_pages_over_uneven_times_have_every_event_once_in_order(
    held: Store, events: Make, newest_first: bool, how: dict[str, Any]
) -> None:
    # A flood, long gaps, equal times, before 1970, and years after the arrival.
    times = [*range(NOW, NOW + 60), *[NOW + 60] * 20, *(NOW - day * 24 * HOUR for day in range(40))]
    times += [-5, -HOUR, -HOUR - 1, 0, NOW + 20_000 * HOUR]
    rows = [
        {"@timestamp": moment, "message": str(moment), "event.code": str(at % 3)} for at, moment in enumerate(times)
    ]
    held.insert("0:0", events(rows))
    seen = pages(held, newest_first, **how)
    assert len(seen) == len(set(seen)) == len(times)
    found = held.by_ids(seen)
    ordered = [int(found[each]["message"]) for each in seen]
    assert ordered == sorted(times, reverse=newest_first)


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_span_is_kept_to_and_rare_matches_are_found(held: Store, events: Make, newest_first: bool) -> None:
    rows: list[dict[str, Any]] = [
        {"@timestamp": NOW + at * HOUR, "message": str(NOW + at * HOUR), "user.name": "rare" if at % 50 == 3 else None}
        for at in range(200)
    ]
    held.insert("0:0", events(rows))
    rare = Test(held.names["events"].field("user.name"), Equals(("rare",)))
    found = held.search(rare, limit=3, newest_first=newest_first)
    wanted = [153, 103, 53] if newest_first else [3, 53, 103]
    assert [int(each["message"]) for each in found] == [NOW + at * HOUR for at in wanted]
    assert len(pages(held, newest_first, Span(NOW + 10 * HOUR, NOW + 20 * HOUR))) == 10
    assert held.search(And((rare, Not(rare))), limit=3) == []


def test_an_empty_store_has_no_places(held: Store) -> None:
    assert held.search(TRUE) == []
    assert held.by_ids(["nobody"]) == {}


def test_an_event_without_a_host_or_code_is_read_with_the_others(held: Store, events: Make) -> None:
    rows: list[dict[str, Any]] = [{"host.name": "h"}, {}, {"event.code": "1", "url.path": "/"}, {"event.code": "2"}]
    held.insert("0:0", events(rows))
    found = held.search(TRUE, newest_first=False)
    names = ("host.name", "event.code", "url.path")
    assert [{name: each[name] for name in names if name in each} for each in found] == rows
    assert held.by_ids([each["_id"] for each in found]) == {each["_id"]: each for each in found}


@pytest.mark.parametrize(("micros", "hour"), [(0, 0), (HOUR - 1, 0), (HOUR, 1), (-1, 0), (-HOUR, -1), (-HOUR - 1, -1)])
def test_hours_are_cut_as_the_engine_cuts_them(held: Store, micros: int, hour: int) -> None:
    assert _places.hour_of(micros) == hour
    assert held._engine.rows(f"SELECT intDiv(toInt64({micros}), 3600000000)") == [(hour,)]
