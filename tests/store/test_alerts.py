"""Alerts, incidents and what people decided about them."""

from __future__ import annotations

from typing import Any

from tests.store.conftest import NOW
from tocsin.lang.ir import TRUE, Equals, Not, Test
from tocsin.ports import Span
from tocsin.store import Store

Test.__test__ = False  # type: ignore[attr-defined]
TIME = "2023-11-14T22:13:20.000Z"


def alert(id_: str, **more: Any) -> dict[str, Any]:
    return {
        "kibana.alert.uuid": id_,
        "@timestamp": TIME,
        "event.dataset": "zeek.http",
        "kibana.alert.rule.name": "R",
        "tocsin.alert.version_members": 1,
        "tocsin.alert.version_position": 1,
        **{name.replace("__", "."): value for name, value in more.items()},
    }


def decided(id_: str, status: str, revision: int) -> dict[str, Any]:
    return {"id": id_, "status": status, "reason": "duplicate", "assignees": ["ann"], "tags": ["t"], "changed": NOW,
            "by": "ann", "revision": revision}  # fmt: skip


def test_a_higher_version_stays_whatever_comes_later(held: Store) -> None:
    held.write_alerts([alert("a", tocsin__alert__version_members=2, source__ip="10.0.0.1", my__own=[1, "x"])])
    held.write_alerts([alert("a", tocsin__alert__version_members=1, source__ip="10.0.0.2")])
    (found,) = held.search(TRUE, of="alerts")
    assert (found["_id"], found["source.ip"], found["my.own"]) == ("a", "10.0.0.1", ["1", "x"])
    held.write_alerts([alert("a", tocsin__alert__version_members=2, source__ip="10.0.0.3")])
    assert [row["source.ip"] for row in held.search(TRUE, of="alerts")] == ["10.0.0.3"]
    assert held.count(TRUE, of="alerts") == 1


def test_a_document_that_was_read_can_be_written_back(held: Store) -> None:
    held.write_alerts([alert("a", tags=["x"], tocsin__alert__events=[{"message": "m"}])])
    held.write_triage([decided("a", "closed", 1)])
    (before,) = held.search(TRUE, of="alerts")
    held.write_alerts([before])
    (after,) = held.search(TRUE, of="alerts")
    assert after == before
    assert before["tocsin.alert.events"] == '[{"message":"m"}]'


def test_what_nobody_decided_about_is_open(held: Store) -> None:
    held.write_alerts([alert("a"), alert("b"), alert("c")])
    held.write_triage([decided("a", "closed", 1), decided("b", "closed", 1), decided("nobody", "closed", 1)])
    held.write_triage([decided("b", "open", 2)])
    held.write_triage([decided("a", "open", 0)])  # an older one comes late
    field = held.names["alerts"].field("kibana.alert.workflow_status")
    is_open = Test(field, Equals(("OPEN",), fold=True))
    assert sorted(row["_id"] for row in held.search(is_open, of="alerts")) == ["b", "c"]
    assert [row["_id"] for row in held.search(Not(is_open), of="alerts")] == ["a"]
    assert held.top(TRUE, "kibana.alert.workflow_status", of="alerts").values == [("open", 2), ("closed", 1)]
    (closed,) = held.search(Not(is_open), of="alerts")
    assert closed["kibana.alert.workflow_assignee_ids"] == ["ann"]
    assert closed["kibana.alert.workflow_status_updated_at"] == TIME
    foreign = held.names["events"].field("kibana.alert.workflow_status")  # resolved for another table
    assert held.count(Test(foreign, Equals(("open",))), of="alerts") == 2
    assert sum(held.histogram(is_open, Span(), of="alerts").counts[""]) == 2
    assert held.by_ids(["c"], of="alerts")["c"]["kibana.alert.workflow_status"] == "open"


def test_alerts_are_found_by_what_they_share(held: Store) -> None:
    held.write_alerts(
        [
            alert("a", tocsin__alert__join=["k1", "k2"], tocsin__alert__event_ids=["e1"]),
            alert("b", tocsin__alert__join=["k2"], tocsin__alert__event_ids=["e1", "e2"]),
            alert("c", tocsin__alert__join=["k1"], tocsin__alert__state="withdrawn"),
        ]
    )
    assert [row["_id"] for row in held.alerts_by_join(["k1"], Span())] == ["a"]
    assert [row["_id"] for row in held.alerts_by_join(["k2", "k9"], Span(NOW, NOW + 1))] == ["a", "b"]
    assert held.alerts_by_join(["k2"], Span(NOW + 1, None)) == []
    assert [row["_id"] for row in held.alerts_by_event(["e2", "e3"])] == ["b"]
    assert (held.alerts_by_join([], Span()), held.alerts_by_event([])) == ([], [])


def test_incidents_are_replaced_by_their_id(held: Store) -> None:
    for number in (5, 9):
        held.write_incidents(
            [{"tocsin.incident.id": "i", "@timestamp": TIME, "tocsin.incident.score": number, "host.name": ["h", "g"]}]
        )
    held.write_triage([decided("i", "acknowledged", 1)])
    (found,) = held.search(TRUE, of="incidents")
    assert (found["_id"], found["tocsin.incident.score"], found["host.name"]) == ("i", 9, ["h", "g"])
    assert found["kibana.alert.workflow_status"] == "acknowledged"
    score = held.names["incidents"].field("tocsin.incident.score")
    assert held.count(Test(score, Equals((9,))), of="incidents") == 1
