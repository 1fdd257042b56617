"""Which events of a batch the store does not have yet, so that a repeat shows once.

A Bloom filter a month says which may be there (10 bits an id); the rest are new without a look. For those that may, a
look-up by the sort key decides. Filters are made from the stored ids when a month is first asked for; few months are
kept, within a bound of bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.lang.sql import quote
from tocsin.store._ddl import HOUR
from tocsin.store._engine import Engine

Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
BITS: Final = 10
PROBES: Final = 7
FIRST: Final = 1 << 18
_HOUR: Final = 3_600_000_000
# 128 KiB of ids at the most: a server takes no longer parameter (http_max_field_value_size).
_ASKED: Final = 3_000
_NIBBLES: Final = np.full(256, 255, dtype=np.uint8)
for _value, _digits in enumerate(zip("0123456789abcdef", "0123456789ABCDEF", strict=True)):
    for _digit in _digits:
        _NIBBLES[ord(_digit)] = _value


class Bloom:
    """A Bloom filter that grows: each layer twice as large as the one before."""

    def __init__(self, capacity: int = FIRST) -> None:
        self._layers: list[npt.NDArray[np.uint8]] = []
        self._left = 0
        self._capacity = max(capacity, FIRST)

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return sum(layer.nbytes for layer in self._layers)

    def add(self, first: Hashes, second: Hashes) -> None:
        """Puts ids in, as two 64-bit halves each."""
        start = 0
        while start < len(first):
            if not self._left:
                size = self._capacity << len(self._layers)
                self._layers.append(np.zeros(size * BITS // 8 + 8, dtype=np.uint8))
                self._left = size
            end = min(len(first), start + self._left)
            layer = self._layers[-1]
            for bit in _probes(first[start:end], second[start:end], layer):
                np.bitwise_or.at(layer, bit >> np.uint64(3), np.uint8(1) << (bit & np.uint64(7)).astype(np.uint8))
            self._left -= end - start
            start = end

    def has(self, first: Hashes, second: Hashes) -> Mask:
        """Which may be in it; those that aren't named are not."""
        found = np.zeros(len(first), dtype=bool)
        for layer in self._layers:
            here = np.ones(len(first), dtype=bool)
            for bit in _probes(first, second, layer):
                here &= (layer[bit >> np.uint64(3)] >> (bit & np.uint64(7)).astype(np.uint8)) & np.uint8(1) == 1
            found |= here
        return found


def _probes(first: Hashes, second: Hashes, layer: npt.NDArray[np.uint8]) -> Iterator[Hashes]:
    size = np.uint64(len(layer) * 8)
    with np.errstate(over="ignore"):
        for i in range(PROBES):
            yield (first + np.uint64(i) * (second | np.uint64(1))) % size


class Seen:
    """Knows what the store has. Not safe from many threads: one writer asks."""

    def __init__(self, engine: Engine, *, most_bytes: int = 64 << 20, table: str = "events") -> None:
        self._engine = engine
        self._most = most_bytes
        self._table = table
        self._months: OrderedDict[int, Bloom] = OrderedDict()

    def unseen(self, batch: pa.RecordBatch) -> Mask:
        """True for each row whose id the store has not, the first of equal ids within the batch only."""
        first, second, plain = halves(batch.column("tocsin.id"))
        fresh = _first_of(batch.column("tocsin.id"))
        months = _months_of(batch)
        maybe = ~plain  # an id of another make isn't in the filters
        for month in np.unique(months):
            rows = np.flatnonzero(months == month)
            maybe[rows] |= self._month(int(month)).has(first[rows], second[rows])
        asked = np.flatnonzero(maybe & fresh)
        if len(asked):
            known = self._known(batch, asked)
            if known:
                ids = pc.is_in(batch.column("tocsin.id"), value_set=pa.array(sorted(known), pa.string()))
                fresh &= ~np.asarray(ids)
        return fresh

    def stored(self, batch: pa.RecordBatch) -> None:
        """The rows are in the store now."""
        first, second, plain = halves(batch.column("tocsin.id"))
        months = _months_of(batch)
        for month in np.unique(months):
            rows = np.flatnonzero((months == month) & plain)
            self._month(int(month)).add(first[rows], second[rows])

    def forget(self) -> None:
        """Rows were dropped: filters are made again when asked for."""
        self._months.clear()

    def _month(self, month: int) -> Bloom:
        held = self._months.get(month)
        if held is None:
            held = self._load(month)
            self._months[month] = held
        self._months.move_to_end(month)
        while len(self._months) > 2 and sum(each.bytes for each in self._months.values()) > self._most:
            self._months.popitem(last=False)
        return held

    def _load(self, month: int) -> Bloom:
        low = np.datetime64(month, "M").astype("datetime64[us]").astype(np.int64)
        high = np.datetime64(month + 1, "M").astype("datetime64[us]").astype(np.int64)
        span = (
            f"{HOUR} >= {{a:Int64}} AND {HOUR} < {{b:Int64}} AND `@timestamp` >= fromUnixTimestamp64Micro({{c:Int64}},"
        )
        span += " 'UTC') AND `@timestamp` < fromUnixTimestamp64Micro({d:Int64}, 'UTC')"
        source = f"FROM {quote(self._table)} WHERE {span}"
        limits = {"c": int(low), "d": int(high), "a": int(low // _HOUR), "b": int(-(-high // _HOUR))}
        count = int(self._engine.rows(f"SELECT count() {source}", limits)[0][0])
        bloom = Bloom(int(count * 1.2))
        if not count:
            return bloom
        # In pieces by the id's own first digits, so that no more than about a million are in memory.
        pieces = 1
        while count / pieces > 1_000_000 and pieces < 4096:
            pieces *= 16
        digits = {1: 0, 16: 1, 256: 2, 4096: 3}[pieces]
        for piece in range(pieces):
            prefix = f"{piece:0{digits}x}" if digits else ""
            table = self._engine.arrow(
                f"SELECT `tocsin.id` {source} AND startsWith(`tocsin.id`, {{e:String}})", {**limits, "e": prefix}
            )
            for chunk in table.column(0).chunks:
                first, second, plain = halves(chunk)
                bloom.add(first[plain], second[plain])
        return bloom

    def _known(self, batch: pa.RecordBatch, asked: npt.NDArray[np.int64]) -> set[str]:
        """Of these rows, the ids that the table has: by data set and hour, which are the head of its sort key. A row
        that names no time has its arrival's, which is another one for each repeat: its id alone decides."""
        found: set[str] = set()
        rows = batch.select(["tocsin.id", "event.dataset", "@timestamp", "tocsin.ingested"]).take(pa.array(asked))
        timeless = pc.fill_null(pc.equal(rows.column("@timestamp"), rows.column("tocsin.ingested")), False)
        found.update(self._anywhere(rows.filter(timeless)))
        rows = rows.filter(pc.invert(timeless))
        order = pc.sort_indices(rows.column("@timestamp"))
        rows = rows.take(order)
        for start in range(0, rows.num_rows, _ASKED):
            part = rows.slice(start, _ASKED)
            times = np.asarray(part.column("@timestamp").cast(pa.int64()))
            parameters: dict[str, Any] = {
                "ids": part.column("tocsin.id").to_pylist(),
                "sets": sorted(set(part.column("event.dataset").to_pylist())),
                "hours": [int(hour) for hour in np.unique(times // _HOUR)],
                "low": int(times.min()),
                "high": int(times.max()),
            }
            sql = (
                f"SELECT `tocsin.id` FROM {quote(self._table)} WHERE `event.dataset` IN {{sets:Array(String)}}"
                f" AND {HOUR} IN {{hours:Array(Int64)}}"
                " AND `@timestamp` >= fromUnixTimestamp64Micro({low:Int64}, 'UTC')"
                " AND `@timestamp` <= fromUnixTimestamp64Micro({high:Int64}, 'UTC')"
                " AND `tocsin.id` IN {ids:Array(String)}"
            )
            found.update(row[0] for row in self._engine.rows(sql, parameters))
        return found

    def _anywhere(self, rows: pa.RecordBatch) -> set[str]:
        """Of these rows, the ids that their data sets have at any time."""
        found: set[str] = set()
        sql = (
            f"SELECT `tocsin.id` FROM {quote(self._table)} WHERE `event.dataset` IN {{sets:Array(String)}}"
            " AND `tocsin.id` IN {ids:Array(String)}"
        )
        for start in range(0, rows.num_rows, _ASKED):
            part = rows.slice(start, _ASKED)
            sets = sorted(set(part.column("event.dataset").to_pylist()))
            found.update(
                row[0] for row in self._engine.rows(sql, {"ids": part.column("tocsin.id").to_pylist(), "sets": sets})
            )
        return found


def halves(ids: pa.Array) -> tuple[Hashes, Hashes, Mask]:
    """Each id of 32 hexadecimal digits as two numbers; the mask says which are ones."""
    n = len(ids)
    ids = ids.cast(pa.string())
    lengths = np.asarray(pc.fill_null(pc.binary_length(ids), 0))
    plain: Mask = lengths == 32
    nibbles = np.zeros((n, 32), dtype=np.uint8)
    if n and plain.all():
        offset = np.frombuffer(ids.buffers()[1], dtype=np.int32)[ids.offset]
        data = np.frombuffer(ids.buffers()[2], dtype=np.uint8)[offset : offset + 32 * n]
        nibbles = _NIBBLES[data.reshape(n, 32)]
    else:
        rows = np.flatnonzero(plain)
        for row in rows:
            nibbles[row] = _NIBBLES[np.frombuffer(ids[int(row)].as_py().encode(), dtype=np.uint8)[:32]]
    plain = plain & (nibbles != 255).all(axis=1)
    octets = (nibbles[:, 0::2] << 4) | (nibbles[:, 1::2] & 15)
    numbers = np.ascontiguousarray(octets).view(">u8").astype(np.uint64)
    return numbers[:, 0], numbers[:, 1], plain


def _months_of(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    micros = np.asarray(batch.column("@timestamp").cast(pa.int64()))
    return micros.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def _first_of(ids: pa.Array) -> Mask:
    """True for the first row of each id."""
    encoded = ids.cast(pa.string()).dictionary_encode()
    if len(encoded.dictionary) == len(ids):
        return np.ones(len(ids), dtype=bool)
    _, rows = np.unique(np.asarray(encoded.indices), return_index=True)
    mask = np.zeros(len(ids), dtype=bool)
    mask[rows] = True
    return mask
