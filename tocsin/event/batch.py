"""Builds an event batch by column: any source's values in, `SCHEMA`'s Arrow types out, nothing lost.

A value that its column can't hold (a wrong type, a list in a scalar column) leaves the column null, stands in
`tocsin.fields` under the same name, and the name is added to `tocsin.overflow` (DESIGN section 3, "Values", a
contract). No value raises.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Final, cast

import numpy as np
import orjson
import pyarrow as pa

from tocsin.event import ip, time
from tocsin.event.schema import FIELDS, HOT, OVERFLOW, RESERVED, SCHEMA, TYPES, Column, Kind

Values = Sequence[Any]
Rows = np.ndarray[Any, np.dtype[np.int64]]
Part = tuple[Rows, Sequence[Any]]  # some rows and their values
_MISSING: Final = object()
_LIMIT64: Final = 1 << 63


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
        self._hot[FIELDS], self._hot[TYPES] = _maps(self._rest, self._parts, self._hot.keys(), self.n)
        self._hot[OVERFLOW] = _names(self._overflow, self.n)
        for column in self._columns.values():
            array = self._hot.get(column.name)
            arrays.append(_empty(column.arrow, self.n) if array is None else array)
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
                held[row] = value if held[row] is None else [*_listed(held[row]), *_listed(value)]


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


def convert(column: Column, values: Values) -> tuple[pa.Array, dict[int, Any]]:
    """`values` as the column's type, and what did not fit: row → value as the source sent it."""
    try:
        fast = _fast(column, values)
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        pa.ArrowNotImplementedError,
        TypeError,
        OverflowError,
        UnicodeEncodeError,
    ):
        fast = None
    if fast is not None:
        return fast, {}
    wrong: dict[int, Any] = {}
    read = _READ[column.kind]
    out: list[Any] = []
    for row, value in enumerate(values):
        if column.many:
            items = [read(item) for item in _listed(value) if item is not None]
            if _MISSING in items:
                wrong[row] = value
                out.append([])
            else:
                out.append(items)
            continue
        if isinstance(value, list):
            value = [item for item in value if item is not None]
            if len(value) > 1:
                wrong[row] = value
                out.append(None)
                continue
            value = value[0] if value else None
        if value is None or value == []:
            out.append(None)
            continue
        one = read(value)
        if one is _MISSING:
            wrong[row] = value
            one = None
        out.append(one)
    return _typed(column.arrow, out), wrong


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


def _typed(kind: pa.DataType, values: Sequence[Any]) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, kind)


def _fast(column: Column, values: Values) -> pa.Array | None:
    """The whole column at once, or None (or an Arrow error) where some value needs a look of its own."""
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if not kinds:
        return _empty(column.arrow, len(values))
    if column.many:
        return _fast_lists(column, values) if kinds == {list} else None
    if column.kind in (Kind.KEYWORD, Kind.TEXT):
        return _typed(column.arrow, values) if kinds == {str} else None
    if column.kind is Kind.LONG:
        return pa.array(values, column.arrow) if kinds == {int} else None
    if column.kind is Kind.BOOLEAN:
        return pa.array(values, column.arrow) if kinds == {bool} else None
    if column.kind is Kind.IP and kinds == {str}:
        packed = [None if value is None else ip.packed(value) for value in values]
        array = pa.array(packed, column.arrow)
        return array if array.null_count == sum(value is None for value in values) else None
    return None


def _fast_lists(column: Column, values: Values) -> pa.Array | None:
    if column.kind is Kind.KEYWORD:
        array = pa.array([[] if value is None else value for value in values], column.arrow)
        return None if array.values.null_count else array
    if column.kind is not Kind.IP:
        return None
    flat: list[bytes] = []
    ends = np.zeros(len(values) + 1, dtype=np.int32)
    for row, value in enumerate(values):
        for item in value or ():
            packed = ip.packed(item) if type(item) is str else None
            if packed is None:
                return None
            flat.append(packed)
        ends[row + 1] = len(flat)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(flat, column.arrow.value_type))


def _keyword(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() or _encodable(value) else value.encode("utf-8", "replace").decode()
    if isinstance(value, (bool, int, float)):
        return text_of(value)
    return _MISSING


def _long(value: Any) -> Any:
    if isinstance(value, bool):
        return _MISSING
    if isinstance(value, str):
        if len(value) > 24:
            return _MISSING
        try:
            value = int(value, 16) if value[:2].lower() == "0x" else int(value)
        except ValueError:
            return _MISSING
    if isinstance(value, float):
        if not value.is_integer():
            return _MISSING
        value = int(value)
    return value if isinstance(value, int) and -_LIMIT64 <= value < _LIMIT64 else _MISSING


def _double(value: Any) -> Any:
    if isinstance(value, bool):
        return _MISSING
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return _MISSING
    return number if math.isfinite(number) else _MISSING


def _boolean(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower(), _MISSING) if isinstance(value, str) else _MISSING


def _date(value: Any) -> Any:
    micros = time.read(value)
    return _MISSING if micros is None or time.clamp(micros) != micros else micros


def _ip(value: Any) -> Any:
    packed = ip.packed(value) if isinstance(value, str) else None
    return _MISSING if packed is None else packed


_READ: Final[dict[Kind, Callable[[Any], Any]]] = {
    Kind.KEYWORD: _keyword,
    Kind.TEXT: _keyword,
    Kind.LONG: _long,
    Kind.DOUBLE: _double,
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _date,
    Kind.IP: _ip,
}


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def text_of(value: Any) -> str:
    """How a value stands in the map: its JSON without the quotes of a text."""
    if isinstance(value, str):
        return value if value.isascii() or _encodable(value) else value.encode("utf-8", "replace").decode()
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:  # numbers past 64 bits, lone surrogates
        return json.dumps(value, default=str)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _joined(held: pa.Array, values: Values | pa.Array, column: Column) -> Values:
    """Two puts of one column, both values kept (an equal one once)."""
    before = held.to_pylist()
    if column.kind is Kind.IP:
        before = [[ip.text(x) for x in b] if isinstance(b, list) else None if b is None else ip.text(b) for b in before]
    after = values.to_pylist() if isinstance(values, pa.Array) else values
    out: list[Any] = []
    for old, new in zip(before, after, strict=True):
        both = _listed(old) + [item for item in _listed(new) if item not in _listed(old)]
        out.append(both if column.many or len(both) > 1 else both[0] if both else None)
    return out


def _maps(
    rest: dict[str, list[Any]], parts: dict[str, list[Part]], hot: Collection[str], n: int
) -> tuple[pa.Array, pa.Array]:
    """`tocsin.fields` and `tocsin.types` from the columns that aren't hot, names sorted within a row; `hot` names those
    that are set."""
    fields = _Fields(n)
    objects: dict[str, list[Any]] = {}
    for name in sorted(rest.keys() | parts.keys()):
        columns: Sequence[Part] = parts.get(name, [])
        if name in rest:
            columns = [(np.arange(n), _overlaid(rest[name], columns))]
        place = fields.name(name)
        for rows, values in columns:
            kinds = set(map(type, values))
            if list in kinds or type(None) in kinds:
                there = [i for i, value in enumerate(values) if value is not None and value != []]
                if not there:
                    continue
                rows, values = rows[there], [values[i] for i in there]
                kinds.discard(type(None))
            if kinds == {str}:
                fields.add(place, rows, values)
            elif kinds == {int}:
                fields.add(place, rows, list(map(str, values)))
                fields.typed(place, rows, "number")
            elif kinds == {bool}:
                fields.add(place, rows, ["true" if value else "false" for value in values])
                fields.typed(place, rows, "boolean")
            else:
                _mixed(fields, place, rows, values, objects, n)
    more = {key: column for key, column in objects.items() if key not in rest and key not in parts and key not in hot}
    return _maps({**rest, **more}, parts, hot, n) if more else fields.arrays()


def _mixed(
    fields: _Fields, place: int, rows: Rows, values: Sequence[Any], objects: dict[str, list[Any]], n: int
) -> None:
    """Values of several kinds, or lists: each is looked at."""
    for at, value in enumerate(values):
        row = rows[at : at + 1]
        items = [item for item in _listed(value) if item is not None]
        fields.add_list(place, row, [text_of(item) for item in items])
        scalar = {type(item) for item in items}
        if scalar == {bool}:
            fields.typed(place, row, "boolean")
        elif scalar and scalar <= {int, float}:
            fields.typed(place, row, "number")
        elif dict in scalar:
            _flatten_objects(fields.names[place], int(row[0]), items, objects, n)


def _overlaid(whole: list[Any], parts: Sequence[Part]) -> list[Any]:
    """A whole column and the parts of the same name as one; both values where both have one."""
    out = list(whole)
    for rows, values in parts:
        for row, value in zip(rows.tolist(), values, strict=True):
            if value is not None:
                out[row] = value if out[row] is None else [*_listed(out[row]), *_listed(value)]
    return out


def _flatten_objects(
    name: str, row: int, items: Iterable[Any], into: dict[str, list[Any]], n: int, depth: int = 8
) -> None:
    """An array of objects keeps its JSON under its own name; its values stand flattened under the dotted names too."""
    stack = [(name, item, depth) for item in reversed(list(items)) if isinstance(item, dict)]
    while stack:
        prefix, item, left = stack.pop()
        for key, value in item.items():
            dotted = f"{prefix}.{key}"
            for one in _listed(value):
                if isinstance(one, dict) and left > 0:
                    stack.append((dotted, one, left - 1))
                elif one is not None:
                    column = into.setdefault(dotted, [None] * n)
                    column[row] = [one] if column[row] is None else [*column[row], one]


class _Fields:
    """The two maps while they are collected, name by name."""

    def __init__(self, n: int) -> None:
        self.names: list[str] = []
        self._n = n
        self._rows: list[Rows] = []
        self._count = 0
        self._of: list[tuple[int, int]] = []  # (name, entries)
        self._texts: list[str] = []
        self._sizes: list[tuple[int, int]] = []  # (entry, values) of entries that hold other than one value
        self._typed: list[tuple[Rows, int, str]] = []

    def name(self, name: str) -> int:
        """The number of a name; names come sorted."""
        self.names.append(name)
        return len(self.names) - 1

    def add(self, place: int, rows: Rows, values: Sequence[str]) -> None:
        """One text a row."""
        self._rows.append(rows)
        self._of.append((place, len(rows)))
        self._count += len(rows)
        self._texts.extend(values if all(map(str.isascii, values)) else map(text_of, values))

    def add_list(self, place: int, row: Rows, values: Sequence[str]) -> None:
        """Several texts of one row."""
        if len(values) != 1:
            self._sizes.append((self._count, len(values)))
        self._rows.append(row)
        self._of.append((place, 1))
        self._count += 1
        self._texts.extend(values)

    def typed(self, place: int, rows: Rows, kind: str) -> None:
        """The values of that name were of this kind in these rows."""
        self._typed.append((rows, place, kind))

    def arrays(self) -> tuple[pa.Array, pa.Array]:
        """`tocsin.fields` and `tocsin.types`."""
        n = self._n
        if not self._rows:
            return _empty(SCHEMA.field(FIELDS).type, n), _empty(SCHEMA.field(TYPES).type, n)
        names = pa.array(self.names, pa.string())
        at = np.concatenate(self._rows)
        of = np.repeat(*np.array(self._of, dtype=np.int64).T)
        order = np.argsort(at, kind="stable")
        texts = pa.array(self._texts, pa.string())
        if self._sizes:
            sizes = np.ones(len(at), dtype=np.int32)
            for entry, size in self._sizes:
                sizes[entry] = size
            ends = np.zeros(len(at) + 1, dtype=np.int32)
            np.cumsum(sizes, out=ends[1:])
            items = pa.ListArray.from_arrays(pa.array(ends), texts).take(pa.array(order))
        else:
            ends = np.arange(len(at) + 1, dtype=np.int32)
            items = pa.ListArray.from_arrays(pa.array(ends), texts.take(pa.array(order)))
        keys = names.take(pa.array(of[order]))
        fields = pa.MapArray.from_arrays(_ends(at, n), keys, items)
        if not self._typed:
            return fields, _empty(SCHEMA.field(TYPES).type, n)
        at = np.concatenate([rows for rows, _, _ in self._typed])
        order = np.argsort(at, kind="stable")
        counts = [len(rows) for rows, _, _ in self._typed]
        of = np.repeat([place for _, place, _ in self._typed], counts)[order]
        kinds = pa.array([kind for _, _, kind in self._typed], pa.string()).take(
            pa.array(np.repeat(np.arange(len(counts)), counts)[order])
        )
        return fields, pa.MapArray.from_arrays(_ends(at, n), names.take(pa.array(of)), kinds)


def _ends(at: np.ndarray[Any, Any], n: int) -> pa.Array:
    """Where each row's entries begin and end, from the rows of all entries."""
    offsets = np.zeros(n + 1, dtype=np.int32)
    np.cumsum(np.bincount(at, minlength=n), out=offsets[1:])
    return pa.array(offsets)


def _names(overflow: dict[str, list[int]], n: int) -> pa.Array:
    if not overflow:
        return _empty(SCHEMA.field(OVERFLOW).type, n)
    lists: list[list[str]] = [[] for _ in range(n)]
    for name in sorted(overflow):
        for row in overflow[name]:
            lists[row].append(name)
    return pa.array(lists, SCHEMA.field(OVERFLOW).type)


def _empty(kind: pa.DataType, n: int) -> pa.Array:
    """All missing: nulls for a scalar, empty lists and maps otherwise (the store's arrays aren't nullable)."""
    if pa.types.is_map(kind):
        zeros = pa.array(np.zeros(n + 1, dtype=np.int32))
        return pa.MapArray.from_arrays(zeros, pa.array([], kind.key_type), pa.array([], kind.item_type))
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(pa.array(np.zeros(n + 1, dtype=np.int32)), pa.array([], kind.value_type))
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(pa.nulls(n, pa.int32()), pa.array([], pa.string()))
    return pa.nulls(n, kind)


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
            arrays.append(_empty(field.type, n))
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
