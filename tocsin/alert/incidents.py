"""Incidents: alerts that belong together, as one story with a score and the cause of every join (DESIGN section 6).

Alerts join within 24 hours by a key in `tocsin.alert.join`. An incident is a component of alerts of at least two
rules, or one alert of a rule marked `incident`. Who belongs to which is a pure function of the alerts and of people's
decisions; only the touched component is worked out again. Building blocks and suppressed alerts lend their keys to
nobody: they are found through the alerts that stand for them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from tocsin.alert.join import weight
from tocsin.alert.recent import Recent
from tocsin.event import time
from tocsin.event.ids import stable_id
from tocsin.event.time import DAY
from tocsin.ports import AlertStore, Document, EventReader, Span

log = logging.getLogger(__name__)
_LEVELS: Final = {"low": 1, "medium": 2, "high": 3, "critical": 4}
_WHY: Final = {
    "tree": "the same process tree",
    "flow": "the same connection",
    "file": "the same file on the same host",
    "pair": "the same client at the same server",
}
# Alerts that are looked at together at most, and keys of one question to the store.
_MOST: Final = 50_000
_KEYS: Final = 1_000
_SUPPRESS: Final = "suppress:"
# Alerts of each side that hold a merge.
_HOLD: Final = 3
# How many alerts of a key are looked at for one that another isn't split from.
_BACK: Final = 500


class Decided(Protocol):
    """One decision (`state.decisions`): two sets of alerts that are merged or split."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def kind(self) -> str:
        """merge or split."""

    @property
    def left(self) -> Sequence[str]:
        """Alerts of one side."""

    @property
    def right(self) -> Sequence[str]:
        """Alerts of the other."""


@dataclass(slots=True)
class Decisions:
    """What people decided: pairs of alerts that must not be in one incident (split), and that must be (merge)."""

    split: set[frozenset[str]] = field(default_factory=set)
    merged: set[frozenset[str]] = field(default_factory=set)
    about: dict[str, set[int]] = field(default_factory=dict)  # alert → the numbers of the decisions that name it

    @classmethod
    def of(cls, taken: Iterable[Decided]) -> Decisions:
        """What decisions come to, oldest first: of two about the same pair the later holds. A merge holds on by some
        alerts of each side, so that it outlives one of them."""
        made = cls()
        for each in taken:
            for uuid in (*each.left, *each.right):
                made.about.setdefault(uuid, set()).add(each.id)
            pairs = {frozenset((one, two)) for one in each.left for two in each.right}
            if each.kind == "split":
                made.split |= pairs
                made.merged -= pairs
            else:
                made.split -= pairs
                made.merged |= {frozenset((one, two)) for one in each.left[:_HOLD] for two in each.right[:_HOLD]}
        return made

    def number(self, alerts: Iterable[str]) -> int:
        """How many decisions name one of these alerts."""
        return len(set().union(*(self.about.get(uuid, ()) for uuid in alerts))) if self.about else 0


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

    def __init__(self, events: EventReader, store: AlertStore, recent: Recent) -> None:
        self._events = events
        self._store = store
        self._recent = recent
        self.decisions = Decisions()

    def update(
        self, alerts: Sequence[Document], decisions: Decisions | None = None
    ) -> tuple[list[Document], dict[str, str]]:
        """Work out the components that these alerts touch.

        Gives the incidents that are new or changed, written, and which alert belongs to which incident now ("" where
        it left one), for `AlertEngine.assign`, the only writer of alerts."""
        decided = decisions or self.decisions
        seeds = {str(a["kibana.alert.uuid"]): a for a in alerts if _counts(a)}
        gone = [a for a in alerts if not _counts(a) and a.get("tocsin.alert.incident")]
        for uuid, other in self._members({str(a["tocsin.alert.incident"]) for a in gone}).items():
            if _counts(other) and uuid not in {str(a["kibana.alert.uuid"]) for a in gone}:
                seeds.setdefault(uuid, other)  # what a withdrawn alert leaves is looked at again
        moved = {str(a["kibana.alert.uuid"]): "" for a in gone}
        whole = self._reach(seeds, decided)
        components = [_Component(sorted(members, key=_place), edges) for members, edges in _components(whole, decided)]
        touched = [each for each in components if any(uuid in seeds for uuid in _uuids(each.members))]
        # A part that a decision has just split off is touched too: it has the incident of the rest.
        shared = {each for component in touched for each in component.held()}
        components = [each for each in components if each in touched or not shared.isdisjoint(each.held())]
        components.sort(key=lambda each: _place(each.members[0]))
        held = {each for component in components for each in component.held()}
        held |= {str(a["tocsin.alert.incident"]) for a in gone}
        known = self._events.by_ids(sorted(held), of="incidents") if held else {}
        self._own(components, known)
        changed: dict[str, Document] = {}
        for component in components:
            incident = self._incident(component, known, moved, decided)
            if incident is not None:
                changed[str(incident["tocsin.incident.id"])] = incident
            changed.update((each, _ended(known[each], "merged", component.id)) for each in component.merged)
        living = {component.id for component in components if component.id}
        ended = [each for each in known if each not in living and each not in changed]
        if ended:  # of those that nobody took over, some may still have members that these alerts don't touch
            members = self._members(set(ended))
            for each in ended:
                ids = _listed(known[each].get("tocsin.incident.alerts"))
                left = [m for i in ids if (m := members.get(str(i))) is not None and str(i) not in moved]
                if not any(_counts(m) for m in left) and known[each].get("tocsin.incident.state") == "active":
                    changed[each] = _ended(known[each], "withdrawn")
        if changed:
            self._store.write_incidents(list(changed.values()))
        return list(changed.values()), moved

    def _reach(self, seeds: Mapping[str, Document], decisions: Decisions) -> dict[str, Document]:
        """These alerts and all that are connected with them, by keys that alerts share within a day of each other, or
        by what people decided."""
        whole = dict(seeds)
        partners: dict[str, set[str]] = {}
        for pair in decisions.merged:
            for uuid in pair:
                partners.setdefault(uuid, set()).update(pair - {uuid})
        asked: set[str] = set()
        frontier = list(seeds.values())
        while frontier:
            if len(whole) > _MOST:
                log.warning("more than %d alerts are connected; those furthest away are left out", _MOST)
                break
            keys = sorted({key for a in frontier for key in _keys(a)})
            moments = [_moment(a) for a in frontier]
            span = Span(min(moments) - DAY, max(moments) + DAY + 1)
            near: list[Document] = []
            for start in range(0, len(keys), _KEYS):
                near += self._recent.joined(keys[start : start + _KEYS], span)
            joined = {p for a in frontier for p in partners.get(str(a["kibana.alert.uuid"]), ())} - whole.keys() - asked
            asked |= joined
            near += self._recent.by_ids(sorted(joined)).values()
            frontier = []
            for other in near:
                uuid = str(other["kibana.alert.uuid"])
                if uuid not in whole and _counts(other):
                    whole[uuid] = other
                    frontier.append(other)
        return whole

    def _members(self, incidents: set[str]) -> dict[str, Document]:
        found = self._events.by_ids(sorted(incidents), of="incidents") if incidents else {}
        ids = [str(i) for incident in found.values() for i in _listed(incident.get("tocsin.incident.alerts"))]
        return self._recent.by_ids(ids)

    def _own(self, components: Sequence[_Component], known: Mapping[str, Document]) -> None:
        """Which component goes on as which incident: of several with alerts of one incident, that which has the alert
        it was minted from, else the first; of several incidents in one component, the oldest, and the others are its
        aliases."""
        holders: dict[str, list[_Component]] = {}
        for component in components:
            for each in component.held():
                if each in known:
                    holders.setdefault(each, []).append(component)
        for each in sorted(holders, key=lambda i: (str(known[i]["tocsin.incident.created"]), i)):
            owner = next((c for c in holders[each] if each in c.mints()), holders[each][0])
            if owner.id:
                owner.merged.append(each)
            else:
                owner.id = each

    def _incident(
        self, component: _Component, known: Mapping[str, Document], moved: dict[str, str], decided: Decisions
    ) -> Document | None:
        """The incident of one component, None where nothing of it changed; says which alerts moved."""
        members = component.members
        rules = {str(a["kibana.alert.rule.uuid"]) for a in members}
        before = known.get(component.id)
        if len(rules) < 2 and not any(a.get("tocsin.alert.incident_alone") for a in members):
            component.id, component.merged = "", []
            moved.update((str(a["kibana.alert.uuid"]), "") for a in members if _held(a))
            return None
        came_from = str((before or {}).get("tocsin.incident.split_from") or "")
        if not component.id:
            came_from = next((each for each in component.held() if each in known), "")
            # What was split off may mint an id that its other half goes on with.
            mints = (stable_id("incident", uuid) for uuid in _uuids(members))
            component.id = next((each for each in mints if each not in known), stable_id(*_uuids(members)))
        aliases = set(component.merged)
        for each in (before or {}, *(known[each] for each in component.merged)):
            aliases.update(_listed(each.get("tocsin.incident.aliases")))
        document = _document(component.id, members, component.edges, sorted(aliases), before)
        if number := decided.number(_uuids(members)):
            document["tocsin.incident.decisions"] = number
            document["tocsin.incident.signature"] = stable_id(document["tocsin.incident.signature"], number)
        if came_from:
            document["tocsin.incident.split_from"] = came_from
        for alert in members:
            if alert.get("tocsin.alert.incident") != component.id:
                moved[str(alert["kibana.alert.uuid"])] = component.id
        same = before is not None and before.get("tocsin.incident.state") == "active"
        if before is not None and same:
            same = before.get("tocsin.incident.signature") == document["tocsin.incident.signature"]
        return None if same else document


@dataclass(slots=True, eq=False)
class _Component:
    """Alerts that are connected, earliest first; what incident they are, and which others became a part of it."""

    members: list[Document]
    edges: list[Edge]
    id: str = ""
    merged: list[str] = field(default_factory=list)

    def held(self) -> dict[str, None]:
        """The incidents that its alerts were in until now."""
        return dict.fromkeys(str(a["tocsin.alert.incident"]) for a in self.members if _held(a))

    def mints(self) -> set[str]:
        """The ids that its alerts would mint."""
        return {stable_id("incident", uuid) for uuid in _uuids(self.members)}


def _ended(incident: Document, state: str, into: str = "") -> Document:
    version = int(incident.get("tocsin.incident.version") or 0) + 1
    document = {name: value for name, value in incident.items() if not name.startswith("_")}
    if into:
        document["tocsin.incident.into"] = into
    return {**document, "tocsin.incident.state": state, "tocsin.incident.version": version}


def _components(whole: Mapping[str, Document], decisions: Decisions) -> Iterable[tuple[list[Document], list[Edge]]]:
    """Union of the edges by weight, time, id; an edge that would connect a split pair is left out."""
    parent = {uuid: uuid for uuid in whole}
    size: dict[str, set[str]] = {uuid: {uuid} for uuid in whole}

    def top(uuid: str) -> str:
        while parent[uuid] != uuid:
            parent[uuid] = parent[parent[uuid]]
            uuid = parent[uuid]
        return uuid

    nobody: set[str] = set()
    apart: dict[str, set[str]] = {}
    for pair in decisions.split:
        for uuid in pair:
            apart.setdefault(uuid, set()).update(pair - {uuid})
    taken: list[Edge] = []
    for edge in _edges(whole, decisions):
        one, two = top(edge.first), top(edge.second)
        if one == two:
            continue
        if len(size[one]) < len(size[two]):
            one, two = two, one
        if apart and any(not apart.get(x, nobody).isdisjoint(size[one]) for x in size[two]):
            continue
        parent[two] = one
        size[one] |= size.pop(two)
        taken.append(edge)
    edges: dict[str, list[Edge]] = {}
    for edge in taken:
        edges.setdefault(top(edge.first), []).append(edge)
    for uuid, members in size.items():
        yield [whole[each] for each in members], edges.get(uuid, [])


def _edges(whole: Mapping[str, Document], decisions: Decisions) -> list[Edge]:
    """For each key the alerts that have it, in time order, each joined to the last before it that it isn't split from:
    enough for components."""
    by_key: dict[str, list[tuple[int, str]]] = {}
    for uuid, alert in whole.items():
        for key in _keys(alert):
            by_key.setdefault(key, []).append((_moment(alert), uuid))
    edges = []
    for key, holders in by_key.items():
        holders.sort()
        for place, (later, second) in enumerate(holders):
            for before in range(place - 1, max(-1, place - 1 - _BACK), -1):
                earlier, first = holders[before]
                if later - earlier > DAY:
                    break
                if not decisions.split or frozenset((first, second)) not in decisions.split:
                    edges.append(Edge(first, second, key, weight(key), later))
                    break
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
    legs = max((len(_listed(a.get("tocsin.alert.legs"))) for a in alerts), default=0)
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


def _held(alert: Document) -> bool:
    return bool(alert.get("tocsin.alert.incident"))


def _uuids(alerts: Iterable[Document]) -> list[str]:
    return [str(alert["kibana.alert.uuid"]) for alert in alerts]


def _place(alert: Document) -> tuple[str, str]:
    return str(alert["@timestamp"]), str(alert["kibana.alert.uuid"])


def _keys(alert: Document) -> list[str]:
    return [str(key) for key in alert.get("tocsin.alert.join") or () if not str(key).startswith(_SUPPRESS)]


def _rank(alert: Document) -> tuple[int, float]:
    return _LEVELS.get(str(alert["kibana.alert.severity"]), 0), float(alert["kibana.alert.risk_score"])


def _moment(alert: Document) -> int:
    return time.read(alert["@timestamp"]) or 0


def _listed(value: Any) -> list[str]:
    """A field's values: one alone is read back as it is, not as a list."""
    return [str(item) for item in value] if isinstance(value, list) else [] if value is None else [str(value)]


def _distinct(alerts: Sequence[Document], *names: str) -> list[str]:
    found: dict[str, None] = {}
    for name in names:
        for alert in alerts:
            found.update(dict.fromkeys(_listed(alert.get(name))))
    return list(found)
