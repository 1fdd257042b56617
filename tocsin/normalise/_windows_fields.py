"""Which field of a Windows event's data is which ECS field: one table for the mapping and for the aliases.

A line says the event codes and, for each source name, the ECS name and how it is read. A value that stands in the ECS
column exactly as the source wrote it is not stored again under its own name (`aliases` tell where it is): that is so
for `same`, `int` and `guid` values, except single ones that were changed on the way, which are stored too.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tocsin.lang.fields import Alias, scope_of
from tocsin.normalise._windows_codes import (
    DEFENDER,
    POWERSHELL_OPERATIONAL,
    SECURITY,
    SYSMON,
    SYSMON_LINUX,
    SYSTEM,
    TASKS,
)

PREFIX: Final = "winlog.event_data."
USER_PREFIX: Final = "winlog.user_data."


class Target(NamedTuple):
    """Where a source field goes: `read` is same, int, guid (all three aliases) or copy, hex (its own is stored too)."""

    ecs: str
    read: str


# Codes, then "Source=ecs.name:read …" for each of their fields.
_SYSMON: Final = """
1 2 3 5 7 9 11 12 13 14 15 17 18 22 23 24 25 26 27 28 29:
    ProcessGuid=process.entity_id:guid ProcessId=process.pid:int Image=process.executable
1 2 3 5 7 9 11 12 13 14 15 17 18 22 23 24 25 26 27 28 29 6 8 10 19 20 21:
    RuleName=rule.name
8 10:
    SourceProcessGuid=process.entity_id:guid SourceProcessGUID=process.entity_id:guid
    SourceProcessId=process.pid:int SourceImage=process.executable
10:
    SourceThreadId=process.thread.id:int
1:
    CommandLine=process.command_line CurrentDirectory=process.working_directory
    ParentProcessGuid=process.parent.entity_id:guid ParentProcessId=process.parent.pid:int
    ParentImage=process.parent.executable ParentCommandLine=process.parent.command_line
    OriginalFileName=process.pe.original_file_name Company=process.pe.company Description=process.pe.description
    FileVersion=process.pe.file_version Product=process.pe.product
    IntegrityLevel=process.Ext.token.integrity_level_name LogonId=winlog.logon.id
2 11 15 23 26 27 28 29:
    TargetFilename=file.path
9:
    Device=file.path
17 18:
    PipeName=file.name
6 7:
    ImageLoaded=file.path SignatureStatus=file.code_signature.status:copy
7:
    OriginalFileName=file.pe.original_file_name Company=file.pe.company Description=file.pe.description
    FileVersion=file.pe.file_version Product=file.pe.product
3:
    Protocol=network.transport SourceHostname=source.domain DestinationHostname=destination.domain
    SourcePort=source.port:int DestinationPort=destination.port:int SourceIp=source.ip:copy
    DestinationIp=destination.ip:copy
22:
    QueryName=dns.question.name
12 13 14:
    TargetObject=registry.path
25:
    Type=message:copy
255:
    ID=error.code Description=error.message
"""
_SECURITY: Final = """
1102 4648 4656 4657 4658 4660 4661 4662 4663 4664 4670 4672 4673 4674 4688 4689 4690 4696 4697 4698 4699 4700
4701 4702 4703 4704 4705 4719 4720 4722 4723 4724 4725 4726 4727 4728 4729 4730 4731 4732 4733 4734 4735 4737
4738 4740 4741 4742 4743 4754 4755 4756 4757 4758 4764 4767 4781 4798 4799 4907 4912 4985 5136 5137 5140 5142
5143 5144 5145 5379 5382:
    SubjectUserSid=user.id SubjectUserName=user.name SubjectDomainName=user.domain SubjectLogonId=winlog.logon.id
4624 4625 4634 4647 4768 4769 4770 4771 4776:
    TargetUserSid=user.id TargetSid=user.id TargetUserName=user.name TargetDomainName=user.domain
    TargetLogonId=winlog.logon.id
4778 4779:
    AccountName=user.name AccountDomain=user.domain LogonID=winlog.logon.id
4720 4722 4723 4724 4725 4726 4738 4740 4741 4742 4743 4767 4798:
    TargetSid=user.target.id TargetUserName=user.target.name TargetDomainName=user.target.domain
4648:
    TargetUserName=user.effective.name TargetDomainName=user.effective.domain
4727 4728 4729 4730 4731 4732 4733 4734 4735 4737 4754 4755 4756 4757 4758 4764 4799:
    TargetSid=group.id TargetUserName=group.name TargetDomainName=group.domain
4611 4624 4625 4648 4656 4657 4658 4660 4663 4670 4673 4674 4689 4696 4703 4798 4799 4907 4912 4985:
    ProcessId=process.pid:hex ProcessName=process.executable
4688:
    NewProcessId=process.pid:hex NewProcessName=process.executable CommandLine=process.command_line
    ProcessId=process.parent.pid:hex ParentProcessName=process.parent.executable
4624 4625 4648 4768 4769 4770 4771 5140 5145:
    IpAddress=source.ip:copy IpPort=source.port:copy
4624 4625:
    WorkstationName=source.domain
4776:
    Workstation=source.domain
4778 4779:
    ClientName=source.domain ClientAddress=source.ip:copy
5152 5156 5157:
    SourceAddress=source.ip:copy SourcePort=source.port:int DestAddress=destination.ip:copy
    DestPort=destination.port:int
5154 5155 5158 5159:
    SourceAddress=source.ip:copy SourcePort=source.port:int
5152 5154 5155 5156 5157 5158 5159:
    Application=process.executable ProcessId=process.pid:int
4697:
    ServiceName=service.name
"""
_POWERSHELL_OPERATIONAL: Final = """
4104:
    ScriptBlockText=powershell.file.script_block_text Path=file.path MessageNumber=powershell.sequence:int
    MessageTotal=powershell.total:int
4104 4105 4106:
    ScriptBlockId=powershell.file.script_block_id
4105 4106:
    RunspaceId=powershell.runspace_id
"""
_SYSTEM: Final = """
7045:
    ServiceName=service.name
"""
_DEFENDER: Final = """
1006 1007 1008 1015 1116 1117 1118 1119:
    ThreatName=rule.name:copy
"""
_TASKS: Final = """
129:
    Path=process.executable ProcessID=process.pid:int
"""
_FIELDS: Final = {
    SYSMON: _SYSMON,
    SYSMON_LINUX: _SYSMON,
    SECURITY: _SECURITY,
    POWERSHELL_OPERATIONAL: _POWERSHELL_OPERATIONAL,
    SYSTEM: _SYSTEM,
    DEFENDER: _DEFENDER,
    TASKS: _TASKS,
}


def _tables() -> dict[tuple[str, str], dict[str, Target]]:
    out: dict[tuple[str, str], dict[str, Target]] = {}
    for dataset, text in _FIELDS.items():
        codes: list[str] = []
        for word in text.split():
            name, is_field, target = word.partition("=")
            if not is_field:
                codes = [word] if not codes or codes[-1].endswith(":") else [*codes, word]
                continue
            ecs, _, read = target.partition(":")
            for code in codes:
                out.setdefault((dataset, code.removesuffix(":")), {})[name] = Target(ecs, read or "same")
    return out


TABLES: Final = _tables()
# Fields of UserData that rules ask for by their bare names, as if they stood in EventData.
_USER_DATA: Final = """
SubjectUserSid SubjectUserName SubjectDomainName SubjectLogonId Channel BackupPath
Namespace NamespaceName ESS CONSUMER PossibleCause Query User ClientMachine Operation Component ResultCode Id
ClientProcessId ProviderName Code HostProcess ProviderPath Processid
Address SessionID Reason Source Param1 Param2 Param3 EventXML
DriverName Name Path DeviceName Error Status FileName FullFilePath FilePath PolicyName RuleName Fqbn
"""
_UNNAMED: Final = 24


def aliases() -> tuple[Alias, ...]:
    """Where a Windows field's values stand if not under its own name."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for (dataset, code), table in TABLES.items():
        for name, target in table.items():
            if target.read in ("same", "int", "guid"):
                places.setdefault((dataset, name, target.ecs), []).append(code)
    found = [
        Alias(PREFIX + name, ecs, scope_of([dataset], codes)) for (dataset, name, ecs), codes in sorted(places.items())
    ]
    found += [Alias(PREFIX + name, USER_PREFIX + name) for name in _USER_DATA.split()]
    # Rules ask for the hash by a name of its own; Sysmon writes it among the others.
    found.append(Alias(PREFIX + "Imphash", "process.pe.imphash", scope_of([SYSMON], ["1", "23", "24", "25"])))
    found.append(Alias(PREFIX + "Imphash", "file.pe.imphash", scope_of([SYSMON], ["6", "7", "15", "26", "29"])))
    # Classic events have unnamed values; Sigma calls them all Data, Winlogbeat param1, param2, …
    found += [Alias(PREFIX + "Data", f"{PREFIX}param{number}") for number in range(1, _UNNAMED + 1)]
    return tuple(found)
