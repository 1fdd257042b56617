"""Thresholds: a sliding window, one alert a group until it falls below, whatever order the events come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detect.conftest import ALWAYS, MINUTE, NOW, SECOND, Stored, field, hit, machine, rule, run, standing
from tocsin.detect import Lowering, Rule
from tocsin.detect.threshold import TYPE
from tocsin.errors import TocsinError, UnsupportedError
from tocsin.lang.fields import Names
from tocsin.lang.ir import Common, Count
from tocsin.lang.lists import ListTable
from tocsin.ports import Firing, Hit, Withdrawal

COUNT = Count(ALWAYS, (field("source.ip"),), 10 * SECOND, 3)


def lowered(**more: Any) -> Count:
    given = {"type": "threshold", "query": "*", "threshold": {"field": ["a"], "value": 3}, **more}
    plan = TYPE.lower(given, {}, Lowering(Names(), ListTable({}), "r.toml"))
    assert isinstance(plan, Count)
    return plan


def firings(found: Sequence[Firing | Withdrawal]) -> list[Firing]:
    return [item for item in found if isinstance(item, Firing)]


def ids(found: Sequence[Firing | Withdrawal]) -> list[list[str]]:
    return [[event.id for event in item.events] for item in firings(found)]


def test_fires_at_the_number_and_grows_until_it_falls_below() -> None:
    made = machine(rule(COUNT))
    assert made.feed([hit(0), hit(1)], 0) == []
    (first,) = firings(made.feed([hit(2)], 0))
    assert [event.id for event in first.events] == ["e0", "e1", "e2"]
    assert first.group == {"source.ip": "k"}
    (grown,) = firings(made.feed([hit(9)], 0))
    assert grown.born == first.born
    assert grown.extra["kibana.alert.threshold_result.count"] == 4
    # Twenty seconds later nothing of it is in the window: another three are another alert.
    (other,) = firings(made.feed([hit(30), hit(31), hit(32)], 0))
    assert other.born != first.born
    assert len(other.events) == 3


def test_the_window_is_open_at_its_old_end() -> None:
    assert ids(run(rule(COUNT), [[hit(0), hit(5), hit(9.999)]])[0]) == [["e0", "e5", "e9.999"]]
    assert ids(run(rule(COUNT), [[hit(0), hit(5), hit(10)]])[0]) == []


def test_groups_do_not_mix_and_null_is_a_group() -> None:
    hits = [hit(n, f"{key}{n}", key=(key,)) for n in range(3) for key in ("a", "b")]
    hits += [hit(n, f"null{n}", key=(None,)) for n in range(3)]
    found, _ = run(rule(COUNT), [hits])
    assert sorted(item.group["source.ip"] or "" for item in firings(found)) == ["", "a", "b"]


def test_a_field_of_the_group_may_be_missing_where_the_rule_says_so() -> None:
    extension = {
        "optional_by": ["b"],
        "unless_common": {"query": "*", "by": ["b"], "distinct": "a", "at_least": 5},
    }
    given = {"type": "threshold", "query": "*", "threshold": {"field": ["a", "b"], "value": 3}}
    plan = TYPE.lower(given, extension, Lowering(Names(), ListTable({}), "r.toml"))
    assert isinstance(plan, Count)
    assert [step.nullable for step in TYPE.steps(plan)] == [(False, True), (True,)]
    assert TYPE.steps(lowered())[0].nullable == (False,)
    with pytest.raises(TocsinError, match="no field of the threshold"):
        TYPE.lower(given, {"optional_by": ["c"]}, Lowering(Names(), ListTable({}), "r.toml"))


def test_an_event_counts_once_however_often_it_comes() -> None:
    assert run(rule(COUNT), [[hit(0), hit(0), hit(1)], [hit(1), hit(0)]])[0] == []


def test_silenced_hits_do_not_count() -> None:
    assert run(rule(COUNT), [[hit(0), hit(1), hit(2, silenced="scanners")]])[0] == []


def test_distinct_values_are_counted_and_null_is_none() -> None:
    plan = replace(COUNT, distinct=(field("user.name"),))
    hits = [hit(n, values=(user,)) for n, user in enumerate(("ann", "bob", "ann", None, "bob"))]
    assert run(rule(plan), [hits])[0] == []
    (found,) = firings(run(rule(plan), [[*hits, hit(5, values=("cy",))]])[0])
    assert found.extra["kibana.alert.threshold_result.cardinality"] == 3
    assert found.extra["kibana.alert.threshold_result.count"] == 6


def test_an_event_of_several_values_counts_each_of_them() -> None:
    plan = replace(COUNT, distinct=(field("user.name"),))
    hits = [hit(0, "one", values=(user,)) for user in ("ann", "bob", "cy")]
    (found,) = firings(run(rule(plan), [hits])[0])
    assert [event.id for event in found.events] == ["one"]
    assert found.extra["kibana.alert.threshold_result.count"] == 1


def test_a_cardinality_needs_its_events_too() -> None:
    plan = lowered(threshold={"field": [], "value": 4, "cardinality": [{"field": "user.name", "value": 2}]})
    assert (plan.low, plan.events, plan.by) == (2, 4, ())
    plan = replace(plan, where=ALWAYS, window=10 * SECOND)
    hits = [hit(n, key=(), values=(user,)) for n, user in enumerate(("ann", "bob", "bob", "bob"))]
    assert run(rule(plan), [hits[:3]])[0] == []
    assert ids(run(rule(plan), [hits])[0]) == [["e0", "e1", "e2", "e3"]]


def test_an_upper_bound_ends_it() -> None:
    plan = replace(COUNT, low=2, high=2)
    found, _ = run(rule(plan), [[hit(0), hit(1), hit(2)]])
    assert ids(found) == [["e0", "e1"]]


@pytest.mark.parametrize("entry", [None, {}, {"value": 0}, {"field": ["a"]}])
def test_says_what_a_threshold_needs(entry: Any) -> None:
    with pytest.raises(TocsinError, match=r"needs \[rule.threshold\]"):
        lowered(threshold=entry)


def test_refuses_what_it_cannot_count() -> None:
    many = {"value": 1, "cardinality": [{"field": "a", "value": 2}, {"field": "b", "value": 2}]}
    with pytest.raises(UnsupportedError, match="one field"):
        lowered(threshold=many)
    with pytest.raises(UnsupportedError, match="lucene"):
        lowered(language="lucene")


def test_the_window_is_what_the_rule_looks_back() -> None:
    assert lowered(**{"from": "now-9m"}).window == 9 * MINUTE
    assert lowered().window == 6 * MINUTE


# ---- late events, restarts ----


def test_a_late_event_keeps_the_birth() -> None:
    made = machine(rule(COUNT))
    (first,) = firings(made.feed([hit(2), hit(3), hit(4)], 0))
    (second,) = firings(made.feed([hit(1)], 0))
    assert second.born == first.born
    assert [event.id for event in second.events] == ["e1", "e2", "e3", "e4"]


def test_a_late_event_that_joins_two_keeps_the_older() -> None:
    plan = replace(COUNT, window=5 * SECOND, low=2)
    made = machine(rule(plan))
    found = made.feed([hit(0), hit(4), hit(10), hit(14)], 0)
    assert len(firings(found)) == 2
    joined = made.feed([hit(7)], 0)
    assert [item.born for item in firings(joined)] == [firings(found)[0].born]
    assert [item.born for item in joined if isinstance(item, Withdrawal)] == [firings(found)[1].born]


def test_a_late_event_can_overturn_an_upper_bound() -> None:
    plan = replace(COUNT, low=2, high=2)
    made = machine(rule(plan))
    (first,) = firings(made.feed([hit(1), hit(2)], 0))
    found = made.feed([hit(0)], 0)
    assert standing([first, *found]) == standing(run(rule(plan), [[hit(0), hit(1), hit(2)]])[0])


def test_a_restart_goes_on_with_what_was_born() -> None:
    feeds = [[hit(2), hit(3), hit(4)], [hit(1, arrival=NOW + 20 * SECOND)], [hit(5, arrival=NOW + 30 * SECOND)]]
    calm, _ = run(rule(COUNT), feeds)
    again, _ = run(rule(COUNT), feeds, restart_before=[1, 2])
    assert {tuple(item.born) for item in firings(again)} == {tuple(item.born) for item in firings(calm)}
    assert len({tuple(item.born) for item in firings(calm)}) == 1


def test_a_restart_within_a_long_alert_makes_no_other() -> None:
    """Its beginning is many windows ago."""
    feeds = [[hit(second) for second in range(start, start + 50)] for start in range(0, 1000, 50)]
    found, _ = run(rule(COUNT), feeds, restart_before=[10, 19])
    assert len({tuple(item.born) for item in firings(found)}) == 1
    assert len(firings(found)[-1].events) == 1000


def test_a_late_event_far_back_is_looked_at_with_its_neighbours() -> None:
    feeds = [[hit(0), hit(1)], [hit(10_000 + n / 10) for n in range(3_000)], [hit(2)]]
    found, _ = run(rule(COUNT), feeds)
    assert ids(found)[-1] == ["e0", "e1", "e2"]


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Hit], list[list[Hit]], list[int]]:
    """Hits, some of equal time, and a way for them to arrive: any order, any split, repeats, restarts."""
    seconds = draw(st.lists(st.integers(0, 60), min_size=1, max_size=25))
    hits = [
        hit(second, f"i{n}", key=(draw(st.sampled_from(["a", "b"])),), values=(draw(st.sampled_from("xyz")),))
        for n, second in enumerate(seconds)
    ]
    shuffled = draw(st.permutations(hits))
    feeds: list[list[Hit]] = [[]]
    for place, each in enumerate(shuffled):
        if draw(st.booleans()):
            feeds.append([])
        feeds[-1].append(each._replace(arrival=NOW + place * SECOND, position=place))
        if draw(st.integers(0, 5)) == 0:
            feeds[-1].append(feeds[-1][-1])
    return hits, feeds, draw(st.lists(st.integers(0, len(feeds)), max_size=3))


def slowly(plan: Count, hits: Sequence[Hit]) -> set[tuple[str, frozenset[str]]]:
    """What a threshold means, from its words: at each event the window before it is counted anew."""
    out = set()
    for key in {each.key for each in hits}:
        own = sorted({h.id: h for h in hits if h.key == key}.values(), key=lambda h: (h.time, h.id))
        members: list[str] | None = None
        ended = []
        for last in own:
            window = [h for h in own if last.time - plan.window < h.time and (h.time, h.id) <= (last.time, last.id)]
            n = len({h.values for h in window}) if plan.distinct else len(window)
            if n < (plan.low or 0) or (plan.high is not None and n > plan.high):
                members = None
            elif members is None:
                members = [h.id for h in window]
                ended.append(members)
            else:
                members.append(last.id)
        group = repr(sorted({"source.ip": key[0]}.items()))
        out |= {(group, frozenset(each)) for each in ended}
    return out


@settings(max_examples=100)
@given(arrivals(), st.sampled_from([COUNT, replace(COUNT, high=4), replace(COUNT, distinct=(field("u"),), low=2)]))
def test_any_order_any_split_and_any_restart_finds_the_same(
    case: tuple[list[Hit], list[list[Hit]], list[int]], plan: Count
) -> None:
    hits, feeds, restarts = case
    found, _ = run(rule(plan), feeds, restart_before=restarts)
    assert standing(found) == slowly(plan, hits)


# ---- what is common to many ----

VETO = Count(
    ALWAYS,
    (field("client"), field("server")),
    300 * SECOND,
    3,
    unless=Common(ALWAYS, (field("server"),), field("client"), 5),
)


def error(second: float, client: str) -> list[Hit]:
    """A server error for a client: it counts, and it is a cause."""
    id_ = f"{client}{second:g}"
    return [hit(second, id_, key=(client, "srv")), hit(second, id_, key=("srv",), step=1, values=(client,))]


def vetoed(others: int) -> list[Hit]:
    hits = [each for second in range(3) for each in error(second, "mallory")]
    return hits + [each for n in range(others) for each in error(60 + n, f"c{n}")]


def test_waits_until_its_window_has_passed() -> None:
    made = machine(rule(VETO))
    assert made.feed(vetoed(4), NOW + 299 * SECOND) == []
    (found,) = firings(made.feed((), NOW + 300 * SECOND))
    assert found.group == {"client": "mallory", "server": "srv"}
    assert made.feed((), NOW + 400 * SECOND) == []


def test_a_deployment_that_fails_for_everybody_is_none() -> None:
    made = machine(rule(VETO))
    assert made.feed(vetoed(5), NOW + 299 * SECOND) == []
    assert made.feed((), NOW + 10_000 * SECOND) == []


def test_a_cause_that_comes_late_withdraws() -> None:
    made = machine(rule(VETO))
    (found,) = firings(made.feed(vetoed(4), NOW + 400 * SECOND))
    (gone,) = made.feed(error(200, "c9"), NOW + 400 * SECOND)
    assert isinstance(gone, Withdrawal)
    assert gone.born == found.born
    assert "common" in gone.reason


def test_causes_are_read_back_after_a_restart() -> None:
    hits = vetoed(5)
    stored = Stored()
    stored.add(hits)
    assert machine(rule(VETO), stored).feed([h for h in hits if h.id == "mallory2"], NOW + 400 * SECOND) == []
    stored = Stored()
    stored.add(vetoed(4))
    (found,) = machine(rule(VETO), stored).feed([h for h in vetoed(4) if h.id == "mallory2"], NOW + 400 * SECOND)
    assert isinstance(found, Firing)


# ---- many ----


def test_a_flood_on_one_group_copies_little_and_ends_exact() -> None:
    """An alert of ten thousands is not given out anew at every stretch, and what is held is bounded."""
    stored = Stored()
    made = machine(rule(COUNT), stored)
    given = 0
    found: list[Firing | Withdrawal] = []
    for start in range(0, 40_000, 100):
        found = made.feed([hit(n / 2, f"i{n}") for n in range(start, start + 100)], 0) or found
        given += len(firings(found))
    found = made.feed((), 0) or found
    (last,) = firings(found)
    assert last.extra["kibana.alert.threshold_result.count"] == 40_000
    assert len(last.events) == 10_000
    assert made.size() < 20_000
    assert stored.asked < 5


def test_thousands_of_groups_stay_within_bounds() -> None:
    from tocsin.detect._keys import Keyed

    made = machine(rule(COUNT))
    assert isinstance(made, Keyed)
    made.limit = 1_000
    for start in range(0, 20_000, 500):
        made.feed([hit(n, key=(f"k{n}",)) for n in range(start, start + 500)], 0)
    assert made.size() <= 1_000
    assert len(made.held) <= 1_000


def test_a_rule_without_groups_has_one() -> None:
    plan = replace(COUNT, by=())
    made: Rule = rule(plan)
    assert ids(run(made, [[hit(n, key=()) for n in range(3)]])[0]) == [["e0", "e1", "e2"]]
