"""One group of Windows events (`_windows_shapes.Group`) as ECS columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from tocsin.event import time
from tocsin.event.batch import BatchBuilder
from tocsin.event.canonical import VERSION, canonical_column
from tocsin.event.community_id import community_ids
from tocsin.event.ids import event_id, ids_with
from tocsin.event.ip import packed
from tocsin.event.records import Columns, Records
from tocsin.event.schema import RESERVED
from tocsin.normalise import _windows_codes as codes
from tocsin.normalise import _windows_values as read
from tocsin.normalise._windows_datasets import particular
from tocsin.normalise._windows_fields import PREFIX, TABLES, USER_PREFIX, Target
from tocsin.normalise._windows_shapes import Group
from tocsin.normalise._windows_values import NOTHING, Values, fill, mapped

FIELDS_SET: Final = frozenset(
    {
        *("@timestamp", "event.kind", "event.category", "event.type", "event.action", "event.code", "event.provider"),
        *("event.dataset", "event.module", "event.outcome", "event.created", "host.name", "host.hostname"),
        *("host.os.type", "log.level", "message", "user.id", "user.name", "user.domain", "process.name"),
        *("process.args", "process.args_count", "process.parent.name", "process.parent.args", "process.start"),
        *("process.hash.md5", "process.hash.sha1", "process.hash.sha256", "process.pe.imphash", "file.name"),
        *("file.directory", "file.extension", "file.hash.md5", "file.hash.sha1", "file.hash.sha256", "dll.path"),
        *("dll.name", "dll.hash.sha256", "dll.code_signature.trusted", "registry.hive", "registry.key"),
        *("registry.value", "registry.data.type", "registry.data.strings", "dns.answers", "dns.resolved_ip"),
        *("network.direction", "network.protocol", "network.type", "network.community_id", "source.ip"),
        *("destination.ip", "related.user", "related.ip", "related.hosts", "related.hash", "winlog.channel"),
        *("winlog.computer_name", "winlog.provider_name", "winlog.record_id", "winlog.logon.type"),
        *("tocsin.canonical.command_line", "tocsin.canonical.parent_command_line", "tocsin.canonical.script_block"),
        *("dll.code_signature.status", "dll.code_signature.subject_name", "dll.hash.md5", "dll.hash.sha1"),
        *("dll.pe.imphash", "dll.pe.original_file_name", "dns.answers.data", "dns.answers.type", "event.original"),
        *("event.sequence", "file.code_signature.subject_name", "file.code_signature.trusted", "file.pe.imphash"),
        *("network.iana_number", "process.title", "tags", "winlog.activity_id", "winlog.related_activity_id"),
        *("winlog.keywords", "winlog.level", "winlog.opcode", "winlog.process.pid", "winlog.process.thread.id"),
        *("winlog.provider_guid", "winlog.task", "winlog.version", "winlog.user.identifier", "winlog.user.name"),
        *("winlog.user.domain", "winlog.user.type", "tocsin.canonical.version", "powershell.command.name"),
        *("powershell.command.type", "powershell.command.path", "powershell.command.value"),
        *("powershell.engine.version", "powershell.engine.new_state", "powershell.engine.previous_state"),
        *("powershell.provider.name", "powershell.provider.new_state", "powershell.pipeline_id"),
        *("powershell.process.executable_version", "powershell.runspace_id"),
        # Whatever a provider writes: any name below these.
        *("winlog.event_data.*", "winlog.user_data.*"),
        *(target.ecs for table in TABLES.values() for target in table.values()),
    }
)
_MISSING_TIME: Final = np.iinfo(np.int64).min
_SEVERITIES: Final = {
    "info": "information",
    "notice": "information",
    "debug": "verbose",
    "logalways": "information",
    "critical error": "critical",
}
_OPCODES: Final = {
    "0": "Info",
    "1": "Start",
    "2": "Stop",
    "3": "DCStart",
    "4": "DCStop",
    "5": "Extension",
    "6": "Reply",
    "7": "Resume",
    "8": "Suspend",
    "9": "Send",
    "240": "Receive",
}


class Moments:
    """The batch's time columns, as whole µs."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._columns: dict[str, np.ndarray[Any, Any]] = {}
        self._beyond: dict[str, Values] = {}

    def set(self, name: str, rows: Sequence[int], micros: np.ndarray[Any, Any], sent: Sequence[Any]) -> None:
        """Set rows of a column; what lies beyond 1601–2299 becomes the nearest bound, the source's text kept."""
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = np.full(self._n, _MISSING_TIME, dtype=np.int64)
        there = micros != _MISSING_TIME
        bounded = np.where(there, np.clip(micros, time.EARLIEST, time.LATEST), _MISSING_TIME)
        column[np.asarray(rows)] = bounded
        for place in np.flatnonzero(bounded != micros).tolist():
            self._beyond.setdefault(name, [None] * self._n)[rows[place]] = str(sent[place])

    def put(self, builder: BatchBuilder) -> None:
        """Hand the columns over."""
        for name, column in self._columns.items():
            array = pa.array(column, mask=column == _MISSING_TIME).cast(pa.timestamp("us", tz="UTC"))
            builder.put(name, array)
        for name, values in self._beyond.items():
            builder.overflow(name, values)


class Made(NamedTuple):
    """A group as ECS: columns as long as it, and what is the same in all its events."""

    columns: Columns
    same: dict[str, Any]


def made(group: Group, channel: str, dataset: str, records: Records, moments: Moments) -> Made:
    """ECS columns of the group, and the source's own where they differ; times go to `moments`."""
    ecs: Columns = {}
    own: Columns = {}
    meaning = codes.MEANINGS.get((dataset, group.code))
    _map(group, TABLES.get((dataset, group.code), {}), ecs, own)
    _times(group, dataset, records, moments, ecs)
    _system(group, ecs)
    particular(group, dataset, ecs)
    _derive(group, ecs)
    for name, values in group.rest.items():
        name = "unmapped." + name if name in RESERVED or name.startswith("tocsin.") else name
        if not (name == "event.action" and meaning is not None and meaning.action):
            fill(ecs, name, values)
    if dataset not in _ONE_LEVEL and "log.level" in ecs:
        ecs["winlog.level"] = mapped(ecs["log.level"], codes.LEVEL_NUMBERS.get)
    same: dict[str, Any] = {
        "event.dataset": dataset,
        "event.module": dataset.partition(".")[0],
        "event.code": group.code,
        "event.kind": meaning.kind if meaning else "event",
        "host.os.type": "linux" if dataset == codes.SYSMON_LINUX else "windows",
    }
    if channel:
        same["winlog.channel"] = channel
    if meaning is not None:
        same |= {"event.category": list(meaning.category), "event.type": list(meaning.type)}
        if meaning.action:
            same["event.action"] = meaning.action
        if meaning.outcome:
            fill(ecs, "event.outcome", [meaning.outcome] * len(group.rows))
    for name, values in own.items():
        held = ecs.get(name)
        ecs[name] = values if held is None else [b if b is not None else a for a, b in zip(held, values, strict=True)]
    return Made({name: values for name, values in ecs.items() if name not in same}, same)


# ---- the table's fields ----


def _address(value: str) -> str | None:
    return value if packed(value) is not None else None


def _port(value: str) -> int | None:
    number = read.integer(value)
    return number or None


_COPIES: Final[dict[str, Callable[[str], Any]]] = {
    "source.ip": _address,
    "destination.ip": _address,
    "source.port": _port,
}
_READ: Final[dict[str, Callable[[str], Any]]] = {"int": read.integer, "hex": read.integer, "guid": read.guid}


def _map(group: Group, table: Mapping[str, Target], ecs: Columns, own: Columns) -> None:
    """Set ECS columns from the data; `own` gets the source's values that don't stand in one as they are."""
    for name, values in group.user_data.items():
        own[USER_PREFIX + name] = values
        if name not in group.data and (target := table.get(name)) is not None:
            fill(ecs, target.ecs, mapped(values, read.present))
    for name, values in group.data.items():
        target = table.get(name)
        if target is None:
            own[PREFIX + name] = values
            continue
        if target.read == "copy":
            own[PREFIX + name] = values
            fill(ecs, target.ecs, mapped(values, _COPIES.get(target.ecs, read.present)))
            continue
        if target.read == "same":
            made, left = _same(values)
        else:
            made = mapped(values, _READ[target.read])
            left = values if target.read == "hex" else _unlike(values, made)
        if target.ecs in ecs:
            fill(ecs, target.ecs, made)
            left = _unlike(values, ecs[target.ecs])
        else:
            ecs[target.ecs] = made
        if left is not None:
            own[PREFIX + name] = left


def _same(values: Values) -> tuple[Values, Values | None]:
    """The values that say something, and (if any) those that say nothing or are lists."""
    try:
        odd = not NOTHING.isdisjoint(values)
    except TypeError:
        odd = True
    if not odd:
        return values, None
    made = [value if type(value) is str and value not in NOTHING else None for value in values]
    return made, [None if kept is not None else value for value, kept in zip(values, made, strict=True)]


def _unlike(values: Values, made: Values) -> Values | None:
    """The source's values that the ECS column doesn't show as they are, or None where it shows all."""
    left = [
        None if value is None or (ecs is not None and str(ecs) == value) else value
        for value, ecs in zip(values, made, strict=True)
    ]
    return left if any(value is not None for value in left) else None


# ---- time and identity ----


def micros(values: Sequence[Any], zone: str | None = None) -> np.ndarray[Any, Any]:
    """Times as µs; the least int64 where there is none or it can't be read."""
    if not zone and set(map(type, values)) <= {str, type(None)}:
        for kind in (pa.timestamp("ns", tz="UTC"), pa.timestamp("ns")):
            try:
                array = pa.array(values, pa.string()).cast(kind).cast(pa.int64())
            except (pa.ArrowInvalid, UnicodeEncodeError):
                continue
            there = array.fill_null(0).to_numpy(zero_copy_only=False) // 1000
            return np.where(array.is_null().to_numpy(zero_copy_only=False), _MISSING_TIME, there)
    out = np.full(len(values), _MISSING_TIME, dtype=np.int64)
    for place, value in enumerate(values):
        moment = time.read(value, zone_name=zone)
        if moment is not None and abs(moment) < 1 << 62:
            out[place] = moment
    return out


def _times(group: Group, dataset: str, records: Records, moments: Moments, ecs: Columns) -> None:
    created, sent = _created(group, records)
    stamp = created
    if dataset in _SYSMONS and "UtcTime" in group.data:
        told = micros(group.data["UtcTime"])
        stamp = np.where(told == _MISSING_TIME, created, told)
        if group.shape != "flat":  # NXLog's times are of whole seconds
            moments.set("event.created", group.rows, created, sent)
            group.rest.pop("event.created", None)
    moments.set("@timestamp", group.rows, stamp, sent)
    if (created_by := group.rest.pop("event.created", None)) is not None:
        moments.set("event.created", group.rows, micros(created_by), created_by)
    if (dataset, group.code) in _STARTS:
        moments.set("process.start", group.rows, stamp, sent)
        if dataset == codes.SECURITY:
            ecs["process.entity_id"] = _entities(group, ecs, stamp)
    seconds = (stamp // time.SECOND).tolist()
    channel = group.channel.lower()
    computers = group.get("computer")
    ids: Values = [None] * len(group.rows)
    if channel and "record_id" in group.system:
        numbers = group.system["record_id"]
        makers = {
            computer: ids_with("windows", str(computer).lower(), channel)
            for computer in set(computers)
            if computer is not None
        }
        ids = [
            makers[computer](str(number), second)
            if number is not None and computer is not None and second != _NO_SECOND
            else None
            for computer, number, second in zip(computers, numbers, seconds, strict=True)
        ]
    ecs["tocsin.id"] = ids


_NO_SECOND: Final = _MISSING_TIME // time.SECOND
# Data sets whose events are all information, but for trouble of the source itself.
_SYSMONS: Final = frozenset({codes.SYSMON, codes.SYSMON_LINUX})
_ONE_LEVEL: Final = frozenset({*_SYSMONS, codes.SECURITY, codes.POWERSHELL})
_STARTS: Final = frozenset({(codes.SYSMON, "1"), (codes.SYSMON_LINUX, "1"), (codes.SECURITY, "4688")})


def _created(group: Group, records: Records) -> tuple[np.ndarray[Any, Any], Values]:
    """When the events were created, and what the source wrote."""
    texts = group.get("time")
    if None not in texts:
        return micros(texts), texts
    shipped = group.get("shipped")
    local = group.get("local_time")
    zone = records.origins[group.rows[0]].zone
    out = micros(texts)
    sent = list(texts)
    # NXLog's EventTime is local time without a zone unless told otherwise: right where the source's zone is set, else
    # the shipper's UTC time is nearer to the truth.
    zoned = [value if type(value) is str and _has_zone(value) else None for value in local]
    for values, where in ((zoned, None), (local if zone else [], zone), (shipped, None), (local, None)):
        gaps = out == _MISSING_TIME
        if not gaps.any():
            break
        if not any(value is not None for value in values):
            continue
        more = micros(values, where)
        sent = [b if gap else a for a, b, gap in zip(sent, values, gaps.tolist(), strict=True)]
        out = np.where(gaps, more, out)
    return out, sent


def _has_zone(value: str) -> bool:
    return value.endswith("Z") or value[-6:-5] in ("+", "-") or (value[-5:-4] in ("+", "-") and ":" in value[:-5])


def _entities(group: Group, ecs: Columns, stamp: np.ndarray[Any, Any]) -> Values:
    """Ids for processes of a source that has none: host, pid and the second of the start (some ways tell no more)."""
    return [
        None if pid is None else event_id("process", computer, pid, start)
        for computer, pid, start in zip(
            group.get("computer"),
            ecs.get("process.pid", [None] * len(group.rows)),
            (stamp // time.SECOND).tolist(),
            strict=True,
        )
    ]


# ---- the System part ----


def _integers(values: Values) -> Values:
    kinds = set(map(type, values))
    if kinds <= {int, type(None)}:
        return values
    if kinds <= {str, type(None)}:
        return mapped(values, read.integer)
    return [value if type(value) is int else read.integer(value) if type(value) is str else None for value in values]


def _texts(values: Values) -> Values:
    return values if set(map(type, values)) <= {str, type(None)} else [_text(value) for value in values]


def _text(value: Any) -> str | None:
    return value if type(value) is str else str(value) if type(value) is int else None


_SYSTEM_NUMBERS: Final = (
    ("record_id", "winlog.record_id"),
    ("pid", "winlog.process.pid"),
    ("tid", "winlog.process.thread.id"),
    ("version", "winlog.version"),
)
_SYSTEM_TEXTS: Final = (
    ("provider_guid", "winlog.provider_guid"),
    ("activity_id", "winlog.activity_id"),
    ("related_activity_id", "winlog.related_activity_id"),
    ("user_id", "winlog.user.identifier"),
    ("user_name", "winlog.user.name"),
    ("user_domain", "winlog.user.domain"),
    ("user_type", "winlog.user.type"),
)


def _system(group: Group, ecs: Columns) -> None:
    system = group.system
    for name, target in _SYSTEM_NUMBERS:
        if name in system:
            ecs[target] = _integers(system[name])
    if "winlog.record_id" in ecs:
        ecs["event.sequence"] = ecs["winlog.record_id"]  # the order of events of one time
    for name, target in _SYSTEM_TEXTS:
        if name in system:
            values = _texts(system[name])
            ecs[target] = mapped(values, str.lower) if name == "provider_guid" else values
    if "user_id" in system:
        fill(ecs, "user.id", ecs["winlog.user.identifier"])
    if "provider" in system:
        ecs["winlog.provider_name"] = ecs["event.provider"] = _texts(system["provider"])
    named_by = system.get("computer") or system.get("host_name")
    if named_by is not None:
        computers = _texts(named_by)
        ecs["winlog.computer_name"] = ecs["host.name"] = computers
        ecs["host.hostname"] = mapped(computers, _short_name)
    if "message" in system:
        fill(ecs, "message", system["message"])
    if "level" in system or "severity" in system:
        fill(ecs, "log.level", mapped(_texts(system.get("level") or system["severity"]), _level))
    tasks = system.get("task_name") or system.get("task")
    if tasks is not None and (named := mapped(_texts(tasks), _named)) and any(named):
        ecs["winlog.task"] = named
    opcodes = mapped(_texts(group.get("opcode")), lambda value: _OPCODES.get(value) or _named(value))
    fill(ecs, "winlog.opcode", opcodes)
    if None in opcodes and "opcode_name" in system:
        fill(ecs, "winlog.opcode", _texts(system["opcode_name"]))
    if "keywords" in system:
        ecs["winlog.keywords"] = [
            [item for item in value if type(item) is str] or None if type(value) is list else read.keywords(value)
            for value in system["keywords"]
        ]


def _short_name(computer: str) -> str | None:
    return (computer if packed(computer) is not None else computer.partition(".")[0]) or None


def _level(value: str) -> str | None:
    value = value.lower()
    return codes.LEVELS.get(value) or _SEVERITIES.get(value, value) or None


def _named(value: str) -> str | None:
    return None if value.isdigit() else value or None


# ---- what is derived ----


def _derive(group: Group, ecs: Columns) -> None:
    """Names of paths, arguments, relations, canonical text: of whatever columns there are by now."""
    for side in ("process", "process.parent"):
        if f"{side}.executable" in ecs:
            fill(ecs, f"{side}.name", mapped(ecs[f"{side}.executable"], read.base_name))
        line = ecs.get(f"{side}.command_line")
        if line is not None:
            ecs[f"{side}.args"] = split = [None if v is None else list(v) for v in mapped(line, read.arguments)]
            if side == "process":
                ecs["process.args_count"] = [None if v is None else len(v) for v in split]
            short = "command_line" if side == "process" else "parent_command_line"
            ecs[f"tocsin.canonical.{short}"] = canonical_column(line)
            ecs["tocsin.canonical.version"] = [VERSION] * len(line)
    script = ecs.get("powershell.file.script_block_text")
    if script is not None:
        ecs["tocsin.canonical.script_block"] = canonical_column(script)
        ecs["tocsin.canonical.version"] = [VERSION] * len(script)
    path = ecs.get("file.path")
    if path is not None:
        fill(ecs, "file.name", mapped(path, read.base_name))
        fill(ecs, "file.directory", mapped(path, read.directory))
        fill(ecs, "file.extension", mapped(path, read.extension))
    _related(group, ecs)


def _related(group: Group, ecs: Columns) -> None:
    users = [ecs[name] for name in _USER_NAMES if name in ecs]
    users += [mapped(group.data[name], read.present) for name in _USER_DATA if name in group.data]
    if users:
        ecs["related.user"] = read.joined(*users)
    addresses = [ecs[name] for name in ("source.ip", "destination.ip", "dns.resolved_ip") if name in ecs]
    if addresses:
        ecs["related.ip"] = read.joined(*addresses)
    if "source.ip" in ecs and "destination.ip" in ecs:
        ecs["network.community_id"] = list(
            community_ids(
                ecs["source.ip"],
                ecs.get("source.port") or [None] * len(group.rows),
                ecs["destination.ip"],
                ecs.get("destination.port") or [None] * len(group.rows),
                ecs.get("network.transport") or [None] * len(group.rows),
            )
        )


_USER_NAMES: Final = ("user.name", "user.effective.name", "user.target.name")
_USER_DATA: Final = ("SubjectUserName", "TargetUserName")
