"""Windows events as Winlogbeat 8 sends them (nothing of them mapped): Sysmon, Security, PowerShell."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from tocsin.simulate import Emission
from tocsin.simulate._site import DOMAIN, Dice, Host, digest
from tocsin.simulate._zeek import Flow

_SYSMON: Final = "Microsoft-Windows-Sysmon/Operational"
_SECURITY: Final = "Security"
_POWERSHELL: Final = "Microsoft-Windows-PowerShell/Operational"
_PROVIDERS: Final = {
    _SYSMON: ("Microsoft-Windows-Sysmon", "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}"),
    _SECURITY: ("Microsoft-Windows-Security-Auditing", "{54849625-5478-4994-A5BA-3E3B0328C30D}"),
    _POWERSHELL: ("Microsoft-Windows-PowerShell", "{A0C1853B-5C40-4B15-8766-3CF1C58F985A}"),
}
_TASKS: Final = {
    (_SYSMON, 1): "Process Create (rule: ProcessCreate)",
    (_SYSMON, 3): "Network connection detected (rule: NetworkConnect)",
    (_SYSMON, 5): "Process terminated (rule: ProcessTerminate)",
    (_SYSMON, 11): "File created (rule: FileCreate)",
    (_SYSMON, 22): "Dns query (rule: DnsQuery)",
    (_SECURITY, 4624): "Logon",
    (_SECURITY, 4634): "Logoff",
    (_SECURITY, 4688): "Process Creation",
    (_POWERSHELL, 4104): "Execute a Remote Command",
}
SYSTEM32: Final = "C:\\Windows\\System32\\"
CMD: Final = SYSTEM32 + "cmd.exe"
POWERSHELL: Final = SYSTEM32 + "WindowsPowerShell\\v1.0\\powershell.exe"
EXPLORER: Final = "C:\\Windows\\explorer.exe"
EDGE: Final = "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe"
# What stands in a program's resources.
_ABOUT: Final = {
    "cmd.exe": ("Windows Command Processor", "Cmd.Exe"),
    "powershell.exe": ("Windows PowerShell", "PowerShell.EXE"),
    "explorer.exe": ("Windows Explorer", "EXPLORER.EXE"),
    "msedge.exe": ("Microsoft Edge", "msedge.exe"),
    "conhost.exe": ("Console Window Host", "CONHOST.EXE"),
    "svchost.exe": ("Host Process for Windows Services", "svchost.exe"),
    "whoami.exe": ("whoami - displays logged on user information", "whoami.exe"),
}


@dataclass(slots=True)
class Process:
    """A process of a host."""

    host: Host
    guid: str
    pid: int
    image: str
    command_line: str
    user: str
    started: datetime
    parent: Process | None = None
    directory: str = SYSTEM32
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its file's name."""
        return self.image.rpartition("\\")[2]


def _event(
    dice: Dice, host: Host, channel: str, code: int, when: datetime, message: str, data: dict[str, Any]
) -> Emission:
    provider, guid = _PROVIDERS[channel]
    task = _TASKS[channel, code]
    lines = "\n".join(f"{name}: {value}" for name, value in data.items())
    winlog: dict[str, Any] = {
        "api": "wineventlog",
        "channel": channel,
        "computer_name": host.fqdn,
        "event_data": {name: str(value) for name, value in data.items()},
        "event_id": str(code),
        "opcode": "Info",
        "process": {"pid": 1872 + host.sid % 7 * 4, "thread": {"id": 3944}},
        "provider_guid": guid,
        "provider_name": provider,
        "record_id": dice.record(host.name, channel),
        "task": task,
    }
    if channel == _SYSMON:
        winlog["user"] = {"domain": "NT AUTHORITY", "identifier": "S-1-5-18", "name": "SYSTEM", "type": "User"}
        winlog["version"] = 5
    elif channel == _SECURITY:
        winlog["keywords"] = ["Audit Success"]
    document = {
        "@timestamp": _iso(when),
        "event": {
            "action": task,
            "code": str(code),
            "created": _iso(when),
            "kind": "event",
            "provider": provider,
        },
        "host": {"name": host.fqdn},
        "log": {"level": "information"},
        "message": f"{message}\n{lines}",
        "winlog": winlog,
        "agent": {
            "id": _uuid(digest("md5", "agent", host.name)),
            "name": host.name,
            "type": "winlogbeat",
            "version": "8.19.2",
        },
        "ecs": {"version": "8.0.0"},
    }
    raw = orjson.dumps(document)
    return Emission(when, "winlogbeat", "ndjson", raw, f"winlogbeat/{host.name}.ndjson", "winlogbeat-8.19.2")


def _iso(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"


def _sysmon_time(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S.") + f"{when.microsecond // 1000:03d}"


def _uuid(text: str) -> str:
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"


def _logon(host: Host) -> str:
    return "0x" + digest("md5", "logon", host.name, host.user)[:6]


def _hashes(image: str) -> str:
    of = ("program", image.lower())
    imphash = digest("md5", "imphash", image.lower())
    return (
        f"SHA1={digest('sha1', *of).upper()},MD5={digest('md5', *of).upper()},"
        f"SHA256={digest('sha256', *of).upper()},IMPHASH={imphash.upper()}"
    )


def process(
    dice: Dice,
    host: Host,
    when: datetime,
    image: str,
    command_line: str,
    parent: Process | None = None,
    *,
    user: str | None = None,
    directory: str = SYSTEM32,
) -> Process:
    """A new process; `created` tells of it."""
    account = user or f"CORP\\{host.user}"
    guid = f"{{{_uuid(digest('md5', host.name)[:8] + dice.hex(24)).upper()}}}"
    return Process(host, guid, dice.pid(host.name), image, command_line, account, when, parent, directory)


def created(dice: Dice, it: Process) -> Emission:
    """Sysmon 1."""
    about, original = _ABOUT.get(it.name.lower(), (it.name, it.name))
    parent = it.parent
    data = {
        "RuleName": "-",
        "UtcTime": _sysmon_time(it.started),
        "ProcessGuid": it.guid,
        "ProcessId": it.pid,
        "Image": it.image,
        "FileVersion": "10.0.22621.3235 (WinBuild.160101.0800)" if "\\Windows\\" in it.image else "131.0.2903.63",
        "Description": about,
        "Product": "Microsoft\u00ae Windows\u00ae Operating System" if "\\Windows\\" in it.image else about,
        "Company": "Microsoft Corporation",
        "OriginalFileName": original,
        "CommandLine": it.command_line,
        "CurrentDirectory": it.directory,
        "User": it.user,
        "LogonGuid": f"{{{_uuid(digest('md5', 'logon', it.host.name, it.user)).upper()}}}",
        "LogonId": _logon(it.host),
        "TerminalSessionId": 1 if it.user.startswith("CORP\\") else 0,
        "IntegrityLevel": "Medium" if it.user.startswith("CORP\\") else "System",
        "Hashes": _hashes(it.image),
        "ParentProcessGuid": parent.guid if parent else "{00000000-0000-0000-0000-000000000000}",
        "ParentProcessId": parent.pid if parent else 776,
        "ParentImage": parent.image if parent else "-",
        "ParentCommandLine": parent.command_line if parent else "-",
        "ParentUser": parent.user if parent else "-",
    }
    return _event(dice, it.host, _SYSMON, 1, it.started, "Process Create:", data)


def ended(dice: Dice, it: Process, when: datetime) -> Emission:
    """Sysmon 5."""
    data = {"RuleName": "-", "UtcTime": _sysmon_time(when), "ProcessGuid": it.guid, "ProcessId": it.pid}
    return _event(dice, it.host, _SYSMON, 5, when, "Process terminated:", data | {"Image": it.image, "User": it.user})


def connected(dice: Dice, it: Process, when: datetime, link: Flow, name: str = "-") -> Emission:
    """Sysmon 3."""
    data = {
        "RuleName": "-",
        "UtcTime": _sysmon_time(when),
        "ProcessGuid": it.guid,
        "ProcessId": it.pid,
        "Image": it.image,
        "User": it.user,
        "Protocol": link.transport,
        "Initiated": "true",
        "SourceIsIpv6": "false",
        "SourceIp": link.source,
        "SourceHostname": it.host.fqdn,
        "SourcePort": link.sport,
        "SourcePortName": "-",
        "DestinationIsIpv6": "false",
        "DestinationIp": link.destination,
        "DestinationHostname": name,
        "DestinationPort": link.dport,
        "DestinationPortName": {80: "http", 443: "https"}.get(link.dport, "-"),
    }
    return _event(dice, it.host, _SYSMON, 3, when, "Network connection detected:", data)


def wrote(dice: Dice, it: Process, when: datetime, path: str) -> Emission:
    """Sysmon 11."""
    data = {
        "RuleName": "-",
        "UtcTime": _sysmon_time(when),
        "ProcessGuid": it.guid,
        "ProcessId": it.pid,
        "Image": it.image,
        "TargetFilename": path,
        "CreationUtcTime": _sysmon_time(when),
        "User": it.user,
    }
    return _event(dice, it.host, _SYSMON, 11, when, "File created:", data)


def asked(dice: Dice, it: Process, when: datetime, name: str, answers: list[str]) -> Emission:
    """Sysmon 22."""
    data = {
        "RuleName": "-",
        "UtcTime": _sysmon_time(when),
        "ProcessGuid": it.guid,
        "ProcessId": it.pid,
        "QueryName": name,
        "QueryStatus": 0 if answers else 9003,
        "QueryResults": "".join(f"::ffff:{answer};" for answer in answers) or "-",
        "Image": it.image,
        "User": it.user,
    }
    return _event(dice, it.host, _SYSMON, 22, when, "Dns query:", data)


def script_block(dice: Dice, it: Process, when: datetime, text: str, path: str = "") -> Emission:
    """PowerShell 4104, which names its process by pid only."""
    data = {
        "MessageNumber": 1,
        "MessageTotal": 1,
        "ScriptBlockText": text,
        "ScriptBlockId": _uuid(dice.hex(32)),
        "Path": path,
    }
    emission = _event(dice, it.host, _POWERSHELL, 4104, when, "Creating Scriptblock text (1 of 1):", data)
    document = orjson.loads(emission.raw)
    winlog = document["winlog"]
    winlog["process"] = {"pid": it.pid, "thread": {"id": it.pid + 1284}}
    domain, _, name = it.user.partition("\\")
    winlog["user"] = {
        "domain": domain,
        "identifier": f"S-1-5-21-1004336348-1177238915-682003330-{it.host.sid}",
        "name": name,
        "type": "User",
    }
    winlog["opcode"] = "On create calls"
    document["log"]["level"] = "verbose"
    return Emission(when, emission.sensor, "ndjson", orjson.dumps(document), emission.file, emission.index)


def started_4688(dice: Dice, it: Process) -> Emission:
    """Security 4688, with the command line."""
    domain, _, name = it.user.partition("\\")
    data = {
        "SubjectUserSid": f"S-1-5-21-1004336348-1177238915-682003330-{it.host.sid}",
        "SubjectUserName": name,
        "SubjectDomainName": domain,
        "SubjectLogonId": _logon(it.host),
        "NewProcessId": hex(it.pid),
        "NewProcessName": it.image,
        "TokenElevationType": "%%1936",
        "ProcessId": hex(it.parent.pid if it.parent else 776),
        "CommandLine": it.command_line,
        "TargetUserSid": "S-1-0-0",
        "TargetUserName": "-",
        "TargetDomainName": "-",
        "TargetLogonId": "0x0",
        "ParentProcessName": it.parent.image if it.parent else SYSTEM32 + "services.exe",
        "MandatoryLabel": "S-1-16-8192",
    }
    return _event(dice, it.host, _SECURITY, 4688, it.started, "A new process has been created.", data)


def logged_on(dice: Dice, host: Host, when: datetime, user: str, kind: int, source: str = "-") -> Emission:
    """Security 4624."""
    data = {
        "SubjectUserSid": "S-1-5-18",
        "SubjectUserName": f"{host.name}$",
        "SubjectDomainName": "CORP",
        "SubjectLogonId": "0x3e7",
        "TargetUserSid": f"S-1-5-21-1004336348-1177238915-682003330-{host.sid}",
        "TargetUserName": user,
        "TargetDomainName": "CORP",
        "TargetLogonId": "0x" + dice.hex(6),
        "LogonType": kind,
        "LogonProcessName": "Kerberos" if kind == 3 else "User32 ",
        "AuthenticationPackageName": "Kerberos" if kind == 3 else "Negotiate",
        "WorkstationName": "-" if kind == 3 else host.name,
        "LogonGuid": f"{{{_uuid(dice.hex(32)).upper()}}}",
        "TransmittedServices": "-",
        "LmPackageName": "-",
        "KeyLength": 0,
        "ProcessId": "0x0" if kind == 3 else "0x2f4",
        "ProcessName": "-" if kind == 3 else SYSTEM32 + "svchost.exe",
        "IpAddress": source,
        "IpPort": dice.port() if source != "-" else 0,
        "ImpersonationLevel": "%%1833",
    }
    return _event(dice, host, _SECURITY, 4624, when, "An account was successfully logged on.", data)


def session(dice: Dice, host: Host, when: datetime) -> tuple[list[Emission], Process]:
    """Somebody signs in: the logon and the desktop's explorer, from which everything else starts."""
    userinit = process(dice, host, when, SYSTEM32 + "userinit.exe", SYSTEM32 + "userinit.exe")
    explorer = process(dice, host, dice.at((when - dice.start).total_seconds() + 0.4), EXPLORER, EXPLORER, userinit)
    return [logged_on(dice, host, when, host.user, 2), created(dice, explorer)], explorer


__all__ = ["DOMAIN", "Process"]
