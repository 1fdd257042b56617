"""Zeek's logs, JSON or TSV.

`host.os.type` is not set: Zeek sees the network, and what it says of systems (software.log) is not about the event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tocsin.event import ip as addresses
from tocsin.normalise import Claim, Product
from tocsin.normalise._columns import (
    Derive,
    From,
    Stream,
    Table,
    TableProduct,
    addressed,
    community,
    epoch,
    epoch_date,
    fields,
    first,
    integer,
    ip,
    lower,
    mapped,
    nanoseconds,
    related,
    text,
)
from tocsin.normalise._url import authority, urls

# Corelight and ROCK write the dots of record fields as underscores.
_FLOW: Final[Mapping[str, From]] = {
    "@timestamp": epoch("ts"),
    "source.ip": ip("id.orig_h", "id_orig_h"),
    "source.port": integer("id.orig_p", "id_orig_p"),
    "destination.ip": ip("id.resp_h", "id_resp_h"),
    "destination.port": integer("id.resp_p", "id_resp_p"),
    "network.transport": text("proto"),
    "network.community_id": text("community_id"),
    "zeek.session_id": text("uid"),
    "observer.name": text("_system_name", "@system"),
}


def _path_dropped(table: Table) -> None:
    """The log's own name is the data set."""
    for name in ("_path", "@stream", "@proc"):
        table.take(name)


def _identity(table: Table) -> None:
    table.set("event.id", table.ecs("zeek.session_id"))


def _flow(table: Table) -> None:
    """What every log of a connection has."""
    _identity(table)
    addressed(table)
    community(table)
    _RELATED(table)


_RELATED: Final = related(ips=("source.ip", "destination.ip"))
_FLOW_SETS: Final = frozenset(
    {"event.id", "source.address", "destination.address", "network.community_id", "related.ip"}
)


def _stream(
    name: str,
    path: str,
    columns: Mapping[str, From],
    *derive: Derive,
    types: Sequence[str] = ("connection", "protocol", "info"),
    category: Sequence[str] = ("network",),
    sets: Sequence[str] = (),
    keys: str = "",
    **constants: Any,
) -> Stream:
    """One log; constants are given with `__` for the dots of their names. `keys` are names that no other log has
    together: how a record is known that says nothing of its path."""
    return Stream(
        name=name,
        dataset=f"zeek.{name}",
        prefix=f"zeek.{name}",
        inner="ts",
        before=(_path_dropped,),
        columns={**_FLOW, **columns},
        constants={
            "event.category": list(category),
            "event.type": list(types),
            **{key.replace("__", "."): value for key, value in constants.items()},
        },
        derive=(*derive, _flow),
        sets=_FLOW_SETS | frozenset(sets),
        claims=_claims(path, keys),
    )


def _claims(path: str, keys: str = "") -> tuple[Claim, ...]:
    named = (Claim(zeek=frozenset({path})), Claim(path=f"{path}.*log*", keys=frozenset({"ts"})))
    return (*named, Claim(keys=fields(keys))) if keys else named


# ---- conn.log ----

# Zeek documentation, "conn.log", conn_state: what was seen of the connection's begin and end.
_STATE_TYPES: Final = {
    "S0": ["connection", "start"],
    "S1": ["connection", "start"],
    "SF": ["connection", "start", "end"],
    "REJ": ["connection", "start", "denied"],
}
_DIRECTION: Final = {
    (True, True): "internal",
    (True, False): "outbound",
    (False, True): "inbound",
    (False, False): "external",
}


def _total(one: Sequence[Any], other: Sequence[Any]) -> list[int | None]:
    return [a + b if type(a) is int and type(b) is int else None for a, b in zip(one, other, strict=True)]


def _conn(table: Table) -> None:
    states = table.get("conn_state")
    other = ["connection", "info"]
    table.set("event.type", [_STATE_TYPES.get(s, other) if type(s) is str else other for s in states])
    for what in ("bytes", "packets"):
        table.set(f"network.{what}", _total(table.ecs(f"source.{what}"), table.ecs(f"destination.{what}")))
    local = zip(table.get("local_orig"), table.get("local_resp"), strict=True)
    table.set("network.direction", [_DIRECTION.get(pair) if None not in pair else None for pair in _truths(local)])
    table.source["state"] = table.take("conn_state")


def _truths(pairs: Any) -> list[tuple[Any, Any]]:
    return [(a if type(a) is bool else None, b if type(b) is bool else None) for a, b in pairs]


def _icmp(table: Table) -> None:
    """For ICMP, what stands in the ports is its type and code; they are no ports once the flow has its id."""
    transport = table.ecs("network.transport")
    if "icmp" not in transport:
        return
    icmp = [value == "icmp" for value in transport]
    for side, name in (("source", "type"), ("destination", "code")):
        ports = table.ecs(f"{side}.port")
        table.source[f"icmp.{name}"] = [port if yes else None for port, yes in zip(ports, icmp, strict=True)]
        table.out[f"{side}.port"] = [None if yes else port for port, yes in zip(ports, icmp, strict=True)]


connection = Stream(
    name="connection",
    dataset="zeek.connection",
    prefix="zeek.connection",
    inner="ts",
    before=(_path_dropped,),
    columns={
        **_FLOW,
        "network.protocol": lower("service"),
        "event.duration": nanoseconds("duration"),
        "source.bytes": integer("orig_ip_bytes"),
        "source.packets": integer("orig_pkts"),
        "destination.bytes": integer("resp_ip_bytes"),
        "destination.packets": integer("resp_pkts"),
        "source.mac": text("orig_l2_addr"),
        "destination.mac": text("resp_l2_addr"),
    },
    constants={"event.category": ["network"]},
    derive=(_conn, _flow, _icmp),
    sets=_FLOW_SETS | {"event.type", "network.bytes", "network.packets", "network.direction"},
    claims=_claims("conn", "ts uid conn_state"),
)

# ---- http.log ----


def _http(table: Table) -> None:
    targets = table.ecs("url.original")
    hosts = table.get("host")
    parts = urls(table, targets)
    names, ports, full = [], [], []
    servers = zip(targets, hosts, parts, table.ecs("destination.ip"), table.ecs("destination.port"), strict=True)
    for name, port, whole in (_address(*server) for server in servers):
        names.append(name)
        ports.append(port)
        full.append(whole)
    table.set("url.domain", names)
    table.set("url.port", ports)
    table.set("url.full", full)
    table.set("event.action", table.ecs("http.request.method"))
    status = table.ecs("http.response.status_code")
    table.set("event.outcome", [_outcome(code) for code in status])
    table.set("http.response.mime_type", [_only(types) for types in table.get("resp_mime_types")])
    table.set("http.request.mime_type", [_only(types) for types in table.get("orig_mime_types")])
    users = table.ecs("url.username")
    table.set("user.name", users)


def _outcome(code: Any) -> str | None:
    if type(code) is not int:
        return None
    return "failure" if code >= 400 else "success"


def _only(values: Any) -> Any:
    """The first of a list of texts; the whole list is kept under Zeek's own name."""
    return values[0] if type(values) is list and values and type(values[0]) is str else None


def _address(target: Any, host: Any, parts: Any, server: Any, port: Any) -> tuple[str | None, int | None, str | None]:
    """Domain, port and whole URL of a request: from an absolute target (to a proxy), else from the Host header, else
    the server's address. What Zeek logs in http.log is HTTP in the clear."""
    if parts is not None and parts.domain:
        return parts.domain, parts.port, target
    name, named = authority(host) if type(host) is str and host else (None, None)
    if named is None and type(port) is int and port != 80 and 0 < port < 65536:
        named = port
    shown = name or (server if type(server) is str else None)
    if not shown or type(target) is not str:
        return name, named, None
    if not target.startswith("/"):
        return name, named, None
    bracketed = f"[{shown}]" if ":" in shown else shown
    suffix = f":{named}" if named not in (None, 80) else ""
    return name, named, f"http://{bracketed}{suffix}{target}"


http = _stream(
    "http",
    "http",
    {
        "http.request.method": text("method"),
        "url.original": text("uri"),
        "http.request.referrer": text("referrer"),
        "http.version": text("version"),
        "user_agent.original": text("user_agent"),
        "http.request.body.bytes": integer("request_body_len"),
        "http.response.body.bytes": integer("response_body_len"),
        "http.response.status_code": integer("status_code"),
        "url.username": text("username"),
        "url.password": text("password"),
    },
    _http,
    keys="ts uid trans_depth response_body_len",
    category=("network", "web"),
    network__transport="tcp",
    network__protocol="http",
    sets=(
        "event.action",
        "event.outcome",
        "url.domain",
        "url.port",
        "url.path",
        "url.query",
        "url.extension",
        "url.full",
        "http.response.mime_type",
    ),
)

# ---- dns.log ----

_CLASSES: Final = {
    "C_INTERNET": "IN",
    "C_CSNET": "CS",
    "C_CHAOS": "CH",
    "C_HESIOD": "HS",
    "C_NONE": "NONE",
    "C_ANY": "ANY",
}
_FLAGS: Final = ("AA", "TC", "RD", "RA")


def _dns(table: Table) -> None:
    answers = [value if type(value) is list else [] for value in table.get("answers")]
    ttls = [value if type(value) is list else [] for value in table.get("TTLs")]
    codes = table.get("rcode")
    table.set("dns.answers.data", [[a for a in row if type(a) is str] for row in answers])
    table.set(
        "dns.answers",
        [
            [{"data": a, "ttl": t} if t is not None else {"data": a} for a, t in _pairs(names, times)] or None
            for names, times in zip(answers, ttls, strict=True)
        ],
    )
    table.set(
        "dns.resolved_ip",
        [[a for a in row if type(a) is str and addresses.packed(a) is not None] for row in answers],
    )
    flags = zip(*(table.get(name) for name in _FLAGS), strict=True)
    table.set("dns.header_flags", [[n for n, v in zip(_FLAGS, row, strict=True) if v is True] for row in flags])
    table.set("dns.type", ["query" if code is None else "answer" for code in codes])
    rejected = table.get("rejected")
    table.set(
        "event.outcome",
        [
            "failure" if code not in (None, 0) or no is True else "success"
            for code, no in zip(codes, rejected, strict=True)
        ],
    )
    table.set("related.hosts", [[q] if type(q) is str and q else None for q in table.ecs("dns.question.name")])


def _pairs(names: Sequence[Any], times: Sequence[Any]) -> list[tuple[Any, Any]]:
    whole = [int(t) if type(t) in (int, float) and t == t and abs(t) < 1e15 else None for t in times]
    return list(zip(names, whole if len(whole) == len(names) else [None] * len(names), strict=True))


dns = _stream(
    "dns",
    "dns",
    {
        "dns.id": text("trans_id"),
        "dns.question.name": text("query"),
        "dns.question.type": text("qtype_name"),
        "dns.question.class": mapped(_CLASSES, "qclass_name"),
        "dns.response_code": text("rcode_name"),
        "event.duration": nanoseconds("rtt"),
    },
    _dns,
    keys="ts uid trans_id rejected",
    network__protocol="dns",
    sets=("dns.answers.data", "dns.resolved_ip", "dns.header_flags", "dns.type", "event.outcome"),
)

# ---- files.log ----


def _files(table: Table) -> None:
    senders = first(table.take("tx_hosts"), table.take("tx_host"))
    receivers = first(table.take("rx_hosts"), table.take("rx_host"))
    uids = table.take("conn_uids")
    table.set("server.ip", [_only(v) if type(v) is list else v for v in senders])
    table.set("client.ip", [_only(v) if type(v) is list else v for v in receivers])
    table.set("zeek.session_id", [_only(v) for v in uids])
    table.source["tx_host"], table.source["rx_host"], table.source["session_ids"] = senders, receivers, uids
    _FILES_RELATED(table)


_FILES_RELATED: Final = related(
    ips=("server.ip", "client.ip", "source.ip", "destination.ip"),
    hash=("file.hash.md5", "file.hash.sha1", "file.hash.sha256"),
)

files = _stream(
    "files",
    "files",
    {
        "file.hash.md5": text("md5"),
        "file.hash.sha1": text("sha1"),
        "file.hash.sha256": text("sha256"),
        "file.mime_type": text("mime_type"),
        "file.name": text("filename"),
        "file.size": integer("total_bytes"),
    },
    _files,
    keys="ts fuid seen_bytes",
    category=("file",),
    types=("info",),
    sets=("server.ip", "client.ip", "related.hash"),
)

# ---- notice.log ----


def _notice(table: Table) -> None:
    verdict = {False: ["info", "allowed"], True: ["info", "denied"]}
    table.set("event.type", [verdict.get(v, ["info"]) if type(v) is bool else ["info"] for v in table.get("dropped")])


notice = _stream(
    "notice",
    "notice",
    {
        "source.ip": ip("id.orig_h", "id_orig_h", "src"),
        "destination.ip": ip("id.resp_h", "id_resp_h", "dst"),
        "destination.port": integer("id.resp_p", "id_resp_p", "p"),
        "rule.name": text("note"),
        "rule.description": text("msg"),
        "file.mime_type": text("file_mime_type"),
    },
    _notice,
    keys="ts note suppress_for",
    category=("intrusion_detection",),
    types=("info",),
    event__kind="alert",
    sets=("event.type",),
)

# ---- ssl.log and x509.log ----

_TLS: Final = {
    "SSLv2": ("2.0", "ssl"),
    "SSLv3": ("3.0", "ssl"),
    "TLSv10": ("1.0", "tls"),
    "TLSv11": ("1.1", "tls"),
    "TLSv12": ("1.2", "tls"),
    "TLSv13": ("1.3", "tls"),
    "DTLSv10": ("1.0", "dtls"),
    "DTLSv12": ("1.2", "dtls"),
    "DTLSv13": ("1.3", "dtls"),
}
_NAMES: Final = {
    "CN": "common_name",
    "C": "country",
    "L": "locality",
    "O": "organization",
    "OU": "organizational_unit",
    "ST": "state_or_province",
}


def _distinguished(name: Any) -> dict[str, str]:
    """The parts of an RFC 4514 name such as `CN=a,O=Example\\, Inc.,C=US`, by their ECS names."""
    found: dict[str, str] = {}
    if type(name) is not str or len(name) > 8192:
        return found
    for part in name.replace("\\\\", "\x00").replace("\\,", "\x01").split(","):
        key, _, value = part.partition("=")
        ecs = _NAMES.get(key.strip().upper())
        if ecs and value and ecs not in found:
            found[ecs] = value.replace("\x01", ",").replace("\x00", "\\")
    return found


def _names(table: Table, source: str, into: str) -> None:
    parsed = [_distinguished(value) for value in table.ecs(source)]
    for part in _NAMES.values():
        if any(part in names for names in parsed):
            table.set(f"{into}.{part}", [names.get(part) for names in parsed])


def _ssl(table: Table) -> None:
    versions = [_TLS.get(v, (None, None)) if type(v) is str else (None, None) for v in table.get("version")]
    table.set("tls.version", [version for version, _ in versions])
    table.set("tls.version_protocol", [protocol for _, protocol in versions])
    table.set("client.address", [v if type(v) is str else None for v in table.ecs("source.ip")])
    table.set("server.address", [v if type(v) is str else None for v in table.ecs("destination.ip")])
    for side in ("server", "client"):
        _names(table, f"tls.{side}.subject", f"tls.{side}.x509.subject")
        _names(table, f"tls.{side}.issuer", f"tls.{side}.x509.issuer")
    table.set("related.hosts", [[v] if type(v) is str and v else None for v in table.ecs("tls.client.server_name")])


ssl = _stream(
    "ssl",
    "ssl",
    {
        "tls.cipher": text("cipher"),
        "tls.curve": text("curve"),
        "tls.established": text("established"),
        "tls.resumed": text("resumed"),
        "tls.next_protocol": text("next_protocol"),
        "tls.client.server_name": text("server_name"),
        "tls.client.ja3": text("ja3"),
        "tls.server.ja3s": text("ja3s"),
        "tls.server.subject": text("subject"),
        "tls.server.issuer": text("issuer"),
        "tls.client.subject": text("client_subject"),
        "tls.client.issuer": text("client_issuer"),
    },
    _ssl,
    keys="ts uid established",
    types=("connection", "protocol"),
    network__transport="tcp",
    sets=("tls.version", "tls.version_protocol", "client.address", "server.address"),
)


def _x509(table: Table) -> None:
    for name in ("subject", "issuer"):
        sent = first(table.get(f"certificate.{name}"), table.get(f"certificate_{name}"))
        parsed = [_distinguished(value) for value in sent]
        for part in _NAMES.values():
            if any(part in names for names in parsed):
                table.set(f"file.x509.{name}.{part}", [names.get(part) for names in parsed])


x509 = _stream(
    "x509",
    "x509",
    {
        "file.x509.serial_number": text("certificate.serial", "certificate_serial"),
        "file.x509.version_number": text("certificate.version", "certificate_version"),
        "file.x509.not_before": epoch_date("certificate.not_valid_before", "certificate_not_valid_before"),
        "file.x509.not_after": epoch_date("certificate.not_valid_after", "certificate_not_valid_after"),
        "file.x509.signature_algorithm": text("certificate.sig_alg", "certificate_sig_alg"),
        "file.x509.public_key_algorithm": text("certificate.key_alg", "certificate_key_alg"),
        "file.x509.public_key_size": integer("certificate.key_length", "certificate_key_length"),
        "file.x509.alternative_names": text("san.dns", "san_dns"),
        "file.hash.sha256": text("fingerprint"),
    },
    _x509,
    keys="ts certificate.serial",
    category=("file",),
    types=("info",),
)

# ---- SMB, RPC and remote access ----

_SMB_TYPES: Final = {
    "SMB::FILE_DELETE": ["connection", "protocol", "deletion"],
    "SMB::FILE_RENAME": ["connection", "protocol", "change"],
    "SMB::FILE_WRITE": ["connection", "protocol", "change"],
    "SMB::FILE_SET_ATTRIBUTE": ["connection", "protocol", "change"],
    "SMB::PRINT_WRITE": ["connection", "protocol", "change"],
}


def _smb_files(table: Table) -> None:
    other = ["connection", "protocol", "info"]
    actions = table.ecs("event.action")
    table.set("event.type", [_SMB_TYPES.get(a, other) if type(a) is str else other for a in actions])
    where = zip(table.get("path"), table.ecs("file.name"), strict=True)
    table.set("file.path", [f"{path}\\{name}" if type(path) is type(name) is str else None for path, name in where])


smb_files = _stream(
    "smb_files",
    "smb_files",
    {
        "event.action": text("action"),
        "file.name": text("name"),
        "file.size": integer("size"),
        "file.accessed": epoch_date("times.accessed", "times_accessed"),
        "file.created": epoch_date("times.created", "times_created"),
        "file.ctime": epoch_date("times.changed", "times_changed"),
        "file.mtime": epoch_date("times.modified", "times_modified"),
    },
    _smb_files,
    category=("network", "file"),
    types=("connection", "protocol", "info"),
    network__transport="tcp",
    network__protocol="smb",
    sets=("file.path", "event.type"),
)
smb_mapping = _stream(
    "smb_mapping",
    "smb_mapping",
    {},
    types=("connection", "protocol"),
    network__transport="tcp",
    network__protocol="smb",
)
dce_rpc = _stream(
    "dce_rpc",
    "dce_rpc",
    {"event.action": text("operation"), "event.duration": nanoseconds("rtt")},
    network__transport="tcp",
    network__protocol="dce_rpc",
)
rdp = _stream(
    "rdp",
    "rdp",
    {"tls.established": text("ssl"), "user.name": From(("cookie",), keep=True)},
    types=("protocol", "info"),
    network__transport="tcp",
    network__protocol="rdp",
)


def _ssh(table: Table) -> None:
    done = {True: "success", False: "failure"}
    table.set("event.outcome", [done.get(v) if type(v) is bool else None for v in table.get("auth_success")])


ssh = _stream(
    "ssh",
    "ssh",
    {},
    _ssh,
    types=("connection", "protocol"),
    network__transport="tcp",
    network__protocol="ssh",
    sets=("event.outcome",),
)


def _kerberos(table: Table) -> None:
    done = {True: "success", False: "failure"}
    table.set("event.outcome", [done.get(v) if type(v) is bool else None for v in table.get("success")])
    clients = [v.partition("/") if type(v) is str else ("", "", "") for v in table.get("client")]
    table.set("user.name", [name or None for name, _, _ in clients])
    table.set("user.domain", [realm or None for _, _, realm in clients])
    table.set("related.user", [[name] if name else None for name, _, _ in clients])


kerberos = _stream(
    "kerberos",
    "kerberos",
    {"event.action": text("request_type")},
    _kerberos,
    category=("network", "authentication"),
    types=("connection", "protocol", "info"),
    network__protocol="kerberos",
    sets=("event.outcome", "user.name", "user.domain", "related.user"),
)
ntlm = _stream(
    "ntlm",
    "ntlm",
    {"user.name": text("username"), "user.domain": text("domainname"), "source.domain": text("hostname")},
    lambda table: table.set(
        "event.outcome",
        [("success" if v else "failure") if type(v) is bool else None for v in table.get("success")],
    ),
    category=("network", "authentication"),
    network__transport="tcp",
    network__protocol="ntlm",
    sets=("event.outcome",),
)
smtp = _stream(
    "smtp",
    "smtp",
    {
        "email.from.address": text("from", "mailfrom"),
        "email.to.address": text("to", "rcptto"),
        "email.cc.address": text("cc"),
        "email.subject": text("subject"),
        "email.message_id": text("msg_id"),
        "email.x_mailer": text("user_agent"),
        "tls.established": text("tls"),
    },
    types=("connection", "protocol"),
    network__transport="tcp",
    network__protocol="smtp",
)
ftp = _stream(
    "ftp",
    "ftp",
    {
        "event.action": text("command"),
        "user.name": text("user"),
        "file.size": integer("file_size"),
        "file.mime_type": text("mime_type"),
        "url.original": text("arg"),
    },
    network__transport="tcp",
    network__protocol="ftp",
)
dhcp = _stream(
    "dhcp",
    "dhcp",
    {
        "client.ip": ip("client_addr"),
        "client.mac": text("mac"),
        "server.ip": ip("server_addr"),
        "client.domain": text("host_name", "client_fqdn"),
        "event.duration": nanoseconds("duration"),
    },
    network__transport="udp",
    network__protocol="dhcp",
)

# ---- what Zeek says of traffic and of itself ----

weird = _stream("weird", "weird", {"rule.name": text("name"), "rule.description": text("addl")}, types=("info",))
dpd = _stream("dpd", "dpd", {"network.protocol": lower("analyzer"), "error.message": text("failure_reason")})
pe = _stream(
    "pe",
    "pe",
    {"file.pe.architecture": text("machine")},
    category=("file",),
    types=("info",),
)
tunnel = _stream("tunnel", "tunnel", {"event.action": text("action"), "network.protocol": lower("tunnel_type")})
software = _stream("software", "software", {"source.ip": ip("host"), "source.port": integer("host_p")}, types=("info",))
socks = _stream("socks", "socks", {"user.name": text("user")}, network__transport="tcp", network__protocol="socks")
snmp = _stream(
    "snmp", "snmp", {"event.duration": nanoseconds("duration")}, network__transport="udp", network__protocol="snmp"
)
sip = _stream(
    "sip", "sip", {"event.action": text("method"), "user_agent.original": text("user_agent")}, network__protocol="sip"
)
syslog = _stream("syslog", "syslog", {"message": text("message")}, network__protocol="syslog")
mysql = _stream("mysql", "mysql", {"event.action": text("cmd")}, network__transport="tcp", network__protocol="mysql")


def _named(table: Table) -> None:
    """The data set is the log's own name."""
    paths = first(table.take("_path"), table.take("@stream"))
    names = [path if type(path) is str and _NAME.fullmatch(path) else "log" for path in paths]
    table.set("event.dataset", [f"zeek.{name}" for name in names])


_NAME: Final = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
# capture_loss, reporter, stats, analyzer, and what a site's own scripts write: zeek.NAME.
log = Stream(
    name="log",
    dataset="zeek.log",
    prefix="zeek.log",
    inner="ts",
    before=(_named,),
    columns={**_FLOW, "message": text("message")},
    constants={"event.category": ["network"], "event.type": ["info"]},
    derive=(_flow,),
    sets=_FLOW_SETS,
    claims=(Claim(zeek=frozenset({"*"})),),
)

_WEB_AND_FILES: Final = (connection, http, dns, files, notice, ssl, x509, pe)
_WINDOWS: Final = (smb_files, smb_mapping, dce_rpc, rdp, kerberos, ntlm)
_OTHERS: Final = (ssh, smtp, ftp, dhcp, socks, snmp, sip, syslog, mysql, tunnel, software, weird, dpd, log)
PRODUCT: Product = TableProduct("zeek", *_WEB_AND_FILES, *_WINDOWS, *_OTHERS)
