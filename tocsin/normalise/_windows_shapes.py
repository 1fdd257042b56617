"""The ways in which a Windows event comes, brought to one: columns of its System part, its data and what else it has.

| shape | from | known by |
|---|---|---|
| evtx | the EVTX parser's JSON; Windows Event XML once read | `Event.System` |
| winlog | Winlogbeat 7 and later, Elastic Agent | `winlog` |
| beat6 | Winlogbeat 6 | `log_name`, `event_id` |
| flat | NXLog and what copies it | `Channel` or `SourceName`, `EventID` |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.event.records import Columns, explode
from tocsin.normalise import _windows_xml as xml
from tocsin.normalise._windows_values import rendered_guid

Document = dict[str, Any]
Values = list[Any]


@dataclass(slots=True)
class Group:
    """Events of one shape, channel and code. `system` has our names (provider, record_id …), `data` and `user_data` the
    source's, `rest` ECS names or the shipper's; every column is `len(rows)` long."""

    shape: str
    channel: str
    code: str
    rows: list[int]
    system: Columns = field(default_factory=dict)
    data: Columns = field(default_factory=dict)
    user_data: Columns = field(default_factory=dict)
    rest: Columns = field(default_factory=dict)

    def get(self, name: str) -> Values:
        """A system column, all missing where the source has none."""
        return self.system.get(name) or [None] * len(self.rows)


def groups(documents: Sequence[Document]) -> tuple[list[Group], dict[int, str]]:
    """The documents' groups, and for each row that is no Windows event the reason."""
    reasons: dict[int, str] = {}
    found: dict[tuple[str, str, str], tuple[list[int], list[Document]]] = {}
    shapes: dict[tuple[str, ...], str] = {}
    for row, document in enumerate(documents):
        names = tuple(document)
        shape = shapes.get(names)
        if shape is None:
            shape = shapes[names] = _shape(document)
        if shape == "text":
            document, reason = _from_text(document)
            if reason:
                reasons[row] = reason
                continue
            shape = _shape(document)
        try:
            channel, code = _KEY[shape](document)
        except (KeyError, TypeError, AttributeError):
            reasons[row] = "no Windows event: neither Event.System nor winlog, nor a channel with an event code"
            continue
        key = (shape, channel if type(channel) is str else "", code)
        rows, members = found.setdefault(key, ([], []))
        rows.append(row)
        members.append(document)
    out = []
    for (shape, channel, code), (rows, members) in found.items():
        group = Group(shape, channel, code, rows)
        _sort(group, explode(members))
        out.append(group)
    return out, reasons


def _shape(document: Document) -> str:
    if "Event" in document or "System" in document:
        return "evtx"
    if "EventID" in document:
        return "flat"
    if "log_name" in document or "event_data" in document:
        return "beat6"
    if "winlog" in document or any(name.startswith("winlog.") for name in document):
        # Winlogbeat can be told to leave the XML unread.
        return "winlog"
    return "text" if "message" in document or "event" in document or "event.original" in document else ""


def _from_text(document: Document) -> tuple[Document, str]:
    """The event of a record that holds it as XML, with what its shipper wrote around it."""
    event = document.get("event")
    nested = event.get("original") if isinstance(event, dict) else None
    for text in (document.get("message"), document.get("event.original"), nested):
        if isinstance(text, str) and xml.looks_like_xml(text):
            read = xml.document(text)
            if isinstance(read, str):
                return document, read
            around = {name: value for name, value in document.items() if name not in ("message", "event.original")}
            if isinstance(event, dict):
                around["event"] = {name: value for name, value in event.items() if name != "original"}
            return {**around, **read}, ""
    return document, "no Windows event: no XML in message or event.original"


def _code(value: Any) -> str:
    if type(value) is dict:
        value = value.get("#text")
    if type(value) is int or (type(value) is str and value):
        return str(value)
    raise KeyError("event code")


def _evtx_key(document: Document) -> tuple[str, str]:
    system = (document.get("Event") or document)["System"]
    return system.get("Channel") or "", _code(system["EventID"])


def _winlog_key(document: Document) -> tuple[str, str]:
    inner = document.get("winlog")
    if type(inner) is dict:
        channel, code = inner.get("channel"), inner.get("event_id")
    else:
        channel, code = document.get("winlog.channel"), document.get("winlog.event_id")
    if code is None:
        event = document.get("event")
        code = event.get("code") if type(event) is dict else document.get("event.code")
    return channel or "", _code(code)


_KEY: Final[dict[str, Callable[[Document], tuple[str, str]]]] = {
    "evtx": _evtx_key,
    "winlog": _winlog_key,
    "beat6": lambda document: (document.get("log_name") or "", _code(document["event_id"])),
    "flat": lambda document: (document.get("Channel") or "", _code(document["EventID"])),
}

# ---- which column is what ----

_DROP: Final = ("", "")
_EVTX: Final = {
    "Provider.#attributes.Name": "provider",
    "Provider.#attributes.Guid": "provider_guid",
    "Provider.#attributes.EventSourceName": "event_source",
    "EventID": "",
    "EventID.#text": "",
    "EventID.#attributes.Qualifiers": "qualifiers",
    "Version": "version",
    "Level": "level",
    "Task": "task",
    "Opcode": "opcode",
    "Keywords": "keywords",
    "TimeCreated.#attributes.SystemTime": "time",
    "EventRecordID": "record_id",
    "Correlation.#attributes.ActivityID": "activity_id",
    "Correlation.#attributes.RelatedActivityID": "related_activity_id",
    "Execution.#attributes.ProcessID": "pid",
    "Execution.#attributes.ThreadID": "tid",
    "Channel": "",
    "Computer": "computer",
    "Security.#attributes.UserID": "user_id",
    "Security.#attributes.UserId": "user_id",
}
_WINLOG: Final = {
    "provider_name": "provider",
    "provider_guid": "provider_guid",
    "event_id": "",
    "channel": "",
    "computer_name": "computer",
    "record_id": "record_id",
    "process.pid": "pid",
    "process.thread.id": "tid",
    "version": "version",
    "opcode": "opcode",
    "task": "task",
    "keywords": "keywords",
    "activity_id": "activity_id",
    "related_activity_id": "related_activity_id",
    "user.identifier": "user_id",
    "user.name": "user_name",
    "user.domain": "user_domain",
    "user.type": "user_type",
    "time_created": "time",
}
_BEAT6: Final = {
    "log_name": "",
    "event_id": "",
    "source_name": "provider",
    "provider_guid": "provider_guid",
    "computer_name": "computer",
    "record_number": "record_id",
    "process_id": "pid",
    "thread_id": "tid",
    "version": "version",
    "level": "level",
    "opcode": "opcode",
    "task": "task",
    "keywords": "keywords",
    "activity_id": "activity_id",
    "related_activity_id": "related_activity_id",
    "user.identifier": "user_id",
    "user.name": "user_name",
    "user.domain": "user_domain",
    "user.type": "user_type",
    "type": "",
}
_FLAT: Final = {
    "Channel": "",
    "EventID": "",
    "SourceName": "provider",
    "ProviderGuid": "provider_guid",
    "Hostname": "computer",
    "Computer": "computer",
    "RecordNumber": "record_id",
    "EventRecordID": "record_id",
    "ExecutionProcessID": "pid",
    "ThreadID": "tid",
    "ExecutionThreadID": "tid",
    "Version": "version",
    "Task": "task",
    "Category": "task_name",
    "Opcode": "opcode_name",
    "OpcodeValue": "opcode",
    "Keywords": "keywords",
    "ActivityID": "activity_id",
    "RelatedActivityID": "related_activity_id",
    "UserID": "user_id",
    "AccountName": "user_name",
    "Domain": "user_domain",
    "AccountType": "user_type",
    "Level": "level",
    "Severity": "severity",
    "SeverityValue": "",
    "EventTypeOrignal": "",  # NXLog's own spelling, where the event has an EventType too
    "EventTime": "local_time",
    "TimeCreated": "time",
    "SystemTime": "time",
    "@timestamp": "shipped",
    "Message": "message",
    "@version": "",
}
# What NXLog and Logstash say of their own plumbing, as `@metadata` is for Beats: it is in `event.original` only.
_FLAT_SHIPPER: Final = frozenset(
    {"EventReceivedTime", "SourceModuleName", "SourceModuleType", "port", "host", "ERROR_EVT_UNRESOLVED"}
)
_NXLOG_TYPES: Final = frozenset(
    {"INFO", "WARNING", "ERROR", "CRITICAL", "VERBOSE", "DEBUG", "AUDIT_SUCCESS", "AUDIT_FAILURE"}
)
_GUID_NAME: Final = re.compile(r"(?i)guid\Z|ActivityID\Z")


def _role(shape: str, name: str) -> tuple[str, str]:
    """(system|data|user_data|rest, name there); `_DROP` for what is known otherwise or says nothing."""
    if shape == "evtx":
        return _evtx_role(name)
    if shape == "winlog":
        if not name.startswith("winlog."):
            return _shared_role(name)
        inner = name[7:]
        return _inner_role(inner, _WINLOG) or ("rest", name)
    if shape == "beat6":
        return _inner_role(name, _BEAT6) or (_beat6_rest(name) if name.startswith("beat.") else _shared_role(name))
    known = _FLAT.get(name)
    if known is not None:
        return ("system", known) if known else _DROP
    if name in _FLAT_SHIPPER:
        return _DROP
    return ("rest", name) if name in ("tags", "message") or name.startswith("tags.") else ("data", name)


def _inner_role(name: str, system: dict[str, str]) -> tuple[str, str] | None:
    known = system.get(name)
    if known is not None:
        return ("system", known) if known else _DROP
    if name.startswith("event_data."):
        return "data", name[11:]
    if name.startswith("user_data."):
        return "user_data", name[10:]
    return None


def _shared_role(name: str) -> tuple[str, str]:
    if name == "message":
        return "system", "message"
    if name == "@timestamp":
        return "system", "shipped"
    if name == "host.name":
        return "system", "host_name"
    if name in ("event.original", "ecs.version", "event.code", "event.kind", "event.dataset"):
        return _DROP  # set here, from the event itself
    if name in ("event.module", "event.provider", "@version") or name.startswith(("@metadata.", "data_stream.")):
        return _DROP
    return "rest", name


def _beat6_rest(name: str) -> tuple[str, str]:
    return {"beat.hostname": ("rest", "agent.name"), "beat.version": ("rest", "agent.version")}.get(name, _DROP)


def _evtx_role(name: str) -> tuple[str, str]:
    name = name.removeprefix("Event.")
    part, _, inner = name.partition(".")
    if part == "System":
        known = _EVTX.get(inner)
        return ("system", known) if known else _DROP
    if part == "EventData":
        if inner == "" or inner == "Data" or inner == "Data.#text":
            return "data", "#unnamed"
        if inner.startswith(("#attributes", "Data.#attributes")):
            return _DROP
        return "data", inner.removesuffix(".#text")
    if part == "UserData":
        _, _, inner = inner.partition(".")
        if not inner or inner.startswith("#attributes") or ".#attributes" in inner:
            return _DROP
        return "user_data", inner.removesuffix(".#text")
    if part == "RenderingInfo":
        known = {"Message": "message", "Task": "task_name", "Opcode": "opcode_name"}.get(inner)
        return ("system", known) if known else _DROP
    if part == "#attributes":
        return _DROP
    if part == "ProcessingErrorData":
        return "rest", f"winlog.processing_error_data.{inner}"
    return _shared_role(name)


_roles: dict[tuple[str, str], tuple[str, str]] = {}


def _sort(group: Group, columns: Columns) -> None:
    """Give every column its place; values of the data become texts, as Windows renders them."""
    parts = {"system": group.system, "data": group.data, "user_data": group.user_data, "rest": group.rest}
    evtx = group.shape == "evtx"
    for name, values in columns.items():
        key = (group.shape, name)
        role = _roles.get(key)
        if role is None:
            if len(_roles) > 32768:
                _roles.clear()
            role = _roles[key] = _role(group.shape, name)
        part, own = role
        if not part:
            continue
        if part == "data" or part == "user_data":
            if own == "#unnamed":
                _unnamed(group.data, values)
                continue
            values = _texts(values)
            if evtx and _GUID_NAME.search(own):
                values = [rendered_guid(value) for value in values]
        elif part == "system" and not set(map(type, values)) <= _SCALARS and own != "keywords":
            odd = [None if type(value) in _SCALARS else value for value in values]
            group.rest[f"unmapped.{name}"] = odd
            values = [value if type(value) in _SCALARS else None for value in values]
        if evtx and own in ("provider_guid", "activity_id", "related_activity_id"):
            values = [rendered_guid(value) for value in values]
        target = parts[part]
        held = target.get(own)
        target[own] = values if held is None else [b if a is None else a for a, b in zip(held, values, strict=True)]
    if group.shape == "flat" and "EventType" in group.data:
        # NXLog's own EventType, unless the event has one: then NXLog's is under another name.
        values = group.data["EventType"]
        group.system["event_type"] = values
        if not set(map(str, values)) - _NXLOG_TYPES - {"None"}:
            del group.data["EventType"]
        else:
            group.data["EventType"] = [
                None if type(value) is str and value in _NXLOG_TYPES else value for value in values
            ]


def _texts(values: Values) -> Values:
    kinds = set(map(type, values))
    return values if kinds <= _PLAIN else [_text(value) for value in values]


_PLAIN: Final = {str, type(None)}
_SCALARS: Final = {str, int, float, type(None)}


def _text(value: Any) -> Any:
    if value is None or type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is list:
        return [_text(item) for item in value if item is not None] or None
    return value if type(value) is dict else str(value)


def _unnamed(data: Columns, values: Values) -> None:
    """Values without names as param1, param2, … (Winlogbeat's names)."""
    width = max((len(value) if type(value) is list else 1 for value in values if value is not None), default=0)
    for place in range(min(width, 256)):
        column = [
            (value[place] if place < len(value) else None) if type(value) is list else value if place == 0 else None
            for value in values
        ]
        data.setdefault(f"param{place + 1}", _texts(column))
