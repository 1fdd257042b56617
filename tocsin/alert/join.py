"""What joins an alert to others: the keys in `tocsin.alert.join`, from its events and from stored events around them.

    tree:HOST:ENTITY     a process or one of its ancestors below the session's own (explorer, services …)      weight 4
    flow:COMMUNITY_ID    one connection, whoever saw it                                                        weight 4
    file:HOST:PATH       a script or program that was written, fetched or run there                            weight 3
    pair:CLIENT>SERVER   one client at one server                                                              weight 2
    FIELD:VALUE          a field that the rule names in `join`                                                 weight 3

Keys also come from stored events of the same connection (the process that opened it, the files that this process
wrote), so a sensor on the wire and one on the host tell one story.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, Final, NamedTuple

from tocsin.event import time
from tocsin.event.text import fold
from tocsin.event.time import SECOND
from tocsin.lang.fields import Names
from tocsin.lang.ir import Equals, Exists, Predicate, Test, all_of
from tocsin.ports import Document, EntityReader, EventReader, Span

HOUR: Final = 3600 * SECOND
# How near to an alert a process that opened its connection has to write a file for the file to be its own.
_WRITTEN: Final = 600 * SECOND
WEIGHT: Final = {"tree": 4, "flow": 4, "file": 3, "pair": 2}
# Processes that start everything: sharing one of them says nothing.
SESSION: Final = frozenset(
    {
        "explorer.exe", "services.exe", "svchost.exe", "wininit.exe", "winlogon.exe", "userinit.exe", "csrss.exe",
        "smss.exe", "lsass.exe", "system", "taskeng.exe", "taskhostw.exe", "sihost.exe", "wmiprvse.exe", "dllhost.exe",
        "runtimebroker.exe", "systemd", "init", "launchd", "sshd", "cron", "crond", "login", "gdm", "containerd-shim",
    }
)  # fmt: skip
_RUNNABLE: Final = frozenset("bat cmd ps1 vbs js jse wsf hta exe dll msi scr com lnk sh py pl jar".split())  # noqa: SIM905
_PATHS: Final = re.compile(
    r"(?:[a-z]:\\|\\\\)[^\"'<>|&*?\r\n]{1,260}?\.(?:bat|cmd|ps1|vbs|js|hta|exe)(?=[\"'\s,;)&|]|$)", re.ASCII
)
_DEPTH: Final = 16
_NEAR: Final = 50
# Groups whose connections are asked for in one question.
_TOGETHER: Final = 50
# Seconds after which a process that was not known is asked for again.
_AGAIN: Final = 1.0
# Seconds that one which was found by its pid is taken for granted.
_KNOWN: Final = 300.0


class _Started(NamedTuple):
    """A process without an entity id: the one that had this pid at that moment (µs)."""

    host: str
    pid: int
    moment: int


class Joiner:
    """Works out join keys; asks the store, and remembers process chains (bounded)."""

    def __init__(self, events: EventReader, entities: EntityReader, names: Names) -> None:
        self._events = events
        self._entities = entities
        self._names = names
        self._rows: OrderedDict[tuple[str, str], Document] = OrderedDict()
        self._unknown: dict[tuple[str, str], float] = {}
        self._started: OrderedDict[_Started, tuple[float, str | None]] = OrderedDict()  # with until when it is so

    def keys(self, documents: Sequence[Document], extra: Iterable[str] = ()) -> list[str]:
        """The join keys of an alert with these events, strongest first, each once. `extra` are the rule's own join
        fields. `around` finds those that stored events add."""
        found: dict[str, None] = {}
        for document in documents:
            self._own(document, found)
            for field in extra:
                for value in _listed(document.get(field)):
                    found[f"{field}:{value}"] = None
        return sorted(found, key=lambda key: -weight(key))

    def chain(self, host: str | None, entity: str | None) -> list[str]:
        """Entity ids from the process up to the topmost below the session's own processes."""
        out: list[str] = []
        while host and entity and entity not in out and len(out) < _DEPTH:
            row = self._row(host, entity)
            if row is not None and fold(str(row.get("name") or "")) in SESSION:
                break
            out.append(entity)
            if row is None:
                break
            entity = row.get("parent")
            if entity and self._row(host, entity) is None:
                break  # its parent has not been seen: nothing says that it is not the session itself
        return out

    def entity(self, document: Document) -> tuple[str | None, str | None]:
        """Host and entity id of the process an event is about; by pid and time where it has no entity id."""
        host = _first(document.get("host.name"))
        entity = _first(document.get("process.entity_id"))
        if entity or host is None or (started := _by_pid(document)) is None:
            return host, entity
        if monotonic() >= self._until(started):
            self._find([started])
        return host, self._started[started][1]

    def _until(self, started: _Started) -> float:
        """Until when it is known which process that is."""
        return self._started.get(started, (0.0, None))[0]

    def _find(self, wanted: Sequence[_Started]) -> None:
        """Which processes had these pids of these hosts at these times: the latest start within a day before each."""
        name = self._names.field
        where = all_of(
            Test(name("host.name"), Equals(tuple(sorted({each.host for each in wanted})))),
            Test(name("process.pid"), Equals(tuple(sorted({each.pid for each in wanted})))),
            Test(name("event.type"), Equals(("start",))),
            Test(name("process.entity_id"), Exists()),
        )
        moments = [each.moment for each in wanted]
        span = Span(min(moments) - 24 * HOUR, max(moments) + SECOND)
        fields = ["@timestamp", "host.name", "process.pid", "process.entity_id"]
        limit = _NEAR * len(wanted) if len(wanted) > 1 else 1
        rows = self._events.search(where, span, limit=limit, fields=fields)
        starts: dict[tuple[str, int], list[tuple[int, str]]] = {}  # latest first
        for row in rows:
            key = str(_first(row.get("host.name"))), int(_first(row.get("process.pid")))
            start = time.read(row["@timestamp"]) or 0, str(_first(row["process.entity_id"]))
            starts.setdefault(key, []).append(start)
        now = monotonic()
        while len(self._started) > 10_000:
            self._started.popitem(last=False)
        for each in wanted:
            near = Span(each.moment - 24 * HOUR, each.moment + SECOND)
            found = next((e for at, e in starts.get((each.host, each.pid), ()) if _in(at, near)), None)
            if found is None and len(rows) >= limit > 1:  # others' rows may have taken its place
                self._find([each])
            else:
                self._started[each] = (now + (_AGAIN if found is None else _KNOWN), found)

    def root(self, document: Document) -> str | None:
        """What suppression groups by: the topmost process of the tree, else host's process id."""
        host, entity = self.entity(document)
        chain = self.chain(host, entity)
        if chain:
            return f"{host}:{chain[-1]}"
        pid = _first(document.get("process.pid"))
        return f"{host}:pid:{pid}" if host is not None and pid is not None else None

    def _own(self, document: Document, found: dict[str, None]) -> None:
        host, entity = self.entity(document)
        for each in self.chain(host, entity):
            found[f"tree:{host}:{each}"] = None
            row = self._row(str(host), each)
            if row is not None:
                _files(host, str(row.get("command_line") or ""), found)
        for flow in _listed(document.get("network.community_id")):
            found[f"flow:{flow}"] = None
        for name in ("process.command_line", "process.parent.command_line"):
            _files(host, str(document.get(name) or ""), found)
        _written(host, document, found)
        client, server = _first(document.get("source.ip")), _first(document.get("destination.ip"))
        if client and server:
            found[f"pair:{client}>{server}"] = None

    def around(self, groups: Sequence[tuple[Sequence[Document], Iterable[str]]]) -> list[list[str]]:
        """For each group, of events (which say when) and of their join keys, the keys from the host's side of the
        connections among these: who opened them, and what it wrote."""
        flows = [{key[5:] for key in keys if key.startswith("flow:")} if events else set() for events, keys in groups]
        found: list[dict[str, None]] = [{} for _ in groups]
        asked = [number for number, each in enumerate(flows) if each]
        moments = {n: [time.read(event.get("@timestamp")) or 0 for event in groups[n][0]] for n in asked}
        # Asked for in the order of their times, so that what a question spans stays small.
        asked.sort(key=lambda n: moments[n][0])
        for start in range(0, len(asked), _TOGETHER):
            some = asked[start : start + _TOGETHER]
            opened = self._openers({n: (flows[n], moments[n]) for n in some})
            self._fetch({pair for each in opened.values() for pair in each})
            written = self._writers(opened, _around([moment for n in some for moment in moments[n]], _WRITTEN))
            for number, pairs in opened.items():
                near = _around(moments[number], _WRITTEN)
                for host, entity in pairs:
                    for each in self.chain(host, entity):
                        found[number][f"tree:{host}:{each}"] = None
                    for moment, event in written.get((host, entity), ()):
                        if _in(moment, near):
                            _written(host, event, found[number])
        return [list(each) for each in found]

    def _openers(self, asked: Mapping[int, tuple[set[str], list[int]]]) -> dict[int, dict[tuple[str, str], None]]:
        """The processes, as (host, entity id), of stored events with these flows within an hour of these moments."""
        name = self._names.field
        flows = tuple(sorted({flow for wanted, _ in asked.values() for flow in wanted}))
        where = all_of(Test(name("network.community_id"), Equals(flows)), Test(name("process.entity_id"), Exists()))
        span = _around([moment for _, moments in asked.values() for moment in moments], HOUR)
        fields = ["@timestamp", "host.name", "process.entity_id", "network.community_id"]
        limit = _NEAR * len(asked)
        rows = self._events.search(where, span, limit=limit, fields=fields)
        if len(rows) >= limit and len(asked) > 1:  # one that has many must not take the others' places
            return {n: pairs for n, each in asked.items() for pairs in self._openers({n: each}).values()}
        out: dict[int, dict[tuple[str, str], None]] = {n: {} for n in asked}
        for row in rows:
            host, entity = _first(row.get("host.name")), _first(row.get("process.entity_id"))
            moment = time.read(row.get("@timestamp")) or 0
            if not host or not entity:
                continue
            of = set(_listed(row["network.community_id"]))
            for n, (wanted, moments) in asked.items():
                if not wanted.isdisjoint(of) and _in(moment, _around(moments, HOUR)):
                    out[n][host, entity] = None
        return out

    def _writers(
        self, opened: Mapping[int, Mapping[tuple[str, str], None]], span: Span
    ) -> dict[tuple[str, str], list[tuple[int, Document]]]:
        """What these processes wrote within a span that can be run: (time, event)."""
        pairs = list(dict.fromkeys(pair for each in opened.values() for pair in each))
        out: dict[tuple[str, str], list[tuple[int, Document]]] = {}
        if not pairs:
            return out
        name = self._names.field
        where: Predicate = all_of(
            Test(name("host.name"), Equals(tuple(sorted({host for host, _ in pairs})))),
            Test(name("process.entity_id"), Equals(tuple(sorted({entity for _, entity in pairs})))),
            Test(name("file.extension"), Equals(tuple(sorted(_RUNNABLE)), fold=True)),
        )
        fields = ["@timestamp", "host.name", "process.entity_id", "file.path"]
        for row in self._events.search(where, span, limit=_NEAR * len(pairs), fields=fields):
            key = str(_first(row.get("host.name"))), str(_first(row.get("process.entity_id")))
            out.setdefault(key, []).append((time.read(row.get("@timestamp")) or 0, row))
        return out

    def prefetch(self, documents: Sequence[Document]) -> None:
        """Get to know the processes of these events and their ancestors, a question a generation and not one each."""
        now = monotonic()
        bare = [d for d in documents if not _first(d.get("process.entity_id"))]
        wanted = dict.fromkeys(started for d in bare if (started := _by_pid(d)) is not None)
        if missing := [each for each in wanted if now >= self._until(each)]:
            self._find(missing)
        self._fetch({(host, entity) for host, entity in map(self.entity, documents) if host and entity})

    def _fetch(self, wanted: set[tuple[str, str]]) -> None:
        for _ in range(_DEPTH):
            now = monotonic()
            missing = [key for key in sorted(wanted) if key not in self._rows and now >= self._unknown.get(key, 0.0)]
            if missing:
                rows = self._entities.processes_of(missing)
                for key in missing:
                    self._know(key, rows.get(key), now)
            rows_ = ((host, self._rows.get((host, entity))) for host, entity in wanted)
            wanted = {(host, str(row["parent"])) for host, row in rows_ if row is not None and row.get("parent")}
            if not wanted:
                return

    def _row(self, host: str, entity: str) -> Document | None:
        key = (host, entity)
        if key in self._rows:
            self._rows.move_to_end(key)
            return self._rows[key]
        now = monotonic()
        if now < self._unknown.get(key, 0.0):
            return None
        row = self._entities.processes_of([key]).get(key)
        self._know(key, row, now)
        return row

    def _know(self, key: tuple[str, str], row: Document | None, now: float) -> None:
        if row is None:  # one that has not come yet is asked for again, in a while
            if len(self._unknown) > 10_000:
                self._unknown.clear()
            self._unknown[key] = now + _AGAIN
            return
        self._rows[key] = row
        if len(self._rows) > 50_000:
            self._rows.popitem(last=False)


def weight(key: str) -> int:
    """How much a key says: edges are taken by weight, time, id."""
    return WEIGHT.get(key.partition(":")[0], 3)


def _by_pid(document: Document) -> _Started | None:
    host, pid = _first(document.get("host.name")), _first(document.get("process.pid"))
    if host is None or not isinstance(pid, int):
        return None
    return _Started(str(host), pid, time.read(document.get("@timestamp")) or 0)


def _around(moments: Sequence[int], reach: int) -> Span:
    return Span(min(moments) - reach, max(moments) + reach)


def _in(moment: int, span: Span) -> bool:
    return (span.start or 0) <= moment <= (span.end or 0)


def _written(host: str | None, document: Document, found: dict[str, None]) -> None:
    path = _first(document.get("file.path"))
    if host and path and fold(str(path)).rpartition(".")[2] in _RUNNABLE:
        found[f"file:{host}:{fold(str(path))}"] = None


def _files(host: str | None, command: str, found: dict[str, None]) -> None:
    if not host or not command:
        return
    for number, match in enumerate(_PATHS.finditer(fold(command[:8192]))):
        name = match[0].rpartition("\\")[2]
        if name in ("powershell.exe", "cmd.exe", "pwsh.exe") or number > 16:
            continue
        if "\\windows\\" not in match[0]:
            found[f"file:{host}:{match[0]}"] = None


def _first(value: Any) -> Any:
    return (value[0] if value else None) if isinstance(value, list) else value


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
