"""What Windows events mean in ECS: `event.action`, `event.category` and `event.type` by data set and event code.

Actions and categories are those of Elastic's integrations (windows, system), which public rules ask for; where these
name a category or type that ECS 9 doesn't allow, ECS decides.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Meaning(NamedTuple):
    """What an event of one code is."""

    action: str | None
    category: tuple[str, ...]
    type: tuple[str, ...]
    kind: str = "event"
    outcome: str | None = None


SYSMON: Final = "windows.sysmon_operational"
SYSMON_LINUX: Final = "sysmon_linux.log"  # Sysmon for Linux writes the same events, to syslog
SECURITY: Final = "system.security"
SYSTEM: Final = "system.system"
APPLICATION: Final = "system.application"
POWERSHELL: Final = "windows.powershell"
POWERSHELL_OPERATIONAL: Final = "windows.powershell_operational"
DEFENDER: Final = "windows.windows_defender"
TASKS: Final = "windows.task_scheduler"
WMI: Final = "windows.wmi_activity"

# code | action | categories | types, a line a code (or several codes of one meaning)
_SYSMON: Final = """
1 | Process creation | process | start
2 | A process changed a file creation time | file | change
3 | Network connection | network | start connection protocol
4 | Sysmon service state changed | process | change
5 | Process terminated | process | end
6 | Driver loaded | driver | start
7 | Image loaded | process library | change start
8 | CreateRemoteThread | process | change
9 | RawAccessRead | process | access
10 | ProcessAccess | process | access
11 | FileCreate | file | creation
12 | RegistryEvent (Object create and delete) | configuration registry | change
13 | RegistryEvent (Value Set) | configuration registry | change
14 | RegistryEvent (Key and Value Rename) | configuration registry | change
15 | FileCreateStreamHash | file | access
16 | ServiceConfigurationChange | configuration | change
17 | PipeEvent (Pipe Created) | file | creation
18 | PipeEvent (Pipe Connected) | file | access
19 | WmiEvent (WmiEventFilter activity detected) | process | info
20 | WmiEvent (WmiEventConsumer activity detected) | process | change
21 | WmiEvent (WmiEventConsumerToFilter activity detected) | process | access
22 | DNSEvent (DNS query) | network | connection protocol info
23 | FileDelete (File Delete archived) | file | deletion
24 | ClipboardChange (New content in the clipboard) | process | change
25 | ProcessTampering (Process image change) | process | change
26 | FileDeleteDetected (File Delete logged) | file | deletion
27 | FileBlockExecutable | file | creation | event | failure
28 | FileBlockShredding | file | deletion
29 | FileExecutableDetected | file | creation
255 | Error | process | error | event | failure
"""
_SECURITY: Final = """
1100 | logging-service-shutdown | process | end
1102 | audit-log-cleared | iam | admin change
1104 | logging-full | iam | admin
1105 | auditlog-archieved | iam | admin
1108 | logging-processing-error | iam | admin
4610 | authentication-package-loaded | configuration | access
4611 | trusted-logon-process-registered | configuration | change
4614 | notification-package-loaded | configuration | access
4616 | system-time-changed | configuration | change
4622 | security-package-loaded | configuration | access
4624 | logged-in | authentication | start
4625 | logon-failed | authentication | start
4634 4647 | logged-out | authentication | end
4648 | logged-in-explicit | authentication | start
4656 | handle-requested | file | access
4657 | registry-value-modified | registry configuration | change
4658 | handle-closed | file | access
4661 | object-handle-requested | iam | access
4662 | object-operation-performed | iam | admin info
4663 | object-accessed | file | access
4670 | permissions-changed | iam configuration | admin change
4672 | logged-in-special | iam | admin
4673 | privileged-service-called | iam | admin
4674 | privileged-operation | iam | admin
4688 | created-process | process | start
4689 | exited-process | process | end
4696 | primary-token-assigned | process | change
4697 | service-installed | iam configuration | admin change
4698 | scheduled-task-created | iam configuration | creation admin
4699 | scheduled-task-deleted | iam configuration | deletion admin
4700 | scheduled-task-enabled | iam configuration | change admin
4701 | scheduled-task-disabled | iam configuration | change admin
4702 | scheduled-task-updated | iam configuration | change admin
4703 | token-right-adjusted | iam | change
4706 | domain-trust-added | configuration | creation
4707 | domain-trust-removed | configuration | deletion
4713 | kerberos-policy-changed | configuration | change
4714 | encrypted-data-recovery-policy-changed | configuration | change
4715 | object-audit-policy-changed | configuration | change
4716 | trusted-domain-information-changed | configuration | change
4717 | system-security-access-granted | iam configuration | admin change
4718 | system-security-access-removed | iam configuration | admin deletion
4719 | changed-audit-config | iam configuration | admin change
4720 | added-user-account | iam | user creation
4722 | enabled-user-account | iam | user change
4723 | changed-password | iam | user change
4724 | reset-password | iam | user change
4725 | disabled-user-account | iam | user deletion
4726 | deleted-user-account | iam | user deletion
4727 4731 4754 | added-group-account | iam | group creation
4728 4732 4756 | added-member-to-group | iam | group change
4729 4733 4757 | removed-member-from-group | iam | group change
4730 4734 4758 | deleted-group-account | iam | group deletion
4735 4737 4755 | modified-group-account | iam | group change
4738 | modified-user-account | iam | user change
4739 | domain-policy-changed | configuration | change
4740 | locked-out-user-account | iam | user change
4741 | added-computer-account | iam | creation admin
4742 | changed-computer-account | iam | change admin
4743 | deleted-computer-account | iam | deletion admin
4744 4749 4759 | added-distribution-group-account | iam | group creation
4745 4750 4760 | changed-distribution-group-account | iam | group change
4746 4751 4761 | added-member-to-distribution-group | iam | group change
4747 4752 4762 | removed-member-from-distribution-group | iam | group change
4748 4753 4763 | deleted-distribution-group-account | iam | group deletion
4764 | type-changed-group-account | iam | group change
4767 | unlocked-user-account | iam | user change
4768 | kerberos-authentication-ticket-requested | authentication | start
4769 | kerberos-service-ticket-requested | authentication | start
4770 | kerberos-service-ticket-renewed | authentication | start
4771 | kerberos-preauth-failed | authentication | start
4776 | credential-validated | authentication | start
4778 | session-reconnected | authentication session | start
4779 | session-disconnected | authentication session | end
4781 | renamed-user-account | iam | user change
4798 | group-membership-enumerated | iam | user info
4799 | user-member-enumerated | iam | group info
4817 | object-audit-changed | iam configuration | admin change
4902 | user-audit-policy-created | iam configuration | admin creation
4904 | security-event-source-added | iam configuration | admin change
4905 | security-event-source-removed | iam configuration | admin deletion
4906 | crash-on-audit-changed | iam configuration | admin change
4907 | audit-setting-changed | iam configuration | admin change
4908 | special-group-table-changed | iam configuration | admin change
4912 | per-user-audit-policy-changed | iam configuration | admin change
4950 | windows-firewall-setting-changed | configuration | change
4954 | windows-firewall-group-policy-changed | configuration | change
4964 | logged-in-special | iam | admin group
5024 | windows-firewall-service-started | process | start
5025 | windows-firewall-service-stopped | process | end
5031 | windows-firewall-application-blocked | network | denied
5136 | directory-service-object-modified | configuration | change
5137 | directory-service-object-created | configuration | creation
5140 | network-share-object-accessed | network file | info access
5145 | network-share-object-access-checked | network file | info access
5152 | windows-firewall-packet-block | network | info denied
5154 5155 | windows-filtering-platform-listen | network | info
5156 | windows-firewall-connection | network | connection start allowed
5157 | windows-firewall-packet-block | network | connection info denied
5158 | windows-filtering-platform-bind | network | info allowed
5379 5382 | credential-manager-credentials-read | iam | access
"""
_POWERSHELL: Final = """
400 | Engine Lifecycle | process | start
403 | Engine Lifecycle | process | end
600 | Provider Lifecycle | process | info
800 | Pipeline Execution Details | process | info
"""
_POWERSHELL_OPERATIONAL: Final = """
4103 | Executing Pipeline | process | info
4104 | Execute a Remote Command | process | info
4105 | Starting Command | process | start
4106 | Stopping Command | process | end
"""
_SYSTEM: Final = """
104 | event-log-cleared | configuration | deletion
1074 | shutdown-initiated | host | end
6005 | event-log-service-started | host | start
6006 | event-log-service-stopped | host | end
7034 7036 | service-state-changed | process | change
7040 | service-start-type-changed | configuration | change
7045 | service-installed | configuration | creation
"""
_DEFENDER: Final = """
1006 1015 | malware-found | malware | info | alert
1007 1117 | malware-acted-on | malware | info | alert
1008 1118 1119 | malware-action-failed | malware | info | alert | failure
1116 | malware-detected | malware | info | alert
1121 1122 | attack-surface-rule-fired | intrusion_detection | info
1127 | controlled-folder-access-blocked | intrusion_detection | denied
5001 5010 5012 | protection-disabled | configuration | change
5004 5007 5013 | protection-changed | configuration | change
"""
_TASKS: Final = """
100 110 129 200 | task-started | process | start
102 201 | task-completed | process | end
106 | task-registered | configuration | creation
140 | task-updated | configuration | change
141 | task-deleted | configuration | deletion
142 | task-disabled | configuration | change
"""
_WMI: Final = """
5857 | provider-started | process | info
5858 | query-failed | process | error | event | failure
5859 5860 5861 | event-subscription-bound | configuration | creation
"""


def _table(dataset: str, lines: str) -> dict[tuple[str, str], Meaning]:
    out = {}
    for line in lines.strip().splitlines():
        codes, action, category, types, *rest = (cell.strip() for cell in line.split("|"))
        meaning = Meaning(action, tuple(category.split()), tuple(types.split()), *rest)
        out.update({(dataset, code): meaning for code in codes.split()})
    return out


MEANINGS: Final[dict[tuple[str, str], Meaning]] = {
    **_table(SYSMON, _SYSMON),
    **_table(SYSMON_LINUX, _SYSMON),
    **_table(SECURITY, _SECURITY),
    **_table(POWERSHELL, _POWERSHELL),
    **_table(POWERSHELL_OPERATIONAL, _POWERSHELL_OPERATIONAL),
    **_table(SYSTEM, _SYSTEM),
    **_table(DEFENDER, _DEFENDER),
    **_table(TASKS, _TASKS),
    **_table(WMI, _WMI),
}
# The lower-case channel, how Windows spells it, and its data set.
CHANNELS: Final[dict[str, tuple[str, str]]] = {
    name.lower(): (name, dataset)
    for name, dataset in {
        "Microsoft-Windows-Sysmon/Operational": SYSMON,
        "Linux-Sysmon/Operational": SYSMON_LINUX,
        "Security": SECURITY,
        "System": SYSTEM,
        "Application": APPLICATION,
        "Windows PowerShell": POWERSHELL,
        "Microsoft-Windows-PowerShell/Operational": POWERSHELL_OPERATIONAL,
        "PowerShellCore/Operational": POWERSHELL_OPERATIONAL,
        "Microsoft-Windows-Windows Defender/Operational": DEFENDER,
        "Microsoft-Windows-TaskScheduler/Operational": TASKS,
        "Microsoft-Windows-WMI-Activity/Operational": WMI,
    }.items()
}
# Level's numbers (winmeta.xml); 0 is "always", which Windows shows as information.
LEVELS: Final = {"1": "critical", "2": "error", "3": "warning", "4": "information", "5": "verbose", "0": "information"}
LEVEL_NUMBERS: Final = {"critical": 1, "error": 2, "warning": 3, "information": 4, "verbose": 5}
LOGON_TYPES: Final = {
    "2": "Interactive",
    "3": "Network",
    "4": "Batch",
    "5": "Service",
    "7": "Unlock",
    "8": "NetworkCleartext",
    "9": "NewCredentials",
    "10": "RemoteInteractive",
    "11": "CachedInteractive",
    "12": "CachedRemoteInteractive",
    "13": "CachedUnlock",
}
INTEGRITY: Final = {
    "S-1-16-0": "Untrusted",
    "S-1-16-4096": "Low",
    "S-1-16-8192": "Medium",
    "S-1-16-8448": "Medium",
    "S-1-16-12288": "High",
    "S-1-16-16384": "System",
}
TRANSPORTS: Final = {"1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp", "132": "sctp"}
# Bits of Keywords that the event system itself defines (winmeta.xml).
KEYWORDS: Final = (
    (1 << 52, "Audit Failure"),
    (1 << 53, "Audit Success"),
    (1 << 55, "Classic"),
    (1 << 54, "Correlation Hint"),
    (1 << 51, "SQM"),
    (1 << 50, "WDI Diag"),
    (1 << 49, "WDI Context"),
    (1 << 48, "Response Time"),
)
