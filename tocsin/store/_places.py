"""Where rows of `events` stand: the newest (or oldest) matches by growing windows of time, their keys first, and rows
by the sort key with the columns that such events fill.

220 columns cost more to plan and to read than all the rest of a search: keys are found by five columns, and only the
granules that have the rows wanted are read whole.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa

from tocsin.event.schema import FIELDS, OVERFLOW, TYPES
from tocsin.store._ddl import HOUR, ODD
from tocsin.store._engine import Engine
from tocsin.store._names import Known

HOURLY: Final = 3_600_000_000
# A first window has about so many times the rows that are wanted, by the table's density; each next one is so wide.
MORE: Final = 4
GROWTH: Final = 8
# A table of fewer rows than this is searched at once.
FEW: Final = 20_000
_STALE: Final = 10.0
ALWAYS: Final = frozenset({"tocsin.id", "@timestamp", "event.dataset", FIELDS, TYPES, OVERFLOW})


class Place(NamedTuple):
    """The key of an event: time in µs and tie order, id, and what its sort key begins with."""

    time: int
    tie: int
    id: str
    dataset: str
    code: str | None
    host: str | None


class Places:
    """Finds places and reads rows at places. Safe from many threads."""

    def __init__(self, engine: Engine, known: Known, tie: str) -> None:
        self._engine = engine
        self._known = known
        self._key = (
            f"toUnixTimestamp64Micro(`@timestamp`), {tie}, `tocsin.id`, `event.dataset`, `event.code`, `host.name`"
        )
        self._seen: tuple[float, list[tuple[int, int, int]]] = (0.0, [])

    def of_ids(self, ids: Sequence[str]) -> list[Place]:
        """The places of events by their ids, through the index over ids."""
        found = self._engine.rows(
            f"SELECT {self._key} FROM events WHERE `tocsin.id` IN {{ids:Array(String)}}", {"ids": ids}
        )
        return [Place(*row) for row in found]

    def first(
        self, where: str, parameters: Mapping[str, Any], limit: int, *, newest_first: bool, edge: int | None
    ) -> list[Place]:
        """The first `limit` places that meet a condition, in order. No match is beyond `edge` (µs)."""
        way = "DESC" if newest_first else "ASC"
        found: list[Place] = []
        for window in self.windows(limit, newest_first=newest_first, edge=edge):
            rows = self._engine.rows(
                f"SELECT {self._key} FROM events WHERE {window} AND ({where})"
                f" ORDER BY 1 {way}, 2 {way}, 3 {way} LIMIT {limit - len(found)}",
                parameters,
            )
            found += [Place(*row) for row in rows]
            if len(found) >= limit:
                break
        return found

    def newest_since(self, where: str, parameters: Mapping[str, Any], count: int, *, edge: int | None) -> int | None:
        """The time (µs) since which there are `count` matches; None where there are not so many."""
        left = count
        for window in self.windows(count, newest_first=True, edge=edge):
            times = self._engine.arrow(
                f"SELECT toUnixTimestamp64Micro(`@timestamp`) FROM events WHERE {window} AND ({where})"
                f" ORDER BY 1 DESC LIMIT {left}",
                parameters,
            ).column(0)
            left -= len(times)
            if left <= 0:
                return int(times[-1].as_py())
        return None

    def windows(self, limit: int, *, newest_first: bool, edge: int | None) -> Iterator[str]:
        """Conditions that cut time into pieces, from the newest on (or the oldest), each larger than the one before;
        together they are all of time."""
        months = self._months()
        total = sum(rows for _, _, rows in months)
        inner = [month for month in months if edge is None or (month[0] <= edge if newest_first else month[1] >= edge)]
        if total <= FEW or not inner:
            yield "1"
            return
        low, high, rows = max(inner, key=lambda month: month[1]) if newest_first else min(inner)
        width = max(1_000_000, (high - low) * limit * MORE // rows)
        at = min(high, edge) if newest_first and edge is not None else high
        if not newest_first:
            at = max(low, edge) if edge is not None else low
        ends = min(low for low, _, _ in months), max(high for _, high, _ in months)
        previous: int | None = None
        while True:
            at += -width if newest_first else width
            last = at <= ends[0] if newest_first else at >= ends[1]
            bounds = (None if last else at, previous) if newest_first else (previous, None if last else at)
            yield between(*bounds)
            if last:
                return
            previous = at
            width *= GROWTH

    def rows(self, places: Sequence[Place], columns: Sequence[str]) -> pa.Table:
        """The rows at these places, in any order, with the columns that such events fill, of those that are asked."""
        filled = self._known.filled_of("events", {(place.dataset, place.code or "") for place in places})
        listed = ", ".join(f"`{name}`" for name in columns if name in filled or name in ALWAYS)
        hosts = sorted({place.host for place in places if place.host is not None})
        parameters = {
            "ids": [place.id for place in places],
            "hours": sorted({(place.dataset, hour_of(place.time)) for place in places}),
            "low": min(place.time for place in places),
            "high": max(place.time for place in places),
        }
        condition = ""
        if all(place.host is not None for place in places):
            condition = " AND `host.name` IN {hosts:Array(String)}"
            parameters["hosts"] = hosts
        return self._engine.arrow(
            f"SELECT {listed} FROM events"
            f" WHERE (`event.dataset`, {HOUR}) IN {{hours:Array(Tuple(String, Int64))}}{condition}"
            " AND `@timestamp` >= fromUnixTimestamp64Micro({low:Int64}, 'UTC')"
            " AND `@timestamp` <= fromUnixTimestamp64Micro({high:Int64}, 'UTC') AND `tocsin.id` IN {ids:Array(String)}",
            parameters,
        )

    def _months(self) -> list[tuple[int, int, int]]:
        """First and last time and rows of each month, of the last seconds: out of the parts, nothing is read."""
        asked, months = self._seen
        if time.monotonic() - asked > _STALE or not months:
            found = self._engine.rows(
                "SELECT toUnixTimestamp64Micro(min(`@timestamp`)), toUnixTimestamp64Micro(max(`@timestamp`)), count()"
                f" FROM events WHERE NOT startsWith(_partition_value.1, '{ODD}') GROUP BY _partition_id"
            )
            months = [(int(low), int(high), int(rows)) for low, high, rows in found]
            self._seen = time.monotonic(), months
        return months


def hour_of(micros: int) -> int:
    """The hour of a time as the sort key has it: cut towards zero."""
    return abs(micros) // HOURLY * (1 if micros >= 0 else -1)


def between(low: int | None, high: int | None) -> str:
    """The condition that a time (µs) is not before `low` and before `high`, by the sort key's hour too."""
    parts = []
    if low is not None:
        parts.append(f"`@timestamp` >= fromUnixTimestamp64Micro({low}, 'UTC') AND {HOUR} >= {hour_of(low)}")
    if high is not None:
        parts.append(f"`@timestamp` < fromUnixTimestamp64Micro({high}, 'UTC') AND {HOUR} <= {hour_of(high)}")
    return " AND ".join(parts) or "1"
