"""What is particular to one Windows data set: Sysmon's hashes and signatures, outcomes, PowerShell's context …"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tocsin.event.ip import packed
from tocsin.event.records import Columns
from tocsin.normalise import _windows_codes as codes
from tocsin.normalise import _windows_values as read
from tocsin.normalise._windows_shapes import Group
from tocsin.normalise._windows_values import NOTHING, Values, fill, mapped


def _sysmon(group: Group, ecs: Columns) -> None:
    data, code = group.data, group.code
    if "User" in data and code not in ("19", "20", "21"):
        _user(ecs, data["User"])
    hashes = data.get("Hashes") or data.get("Hash")
    if hashes is not None:
        _hashes(code, mapped(hashes, read.hashes), ecs)
    if code == "7" or code == "6":
        _image(data, ecs, library=code == "7")
    elif code in ("12", "13", "14") and "registry.path" in ecs:
        path = ecs["registry.path"]
        ecs["registry.hive"] = mapped(path, read.hive)
        ecs["registry.key"] = mapped(path, read.registry_key)
        if code == "13":
            ecs["registry.value"] = mapped(path, read.base_name)
            if "Details" in data:
                ecs["registry.data.type"] = mapped(data["Details"], read.registry_type)
                ecs["registry.data.strings"] = mapped(data["Details"], read.registry_strings)
    elif code == "3":
        ecs["network.direction"] = mapped(data.get("Initiated") or [], {"true": "egress", "false": "ingress"}.get) or [
            None
        ] * len(group.rows)
        for side in ("SourceIsIpv6", "DestinationIsIpv6"):
            if side in data:
                fill(ecs, "network.type", mapped(data[side], {"true": "ipv6", "false": "ipv4"}.get))
        for side in ("DestinationPortName", "SourcePortName"):
            if side in data:
                fill(ecs, "network.protocol", mapped(data[side], read.present))
    elif code == "22":
        ecs["network.protocol"] = ["dns"] * len(group.rows)
        if "QueryResults" in data:
            found = mapped(data["QueryResults"], read.answers)
            ecs["dns.answers"] = [list(value[0]) or None if value else None for value in found]
            ecs["dns.answers.data"] = [
                [a["data"] for a in value[0] if "data" in a] if value else None for value in found
            ]
            ecs["dns.answers.type"] = [[a["type"] for a in value[0]] if value else None for value in found]
            ecs["dns.resolved_ip"] = [
                [a for a in value[1] if packed(a) is not None] or None if value else None for value in found
            ]
            names = [[a["data"] for a in value[0] if "data" in a and a["type"] not in ("A", "AAAA")] if value else None
                     for value in found]  # fmt: skip
            ecs["related.hosts"] = read.joined(names, ecs.get("dns.question.name") or [None] * len(group.rows))


_PROCESS_HASHES: Final = frozenset({"1", "23", "24", "25"})
_HASHES: Final = ("md5", "sha1", "sha256", "sha512")


def _hashes(code: str, values: Values, ecs: Columns) -> None:
    sides = ("process",) if code in _PROCESS_HASHES else ("file", "dll") if code == "7" else ("file",)
    for name in (*_HASHES, "imphash"):
        column = [None if value is None else value.get(name) for value in values]
        if any(column):
            for side in sides:
                ecs[f"{side}.pe.imphash" if name == "imphash" else f"{side}.hash.{name}"] = column
    ecs["related.hash"] = [list(dict.fromkeys(value.values())) or None if value else None for value in values]


def _image(data: Columns, ecs: Columns, *, library: bool) -> None:
    n = len(ecs["event.provider"]) if "event.provider" in ecs else len(next(iter(data.values()), []))
    signed = data.get("Signed") or [None] * n
    status = data.get("SignatureStatus") or [None] * n
    trusted = [
        None if flag is None or flag in NOTHING else flag == "true" and state == "Valid"
        for flag, state in zip(signed, status, strict=True)
    ]
    ecs["file.code_signature.trusted"] = trusted
    ecs["file.code_signature.subject_name"] = mapped(data.get("Signature") or [None] * n, read.present)
    if library:
        # `Signed` holds a reason where the check failed; that is the status then.
        failed = [value if value not in ("true", "false", None) else None for value in signed]
        ecs["dll.code_signature.status"] = [
            a or (b if b is not None and b not in NOTHING else None) for a, b in zip(failed, status, strict=True)
        ]
        ecs["dll.code_signature.trusted"] = trusted
        ecs["dll.code_signature.subject_name"] = ecs["file.code_signature.subject_name"]
        if "file.path" in ecs:
            ecs["dll.path"] = ecs["file.path"]
            ecs["dll.name"] = mapped(ecs["file.path"], read.base_name)
        if "file.pe.original_file_name" in ecs:
            ecs["dll.pe.original_file_name"] = ecs["file.pe.original_file_name"]


_DIRECTIONS: Final = {"%%14592": "inbound", "%%14593": "outbound"}


def _security(group: Group, ecs: Columns) -> None:
    data, code = group.data, group.code
    missing: Values = [None] * len(group.rows)
    names = ecs.get("winlog.keywords", missing)
    kinds = group.system.get("event_type", missing)
    fill(ecs, "event.outcome", [_outcome(held, kind) for held, kind in zip(names, kinds, strict=True)])
    if "LogonType" in data:
        ecs["winlog.logon.type"] = mapped(data["LogonType"], codes.LOGON_TYPES.get)
    if code == "4688" and "MandatoryLabel" in data:
        ecs["process.Ext.token.integrity_level_name"] = mapped(data["MandatoryLabel"], codes.INTEGRITY.get)
    if code in ("5152", "5154", "5155", "5156", "5157", "5158", "5159"):
        if "Protocol" in data:
            ecs["network.transport"] = mapped(data["Protocol"], codes.TRANSPORTS.get)
            ecs["network.iana_number"] = mapped(data["Protocol"], read.present)
        if "Direction" in data:
            ecs["network.direction"] = mapped(data["Direction"], _DIRECTIONS.get)


def _outcome(keywords: Sequence[str] | None, kind: Any) -> str | None:
    """Audit success or failure, from the keywords, or NXLog's type of event."""
    names = keywords or ()
    if "Audit Success" in names or kind == "AUDIT_SUCCESS":
        return "success"
    return "failure" if "Audit Failure" in names or kind == "AUDIT_FAILURE" else None


# Names as events 400 to 800 write them, `\\tName=value`, and as 4103 does, `        Name = value`.
_CLASSIC: Final = {
    f"\n\t{name}=": target
    for name, target in {
        "HostApplication": "process.command_line",
        "HostName": "process.title",
        "EngineVersion": "powershell.engine.version",
        "HostVersion": "powershell.process.executable_version",
        "RunspaceId": "powershell.runspace_id",
        "PipelineId": "powershell.pipeline_id",
        "CommandName": "powershell.command.name",
        "CommandType": "powershell.command.type",
        "CommandPath": "powershell.command.path",
        "CommandLine": "powershell.command.value",
        "ScriptName": "file.path",
        "NewEngineState": "powershell.engine.new_state",
        "PreviousEngineState": "powershell.engine.previous_state",
        "ProviderName": "powershell.provider.name",
        "NewProviderState": "powershell.provider.new_state",
        "UserId": "",
    }.items()
}
_OPERATIONAL: Final = {
    f"\n        {name} = ": target
    for name, target in {
        "Host Application": "process.command_line",
        "Host Name": "process.title",
        "Engine Version": "powershell.engine.version",
        "Host Version": "powershell.process.executable_version",
        "Runspace ID": "powershell.runspace_id",
        "Pipeline ID": "powershell.pipeline_id",
        "Command Name": "powershell.command.name",
        "Command Type": "powershell.command.type",
        "Command Path": "powershell.command.path",
        "Script Name": "file.path",
        "User": "",
    }.items()
}
_CLASSIC_PLACES: Final = {"400": ("param3",), "403": ("param3",), "600": ("param3",), "800": ("param2",)}


def _powershell(group: Group, ecs: Columns) -> None:
    places = [group.data[name] for name in _CLASSIC_PLACES.get(group.code, ()) if name in group.data]
    if not places and group.code in _CLASSIC_PLACES and "message" in group.system:
        places = [group.system["message"]]  # NXLog renders the message only
    for values in places:
        _contexts(values, _CLASSIC, ecs)
    if group.code == "800" and "param1" in group.data:
        fill(ecs, "powershell.command.value", group.data["param1"])


def _powershell_operational(group: Group, ecs: Columns) -> None:
    if "pid" in group.system and group.code in ("4100", "4103", "4104", "4105", "4106"):
        # PowerShell itself writes these, so the writer is the process.
        fill(ecs, "process.pid", ecs["winlog.process.pid"])
    if group.code in ("4103", "4100") and "ContextInfo" in group.data:
        _contexts(group.data["ContextInfo"], _OPERATIONAL, ecs)


def _contexts(values: Values, targets: Mapping[str, str], ecs: Columns) -> None:
    names = tuple(targets)
    found = mapped(values, lambda value: read.context(value, names))
    there = {name for value in found if value for name in value}
    for name, target in targets.items():
        if name in there:
            column = [None if value is None else value.get(name) for value in found]
            if target:
                fill(ecs, target, column)
            else:
                _user(ecs, column)


def _defender(group: Group, ecs: Columns) -> None:
    data = group.data
    if "Threat Name" in data:
        ecs["rule.name"] = mapped(data["Threat Name"], read.present)
    if "Path" in data:
        ecs["file.path"] = mapped(data["Path"], _defender_path)
    for name in ("Detection User", "User"):
        if name in data:
            _user(ecs, data[name])
    if "Process Name" in data:
        ecs["process.executable"] = mapped(data["Process Name"], lambda v: None if v in ("", "-", "Unknown") else v)


def _defender_path(value: str) -> str | None:
    """The first file of Defender's `file:_C:\\…; file:_D:\\…`."""
    first = value.partition("; ")[0]
    kind, found, path = first.partition(":_")
    return (path if found and kind in ("file", "containerfile") else None) or None


def _user(ecs: Columns, values: Values) -> None:
    """DOMAIN\\name as two columns."""
    fill(ecs, "user.domain", mapped(values, read.domain))
    fill(ecs, "user.name", mapped(values, read.account))


_DATASETS: Final[dict[str, Callable[[Group, Columns], None]]] = {
    codes.SYSMON: _sysmon,
    codes.SYSMON_LINUX: _sysmon,
    codes.SECURITY: _security,
    codes.POWERSHELL: _powershell,
    codes.POWERSHELL_OPERATIONAL: _powershell_operational,
    codes.DEFENDER: _defender,
}


def particular(group: Group, dataset: str, ecs: Columns) -> None:
    """Set what only this data set has."""
    derive = _DATASETS.get(dataset)
    if derive is not None:
        derive(group, ecs)
