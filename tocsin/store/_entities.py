"""Processes: the `EntityReader` of the ports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa

from tocsin.event import time
from tocsin.event.document import Document, to_documents
from tocsin.event.text import fold
from tocsin.lang.sql import quote
from tocsin.ports import PROCESS_SCHEMA
from tocsin.store._engine import Engine

_COLUMNS: Final = ", ".join(quote(name) for name in PROCESS_SCHEMA.names)
_MOST: Final = 2_000


class Entities:
    """Reads table `processes`. A process seen twice (its start, and in a later event) is its start; a parent that is
    known by its pid only is found here."""

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
        self._find_parents(list(out.values()))
        return {pair: out[pair] for pair in pairs if pair in out}

    def children(self, host: str, entity_ids: Sequence[str], limit: int = 1000) -> list[Document]:
        """See `ports.EntityReader`."""
        if not entity_ids:
            return []
        ids = list(dict.fromkeys(entity_ids))
        pids = {row["pid"]: None for row in self.processes(host, ids).values() if row.get("pid") is not None}
        found = to_documents(
            self._engine.arrow(
                f"SELECT {_COLUMNS} FROM (SELECT {_COLUMNS} FROM processes WHERE host = {{host:String}}"
                " AND (parent IN {ids:Array(String)} OR (isNull(parent) AND parent_pid IN {pids:Array(Int64)}))"
                " ORDER BY entity_id, isNull(start), start, isNull(command_line), event LIMIT 1 BY entity_id)"
                f" ORDER BY start, entity_id LIMIT {max(0, int(limit))}",
                {"host": host, "ids": ids, "pids": list(pids)},
            )
        )
        self._find_parents(found)
        return [row for row in found if row.get("parent") in set(ids)]

    def _find_parents(self, rows: Sequence[Document]) -> None:
        """Gives those whose parent is known by its pid the entity id of the process that had it last before their own
        start. A pid is used again: the executable must agree, and where it is not told, the day."""
        lost = [row for row in rows if row.get("parent") is None and row.get("parent_pid") is not None]
        starts = {id(row): time.read(row["start"]) for row in lost if row.get("start")}
        lost = [row for row in lost if starts.get(id(row)) is not None]
        if not lost:
            return
        found = self._engine.rows(
            "SELECT host, pid, entity_id, toUnixTimestamp64Micro(assumeNotNull(start)), executable FROM processes"
            " WHERE host IN {hosts:Array(String)} AND pid IN {pids:Array(Int64)} AND isNotNull(start)"
            " AND start <= fromUnixTimestamp64Micro({last:Int64}, 'UTC') ORDER BY start DESC, entity_id",
            {
                "hosts": sorted({row["host"] for row in lost}),
                "pids": sorted({row["parent_pid"] for row in lost}),
                "last": max(start for start in starts.values() if start is not None),
            },
        )
        held: dict[tuple[str, int], list[tuple[str, int, str | None]]] = {}  # latest first
        for host, pid, entity, start, executable in found:
            held.setdefault((str(host), int(pid)), []).append((str(entity), int(start), executable))
        for row in lost:
            own = starts[id(row)] or 0
            for entity, start, executable in held.get((row["host"], row["parent_pid"]), ()):
                if start > own or entity == row["entity_id"]:
                    continue
                told = row.get("parent_executable")
                agrees = fold(told) == fold(executable) if told and executable else own - start <= time.DAY
                if agrees:
                    row["parent"] = entity
                break  # whoever had the pid before has ended

    def recent_processes(self, since: int, limit: int) -> pa.Table:
        """The processes that started since then (µs), the latest `limit`, in order of time: what a cache is warmed
        with."""
        return self._engine.arrow(
            f"SELECT * FROM (SELECT {_COLUMNS} FROM processes WHERE start >= {{since:DateTime64(6, 'UTC')}}"
            f" ORDER BY start DESC LIMIT {max(0, int(limit))}) ORDER BY start",
            {"since": datetime.fromtimestamp(since / 1e6, UTC)},
        )
