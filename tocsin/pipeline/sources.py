"""The health of sources: what each sender of each dataset sent, how much, how late, what could not be read and why.

Counted in memory; `drain` gives what came since the last call, for the state, from which `known` brings it back after
a start.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.event import time
from tocsin.event.time import SECOND
from tocsin.state.sources import Source

MINUTES: Final = 60
LIMIT: Final = 10_000
_OTHER: Final = ("tocsin.other", "other")


@dataclass(slots=True)
class Seen:
    """One sender of one dataset. `minutes` are events by minute of arrival, the last hour, newest last."""

    events: int = 0
    bytes: int = 0
    overflowed: int = 0
    late: int = 0
    last: int = 0
    first_seen: int = 0
    last_seen: int = 0
    unparsed: dict[str, int] = field(default_factory=dict)
    minutes: dict[int, int] = field(default_factory=dict)

    def histogram(self, now: int) -> list[int]:
        """Events a minute over the last hour."""
        minute = now // (60 * SECOND)
        return [self.minutes.get(minute - MINUTES + 1 + i, 0) for i in range(MINUTES)]

    def rate(self, now: int) -> float:
        """Events a second over the last five whole minutes and this one."""
        minute = now // (60 * SECOND)
        count = sum(self.minutes.get(minute - i, 0) for i in range(5))
        seconds = 240 + (now % (60 * SECOND)) / SECOND
        return count / seconds


class Sources:
    """All sources since the start; at most `LIMIT`, the rest counts as other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], Seen] = {}
        self._changed: dict[tuple[str, str], Source] = {}

    def add(self, health: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
        """What a worker saw in a stretch."""
        with self._lock:
            for key, more in health.items():
                now = int(more["seen"])
                known = self._seen.get(key)
                if known is None:
                    place = key if len(self._seen) < LIMIT else _OTHER
                    known = self._seen.setdefault(place, Seen(first_seen=now))
                self._change(key, more, now)
                known.events += more["events"]
                known.bytes += more["bytes"]
                known.overflowed += more["overflowed"]
                known.late += more["late"]
                known.last = max(known.last, more["last"])
                known.last_seen = max(known.last_seen, now)
                for reason, count in more["unparsed"].items():
                    place_ = reason if reason in known.unparsed or len(known.unparsed) < 50 else "other reasons"
                    known.unparsed[place_] = known.unparsed.get(place_, 0) + count
                minute = now // (60 * SECOND)
                known.minutes[minute] = known.minutes.get(minute, 0) + more["events"]
                for old in [m for m in known.minutes if m <= minute - MINUTES]:
                    del known.minutes[old]

    def _change(self, key: tuple[str, str], more: Mapping[str, Any], now: int) -> None:
        change = self._changed.setdefault(key, Source(*key, first=now))
        change.events += more["events"]
        change.bytes += more["bytes"]
        change.overflowed += more["overflowed"]
        change.late += more["late"]
        change.unparsed += sum(more["unparsed"].values())
        change.last = now
        if more["last"]:
            change.newest = max(change.newest or more["last"], more["last"])
        reasons = dict(change.reasons)
        for reason, count in more["unparsed"].items():
            reasons[reason] = reasons.get(reason, 0) + count
        change.reasons = reasons

    def drain(self) -> list[Source]:
        """What came since the last call."""
        with self._lock:
            changed, self._changed = self._changed, {}
            return list(changed.values())

    def known(self, sources: Iterable[Source]) -> None:
        """After a start: what was counted before."""
        with self._lock:
            for each in sources:
                self._seen[each.dataset, each.sender] = Seen(
                    events=each.events,
                    bytes=each.bytes,
                    overflowed=each.overflowed,
                    late=each.late,
                    last=each.newest or 0,
                    first_seen=each.first,
                    last_seen=each.last,
                    unparsed=dict(each.reasons),
                )

    def all(self) -> dict[tuple[str, str], Seen]:
        """A copy of what is known."""
        with self._lock:
            return dict(self._seen)

    def rate(self) -> float:
        """Events a second over all sources."""
        now = time.now()
        return sum(seen.rate(now) for seen in self.all().values())
