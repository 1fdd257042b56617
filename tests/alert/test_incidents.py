"""Incidents: which alerts are one, what id it keeps, what people decide, what withdrawals leave."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest

from tocsin.alert import incidents as module
from tocsin.alert.incidents import Decisions, Incidents, scored, why
from tocsin.alert.recent import Recent
from tocsin.event import time
from tocsin.event.ids import stable_id
from tocsin.lang.ir import TRUE
from tocsin.ports import Document
from tocsin.store import Store

from tests.store.conftest import NOW, folder, held, template  # isort: skip

__all__ = ["folder", "held", "template"]
HOUR = 3600


def alert(uuid: str, second: float, rule: str, *keys: str, **more: Any) -> Document:
    moment = time.iso(NOW + int(second * 1_000_000))
    return {
        "kibana.alert.uuid": uuid,
        "@timestamp": moment,
        "event.dataset": "d",
        "host.name": "ws1",
        "kibana.alert.rule.uuid": rule,
        "kibana.alert.rule.name": f"Rule {rule}",
        "kibana.alert.severity": "medium",
        "kibana.alert.risk_score": 47.0,
        "kibana.alert.reason": f"{rule} met",
        "kibana.alert.start": moment,
        "kibana.alert.end": moment,
        "tocsin.alert.state": "active",
        "tocsin.alert.join": list(keys),
        "tocsin.alert.version_members": 1,
        **{name.replace("__", "."): value for name, value in more.items()},
    }


class Held:
    """Incidents over a store; alerts are written as the engine writes them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.recent = Recent(store, store)
        self.incidents = Incidents(store, store, self.recent)
        self.alerts: dict[str, Document] = {}

    def put(self, *alerts: Document, decisions: Decisions | None = None) -> list[Document]:
        """New or changed alerts; the incidents that changed."""
        self._write(alerts)
        changed, moved = self.incidents.update([self.alerts[a["kibana.alert.uuid"]] for a in alerts], decisions)
        self._write({**self.alerts[uuid], "tocsin.alert.incident": incident} for uuid, incident in moved.items())
        return changed

    def change(self, uuid: str, **more: Any) -> list[Document]:
        return self.put({**self.alerts[uuid], **{name.replace("__", "."): value for name, value in more.items()}})

    def _write(self, alerts: Iterable[Document]) -> None:
        written = []
        for each in alerts:
            before = self.alerts.get(each["kibana.alert.uuid"], {})
            version = int(before.get("tocsin.alert.version_members", 0)) + 1
            document = {**each, "tocsin.alert.version_members": version}
            if "tocsin.alert.incident" in before and "tocsin.alert.incident" not in each:
                document["tocsin.alert.incident"] = before["tocsin.alert.incident"]
            if document.get("tocsin.alert.incident") == "":
                del document["tocsin.alert.incident"]
            self.alerts[each["kibana.alert.uuid"]] = document
            written.append(document)
            self.recent.put(document)
        if written:
            self.store.write_alerts(written)

    def stored(self, state: str = "active") -> dict[str, list[str]]:
        """Incident → its alerts."""
        found = self.store.search(TRUE, of="incidents")
        return {
            str(i["_id"]): sorted(i["tocsin.incident.alerts"]) for i in found if i["tocsin.incident.state"] == state
        }


@pytest.fixture
def kept(held: Store) -> Held:
    return Held(held)


def minted(uuid: str) -> str:
    return stable_id("incident", uuid)


def test_two_rules_and_a_key_make_one(kept: Held) -> None:
    assert kept.put(alert("a", 0, "R1", "flow:1")) == []
    assert kept.put(alert("b", 1, "R1", "flow:1")) == []
    (made,) = kept.put(alert("c", 2, "R2", "flow:1", "tree:x"))
    assert kept.stored() == {minted("a"): ["a", "b", "c"]}
    assert made["tocsin.incident.joins"] == ["a|b|flow:1", "b|c|flow:1"]
    assert all(each["tocsin.alert.incident"] == minted("a") for each in kept.alerts.values())
    # The same again changes nothing.
    assert kept.put(kept.alerts["c"]) == []


def test_one_alert_of_a_rule_that_says_so_is_one(kept: Held) -> None:
    kept.put(alert("a", 0, "R1", tocsin__alert__incident_alone=True))
    assert kept.stored() == {minted("a"): ["a"]}


@pytest.mark.parametrize(
    "more", [{"kibana.alert.building_block_type": "default"}, {"tocsin.alert.state": "suppressed"}]
)
def test_what_is_hidden_joins_nothing(kept: Held, more: Document) -> None:
    kept.put(alert("a", 0, "R1", "k:1"), alert("b", 0, "R2", "k:1", **more))
    assert kept.stored() == {}


def test_more_than_a_day_apart_is_another(kept: Held) -> None:
    kept.put(alert("a", 0, "R1", "k:1"), alert("b", 24 * HOUR + 1, "R2", "k:1"))
    assert kept.stored() == {}
    # One between joins both.
    kept.put(alert("c", 12 * HOUR, "R1", "k:1"))
    assert kept.stored() == {minted("a"): ["a", "b", "c"]}


def test_keys_of_suppression_join_nothing(kept: Held) -> None:
    kept.put(alert("a", 0, "R1", "suppress:1"), alert("b", 0, "R2", "suppress:1"))
    assert kept.stored() == {}


def test_a_merge_keeps_the_older_and_the_other_is_its_alias(kept: Held) -> None:
    kept.put(alert("a", 0, "R1", "k:1"), alert("b", 1, "R2", "k:1"))
    kept.put(alert("c", 10, "R1", "k:2"), alert("d", 11, "R2", "k:2"))
    assert set(kept.stored()) == {minted("a"), minted("c")}
    changed = kept.put(alert("e", 20, "R3", "k:1", "k:2"))
    assert kept.stored() == {minted("a"): ["a", "b", "c", "d", "e"]}
    assert set(kept.stored("merged")) == {minted("c")}
    (grown,) = [each for each in changed if each["tocsin.incident.state"] == "active"]
    assert grown["tocsin.incident.aliases"] == [minted("c")]
    before = kept.store.by_ids([minted("a")], of="incidents")[minted("a")]
    again = kept.put(kept.alerts["e"])
    assert [{k: (v, before.get(k)) for k, v in i.items() if before.get(k) != v} for i in again] == []


def test_a_withdrawn_alert_leaves_and_what_it_joined_parts(kept: Held) -> None:
    kept.put(alert("a", 0, "R1", "k:1"), alert("b", 1, "R2", "k:1"))
    kept.put(alert("e", 5, "R3", "k:1", "k:2"), alert("c", 10, "R1", "k:2"), alert("d", 11, "R2", "k:2"))
    assert kept.stored() == {minted("a"): ["a", "b", "c", "d", "e"]}
    kept.change("e", tocsin__alert__state="withdrawn")
    assert kept.stored() == {minted("a"): ["a", "b"], minted("c"): ["c", "d"]}
    assert "tocsin.alert.incident" not in kept.alerts["e"]
    kept.change("d", tocsin__alert__state="withdrawn")
    assert kept.stored() == {minted("a"): ["a", "b"]}
    assert set(kept.stored("withdrawn")) == {minted("c")}
    assert "tocsin.alert.incident" not in kept.alerts["c"]
    # A replay of the withdrawal touches nobody.
    assert kept.put(kept.alerts["d"]) == []


def test_a_hidden_alert_that_comes_again_does_not_end_its_old_incident(kept: Held) -> None:
    kept.put(alert("a", 0, "R1", "k:1"), alert("b", 1, "R2", "k:1"), alert("c", 2, "R3", "k:1"))
    kept.change("c", kibana__alert__building_block_type="default")
    assert kept.stored() == {minted("a"): ["a", "b"]}
    stale = {**kept.alerts["c"], "tocsin.alert.incident": minted("a")}
    kept.incidents.update([stale])
    assert kept.stored() == {minted("a"): ["a", "b"]}


def test_people_split_and_merge(kept: Held) -> None:
    three = [alert("a", 0, "R1", "k:1"), alert("b", 1, "R2", "k:1"), alert("c", 2, "R3", "k:1", "k:2")]
    kept.put(*three, alert("d", 3, "R4", "k:2"))
    split = Decisions(split={frozenset(("b", "c"))})
    kept.put(kept.alerts["a"], decisions=split)
    assert kept.stored() == {minted("a"): ["a", "b"], minted("c"): ["c", "d"]}
    kept.put(alert("x", 5, "R1", "k:9"), decisions=split)
    merged = Decisions(split=split.split, merged={frozenset(("x", "d"))})
    kept.put(kept.alerts["x"], decisions=merged)
    assert kept.stored() == {minted("a"): ["a", "b"], minted("c"): ["c", "d", "x"]}


class Said(NamedTuple):
    """A decision as the state keeps it."""

    id: int
    kind: str
    left: tuple[str, ...]
    right: tuple[str, ...]


def test_what_stays_when_one_is_split_off_stays_together(kept: Held) -> None:
    """a and c share a key through the alert between them: without it they share it still."""
    kept.put(alert("a", 0, "R1", "k:1"), alert("b", 1, "R2", "k:1"), alert("c", 2, "R3", "k:1"))
    kept.incidents.decisions = Decisions.of([Said(1, "split", ("b",), ("a", "c"))])
    (changed,) = kept.put(kept.alerts["a"])
    assert kept.stored() == {minted("a"): ["a", "c"]}
    assert changed["tocsin.incident.decisions"] == 1
    kept.put(alert("d", 3, "R1", "k:1"))
    assert kept.stored() == {minted("a"): ["a", "c", "d"]}


def test_of_two_decisions_the_later_holds(kept: Held) -> None:
    kept.put(alert("a", 0, "R1", "k:1"), alert("b", 1, "R2", "k:1"))
    kept.put(alert("x", 200_000, "R1", "k:2"), alert("y", 200_001, "R2", "k:2"))
    taken = [Said(1, "merge", ("x", "y"), ("a", "b"))]
    kept.incidents.decisions = Decisions.of(taken)
    changed = kept.put(kept.alerts["x"])
    assert kept.stored() == {minted("a"): ["a", "b", "x", "y"]}
    into = {each["tocsin.incident.id"]: each.get("tocsin.incident.into") for each in changed}
    assert into == {minted("a"): None, minted("x"): minted("a")}
    kept.change("x", tocsin__alert__state="withdrawn")
    assert kept.stored() == {minted("a"): ["a", "b", "y"]}, "it holds by the others"
    taken.append(Said(2, "split", ("y",), ("a", "b")))
    kept.incidents.decisions = Decisions.of(taken)
    kept.put(kept.alerts["y"], kept.alerts["a"])  # whoever decides has all of both sides looked at
    assert kept.stored() == {minted("a"): ["a", "b"]}
    taken.append(Said(3, "merge", ("a", "b"), ("y",)))
    kept.incidents.decisions = Decisions.of(taken)
    kept.put(kept.alerts["y"])
    assert kept.stored() == {minted("a"): ["a", "b", "y"]}


def test_what_is_split_off_says_where_from(kept: Held) -> None:
    kept.put(*(alert(f"a{n}", n, f"R{n}", "k:1") for n in range(4)))
    kept.incidents.decisions = Decisions.of([Said(1, "split", ("a2", "a3"), ("a0", "a1"))])
    changed = kept.put(kept.alerts["a3"])
    assert kept.stored() == {minted("a0"): ["a0", "a1"], minted("a2"): ["a2", "a3"]}
    came = {each["tocsin.incident.id"]: each.get("tocsin.incident.split_from") for each in changed}
    assert came == {minted("a0"): None, minted("a2"): minted("a0")}


def test_membership_does_not_depend_on_the_order_of_arrival() -> None:
    """A pure function of the alerts and the decisions."""
    made = random.Random(4)
    alerts = [
        alert(f"a{n}", made.randrange(200_000), f"R{n % 3}", *(f"k:{made.randrange(12)}" for _ in "ab"))
        for n in range(30)
    ]
    decisions = Decisions(split={frozenset(("a1", "a2")), frozenset(("a5", "a9"))}, merged={frozenset(("a3", "a7"))})
    results = []
    for order in (alerts, alerts[::-1]):
        whole = {each["kibana.alert.uuid"]: each for each in order}
        found = module._components(whole, decisions)
        results.append({frozenset(each["kibana.alert.uuid"] for each in members) for members, _ in found})
    assert results[0] == results[1]
    for pair in decisions.split:
        assert not any(pair <= members for members in results[0])
    whole = {each["kibana.alert.uuid"]: each for each in alerts}
    for members, edges in module._components(whole, decisions):
        assert len(edges) == len(members) - 1


def test_strong_edges_are_taken_first() -> None:
    whole = {
        each["kibana.alert.uuid"]: each
        for each in (
            alert("a", 0, "R", "pair:x>y"),
            alert("b", 1, "R", "pair:x>y", "tree:h:1"),
            alert("c", 2, "R", "tree:h:1"),
        )
    }
    ((members, edges),) = module._components(whole, Decisions())
    assert len(members) == 3
    assert [edge.key for edge in edges] == ["tree:h:1", "pair:x>y"]
    ((_, _), (parted, kept_edges)) = sorted(
        module._components(whole, Decisions(split={frozenset(("a", "c"))})), key=lambda each: len(each[0])
    )
    assert sorted(each["kibana.alert.uuid"] for each in parted) == ["b", "c"]
    assert [edge.key for edge in kept_edges] == ["tree:h:1"]


def test_backfill_alone_is_backfill(kept: Held) -> None:
    (made,) = kept.put(
        alert("a", 0, "R1", "k:1", tocsin__alert__backfill=True),
        alert("b", 1, "R2", "k:1", tocsin__alert__backfill=True),
    )
    assert made["tocsin.incident.backfill"] is True
    (made,) = kept.put(alert("c", 2, "R1", "k:1"))
    assert made["tocsin.incident.backfill"] is False


def test_many_components_in_one_update_ask_little(kept: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand alerts in pairs: the store is asked by the thousand keys, not by the pair."""
    found = [alert(f"a{n}", n / 100, f"R{n % 2}", f"k:{n // 2}") for n in range(4_000)]
    kept.store.write_alerts(found)
    asked = itertools.count()
    real = kept.store.alerts_by_join
    monkeypatch.setattr(kept.store, "alerts_by_join", lambda *a: (next(asked), real(*a))[1])
    changed, moved = kept.incidents.update(found)
    assert len(changed) == 2_000
    assert len(moved) == 4_000
    assert next(asked) <= 4


def test_says_why_it_ranks_and_why_it_joins() -> None:
    one = alert("a", 0, "R1", threat__tactic__name=["Execution"], event__module="zeek")
    two = alert(
        "b", 0, "R2", threat__tactic__name=["Impact"], event__module="windows", kibana__alert__severity="critical"
    )
    reasons, score = scored([one, two])
    assert [reason for reason, _ in reasons] == [
        "Rule R1",
        "Rule R2",
        "2 tactics: Execution, Impact",
        "seen by 2 kinds of sensor: zeek, windows",
        "a critical alert",
    ]
    assert score == round(sum(points for _, points in reasons), 1)
    assert scored([one])[1] < score
    assert why("flow:1:abc") == "the same connection"
    assert why("merged:by hand") == "joined by hand"
