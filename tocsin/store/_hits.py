"""Hits, as the state stage reads them: after its checkpoint, and again by key when one has fallen out of memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from tocsin.lang.sql import quote
from tocsin.ports import ALL_TIME, HIT_SCHEMA, Hit, Span
from tocsin.store._engine import Engine

_COLUMNS: Final = ", ".join(quote(name) for name in HIT_SCHEMA.names)
_ONCE: Final = "LIMIT 1 BY rule, generation, step, id, `key`, `values`"
PAGE: Final = 10_000


class Hits:
    """Reads table `hits`. A hit stored twice is given once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def after(self, lane: int, position: int, limit: int = PAGE) -> list[Hit]:
        """Hits of a lane at positions from `position` on, in the order of (position, record, time, id): about `limit`,
        the last position's whole."""
        parameters: dict[str, Any] = {"lane": lane, "low": position}
        where = "lane = {lane:Int32} AND position >= {low:Int64}"
        edge = self._engine.rows(
            f"SELECT max(position) FROM (SELECT position FROM hits WHERE {where} ORDER BY position LIMIT {int(limit)})",
            parameters,
        )[0][0]
        return self._hits(
            f"{where} AND position <= {{high:Int64}}",
            {**parameters, "high": int(edge)},
            "position, record, time, id, rule, step",
        )

    def of_rule(self, rule: str, generation: str, span: Span = ALL_TIME) -> Iterator[list[Hit]]:
        """A rule's hits within a span in the order of (time, tie, id), page by page."""
        low, tie, last = span.start if span.start is not None else -(2**62), -(2**62), ""
        while True:
            found = self._hits(
                "rule = {rule:String} AND generation = {generation:String}"
                " AND time >= fromUnixTimestamp64Micro({low:Int64}, 'UTC')"
                " AND time < fromUnixTimestamp64Micro({end:Int64}, 'UTC')"
                " AND (toUnixTimestamp64Micro(time), ifNull(tie, -1), id) > ({low:Int64}, {tie:Int64}, {last:String})",
                {
                    "rule": rule,
                    "generation": generation,
                    "low": low,
                    "end": span.end if span.end is not None else 2**62,
                    "tie": tie,
                    "last": last,
                },
                "time, ifNull(tie, -1), id, step",
                f"LIMIT {PAGE} WITH TIES",
            )
            if not found:
                return
            yield found
            newest = found[-1]
            low, tie, last = newest.time, -1 if newest.tie is None else newest.tie, newest.id

    def of_key(self, rule: str, generation: str, key: Sequence[str | None], span: Span = ALL_TIME) -> list[Hit]:
        """The hits of one group within a span, in order."""
        return self._hits(
            "rule = {rule:String} AND generation = {generation:String} AND `key` = {key:Array(Nullable(String))}"
            " AND time >= fromUnixTimestamp64Micro({low:Int64}, 'UTC')"
            " AND time < fromUnixTimestamp64Micro({end:Int64}, 'UTC')",
            {
                "rule": rule,
                "generation": generation,
                "key": list(key),
                "low": span.start if span.start is not None else -(2**62),
                "end": span.end if span.end is not None else 2**62,
            },
            "time, ifNull(tie, -1), id, step",
        )

    def silenced(self, rule: str, name: str) -> int:
        """How many hits of a rule a list or exception has silenced."""
        asked = "SELECT uniqExact(id) FROM hits WHERE rule = {rule:String} AND silenced = {name:String}"
        return int(self._engine.rows(asked, {"rule": rule, "name": name})[0][0])

    def counts(self, span: Span = ALL_TIME) -> dict[tuple[str, str], int]:
        """How many hits each (rule, generation) has: what tells a new rule's hits are there."""
        rows = self._engine.rows(
            "SELECT rule, generation, uniqExact(step, id, `key`) FROM hits"
            " WHERE time >= fromUnixTimestamp64Micro({low:Int64}, 'UTC')"
            " AND time < fromUnixTimestamp64Micro({end:Int64}, 'UTC') GROUP BY rule, generation",
            {
                "low": span.start if span.start is not None else -(2**62),
                "end": span.end if span.end is not None else 2**62,
            },
        )
        return {(str(rule), str(generation)): int(number) for rule, generation, number in rows}

    def _hits(self, where: str, parameters: dict[str, Any], order: str, tail: str = "") -> list[Hit]:
        inner = f"SELECT {_COLUMNS} FROM hits WHERE {where} ORDER BY {order} {_ONCE}"
        sql = f"SELECT * FROM ({inner}) ORDER BY {order} {tail}"
        return _read(self._engine.arrow(sql, parameters))


def _read(found: pa.Table) -> list[Hit]:
    columns: list[list[Any]] = []
    for name in HIT_SCHEMA.names:
        column = found.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        values = column.to_pylist()
        if name in ("key", "values"):
            values = [tuple(value) for value in values]
        columns.append(values)
    return [Hit(*row) for row in zip(*columns, strict=True)]
