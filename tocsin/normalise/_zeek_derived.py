"""What Zeek's logs say between their columns: outcomes, whole URLs, names in certificates. One function a log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tocsin.event import ip as addresses
from tocsin.normalise._columns import Derive, Table, first, related
from tocsin.normalise._url import authority, urls

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


def conn(table: Table) -> None:
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


def icmp(table: Table) -> None:
    """For ICMP, what stands in the ports is its type and code; they are no ports once the flow has its id."""
    transport = table.ecs("network.transport")
    if "icmp" not in transport:
        return
    icmp = [value == "icmp" for value in transport]
    for side, name in (("source", "type"), ("destination", "code")):
        ports = table.ecs(f"{side}.port")
        table.source[f"icmp.{name}"] = [port if yes else None for port, yes in zip(ports, icmp, strict=True)]
        table.out[f"{side}.port"] = [None if yes else port for port, yes in zip(ports, icmp, strict=True)]


def http(table: Table) -> None:
    targets = table.ecs("url.original")
    hosts = table.get("host")
    parts = urls(table, targets)
    names, ports, full = [], [], []
    servers = zip(targets, hosts, parts, table.ecs("destination.ip"), table.ecs("destination.port"), strict=True)
    for name, port, whole in (address(*server) for server in servers):
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


def address(target: Any, host: Any, parts: Any, server: Any, port: Any) -> tuple[str | None, int | None, str | None]:
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


_FLAGS: Final = ("AA", "TC", "RD", "RA")


def dns(table: Table) -> None:
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


def files(table: Table) -> None:
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


def notice(table: Table) -> None:
    verdict = {False: ["info", "allowed"], True: ["info", "denied"]}
    table.set("event.type", [verdict.get(v, ["info"]) if type(v) is bool else ["info"] for v in table.get("dropped")])


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


def distinguished(name: Any) -> dict[str, str]:
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


def _names(table: Table, values: Sequence[Any], into: str) -> None:
    parsed = [distinguished(value) for value in values]
    for part in _NAMES.values():
        if any(part in names for names in parsed):
            table.set(f"{into}.{part}", [names.get(part) for names in parsed])


def ssl(table: Table) -> None:
    versions = [_TLS.get(v, (None, None)) if type(v) is str else (None, None) for v in table.get("version")]
    table.set("tls.version", [version for version, _ in versions])
    table.set("tls.version_protocol", [protocol for _, protocol in versions])
    table.set("client.address", [v if type(v) is str else None for v in table.ecs("source.ip")])
    table.set("server.address", [v if type(v) is str else None for v in table.ecs("destination.ip")])
    for side in ("server", "client"):
        _names(table, table.ecs(f"tls.{side}.subject"), f"tls.{side}.x509.subject")
        _names(table, table.ecs(f"tls.{side}.issuer"), f"tls.{side}.x509.issuer")
    table.set("related.hosts", [[v] if type(v) is str and v else None for v in table.ecs("tls.client.server_name")])


def x509(table: Table) -> None:
    for name in ("subject", "issuer"):
        sent = first(table.get(f"certificate.{name}"), table.get(f"certificate_{name}"))
        _names(table, sent, f"file.x509.{name}")


_SMB_TYPES: Final = {
    "SMB::FILE_DELETE": ["connection", "protocol", "deletion"],
    "SMB::FILE_RENAME": ["connection", "protocol", "change"],
    "SMB::FILE_WRITE": ["connection", "protocol", "change"],
    "SMB::FILE_SET_ATTRIBUTE": ["connection", "protocol", "change"],
    "SMB::PRINT_WRITE": ["connection", "protocol", "change"],
}


def smb_files(table: Table) -> None:
    other = ["connection", "protocol", "info"]
    actions = table.ecs("event.action")
    table.set("event.type", [_SMB_TYPES.get(a, other) if type(a) is str else other for a in actions])
    where = zip(table.get("path"), table.ecs("file.name"), strict=True)
    table.set("file.path", [f"{path}\\{name}" if type(path) is type(name) is str else None for path, name in where])


def outcome(name: str) -> Derive:
    """How it went, of a column that says whether it did; nothing where Zeek could not tell."""
    words = {True: "success", False: "failure"}

    def derive(table: Table) -> None:
        table.set("event.outcome", [words.get(v) if type(v) is bool else None for v in table.get(name)])

    return derive


def kerberos(table: Table) -> None:
    clients = [v.partition("/") if type(v) is str else ("", "", "") for v in table.get("client")]
    table.set("user.name", [name or None for name, _, _ in clients])
    table.set("user.domain", [realm or None for _, _, realm in clients])
    table.set("related.user", [[name] if name else None for name, _, _ in clients])
