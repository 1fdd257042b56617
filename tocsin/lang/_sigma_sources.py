"""Where a Sigma rule looks: from its logsource to scopes (channels, datasets, event codes) and field names.

A logsource means one or more `View`s: a scope, and how the rule's field names are read there. Windows events keep the
names that Windows gave them (`winlog.event_data.X`), so that rules test what the source wrote; formats that are read
into ECS only (web logs, firewalls, proxies, DNS, clouds) map name by name. Facts: SigmaHQ's logsource guides and its
map for THOR (channels, event ids, the renames of 4688), Elastic's integrations for datasets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Final

from tocsin.event.schema import Kind
from tocsin.lang.fields import Names
from tocsin.lang.ir import Equals, Exists, Field, Predicate, Test, all_of, any_of


@dataclass(frozen=True)
class View:
    """One place where events of a logsource are: every `tests` entry holds (field → any of these values, any case; no
    values: it exists), or any does if `loose`. A field X is read under `renames[X]`, else under each of `prefixes` + X.
    """

    tests: Mapping[str, tuple[str, ...]]
    prefixes: tuple[str, ...] = ("",)
    renames: Mapping[str, tuple[str, ...]] = dataclass_field(default_factory=dict)
    loose: bool = False
    spaced: bool = False  # names whose source has blanks, which Sigma writes as _ or leaves out ("Threat Name")

    def spellings(self, name: str, value: str) -> tuple[str, ...]:
        """What a number in a rule is written as here: of Windows' levels we keep the names."""
        return (value, _LEVELS[value]) if name == "Level" and value in _LEVELS and "Level" in self.renames else (value,)

    def scope(self, names: Names) -> Predicate:
        """The predicate that an event is here."""
        tests = [
            Test(names.field(name), Equals(values, True) if values else Exists()) for name, values in self.tests.items()
        ]
        return any_of(*tests) if self.loose else all_of(*tests)

    def field(self, name: str, names: Names) -> Field:
        """The field that a rule here calls `name`."""
        read = self.renames.get(name)
        if read is None:
            read = tuple(
                prefix + each for prefix in self.prefixes for each in (_spaced(name) if self.spaced else [name])
            )
            # Rules for documents that are ECS already name its fields; no source's own names look like these.
            if "." in name and name not in read and names.field(name).kind is not Kind.UNKNOWN:
                read = (*read, name)
        return merged([names.field(each) for each in read])


def merged(fields: list[Field]) -> Field:
    """One field that reads the places of all; its name and kind are the first's that has a known kind."""
    first = next((each for each in fields if each.kind is not Kind.UNKNOWN), fields[0])
    sources = tuple(dict.fromkeys(source for each in fields for source in each.sources))
    return Field(fields[0].name, first.kind, sources)


def _spaced(name: str) -> list[str]:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return list(dict.fromkeys((name, name.replace("_", " "), words)))


# ---- Windows ----

# What stands beside the event's own data.
_SYSTEM: Final[dict[str, tuple[str, ...]]] = {
    "EventID": ("event.code",),
    "EventId": ("event.code",),
    "Provider_Name": ("winlog.provider_name",),
    "ProviderName": ("winlog.provider_name", "winlog.event_data.ProviderName"),
    "Source": ("winlog.provider_name", "winlog.event_data.Source"),
    "Channel": ("winlog.channel",),
    "Computer": ("winlog.computer_name",),
    "ComputerName": ("winlog.computer_name",),
    "Message": ("message",),
    "Level": ("log.level", "winlog.level", "winlog.event_data.Level"),
    "Task": ("winlog.task", "winlog.event_data.Task"),
    "Security_UserID": ("winlog.user.identifier",),
    # Event data without names: Winlogbeat calls it param1, param2 …
    "Data": ("winlog.event_data.Data", *(f"winlog.event_data.param{number}" for number in range(1, 16))),
}
# Standard levels of an event (winmeta.xml).
_LEVELS: Final = {"0": "information", "1": "critical", "2": "error", "3": "warning", "4": "information", "5": "verbose"}
_EVENT_DATA: Final = ("winlog.event_data.",)
# Providers of their own manifest write UserData as often as EventData.
_ANY_DATA: Final = ("winlog.event_data.", "winlog.user_data.")
_SYSMON: Final = "Microsoft-Windows-Sysmon/Operational"

# Sigma's `service` on Windows → channels.
CHANNELS: Final[dict[str, tuple[str, ...]]] = {
    "application": ("Application",),
    "security": ("Security",),
    "system": ("System",),
    "sysmon": (_SYSMON,),
    "powershell": ("Microsoft-Windows-PowerShell/Operational", "PowerShellCore/Operational"),
    "powershell-classic": ("Windows PowerShell",),
    "taskscheduler": ("Microsoft-Windows-TaskScheduler/Operational",),
    "wmi": ("Microsoft-Windows-WMI-Activity/Operational",),
    "windefend": ("Microsoft-Windows-Windows Defender/Operational",),
    "ntlm": ("Microsoft-Windows-NTLM/Operational",),
    "dhcp": ("Microsoft-Windows-DHCP-Server/Operational",),
    "dns-client": ("Microsoft-Windows-DNS Client Events/Operational", "Microsoft-Windows-DNS-Client/Operational"),
    "dns-server": ("DNS Server",),
    "dns-server-analytic": ("Microsoft-Windows-DNS-Server/Analytical", "Microsoft-Windows-DNSServer/Analytical"),
    "dns-server-audit": ("Microsoft-Windows-DNS-Server/Audit", "Microsoft-Windows-DNSServer/Audit"),
    "printservice-admin": ("Microsoft-Windows-PrintService/Admin",),
    "printservice-operational": ("Microsoft-Windows-PrintService/Operational",),
    "smbclient-security": ("Microsoft-Windows-SmbClient/Security",),
    "smbclient-connectivity": ("Microsoft-Windows-SmbClient/Connectivity",),
    "smbserver-connectivity": ("Microsoft-Windows-SMBServer/Connectivity",),
    "terminalservices-localsessionmanager": ("Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",),
    "codeintegrity-operational": ("Microsoft-Windows-CodeIntegrity/Operational",),
    "applocker": (
        "Microsoft-Windows-AppLocker/MSI and Script",
        "Microsoft-Windows-AppLocker/EXE and DLL",
        "Microsoft-Windows-AppLocker/Packaged app-Deployment",
        "Microsoft-Windows-AppLocker/Packaged app-Execution",
    ),
    "msexchange-management": ("MSExchange Management",),
    "firewall-as": ("Microsoft-Windows-Windows Firewall With Advanced Security/Firewall",),
    "bits-client": ("Microsoft-Windows-Bits-Client/Operational",),
    "security-mitigations": (
        "Microsoft-Windows-Security-Mitigations/Kernel Mode",
        "Microsoft-Windows-Security-Mitigations/User Mode",
    ),
    "diagnosis-scripted": ("Microsoft-Windows-Diagnosis-Scripted/Operational",),
    "shell-core": ("Microsoft-Windows-Shell-Core/Operational",),
    "openssh": ("OpenSSH/Operational",),
    "ldap": ("Microsoft-Windows-LDAP-Client/Debug",),
    "bitlocker": ("Microsoft-Windows-BitLocker/BitLocker Management",),
    "vhdmp": ("Microsoft-Windows-VHDMP/Operational",),
    "appxdeployment-server": ("Microsoft-Windows-AppXDeploymentServer/Operational",),
    "lsa-server": ("Microsoft-Windows-LSA/Operational",),
    "appxpackaging-om": ("Microsoft-Windows-AppxPackaging/Operational",),
    "appmodel-runtime": ("Microsoft-Windows-AppModel-Runtime/Admin",),
    "capi2": ("Microsoft-Windows-CAPI2/Operational",),
    "certificateservicesclient-lifecycle-system": (
        "Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational",
    ),
    "kernel-shimengine": (
        "Microsoft-Windows-Kernel-ShimEngine/Operational",
        "Microsoft-Windows-Kernel-ShimEngine/Diagnostic",
    ),
    "application-experience": (
        "Microsoft-Windows-Application-Experience/Program-Telemetry",
        "Microsoft-Windows-Application-Experience/Program-Compatibility-Assistant",
    ),
    "ntfs": ("Microsoft-Windows-Ntfs/Operational",),
    "hyper-v-worker": ("Microsoft-Windows-Hyper-V-Worker", "Microsoft-Windows-Hyper-V-Worker-Admin"),
    "kernel-event-tracing": ("Microsoft-Windows-Kernel-EventTracing", "Microsoft-Windows-Kernel-EventTracing/Admin"),
    "sense": ("Microsoft-Windows-SENSE/Operational",),
    "servicebus-client": ("Microsoft-ServiceBus-Client/Admin", "Microsoft-ServiceBus-Client/Operational"),
    "microsoft-servicebus-client": ("Microsoft-ServiceBus-Client/Admin", "Microsoft-ServiceBus-Client/Operational"),
    "iis-configuration": ("Microsoft-IIS-Configuration/Operational",),
    "driver-framework": ("Microsoft-Windows-DriverFrameworks-UserMode/Operational",),
}
_CORE: Final = frozenset({"application", "security", "system", "sysmon", "powershell", "powershell-classic"})

# Sigma's `category` on Windows → service, event codes, and further values that the category is.
CATEGORIES: Final[dict[str, tuple[tuple[str, tuple[str, ...], Mapping[str, tuple[str, ...]]], ...]]] = {
    "process_creation": (("sysmon", ("1",), {}), ("security", ("4688",), {})),
    "file_change": (("sysmon", ("2",), {}),),
    "network_connection": (("sysmon", ("3",), {}),),
    "sysmon_status": (("sysmon", ("4", "16"), {}),),
    "process_termination": (("sysmon", ("5",), {}),),
    "driver_load": (("sysmon", ("6",), {}),),
    "image_load": (("sysmon", ("7",), {}),),
    "create_remote_thread": (("sysmon", ("8",), {}),),
    "raw_access_thread": (("sysmon", ("9",), {}),),
    "raw_access_read": (("sysmon", ("9",), {}),),
    "process_access": (("sysmon", ("10",), {}),),
    "file_event": (("sysmon", ("11",), {}),),
    "registry_event": (("sysmon", ("12", "13", "14"), {}),),
    "registry_add": (("sysmon", ("12",), {"EventType": ("CreateKey",)}),),
    "registry_delete": (("sysmon", ("12",), {"EventType": ("DeleteKey", "DeleteValue")}),),
    "registry_set": (("sysmon", ("13",), {}),),
    "registry_rename": (("sysmon", ("14",), {}),),
    "create_stream_hash": (("sysmon", ("15",), {}),),
    "pipe_created": (("sysmon", ("17", "18"), {}),),
    "wmi_event": (("sysmon", ("19", "20", "21"), {}),),
    "dns_query": (("sysmon", ("22",), {}),),
    "file_delete": (("sysmon", ("23",), {}),),
    "clipboard_change": (("sysmon", ("24",), {}),),
    "clipboard_capture": (("sysmon", ("24",), {}),),
    "process_tampering": (("sysmon", ("25",), {}),),
    "file_delete_detected": (("sysmon", ("26",), {}),),
    "file_block_executable": (("sysmon", ("27",), {}),),
    "file_block_shredding": (("sysmon", ("28",), {}),),
    "file_executable_detected": (("sysmon", ("29",), {}),),
    "sysmon_error": (("sysmon", ("255",), {}),),
    "ps_module": (("powershell", ("4103",), {}),),
    "ps_script": (("powershell", ("4104",), {}),),
    "ps_classic_start": (("powershell-classic", ("400",), {}),),
    "ps_classic_provider_start": (("powershell-classic", ("600",), {}),),
    "ps_classic_script": (("powershell-classic", ("800",), {}),),
    "antivirus": (
        (
            "windefend",
            ("1006", "1007", "1008", "1009", "1010", "1011", "1012", "1017", "1018", "1019", "1115", "1116"),
            {},
        ),
    ),
}
# What a field of a category is called in one of its services.
RENAMES: Final[dict[tuple[str, str], dict[str, str]]] = {
    ("process_creation", "security"): {
        "Image": "NewProcessName",
        "ParentImage": "ParentProcessName",
        "ProcessId": "NewProcessId",
        "ParentProcessId": "ProcessId",
    },
    ("antivirus", "windefend"): {"Signature": "ThreatName", "Filename": "Path"},
}
# Providers that write to no channel, only to trace sessions (Microsoft-Windows-Kernel-File's manifest).
_TRACED: Final = {"file_access": ("12",), "file_rename": ("19", "27")}


def _windows(category: str | None, service: str | None) -> list[View] | None:
    if category is None and service is None:
        return [View({"winlog.channel": ()}, _ANY_DATA, _SYSTEM)]
    if category is None:
        assert service is not None
        return [_windows_view(service, (), {}, {})] if service in CHANNELS else None
    if category in _TRACED:
        provider = {"winlog.provider_name": ("Microsoft-Windows-Kernel-File",), "event.code": _TRACED[category]}
        return [View(provider, _ANY_DATA, _SYSTEM)]
    return [
        _windows_view(where, codes, also, RENAMES.get((category, where), {}))
        for where, codes, also in CATEGORIES.get(category, ())
        if service in (None, where)
    ] or None


def _windows_view(
    service: str, codes: tuple[str, ...], also: Mapping[str, tuple[str, ...]], renames: Mapping[str, str]
) -> View:
    core = service in _CORE
    prefixes = _EVENT_DATA if core else _ANY_DATA
    tests = {"winlog.channel": CHANNELS[service]}
    if codes:
        tests["event.code"] = codes
    tests.update({f"winlog.event_data.{name}": values for name, values in also.items()})
    renamed = {
        name: tuple(prefix + each for prefix in prefixes for each in ([other] if core else _spaced(other)))
        for name, other in renames.items()
    }
    return View(tests, prefixes, {**_SYSTEM, **renamed}, spaced=not core)


# ---- other systems' processes and files, in ECS ----

_PROCESS: Final[dict[str, tuple[str, ...]]] = {
    "Image": ("process.executable",),
    "CommandLine": ("process.command_line",),
    "ParentImage": ("process.parent.executable",),
    "ParentCommandLine": ("process.parent.command_line",),
    "CurrentDirectory": ("process.working_directory",),
    "User": ("user.name",),
    "LogonId": ("winlog.event_data.LogonId",),
    "OriginalFileName": ("process.pe.original_file_name",),
    "ProcessId": ("process.pid",),
    "ParentProcessId": ("process.parent.pid",),
    "TargetFilename": ("file.path",),
    "DestinationIp": ("destination.ip",),
    "DestinationPort": ("destination.port",),
    "DestinationHostname": ("destination.domain",),
    "SourceIp": ("source.ip",),
    "SourcePort": ("source.port",),
    "Protocol": ("network.transport",),
    "Initiated": ("winlog.event_data.Initiated",),
}
_ECS_CATEGORIES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "process_creation": {"event.category": ("process",), "event.type": ("start",)},
    "process_termination": {"event.category": ("process",), "event.type": ("end",)},
    "network_connection": {"event.category": ("network",)},
    "file_event": {"event.category": ("file",), "event.type": ("creation", "change")},
    "file_delete": {"event.category": ("file",), "event.type": ("deletion",)},
}
_SYSLOGS: Final = ("system.auth", "system.syslog", "syslog.log")


def _unix(product: str, category: str | None, service: str | None) -> list[View] | None:
    system = {"host.os.type": (product,)}
    if category in _ECS_CATEGORIES:
        return [View({**system, **_ECS_CATEGORIES[category]}, _EVENT_DATA, _PROCESS)]
    if category is not None:
        return None
    match service:
        case None:
            return [View(system)]
        case "auditd":
            return [View({"event.dataset": ("auditd.log", "auditd_manager.auditd")}, ("auditd.log.", ""), _AUDITD)]
        case "syslog":
            return [View({"event.dataset": _SYSLOGS})]
        case "auth":
            return [View({"event.dataset": ("system.auth",)})]
        case "clamav" | "cron" | "guacamole" | "modsecurity" | "sshd" | "sudo" | "vsftpd":
            programs = {"clamav": ("clamd", "clamav", "freshclam"), "cron": ("cron", "crond"), "guacamole": ("guacd",)}
            known = programs.get(service, (service,))
            datasets = {"event.dataset": (*_SYSLOGS, f"{service}.log")}
            renames = {"USER": ("user.effective.name",)} if service == "sudo" else {}
            return [
                View({**datasets, "process.name": known}, renames=renames),
                View({**datasets, "log.syslog.appname": known}, renames=renames),
            ]
        case _:
            return None


_AUDITD: Final[dict[str, tuple[str, ...]]] = {
    "type": ("auditd.log.record_type", "auditd.message_type", "event.action"),
    "exe": ("process.executable",),
    "comm": ("process.name",),
    "name": ("file.path", "auditd.log.name"),
    "SYSCALL": ("auditd.log.syscall", "auditd.data.syscall"),
    "syscall": ("auditd.log.syscall", "auditd.data.syscall"),
    "key": ("auditd.log.key", "tags"),
    "uid": ("user.id",),
    "euid": ("user.effective.id",),
}

# ---- what is read into ECS, whoever wrote it ----

_W3C: Final[dict[str, tuple[str, ...]]] = {
    "cs-method": ("http.request.method",),
    "c-uri": ("url.full", "url.original"),
    "cs-uri": ("url.original", "url.full"),
    # Rules write path and query in it as often as the query alone.
    "cs-uri-query": ("url.query", "url.original"),
    "c-uri-query": ("url.query", "url.original"),
    "cs-uri-stem": ("url.path",),
    "c-uri-stem": ("url.path",),
    "c-uri-path": ("url.path",),
    "c-uri-extension": ("url.extension",),
    "cs-uri-extension": ("url.extension",),
    "cs-uri-port": ("url.port",),
    "sc-status": ("http.response.status_code",),
    "cs-user-agent": ("user_agent.original",),
    "c-useragent": ("user_agent.original",),
    "cs(User-Agent)": ("user_agent.original",),
    "cs-referer": ("http.request.referrer",),
    "cs-referrer": ("http.request.referrer",),
    "cs(Referer)": ("http.request.referrer",),
    "cs-host": ("url.domain", "destination.domain"),
    "r-dns": ("url.domain", "destination.domain"),
    "cs-username": ("user.name",),
    "cs-content-type": ("http.request.mime_type",),
    "cs-mime-type": ("http.request.mime_type", "http.response.mime_type"),
    "cs-bytes": ("http.request.bytes", "source.bytes"),
    "sc-bytes": ("http.response.bytes", "destination.bytes"),
    "cs-cookie": ("http.request.headers.cookie",),
    "c-ip": ("source.ip", "client.ip"),
    "s-ip": ("destination.ip", "server.ip"),
    "s-port": ("destination.port",),
    "src_ip": ("source.ip",),
    "dst_ip": ("destination.ip",),
    "src_port": ("source.port",),
    "dst_port": ("destination.port",),
}
_WEB_DATASETS: Final = ("nginx.access", "apache.access", "iis.access", "zeek.http", "haproxy.http", "traefik.access")
_FLOWS: Final[dict[str, tuple[str, ...]]] = {
    "src_ip": ("source.ip",),
    "dst_ip": ("destination.ip",),
    "src_port": ("source.port",),
    "dst_port": ("destination.port",),
    "action": ("event.action", "event.type"),
    "blocked": ("event.outcome",),
    "username": ("user.name",),
}
_CATEGORIES: Final[dict[str, View]] = {
    "webserver": View({"event.dataset": _WEB_DATASETS, "event.category": ("web",)}, renames=_W3C, loose=True),
    "proxy": View({"event.dataset": _WEB_DATASETS, "event.category": ("web",)}, renames=_W3C, loose=True),
    "dns": View(
        {"dns.question.name": ()},
        renames={
            "query": ("dns.question.name",),
            "QueryName": ("dns.question.name",),
            "record_type": ("dns.question.type",),
            "answer": ("dns.answers.data",),
            "src_ip": ("source.ip",),
            "dst_ip": ("destination.ip",),
        },
    ),
    "firewall": View({"event.category": ("network",)}, renames=_FLOWS),
    "database": View({"event.category": ("database",)}),
}
_ZEEK_NAMES: Final = {"conn": "connection"}
_ZEEK_WEB: Final[dict[str, tuple[str, ...]]] = {
    name: _W3C[name] for name in ("c-uri", "c-useragent", "cs-method", "sc-status", "cs-host")
}
_CLOUDTRAIL: Final[dict[str, tuple[str, ...]]] = {
    "eventName": ("event.action", "aws.cloudtrail.event_name"),
    "eventSource": ("event.provider", "aws.cloudtrail.event_source"),
    "eventType": ("aws.cloudtrail.event_type",),
    "errorCode": ("aws.cloudtrail.error_code",),
    "errorMessage": ("aws.cloudtrail.error_message",),
    "userAgent": ("user_agent.original",),
    "sourceIPAddress": ("source.address", "source.ip"),
    "awsRegion": ("cloud.region",),
    "requestParameters": ("aws.cloudtrail.request_parameters",),
    "responseElements": ("aws.cloudtrail.response_elements",),
    "userIdentity.type": ("aws.cloudtrail.user_identity.type",),
    "userIdentity.arn": ("aws.cloudtrail.user_identity.arn",),
    "userIdentity.accountId": ("cloud.account.id",),
    "userIdentity.userName": ("user.name",),
}


def _datasets(*names: str, prefixes: tuple[str, ...] = ("",), **renames: tuple[str, ...]) -> View:
    return View({"event.dataset": names}, prefixes, renames)


# (product, category or service) → where Elastic's integrations put it and what they call its fields.
_PRODUCTS: Final[dict[tuple[str | None, str | None], View]] = {
    ("aws", "cloudtrail"): View({"event.dataset": ("aws.cloudtrail",)}, ("aws.cloudtrail.",), _CLOUDTRAIL),
    ("azure", "activitylogs"): _datasets("azure.activitylogs", prefixes=("azure.activitylogs.",)),
    ("azure", "auditlogs"): _datasets("azure.auditlogs", prefixes=("azure.auditlogs.",)),
    ("azure", "signinlogs"): _datasets("azure.signinlogs", prefixes=("azure.signinlogs.",)),
    ("azure", "riskdetection"): _datasets("azure.identity_protection", prefixes=("azure.identityprotection.",)),
    ("azure", "pim"): _datasets("azure.pim", "azure.auditlogs", prefixes=("azure.pim.", "azure.auditlogs.")),
    ("gcp", "gcp.audit"): _datasets("gcp.audit", prefixes=("", "gcp.audit.")),
    ("gcp", "google_workspace.admin"): _datasets("google_workspace.admin", prefixes=("google_workspace.admin.",)),
    ("gcp", "google_workspace.login"): _datasets("google_workspace.login", prefixes=("google_workspace.login.",)),
    ("okta", "okta"): _datasets(
        "okta.system", prefixes=("okta.",), eventType=("event.action", "okta.event_type"), displayMessage=("message",)
    ),
    ("m365", "audit"): _datasets("o365.audit", prefixes=("o365.audit.",), Operation=("event.action",)),
    ("m365", "exchange"): _datasets("o365.audit", prefixes=("o365.audit.",)),
    ("m365", "threat_management"): _datasets("o365.audit", prefixes=("o365.audit.",)),
    ("m365", "threat_detection"): _datasets("o365.audit", prefixes=("o365.audit.",)),
    ("github", "audit"): _datasets("github.audit", prefixes=("github.",), action=("event.action",)),
    ("bitbucket", "audit"): _datasets("atlassian_bitbucket.audit", prefixes=("bitbucket.audit.",)),
    ("kubernetes", "audit"): _datasets("kubernetes.audit_logs", prefixes=("kubernetes.audit.",)),
    ("kubernetes", "application"): _datasets("kubernetes.audit_logs", prefixes=("kubernetes.audit.",)),
    ("fortigate", "event"): _datasets("fortinet_fortigate.log", prefixes=("fortinet.firewall.",)),
    ("fortios", "sslvpnd"): _datasets("fortinet_fortigate.log"),
    ("paloalto", "globalprotect"): _datasets("panw.panos", prefixes=("panw.panos.",), TargetFilename=("file.path",)),
    ("cisco", "aaa"): _datasets("cisco_ios.log", "cisco.aaa"),
    ("cisco", "bgp"): _datasets("cisco_ios.log"),
    ("cisco", "ldp"): _datasets("cisco_ios.log"),
    ("cisco", "syslog"): _datasets("cisco_ios.log", "cisco_asa.log"),
    ("cisco", "duo"): _datasets("cisco_duo.auth", "cisco_duo.admin", prefixes=("cisco_duo.auth.",)),
    ("juniper", "bgp"): _datasets("juniper_junos.log", "juniper_srx.log"),
    ("huawei", "bgp"): _datasets("huawei.log"),
    ("onelogin", "onelogin.events"): _datasets("onelogin.events", prefixes=("onelogin.events.",)),
    ("opencanary", "application"): _datasets("opencanary.events", prefixes=("opencanary.node.", "opencanary.")),
    ("rpc_firewall", "application"): View({"winlog.channel": ("RPCFW",)}, _ANY_DATA, _SYSTEM),
    ("qualys", None): _datasets("qualys_vmdr.asset_host_detection"),
    (None, "netflow"): _datasets("netflow.log"),
    (None, "apache"): _datasets("apache.access", "apache.error"),
    (None, "nginx"): _datasets("nginx.access", "nginx.error"),
    ("jvm", "application"): _datasets("jvm.log", "java.log"),
    ("sql", "application"): View({"event.category": ("database",)}),
}
_APPLICATIONS: Final = frozenset({"django", "nodejs", "python", "ruby_on_rails", "spring", "velocity"})


def views(product: str | None, category: str | None, service: str | None) -> list[View] | None:
    """Where a logsource's events are, or None where nobody can say.

    A logsource that no table has but whose product and service are both given is the dataset of that name, with the
    fields as the rule names them: so rules for a source of one's own need no entry here.
    """
    if product == "windows":
        found = _windows(category, service)
        if found:
            return found
    if product in ("linux", "macos"):
        return _unix(product, category, service)
    if product == "zeek" and service:
        name = _ZEEK_NAMES.get(service, service)
        return [View({"event.dataset": (f"zeek.{name}",)}, (f"zeek.{name}.",), _ZEEK_WEB if name == "http" else {})]
    for second in (service, category):
        view = _PRODUCTS.get((product, second))
        if view is not None:
            return [view]
    if product is None and category == "antivirus":
        return _windows(category, service)
    if product is None and category in _CATEGORIES:
        return [_CATEGORIES[category]]
    if product in _APPLICATIONS:
        return [
            View(
                {"event.dataset": (f"{product}.log", f"{product}.application"), "service.name": (product,)}, loose=True
            )
        ]
    if product and product != "windows" and (service or category):
        return [View({"event.dataset": (f"{product}.{service or category}",)})]
    return None
