"""The names that rows' maps have had, by table: a search needn't read the map for a name that none has."""

from __future__ import annotations

import threading
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from tocsin.event.schema import FIELDS
from tocsin.store._engine import Engine

# Senders choose names; past this many a table's are no longer listed, and every search reads the map.
MOST: Final = 50_000


class Known:
    """What names there are. A name is written down before the first row that has it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._names: dict[str, set[str]] = {}
        self._read()

    def names(self, table: str) -> set[str] | None:
        """All names of a table's maps; None where there are too many to say."""
        if not self._engine.embedded:
            self._read()  # others write too
        held = self._names.get(table, set())
        return None if len(held) > MOST else held

    def add(self, table: str, batch: pa.RecordBatch) -> None:
        """The rows of `batch` are about to be stored."""
        keys = batch.column(FIELDS).keys
        if not len(keys):
            return
        held = self._names.get(table, set())
        new = [name for name in pc.unique(keys).to_pylist() if name is not None and name not in held]
        if not new or len(held) > MOST:
            return
        with self._lock:
            rows = pa.record_batch({"table": [table] * len(new), "name": new})
            self._engine.insert("names", rows)
            self._names[table] = held | set(new)

    def _read(self) -> None:
        names: dict[str, set[str]] = {}
        for table, name in self._engine.rows("SELECT DISTINCT `table`, name FROM names"):
            names.setdefault(table, set()).add(name)
        with self._lock:
            self._names = names
