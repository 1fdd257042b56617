"""Ancestors of processes: by entity id, by pid where an event names its parent so, and by the event's own word."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from tocsin.detect._ancestors import Ancestors
from tocsin.event.batch import BatchBuilder
from tocsin.ports import PROCESS_SCHEMA

CMD = "C:\\Windows\\System32\\cmd.exe"


def start(pid: int, parent: int, executable: str, parent_executable: str, line: str | None = None) -> dict[str, Any]:
    """A Security 4688."""
    return {
        "host.name": "a",
        "event.code": "4688",
        "process.pid": pid,
        "process.parent.pid": parent,
        "process.executable": executable,
        "process.name": executable.rpartition("\\")[2],
        "process.parent.executable": parent_executable,
        "process.command_line": line,
        "tocsin.canonical.command_line": line,
    }


def batch(*rows: dict[str, Any]) -> pa.RecordBatch:
    builder = BatchBuilder(len(rows))
    for name in sorted({name for row in rows for name in row}):
        builder.put(name, [row.get(name) for row in rows])
    return builder.finish()


def seen(ancestors: Ancestors, *rows: dict[str, Any]) -> dict[str, Any]:
    """The ancestors of the last row."""
    wide = ancestors.widen(batch(*rows))
    names = [name for name in wide.schema.names if name.startswith("tocsin.ancestor.")]
    found = {name.removeprefix("tocsin.ancestor."): wide.column(name)[len(rows) - 1].as_py() for name in names}
    return {name: value for name, value in found.items() if value is not None}


def test_by_pid_within_a_batch_and_from_one_before() -> None:
    ancestors = Ancestors()
    shell = start(8, 4, CMD, "C:\\e.exe", "cmd /c c:\\t\\x.bat")
    middle = start(12, 8, "C:\\w.exe", CMD, "w")
    assert seen(ancestors, shell, middle)["1.script"] == "c:\\t\\x.bat"
    found = seen(ancestors, start(16, 12, "C:\\p.exe", "C:\\w.exe", "p"))
    assert (found["1.name"], found["2.name"], found["2.script"]) == ("w.exe", "cmd.exe", "c:\\t\\x.bat")


def test_a_pid_that_another_program_has_now_is_no_ancestor() -> None:
    ancestors = Ancestors()
    seen(ancestors, start(8, 4, CMD, "C:\\e.exe", "cmd /c x.bat"))
    assert seen(ancestors, start(12, 8, "C:\\p.exe", "C:\\other.exe"))["1.executable"] != CMD


def test_the_cache_is_bounded() -> None:
    ancestors = Ancestors(limit=10)
    for pid in range(4, 400, 4):
        seen(ancestors, start(pid, pid - 4, CMD, CMD, "cmd"))
    assert len(ancestors._pids) == 10


def test_by_entity_id_three_up_and_the_events_own_word_on_its_parent() -> None:
    ancestors = Ancestors()
    rows = [
        {"host": "a", "entity_id": str(n), "parent": str(n - 1), "name": f"{n}.exe", "canonical": f"cmd /c {n}.bat"}
        for n in range(1, 6)
    ]
    ancestors.add(pa.RecordBatch.from_pylist(rows, schema=PROCESS_SCHEMA))
    event = {"host.name": "a", "process.parent.entity_id": "5", "process.parent.name": "renamed.exe"}
    found = seen(ancestors, event)
    assert [found[f"{level}.name"] for level in (1, 2, 3)] == ["renamed.exe", "4.exe", "3.exe"]
    assert found["3.script"] == "3.bat"
    assert not any(name.startswith("4.") for name in found)
    assert not seen(ancestors, {"host.name": "b", "process.parent.entity_id": "5"})
