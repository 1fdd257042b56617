"""The head of a syslog message: RFC 5424, RFC 3164 as it is really sent, and files that syslog daemons write.

What the head says of its sender is a claim; `tocsin.peer` says who connected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

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
    # rsyslog's %msg% keeps the blank that stood behind an RFC 3164 tag, so its RFC 5424 template sends two.
    message = text[at:].removeprefix(" ").removeprefix("\ufeff").removeprefix(" ")
    return Head(message, priority, time, host, program, pid, msgid, data, version)


def structured(data: str | None) -> dict[str, dict[str, str]]:
    """RFC 5424's structured data: element → parameter → value, escapes undone."""
    out: dict[str, dict[str, str]] = {}
    for element in _ELEMENT.finditer(data or ""):
        into = out.setdefault(element[1], {})
        for name, value in _PAIR.findall(element[2]):
            into[name] = re.sub(r'\\(["\\\]])', r"\1", value)
    return out


# How syslog daemons name a message's parts in the documents that they send to Elasticsearch, most usual first:
# syslog-ng's `$(format-json --scope rfc5424)`, rsyslog's StdJSONFmt and the templates that its users write.
_NAMES: Final = {
    "time": ("ISODATE", "timereported", "@timestamp"),
    "host": ("HOST", "fromhost", "sysloghost", "hostname", "host"),
    "program": ("PROGRAM", "programname", "program", "app-name", "syslogtag", "tag"),
    "pid": ("PID", "procid", "pid"),
    "msgid": ("MSGID", "msgid"),
}
_FACILITY: Final = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp"),
    *("audit", "alert", "clock", *(f"local{number}" for number in range(8))),
)
_SEVERITY: Final = {
    "emerg": 0, "panic": 0, "alert": 1, "crit": 2, "err": 3, "error": 3, "warning": 4, "warn": 4, "notice": 5,
    "info": 6, "debug": 7,
}  # fmt: skip
_LONGEST: Final = {"time": 64, "host": 255, "program": 128, "pid": 64, "msgid": 64}


def is_document(names: Collection[str]) -> bool:
    """Whether a JSON document of these names is a syslog message as a daemon writes it."""
    if "MESSAGE" in names:
        return "HOST" in names or "PROGRAM" in names
    return "message" in names and "facility" in names and ("priority" in names or "severity" in names)


def from_document(document: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The message of such a document in the form of RFC 5424, and what the document has beyond it; None where it has no
    text."""
    rest = dict(document)
    message = rest.pop("MESSAGE", None)
    if message is None:
        message = rest.pop("message", None)
    if type(message) is not str:
        return None
    facility = rest.pop("FACILITY", None) or rest.pop("facility", None)
    severity = rest.pop("PRIORITY", None) or rest.pop("priority", None) or rest.pop("severity", None)
    priority = _number(facility, _FACILITY.index, 1) * 8 + _number(severity, _SEVERITY.__getitem__, 5)
    parts = {part: _part(rest, part) for part in _NAMES}
    if parts["program"].endswith(":"):  # a tag: sshd[811]:
        program, _, pid = parts["program"].rstrip(":").partition("[")
        parts["program"], parts["pid"] = program or "-", pid.rstrip("]") or parts["pid"]
    head = " ".join(parts.values())
    return f"<{priority}>1 {head} - {message.removeprefix(' ')}", rest


def _number(name: object, index: Callable[[str], int], default: int) -> int:
    try:
        return index(name.lower()) if isinstance(name, str) else default
    except (ValueError, KeyError):
        return default


def _part(rest: dict[str, Any], part: str) -> str:
    for name in _NAMES[part]:
        value = rest.get(name)
        if type(value) in (str, int):
            text = str(value).strip()
            if text and len(text) <= _LONGEST[part] and not any(c.isspace() for c in text):
                del rest[name]
                return text
    return "-"
