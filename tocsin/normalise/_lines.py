"""Text records by column: the syslog head, and patterns whose named groups become columns.

Patterns are Python's `re`, written so that no text makes them backtrack beyond its length: each repeated part is
bounded and can't match what follows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.event import time
from tocsin.event.records import explode
from tocsin.normalise._columns import Table, moments
from tocsin.normalise._syslog import FACILITIES, SEVERITIES, Head, heads, structured

LONGEST: Final = 65536  # characters of a record that patterns look at


def texts(table: Table, name: str = "message") -> list[str | None]:
    """A source column's texts; what is none is missing."""
    return [value[:LONGEST] if type(value) is str else None for value in table.get(name)]


def stamped(table: Table, sent: Sequence[Any], name: str = "@timestamp") -> None:
    """The records' time from texts that may lack year and zone: arrival and the source's setting give them.

    A text that is no time leaves the record without one: when it came then stands for it.
    """
    records = table.records
    read = time.read
    micros = [
        None if value is None else read(value, arrival, origin.zone, origin.year)
        for value, arrival, origin in zip(sent, records.arrivals, records.origins, strict=True)
    ]
    table.set(name, moments(table, name, micros, sent))


def syslog(table: Table) -> list[Head]:
    """Read the head of every message: `@timestamp`, `host.*`, `log.syslog.*`. The source's `message` is then what
    follows it. Gives the heads, for what the stream makes of the program."""
    found = heads(texts(table))
    table.source["message"] = [head.message or None for head in found]
    stamped(table, [head.time for head in found])
    hosts = [head.host for head in found]
    table.set("host.name", hosts)
    table.set("host.hostname", hosts)
    priorities = [head.priority for head in found]
    if any(value is not None for value in priorities):
        table.set("log.syslog.priority", priorities)
        table.set("log.syslog.facility.code", [None if p is None else p >> 3 for p in priorities])
        table.set("log.syslog.facility.name", [None if p is None else FACILITIES[p >> 3] for p in priorities])
        table.set("log.syslog.severity.code", [None if p is None else p & 7 for p in priorities])
        table.set("log.syslog.severity.name", [None if p is None else SEVERITIES[p & 7] for p in priorities])
        table.set("log.level", [None if p is None else SEVERITIES[p & 7].lower() for p in priorities])
        table.set("log.syslog.hostname", hosts)
        table.set("log.syslog.appname", [head.program for head in found])
        table.set("log.syslog.procid", [head.pid for head in found])
    if any(head.version is not None for head in found):
        table.set("log.syslog.version", [head.version for head in found])
        table.set("log.syslog.msgid", [head.msgid for head in found])
        prefix = "log.syslog.structured_data"
        data = [structured(head.data) if head.data else {} for head in found]
        named = [{f"{prefix}.{e}.{n}": v for e, pairs in row.items() for n, v in pairs.items()} for row in data]
        for name, values in explode(named).items():
            table.set(name, values)
    return found


def pid(value: str | None) -> int | None:
    """A process id written as text."""
    return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 11 else None


def cut(pattern: re.Pattern[str]) -> Callable[[Table], None]:
    """Cut `message` into the pattern's named groups, which become source columns; a text of another form makes the
    record `rejected`."""
    names = sorted(pattern.groupindex, key=lambda name: pattern.groupindex[name])

    def before(table: Table) -> None:
        lines = texts(table)
        found = [pattern.match(line) if line is not None else None for line in lines]
        for row, match in enumerate(found):
            if match is None:
                table.reject(row, "the text is not of this log's form")
        groups = [match.groupdict() if match is not None else {} for match in found]
        for name in names:
            table.source[name] = [group.get(name) for group in groups]

    return before


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of message: its pattern, where its groups go, and what it means."""

    pattern: re.Pattern[str]
    sets: Mapping[str, Any] = field(default_factory=dict)
    # Renames groups: Python's group names hold no dot.
    groups: Mapping[str, str] = field(default_factory=dict)


def line(pattern: str, **sets: Any) -> Line:
    """A kind of message. Keys of `sets` and the pattern's groups have `__` for the dots of ECS names."""
    compiled = re.compile(pattern, re.ASCII)
    return Line(
        compiled,
        {name.replace("__", "."): value for name, value in sets.items()},
        {name: name.replace("__", ".") for name in compiled.groupindex},
    )


def classified(table: Table, lines: Mapping[str, Sequence[Line]], programs: Sequence[str | None]) -> None:
    """Match each record's `message` with the lines of its program, in order; the first that matches sets its columns.

    `lines[""]` are tried for every program after its own.
    """
    bodies = texts(table)
    columns: dict[str, list[Any]] = {}
    rows_of: dict[str, list[int]] = {}
    for row, program in enumerate(programs):
        rows_of.setdefault(program or "", []).append(row)
    for program, rows in rows_of.items():
        kinds = [*lines.get(program, ()), *lines[""]] if program else list(lines[""])
        for kind in kinds:
            if not rows:
                break
            match = kind.pattern.match
            found = [(row, match(bodies[row] or "")) for row in rows]
            rows = [row for row, hit in found if hit is None]
            hits = [(row, hit) for row, hit in found if hit is not None]
            if not hits:
                continue
            for group, name in kind.groups.items():
                column = columns.setdefault(name, [None] * table.n)
                for row, hit in hits:
                    if hit[group] is not None:
                        column[row] = hit[group]
            for name, value in kind.sets.items():
                column = columns.setdefault(name, [None] * table.n)
                for row, _ in hits:
                    column[row] = value
    for name, column in columns.items():
        table.set(name, column)
