"""Processes: the `EntityReader` of the ports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa

from tocsin.event.document import Document, to_documents
from tocsin.lang.sql import quote
from tocsin.ports import PROCESS_SCHEMA
from tocsin.store._engine import Engine

_COLUMNS: Final = ", ".join(quote(name) for name in PROCESS_SCHEMA.names)
_MOST: Final = 2_000


class Entities:
    """Reads table `processes`. A process seen twice (its start, and in a later event) is its start."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def processes(self, host: str, entity_ids: Sequence[str]) -> dict[str, Document]:
        """See `ports.EntityReader`; documents have the names of `PROCESS_SCHEMA`."""
        return {entity: row for (_, entity), row in self.processes_of([(host, each) for each in entity_ids]).items()}

    def processes_of(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Document]:
        """See `ports.EntityReader`."""
        out: dict[tuple[str, str], Document] = {}
        pairs = list(dict.fromkeys(wanted))
        for start in range(0, len(pairs), _MOST):
            part = pairs[start : start + _MOST]
            found = self._engine.arrow(
                f"SELECT {_COLUMNS} FROM processes WHERE host IN {{hosts:Array(String)}}"
                " AND entity_id IN {ids:Array(String)} ORDER BY host, entity_id, isNull(start), start,"
                " isNull(command_line), event LIMIT 1 BY host, entity_id",
                {"hosts": sorted({host for host, _ in part}), "ids": sorted({entity for _, entity in part})},
            )
            out.update(((document["host"], document["entity_id"]), document) for document in to_documents(found))
        return {pair: out[pair] for pair in pairs if pair in out}

    def children(self, host: str, entity_ids: Sequence[str], limit: int = 1000) -> list[Document]:
        """See `ports.EntityReader`."""
        if not entity_ids:
            return []
        found = self._engine.arrow(
            f"SELECT {_COLUMNS} FROM (SELECT {_COLUMNS} FROM processes"
            " WHERE host = {host:String} AND parent IN {ids:Array(String)}"
            " ORDER BY entity_id, isNull(start), start, isNull(command_line), event LIMIT 1 BY entity_id)"
            f" ORDER BY start, entity_id LIMIT {max(0, int(limit))}",
            {"host": host, "ids": list(dict.fromkeys(entity_ids))},
        )
        return to_documents(found)

    def recent_processes(self, since: int, limit: int) -> pa.Table:
        """The processes that started since then (µs), the latest `limit`, in order of time: what a cache is warmed
        with."""
        return self._engine.arrow(
            f"SELECT * FROM (SELECT {_COLUMNS} FROM processes WHERE start >= {{since:DateTime64(6, 'UTC')}}"
            f" ORDER BY start DESC LIMIT {max(0, int(limit))}) ORDER BY start",
            {"since": datetime.fromtimestamp(since / 1e6, UTC)},
        )
