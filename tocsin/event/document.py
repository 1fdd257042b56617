"""Events and alerts as documents: one flat dict an event, its values back as what the source sent (DESIGN section 3).

The store's answers, the command line's output and a rule's sample events have this one shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import orjson
import pyarrow as pa

from tocsin.event import ip, time
from tocsin.event.schema import FIELDS, IP_TYPE, OVERFLOW, TYPES

Document = dict[str, Any]
_MICROS: Final = pa.timestamp("us", tz="UTC")


def to_documents(batch: pa.RecordBatch | pa.Table) -> list[Document]:
    """Each row under dotted names; missing fields are absent, times RFC 3339 in UTC, addresses in their usual spelling.

    A field whose values stand in the map (because no column has the name, or none could hold them) is one value, or a
    list where there are several; numbers and booleans are ones again.
    """
    documents: list[Document] = [{} for _ in range(batch.num_rows)]
    for name in batch.schema.names:
        if name in (FIELDS, TYPES, OVERFLOW):
            continue
        column = batch.column(name)
        if column.null_count == batch.num_rows:
            continue
        for document, value in zip(documents, readable(column), strict=True):
            if value is not None and value != []:
                document[name] = value
    names = set(batch.schema.names)
    if FIELDS in names:
        fields = readable_pairs(batch.column(FIELDS))
        types = readable_pairs(batch.column(TYPES)) if TYPES in names else [[]] * batch.num_rows
        for document, pairs, kinds in zip(documents, fields, types, strict=True):
            if pairs:
                _rest(document, pairs, dict(kinds) if kinds else {})
    if OVERFLOW in names:
        for document, overflowed in zip(documents, readable(batch.column(OVERFLOW)), strict=True):
            if overflowed:
                document[OVERFLOW] = overflowed
    return documents


def readable(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """A column's values as documents have them."""
    kind = column.type
    if kind == IP_TYPE:
        return [None if value is None else ip.text(value) for value in column.to_pylist()]
    if pa.types.is_timestamp(kind):
        return [
            None if value is None else time.iso(value) for value in column.cast(_MICROS).cast(pa.int64()).to_pylist()
        ]
    if pa.types.is_map(kind):
        return [dict(value) if value else None for value in readable_pairs(column)]
    if pa.types.is_list(kind):
        return [row for chunk in _chunks(column) for row in _lists(chunk)]
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)  # a dictionary's values come one by one, plain ones all at once
    return list(column.to_pylist())


def readable_pairs(column: pa.Array | pa.ChunkedArray) -> list[list[tuple[Any, Any]]]:
    """The pairs of each row of a map; none where it is null."""
    out: list[list[tuple[Any, Any]]] = []
    for chunk in _chunks(column):
        bounds = chunk.offsets.to_pylist()
        first, last = bounds[0], bounds[-1]
        pairs = list(zip(readable(chunk.keys[first:last]), readable(chunk.items[first:last]), strict=True))
        out += [pairs[start - first : end - first] for start, end in pairwise(bounds)]
    return out


def _lists(chunk: pa.ListArray) -> list[list[Any] | None]:
    bounds = chunk.offsets.to_pylist()
    first, last = bounds[0], bounds[-1]
    values = readable(chunk.values[first:last])
    rows: list[list[Any] | None] = [values[start - first : end - first] for start, end in pairwise(bounds)]
    if chunk.null_count:
        rows = [row if valid else None for row, valid in zip(rows, chunk.is_valid().to_pylist(), strict=True)]
    return rows


def _chunks(column: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    return list(column.chunks) if isinstance(column, pa.ChunkedArray) else [column]


def _rest(document: Document, pairs: list[tuple[str, list[str]]], kinds: Mapping[str, str]) -> None:
    for name, texts in pairs:
        if not texts:
            continue
        kind = kinds.get(name)
        values: list[Any] = texts if kind is None else [restored(text, kind) for text in texts]
        held = document.get(name)
        # Beside its column only where the source's text differs from what the column could hold (a time out of bounds).
        if held is None:
            document[name] = values[0] if len(values) == 1 else values


def restored(text: str, kind: str) -> Any:
    """A value of the map as the number or boolean that it was; the text itself where it is none."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind == "number" and len(text) <= 400:
        try:
            return int(text) if text.lstrip("-").isdigit() else float(text)
        except ValueError:
            return text
    return text


def nested(document: Mapping[str, Any]) -> Document:
    """A flat document as ECS nests it: `{"source.ip": …}` becomes `{"source": {"ip": …}}`.

    Where a name has a value and names below it, an array of objects (kept as JSON beside its flattened values) wins
    over what was flattened from it; any other value keeps its place and the names below stay dotted beside it.
    """
    out: Document = {}
    leaves: set[str] = set()
    for name in sorted(document, key=lambda name: (name.count("."), name)):
        value = document[name]
        parent = _leaf_above(name, leaves)
        if parent is not None and _objects(document[parent]) is not None:
            continue
        objects = _objects(value)
        node = out
        *path, last = name.split(".")
        for place, part in enumerate(path):
            below = node.setdefault(part, {})
            if not isinstance(below, dict) or ".".join(path[: place + 1]) in leaves:
                node[".".join([*path[place:], last])] = value
                break
            node = below
        else:
            node[last] = value if objects is None or not _has_below(name, document) else objects
        leaves.add(name)
    return out


def _leaf_above(name: str, leaves: set[str]) -> str | None:
    at = name.rfind(".")
    while at > 0:
        if name[:at] in leaves:
            return name[:at]
        at = name.rfind(".", 0, at)
    return None


def _has_below(name: str, document: Mapping[str, Any]) -> bool:
    return any(other.startswith(name + ".") for other in document)


def _objects(value: Any) -> list[Any] | None:
    """The objects of an array that stands as JSON texts, or None."""
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, str) and item.startswith("{") and item.endswith("}") for item in items):
        return None
    try:
        objects = [orjson.loads(item) for item in items]
    except orjson.JSONDecodeError:
        return None
    return objects
