"""`tocsin.ancestor.{1,2,3}.*` in searches: not columns of `events`, but what table `processes` says of the parents.

A test on an ancestor becomes sub-selects: the processes that satisfy it, their children, and so on down to the parents
of the events that are asked for. Chains are followed as the matcher does (`detect._ancestors`): by entity id, and for
Security 4688, which names its parent by pid only, by the last start of that pid on the host before the child's own, if
the executable agrees. The engine's limit on memory bounds them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import pyarrow as pa

from tocsin.errors import UnsupportedError
from tocsin.event.schema import Column, Kind
from tocsin.lang.ir import Field, Op, Source
from tocsin.lang.sql import Writer, quote

_LEVELS: Final = (1, 2, 3)
# The event's own word on its parent stands before what is stored of the parent.
_OWN: Final = {
    "name": "process.parent.name",
    "executable": "process.parent.executable",
    "command_line": "process.parent.command_line",
    "canonical": "tocsin.canonical.parent_command_line",
}
_SCRIPT: Final = "script"  # worked out of a command line by a program, not by SQL


def _keyword(name: str) -> Column:
    return Column(name, Kind.KEYWORD, False, pa.string(), "Nullable(String)")


NAMES: Final[dict[str, Column]] = {
    f"tocsin.ancestor.{level}.{part}": _keyword(f"tocsin.ancestor.{level}.{part}")
    for level in _LEVELS
    for part in (*_OWN, _SCRIPT)
}
_PROCESS: Final = {part: _keyword(part) for part in _OWN}
_COLUMNS: Final = f"host, entity_id, parent, {', '.join(_OWN)}"
# A process that was seen twice is its start.
_KNOWN: Final = (
    f"(SELECT {_COLUMNS} FROM processes ORDER BY host, entity_id, isNull(start), start, isNull(command_line), event"
    " LIMIT 1 BY host, entity_id)"
)
_BY_PID: Final = (
    "(SELECT host, entity_id, assumeNotNull(pid) AS own, assumeNotNull(start) AS began, executable,"
    " ifNull(parent_pid, -1) AS above, parent_executable, name, command_line, canonical"
    " FROM processes WHERE isNull(parent) AND isNotNull(pid) AND isNotNull(start))"
)
_CHILDREN: Final = (
    "(SELECT c.host AS host, c.entity_id AS entity_id, c.own AS own, p.entity_id AS parent"
    f" FROM {_BY_PID} AS c ASOF JOIN {_BY_PID} AS p ON c.host = p.host AND c.above = p.own AND c.began >= p.began"
    " WHERE isNull(c.parent_executable) OR lower(c.parent_executable) = lower(p.executable))"
)


def _condition(level: int, part: str, writer: Writer, kind: Kind, op: Op) -> str:
    if part == _SCRIPT:
        raise UnsupportedError(f"tocsin.ancestor.{level}.{_SCRIPT} is known to rules only, not to searches")
    inner = replace(writer, hot=_PROCESS, keys=frozenset(), folded=frozenset(), spellings={}, made={})
    wanted = inner.test(Field(part, kind, (Source(part, True),)), op)
    by_entity = f"SELECT host, entity_id FROM {_KNOWN} WHERE {wanted}"
    by_pid = f"SELECT host, entity_id, [own] AS pids FROM {_BY_PID} WHERE {wanted}"
    for below in range(level):
        if below:
            by_entity = f"SELECT host, entity_id FROM {_KNOWN} WHERE (host, parent) IN ({by_entity})"
        # A pid that comes again ends the chain.
        by_pid = (
            "SELECT k.host AS host, k.entity_id AS entity_id, arrayPushBack(a.pids, k.own) AS pids"
            f" FROM {_CHILDREN} AS k JOIN ({by_pid}) AS a ON k.host = a.host AND k.parent = a.entity_id"
            " WHERE NOT has(a.pids, k.own)"
        )
    found = (
        f"((`host.name`, `process.parent.entity_id`) IN ({by_entity})"
        " OR (`event.code` = '4688' AND isNull(`process.parent.entity_id`)"
        f" AND (`host.name`, `process.entity_id`) IN (SELECT host, entity_id FROM ({by_pid}))))"
    )
    if level > 1:
        return found
    own = _OWN[part]
    told = writer.test(Field(own, kind, (Source(own, True),)), op)
    return f"if(isNotNull({quote(own)}), ifNull({told}, 0), ifNull({found}, 0))"


MADE: Final[dict[str, Callable[[Writer, Kind, Op], str]]] = {
    f"tocsin.ancestor.{level}.{part}": partial(_condition, level, part)
    for level in _LEVELS
    for part in (*_OWN, _SCRIPT)
}
