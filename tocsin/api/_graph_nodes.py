"""The nodes of the Analyzer's graph by their ids: whose they are, which events are theirs, and for what each counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tocsin.errors import UsageError, quoted
from tocsin.lang.fields import Names
from tocsin.lang.ir import Equals, Exists, Predicate, Test, all_of, any_of
from tocsin.ports import Document


def starting_point(events: Sequence[Document]) -> Document | None:
    """Which of an alert's events its graph begins at: the last that names a process, else the last."""
    for wanted in ("process.entity_id", "process.pid", "network.community_id"):
        found = [event for event in events if event.get(wanted)]
        if found:
            return found[-1]
    return events[-1] if events else None


def entity_of(node: str) -> str:
    """The process of a node: `p:ENTITY`, `s:ENTITY:SCRIPT`, `c:ENTITY:ADDRESS:PORT`."""
    parts_ = node.split(":", 2)
    if len(parts_) < (3 if node.startswith(("s:", "c:")) else 2):
        raise UsageError(f"{quoted(node)} is no node of a graph", where="node")
    return parts_[1] if node.startswith(("s:", "c:")) else node[2:]


def category_of(event: Document) -> str | None:
    """Which badge an event counts for."""
    if event.get("powershell.file.script_block_text") is not None:
        return "script"
    if event.get("dns.question.name") is not None:
        return "dns"
    categories = listed(event.get("event.category"))
    for name in ("file", "registry", "library", "network"):
        if name in categories:
            return name
    return "library" if "driver" in categories else None


def events_of_node(node: str, category: str | None, names: Names, host: str, pid: int | None) -> Predicate:
    """The predicate for the events of a node `p:ENTITY`, of one badge or of all. A script's are its shell's and the
    file events of its own name, a connection's those to its far end."""
    entity = entity_of(node)
    own: Predicate = all_of(
        Test(names.field("host.name"), Equals((host,))), Test(names.field("process.entity_id"), Equals((entity,)))
    )
    if node.startswith("c:"):
        address, _, port = node.split(":", 2)[2].rpartition(":")
        own = all_of(own, Test(names.field("destination.ip"), Equals((address,))))
        return all_of(own, Test(names.field("destination.port"), Equals((int(port),)))) if port.isdigit() else own
    if node.startswith("s:") and category in (None, "file"):
        script = node.split(":", 2)[2]
        written: Predicate = all_of(
            Test(names.field("host.name"), Equals((host,))),
            Test(names.field("file.path"), Equals((script,), fold=True)),
        )
        return written if category else any_of(own, written)
    block = Test(names.field("powershell.file.script_block_text"), Exists())
    scripts: Predicate = all_of(
        Test(names.field("host.name"), Equals((host,))),
        Test(names.field("process.pid"), Equals((pid if pid is not None else -1,))),
        block,
    )
    match category:
        case "script":
            return scripts
        case "dns":
            return all_of(own, Test(names.field("dns.question.name"), Exists()))
        case "file" | "registry" | "library" | "network":
            return all_of(own, Test(names.field("event.category"), Equals((category,))))
        case _:
            return any_of(own, scripts)


def first(value: Any) -> Any:
    return (value[0] if value else None) if isinstance(value, list) else value


def listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
