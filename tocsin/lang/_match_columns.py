"""An event batch as the matcher reads it: for each place (a hot column, a key of the map) its unique values and rows.

A value is bytes: the UTF-8 of a text; an integer, a boolean or an address as it is spelt. Floats and times of typed
columns, which no test for texts may see, begin with a byte that no UTF-8 text has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.event import ip
from tocsin.event.schema import FIELDS

Rows = npt.NDArray[np.int64]
FLOAT: Final = b"\xffd"
# Bytes of neighbouring texts that are looked at together, before each is by itself.
_LONG: Final = 512
_BLOCK: Final = 65_536
TIME: Final = b"\xfft"


class Place(NamedTuple):
    """Where values stand: a hot column, or a key of `tocsin.fields`."""

    name: str
    hot: bool


class Encoded(NamedTuple):
    """`values[codes[i]]` is a value of row `rows[i]`; rows ascend, values may repeat, nothing is null."""

    values: list[bytes]
    codes: npt.NDArray[np.int32]
    rows: Rows


class Columns:
    """The places of one batch, each read when first asked for. `keys` are the map's keys that anybody will ask for."""

    def __init__(self, batch: pa.RecordBatch, keys: Iterable[str]) -> None:
        self.batch = batch
        self.n: int = batch.num_rows
        self._at = {name: number for number, name in enumerate(batch.schema.names)}
        self._read: dict[Place, Encoded | None] = {}
        self._blocks: dict[Place, tuple[Rows, list[int], memoryview] | None] = {}
        self._present: dict[Place, Rows] = {}
        self._map = _Map(batch.column(self._at[FIELDS]), keys) if FIELDS in self._at else None

    def filled(self, places: Iterable[Place]) -> Iterator[Place]:
        """Those of `places` where some row has a value, as far as it is cheap to know."""
        entries = self._map.entries if self._map else {}
        for place in places:
            if place.hot:
                number = self._at.get(place.name)
                if number is not None and _filled(self.batch.column(number)):
                    yield place
            elif place.name in entries:
                yield place

    def read(self, place: Place, within: npt.NDArray[np.bool_] | None = None) -> Encoded | None:
        """The values of a place, or None where no row has any; `within` says which rows matter (others may be given
        too)."""
        if place not in self._read:
            if within is not None and self._is_dear(place):
                return self._encode(place, within)
            self._read[place] = self._encode(place)
        read = self._read[place]
        if read is None or within is None:
            return read
        kept = within[read.rows]
        if kept.all():
            return read
        return Encoded(read.values, read.codes[kept], read.rows[kept]) if kept.any() else None

    def present(self, place: Place) -> Rows:
        """The rows that have a value there, ascending."""
        rows = self._present.get(place)
        if rows is None:
            rows = self._present[place] = self._rows(place)
        return rows

    def sifted(
        self, place: Place, within: npt.NDArray[np.bool_] | None, touches: Callable[[memoryview], bool]
    ) -> npt.NDArray[np.bool_] | None:
        """`within` without rows whose texts nothing `touches`: neighbours are asked together, where they lie."""
        if place in self._read:
            return within
        if place not in self._blocks:
            self._blocks[place] = self._block(place)
        blocks = self._blocks[place]
        if blocks is None:
            return within
        starts, edges, texts = blocks
        asked = np.ones(len(starts), np.bool_) if within is None else np.logical_or.reduceat(within, starts)
        for number in np.flatnonzero(asked).tolist():
            asked[number] = touches(texts[edges[number] : edges[number + 1]])
        kept = np.repeat(asked, np.diff(starts, append=self.n))
        return kept if within is None else kept & within

    def _block(self, place: Place) -> tuple[Rows, list[int], memoryview] | None:
        """A column of texts cut into blocks: the first row of each, the edges of their bytes, and all bytes."""
        number = self._at.get(place.name) if place.hot else None
        if number is None:
            return None
        array = self.batch.column(number)
        if not pa.types.is_string(array.type):
            return None
        _, offsets, data = array.buffers()
        if data is None or data.size < _BLOCK:
            return None
        edges = np.frombuffer(offsets, np.int32)[array.offset : array.offset + self.n + 1]
        starts = np.unique(np.searchsorted(edges, np.arange(edges[0], edges[-1], _BLOCK), "right") - 1)
        starts[0] = 0
        return starts, [*edges[starts].tolist(), int(edges[-1])], memoryview(data)

    def _is_dear(self, place: Place) -> bool:
        """Whether it pays to leave out the rows that don't matter: texts that aren't dictionary-encoded yet."""
        if not place.hot:
            return True
        number = self._at.get(place.name)
        return number is not None and bool(pa.types.is_string(self.batch.column(number).type))

    def _encode(self, place: Place, within: npt.NDArray[np.bool_] | None = None) -> Encoded | None:
        if not place.hot:
            return self._map.read(place.name, within) if self._map else None
        number = self._at.get(place.name)
        if number is None:
            return None
        array = self.batch.column(number)
        if not _filled(array):
            return None
        if pa.types.is_list(array.type):
            rows = np.repeat(np.arange(self.n), _lengths(array))
            return _encoded(array.flatten(), rows)
        if within is not None:
            if not within.any():
                return None
            return _encoded(array.filter(pa.array(within)), np.flatnonzero(within))
        return _encoded(array, None)

    def _rows(self, place: Place) -> Rows:
        if place.hot:
            number = self._at.get(place.name)
            if number is None:
                return np.empty(0, np.int64)
            array = self.batch.column(number)
            if not pa.types.is_nested(array.type) and not pa.types.is_dictionary(array.type):
                if array.null_count == 0:
                    return np.arange(self.n)
                return np.flatnonzero(np.asarray(array.is_valid()))
        read = self.read(place)
        return np.unique(read.rows) if read else np.empty(0, np.int64)


class _Map:
    """`tocsin.fields` turned by its keys, once a batch."""

    def __init__(self, column: Any, keys: Iterable[str]) -> None:
        self.entries: dict[str, npt.NDArray[np.int64]] = {}
        wanted = list(keys)
        offsets = np.asarray(column.offsets).astype(np.int64)
        if not wanted or len(offsets) < 2 or offsets[0] == offsets[-1]:
            return
        self._offsets = offsets
        self._items = column.items
        first, last = int(offsets[0]), int(offsets[-1])
        names = column.keys.slice(first, last - first)
        found = pc.index_in(names, value_set=pa.array(wanted, names.type))
        codes = np.asarray(found.fill_null(-1))
        at = np.flatnonzero(codes >= 0)
        if column.null_count:  # what a null row's offsets span is nobody's
            rows = np.searchsorted(offsets, at + first, "right") - 1
            at = at[np.asarray(column.is_valid())[rows]]
        if not len(at):
            return
        few = codes[at].astype(np.uint16 if len(wanted) < 65536 else np.int64)
        order = np.argsort(few, kind="stable")
        at, few = at[order] + first, few[order]
        edges = np.flatnonzero(np.diff(few)) + 1
        for part, code in zip(np.split(at, edges), few[np.concatenate(([0], edges))], strict=True):
            self.entries[wanted[int(code)]] = part

    def read(self, key: str, within: npt.NDArray[np.bool_] | None) -> Encoded | None:
        at = self.entries.get(key)
        if at is None:
            return None
        rows = np.searchsorted(self._offsets, at, "right") - 1
        if within is not None:
            kept = within[rows]
            at, rows = at[kept], rows[kept]
            if not len(at):
                return None
        offsets = np.asarray(self._items.offsets)
        start, count = offsets[at].astype(np.int64), (offsets[at + 1] - offsets[at]).astype(np.int64)
        if self._items.null_count:
            count[~np.asarray(self._items.is_valid())[at]] = 0
        if (count == 1).all():
            return _encoded(self._items.values.take(pa.array(start)), rows)
        total = int(count.sum())
        if not total:
            return None
        within = np.arange(total) - np.repeat(np.cumsum(count) - count, count)
        return _encoded(self._items.values.take(pa.array(np.repeat(start, count) + within)), np.repeat(rows, count))


def _filled(array: Any) -> bool:
    if pa.types.is_list(array.type):
        offsets = array.offsets
        return len(offsets) > 1 and bool(offsets[0].as_py() != offsets[-1].as_py())
    return bool(array.null_count < len(array))


def _lengths(array: Any) -> npt.NDArray[np.int64]:
    return np.asarray(array.value_lengths().fill_null(0)).astype(np.int64)


def _encoded(array: Any, rows: Rows | None) -> Encoded | None:
    """An array of scalars; `rows` gives the row of each, None: its own number."""
    if not pa.types.is_dictionary(array.type):
        if pa.types.is_string(array.type) and _is_long(array):
            return _listed(array, rows)
        array = array.dictionary_encode()
    indices, dictionary = array.indices, array.dictionary
    if indices.null_count:
        valid = np.flatnonzero(np.asarray(indices.is_valid()))
        codes = np.asarray(indices.fill_null(0)).astype(np.int32, copy=False)[valid]
        rows = valid if rows is None else rows[valid]
    else:
        codes = np.asarray(indices).astype(np.int32, copy=False)
        rows = np.arange(len(codes)) if rows is None else rows
    if dictionary.null_count:
        kept = np.asarray(dictionary.is_valid())[codes]
        codes, rows = codes[kept], rows[kept]
    if not len(codes):
        return None
    if len(dictionary) > 2 * len(codes) + 16 or dictionary.null_count:  # a slice keeps the whole dictionary
        used, places = np.unique(codes, return_inverse=True)
        codes = places.astype(np.int32)
        dictionary = dictionary.take(pa.array(used))
    return Encoded(_spelt(dictionary), codes, rows)


def _is_long(array: Any) -> bool:
    """Whether texts are so long that to find equal ones costs more than to look at each."""
    offsets = array.buffers()[1]
    if offsets is None or not len(array):
        return False
    edges = np.frombuffer(offsets, np.int32)
    return int(edges[array.offset + len(array)]) - int(edges[array.offset]) > _LONG * len(array)


def _listed(array: Any, rows: Rows | None) -> Encoded | None:
    rows = np.arange(len(array)) if rows is None else rows
    if array.null_count:
        rows = rows[np.asarray(array.is_valid())]
        array = array.drop_null()
    if not len(array):
        return None
    return Encoded(_spelt(array), np.arange(len(array), dtype=np.int32), rows)


def _spelt(values: Any) -> list[bytes]:
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return list(values.cast(pa.large_binary() if pa.types.is_large_string(kind) else pa.binary()).to_pylist())
    if pa.types.is_integer(kind):
        return [b"%d" % value for value in values.to_pylist()]
    if pa.types.is_boolean(kind):
        return [b"true" if value else b"false" for value in values.to_pylist()]
    if pa.types.is_fixed_size_binary(kind):
        return [ip.text(value).encode() for value in values.to_pylist()]
    if pa.types.is_timestamp(kind):
        return [b"%s%d" % (TIME, value) for value in values.cast(pa.int64()).to_pylist()]
    if pa.types.is_floating(kind):
        return [FLOAT + repr(value).encode() for value in values.to_pylist()]
    raise TypeError(f"the matcher can't read values of type {kind}")
