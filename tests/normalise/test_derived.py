"""What is worked out of documents that are ECS already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from tocsin.event.records import Chunk, Frame, Origin
from tocsin.normalise import _derived

Read = Callable[..., list[dict[str, Any]]]
START = {"event.category": "process", "event.type": ["start"]}


def test_what_follows_from_the_documents_own_fields_is_filled_in(read: Read) -> None:
    start = {
        "event": {"category": ["process"], "type": ["start"]},
        "process": {"command_line": "pow^ershell -E cgBtAA==", "executable": "C:\\x\\PowerShell.exe"},
        "powershell.file.script_block_text": "I`EX 1",
    }
    flow = {
        "source": {"ip": "10.0.0.1", "port": 1234},
        "destination": {"ip": "10.0.0.2", "port": "80"},
        "network": {"transport": "tcp"},
        "url.original": "http://h:81/a/Run%2eBAT?x",
    }
    one, two, plain, odd = read(
        start, flow, {"url": {"path": "/x.CMD", "extension": "own"}}, {"process.command_line": ["a", "b"]}
    )
    assert one["tocsin.canonical.command_line"] == "powershell -e cgbtaa== rm"
    assert one["tocsin.canonical.script_block"] == "iex 1"
    assert one["process.name"] == "PowerShell.exe"
    assert two["network.community_id"].startswith("1:")
    assert (two["url.path"], two["url.extension"], two["url.port"]) == ("/a/Run.BAT", "bat", 81)
    assert plain["url.extension"] == "own"
    assert "tocsin.canonical.version" not in plain
    assert odd["process.command_line"] == ["a", "b"]


def test_started_processes_are_known_to_their_children(normaliser: Any) -> None:
    def process(entity: Any, **more: Any) -> dict[str, Any]:
        return {"host.name": "h", "process": {"entity_id": entity, "name": "x", **more}, **START}

    other = {**process("p3"), "event.type": ["end"]}
    lines = [process("p1"), process("p2", parent={"entity_id": "p1"}), other, process(None)]
    chunk = Chunk("ndjson", b"\n".join(map(orjson.dumps, lines)), Origin("scan", product="ecs.document"))
    made = normaliser.run([Frame(0, 0, 1_718_100_000_000_000, chunk)]).processes.to_pylist()
    assert [(row["entity_id"], row["parent"]) for row in made] == [("p1", None), ("p2", "p1")]


def test_what_is_no_text_is_left_alone() -> None:
    columns: dict[str, Any] = {"url.original": [None, 5, ["http://h/a.bat"]], "process.executable": [None, 1, ["/x"]]}
    _derived.complete(columns)
    assert set(columns) == {"url.original", "process.executable"}
