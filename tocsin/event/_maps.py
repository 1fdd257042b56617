"""The two maps of a batch, `tocsin.fields` and `tocsin.types`, out of the columns that aren't hot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tocsin.event._values import empty, listed, text_of
from tocsin.event.schema import FIELDS, SCHEMA, TYPES

Rows = np.ndarray[Any, np.dtype[np.int64]]
Part = tuple[Rows, Sequence[Any]]  # some rows and their values


def maps(
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
    return maps({**rest, **more}, parts, hot, n) if more else fields.arrays()


def _mixed(
    fields: _Fields, place: int, rows: Rows, values: Sequence[Any], objects: dict[str, list[Any]], n: int
) -> None:
    """Values of several kinds, or lists: each is looked at."""
    for at, value in enumerate(values):
        row = rows[at : at + 1]
        items = [item for item in listed(value) if item is not None]
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
                out[row] = value if out[row] is None else [*listed(out[row]), *listed(value)]
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
            for one in listed(value):
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
            return empty(SCHEMA.field(FIELDS).type, n), empty(SCHEMA.field(TYPES).type, n)
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
            return fields, empty(SCHEMA.field(TYPES).type, n)
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
