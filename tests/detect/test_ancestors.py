"""Ancestors of a process, up to the grandparent's parent, from what the stream has shown."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from tocsin.detect._ancestors import COLUMNS, Ancestors
from tocsin.event.batch import BatchBuilder
from tocsin.ports import PROCESS_SCHEMA


def processes(*rows: dict[str, Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"host": "h", **row} for row in rows], schema=PROCESS_SCHEMA)


def chain(length: int) -> pa.RecordBatch:
    """p1 is started by p0, p2 by p1 …"""
    return processes(
        *(
            {"entity_id": f"p{n}", "parent": f"p{n - 1}", "name": f"n{n}.exe", "canonical": f"c{n}"}
            for n in range(1, length)
        )
    )


def widened(ancestors: Ancestors, *documents: dict[str, Any]) -> pa.RecordBatch:
    builder = BatchBuilder(len(documents))
    for name in sorted({name for document in documents for name in document}):
        builder.put(name, [document.get(name) for document in documents])
    return ancestors.widen(builder.finish())


def names(batch: pa.RecordBatch, row: int = 0) -> list[Any]:
    return [batch.column(f"tocsin.ancestor.{level}.name")[row].as_py() for level in (1, 2, 3)]


CHILD = {"host.name": "h", "process.parent.entity_id": "p5"}


def test_three_up() -> None:
    ancestors = Ancestors()
    ancestors.add(chain(8))
    made = widened(ancestors, CHILD, {"host.name": "h"}, {**CHILD, "host.name": "other"})
    assert names(made) == ["n5.exe", "n4.exe", "n3.exe"]
    assert names(made, 1) == names(made, 2) == [None, None, None]
    assert made.column("tocsin.ancestor.3.canonical")[0].as_py() == "c3"
    assert set(COLUMNS) <= set(made.schema.names)


def test_the_events_own_word_on_its_parent_counts_where_the_start_was_not_seen() -> None:
    made = widened(Ancestors(), {**CHILD, "process.parent.name": "cmd.exe"}, {"process.parent.name": "explorer.exe"})
    assert names(made) == ["cmd.exe", None, None]
    assert names(made, 1) == ["explorer.exe", None, None]


def test_a_process_that_is_its_own_parent_ends() -> None:
    ancestors = Ancestors()
    ancestors.add(processes({"entity_id": "p5", "parent": "p5", "name": "loop.exe"}))
    assert names(widened(ancestors, CHILD))[0] == "loop.exe"


def test_memory_is_bounded_and_the_oldest_go_first() -> None:
    ancestors = Ancestors(limit=3)
    ancestors.add(chain(100))
    made = widened(ancestors, {**CHILD, "process.parent.entity_id": "p99"}, CHILD)
    assert names(made) == ["n99.exe", "n98.exe", "n97.exe"]
    assert names(made, 1) == [None, None, None]


def test_rows_without_a_host_or_an_id_are_passed_over() -> None:
    ancestors = Ancestors()
    ancestors.add(processes({"entity_id": None, "name": "x"}, {"host": None, "entity_id": "p5", "name": "y"}))
    assert names(widened(ancestors, CHILD)) == [None, None, None]


def test_a_batch_without_events_is_widened_too() -> None:
    assert Ancestors().widen(BatchBuilder(0).finish()).num_rows == 0


def started(second: int, pid: int, parent: int, name: str, of: str) -> dict[str, Any]:
    return {
        "@timestamp": second * 1_000_000,
        "event.code": "4688",
        "host.name": "h",
        "process.pid": pid,
        "process.parent.pid": parent,
        "process.name": name,
        "process.executable": f"C:\\{name}",
        "process.parent.executable": f"C:\\{of}",
    }


def test_parents_by_pid_whatever_order_they_come_in() -> None:
    child, middle = started(3, 12, 11, "c.exe", "b.exe"), started(2, 11, 10, "b.exe", "A.EXE")
    top = started(1, 10, 9, "a.exe", "x.exe")
    made = widened(Ancestors(), child, middle, top)
    assert names(made) == ["b.exe", "a.exe", None]
    assert names(made, 1) == ["a.exe", None, None]


def test_a_pid_that_is_used_again_is_the_process_of_its_time() -> None:
    first, again = started(1, 10, 9, "a.exe", "x.exe"), started(5, 10, 9, "a.exe", "x.exe")
    made = widened(
        Ancestors(),
        {**first, "process.command_line": "first"},
        {**again, "process.command_line": "again"},
        started(4, 11, 10, "c.exe", "a.exe"),
        started(6, 11, 10, "c.exe", "a.exe"),
        started(0, 12, 10, "c.exe", "a.exe"),
        started(7, 13, 10, "c.exe", "other.exe"),
        started(7, 14, 14, "c.exe", "c.exe"),
    )
    lines = made.column("tocsin.ancestor.1.command_line").to_pylist()
    assert lines[2:] == ["first", "again", None, None, None]
