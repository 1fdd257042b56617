"""The head of a syslog message: RFC 5424, RFC 3164 as it is really sent, and files that syslog daemons write.

What the head says of its sender is a claim; `tocsin.peer` says who connected.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

FACILITIES: Final = (
    *("kernel", "user-level", "mail", "system", "security/authorization", "syslogd", "printer", "network-news"),
    *("uucp", "clock", "security/authorization2", "ftp", "ntp", "log-audit", "log-alert", "clock2"),
    *(f"local{number}" for number in range(8)),
)
SEVERITIES: Final = ("Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug")


class Head(NamedTuple):
    """What stands before the message. `time` is as sent; `data` the structured data of RFC 5424, unread."""

    message: str
    priority: int | None = None
    time: str | None = None
    host: str | None = None
    program: str | None = None
    pid: str | None = None
    msgid: str | None = None
    data: str | None = None
    version: str | None = None


_PRIORITY: Final = re.compile(r"<(\d{1,3})>", re.ASCII)
_5424: Final = re.compile(r"(\d{1,2}) (\S{1,64}) (\S{1,255}) (\S{1,255}) (\S{1,128}) (\S{1,64}) ", re.ASCII)
_ELEMENT: Final = re.compile(
    r'\[([^\s=\]"]{1,64})((?: [^\s=\]"]{1,64}="(?:\\.|[^"\\\]])*")*) ?\]', re.ASCII | re.DOTALL
)
_PAIR: Final = re.compile(r' ([^\s=\]"]{1,64})="((?:\\.|[^"\\\]])*)"', re.ASCII | re.DOTALL)
# A sequence number (Cisco), a mark for an unsynchronised clock (* or .), then one of the two kinds of time.
_TIME: Final = re.compile(
    r"(?:\d{1,10}: )?[*.]?("
    r"[A-Z][a-z]{2} {1,2}\d{1,2}(?: \d{4})? \d\d:\d\d:\d\d(?:\.\d{1,9})?(?: \d{4}(?= ))?"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
    r"):? +",
    re.ASCII,
)
_HOST: Final = re.compile(r"(\S{0,254}[^\s:]) +", re.ASCII)
_TAG: Final = re.compile(r"([^\s:\[\]]{1,128})(?:\[([^\]\s]{0,64})\])?:(?: |$)", re.ASCII)


def head(text: str) -> Head:
    """The head of one message; a text without one is all message."""
    at = 0
    priority: int | None = None
    if match := _PRIORITY.match(text):
        priority, at = int(match[1]), match.end()
        if priority > 191:
            return Head(text)
        if match := _5424.match(text, at):
            return _new(text, match, priority)
    match = _TIME.match(text, at)
    if match is None:
        tag = _TAG.match(text, at) if priority is not None else None
        if tag is None:
            return Head(text[at:], priority)
        return Head(text[tag.end() :], priority, program=tag[1], pid=tag[2])
    time, at = match[1], match.end()
    host: str | None = None
    tag = _TAG.match(text, at)
    if tag is None and (match := _HOST.match(text, at)):
        host, at = match[1], match.end()
        tag = _TAG.match(text, at)
    if tag is None:
        return Head(text[at:], priority, time, host)
    return Head(text[tag.end() :], priority, time, host, tag[1], tag[2])


def heads(texts: Sequence[str | None]) -> list[Head]:
    """The heads of many messages."""
    return [head(text) if text else Head("") for text in texts]


def _new(text: str, match: re.Match[str], priority: int) -> Head:
    version, time, host, program, pid, msgid = (None if part == "-" else part for part in match.groups())
    at = match.end()
    data: str | None = None
    if text.startswith("-", at):
        at += 1
    else:
        start = at
        while element := _ELEMENT.match(text, at):
            at = element.end()
        data = text[start:at] or None
    message = text[at:].removeprefix(" ").removeprefix("\ufeff")
    return Head(message, priority, time, host, program, pid, msgid, data, version)


def structured(data: str | None) -> dict[str, dict[str, str]]:
    """RFC 5424's structured data: element → parameter → value, escapes undone."""
    out: dict[str, dict[str, str]] = {}
    for element in _ELEMENT.finditer(data or ""):
        into = out.setdefault(element[1], {})
        for name, value in _PAIR.findall(element[2]):
            into[name] = re.sub(r'\\(["\\\]])', r"\1", value)
    return out
