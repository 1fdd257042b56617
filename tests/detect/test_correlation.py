"""Correlations: legs of one client within a window, which rise to one whole alert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detect.conftest import MINUTE, field, hit, machine, rule, standing
from tocsin.detect import Lowering, Rule
from tocsin.detect.correlation import TYPE
from tocsin.errors import TocsinError
from tocsin.lang.fields import Names
from tocsin.lang.ir import Correlation, Leg
from tocsin.lang.lists import ListTable
from tocsin.ports import Firing, Hit, Withdrawal

BY = (field("tocsin.client.ip"), field("host.name"), field("url.domain"))
PLAN = Correlation(
    legs=(Leg("denied", ("P1",), BY[:1]), Leg("logins", ("P2",), BY), Leg("error", ("P3",), BY)),
    window=30 * MINUTE,
    minimum=2,
    observers=2,
    partial="low",
    raised=((Leg("success", ("P4",), BY[:1]), 60 * MINUTE, "critical"),),
)
PORTAL = rule(PLAN, severity="high", risk_score=73.0)


def leg(minute: float, step: int, client: str | None = "c1", *places: str | None, **more: Any) -> Hit:
    """A leg's alert, as the state stage gives it: by client and places, seen by one observer a leg."""
    more = {"id_": f"a{minute:g}-{step}-{client}", "values": (f"sensor{step}",), **more}
    key = (client,) if step in (0, 3) else (client, *(places or ("srv", "portal")))
    return hit(minute * 60, key=key, step=step, **more)


def fed(*feeds: Sequence[Hit], of: Rule = PORTAL) -> list[Firing | Withdrawal]:
    made = machine(of)
    return [item for hits in feeds for item in made.feed(hits, 0)]


def told(found: Sequence[Firing | Withdrawal]) -> list[tuple[str, bool]]:
    return [
        (item.extra["kibana.alert.severity"], item.extra["tocsin.alert.whole"])
        for item in found
        if isinstance(item, Firing)
    ]


def test_two_of_three_is_low_and_the_third_raises_the_same_alert() -> None:
    found = fed([leg(0, 0)], [leg(5, 1)], [leg(10, 2)])
    assert told(found) == [("low", False), ("high", True)]
    assert len({tuple(item.born) for item in found}) == 1
    (last,) = [item for item in found[1:] if isinstance(item, Firing)]
    assert last.group == {"tocsin.client.ip": "c1"}
    assert last.extra["tocsin.alert.legs"] == ["denied", "logins", "error"]
    assert last.extra["kibana.alert.risk_score"] == 73.0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
def test_any_order_of_legs_and_of_arrival(order: tuple[int, ...]) -> None:
    found = fed(*([leg(n, step)] for n, step in enumerate(order)))
    assert told(found)[-1] == ("high", True)
    backwards = fed(*([leg(-n, step)] for n, step in enumerate(order)))
    assert told(backwards)[-1] == ("high", True)
    assert len({tuple(item.born) for item in backwards}) == 1


def test_one_leg_however_often_is_none() -> None:
    assert fed([leg(n, 1) for n in range(20)]) == []


def test_legs_hours_apart_are_none() -> None:
    assert fed([leg(0, 0), leg(180, 1), leg(360, 2)]) == []
    assert told(fed([leg(0, 0), leg(30, 1)])) == [("low", False)]
    assert fed([leg(0, 0), leg(30.01, 1)]) == []


def test_other_clients_are_others() -> None:
    assert fed([leg(0, 0, "c1"), leg(1, 1, "c2"), leg(2, 2, "c3")]) == []


def test_a_whole_one_is_found_behind_an_early_part() -> None:
    """The first half hour holds two legs only; the half hour from its second event holds all three."""
    found = fed([leg(0, 0)], [leg(25, 1)], [leg(26, 0)], [leg(40, 2)])
    assert told(found)[-1] == ("high", True)
    (members,) = {members for _, members in standing(found)}
    assert members == {"a25-1-c1", "a26-0-c1", "a40-2-c1"}


def test_one_observer_alone_makes_no_whole() -> None:
    alone = [each._replace(values=("fw",)) for each in (leg(0, 0), leg(1, 1), leg(2, 2))]
    assert told(fed(alone)) == [("low", False)]
    unnamed = [each._replace(values=(None,)) for each in alone]
    assert told(fed(unnamed)) == [("low", False)]


def test_an_error_without_a_client_joins_whose_logins_name_that_server() -> None:
    loose = leg(10, 2, None, "srv", None)
    found = fed([leg(0, 0), leg(0, 0, "c2")], [leg(5, 1), leg(5, 1, "c2", "other", "site")], [loose])
    whole = [item for item in found if isinstance(item, Firing) and item.extra["tocsin.alert.whole"]]
    assert [item.group for item in whole] == [{"tocsin.client.ip": "c1"}]
    # It may come first.
    assert told(fed([loose], [leg(5, 1)], [leg(0, 0)]))[-1] == ("high", True)


def test_an_error_without_a_client_needs_logins_within_the_window() -> None:
    """Logins ten hours ago named the server; the blocked connection and the error now don't go together."""
    assert fed([leg(0, 1)], [leg(600, 0)], [leg(601, 2, None, "srv", None)]) == []


def test_many_clients_behind_one_server_are_each_their_own() -> None:
    clients = [f"c{n}" for n in range(500)]
    found = fed([leg(0, 0, c) for c in clients], [leg(1, 1, c) for c in clients], [leg(2, 2, None, "srv", None)])
    assert len(standing(found)) == 500


def test_a_success_later_makes_it_critical() -> None:
    three = [leg(0, 0), leg(5, 1), leg(10, 2)]
    assert told(fed(three, [leg(69, 3)]))[-1] == ("critical", True)
    assert told(fed(three, [leg(71, 3)])) == [("high", True)]
    assert told(fed(three, [leg(20, 3, "c2")])) == [("high", True)]
    assert told(fed([leg(0, 0), leg(5, 1), leg(9, 3)])) == [("low", False)]


def test_a_withdrawn_leg_lowers_and_withdraws() -> None:
    found = fed([leg(0, 0), leg(5, 1), leg(10, 2)], [leg(10, 2, silenced="withdrawn")])
    assert told(found) == [("high", True), ("low", False)]
    found = fed([leg(0, 0), leg(5, 1)], [leg(5, 1, silenced="withdrawn")])
    assert isinstance(found[-1], Withdrawal)
    assert standing(found) == set()


def test_a_leg_that_came_again_changes_nothing() -> None:
    assert len(fed([leg(0, 0), leg(5, 1)], [leg(0, 0)], [leg(5, 1), leg(0, 0)])) == 1


def test_a_leg_whose_alert_moved_on_counts_where_it_is() -> None:
    """A threshold's alert grows: its time is its last event's."""
    found = fed([leg(0, 0), leg(5, 1, id_="p2")], [leg(50, 1, id_="p2")])
    assert isinstance(found[-1], Withdrawal)


def test_two_that_part_are_two_alerts() -> None:
    """A late leg takes a part of what was one; what is left begins with the alert that the one was born from."""
    late, loose = leg(62, 1), leg(62, 2, None)
    found = fed([loose, late], [leg(32, 2, None)], [leg(31, 1)])
    assert {members for _, members in standing(found)} == {
        frozenset({"a31-1-c1", "a32-2-None"}),
        frozenset({"a62-1-c1", "a62-2-None"}),
    }


def test_in_order_where_the_rule_says_so() -> None:
    ordered = rule(replace(PLAN, ordered=True, minimum=3, observers=0), severity="high")
    assert told(fed([leg(0, 0), leg(1, 1), leg(2, 2)], of=ordered)) == [("high", True)]
    assert fed([leg(0, 1), leg(1, 0), leg(2, 2)], of=ordered) == []
    assert told(fed([leg(0, 2), leg(1, 0), leg(2, 1), leg(3, 2)], of=ordered)) == [("high", True)]


def test_sigmas_groups_are_equal_in_all_keys() -> None:
    by = (field("a"), field("b"))
    plan = Correlation((Leg("x", ("X",), by), Leg("y", ("Y",), by)), 30 * MINUTE, minimum=2)
    sigma = rule(plan, format="sigma", severity="high")
    assert fed([hit(0, "x", key=("1", "2"))], [hit(1, "y", key=("1", "3"), step=1)], of=sigma) == []
    assert fed([hit(0, "x", key=(None, "2"))], [hit(1, "y", key=(None, "2"), step=1)], of=sigma) == []
    (found,) = fed([hit(0, "x", key=("1", "2"))], [hit(1, "y", key=("1", "2"), step=1)], of=sigma)
    assert isinstance(found, Firing)
    assert found.group == {"a": "1", "b": "2"}
    # Without group-by all are one group.
    nothing = rule(replace(plan, legs=(Leg("x", ("X",)), Leg("y", ("Y",)))), format="sigma", severity="high")
    assert told(fed([hit(0, "x", key=())], [hit(1, "y", key=(), step=1)], of=nothing)) == [("high", True)]


@settings(max_examples=100)
@given(st.data())
def test_any_order_and_any_split_finds_the_same(data: st.DataObject) -> None:
    hits = []
    for n in range(data.draw(st.integers(0, 14))):
        client = data.draw(st.sampled_from(["c1", "c2", None]))
        step = data.draw(st.integers(0, 3)) if client else 2
        hits.append(leg(data.draw(st.integers(0, 120)), step, client, id_=f"i{n}"))
    calm = standing(fed(sorted(hits, key=lambda each: (each.time, each.id))))
    feeds: list[list[Hit]] = [[]]
    for each in data.draw(st.permutations(hits)):
        if data.draw(st.booleans()):
            feeds.append([])
        feeds[-1].append(each)
        if data.draw(st.integers(0, 4)) == 0:  # withdrawn, and then there again
            feeds += [[each._replace(silenced="withdrawn")], [each]]
    assert standing(fed(*feeds)) == calm


def test_many_legs_are_looked_at_by_client() -> None:
    made = machine(PORTAL)
    for start in range(0, 50_000, 500):
        made.feed([leg(n / 1_000, 0, f"c{n}") for n in range(start, start + 500)], 0)
    assert made.size() == 50_000


def lowered(**entry: Any) -> Correlation:
    given = {"window": "30m", "leg": [{"rules": ["A"], "by": ["a"]}, {"rules": ["B"], "by": ["a"]}], **entry}
    plan = TYPE.lower({}, {"correlation": given}, Lowering(Names(), ListTable({}), "r.toml"))
    assert isinstance(plan, Correlation)
    return plan


def test_reads_its_table() -> None:
    plan = lowered(observers=2, **{"raise": [{"rules": ["C"], "by": ["a"], "within": "1h", "severity": "critical"}]})
    assert (plan.window, plan.minimum, plan.observers) == (30 * MINUTE, 2, 2)
    assert [(leg.rules, within, severity) for leg, within, severity in plan.raised] == [
        (("C",), 60 * MINUTE, "critical")
    ]


@pytest.mark.parametrize(
    ("entry", "what"),
    [({"windw": "3m"}, "no key 'windw'"), ({"leg": []}, "two legs"), ({"window": "soon"}, "'soon' is no duration")],
)
def test_says_what_is_wrong(entry: dict[str, Any], what: str) -> None:
    with pytest.raises(TocsinError, match=what):
        lowered(**entry)
