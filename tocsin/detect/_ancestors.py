"""Ancestors of a process, for rules that look past the parent: `tocsin.ancestor.{1,2,3}.*` (1 is the parent).

They are not stored with events: a cache by (host, entity id) fills from the process starts of the stream and gives
the columns to the matcher. It is bounded (`limit` processes, the oldest go first) and rebuildable from the table
`processes`.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tocsin.detect import _derived
from tocsin.event.batch_script import script_of
from tocsin.event.schema import HOT, Column, Kind

LEVELS: Final = (1, 2, 3)
# `script` is the batch file that a shell runs in command position (`event.batch_script`).
PARTS: Final = ("name", "executable", "command_line", "canonical", "script")
COLUMNS: Final[dict[str, Column]] = {
    f"tocsin.ancestor.{level}.{part}": Column(
        f"tocsin.ancestor.{level}.{part}", Kind.KEYWORD, False, pa.string(), "Nullable(String)"
    )
    for level in LEVELS
    for part in PARTS
}
# What rules' names are resolved with: hot columns, the ancestors, and what is worked out of an event's own columns.
RULE_HOT: Final[Mapping[str, Column]] = {**HOT, **COLUMNS, **_derived.COLUMNS}

_REUSED: Final = 8  # starts that are remembered of one pid of a host
_PID_COLUMNS: Final = (
    "@timestamp",
    "host.name",
    "process.pid",
    "process.parent.pid",
    "process.parent.executable",
    "process.name",
    "process.executable",
    "process.command_line",
    "tocsin.canonical.command_line",
)
_OWN: Final = {
    "name": "process.parent.name",
    "executable": "process.parent.executable",
    "command_line": "process.parent.command_line",
    "canonical": "tocsin.canonical.parent_command_line",
    "script": "tocsin.canonical.parent_command_line",
}


class Process(NamedTuple):
    """What is remembered of one process."""

    parent: str | None
    name: str | None
    executable: str | None
    command_line: str | None
    canonical: str | None

    @property
    def script(self) -> str | None:
        """The batch file that it runs."""
        return script_of(self.canonical)


class _Start(NamedTuple):
    """A process that is known by its pid, and when it started."""

    moment: int
    process: Process
    parent: int | None
    parent_executable: str | None


class Ancestors:
    """The cache. `add` takes rows of `PROCESS_SCHEMA`; `widen` gives a batch its ancestor columns."""

    def __init__(self, limit: int = 100_000) -> None:
        self.limit = limit
        self._known: OrderedDict[tuple[str, str], Process] = OrderedDict()
        # By host and pid, in order of time: only for what names its parent so.
        self._pids: OrderedDict[tuple[str | None, int | None], list[_Start]] = OrderedDict()

    def add(self, processes: pa.RecordBatch) -> None:
        """Remember processes."""
        names = ("host", "entity_id", "parent", "name", "executable", "command_line", "canonical")
        columns = [processes.column(name).to_pylist() for name in names]
        for host, entity, *rest in zip(*columns, strict=True):
            if host is not None and entity is not None:
                self._known[host, entity] = Process(*rest)
        while len(self._known) > self.limit:
            self._known.popitem(last=False)

    def widen(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with the columns `COLUMNS`; null where an ancestor isn't known."""
        n = batch.num_rows
        columns: dict[str, list[str | None]] = {}
        parents = batch.column("process.parent.entity_id")
        rows = pc.indices_nonzero(parents.is_valid()).to_pylist() if parents.null_count < n else []
        if rows:
            index = pa.array(rows)
            hosts = batch.column("host.name").take(index).to_pylist()
            for row, host, entity in zip(rows, hosts, parents.take(index).to_pylist(), strict=True):
                self._climb(columns, n, row, host, entity)
        self._by_pid(columns, batch)
        self._own(columns, batch)
        arrays = [
            pa.array(columns[name], pa.string()) if name in columns else pa.nulls(n, pa.string()) for name in COLUMNS
        ]
        schema = pa.schema([*batch.schema, *(pa.field(name, pa.string()) for name in COLUMNS)])
        return pa.RecordBatch.from_arrays([*batch.columns, *arrays], schema=schema)

    def add_by_pid(self, batch: pa.RecordBatch) -> None:
        """Remember the starts that name their parent by pid only (Security 4688). `widen` does it by itself for its
        own batch; who has all batches before the first is widened finds parents that stand behind their children."""
        rows = _named_by_pid(batch)
        if not len(rows):
            return
        taken = [batch.column(name).take(rows) for name in _PID_COLUMNS]
        taken[0] = taken[0].cast(pa.int64())
        for moment, host, pid, parent_pid, parent, name, executable, line, canonical in zip(
            *(column.to_pylist() for column in taken), strict=True
        ):
            start = _Start(moment or 0, Process(None, name, executable, line, canonical), parent_pid, parent)
            held = self._pids.setdefault((host, pid), [])
            self._pids.move_to_end((host, pid))
            if not any(start[0] == other[0] and executable == other.process.executable for other in held):
                insort(held, start, key=_moment)
                del held[:-_REUSED]
        while len(self._pids) > self.limit:
            self._pids.popitem(last=False)

    def _by_pid(self, columns: dict[str, list[str | None]], batch: pa.RecordBatch) -> None:
        """Ancestors of the starts that name their parent by pid only: each the last start of that pid before it, if
        its executable agrees."""
        rows = _named_by_pid(batch)
        if not len(rows):
            return
        self.add_by_pid(batch)
        moments = batch.column("@timestamp").take(rows).cast(pa.int64()).to_pylist()
        taken = [batch.column(name).take(rows).to_pylist() for name in _PID_COLUMNS[1:5]]
        for row, moment, host, own, pid, executable in zip(rows.to_pylist(), moments, *taken, strict=True):
            seen = {own}
            for level in LEVELS:
                if pid in seen:  # what names itself, or goes round, has no further ancestor
                    break
                seen.add(pid)
                held = self._pids.get((host, pid), ())
                place = bisect_right(held, moment or 0, key=_moment) - 1
                if place < 0 or not _same(executable, held[place].process.executable):
                    break
                moment, process, pid, executable = held[place]
                for part in PARTS:
                    if (value := getattr(process, part)) is not None:
                        columns.setdefault(f"tocsin.ancestor.{level}.{part}", [None] * batch.num_rows)[row] = value

    def _own(self, columns: dict[str, list[str | None]], batch: pa.RecordBatch) -> None:
        """The event's own word on its parent: it is there even if the parent's start was not seen."""
        for part, source in _OWN.items():
            column = batch.column(source)
            if column.null_count == batch.num_rows:
                continue
            values = columns.setdefault(f"tocsin.ancestor.1.{part}", [None] * batch.num_rows)
            rows = pc.indices_nonzero(column.is_valid())
            for row, value in zip(rows.to_pylist(), column.take(rows).to_pylist(), strict=True):
                values[row] = script_of(value) if part == "script" else value

    def _climb(self, columns: dict[str, list[Any]], n: int, row: int, host: str | None, entity: str | None) -> None:
        for level in LEVELS:
            if host is None or entity is None or (process := self._known.get((host, entity))) is None:
                return
            for part in PARTS:
                if (value := getattr(process, part)) is not None:
                    columns.setdefault(f"tocsin.ancestor.{level}.{part}", [None] * n)[row] = value
            entity = process.parent


def _named_by_pid(batch: pa.RecordBatch) -> pa.Array:
    """The rows of Security 4688 events."""
    by_code = pc.equal(batch.column("event.code").cast(pa.string()), "4688")
    return pc.indices_nonzero(pc.and_(by_code, batch.column("process.parent.entity_id").is_null()))


def _moment(start: _Start) -> int:
    return start.moment


def _same(executable: str | None, other: str | None) -> bool:
    """Whether two paths name one file, as far as both are known; Windows heeds no case."""
    return executable is None or (other is not None and executable.lower() == other.lower())
