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
