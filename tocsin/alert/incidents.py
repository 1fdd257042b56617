"""Incidents: alerts that belong together, as one story with a score and the cause of every join (DESIGN section 6).

Alerts join within 24 hours by a key in `tocsin.alert.join`. An incident is a component of alerts of at least two
rules, or one alert of a rule marked `incident`. Who belongs to which is a pure function of the alerts and of people's
decisions; only the touched component is worked out again. Building blocks and suppressed alerts lend their keys to
nobody: they are found through the alerts that stand for them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.alert.join import weight
from tocsin.event import time
from tocsin.event.ids import stable_id
from tocsin.event.time import DAY
from tocsin.ports import AlertStore, Document, EventReader, Span

_LEVELS: Final = {"low": 1, "medium": 2, "high": 3, "critical": 4}
_WHY: Final = {
    "tree": "the same process tree",
    "flow": "the same connection",
    "file": "the same file on the same host",
    "pair": "the same client at the same server",
}
_COMPONENT: Final = 5_000
_SUPPRESS: Final = "suppress:"


@dataclass(slots=True)
class Decisions:
    """What people decided: pairs of alerts that must not be in one incident (split), and that must be (merge)."""

    split: set[frozenset[str]] = field(default_factory=set)
    merged: set[frozenset[str]] = field(default_factory=set)


@dataclass(slots=True)
class Edge:
    """Why two alerts are joined: `first` is the earlier."""

    first: str
    second: str
    key: str
    weight: int
    time: int


class Incidents:
    """Keeps incidents as alerts come."""

    def __init__(self, events: EventReader, store: AlertStore) -> None:
        self._events = events
        self._store = store

    def update(
        self, alerts: Sequence[Document], decisions: Decisions | None = None
    ) -> tuple[list[Document], dict[str, str]]:
        """Work out the components that these alerts touch.

        Gives the incidents that are new or changed, written, and which alert belongs to which incident now (for
        `AlertEngine.assign`, the only writer of alerts)."""
        touched = {str(a["kibana.alert.uuid"]): a for a in alerts if _counts(a)}
        gone = [a for a in alerts if not _counts(a) and a.get("tocsin.alert.incident")]
        for alert in gone:  # a withdrawn alert leaves its incident: the others of it are looked at again
            for other in self._members(str(alert["tocsin.alert.incident"])):
                touched.setdefault(str(other["kibana.alert.uuid"]), other)
        done: set[str] = set()
        changed: list[Document] = []
        moved: dict[str, str] = {}
        for uuid, alert in touched.items():
            if uuid in done or not _counts(alert):
                continue
            whole = self._reach(alert, touched)
            done |= set(whole)
            for component, edges in _components(whole, decisions or Decisions()):
                incident, members = self._incident(component, edges)
                moved.update(members)
                if incident is not None:
                    changed.append(incident)
        for alert in gone:
            incident_id = str(alert["tocsin.alert.incident"])
            if not any(i["tocsin.incident.id"] == incident_id for i in changed):
                closed = self._empty(incident_id)
                if closed is not None:
                    changed.append(closed)
        if changed:
            self._store.write_incidents(changed)
        return changed, moved

    def _reach(self, alert: Document, touched: Mapping[str, Document]) -> dict[str, Document]:
        """The connected component of an alert, by keys that alerts of the store share within a day of each other."""
        whole: dict[str, Document] = {str(alert["kibana.alert.uuid"]): alert}
        frontier = [alert]
        while frontier and len(whole) < _COMPONENT:
            keys = sorted({key for a in frontier for key in _keys(a)})
            moments = [_moment(a) for a in frontier]
            span = Span(min(moments) - DAY, max(moments) + DAY)
            frontier = []
            near = self._store.alerts_by_join(keys, span) if keys else []
            for other in [*near, *(t for t in touched.values() if not set(_keys(t)).isdisjoint(keys))]:
                uuid = str(other["kibana.alert.uuid"])
                other = touched.get(uuid, other)
                if uuid not in whole and _counts(other):
                    whole[uuid] = other
                    frontier.append(other)
        return whole

    def _members(self, incident_id: str) -> list[Document]:
        incident = self._events.by_ids([incident_id], of="incidents").get(incident_id)
        ids = list(incident.get("tocsin.incident.alerts") or ()) if incident else []
        return list(self._events.by_ids(ids, of="alerts").values())

    def _incident(self, members: Sequence[Document], edges: Sequence[Edge]) -> tuple[Document | None, dict[str, str]]:
        """The incident of one component (None if it is none yet) and the alerts whose incident is another now."""
        rules = {str(a["kibana.alert.rule.uuid"]) for a in members}
        alone = any(a.get("tocsin.alert.incident_alone") for a in members)
        if len(rules) < 2 and not alone:
            return None, {}
        ordered = sorted(members, key=lambda a: (str(a["@timestamp"]), str(a["kibana.alert.uuid"])))
        held = [str(a["tocsin.alert.incident"]) for a in ordered if a.get("tocsin.alert.incident")]
        known = self._events.by_ids(list(dict.fromkeys(held)), of="incidents") if held else {}
        older = sorted(known.values(), key=lambda i: (str(i["tocsin.incident.created"]), str(i["tocsin.incident.id"])))
        mint = stable_id("incident", str(ordered[0]["kibana.alert.uuid"]))
        incident_id = str(older[0]["tocsin.incident.id"]) if older else mint
        before = older[0] if older else None
        merged = {str(i["tocsin.incident.id"]) for i in older[1:]}
        aliases = sorted(merged | set((before or {}).get("tocsin.incident.aliases") or ()))
        document = _document(incident_id, ordered, edges, aliases, before)
        moved = {
            str(a["kibana.alert.uuid"]): incident_id for a in ordered if a.get("tocsin.alert.incident") != incident_id
        }
        if before is not None and before.get("tocsin.incident.signature") == document["tocsin.incident.signature"]:
            return None, moved
        return document, moved

    def _empty(self, incident_id: str) -> Document | None:
        incident = self._events.by_ids([incident_id], of="incidents").get(incident_id)
        if incident is None:
            return None
        version = int(incident.get("tocsin.incident.version") or 0) + 1
        return {**incident, "tocsin.incident.state": "withdrawn", "tocsin.incident.version": version}


def _components(whole: Mapping[str, Document], decisions: Decisions) -> Iterable[tuple[list[Document], list[Edge]]]:
    """Union of the edges by weight, time, id; an edge that would connect a split pair is left out."""
    parent = {uuid: uuid for uuid in whole}
    size: dict[str, set[str]] = {uuid: {uuid} for uuid in whole}

    def top(uuid: str) -> str:
        while parent[uuid] != uuid:
            parent[uuid] = parent[parent[uuid]]
            uuid = parent[uuid]
        return uuid

    taken: list[Edge] = []
    for edge in _edges(whole, decisions):
        one, two = top(edge.first), top(edge.second)
        if one == two:
            continue
        split = decisions.split
        if split and any(frozenset((x, y)) in split for x in size[one] for y in size[two]):
            continue
        parent[two] = one
        size[one] |= size.pop(two)
        taken.append(edge)
    for members in size.values():
        yield [whole[uuid] for uuid in members], [edge for edge in taken if edge.first in members]


def _edges(whole: Mapping[str, Document], decisions: Decisions) -> list[Edge]:
    """For each key the alerts that have it, in time order, each joined to the one before it: enough for components."""
    by_key: dict[str, list[tuple[int, str]]] = {}
    for uuid, alert in whole.items():
        for key in _keys(alert):
            by_key.setdefault(key, []).append((_moment(alert), uuid))
    edges = []
    for key, holders in by_key.items():
        holders.sort()
        for (earlier, first), (later, second) in itertools.pairwise(holders):
            if later - earlier <= DAY:
                edges.append(Edge(first, second, key, weight(key), later))
    for pair in decisions.merged:
        if pair <= set(whole):
            first, second = sorted(pair, key=lambda uuid: (_moment(whole[uuid]), uuid))
            edges.append(Edge(first, second, "merged:by hand", 99, _moment(whole[second])))
    edges.sort(key=lambda e: (-e.weight, e.time, e.first, e.second, e.key))
    return edges


def _document(
    incident_id: str, alerts: Sequence[Document], edges: Sequence[Edge], aliases: list[str], before: Document | None
) -> Document:
    rules = list(dict.fromkeys(str(a["kibana.alert.rule.name"]) for a in alerts))
    hosts = _distinct(alerts, "host.name")
    users = _distinct(alerts, "user.name")
    techniques = _distinct(alerts, "threat.technique.id")
    addresses = _distinct(alerts, "destination.ip", "source.ip", "tocsin.client.ip")
    worst = max(alerts, key=_rank)
    reasons, score = scored(alerts)
    members = sorted(f"{a['kibana.alert.uuid']}:{a['kibana.alert.severity']}" for a in alerts)
    signature = stable_id(members, f"{score:.3f}", sorted(aliases))
    where = hosts[0] if hosts else addresses[0] if addresses else ""
    title = f"{worst['kibana.alert.rule.name']} on {where}" if where else str(worst["kibana.alert.rule.name"])
    return {
        "tocsin.incident.id": incident_id,
        "tocsin.incident.title": title,
        "tocsin.incident.summary": _summary(alerts, rules, hosts),
        "tocsin.incident.severity": str(worst["kibana.alert.severity"]),
        "tocsin.incident.score": score,
        "tocsin.incident.reasons": [f"{points:.1f} {why}" for why, points in reasons],
        "tocsin.incident.alerts": [str(a["kibana.alert.uuid"]) for a in alerts],
        "tocsin.incident.rules": rules,
        "tocsin.incident.joins": [f"{e.first}|{e.second}|{e.key}" for e in edges],
        "tocsin.incident.aliases": aliases,
        "tocsin.incident.signature": signature,
        "tocsin.incident.state": "active",
        "tocsin.incident.created": (before or {}).get("tocsin.incident.created") or str(alerts[0]["@timestamp"]),
        "tocsin.incident.version": int((before or {}).get("tocsin.incident.version") or 0) + 1,
        "tocsin.incident.backfill": all(bool(a.get("tocsin.alert.backfill")) for a in alerts),
        "@timestamp": str(alerts[-1]["@timestamp"]),
        "event.start": str(alerts[0].get("kibana.alert.start") or alerts[0]["@timestamp"]),
        "event.end": max(str(a.get("kibana.alert.end") or a["@timestamp"]) for a in alerts),
        "host.name": hosts,
        "user.name": users,
        "related.ip": addresses,
        "threat.technique.id": techniques,
    }


def scored(alerts: Sequence[Document]) -> tuple[list[tuple[str, float]], float]:
    """Why an incident ranks where it does: Elastic's entity formula over its alerts (risks in falling order, each
    divided by rank^1.5, over 2.612), raised by distinct tactics and distinct sensors, at most 100.

    Source: https://www.elastic.co/guide/en/security/current/entity-risk-scoring.html
    """
    best: dict[str, float] = {}
    for alert in alerts:
        name = str(alert["kibana.alert.rule.name"])
        best[name] = max(best.get(name, 0.0), float(alert["kibana.alert.risk_score"]))
    reasons: list[tuple[str, float]] = []
    for rank, (name, risk) in enumerate(sorted(best.items(), key=lambda item: (-item[1], item[0])), start=1):
        reasons.append((name, risk / rank**1.5 / 2.612))
    tactics = _distinct(alerts, "threat.tactic.name")
    if len(tactics) > 1:
        reasons.append((f"{len(tactics)} tactics: {', '.join(tactics)}", 5.0 * (len(tactics) - 1)))
    sensors = _distinct(alerts, "event.module")
    if len(sensors) > 1:
        reasons.append((f"seen by {len(sensors)} kinds of sensor: {', '.join(sensors)}", 8.0 * (len(sensors) - 1)))
    legs = max((len(a.get("tocsin.alert.legs") or ()) for a in alerts), default=0)
    if legs > 1:
        reasons.append((f"{legs} weak signals that belong together", 10.0 * legs))
    worst = max((_LEVELS.get(str(a["kibana.alert.severity"]), 0) for a in alerts), default=0)
    if worst == 4:
        reasons.append(("a critical alert", 15.0))
    return reasons, round(min(100.0, sum(points for _, points in reasons)), 1)


def why(key: str) -> str:
    """What a join key says, in words."""
    kind = key.partition(":")[0]
    return _WHY.get(kind, f"the same {kind}" if kind != "merged" else "joined by hand")


def _summary(alerts: Sequence[Document], rules: Sequence[str], hosts: Sequence[str]) -> str:
    first = str(alerts[0].get("kibana.alert.reason") or alerts[0]["kibana.alert.rule.name"])
    if len(alerts) == 1:
        return first
    on = f" on {', '.join(hosts[:3])}" if hosts else ""
    return f"{len(alerts)} alerts of {len(rules)} rules{on}. It began when {first}"


def _counts(alert: Document) -> bool:
    return alert.get("tocsin.alert.state", "active") == "active" and not alert.get("kibana.alert.building_block_type")


def _keys(alert: Document) -> list[str]:
    return [str(key) for key in alert.get("tocsin.alert.join") or () if not str(key).startswith(_SUPPRESS)]


def _rank(alert: Document) -> tuple[int, float]:
    return _LEVELS.get(str(alert["kibana.alert.severity"]), 0), float(alert["kibana.alert.risk_score"])


def _moment(alert: Document) -> int:
    return time.read(alert["@timestamp"]) or 0


def _distinct(alerts: Sequence[Document], *names: str) -> list[str]:
    found: dict[str, None] = {}
    for name in names:
        for alert in alerts:
            value: Any = alert.get(name)
            for item in value if isinstance(value, list) else [] if value is None else [value]:
                found[str(item)] = None
    return list(found)
