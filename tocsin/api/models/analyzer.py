"""The Analyzer's graph."""

from __future__ import annotations

from typing import Literal

from tocsin.api.models._model import Document, Model, Severity
from tocsin.api.models.incidents import Moment
from tocsin.api.models.rows import Part


class NodeAlert(Model):
    """An alert on a node."""

    id: str
    rule: str
    severity: Severity


class Node(Model):
    """A process, a script that a shell ran, a connection's far end, or the writer of a file.

    `counts` are events of the node by category: file, registry, network, dns, library, script. `facts` are shown in
    the panel.
    """

    id: str
    kind: Literal["process", "script", "connection", "host"]
    label: str
    detail: str
    host: str | None
    time: str | None
    end: str | None = None
    trigger: bool = False
    on_path: bool = False
    state: Literal["running", "ended", "unknown"] = "unknown"
    counts: dict[str, int] = {}
    alerts: list[NodeAlert] = []
    facts: list[Part] = []
    document: Document = {}
    sentence: list[Part] = []
    more: int = 0


class Edge(Model):
    """`started` and `ran` are the tree; `connected` leads to a connection, `wrote` to a script's file, `same` joins
    flows."""

    id: str
    source: str
    target: str
    kind: Literal["started", "ran", "connected", "wrote", "served", "same"]
    elapsed_us: int | None = None
    label: str = ""
    on_path: bool = False
    event: str | None = None


class Graph(Model):
    """Nodes in order of time; `total` processes are known where the graph shows fewer."""

    nodes: list[Node]
    edges: list[Edge]
    trigger: str
    total: int
    title: str
    start: str
    end: str
    marks: list[Moment] = []
