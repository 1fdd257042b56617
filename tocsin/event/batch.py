"""Builds an event batch by column: any source's values in, `SCHEMA`'s Arrow types out, nothing lost.

A value that its column can't hold (a wrong type, a list in a scalar column) leaves the column null, stands in
`tocsin.fields` under the same name, and the name is added to `tocsin.overflow` (DESIGN section 3, "Values", a
contract). No value raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, cast

import numpy as np
import pyarrow as pa

from tocsin.event import ip
from tocsin.event._maps import Part, Rows, maps
from tocsin.event._values import Values, convert, empty, listed
from tocsin.event.schema import FIELDS, HOT, OVERFLOW, RESERVED, SCHEMA, TYPES, Column, Kind


class BatchBuilder:
    """Collects the columns of `n` events.

    `put` takes a column of Python values (None and `[]` are missing) or an Arrow array of the hot type; a name that
    isn't hot goes to the map. A name put twice keeps both values. `finish` gives the batch, every column of `hot` in
    order (`SCHEMA`'s; `ALERT_HOT` for alerts).
    """

    def __init__(self, n: int, hot: Mapping[str, Column] = HOT) -> None:
        self.n = n
        self._columns = hot
        self._hot: dict[str, pa.Array] = {}
        self._rest: dict[str, list[Any]] = {}
        self._overflow: dict[str, list[int]] = {}
        self._parts: dict[str, list[Part]] = {}
        self._rows: Sequence[int] = ()
        self._at = np.empty(0, dtype=np.int64)

    def put(self, name: str, values: Values | pa.Array) -> None:
        """Set one column, `n` values long."""
        if len(values) != self.n:
            raise ValueError(f"{name}: {len(values)} values for {self.n} events")
        column = self._columns.get(name)
        if column is None or column.name in (FIELDS, TYPES, OVERFLOW):
            self._keep(name, values.to_pylist() if isinstance(values, pa.Array) else values)
            return
        if name in self._hot:
            values = _joined(self._hot.pop(name), values, column)
        if isinstance(values, pa.Array) and values.type == column.arrow:
            self._hot[name] = values
            return
        array, wrong = convert(column, values.to_pylist() if isinstance(values, pa.Array) else values)
        self._hot[name] = array
        if wrong:
            self._overflow[name] = sorted({*self._overflow.get(name, ()), *wrong})
            kept: list[Any] = [None] * self.n
            for row, value in wrong.items():
                kept[row] = value
            self._keep(name, kept)

    def put_at(self, name: str, rows: Sequence[int], values: Values) -> None:
        """Set a column for some rows, a value a row (None is missing). Calls for one name must not share rows: this is
        for events of many kinds, each with columns of its own."""
        if rows is not self._rows:
            self._rows, self._at = rows, np.asarray(rows, dtype=np.int64)
        self._parts.setdefault(name, []).append((self._at, values))

    def put_same(self, name: str, rows: Sequence[int], value: Any) -> None:
        """`put_at` of one value for all the rows: cheap for hot texts and lists of texts."""
        self.put_at(name, rows, Repeated(value, len(rows)))

    def source(self, name: str, values: Values) -> None:
        """Set a column under the name that the source itself gave it: a reserved name (`tocsin.*`) can't be claimed."""
        self.put("unmapped." + name if name in RESERVED or name.startswith("tocsin.") else name, values)

    def overflow(self, name: str, values: Values) -> None:
        """What the source wrote where its column holds something else (a bound for a time beyond them): the map has it
        under the column's name, and the name is in `tocsin.overflow`."""
        self._overflow[name] = sorted(
            {*self._overflow.get(name, ()), *(row for row, value in enumerate(values) if value is not None)}
        )
        self._keep(name, values)

    def constant(self, name: str, value: Any) -> None:
        """The same value for every event."""
        column = self._columns.get(name)
        if column is None:
            self._keep(name, [value] * self.n)
            return
        one, wrong = convert(column, [value])
        if wrong:
            raise ValueError(f"{name} can't hold {value!r}")
        if pa.types.is_dictionary(column.arrow):
            indices = pa.array(np.zeros(self.n, dtype=np.int32))
            self._hot[name] = pa.DictionaryArray.from_arrays(indices, one.dictionary)
        else:
            self._hot[name] = one.take(pa.array(np.zeros(self.n, dtype=np.int64)))

    def has(self, name: str) -> bool:
        """Whether the column was put."""
        return name in self._hot or name in self._rest or name in self._parts

    def finish(self) -> pa.RecordBatch:
        """The batch. `@timestamp`, `event.dataset`, `tocsin.id` and `tocsin.ingested` must have been put."""
        arrays = []
        for name in [name for name in self._parts if name in self._columns]:
            self._gather(name, self._parts.pop(name))
        self._hot[FIELDS], self._hot[TYPES] = maps(self._rest, self._parts, self._hot.keys(), self.n)
        self._hot[OVERFLOW] = _names(self._overflow, self.n)
        for column in self._columns.values():
            array = self._hot.get(column.name)
            arrays.append(empty(column.arrow, self.n) if array is None else array)
        schema = pa.schema([pa.field(column.name, column.arrow) for column in self._columns.values()])
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _gather(self, name: str, parts: list[Part]) -> None:
        """Make a hot column of the parts that were put."""
        at = parts[0][0] if len(parts) == 1 else np.concatenate([rows for rows, _ in parts])
        if not self.has(name) and all(type(values) is Repeated for _, values in parts):
            array, wrong = convert(self._columns[name], [cast(Repeated, values).value for _, values in parts])
            if not wrong:
                sizes = [len(values) for _, values in parts]
                self._hot[name] = _scattered(array.take(pa.array(np.repeat(np.arange(len(parts)), sizes))), at, self.n)
                return
        values = parts[0][1] if len(parts) == 1 else list(chain.from_iterable(values for _, values in parts))
        if self.has(name) or name in (FIELDS, TYPES, OVERFLOW):
            whole: list[Any] = [None] * self.n
            for row, value in zip(at.tolist(), values, strict=True):
                whole[row] = value
            self.put(name, whole)
            return
        array, wrong = convert(self._columns[name], values)
        self._hot[name] = _scattered(array, at, self.n)
        if wrong:
            rows = at[list(wrong)]
            self._overflow[name] = sorted({*self._overflow.get(name, ()), *rows.tolist()})
            self._parts.setdefault(name, []).append((rows, list(wrong.values())))

    def _keep(self, name: str, values: Values) -> None:
        held = self._rest.get(name)
        if held is None:
            self._rest[name] = list(values)
            return
        for row, value in enumerate(values):
            if value is not None:
                held[row] = value if held[row] is None else [*listed(held[row]), *listed(value)]


class Repeated(Sequence[Any]):
    """One value many times."""

    __slots__ = ("_size", "value")

    def __init__(self, value: Any, size: int) -> None:
        self.value = value
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return repeat(self.value, self._size)

    def __getitem__(self, place: Any) -> Any:
        return list(self)[place]


def _scattered(array: pa.Array, at: Rows, n: int) -> pa.Array:
    """An array's values at those rows of a column that is missing elsewhere."""
    if len(at) == n and bool((at[:-1] < at[1:]).all()):
        return array
    if pa.types.is_list(array.type):
        array = array.take(pa.array(np.argsort(at)))
        ends = np.zeros(n + 1, dtype=np.int32)
        ends[at + 1] = np.diff(array.offsets.to_numpy())[np.argsort(np.argsort(at))]
        np.cumsum(ends, out=ends)
        return pa.ListArray.from_arrays(pa.array(ends), array.flatten())
    index = np.full(n, -1, dtype=np.int64)
    index[at] = np.arange(len(at))
    return array.take(pa.array(index, mask=index < 0))


def _joined(held: pa.Array, values: Values | pa.Array, column: Column) -> Values:
    """Two puts of one column, both values kept (an equal one once)."""
    before = held.to_pylist()
    if column.kind is Kind.IP:
        before = [[ip.text(x) for x in b] if isinstance(b, list) else None if b is None else ip.text(b) for b in before]
    after = values.to_pylist() if isinstance(values, pa.Array) else values
    out: list[Any] = []
    for old, new in zip(before, after, strict=True):
        both = listed(old) + [item for item in listed(new) if item not in listed(old)]
        out.append(both if column.many or len(both) > 1 else both[0] if both else None)
    return out


def _names(overflow: dict[str, list[int]], n: int) -> pa.Array:
    if not overflow:
        return empty(SCHEMA.field(OVERFLOW).type, n)
    lists: list[list[str]] = [[] for _ in range(n)]
    for name in sorted(overflow):
        for row in overflow[name]:
            lists[row].append(name)
    return pa.array(lists, SCHEMA.field(OVERFLOW).type)


def filled(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch without its empty columns; one of nothing else stays as it is. Of 220 hot columns a quarter has values
    in the events of a stretch, and each costs memory, a place in the spool and 0.1 ms of an insert's planning."""
    names = [name for name in batch.schema.names if batch.column(name).null_count < batch.num_rows]
    return batch.select(names) if names else batch


def concat(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches of `SCHEMA` as one."""
    if len(batches) == 1:
        return batches[0]
    table = pa.Table.from_batches(batches, schema=SCHEMA).unify_dictionaries().combine_chunks()
    return table.to_batches()[0] if table.num_rows else pa.RecordBatch.from_pylist([], schema=SCHEMA)


def interleaved(batches: Sequence[pa.RecordBatch], rows: Sequence[Sequence[int]]) -> pa.RecordBatch:
    """Batches of `SCHEMA` as one, in which `rows[i]` are the places of the i-th batch's events: all places once."""
    order = np.concatenate([np.asarray(places, dtype=np.int64) for places in rows])
    n = len(order)
    back = np.empty(n, dtype=np.int64)
    back[order] = np.arange(n)
    sorted_already = bool((back == np.arange(n)).all())
    if len(batches) == 1 and sorted_already:
        return batches[0]
    places = pa.array(back)
    arrays = []
    for at, field in enumerate(SCHEMA):
        parts = [batch.column(at) for batch in batches]
        if all(map(_bare, parts)):  # most columns of most batches
            arrays.append(empty(field.type, n))
            continue
        chunked = pa.chunked_array(parts, field.type)
        if pa.types.is_dictionary(field.type):
            chunked = chunked.unify_dictionaries()
        array = chunked.combine_chunks()
        arrays.append(array if sorted_already else array.take(places))
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _bare(array: pa.Array) -> bool:
    """Whether no row has a value."""
    if array.null_count == len(array):
        return True
    if pa.types.is_list(array.type) or pa.types.is_map(array.type):
        offsets = array.offsets
        return bool(offsets[0].as_py() == offsets[len(array)].as_py()) and array.null_count == 0
    return False
