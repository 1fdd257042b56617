"""Alerts of what was found: documents, ids, suppression, building blocks, withdrawals, what a restart leaves alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.alert.conftest import HOUR, Alerting, firing, rule
from tests.store.conftest import NOW
from tocsin.detect import Suppression
from tocsin.event.ids import stable_id
from tocsin.lang import kql
from tocsin.lang.fields import Names
from tocsin.ports import Document, Withdrawal
from tocsin.store import Store

Put = Callable[..., list[Document]]
BY_HOST = Suppression(("host.name",), HOUR)


def states(alerting: Alerting) -> list[str]:
    return sorted(str(alert["tocsin.alert.state"]) for alert in alerting.stored().values())


def test_a_query_rules_alert_is_a_copy_of_its_event(held: Store, events: Put) -> None:
    (event,) = events({"url.path": "/a.bat", "event.original": "raw", "event.kind": "event", "my.own": ["x", "y"]})
    alerting = Alerting(held, [rule("R", severity="high", risk_score=73, tags=("t",))])
    (made,) = alerting.engine.take([firing("R", event)])
    (alert,) = alerting.stored().values()
    assert alert["_id"] == stable_id("alert", "R", event["tocsin.id"])
    expected = {
        "url.path": "/a.bat",
        "my.own": ["x", "y"],
        "event.kind": "signal",
        "kibana.alert.severity": "high",
        "kibana.alert.risk_score": 73.0,
        "kibana.alert.rule.name": "Rule R",
        "tocsin.alert.event_ids": [event["tocsin.id"]],
        "tocsin.alert.state": "active",
    }
    assert {name: alert[name] for name in expected} == expected
    assert made["kibana.alert.uuid"] == alert["_id"]


def test_the_same_firing_again_changes_nothing(held: Store, events: Put) -> None:
    (event,) = events({})
    alerting = Alerting(held, [rule("R")])
    assert len(alerting.engine.take([firing("R", event)])) == 1
    before = alerting.stored()
    assert alerting.engine.take([firing("R", event)]) == []
    assert alerting.again().engine.take([firing("R", event)]) == []
    assert alerting.stored() == before


def test_rule_version_and_time_of_run_are_not_in_the_id(held: Store, events: Put) -> None:
    (event,) = events({})
    (one,) = Alerting(held, [rule("R", version=1)]).engine.take([firing("R", event)])
    assert Alerting(held, [rule("R", version=2)]).engine.take([firing("R", event)]) == []
    assert one["kibana.alert.rule.version"] == 1


def test_a_thresholds_alert_has_its_group_its_times_and_ten_samples(held: Store, events: Put) -> None:
    found = events(*({"source.ip": "10.0.0.1", "user.name": f"u{n}"} for n in range(60)))
    alerting = Alerting(held, [rule("T", type="threshold")])
    extra = {"kibana.alert.threshold_result.count": 60}
    (alert,) = alerting.engine.take([firing("T", *found, group={"source.ip": "10.0.0.1", "x": None}, extra=extra)])
    assert len(alert["tocsin.alert.events"]) == 10
    assert len(alert["tocsin.alert.event_ids"]) == 60
    assert (alert["kibana.alert.start"], alert["kibana.alert.end"]) == (
        "2023-11-14T22:13:20.000Z",
        "2023-11-14T22:14:19.000Z",
    )
    assert (alert["source.ip"], "user.name" in alert) == ("10.0.0.1", False)
    assert alert["tocsin.alert.group"] == ["10.0.0.1"]


def test_an_alert_grows_and_stays_one(held: Store, events: Put) -> None:
    found = events(*({} for _ in range(4)))
    alerting = Alerting(held, [rule("T", type="threshold")])
    alerting.engine.take([firing("T", *found[:3], extra={"n": 3})])
    (grown,) = alerting.engine.take([firing("T", *found, extra={"n": 4})])
    (alert,) = alerting.stored().values()
    assert alert["_id"] == grown["kibana.alert.uuid"]
    assert len(alert["tocsin.alert.event_ids"]) == 4


def test_another_birth_of_the_same_group_after_a_restart_is_the_same_alert(held: Store, events: Put) -> None:
    found = events(*({} for _ in range(4)))
    alerting = Alerting(held, [rule("T", type="threshold")])
    (first,) = alerting.engine.take([firing("T", *found[1:], group={"g": "a"}, born=["a", "e1"])])
    later = alerting.again()
    (again,) = later.engine.take([firing("T", *found, group={"g": "a"}, born=["a", "e0"])])
    assert again["kibana.alert.uuid"] == first["kibana.alert.uuid"]
    (other,) = later.engine.take([firing("T", *found[1:], group={"g": "b"}, born=["b", "e1"])])
    assert other["kibana.alert.uuid"] != first["kibana.alert.uuid"]
    later.engine.take([Withdrawal("T", ["a", "e0"], "late")])
    assert alerting.stored()[first["kibana.alert.uuid"]]["tocsin.alert.state"] == "withdrawn"


def test_a_withdrawal_is_the_engines_state_and_may_be_taken_back(held: Store, events: Put) -> None:
    found = events({}, {})
    alerting = Alerting(held, [rule("T", type="threshold")])
    alerting.engine.take([firing("T", *found)])
    gone = Withdrawal("T", [found[0]["tocsin.id"]], "a late event")
    (document,) = alerting.again().engine.take([gone])
    assert (document["tocsin.alert.state"], document["tocsin.alert.state_reason"]) == ("withdrawn", "a late event")
    assert alerting.again().engine.take([gone]) == []
    alerting.again().engine.take([firing("T", *found)])
    assert states(alerting) == ["active"]


def test_of_one_alert_the_last_word_counts(held: Store, events: Put) -> None:
    found = events({}, {})
    alerting = Alerting(held, [rule("T", type="threshold")])
    gone = Withdrawal("T", [found[0]["tocsin.id"]], "a late event")
    alerting.engine.take([firing("T", *found)])
    alerting.engine.take([gone, firing("T", *found)])
    assert states(alerting) == ["active"]
    alerting.engine.take([firing("T", *found), gone])
    assert states(alerting) == ["withdrawn"]


def test_the_first_severity_that_holds_overrides(held: Store, events: Put) -> None:
    one, two = events({"url.path": "/a"}, {"url.path": "/b"})
    when = (("critical", kql.parse("url.path: /b", Names())),)
    alerting = Alerting(held, [rule("R", severity_when=when)])
    low, high = alerting.engine.take([firing("R", one), firing("R", two)])
    assert (low["kibana.alert.severity"], high["kibana.alert.severity"]) == ("medium", "critical")
    assert high["kibana.alert.risk_score"] == 99.0


def test_backfill_is_said_until_something_live_joins(held: Store, events: Put) -> None:
    found = events({}, {}, {})
    alerting = Alerting(held, [rule("T", type="threshold")])
    (alert,) = alerting.engine.take([firing("T", *found[:2], backfill=True)])
    assert alert["tocsin.alert.backfill"] is True
    (alert,) = alerting.engine.take([firing("T", *found)])
    assert alert["tocsin.alert.backfill"] is False
    (alert,) = alerting.engine.take([firing("T", *found[1:], born=[found[0]["tocsin.id"]], backfill=True)])
    assert alert["tocsin.alert.backfill"] is False


# ---- suppression ----


def test_equal_alerts_within_the_window_are_counted_and_can_be_opened(held: Store, events: Put) -> None:
    found = events({"second": 0}, {"second": 10}, {"second": 3599}, {"second": 3600}, {"second": 5, "host.name": "ws2"})
    alerting = Alerting(held, [rule("R", suppression=BY_HOST)])
    alerting.engine.take([firing("R", event) for event in found])
    assert states(alerting) == ["active", "active", "active", "suppressed", "suppressed"]
    standing = alerting.stored()[stable_id("alert", "R", found[0]["tocsin.id"])]
    assert standing["kibana.alert.suppression.docs_count"] == 2
    assert standing["kibana.alert.end"] == "2023-11-14T23:13:19.000Z"
    hidden = alerting.stored()[stable_id("alert", "R", found[1]["tocsin.id"])]
    assert hidden["tocsin.alert.suppressed_by"] == standing["_id"]


def test_suppression_goes_on_after_a_restart_and_a_replay_counts_nothing_twice(held: Store, events: Put) -> None:
    found = events({}, {}, {})
    alerting = Alerting(held, [rule("R", suppression=BY_HOST)])
    alerting.engine.take([firing("R", event) for event in found[:2]])
    again = alerting.again()
    again.engine.take([firing("R", event) for event in found])
    assert states(alerting) == ["active", "suppressed", "suppressed"]
    standing = alerting.stored()[stable_id("alert", "R", found[0]["tocsin.id"])]
    assert standing["kibana.alert.suppression.docs_count"] == 2


@pytest.mark.parametrize(
    ("missing", "expected"), [("suppress", ["active", "suppressed"]), ("separate", ["active"] * 2)]
)
def test_missing_values_are_one_group_or_none(held: Store, events: Put, missing: Any, expected: list[str]) -> None:
    found = events({}, {})
    alerting = Alerting(held, [rule("R", suppression=Suppression(("user.name",), HOUR, missing))])
    alerting.engine.take([firing("R", event) for event in found])
    assert states(alerting) == expected


def test_a_late_event_is_one_more_of_the_same(held: Store, events: Put) -> None:
    late, first = events({"second": 0}, {"second": 60})
    alerting = Alerting(held, [rule("R", suppression=BY_HOST)])
    alerting.engine.take([firing("R", first)])
    alerting.engine.take([firing("R", late)])
    assert states(alerting) == ["active", "suppressed"]


def test_a_backfill_long_ago_does_not_end_what_stands_now(held: Store, events: Put) -> None:
    old, first, second = events({"second": -90_000}, {"second": 0}, {"second": 60})
    alerting = Alerting(held, [rule("R", suppression=BY_HOST)])
    for event in (first, old, second):
        alerting.engine.take([firing("R", event)])
    assert states(alerting) == ["active", "active", "suppressed"]


def test_rules_never_suppress_one_another(held: Store, events: Put) -> None:
    (event,) = events({})
    alerting = Alerting(held, [rule("A", suppression=BY_HOST), rule("B", suppression=BY_HOST)])
    alerting.engine.take([firing("A", event), firing("B", event)])
    assert states(alerting) == ["active", "active"]


def test_when_what_stands_is_withdrawn_another_stands(held: Store, events: Put) -> None:
    found = events({}, {}, {}, {})
    alerting = Alerting(held, [rule("T", type="threshold", suppression=BY_HOST)])
    alerting.engine.take([firing("T", event, group={"n": str(n)}) for n, event in enumerate(found[:3])])
    assert states(alerting) == ["active", "suppressed", "suppressed"]
    alerting.engine.take([Withdrawal("T", [found[0]["tocsin.id"]], "late")])
    assert states(alerting) == ["active", "suppressed", "withdrawn"]
    heir = alerting.stored()[stable_id("alert", "T", found[1]["tocsin.id"])]
    assert heir["kibana.alert.suppression.docs_count"] == 1
    alerting.engine.take([firing("T", found[3], group={"n": "3"})])
    assert states(alerting) == ["active", "suppressed", "suppressed", "withdrawn"]


# ---- building blocks ----


@pytest.mark.parametrize("order", [("main", "sibling"), ("sibling", "main")])
@pytest.mark.parametrize("restart", [False, True])
def test_a_sibling_steps_back_whichever_comes_first(
    held: Store, events: Put, order: tuple[str, str], restart: bool
) -> None:
    (event,) = events({})
    alerting = Alerting(held, [rule("main"), rule("sibling", sibling_of="main")])
    alerting.engine.take([firing(order[0], event)])
    (alerting.again() if restart else alerting).engine.take([firing(order[1], event)])
    blocks = {
        a["kibana.alert.rule.uuid"]: a.get("kibana.alert.building_block_type") for a in alerting.stored().values()
    }
    assert blocks == {"main": None, "sibling": "default"}


def test_a_sibling_steps_back_for_a_suppressed_one_and_not_on_another_event(held: Store, events: Put) -> None:
    one, two, three = events({}, {}, {})
    alerting = Alerting(held, [rule("main", suppression=BY_HOST), rule("sibling", sibling_of="main")])
    alerting.engine.take([firing("main", one), firing("main", two), firing("sibling", two), firing("sibling", three)])
    blocks = [
        a.get("kibana.alert.building_block_type")
        for a in alerting.stored().values()
        if a["kibana.alert.rule.uuid"] == "sibling"
    ]
    assert sorted(map(str, blocks)) == ["None", "default"]


def test_legs_are_building_blocks(held: Store, events: Put) -> None:
    (event,) = events({})
    (alert,) = Alerting(held, [rule("P1")], frozenset({"P1"})).engine.take([firing("P1", event)])
    assert alert["kibana.alert.building_block_type"] == "default"


def test_an_unknown_rules_firing_is_passed_over(held: Store, events: Put) -> None:
    (event,) = events({})
    assert Alerting(held, [rule("R")]).engine.take([firing("other", event)]) == []


def test_what_memory_forgot_is_asked_of_the_store(held: Store, events: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.alert.engine._GROUPS", 2)
    found = events(*({"second": n, "host.name": f"h{n % 6}"} for n in range(12)))
    alerting = Alerting(held, [rule("R", suppression=BY_HOST)], most=3)
    for start in range(0, 12, 6):
        alerting.engine.take([firing("R", event) for event in found[start : start + 6]])
    assert states(alerting) == ["active"] * 6 + ["suppressed"] * 6
    assert alerting.engine.take([firing("R", event) for event in found]) == []


def test_assigns_incidents_and_takes_them_back(held: Store, events: Put) -> None:
    (event,) = events({})
    alerting = Alerting(held, [rule("R")])
    (alert,) = alerting.engine.take([firing("R", event)])
    uuid = alert["kibana.alert.uuid"]
    alerting.engine.assign({uuid: "i1"})
    assert alerting.stored()[uuid]["tocsin.alert.incident"] == "i1"
    alerting.again().engine.assign({uuid: ""})
    assert "tocsin.alert.incident" not in alerting.stored()[uuid]


@pytest.mark.slow
def test_ten_thousand_alerts_in_one_take_ask_the_store_little(
    held: Store, events: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What memory is sure of is not asked: a flood is one look-up of events and one write."""
    found = events(*({"second": n / 100, "host.name": f"h{n}"} for n in range(10_000)))
    alerting = Alerting(held, [rule("R", suppression=BY_HOST), rule("S", sibling_of="R")])
    alerting.engine.remember([], NOW - 400 * 24 * HOUR)
    asked: list[str] = []

    def counted(name: str) -> None:
        real = getattr(held, name)

        def ask(*given: Any, **more: Any) -> Any:
            asked.append(name)
            return real(*given, **more)

        monkeypatch.setattr(held, name, ask)

    for name in ("alerts_by_join", "alerts_by_event", "by_ids"):
        counted(name)
    made = alerting.engine.take([firing("R", event) for event in found])
    assert len(made) == 10_000
    assert asked == ["by_ids"]
