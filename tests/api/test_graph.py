"""The Analyzer: from each alert of the dropper the same story, whole, with its events; and fast with 500 processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from tests.serving import Story
from tocsin.api import _graph, _graph_nodes
from tocsin.event.schema import ALERT_HOT, HOT
from tocsin.lang.fields import Names
from tocsin.ports import Document, EntityReader, EventReader

RULES = (
    "Batch File Downloaded over an Unusual Port",
    "PowerShell Launched from a Batch File",
    "Batch File Downloaded with Invoke-WebRequest",
    "Potential Metasploit PowerShell Payload Observed",
)
CHAIN = ["cmd.exe", "testing.bat", "powershell.exe", "cmd.exe", "shell.bat", "powershell.exe"]


def graph_of(story: Story, rule: str) -> dict[str, Any]:
    return story.get("/analyzer", alert=story.alerts[rule]["id"])


def way_to(graph: dict[str, Any], node: str) -> list[str]:
    """Labels from the topmost process down to a node."""
    labels = {each["id"]: each["label"] for each in graph["nodes"]}
    into = {each["target"]: each["source"] for each in graph["edges"] if each["kind"] in ("started", "ran")}
    out = [labels[node]]
    while node in into:
        node = into[node]
        out.append(labels[node])
    return out[::-1]


@pytest.mark.parametrize("rule", RULES)
def test_each_alert_leads_to_the_whole_story(story: Story, rule: str) -> None:
    graph = graph_of(story, rule)
    nodes = {each["id"]: each for each in graph["nodes"]}
    edges = graph["edges"]
    assert all(each["source"] in nodes and each["target"] in nodes for each in edges)
    (trigger,) = [each for each in nodes.values() if each["trigger"]]
    assert trigger["id"] == graph["trigger"]
    (reverse,) = [each for each in edges if each["kind"] == "connected" and way_to(graph, each["source"]) == CHAIN]
    assert reverse["on_path"]
    for node in nodes.values():
        if node["label"] in ("testing.bat", "shell.bat"):
            assert node["kind"] == "script"
            assert node["on_path"]
    # Who wrote the scripts, and which connection served the second.
    wrote = {
        nodes[each["target"]]["label"]: nodes[each["source"]]["label"] for each in edges if each["kind"] == "wrote"
    }
    assert wrote["shell.bat"] == "powershell.exe"
    assert wrote["testing.bat"]
    served = [nodes[each["target"]]["label"] for each in edges if each["kind"] == "served"]
    assert "shell.bat" in served
    # Zeek's flow of the reverse connection: bytes and length beside Sysmon's event.
    end = nodes[reverse["target"]]
    facts = {fact["text"]: fact["value"] for fact in end["facts"]}
    assert "zeek" in facts["Seen by"]
    assert facts["Bytes out"] and facts["Bytes in"]
    # The alerts stand on their nodes, and everything between them and the top is the attack's way.
    marked = {alert["rule"] for each in nodes.values() for alert in each["alerts"]}
    assert set(RULES[1:]) <= marked
    assert rule in marked
    assert all(each["on_path"] for each in nodes.values() if each["alerts"])
    times = [each["time"] for each in graph["nodes"]]
    assert times == sorted(times)
    assert [each["time"] for each in graph["marks"]] == sorted(each["time"] for each in graph["marks"])


def test_badges_count_the_events_that_they_open(story: Story) -> None:
    alert = story.alerts[RULES[3]]["id"]
    graph = graph_of(story, RULES[3])
    badges = 0
    for node in graph["nodes"]:
        for category, count in node["counts"].items():
            page = story.get("/analyzer/events", node=node["id"], graph=alert, category=category)
            assert page["total"] == len(page["documents"]) == count, (node["label"], category)
            badges += 1
        page = story.get("/analyzer/events", node=node["id"], graph=alert)
        assert page["total"] >= max(node["counts"].values(), default=0)
        if node["kind"] in ("process", "connection"):
            assert page["total"] >= 1
    assert badges >= 5
    for edge in graph["edges"]:
        if edge["event"]:
            story.get(f"/documents/events/{edge['event']}")


def test_a_connection_s_events_are_of_both_sensors(story: Story) -> None:
    alert = story.alerts[RULES[3]]["id"]
    (node,) = [n for n in graph_of(story, RULES[3])["nodes"] if n["kind"] == "connection" and "TCP" in n["detail"]]
    page = story.get("/analyzer/events", node=node["id"], graph=alert)
    datasets = {each["document"]["event.dataset"] for each in page["documents"]}
    assert datasets == {"windows.sysmon_operational", "zeek.connection"}


def test_any_event_of_a_process_can_be_analysed(story: Story) -> None:
    query = "event.dataset: windows.powershell* and powershell.file.script_block_text: *tcpclient*"
    found = story.post("/search", {"query": query, "size": 1})
    assert found["documents"], "the story has a script block"
    graph = story.get("/analyzer", event=found["documents"][0]["id"])
    assert way_to(graph, graph["trigger"])[-1] == "powershell.exe"
    without = story.post("/search", {"query": "event.dataset: iptables.log", "size": 1})["documents"][0]["id"]
    assert story.viewer.get("/analyzer", params={"event": without}).status_code == 404


class Tree:
    """A store with 500 processes of one tree, each with three events."""

    def __init__(self, count: int) -> None:
        self.rows = {
            f"e{n}": {
                "host": "h",
                "entity_id": f"e{n}",
                "parent": f"e{(n - 1) // 3}" if n else None,
                "start": f"2026-01-01T00:{n // 60:02}:{n % 60:02}.000Z",
                "pid": n,
                "name": "cmd.exe" if n % 5 == 0 else "app.exe",
                "command_line": f"cmd.exe /c run{n}.bat",
                "event": f"v{n}",
            }
            for n in range(count)
        }
        self.events = [
            {
                "_id": f"v{n}.{k}",
                "@timestamp": row["start"],
                "event.category": [category],
                "host.name": "h",
                "process.entity_id": row["entity_id"],
                "destination.ip": "192.0.2.1",
                "destination.port": k,
            }
            for n, row in enumerate(self.rows.values())
            for k, category in enumerate(("file", "registry", "network"))
        ]

    def search(self, where: Any, span: Any = None, *, of: str = "events", **more: Any) -> list[Document]:
        """Everything, for the question after the tree's events; nothing for all others."""
        return (
            [dict(each) for each in self.events]
            if more.get("limit") == _graph.EVENTS and "block" not in repr(where)
            else []
        )

    def processes(self, host: str, entity_ids: Sequence[str]) -> dict[str, Document]:
        return {each: self.rows[each] for each in entity_ids if each in self.rows}

    def processes_of(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Document]:
        return {(host, each): self.rows[each] for host, each in wanted if each in self.rows}

    def children(self, host: str, entity_ids: Sequence[str], limit: int = 1000) -> list[Document]:
        wanted = set(entity_ids)
        return [row for row in self.rows.values() if row["parent"] in wanted][:limit]


@pytest.mark.parametrize(("count", "shown"), [(500, 500), (700, 500)])
def test_hundreds_of_processes_are_laid_out(count: int, shown: int) -> None:
    tree = Tree(count)
    names, alert_names = Names((), HOT), Names((), ALERT_HOT)
    builder = _graph.Builder(cast(EventReader, tree), cast(EntityReader, tree), names, alert_names)
    event = {"_id": "v400", "@timestamp": "2026-01-01T00:10:00.000Z", "host.name": "h", "process.entity_id": "e400"}
    graph = builder.build(event, None)
    assert graph is not None
    assert sum(node.kind == "process" for node in graph.nodes) == shown
    assert graph.total == count
    assert sum(node.kind == "connection" for node in graph.nodes) <= _graph.CONNECTIONS
    assert {node.counts.get("file") for node in graph.nodes if node.kind == "process"} == {1}


def test_an_event_without_a_process_has_no_graph() -> None:
    tree = Tree(1)
    builder = _graph.Builder(cast(EventReader, tree), cast(EntityReader, tree), Names((), HOT), Names((), ALERT_HOT))
    assert builder.build({"_id": "x", "@timestamp": "2026-01-01T00:00:00.000Z"}, None) is None
    assert _graph_nodes.starting_point([]) is None
    assert _graph_nodes.entity_of("c:{a}:192.0.2.1:80") == "{a}"


def test_a_script_s_writer_is_the_last_before_it_ran() -> None:
    def wrote(moment: str, path: Any) -> Document:
        return {"@timestamp": f"2026-01-01T00:00:{moment}Z", "file.path": path}

    at = 1_767_225_630_000_000  # 2026-01-01T00:00:30Z
    latest_first = [
        wrote("50.000", "C:\\t\\a.bat"),
        wrote("20.000", "D:\\other\\A.BAT"),
        wrote("10.000", ["C:\\T\\a.bat"]),
        wrote("05.000", None),
    ]
    found = _graph._writer(latest_first, "c:\\t\\a.bat", at)
    assert found is latest_first[2], "its own path, before it ran, whatever the case"
    assert _graph._writer(latest_first[:2], "c:\\t\\a.bat", at) is latest_first[1], "else one of its name"
    assert _graph._writer(latest_first, "c:\\t\\b.bat", at) is None
    assert _graph._writer([], "a.bat", at) is None
