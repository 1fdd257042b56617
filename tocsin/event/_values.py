"""Values of any kind become a column's Arrow type; those that don't fit are told apart, and none raises."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa

from tocsin.event import ip, time
from tocsin.event.schema import Column, Kind

Values = Sequence[Any]
_MISSING: Final = object()
_LIMIT64: Final = 1 << 63


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
            items = [read(item) for item in listed(value) if item is not None]
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


def _typed(kind: pa.DataType, values: Sequence[Any]) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, kind)


def _fast(column: Column, values: Values) -> pa.Array | None:
    """The whole column at once, or None (or an Arrow error) where some value needs a look of its own."""
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if not kinds:
        return empty(column.arrow, len(values))
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


def listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def empty(kind: pa.DataType, n: int) -> pa.Array:
    """All missing: nulls for a scalar, empty lists and maps otherwise (the store's arrays aren't nullable)."""
    if pa.types.is_map(kind):
        zeros = pa.array(np.zeros(n + 1, dtype=np.int32))
        return pa.MapArray.from_arrays(zeros, pa.array([], kind.key_type), pa.array([], kind.item_type))
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(pa.array(np.zeros(n + 1, dtype=np.int32)), pa.array([], kind.value_type))
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(pa.nulls(n, pa.int32()), pa.array([], pa.string()))
    return pa.nulls(n, kind)
