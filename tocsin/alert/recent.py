"""The alerts of late in memory: which share an event or a join key, without asking the store for each.

A bounded number is held, those longest untouched go first; what memory is too young for is asked of the store. It is
known from which moment on memory has every alert, so that one which isn't there doesn't exist.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from tocsin.event import time
from tocsin.ports import AlertStore, Document, EventReader, Span

# Of an alert's events, so many are samples: what others are compared with.
SAMPLES: Final = 10
MOST: Final = 5_000
_NEVER: Final = 1 << 62


class Recent:
    """Alerts by id, by their sample events and by their join keys."""

    def __init__(self, events: EventReader, store: AlertStore, most: int = MOST) -> None:
        self._events = events
        self._store = store
        self._most = most
        self._alerts: OrderedDict[str, Document] = OrderedDict()
        self._by_event: dict[str, set[str]] = {}
        self._by_key: dict[str, set[str]] = {}
        # Every alert at or after this moment (µs) is in memory.
        self.whole_since = _NEVER

    def restore(self, alerts: Iterable[Document], since: int) -> None:
        """After a start: the stored alerts at or after `since` (µs), all of them, oldest first."""
        self.whole_since = since
        for alert in alerts:
            self.put(_own(alert))

    def held(self, uuid: str) -> Document | None:
        """The alert, where memory has it."""
        return self._alerts.get(uuid)

    def get(self, uuid: str, moment: int = 0) -> Document | None:
        """An alert of that time (µs; 0: not known), from memory or the store."""
        held = self._alerts.get(uuid)
        if held is not None or moment >= self.whole_since:
            return held
        return self.by_ids([uuid]).get(uuid)

    def by_ids(self, uuids: Sequence[str]) -> dict[str, Document]:
        """The alerts of these ids that there are; the store is asked once for those that memory lacks."""
        missing = [uuid for uuid in uuids if uuid not in self._alerts]
        for uuid, stored in self._events.by_ids(missing, of="alerts").items() if missing else ():
            self.put({**_own(stored), "kibana.alert.uuid": uuid})
        return {uuid: self._alerts[uuid] for uuid in uuids if uuid in self._alerts}

    def sharing(self, events: Sequence[str], moment: int) -> list[Document]:
        """Alerts that have one of these events, the first of which is of that time (µs)."""
        found = {uuid: self._alerts[uuid] for event in events for uuid in self._by_event.get(event, ())}
        if moment < self.whole_since:
            for alert in self._store.alerts_by_event(events):
                uuid = str(alert["kibana.alert.uuid"])
                found.setdefault(uuid, self._alerts.get(uuid, alert))
        return list(found.values())

    def joined(self, keys: Sequence[str], span: Span) -> list[Document]:
        """Alerts of a span that aren't withdrawn and have one of these join keys, in order of (time, id)."""
        found = {uuid: self._alerts[uuid] for key in keys for uuid in self._by_key.get(key, ())}
        if span.start is None or span.start < self.whole_since:
            for alert in self._store.alerts_by_join(keys, span):
                uuid = str(alert["kibana.alert.uuid"])
                if uuid not in self._alerts:  # memory may know what is not stored yet
                    found[uuid] = alert
        inside = [
            (moment, uuid, alert)
            for uuid, alert in found.items()
            if alert.get("tocsin.alert.state") != "withdrawn"
            and (moment := time.read(alert["@timestamp"]) or 0) >= (span.start if span.start is not None else moment)
            and (span.end is None or moment < span.end)
        ]
        return [alert for _, _, alert in sorted(inside, key=lambda item: item[:2])]

    def put(self, alert: Document) -> None:
        """Remember it, in the place of what was known of it."""
        uuid = str(alert["kibana.alert.uuid"])
        before = self._alerts.get(uuid)
        if before is not None:
            self._unlist(uuid, before)
        self._alerts[uuid] = alert
        self._alerts.move_to_end(uuid)
        for index, names in self._places(alert):
            for name in names:
                index.setdefault(name, set()).add(uuid)

    def forget(self) -> None:
        """Let go of the alerts longest untouched. Not in the midst of a take, which would ask for them again."""
        while len(self._alerts) > self._most:
            uuid, old = self._alerts.popitem(last=False)
            self.whole_since = max(self.whole_since, (time.read(old["@timestamp"]) or 0) + 1)
            self._unlist(uuid, old)

    def _places(self, alert: Document) -> Iterable[tuple[dict[str, set[str]], Sequence[str]]]:
        yield self._by_event, (alert.get("tocsin.alert.event_ids") or ())[:SAMPLES]
        yield self._by_key, alert.get("tocsin.alert.join") or ()

    def _unlist(self, uuid: str, alert: Document) -> None:
        for index, names in self._places(alert):
            for name in names:
                uuids = index.get(name)
                if uuids is not None:
                    uuids.discard(uuid)
                    if not uuids:
                        del index[name]


def _own(alert: Document) -> Document:
    return {name: value for name, value in alert.items() if name != "_id"}
