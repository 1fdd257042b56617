"""The names that rows' maps have had, by table, and which columns rows have had values in, by table, data set and event
code: a search needn't read the map for a name that none has, nor a column that is empty (each costs 0.2 ms to plan)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.event.schema import FIELDS, OVERFLOW, TYPES
from tocsin.event.text import fold
from tocsin.store._engine import Engine

# Senders choose names; past this many a table's are no longer listed, and every search reads the map.
MOST: Final = 50_000
# Senders choose data sets and event codes too: past so many, those that come are not told apart from one another.
MOST_DATASETS: Final = 1_000
MOST_CODES: Final = 500
ANY: Final = "*"
# What a row of `names` says: `events` and a name of the map, or `events/["DATASET","CODE"]` and a column.
SEPARATOR: Final = "/"

Kind = tuple[str, str]  # data set and event code, "" where an event has none
Mask = npt.NDArray[np.bool_]


class Known:
    """What names there are. A name is written down before the first row that has it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._rows = 0
        self._names: dict[str, set[str]] = {}
        self._filled: dict[str, dict[Kind, frozenset[str]]] = {}
        self._codes: dict[str, dict[str, int]] = {}
        self._read()

    def names(self, table: str) -> set[str] | None:
        """All names of a table's maps; None where there are too many to say."""
        self._refresh()
        held = self._names.get(table, set())
        return None if len(held) > MOST else held

    def datasets(self, table: str) -> set[str] | None:
        """All data sets that rows have had; None where there are too many to tell apart."""
        self._refresh()
        held = self._codes.get(table, {})
        return None if ANY in held else set(held)

    def filled(self, table: str, datasets: Iterable[str] | None = None) -> set[str]:
        """The columns that any row of these data sets (None: of all), in whatever case, has had a value in."""
        self._refresh()
        held = self._filled.get(table, {})
        asked = None if datasets is None else {ANY, *map(fold, datasets)}
        return set().union(*(columns for (name, _), columns in held.items() if asked is None or fold(name) in asked))

    def filled_of(self, table: str, kinds: Iterable[Kind]) -> set[str]:
        """The columns that any row of these data sets and event codes has had a value in."""
        self._refresh()
        held = self._filled.get(table, {})
        asked = {(ANY, ANY)}
        for dataset, code in kinds:
            asked |= {(dataset, code), (dataset, ANY)}
        return set().union(*(held[kind] for kind in asked if kind in held))

    def add(self, table: str, batch: pa.RecordBatch) -> None:
        """The rows of `batch` are about to be stored."""
        with self._lock:
            new = [(table, name) for name in self._new_names(table, batch)]
            filled = self._new_columns(table, batch)
            new += [(place_of(table, kind), name) for kind, name in filled]
            if not new:
                return
            rows = pa.record_batch({"table": [each for each, _ in new], "name": [name for _, name in new]})
            self._engine.insert("names", rows)
            self._take(new)

    def _new_names(self, table: str, batch: pa.RecordBatch) -> list[str]:
        keys = batch.column(FIELDS).keys
        held = self._names.get(table, set())
        if not len(keys) or len(held) > MOST:
            return []
        return [name for name in pc.unique(keys).to_pylist() if name is not None and name not in held]

    def _new_columns(self, table: str, batch: pa.RecordBatch) -> list[tuple[Kind, str]]:
        """Columns with values that rows of their kind have not had values in."""
        held = self._filled.get(table, {})
        kinds, at = self._kinds(table, batch)
        if not kinds:
            return []
        common: frozenset[str] = frozenset.intersection(*(held.get(kind, frozenset()) for kind in kinds))
        found: dict[tuple[Kind, str], None] = {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name in common or name in (FIELDS, TYPES, OVERFLOW) or column.null_count == len(column):
                continue
            having = np.zeros(len(kinds), dtype=bool)
            if len(kinds) == 1:
                having[0] = not pa.types.is_list(column.type) or len(column.flatten()) > 0
            else:
                having[at[_present(column)]] = True
            for number in np.flatnonzero(having):
                if name not in held.get(kinds[number], ()):
                    found[kinds[number], name] = None
        return list(found)

    def _kinds(self, table: str, batch: pa.RecordBatch) -> tuple[list[Kind], npt.NDArray[np.int64]]:
        """The kinds of rows there are, as they are told apart, and which of them each row is of."""
        sets, datasets = _numbered(batch.column("event.dataset"))
        codes, spelt = (np.zeros_like(sets), [""])
        if "event.code" in batch.schema.names:
            codes, spelt = _numbered(batch.column("event.code"))
        unique, at = np.unique(sets * len(spelt) + codes, return_inverse=True)
        new: dict[str, set[str]] = {}
        kinds = []
        for number in unique.tolist():
            kind = datasets[number // len(spelt)], spelt[number % len(spelt)]
            kinds.append(self._told_apart(table, kind, new))
        return kinds, at

    def _told_apart(self, table: str, kind: Kind, new: dict[str, set[str]]) -> Kind:
        """The kind under which rows of a kind are written down; `new` are those of this batch."""
        if kind in self._filled.get(table, {}):
            return kind
        dataset, code = kind
        held = self._codes.get(table, {})
        if dataset not in held and dataset not in new and len(held) + len(new) >= MOST_DATASETS:
            return ANY, ANY
        more = new.setdefault(dataset, set())
        if code not in more and held.get(dataset, 0) + len(more) >= MOST_CODES:
            return dataset, ANY
        more.add(code)
        return kind

    def _refresh(self) -> None:
        """On a server others write too."""
        if not self._engine.embedded and int(self._engine.rows("SELECT count() FROM names")[0][0]) != self._rows:
            self._read()

    def _read(self) -> None:
        held = self._engine.rows("SELECT `table`, name, count() FROM names GROUP BY `table`, name")
        with self._lock:
            self._rows = sum(int(count) for _, _, count in held)
            self._take([(str(table), str(name)) for table, name, _ in held])

    def _take(self, rows: Iterable[tuple[str, str]]) -> None:
        """More rows of `names`. What searches read meanwhile is replaced, never changed."""
        names: dict[str, set[str]] = {}
        filled: dict[str, dict[Kind, set[str]]] = {}
        for where, name in rows:
            table, parted, kind = where.partition(SEPARATOR)
            if not parted:
                names.setdefault(table, set()).add(name)
            elif (read := _kind_of(kind)) is not None:
                filled.setdefault(table, {}).setdefault(read, set()).add(name)
        self._names |= {table: self._names.get(table, set()) | more for table, more in names.items()}
        for table, kinds in filled.items():
            held = self._filled.get(table, {})
            new = {kind: held.get(kind, frozenset()) | more for kind, more in kinds.items()}
            counts = dict(self._codes.get(table, {}))
            for dataset, _ in new.keys() - held.keys():
                counts[dataset] = counts.get(dataset, 0) + 1
            self._codes[table] = counts
            self._filled[table] = held | new


def place_of(table: str, kind: Kind) -> str:
    """What `names` has as the table of a kind's columns."""
    return f"{table}{SEPARATOR}{orjson.dumps(kind).decode()}"


def _kind_of(text: str) -> Kind | None:
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None  # of an earlier version
    if not isinstance(read, list) or len(read) != 2:
        return None
    return str(read[0]), str(read[1])


def _numbered(column: pa.Array) -> tuple[npt.NDArray[np.int64], list[str]]:
    """A column of texts as numbers and what they stand for; null is ''."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    values: Sequence[str | None] = coded.dictionary.to_pylist()
    at = np.asarray(pc.fill_null(coded.indices.cast(pa.int64()), len(values)))
    return at, [*(value or "" for value in values), ""]


def _present(column: pa.Array) -> Mask:
    """Which rows have a value."""
    rows = pc.greater(pc.list_value_length(column), 0) if pa.types.is_list(column.type) else column.is_valid()
    return np.asarray(pc.fill_null(rows, False))
