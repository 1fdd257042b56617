"""Builds an event batch by column: any source's values in, `SCHEMA`'s Arrow types out, nothing lost.

A value that its column can't hold (a wrong type, a list in a scalar column) leaves the column null, stands in
`tocsin.fields` under the same name, and the name is added to `tocsin.overflow` (DESIGN section 3, "Values", a
contract). No value raises.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.event import ip, time
from tocsin.event.schema import FIELDS, HOT, OVERFLOW, RESERVED, SCHEMA, TYPES, Column, Kind

Values = Sequence[Any]
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
        return name in self._hot or name in self._rest

    def finish(self) -> pa.RecordBatch:
        """The batch. `@timestamp`, `event.dataset`, `tocsin.id` and `tocsin.ingested` must have been put."""
        arrays = []
        self._hot[FIELDS], self._hot[TYPES] = _maps(self._rest, self.n)
        self._hot[OVERFLOW] = _names(self._overflow, self.n)
        for column in self._columns.values():
            array = self._hot.get(column.name)
            arrays.append(_empty(column.arrow, self.n) if array is None else array)
        schema = pa.schema([pa.field(column.name, column.arrow) for column in self._columns.values()])
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _keep(self, name: str, values: Values) -> None:
        held = self._rest.get(name)
        if held is None:
            self._rest[name] = list(values)
            return
        for row, value in enumerate(values):
            if value is not None:
                held[row] = value if held[row] is None else [*_listed(held[row]), *_listed(value)]


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
        if value is None:
            out.append(None)
            continue
        one = read(value)
        if one is _MISSING:
            wrong[row] = value
            one = None
        out.append(one)
    return _typed(column.arrow, out), wrong


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
        if kinds != {list} or column.kind is not Kind.KEYWORD:
            return None
        array = pa.array(values, column.arrow)
        return None if array.null_count or array.values.null_count else array
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
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


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


def _maps(rest: dict[str, list[Any]], n: int) -> tuple[pa.Array, pa.Array]:
    """`tocsin.fields` and `tocsin.types` from the columns that aren't hot, names sorted within a row."""
    rows: list[np.ndarray[Any, Any]] = []
    names: list[str] = []
    sizes: list[int] = []
    texts: list[list[str]] = []
    kinds: list[tuple[int, str, str]] = []
    objects: dict[str, list[Any]] = {}
    for name in sorted(rest):
        values = rest[name]
        present = [row for row, value in enumerate(values) if value is not None and value != []]
        if not present:
            continue
        rows.append(np.array(present, dtype=np.int64))
        names.append(name)
        sizes.append(len(present))
        types = {type(values[row]) for row in present}
        if types == {str}:
            texts.extend([value] if value.isascii() else [text_of(value)] for value in (values[row] for row in present))
            continue
        for row in present:
            items = [item for item in _listed(values[row]) if item is not None]
            texts.append([text_of(item) for item in items])
            scalar = {type(item) for item in items}
            if scalar == {bool}:
                kinds.append((row, name, "boolean"))
            elif scalar and scalar <= {int, float}:
                kinds.append((row, name, "number"))
            elif dict in scalar:
                _flatten_objects(name, row, items, objects, n)
    if objects:
        more = {key: column for key, column in objects.items() if key not in rest}
        return _maps({**rest, **more}, n) if more else _assemble(rows, names, sizes, texts, kinds, n)
    return _assemble(rows, names, sizes, texts, kinds, n)


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


def _assemble(
    rows: list[np.ndarray[Any, Any]],
    names: list[str],
    sizes: list[int],
    texts: list[list[str]],
    kinds: list[tuple[int, str, str]],
    n: int,
) -> tuple[pa.Array, pa.Array]:
    if not rows:
        return _empty(SCHEMA.field(FIELDS).type, n), _empty(SCHEMA.field(TYPES).type, n)
    at = np.concatenate(rows)
    order = np.argsort(at, kind="stable")
    offsets = np.zeros(n + 1, dtype=np.int32)
    np.cumsum(np.bincount(at, minlength=n), out=offsets[1:])
    number = np.repeat(np.arange(len(names), dtype=np.int32), sizes)[order]
    keys = pc.take(pa.array(names, pa.string()), pa.array(number))
    items = pa.array(texts, pa.list_(pa.string())).take(pa.array(order))
    fields = pa.MapArray.from_arrays(pa.array(offsets), keys, items)
    if not kinds:
        return fields, _empty(SCHEMA.field(TYPES).type, n)
    kinds.sort()
    counts = np.zeros(n + 1, dtype=np.int32)
    np.cumsum(np.bincount([row for row, _, _ in kinds], minlength=n), out=counts[1:])
    types = pa.MapArray.from_arrays(
        pa.array(counts), pa.array([name for _, name, _ in kinds]), pa.array([kind for _, _, kind in kinds])
    )
    return fields, types


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


def concat(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches of `SCHEMA` as one."""
    if len(batches) == 1:
        return batches[0]
    table = pa.Table.from_batches(batches, schema=SCHEMA).unify_dictionaries().combine_chunks()
    return table.to_batches()[0] if table.num_rows else SCHEMA.empty_table().to_batches()[0]
