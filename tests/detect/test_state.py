"""The state stage: watermarks a source, what comes too late to tell anybody, and correlations of alerts."""

from __future__ import annotations

from typing import Any

from tests.detect.conftest import ALWAYS, MINUTE, NOW, SECOND, TYPES, Stored, field, hit, rule
from tocsin.detect import Rule
from tocsin.detect._state import AHEAD, BACKFILL, StateStage, Watermarks
from tocsin.lang.ir import Correlation, Count, Leg, Query, Sequence, Step
from tocsin.lang.lists import ListTable
from tocsin.ports import Document, Firing

DAY = 86_400
PLANS = {"r": Query(ALWAYS)}


def stage(*rules: Rule, now: Any = lambda: NOW) -> StateStage:
    return StateStage(rules, TYPES, Stored(), ListTable({}), now=now)


# ---- watermarks ----


def test_a_watermark_is_the_latest_and_never_goes_back() -> None:
    marks = Watermarks(lambda: NOW)
    assert marks.of(["d"]) == 0
    marks.saw("d", NOW, NOW)
    marks.saw("d", NOW - 10 * SECOND, NOW)
    assert marks.of(["d"]) == NOW


def test_one_clock_in_2038_closes_nobodys_windows() -> None:
    marks = Watermarks(lambda: NOW)
    marks.saw("d", NOW + 10**15, NOW)
    assert marks.of(["d"]) == NOW + AHEAD


def test_of_several_sources_the_slowest_counts() -> None:
    marks = Watermarks(lambda: NOW)
    marks.saw("fast", NOW, NOW)
    marks.saw("slow", NOW - 60 * SECOND, NOW)
    assert marks.of(["fast", "slow", "never seen"]) == NOW - 60 * SECOND


def test_a_silent_source_follows_the_clock_less_its_usual_lag() -> None:
    clock = [NOW]
    marks = Watermarks(lambda: clock[0])
    marks.saw("d", NOW - 5 * SECOND, NOW)
    clock[0] += 60 * SECOND
    assert marks.of(["d"]) == NOW - 5 * SECOND
    clock[0] += 1
    assert marks.of(["d"]) == NOW + 55 * SECOND + 1
    # It speaks again, of a time before that: what was certain stays so.
    marks.saw("d", NOW, clock[0])
    assert marks.of(["d"]) == NOW


def test_a_source_that_was_read_from_old_files_does_not_jump_to_now() -> None:
    clock = [NOW]
    marks = Watermarks(lambda: clock[0])
    marks.saw("d", NOW - 400 * DAY * SECOND, NOW)
    clock[0] += 120 * SECOND
    assert marks.of(["d"]) == NOW - 400 * DAY * SECOND + 120 * SECOND


# ---- late and backfill ----


def backfills(made: StateStage, *seconds: float, dataset: str = "d") -> list[bool]:
    hits = [hit(second, f"{dataset}{second}", dataset=dataset, arrival=NOW) for second in seconds]
    return [item.backfill for item in made.take(hits) if isinstance(item, Firing)]


def test_later_than_a_day_is_backfill_by_the_sources_own_watermark() -> None:
    made = stage(rule(PLANS["r"]))
    assert backfills(made, 0) == [False]
    assert backfills(made, -DAY) == [False]
    assert backfills(made, -DAY - 1) == [True]
    assert backfills(made, -DAY - 1, dataset="other") == [False]
    assert BACKFILL == DAY * SECOND


def test_a_first_read_of_old_files_is_not_late() -> None:
    made = stage(rule(PLANS["r"]))
    assert backfills(made, -400 * DAY, -390 * DAY, -399 * DAY) == [False, False, False]
    assert backfills(made, -380 * DAY) == [False]
    assert backfills(made, -400 * DAY) == [True]


def test_a_group_that_a_live_event_joins_is_not_backfill() -> None:
    made = stage(rule(Count(ALWAYS, (field("a"),), 10 * DAY * SECOND, 2)))
    made.take([hit(0, "live")])
    (found,) = made.take([hit(-2 * DAY, "old", arrival=NOW)])
    assert isinstance(found, Firing)
    assert found.backfill
    (found,) = made.take([hit(1, "more")])
    assert isinstance(found, Firing)
    assert not found.backfill


def test_of_other_generations_and_unknown_rules_nothing_is_taken() -> None:
    made = stage(rule(PLANS["r"]))
    assert made.take([hit(0)._replace(generation="old"), hit(0)._replace(rule="gone")]) == []
    assert made.watermarks.of(["d"]) == 0


def test_a_silenced_hit_is_no_alert_and_moves_the_watermark() -> None:
    made = stage(rule(PLANS["r"]))
    assert made.take([hit(0, silenced="approved_scripts")]) == []
    assert made.watermarks.of(["d"]) == NOW


def test_a_tick_finds_what_the_clock_made_certain() -> None:
    clock = [NOW]
    step = Step(ALWAYS, (field("a"),))
    plan = Sequence((step, Step(ALWAYS, (field("a"),), missing=True)), 10 * SECOND)
    made = stage(rule(plan), now=lambda: clock[0])
    assert made.take([hit(0, arrival=NOW)]) == []
    assert made.tick() == []
    clock[0] += 61 * SECOND
    (found,) = made.tick()
    assert isinstance(found, Firing)
    assert found.born == ["e0"]
    assert made.tick() == []
    assert [each.id for each in made.waiting()] == ["r"]


# ---- correlations ----

CLIENT = (field("tocsin.client.ip"),)
PORTAL = rule(
    Correlation((Leg("x", ("X",), CLIENT), Leg("y", ("Y",), CLIENT)), 30 * MINUTE, minimum=2, observers=2), id="c"
)


def alert(rule_id: str, **more: Any) -> Document:
    return {
        "kibana.alert.rule.uuid": rule_id,
        "kibana.alert.uuid": f"alert-{rule_id}",
        "@timestamp": "2023-11-14T22:13:20.000Z",
        "host.name": f"h-{rule_id}",
        "source.ip": "203.0.113.9",
        **more,
    }


def test_legs_join_by_the_real_client() -> None:
    made = stage(PORTAL)
    assert made.legs() == {"X", "Y"}
    assert made.take_alerts([alert("X"), alert("other")]) == []
    # The peer is a proxy that the list trusts; who it speaks for is in the header.
    lists = ListTable({"trusted_proxies": [{"value": "10.0.0.1"}]})
    made = StateStage([PORTAL], TYPES, Stored(), lists)
    proxied = {"source.ip": "10.0.0.1", "network.forwarded_ip": "203.0.113.9"}
    (found,) = made.take_alerts([alert("X"), alert("Y", **proxied)])
    assert isinstance(found, Firing)
    assert found.group == {"tocsin.client.ip": "203.0.113.9"}
    assert found.extra["tocsin.alert.whole"]
    assert made.size() == 2


def test_a_mapped_address_is_the_address_and_a_list_its_first() -> None:
    (found,) = stage(PORTAL).take_alerts([alert("X"), alert("Y", **{"source.ip": ["::ffff:203.0.113.9"]})])
    assert isinstance(found, Firing)


def test_what_is_observed_once_is_not_whole() -> None:
    (found,) = stage(PORTAL).take_alerts([alert("X", **{"observer.name": "fw"}), alert("Y", **{"observer.name": "fw"})])
    assert isinstance(found, Firing)
    assert not found.extra["tocsin.alert.whole"]


def test_a_correlation_of_backfill_is_backfill() -> None:
    old = {"tocsin.alert.backfill": True}
    (found,) = stage(PORTAL).take_alerts([alert("X", **old), alert("Y", **old)])
    assert isinstance(found, Firing)
    assert found.backfill
    (found,) = stage(PORTAL).take_alerts([alert("X", **old), alert("Y")])
    assert isinstance(found, Firing)
    assert not found.backfill


def test_withdrawn_legs_leave() -> None:
    made = stage(PORTAL)
    made.take_alerts([alert("X"), alert("Y")])
    (gone,) = made.take_alerts([alert("Y", **{"tocsin.alert.state": "withdrawn"})])
    assert not isinstance(gone, Firing)
