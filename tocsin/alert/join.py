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
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any, Final

from tocsin.event import time
from tocsin.event.text import fold
from tocsin.event.time import SECOND
from tocsin.lang.fields import Names
from tocsin.lang.ir import Equals, Exists, Predicate, Test, all_of, any_of
from tocsin.ports import Document, EntityReader, EventReader, Span

HOUR: Final = 3600 * SECOND
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
# Seconds after which a process that was not known is asked for again.
_AGAIN: Final = 1.0


class Joiner:
    """Works out join keys; asks the store, and remembers process chains (bounded)."""

    def __init__(self, events: EventReader, entities: EntityReader, names: Names) -> None:
        self._events = events
        self._entities = entities
        self._names = names
        self._rows: OrderedDict[tuple[str, str], Document] = OrderedDict()
        self._unknown: dict[tuple[str, str], float] = {}

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
        if entity or host is None or (pid := _first(document.get("process.pid"))) is None:
            return host, entity
        moment = time.read(document.get("@timestamp")) or 0
        name = self._names.field
        where = all_of(
            Test(name("host.name"), Equals((host,))),
            Test(name("process.pid"), Equals((int(pid),))),
            Test(name("event.type"), Equals(("start",))),
            Test(name("process.entity_id"), Exists()),
        )
        span = Span(moment - 24 * HOUR, moment + SECOND)
        rows = self._events.search(where, span, limit=1, fields=["process.entity_id"])
        return host, _first(rows[0].get("process.entity_id")) if rows else None

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

    def around(self, documents: Sequence[Document], keys: Iterable[str]) -> list[str]:
        """Keys from the host's side of the connections among `keys`: who opened them, and what it wrote. `documents`
        say around when."""
        found: dict[str, None] = {}
        self._around(documents, {key[5:] for key in keys if key.startswith("flow:")}, found)
        return list(found)

    def _around(self, documents: Sequence[Document], flows: set[str], found: dict[str, None]) -> None:
        if not flows or not documents:
            return
        moments = [time.read(document.get("@timestamp")) or 0 for document in documents]
        span = Span(min(moments) - HOUR, max(moments) + HOUR)
        name = self._names.field
        where = all_of(
            Test(name("network.community_id"), Equals(tuple(sorted(flows)))), Test(name("process.entity_id"), Exists())
        )
        openers: dict[tuple[str, str], None] = {}
        for event in self._events.search(where, span, limit=_NEAR):
            host, entity = _first(event.get("host.name")), _first(event.get("process.entity_id"))
            if host and entity:
                openers[host, entity] = None
        for host, entity in openers:
            for each in self.chain(host, entity):
                found[f"tree:{host}:{each}"] = None
            written: Predicate = all_of(
                Test(name("host.name"), Equals((host,))),
                Test(name("process.entity_id"), Equals((entity,))),
                any_of(Test(name("file.extension"), Equals(tuple(sorted(_RUNNABLE)), fold=True))),
            )
            near = Span(min(moments) - 600 * SECOND, max(moments) + 600 * SECOND)
            for event in self._events.search(written, near, limit=_NEAR):
                _written(host, event, found)

    def _row(self, host: str, entity: str) -> Document | None:
        key = (host, entity)
        if key in self._rows:
            self._rows.move_to_end(key)
            return self._rows[key]
        now = monotonic()
        if now < self._unknown.get(key, 0.0):
            return None
        row = self._entities.processes(host, [entity]).get(entity)
        if row is None:  # one that has not come yet is asked for again, in a while
            if len(self._unknown) > 10_000:
                self._unknown.clear()
            self._unknown[key] = now + _AGAIN
            return None
        self._rows[key] = row
        if len(self._rows) > 50_000:
            self._rows.popitem(last=False)
        return row


def weight(key: str) -> int:
    """How much a key says: edges are taken by weight, time, id."""
    return WEIGHT.get(key.partition(":")[0], 3)


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
