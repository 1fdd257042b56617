"""Firings and withdrawals become alerts: documents, suppression, building blocks, join keys (DESIGN section 6).

An alert's id is a hash of its rule and what the firing was born from, so a replay makes the same alert again and
changes nothing. A firing that is suppressed is kept as a row of its own (`tocsin.alert.state: suppressed`), counted on
the alert that stands for it.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from tocsin.alert.join import Joiner
from tocsin.alert.recent import MOST, SAMPLES, Recent
from tocsin.alert.sentence import DEFAULT, parts, text_of
from tocsin.event import time
from tocsin.event.ids import stable_id
from tocsin.lang.explain import explain
from tocsin.ports import AlertStore, Document, EventReader, Firing, Span, Withdrawal

ROOT: Final = "tocsin.alert.root"
_NEVER: Final = 1 << 62
# Standing alerts held of one group of suppression.
_STANDING: Final = 100
# Groups of suppression held: two words each.
_GROUPS: Final = 50_000
# The rule types whose alerts are of a group, and keep their id when a late event changes it.
_GROUPED: Final = frozenset({"threshold", "correlation"})


class AlertEngine:
    """Makes alerts. `legs` are rules whose alerts are building blocks since a correlation takes them."""

    def __init__(
        self,
        rules: Mapping[str, Any],
        legs: frozenset[str],
        events: EventReader,
        store: AlertStore,
        recent: Recent,
        joiner: Joiner,
        risks: Mapping[str, int],
    ) -> None:
        self.rules = rules
        self.legs = legs
        self._events = events
        self._store = store
        self._recent = recent
        self._joiner = joiner
        self._risks = risks
        # For each group of suppression, its standing alerts: (time, id), in order of time.
        self._standing: OrderedDict[tuple[str, ...], list[tuple[int, str]]] = OrderedDict()
        self._stood_since = _NEVER  # all that stand at or after this moment (µs) are known
        # Firings that go on with an alert of another birth: what their id would be → what it is.
        self._renamed: OrderedDict[str, str] = OrderedDict()
        self._siblings: dict[str, list[str]] = {}
        for rule in rules.values():
            if rule.sibling_of:
                self._siblings.setdefault(rule.sibling_of, []).append(rule.id)

    def remember(self, alerts: Sequence[Document], since: int) -> None:
        """After a start: the stored alerts at or after `since` (µs), all of them, oldest first."""
        self._recent.restore(alerts, since)
        self._stood_since = since
        for document in alerts:
            rule = self.rules.get(str(document["kibana.alert.rule.uuid"]))
            if rule is not None and rule.suppression is not None and document.get("tocsin.alert.state") == "active":
                self._stand(_suppression_key(rule, document), document)
        self._recent.forget()

    def inherit(self, other: AlertEngine) -> None:
        """Go on with what another engine (of other rules) knew."""
        self._standing, self._stood_since, self._renamed = other._standing, other._stood_since, other._renamed

    def take(
        self, found: Sequence[Firing | Withdrawal], at_hand: Mapping[str, Document] | None = None
    ) -> list[Document]:
        """Make or change alerts; durable on return. `at_hand` are documents by event id that needn't be asked for.

        Gives the alerts that are new or changed (suppressed ones too)."""
        # Of one alert the last word counts.
        found = list({(item.rule, tuple(item.born)): item for item in found}.values())
        firings = [item for item in found if isinstance(item, Firing) and item.rule in self.rules]
        documents = self._documents(firings, at_hand or {})
        self._prefetch(firings)
        firsts = (documents.get(event.id) for firing in firings for event in firing.events[:SAMPLES])
        self._joiner.prefetch([document for document in firsts if document is not None])
        changed: dict[str, Document] = {}
        shown: dict[str, list[Document]] = {}  # new alerts that people see, with their members
        for firing in sorted(firings, key=lambda f: f.events[0].time if f.events else 0):
            for document in self._fire(firing, documents, shown):
                changed[document["kibana.alert.uuid"]] = document
        for item in found:
            if isinstance(item, Withdrawal):
                changed.update((each["kibana.alert.uuid"], each) for each in self._withdraw(item))
        groups = [(members, changed[uuid]["tocsin.alert.join"]) for uuid, members in shown.items()]
        for uuid, more in zip(shown, self._joiner.around(groups), strict=True):
            if more:
                changed[uuid] = self._put(
                    {**changed[uuid], "tocsin.alert.join": _union(changed[uuid]["tocsin.alert.join"], more)}
                )
        if changed:
            self._store.write_alerts(list(changed.values()))
        self._recent.forget()
        return list(changed.values())

    def rejoin(self, uuids: Sequence[str]) -> list[Document]:
        """Work out the join keys of alerts again, since events of their connections or processes may have come
        later."""
        held = [a for a in self._recent.by_ids(uuids).values() if _shown(a) and not a.get("tocsin.alert.legs")]
        alerts = [(a, rule) for a in held if (rule := self.rules.get(str(a["kibana.alert.rule.uuid"]))) is not None]
        members = [_members(alert) for alert, _ in alerts]
        self._joiner.prefetch([member for each in members for member in each])
        found = [
            _union(alert.get("tocsin.alert.join"), self._joiner.keys(events, [f.name for f in rule.join]))
            for (alert, rule), events in zip(alerts, members, strict=True)
        ]
        changed = []
        for (alert, _), keys, more in zip(
            alerts, found, self._joiner.around(list(zip(members, found, strict=True))), strict=True
        ):
            if set(_union(keys, more)) != set(alert.get("tocsin.alert.join") or ()):
                changed.append(self._put({**alert, "tocsin.alert.join": _union(keys, more)}))
        if changed:
            self._store.write_alerts(changed)
        return changed

    def assign(self, incidents: Mapping[str, str]) -> None:
        """Write on alerts to which incident they belong now ("" is none)."""
        changed = []
        for uuid, incident in incidents.items():
            held = self._recent.get(uuid)
            if held is None or (held.get("tocsin.alert.incident") or "") == incident:
                continue
            document = {name: value for name, value in held.items() if name != "tocsin.alert.incident"}
            changed.append(self._put({**document, "tocsin.alert.incident": incident} if incident else document))
        if changed:
            self._store.write_alerts(changed)

    # ---- one firing ----

    def _fire(
        self, firing: Firing, documents: Mapping[str, Document], shown: dict[str, list[Document]]
    ) -> list[Document]:
        rule = self.rules[firing.rule]
        uuid = stable_id("alert", rule.id, *firing.born)
        # Prefetched: what memory lacks now does not exist.
        held = self._recent.held(self._renamed.get(uuid, uuid)) or self._reborn(rule, uuid, firing)
        if held is not None:
            uuid = str(held["kibana.alert.uuid"])
        members = [documents[event.id] for event in firing.events if event.id in documents]
        if held is not None and not self._grew(held, firing):
            return []
        if not members:
            return []
        document = self._document(rule, uuid, firing, members)
        if held is not None:
            kept = ("kibana.alert.suppression.docs_count", "tocsin.alert.state", "tocsin.alert.suppressed_by")
            for name in (*kept, "tocsin.alert.incident", "kibana.alert.building_block_type"):
                if name in held and held[name] != "withdrawn":
                    document[name] = held[name]
            document["tocsin.alert.join"] = _union(held.get("tocsin.alert.join"), document["tocsin.alert.join"])
            document["tocsin.alert.backfill"] = bool(held.get("tocsin.alert.backfill")) and firing.backfill
            return [self._put(document)]
        out = self._siblings_of(rule, document)
        if rule.suppression is not None and (standing := self._suppressed(rule, document)) is not None:
            document["tocsin.alert.state"] = "suppressed"
            document["tocsin.alert.suppressed_by"] = standing["kibana.alert.uuid"]
            count = int(standing.get("kibana.alert.suppression.docs_count") or 0) + 1
            joined = _union(standing.get("tocsin.alert.join"), document["tocsin.alert.join"])
            end = max(str(standing.get("kibana.alert.end") or ""), str(document["kibana.alert.end"]))
            standing = {
                **standing,
                "kibana.alert.suppression.docs_count": count,
                "tocsin.alert.join": joined,
                "kibana.alert.end": end,
            }
            out.append(self._put(standing))
        elif _shown(document) and not firing.extra.get("tocsin.alert.legs"):
            shown[uuid] = members[:SAMPLES]
        return [*out, self._put(document)]

    def _reborn(self, rule: Any, uuid: str, firing: Firing) -> Document | None:
        """The alert that a group's firing goes on with, though it was born from another first event: the events came
        in another order before a restart than they are read in after it."""
        if rule.type not in _GROUPED or not firing.events:
            return None
        group = [value for value in firing.group.values() if value is not None]
        ids = [event.id for event in firing.events]
        near = [*ids[:SAMPLES], *ids[SAMPLES:][-SAMPLES:]]
        for alert in self._recent.sharing(near, firing.events[0].time):
            same = alert["kibana.alert.rule.uuid"] == rule.id and list(alert.get("tocsin.alert.group") or ()) == group
            if same and alert.get("tocsin.alert.state") != "withdrawn":
                self._renamed[uuid] = str(alert["kibana.alert.uuid"])
                if len(self._renamed) > MOST:
                    self._renamed.popitem(last=False)
                return self._recent.get(str(alert["kibana.alert.uuid"])) or alert
        return None

    def _document(self, rule: Any, uuid: str, firing: Firing, members: Sequence[Document]) -> Document:
        first = members[0]
        if len(firing.events) == 1 and rule.type == "query":
            document = dict(first)
        else:
            document = {name: value for name, value in first.items() if all(m.get(name) == value for m in members)}
            document["tocsin.alert.events"] = [_small(member) for member in members[:SAMPLES]]
        for name in [name for name in document if name.startswith(("kibana.alert.", "tocsin.alert.")) or name == "_id"]:
            if name != "tocsin.alert.events":
                del document[name]
        for name in ("event.original", "tocsin.id"):
            if len(members) > 1:
                document.pop(name, None)
        moments = sorted(str(member["@timestamp"]) for member in members)
        severity, risk = self._severity(rule, members[-1])
        techniques = [t for t in rule.techniques if t.technique]
        document.update({name: value for name, value in firing.group.items() if value is not None})
        document.update(
            {
                "@timestamp": moments[-1],
                "event.kind": "signal",
                "kibana.alert.uuid": uuid,
                "kibana.alert.rule.uuid": rule.id,
                "kibana.alert.rule.name": rule.name,
                "kibana.alert.rule.type": rule.type,
                "kibana.alert.rule.version": rule.version,
                "kibana.alert.rule.tags": list(rule.tags),
                "kibana.alert.severity": severity,
                "kibana.alert.risk_score": risk,
                "kibana.alert.original_time": str(first["@timestamp"]),
                "kibana.alert.start": moments[0],
                "kibana.alert.end": moments[-1],
                "tocsin.alert.state": "active",
                "tocsin.alert.event_ids": [event.id for event in firing.events],
                "tocsin.alert.group": [value for value in firing.group.values() if value is not None],
                "tocsin.alert.backfill": firing.backfill,
                "threat.technique.id": sorted({t.technique for t in techniques}),
                "threat.technique.name": sorted({t.name for t in techniques if t.name}),
                "threat.tactic.name": sorted({t.tactic_name for t in rule.techniques if t.tactic_name}),
            }
        )
        document.update(firing.extra)
        if (root := self._joiner.root(first)) is not None:
            document[ROOT] = root
        if rule.sibling_of:
            document["tocsin.alert.sibling_of"] = rule.sibling_of
        if rule.building_block or rule.id in self.legs or self._has_sibling(rule, document):
            document["kibana.alert.building_block_type"] = "default"
        whole = bool(firing.extra.get("tocsin.alert.whole", True))
        if getattr(rule, "incident", False) and whole:
            document["tocsin.alert.incident_alone"] = True
        correlated = bool(firing.extra.get("tocsin.alert.legs"))  # its members' keys are theirs
        fields = [field.name for field in rule.join]
        document["tocsin.alert.join"] = [] if correlated else self._joiner.keys(members[:SAMPLES], fields)
        document["kibana.alert.reason"] = text_of(parts(rule.reason_text or DEFAULT, {**first, **document}))
        document["tocsin.alert.version_position"] = firing.position
        return document

    def _severity(self, rule: Any, event: Document) -> tuple[str, float]:
        for severity, predicate in rule.severity_when:
            if explain(predicate, event).holds:
                return severity, float(self._risks[severity])
        return rule.severity, float(rule.risk_score)

    def _grew(self, held: Document, firing: Firing) -> bool:
        if held.get("tocsin.alert.state") == "withdrawn":
            return True
        if set(held.get("tocsin.alert.event_ids") or ()) != {event.id for event in firing.events}:
            return True
        return any(held.get(name) != value for name, value in firing.extra.items())

    # ---- siblings ----

    def _has_sibling(self, rule: Any, document: Document) -> bool:
        """Whether the rule that this one steps back for has fired on one of its events, suppressed or not."""
        if not rule.sibling_of:
            return False
        others = self._on_events(document)
        return any(
            a["kibana.alert.rule.uuid"] == rule.sibling_of and a.get("tocsin.alert.state") != "withdrawn"
            for a in others
        )

    def _siblings_of(self, rule: Any, document: Document) -> list[Document]:
        """Alerts of rules that step back for this one, on the same event: building blocks from now on."""
        siblings = self._siblings.get(rule.id)
        if not siblings:
            return []
        return [
            self._put({**alert, "kibana.alert.building_block_type": "default"})
            for alert in self._on_events(document)
            if alert["kibana.alert.rule.uuid"] in siblings and not alert.get("kibana.alert.building_block_type")
        ]

    def _on_events(self, document: Document) -> list[Document]:
        """Alerts that share an event with this one."""
        moment = time.read(document["kibana.alert.original_time"]) or 0
        return self._recent.sharing(document["tocsin.alert.event_ids"][:SAMPLES], moment)

    # ---- suppression ----

    def _suppressed(self, rule: Any, document: Document) -> Document | None:
        """The alert that stands for this one, if one does."""
        suppression = rule.suppression
        if suppression.missing == "separate" and any(document.get(name) is None for name in suppression.by):
            return None
        key = _suppression_key(rule, document)
        mark = "suppress:" + stable_id(*key)
        document["tocsin.alert.join"] = [*document["tocsin.alert.join"], mark]
        moment = time.read(document["@timestamp"]) or 0
        # An event that comes late and is older than the alert is one more of the same, not another.
        for stood, uuid in self._near(key, moment, suppression.window):
            alert = self._recent.get(uuid, stood)
            if alert is not None and alert.get("tocsin.alert.state") == "active":
                return alert
        if moment - suppression.window < self._stood_since:
            span = Span(moment - suppression.window + 1, moment + suppression.window)
            for alert in self._recent.joined([mark], span):
                other = alert["kibana.alert.uuid"] != document["kibana.alert.uuid"]
                if other and alert.get("tocsin.alert.state") == "active":
                    self._stand(key, alert)
                    return self._recent.get(str(alert["kibana.alert.uuid"])) or alert
        self._stand(key, document)
        return None

    def _near(self, key: tuple[str, ...], moment: int, window: int) -> list[tuple[int, str]]:
        """Standing alerts of a group within a window of a moment, the latest that is not after it first."""
        standing = self._standing.get(key, [])
        place = bisect_right(standing, (moment, "\U0010ffff"))
        around = [*reversed(standing[max(0, place - 2) : place]), *standing[place : place + 2]]
        return [each for each in around if abs(moment - each[0]) < window]

    def _stand(self, key: tuple[str, ...], alert: Document) -> None:
        entry = (time.read(alert["@timestamp"]) or 0, str(alert["kibana.alert.uuid"]))
        standing = self._standing.setdefault(key, [])
        if entry not in standing:
            insort(standing, entry)
        self._standing.move_to_end(key)
        forgotten: list[tuple[int, str]] = []
        if len(standing) > _STANDING:
            forgotten.append(standing.pop(0))
        if len(self._standing) > _GROUPS:
            forgotten += self._standing.popitem(last=False)[1]
        if forgotten:
            self._stood_since = max(self._stood_since, forgotten[-1][0] + 1)

    def _promote(self, rule: Any, gone: Document) -> list[Document]:
        """An alert that stood for others is withdrawn: the first of these stands for the rest now."""
        marks = [str(key) for key in gone.get("tocsin.alert.join") or () if str(key).startswith("suppress:")]
        uuid = gone["kibana.alert.uuid"]
        moment = time.read(gone["@timestamp"]) or 0
        span = Span(moment - rule.suppression.window, moment + rule.suppression.window)
        held = {str(a["kibana.alert.uuid"]): a for a in self._recent.joined(marks, span)} if marks else {}
        left = [self._recent.get(each) or alert for each, alert in held.items()]
        left = [
            a for a in left if a.get("tocsin.alert.suppressed_by") == uuid and a["tocsin.alert.state"] == "suppressed"
        ]
        if not left:
            return []
        first, *others = sorted(left, key=lambda a: (str(a["@timestamp"]), str(a["kibana.alert.uuid"])))
        heir = {name: value for name, value in first.items() if name != "tocsin.alert.suppressed_by"}
        heir |= {"tocsin.alert.state": "active", "kibana.alert.suppression.docs_count": len(others)}
        self._stand(_suppression_key(rule, heir), heir)
        by = first["kibana.alert.uuid"]
        return [self._put(heir), *(self._put({**other, "tocsin.alert.suppressed_by": by}) for other in others)]

    # ---- the rest ----

    def _withdraw(self, item: Withdrawal) -> list[Document]:
        uuid = stable_id("alert", item.rule, *item.born)
        alert = self._recent.get(self._renamed.get(uuid, uuid))
        if alert is None or alert.get("tocsin.alert.state") == "withdrawn":
            return []
        gone = self._put({**alert, "tocsin.alert.state": "withdrawn", "tocsin.alert.state_reason": item.reason})
        rule = self.rules.get(item.rule)
        if rule is None or rule.suppression is None:
            return [gone]
        if alert.get("tocsin.alert.state") == "active":
            return [gone, *self._promote(rule, gone)]
        standing = self._recent.get(str(alert.get("tocsin.alert.suppressed_by") or ""))
        if standing is None:
            return [gone]
        count = max(0, int(standing.get("kibana.alert.suppression.docs_count") or 0) - 1)
        return [gone, self._put({**standing, "kibana.alert.suppression.docs_count": count})]

    def _documents(self, firings: Sequence[Firing], at_hand: Mapping[str, Document]) -> dict[str, Document]:
        """The member events (for correlations: alerts) by id; the first and last samples are enough of a long
        episode."""
        wanted: dict[str, list[str]] = {"events": [], "alerts": []}
        out: dict[str, Document] = {}
        for firing in firings:
            of = "alerts" if firing.extra.get("tocsin.alert.legs") else "events"
            members = firing.events
            if len(members) > 4 * SAMPLES:
                members = members[: 2 * SAMPLES] + members[-2 * SAMPLES :]
            for event in members:
                if event.id in at_hand:
                    out[event.id] = at_hand[event.id]
                elif of == "alerts" and (held := self._recent.held(event.id)) is not None:
                    out[event.id] = held
                else:
                    wanted[of].append(event.id)
        if wanted["events"]:
            out.update(self._events.by_ids(wanted["events"]))
        if wanted["alerts"]:
            out.update(self._events.by_ids(wanted["alerts"], of="alerts"))
        return out

    def _prefetch(self, firings: Sequence[Firing]) -> None:
        """Bring stored alerts that these firings may be, which memory is too young for, in one look-up."""
        self._recent.by_ids(
            [
                stable_id("alert", self.rules[firing.rule].id, *firing.born)
                for firing in firings
                if firing.events and firing.events[0].time < self._recent.whole_since
            ]
        )

    def _put(self, document: Document) -> Document:
        """Remember it with a version that is higher than any before."""
        held = self._recent.held(str(document["kibana.alert.uuid"]))
        before = int(held.get("tocsin.alert.version_members") or 0) if held else 0
        grown = len(document.get("tocsin.alert.event_ids") or ())
        document = {**document, "tocsin.alert.version_members": max(before + 1, grown)}
        self._recent.put(document)
        return document


def _suppression_key(rule: Any, document: Document) -> tuple[str, ...]:
    return (rule.id, *(repr(document.get(name)) for name in rule.suppression.by))


def _shown(document: Document) -> bool:
    """Whether it is an alert that people see, which can join others."""
    return document.get("tocsin.alert.state") == "active" and not document.get("kibana.alert.building_block_type")


def _small(document: Document) -> Document:
    """A member's copy in `tocsin.alert.events`, without its raw text."""
    return {name: value for name, value in document.items() if name not in ("event.original", "tocsin.alert.events")}


def _members(alert: Document) -> list[Document]:
    """The events of an alert as it has them: its samples, or itself, which is a copy of its one event."""
    events = alert.get("tocsin.alert.events")
    if isinstance(events, str):  # as it was read from the store
        events = orjson.loads(events)
    return events if isinstance(events, list) else [alert]


def _union(first: Any, second: Any) -> list[str]:
    return list(dict.fromkeys([*(first or ()), *(second or ())]))
