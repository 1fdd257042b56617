"""The names that rows' maps have had, by table, and which columns rows have had values in, by table and data set: a
search needn't read the map for a name that none has, nor a column that is empty (220 columns cost 50 ms to plan)."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from tocsin.event.schema import FIELDS, OVERFLOW, TYPES
from tocsin.event.text import fold
from tocsin.store._engine import Engine

# Senders choose names; past this many a table's are no longer listed, and every search reads the map.
MOST: Final = 50_000
# Senders choose data sets too: past this many, those that come are not told apart from one another.
MOST_DATASETS: Final = 1_000
ANY: Final = "*"
# What a row of `names` says: `events` and a name of the map, or `events/DATASET` and a column.
SEPARATOR: Final = "/"


class Known:
    """What names there are. A name is written down before the first row that has it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._names: dict[str, set[str]] = {}
        self._filled: dict[str, dict[str, set[str]]] = {}
        self._read()

    def names(self, table: str) -> set[str] | None:
        """All names of a table's maps; None where there are too many to say."""
        if not self._engine.embedded:
            self._read()  # others write too
        held = self._names.get(table, set())
        return None if len(held) > MOST else held

    def filled(self, table: str, datasets: Iterable[str] | None = None) -> set[str]:
        """The columns that any row of these data sets (None: of all), in whatever case, has had a value in."""
        if not self._engine.embedded:
            self._read()
        held = self._filled.get(table, {})
        asked = None if datasets is None else {ANY, *map(fold, datasets)}
        return set().union(*(columns for name, columns in held.items() if asked is None or fold(name) in asked))

    def add(self, table: str, batch: pa.RecordBatch) -> None:
        """The rows of `batch` are about to be stored."""
        with self._lock:
            new = [(table, name) for name in self._new_names(table, batch)]
            filled = self._new_columns(table, batch)
            new += [(f"{table}{SEPARATOR}{dataset}", name) for dataset, name in filled]
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

    def _new_columns(self, table: str, batch: pa.RecordBatch) -> list[tuple[str, str]]:
        """Columns with values that their data set has not had values in."""
        held = self._filled.get(table, {})
        sets = batch.column("event.dataset")
        present = [_spelt(value) for value in pc.unique(_plain(sets)).to_pylist()]
        if len(present) + len(held) > MOST_DATASETS:
            present = [ANY]
        known = set.intersection(*(held.get(dataset, set()) for dataset in present)) if present else set()
        found = []
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name in known or name in (FIELDS, TYPES, OVERFLOW) or column.null_count == len(column):
                continue
            many = pa.types.is_list(column.type)
            if many and not len(column.flatten()):
                continue
            if len(present) == 1:
                having = present
            else:
                rows = pc.greater(pc.list_value_length(column), 0) if many else column.is_valid()
                having = [_spelt(value) for value in pc.unique(_plain(sets.filter(rows))).to_pylist()]
            found += [(dataset, name) for dataset in having if name not in held.get(dataset, ())]
        return found

    def _read(self) -> None:
        rows = [
            (str(table), str(name)) for table, name in self._engine.rows("SELECT DISTINCT `table`, name FROM names")
        ]
        with self._lock:
            self._take(rows)

    def _take(self, rows: Iterable[tuple[str, str]]) -> None:
        names = {table: set(held) for table, held in self._names.items()}
        filled = {table: {each: set(held) for each, held in sets.items()} for table, sets in self._filled.items()}
        for where, name in rows:
            table, parted, dataset = where.partition(SEPARATOR)
            if parted:
                filled.setdefault(table, {}).setdefault(dataset, set()).add(name)
            else:
                names.setdefault(table, set()).add(name)
        self._names, self._filled = names, filled


def _spelt(dataset: str | None) -> str:
    return dataset or ""


def _plain(column: pa.Array) -> pa.Array:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
