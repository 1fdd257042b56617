"""Searches by ancestors find what the matcher finds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.conftest import NOW, Make
from tests.store.test_entities import processes
from tocsin.detect._ancestors import COLUMNS, RULE_HOT, Ancestors
from tocsin.errors import UnsupportedError
from tocsin.lang import kql
from tocsin.lang.fields import Names
from tocsin.lang.ir import TRUE, Compare, Predicate, Value
from tocsin.lang.match import Matcher
from tocsin.ports import Span
from tocsin.store import Store, _ancestors

SECOND = 1_000_000


def process(n: int, parent: str | None, **more: Any) -> dict[str, Any]:
    return {"host": "h", "entity_id": f"p{n}", "parent": parent, "start": NOW + n, "name": f"N{n}.exe", **more}


# p0 (unseen) > p1 > p2 > p3 > p4; p9 is its own parent.
BY_ENTITY = [
    process(1, "p0", executable="C:\\N1.exe", command_line="n1 -É"),
    process(2, "p1", executable="C:\\N2.exe", canonical="n2 a"),
    process(3, "p2", executable="C:\\it's.exe", command_line="n3"),
    process(4, None, name=None),
    process(9, "p9"),
    {**process(2, "p1", name="elsewhere.exe"), "host": "g"},
]


def child(parent: str | None, host: str | None = "h", **more: Any) -> dict[str, Any]:
    return {"host.name": host, "process.parent.entity_id": parent, "event.code": "1", **more}


def created(second: int, pid: int, parent: int, name: str, parent_name: str | None, **more: Any) -> dict[str, Any]:
    return {
        "event.code": "4688",
        "host.name": "w",
        "@timestamp": NOW + second * SECOND,
        "process.pid": pid,
        "process.parent.pid": parent,
        "process.entity_id": f"{pid}@{second}",
        "process.name": name,
        "process.executable": f"C:\\{name}",
        "process.parent.executable": None if parent_name is None else f"C:\\{parent_name}",
        **more,
    }


EVENTS = [
    child("p1"),
    child("p2"),
    child("p3"),
    child("p4"),
    child("p9"),
    child("p0"),
    child("p2", "g"),
    child(None),
    child("p3", None),
    child("p3", **{"process.parent.name": "Own.exe", "process.parent.executable": "C:\\Own.exe"}),
    child(None, **{"process.parent.name": "n1.exe"}),
    created(0, 4, 0, "System", None),
    created(1, 10, 4, "Explorer.exe", "System"),
    created(2, 20, 10, "cmd.exe", "EXPLORER.EXE"),
    created(3, 30, 20, "tool.exe", "cmd.exe"),
    created(4, 31, 30, "last.exe", "tool.exe"),
    created(5, 20, 31, "again.exe", "last.exe"),
    created(6, 40, 20, "of cmd.exe", "cmd.exe"),  # its pid is again.exe's by now
    created(7, 41, 20, "of again.exe", None),
    created(8, 50, 50, "itself.exe", "itself.exe"),
    {**created(9, 60, 30, "other.exe", "tool.exe"), "host.name": "x"},
    created(10, 61, 999, "orphan.exe", "gone.exe"),
]
STARTS = [
    {
        "host": event["host.name"],
        "entity_id": event["process.entity_id"],
        "start": event["@timestamp"],
        "pid": event["process.pid"],
        "name": event["process.name"],
        "executable": event["process.executable"],
        "parent_pid": event["process.parent.pid"],
        "parent_executable": event["process.parent.executable"],
    }
    for event in EVENTS
    if event["event.code"] == "4688"
]
VALUES = ["n1.exe", "N2.EXE", "n3*", "*", "elsewhere.exe", "own.exe", "n9.exe", "explorer.exe", "cmd.exe", "System"]
QUERIES = [
    *(f"tocsin.ancestor.{level}.name: {value}" for level in (1, 2, 3) for value in VALUES),
    *(f"not tocsin.ancestor.{level}.name: n*" for level in (1, 2, 3)),
    *(f"tocsin.ancestor.{level}.executable: C\\:\\\\*" for level in (1, 2, 3)),
    *(f"tocsin.ancestor.{level}.{part}: *" for level in (1, 2, 3) for part in ("command_line", "canonical")),
    'tocsin.ancestor.1.executable: "c:\\\\it\'s.exe"',
    "tocsin.ancestor.3.name: n1.exe and tocsin.ancestor.2.name: n2.exe and not tocsin.ancestor.1.name: cmd.exe",
    "tocsin.ancestor.2.name: (n1.exe or explorer.exe)",
    'tocsin.ancestor.3.command_line: "N1 -É"',
    'tocsin.ancestor.3.command_line: "n1 -é"',
]


def test_searches_agree_with_the_matcher(held: Store, events: Make) -> None:
    batch = events(EVENTS)
    held.insert("0:0", batch, None, processes(*BY_ENTITY, *STARTS))
    ancestors = Ancestors()
    ancestors.add(processes(*BY_ENTITY, *STARTS))
    wide = ancestors.widen(batch)
    names = Names((), RULE_HOT)
    matched = Matcher({query: kql.parse(query, names) for query in QUERIES}).match(wide)
    ids = batch.column("tocsin.id").to_pylist()
    differing = {}
    for query in QUERIES:
        wanted = {ids[row] for row in matched.get(query, ())}
        found = {row["_id"] for row in held.search(kql.parse(query, held.names["events"]))}
        if wanted != found:
            differing[query] = sorted(ids.index(each) for each in wanted ^ found)
    assert differing == {}
    assert sum(bool(len(rows)) for rows in matched.values()) > 20


def test_counts_and_streams_know_ancestors_too(held: Store, events: Make) -> None:
    held.insert("0:0", events(EVENTS), None, processes(*BY_ENTITY, *STARTS))
    where: Predicate = kql.parse("tocsin.ancestor.2.name: n1.exe", held.names["events"])
    assert held.count(where) == sum(batch.num_rows for batch in held.stream(where)) == 1
    assert sum(held.histogram(where, Span(NOW, NOW + 60 * SECOND)).counts[""]) == 1


def test_a_process_that_was_seen_twice_is_its_start(held: Store, events: Make) -> None:
    seen = {**process(1, None, name="late.exe"), "start": None}
    held.insert("0:0", events([child("p1")]), None, processes(seen, *BY_ENTITY))
    assert held.count(kql.parse("tocsin.ancestor.1.name: n1.exe", held.names["events"])) == 1
    assert held.count(kql.parse("tocsin.ancestor.1.name: late.exe", held.names["events"])) == 0


def test_what_sql_cannot_say_is_refused_by_name(held: Store) -> None:
    names = held.names["events"]
    with pytest.raises(UnsupportedError, match=r"ancestor\.1\.script"):
        held.count(kql.parse("tocsin.ancestor.1.script: *", names))
    compared = Compare(Value(names.field("tocsin.ancestor.2.name")), "==", Value(names.field("process.name")))
    with pytest.raises(UnsupportedError, match="fixed values"):
        held.count(compared)
    assert held.count(TRUE) == 0


def test_the_names_are_the_matchers() -> None:
    assert {name: column.kind for name, column in COLUMNS.items()} == {
        name: column.kind for name, column in _ancestors.NAMES.items()
    }
