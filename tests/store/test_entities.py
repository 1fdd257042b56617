"""Processes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from tests.store.conftest import NOW
from tocsin.ports import PROCESS_SCHEMA
from tocsin.store import Store


def processes(*rows: dict[str, Any]) -> pa.RecordBatch:
    columns = [pa.array([row.get(each.name) for row in rows], each.type) for each in PROCESS_SCHEMA]
    return pa.record_batch(columns, schema=PROCESS_SCHEMA)


def test_a_process_is_its_start_however_often_it_is_seen(held: Store) -> None:
    seen = {"host": "h", "entity_id": "p", "name": "seen.exe", "event": "e2"}
    start = {"host": "h", "entity_id": "p", "start": NOW, "name": "start.exe", "command_line": "start", "event": "e1"}
    held.insert("0:0", None, None, processes(seen))
    held.insert("0:1", None, None, processes(start, {**start, "host": "other"}))
    held.insert("0:1", None, None, processes(start, {**start, "host": "other"}))
    found = held.processes("h", ["p", "nobody", "p"])
    assert list(found) == ["p"]
    assert (found["p"]["name"], found["p"]["start"]) == ("start.exe", "2023-11-14T22:13:20.000Z")
    assert held.size()["processes"].rows == 3


def test_children_come_by_their_start(held: Store) -> None:
    rows = [{"host": "h", "entity_id": f"c{n}", "parent": "p", "start": NOW - n} for n in range(5)]
    held.insert("0:0", None, None, processes(*rows, {"host": "g", "entity_id": "x", "parent": "p"}))
    assert [row["entity_id"] for row in held.children("h", ["p"])] == ["c4", "c3", "c2", "c1", "c0"]
    assert [row["entity_id"] for row in held.children("h", ["p"], limit=2)] == ["c4", "c3"]
    assert held.children("h", []) == []


SECOND = 1_000_000
CMD, EXPLORER = "C:\\Windows\\System32\\cmd.exe", "C:\\Windows\\explorer.exe"


def by_pid(entity: str, pid: int, parent: int, start: int, *, executable: str = CMD, **more: Any) -> dict[str, Any]:
    row = {"host": "h", "entity_id": entity, "pid": pid, "parent_pid": parent, "start": NOW + start * SECOND}
    return {**row, "executable": executable, **more}


def test_a_parent_that_is_known_by_its_pid_is_found_and_finds_its_children(held: Store) -> None:
    rows = [
        by_pid("explorer", 10, 4, 0, executable=EXPLORER),
        by_pid("cmd", 20, 10, 60, parent_executable=EXPLORER.upper()),
        by_pid("tool", 30, 20, 61, parent_executable=CMD),
        {**by_pid("other", 31, 20, 62), "host": "g"},
    ]
    held.insert("0:0", None, None, processes(*reversed(rows)))  # a parent may come after its child
    found = held.processes("h", ["tool", "cmd", "explorer"])
    assert {entity: row.get("parent") for entity, row in found.items()} == {
        "tool": "cmd", "cmd": "explorer", "explorer": None,
    }  # fmt: skip
    assert [row["entity_id"] for row in held.children("h", ["explorer"])] == ["cmd"]
    assert [row["entity_id"] for row in held.children("h", ["cmd", "explorer"])] == ["cmd", "tool"]
    assert held.processes_of([("g", "other")])["g", "other"].get("parent") is None


def test_a_pid_that_is_used_again_is_its_last_owners(held: Store) -> None:
    rows = [
        by_pid("first", 20, 1, 0),
        by_pid("second", 20, 1, 100, executable=EXPLORER),
        by_pid("of first", 30, 20, 50, parent_executable=CMD),
        by_pid("of second", 31, 20, 150, parent_executable=EXPLORER),
        by_pid("of one unseen", 32, 20, 160, parent_executable=CMD),  # `first` has ended: its pid was given away
        by_pid("same time", 33, 20, 100, parent_executable=EXPLORER),
        by_pid("itself", 40, 40, 200),
    ]
    held.insert("0:0", None, None, processes(*rows))
    found = held.processes("h", [row["entity_id"] for row in rows])
    assert {entity: row["parent"] for entity, row in found.items() if row.get("parent")} == {
        "of first": "first", "of second": "second", "same time": "second",
    }  # fmt: skip
    assert [row["entity_id"] for row in held.children("h", ["first"])] == ["of first"]
    assert [row["entity_id"] for row in held.children("h", ["second"])] == ["same time", "of second"]


def test_a_parent_whose_executable_is_not_told_is_of_the_last_day(held: Store) -> None:
    day = 24 * 3600
    held.insert(
        "0:0", None, None, processes(by_pid("p", 20, 1, 0), by_pid("near", 30, 20, day), by_pid("far", 31, 20, day + 1))
    )
    found = held.processes("h", ["near", "far"])
    assert (found["near"].get("parent"), found["far"].get("parent")) == ("p", None)
