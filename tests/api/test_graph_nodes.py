"""What a node's id says of it, and what its events count for."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.api._graph_nodes import category_of, entity_of, starting_point
from tocsin.errors import UsageError


@pytest.mark.parametrize(
    ("node", "entity"),
    [("p:{a}", "{a}"), ("p:a:b", "a:b"), ("s:{a}:c:\\t\\a.bat", "{a}"), ("c:{a}:192.0.2.1:80", "{a}")],
)
def test_a_node_names_its_process(node: str, entity: str) -> None:
    assert entity_of(node) == entity


@pytest.mark.parametrize("node", ["", "p", "s:a", "c:a"])
def test_what_is_no_node_is_refused(node: str) -> None:
    with pytest.raises(UsageError, match="no node"):
        entity_of(node)


@pytest.mark.parametrize(
    ("event", "category"),
    [
        ({"powershell.file.script_block_text": "", "event.category": ["process"]}, "script"),
        ({"dns.question.name": "a", "event.category": ["network"]}, "dns"),
        ({"event.category": ["network", "file"]}, "file"),
        ({"event.category": "registry"}, "registry"),
        ({"event.category": ["driver"]}, "library"),
        ({"event.category": ["process"]}, None),
        ({}, None),
    ],
)
def test_an_event_counts_for_one_badge(event: dict[str, Any], category: str | None) -> None:
    assert category_of(event) == category


def test_a_graph_begins_at_the_last_event_that_names_a_process() -> None:
    events: list[dict[str, Any]] = [{"process.entity_id": "a"}, {"process.entity_id": "b"}, {"process.pid": 1}]
    assert starting_point(events) is events[1]
    assert starting_point([{"x": 1}, {"x": 2}]) == {"x": 2}
    assert starting_point([]) is None
