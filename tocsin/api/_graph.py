"""The Analyzer's graph: processes, the scripts that shells ran, connections and who served or wrote what.

It works for anything with process ids, whatever the sensor; an alert of a network sensor is led to the process by the
Community ID of its connection. All is read from stored events, so every node and edge leads back to them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from tocsin.alert.join import Joiner
from tocsin.alert.sentence import parts
from tocsin.api._graph_nodes import category_of, first, listed
from tocsin.api.models.analyzer import Edge, Graph, Node, NodeAlert
from tocsin.api.models.incidents import Moment
from tocsin.api.models.rows import Part
from tocsin.event import time
from tocsin.event.batch_script import batch_scripts
from tocsin.event.text import fold
from tocsin.event.time import DAY, SECOND
from tocsin.lang.fields import Names
from tocsin.lang.ir import Equals, Exists, Gap, Like, Predicate, Test, all_of, any_of
from tocsin.ports import Document, EntityReader, EventReader, Span

# What the page can lay out; `total` says how many there are.
PROCESSES: Final = 500
EVENTS: Final = 20_000
CONNECTIONS: Final = 60
SCRIPTS: Final = 64  # names of scripts whose writers are looked for
CATEGORIES: Final = ("file", "registry", "network", "dns", "library", "script")
_SHELLS: Final = frozenset({"cmd.exe"})
_FIELDS: Final = [
    "@timestamp", "event.category", "event.type", "event.dataset", "process.entity_id", "process.pid", "source.ip",
    "source.port", "destination.ip", "destination.port", "destination.domain", "network.transport",
    "network.community_id", "dns.question.name", "powershell.file.script_block_text",
]  # fmt: skip
_WROTE: Final = [
    "@timestamp",
    "file.path",
    "process.entity_id",
    "process.pid",
    "host.name",
    "event.dataset",
    "event.action",
]
_FLOW: Final = [
    "@timestamp", "event.dataset", "network.community_id", "url.path", "http.request.method", "event.action",
    "source.bytes", "destination.bytes", "event.duration",
]  # fmt: skip
_ALERT: Final = [
    "@timestamp", "kibana.alert.uuid", "kibana.alert.rule.name", "kibana.alert.severity", "kibana.alert.original_time",
    "kibana.alert.building_block_type", "process.entity_id", "process.pid", "network.community_id", "host.name",
]  # fmt: skip
_LEVELS: Final = {"low": 0, "medium": 1, "high": 2, "critical": 3}


class Builder:
    """Makes one graph. `names` and `alert_names` resolve fields of events and of alerts."""

    def __init__(self, events: EventReader, entities: EntityReader, names: Names, alert_names: Names) -> None:
        self.events = events
        self.entities = entities
        self.names = names
        self.alert_names = alert_names
        self.joiner = Joiner(events, entities, names)
        self.nodes: dict[str, Node] = {}
        self.edges: dict[str, Edge] = {}
        self.rows: dict[str, Document] = {}
        self.flows: dict[str, str] = {}  # Community ID → connection node
        self.host = ""

    def build(self, event: Document, alert: Document | None) -> Graph | None:
        """The graph around an event; None where it names neither a process nor a connection that a process opened."""
        host, entity = self.origin(event)
        if host is None or entity is None:
            return None
        self.host = host
        chain = self._chain(entity)
        top = chain[-1]
        moment = time.read(event["@timestamp"]) or 0
        total = self._descend(top, set(chain))
        shell = self._shell_of_written(entity, moment)
        if shell is not None:  # what the process fetched was run: the graph goes on there
            chain += self._chain(shell)
            total = self._descend(chain[-1], set(chain))
        for row in self.rows.values():
            self._process(row)
        trigger = f"p:{entity}"
        begin = min([moment, *(self._start(row) for row in self.rows.values() if self._start(row))]) - 10 * 60 * SECOND
        seen = self._events_of(Span(begin, moment + DAY))
        self._scripts(begin)
        self._connections(seen, set(chain))
        self._flows(Span(begin, moment + DAY))
        self._alerts(Span(begin - DAY, moment + DAY))
        if trigger in self.nodes:
            self.nodes[trigger].trigger = True
        self._mark_path(trigger)
        hidden = self._above(top)
        if f"p:{top}" in self.nodes:
            self.nodes[f"p:{top}"].more = hidden
        nodes = sorted(self.nodes.values(), key=lambda n: (n.time or "", n.id))
        moments = [n.time for n in nodes if n.time] + [n.end for n in nodes if n.end]
        title = str((alert or {}).get("kibana.alert.rule.name") or event.get("process.name") or "Analyzer")
        return Graph(
            nodes=nodes,
            edges=sorted(self.edges.values(), key=lambda e: e.id),
            trigger=trigger,
            total=total,
            title=title,
            start=min(moments, default=str(event["@timestamp"])),
            end=max(moments, default=str(event["@timestamp"])),
            marks=self._marks(seen),
        )

    # ---- which processes ----

    def origin(self, event: Document) -> tuple[str | None, str | None]:
        """Host and process of an event; of a sensor's on the wire, those that opened the connection."""
        host, entity = self.joiner.entity(event)
        if entity:
            return host, entity
        flow = first(event.get("network.community_id"))
        if not flow:
            return None, None
        moment = time.read(event["@timestamp"]) or 0
        where = all_of(self._is("network.community_id", flow), Test(self._f("process.entity_id"), Exists()))
        found = self.events.search(where, Span(moment - DAY, moment + DAY), limit=1, newest_first=False)
        if not found:
            return None, None
        return first(found[0].get("host.name")), first(found[0].get("process.entity_id"))

    def with_flows(self, where: Predicate, span: Span) -> Predicate:
        """Events of connections, and what others say of the same ones (Community ID)."""
        own = self.events.search(where, span, limit=1000, fields=["network.community_id"])
        flows = {str(flow) for event in own for flow in listed(event.get("network.community_id"))}
        return any_of(where, Test(self._f("network.community_id"), Equals(tuple(sorted(flows))))) if flows else where

    def _chain(self, entity: str) -> list[str]:
        """The process and its ancestors up to the topmost below the session's own."""
        chain = self.joiner.chain(self.host, entity) or [entity]
        self._read(chain)
        return chain

    def _shell_of_written(self, entity: str, moment: int) -> str | None:
        """The first shell that ran a batch file which this process wrote."""
        where = all_of(
            self._is("host.name", self.host),
            self._is("process.entity_id", entity),
            self._is("event.category", "file"),
            Test(self._f("file.extension"), Equals(("bat", "cmd"), fold=True)),
        )
        wrote = self.events.search(where, Span(moment - DAY, moment + DAY), limit=50, newest_first=False)
        paths = {
            fold(str(first(event["file.path"]))): str(event["@timestamp"]) for event in wrote if event.get("file.path")
        }
        if not paths:
            return None
        names = tuple(path.rpartition("\\")[2] for path in paths)
        commands = [Test(self._f("process.command_line"), Like((Gap.ANY, name, Gap.ANY), fold=True)) for name in names]
        started = all_of(
            self._is("host.name", self.host),
            self._is("event.category", "process"),
            self._is("event.type", "start"),
            any_of(*commands),
        )
        begin = min(time.read(moment_) or 0 for moment_ in paths.values())
        for event in self.events.search(started, Span(begin, begin + DAY), limit=200, newest_first=False):
            canonical = str(
                first(event.get("tocsin.canonical.command_line")) or event.get("process.command_line") or ""
            )
            if any(fold(script) in paths for script in batch_scripts(canonical)):
                return str(first(event.get("process.entity_id")))
        return None

    def _above(self, top: str) -> int:
        count = 0
        entity = self.rows.get(top, {}).get("parent")
        while entity and count < 16:
            row = self.entities.processes(self.host, [entity]).get(entity)
            if row is None:
                break
            count += 1
            entity = row.get("parent")
        return count

    def _descend(self, top: str, keep: set[str]) -> int:
        """Children, generation by generation; how many processes there are in all (as far as was read)."""
        self._read([top])
        total = len(self.rows)
        frontier = [top]
        while frontier and total < 4 * PROCESSES:
            found = self.entities.children(self.host, frontier, 4 * PROCESSES)
            children = [c for c in found if c["entity_id"] not in self.rows or c["entity_id"] in keep]
            frontier = []
            for child in children:
                entity = child["entity_id"]
                if entity not in self.rows:
                    total += 1
                    if len(self.rows) < PROCESSES:
                        self.rows[entity] = child
                if entity not in frontier:
                    frontier.append(entity)
            keep = keep - set(frontier)
        return total

    def _read(self, entities: Sequence[str]) -> None:
        missing = [entity for entity in entities if entity not in self.rows]
        self.rows.update(self.entities.processes(self.host, missing) if missing else {})

    def _start(self, row: Document) -> int:
        return (time.read(row.get("start")) or 0) if row.get("start") else 0

    def _process(self, row: Document, *, tree: bool = True) -> Node:
        entity = str(row["entity_id"])
        node = Node(
            id=f"p:{entity}",
            kind="process",
            label=str(row.get("name") or "unknown"),
            detail=", ".join(str(x) for x in (row.get("pid"), row.get("user")) if x is not None),
            host=self.host,
            time=row.get("start"),
            document={k: v for k, v in row.items() if v is not None},
        )
        node.facts = _facts(
            ("Command line", "process.command_line", row.get("command_line")),
            ("Started", "@timestamp", row.get("start")),
            ("User", "user.name", row.get("user")),
            ("Process id", "process.pid", row.get("pid")),
            ("Path", "process.executable", row.get("executable")),
            ("Host", "host.name", self.host),
        )
        node.sentence = [
            Part(**p._asdict())
            for p in parts(
                "{process.name} on {host.name}[, run by {user.name}]",
                {"process.name": node.label, "host.name": self.host, "user.name": row.get("user")},
            )
        ]
        self.nodes[node.id] = node
        parent = row.get("parent")
        if tree and parent in self.rows:
            self._edge("started", f"p:{parent}", node.id, self._between(self.rows[parent], row), event=row.get("event"))
        return node

    # ---- their events ----

    def _events_of(self, span: Span) -> list[Document]:
        where = all_of(self._is("host.name", self.host), Test(self._f("process.entity_id"), Equals(tuple(self.rows))))
        seen = self.events.search(where, span, limit=EVENTS, newest_first=False, fields=_FIELDS)
        pids: dict[int, list[tuple[int, str]]] = {}
        for entity, row in self.rows.items():
            if row.get("pid") is not None:
                pids.setdefault(int(row["pid"]), []).append((self._start(row), entity))
        scripts = self.events.search(
            all_of(
                self._is("host.name", self.host),
                Test(self._f("powershell.file.script_block_text"), Exists()),
                Test(self._f("process.pid"), Equals(tuple(pids) or (-1,))),
            ),
            span,
            limit=EVENTS,
            newest_first=False,
            fields=_FIELDS,
        )
        for block in scripts:  # script blocks carry a pid only: the process of that pid which started last before
            moment = time.read(block["@timestamp"]) or 0
            owners = [(s, e) for s, e in pids.get(int(first(block["process.pid"])), ()) if s <= moment]
            if owners and not block.get("process.entity_id"):
                block["process.entity_id"] = max(owners)[1]
                seen.append(block)
        counts: dict[str, Counter[str]] = {}
        for event in seen:
            entity = first(event.get("process.entity_id"))
            category = category_of(event)
            if entity and category:
                counts.setdefault(entity, Counter())[category] += 1
            if entity and "end" in listed(event.get("event.type")) and f"p:{entity}" in self.nodes:
                node = self.nodes[f"p:{entity}"]
                if "process" in listed(event.get("event.category")):
                    node.end, node.state = str(event["@timestamp"]), "ended"
        for entity, counter in counts.items():
            if node_ := self.nodes.get(f"p:{entity}"):
                node_.counts = {name: counter[name] for name in CATEGORIES if counter[name]}
        return seen

    # ---- scripts ----

    def _scripts(self, begin: int) -> None:
        ran: list[tuple[str, Document, str]] = []
        for entity, row in self.rows.items():
            if fold(str(row.get("name") or "")) in _SHELLS:
                scripts = batch_scripts(str(row.get("canonical") or row.get("command_line") or ""))
                ran += [(entity, row, script) for script in scripts[:4]]
        written = self._written({script for _, _, script in ran}, begin)
        for entity, row, script in ran:
            self._script(entity, row, script, written)

    def _script(self, entity: str, row: Document, script: str, written: Sequence[Document]) -> None:
        name = script.rpartition("\\")[2]
        node = Node(
            id=f"s:{entity}:{script}",
            kind="script",
            label=name,
            detail=f"run by {row.get('name')} {row.get('pid')}",
            host=self.host,
            time=row.get("start"),
        )
        self.nodes[node.id] = node
        self._edge("ran", f"p:{entity}", node.id, 0)
        for edge in list(self.edges.values()):  # what the shell started after it, the script started
            if edge.kind == "started" and edge.source == f"p:{entity}":
                del self.edges[edge.id]
                self._edge("started", node.id, edge.target, edge.elapsed_us, event=edge.event)
        writer = _writer(written, script, self._start(row))
        facts: list[tuple[str, str | None, Any]] = [("Script", "file.path", script), ("Host", "host.name", self.host)]
        if writer is not None:
            facts.append(("Written", "@timestamp", writer["@timestamp"]))
            facts.append(("As", "file.path", writer.get("file.path")))
            node.document = writer
            source = first(writer.get("process.entity_id"))
            if source:
                if source not in self.rows:
                    self._read([source])
                    if source in self.rows:
                        self._process(self.rows[source], tree=False)
                if f"p:{source}" in self.nodes:
                    before = self._start(row) - (time.read(writer["@timestamp"]) or 0)
                    label = f"wrote it, {_span(before)} before"
                    self._edge("wrote", f"p:{source}", node.id, before, label=label, event=writer.get("_id"))
        node.facts = _facts(*facts)

    def _written(self, scripts: set[str], begin: int) -> list[Document]:
        """Where files of these names were written, the latest first: one question for all of them."""
        if not scripts:
            return []
        last = max((self._start(row) for row in self.rows.values()), default=begin)
        names = sorted({script.rpartition("\\")[2] for script in scripts})[:SCRIPTS]
        paths: list[Predicate] = [Test(self._f("file.path"), Equals(tuple(sorted(scripts)), fold=True))]
        paths += [Test(self._f("file.path"), Like((Gap.ANY, "\\" + name), fold=True)) for name in names]
        where = all_of(self._is("host.name", self.host), any_of(*paths), self._is("event.category", "file"))
        return self.events.search(where, Span(begin - DAY, last + SECOND), limit=1000, fields=_WROTE)

    # ---- connections ----

    def _connections(self, seen: Sequence[Document], chain: set[str]) -> None:
        opened = [e for e in seen if category_of(e) == "network" and e.get("destination.ip")]
        opened.sort(key=lambda e: (first(e.get("process.entity_id")) not in chain, str(e["@timestamp"])))
        for event in opened:
            entity = str(first(event["process.entity_id"]))
            where = f"{first(event['destination.ip'])}:{first(event.get('destination.port'))}"
            node_id = f"c:{entity}:{where}"
            node = self.nodes.get(node_id)
            if node is None:
                if sum(n.kind == "connection" for n in self.nodes.values()) >= CONNECTIONS:
                    continue
                transport = str(first(event.get("network.transport")) or "").upper()
                node = Node(
                    id=node_id,
                    kind="connection",
                    label=where,
                    detail=transport or "connection",
                    host=self.host,
                    time=str(event["@timestamp"]),
                    document=event,
                )
                domain = first(event.get("destination.domain"))
                node.facts = _facts(
                    ("To", "destination.ip", first(event.get("destination.ip"))),
                    ("Port", "destination.port", first(event.get("destination.port"))),
                    ("Name", "destination.domain", domain),
                    ("From", "source.ip", first(event.get("source.ip"))),
                    ("Opened", "@timestamp", event["@timestamp"]),
                )
                self.nodes[node_id] = node
                elapsed = (time.read(event["@timestamp"]) or 0) - self._start(self.rows[entity])
                self._edge("connected", f"p:{entity}", node_id, elapsed, event=event.get("_id"))
            for flow in listed(event.get("network.community_id")):
                self.flows[flow] = node_id

    def _flows(self, span: Span) -> None:
        """What sensors on the wire say of the same connections: bytes, length, requests; and what a server served."""
        if not self.flows:
            return
        where = all_of(
            Test(self._f("network.community_id"), Equals(tuple(self.flows))),
            any_of(self._is("event.module", "zeek"), self._is("event.module", "suricata")),
        )
        for event in self.events.search(where, span, limit=1000, newest_first=False, fields=_FLOW):
            node = self.nodes[self.flows[str(first(event["network.community_id"]))]]
            dataset = str(event.get("event.dataset"))
            seen_by = f"Sysmon and {dataset}"
            if not any(fact.text == "Seen by" for fact in node.facts):
                node.facts += _facts(
                    ("Seen by", None, seen_by), ("Flow", "network.community_id", first(event["network.community_id"]))
                )
            if (url := first(event.get("url.path"))) is not None:
                method = first(event.get("http.request.method")) or first(event.get("event.action")) or ""
                node.detail = f"{method} {url}".strip()
                node.facts += _facts(("Request", "url.path", url))
                name = fold(str(url).rpartition("/")[2])
                for script in list(self.nodes.values()):
                    if script.kind == "script" and name and fold(script.label) == name:
                        self._edge("served", node.id, script.id, None, label="same file", event=event.get("_id"))
            size = [event.get("source.bytes"), event.get("destination.bytes")]
            if any(size) and dataset.endswith("connection"):
                length = int(first(event.get("event.duration")) or 0) // 1000
                node.detail = (
                    f"{node.detail}, {_span(length)}, {_size(int(first(size[0]) or 0) + int(first(size[1]) or 0))}"
                )
                node.facts += _facts(
                    ("Bytes out", "source.bytes", first(size[0])), ("Bytes in", "destination.bytes", first(size[1]))
                )
                if length:
                    node.end = time.iso((time.read(node.time) or 0) + length)

    # ---- alerts, path ----

    def _alerts(self, span: Span) -> None:
        found: list[Predicate] = [Test(self.alert_names.field("process.entity_id"), Equals(tuple(self.rows)))]
        if self.flows:
            found.append(Test(self.alert_names.field("network.community_id"), Equals(tuple(self.flows))))
        keys = tuple(f"tree:{self.host}:{entity}" for entity in self.rows)
        found.append(Test(self.alert_names.field("tocsin.alert.join"), Equals(keys)))
        state = Test(self.alert_names.field("tocsin.alert.state"), Equals(("active", "suppressed")))
        for alert in self.events.search(
            all_of(any_of(*found), state), span, of="alerts", limit=500, newest_first=False, fields=_ALERT
        ):
            if alert.get("kibana.alert.building_block_type"):
                continue
            place = self._place(alert)
            if place is None:
                continue
            mark = NodeAlert(
                id=str(alert["kibana.alert.uuid"]),
                rule=str(alert["kibana.alert.rule.name"]),
                severity=alert["kibana.alert.severity"],
            )
            if all(held.rule != mark.rule for held in place.alerts):
                place.alerts.append(mark)
                place.alerts.sort(key=lambda a: -_LEVELS[a.severity])

    def _place(self, alert: Document) -> Node | None:
        entity = first(alert.get("process.entity_id"))
        if entity and f"p:{entity}" in self.nodes:
            return self.nodes[f"p:{entity}"]
        flow = first(alert.get("network.community_id"))
        if flow and flow in self.flows:
            return self.nodes[self.flows[flow]]
        pid = first(alert.get("process.pid"))
        if pid is not None and first(alert.get("host.name")) == self.host:
            moment = time.read(alert.get("kibana.alert.original_time") or alert["@timestamp"]) or 0
            owners = [
                (self._start(r), e) for e, r in self.rows.items() if r.get("pid") == pid and self._start(r) <= moment
            ]
            if owners:
                return self.nodes.get(f"p:{max(owners)[1]}")
        return None

    def _mark_path(self, trigger: str) -> None:
        """The way of the attack: from the topmost process to the trigger and to every process with an alert, the
        connections that they opened, and who wrote or served what ran on it."""
        into: dict[str, Edge] = {}
        for edge in self.edges.values():
            if edge.kind in ("started", "ran"):
                into.setdefault(edge.target, edge)
        ends = [trigger, *(node.id for node in self.nodes.values() if node.alerts)]
        for end in ends:
            at: str | None = end
            while at in self.nodes and not (self.nodes[at].on_path and at != end):
                self.nodes[at].on_path = True
                edge_in = into.get(at)
                if edge_in is None:
                    break
                edge_in.on_path = True
                at = edge_in.source
        for edge in self.edges.values():
            if edge.kind == "connected" and edge.source in ends:
                edge.on_path = self.nodes[edge.target].on_path = True
        for edge in self.edges.values():
            if edge.kind in ("wrote", "served") and self.nodes[edge.target].on_path:
                edge.on_path = True
                if edge.kind == "wrote":
                    self.nodes[edge.source].on_path = True

    def _marks(self, seen: Sequence[Document]) -> list[Moment]:
        """The strip under the graph: alerts and events in time."""
        out = [
            Moment(
                time=node.time or "",
                kind="alert",
                title=[Part(text=alert.rule)],
                severity=alert.severity,
                alert=alert.id,
                node=node.id,
            )
            for node in self.nodes.values()
            for alert in node.alerts
            if node.time
        ]
        for event in seen[:2000]:
            category = category_of(event)
            if category:
                out.append(
                    Moment(
                        time=str(event["@timestamp"]),
                        kind="event",
                        title=[Part(text=category)],
                        event=event.get("_id"),
                        node=f"p:{first(event.get('process.entity_id'))}",
                    )
                )
        return sorted(out, key=lambda moment: moment.time)

    # ---- small things ----

    def _f(self, name: str) -> Any:
        return self.names.field(name)

    def _is(self, name: str, value: str) -> Predicate:
        return Test(self._f(name), Equals((value,)))

    def _between(self, one: Document, other: Document) -> int | None:
        begun, then = self._start(one), self._start(other)
        return then - begun if begun and then else None

    def _edge(
        self,
        kind: Any,
        source: str,
        target: str,
        elapsed: int | None,
        *,
        label: str = "",
        event: Any = None,
    ) -> None:
        edge_id = f"{kind}:{source}>{target}"
        text = label or (_span(elapsed) if elapsed is not None and kind != "ran" else "")
        self.edges[edge_id] = Edge(
            id=edge_id, source=source, target=target, kind=kind, elapsed_us=elapsed, label=text, event=event
        )


def _writer(written: Sequence[Document], script: str, started: int) -> Document | None:
    """The last event before the shell's start in which the script's file was written, else one of its name."""
    before = [event for event in written if (time.read(event["@timestamp"]) or 0) <= started + SECOND]
    paths = [fold(str(first(event.get("file.path")))) for event in before]
    name = "\\" + fold(script.rpartition("\\")[2])
    for holds in (fold(script).__eq__, lambda path: path.endswith(name)):
        for event, path in zip(before, paths, strict=True):
            if holds(path):
                return event
    return None


def _facts(*items: tuple[str, str | None, Any]) -> list[Part]:
    return [Part(text=text, field=field, value=value) for text, field, value in items if value is not None]


def _span(micros: int) -> str:
    seconds = abs(micros) / SECOND
    if seconds < 60:
        return f"{seconds:.2f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def _size(count: int) -> str:
    return f"{count} B" if count < 1000 else f"{count / 1000:.1f} KB" if count < 1_000_000 else f"{count / 1e6:.1f} MB"
