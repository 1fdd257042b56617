"""Zeek's logs, JSON or TSV.

`host.os.type` is not set: Zeek sees the network, and what it says of systems (software.log) is not about the event.
"""

from __future__ import annotations

import re
from typing import Final

from tocsin.normalise import Claim, Product, _zeek_derived
from tocsin.normalise._columns import (
    From,
    Stream,
    Table,
    TableProduct,
    epoch_date,
    first,
    integer,
    ip,
    lower,
    mapped,
    nanoseconds,
    text,
)
from tocsin.normalise._zeek_flow import FLOW, FLOW_SETS, claims, flow, path_dropped, stream

# ---- conn.log ----

connection = Stream(
    name="connection",
    dataset="zeek.connection",
    prefix="zeek.connection",
    inner="ts",
    before=(path_dropped,),
    columns={
        **FLOW,
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
    derive=(_zeek_derived.conn, flow, _zeek_derived.icmp),
    sets=FLOW_SETS | {"event.type", "network.bytes", "network.packets", "network.direction"},
    claims=claims("conn", "ts uid conn_state"),
)

# ---- http.log ----

http = stream(
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
    _zeek_derived.http,
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


dns = stream(
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
    _zeek_derived.dns,
    keys="ts uid trans_id rejected",
    network__protocol="dns",
    sets=("dns.answers.data", "dns.resolved_ip", "dns.header_flags", "dns.type", "event.outcome"),
)

# ---- files.log ----

files = stream(
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
    _zeek_derived.files,
    keys="ts fuid seen_bytes",
    category=("file",),
    types=("info",),
    sets=("server.ip", "client.ip", "related.hash"),
)

# ---- notice.log ----

notice = stream(
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
    _zeek_derived.notice,
    keys="ts note suppress_for",
    category=("intrusion_detection",),
    types=("info",),
    event__kind="alert",
    sets=("event.type",),
)

# ---- ssl.log and x509.log ----

ssl = stream(
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
    _zeek_derived.ssl,
    keys="ts uid established",
    types=("connection", "protocol"),
    network__transport="tcp",
    sets=("tls.version", "tls.version_protocol", "client.address", "server.address"),
)


x509 = stream(
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
    _zeek_derived.x509,
    keys="ts certificate.serial",
    category=("file",),
    types=("info",),
)

# ---- SMB, RPC and remote access ----

smb_files = stream(
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
    _zeek_derived.smb_files,
    category=("network", "file"),
    types=("connection", "protocol", "info"),
    network__transport="tcp",
    network__protocol="smb",
    sets=("file.path", "event.type"),
)
smb_mapping = stream(
    "smb_mapping",
    "smb_mapping",
    {},
    types=("connection", "protocol"),
    network__transport="tcp",
    network__protocol="smb",
)
dce_rpc = stream(
    "dce_rpc",
    "dce_rpc",
    {"event.action": text("operation"), "event.duration": nanoseconds("rtt")},
    network__transport="tcp",
    network__protocol="dce_rpc",
)
rdp = stream(
    "rdp",
    "rdp",
    {"tls.established": text("ssl"), "user.name": From(("cookie",), keep=True)},
    types=("protocol", "info"),
    network__transport="tcp",
    network__protocol="rdp",
)


ssh = stream(
    "ssh",
    "ssh",
    {},
    _zeek_derived.outcome("auth_success"),
    types=("connection", "protocol"),
    network__transport="tcp",
    network__protocol="ssh",
    sets=("event.outcome",),
)


kerberos = stream(
    "kerberos",
    "kerberos",
    {"event.action": text("request_type")},
    _zeek_derived.outcome("success"),
    _zeek_derived.kerberos,
    category=("network", "authentication"),
    types=("connection", "protocol", "info"),
    network__protocol="kerberos",
    sets=("event.outcome", "user.name", "user.domain", "related.user"),
)
ntlm = stream(
    "ntlm",
    "ntlm",
    {"user.name": text("username"), "user.domain": text("domainname"), "source.domain": text("hostname")},
    _zeek_derived.outcome("success"),
    category=("network", "authentication"),
    network__transport="tcp",
    network__protocol="ntlm",
    sets=("event.outcome",),
)
smtp = stream(
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
ftp = stream(
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
dhcp = stream(
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

weird = stream("weird", "weird", {"rule.name": text("name"), "rule.description": text("addl")}, types=("info",))
dpd = stream("dpd", "dpd", {"network.protocol": lower("analyzer"), "error.message": text("failure_reason")})
pe = stream(
    "pe",
    "pe",
    {"file.pe.architecture": text("machine")},
    category=("file",),
    types=("info",),
)
tunnel = stream("tunnel", "tunnel", {"event.action": text("action"), "network.protocol": lower("tunnel_type")})
software = stream("software", "software", {"source.ip": ip("host"), "source.port": integer("host_p")}, types=("info",))
socks = stream("socks", "socks", {"user.name": text("user")}, network__transport="tcp", network__protocol="socks")
snmp = stream(
    "snmp", "snmp", {"event.duration": nanoseconds("duration")}, network__transport="udp", network__protocol="snmp"
)
sip = stream(
    "sip", "sip", {"event.action": text("method"), "user_agent.original": text("user_agent")}, network__protocol="sip"
)
syslog = stream("syslog", "syslog", {"message": text("message")}, network__protocol="syslog")
mysql = stream("mysql", "mysql", {"event.action": text("cmd")}, network__transport="tcp", network__protocol="mysql")


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
    columns={**FLOW, "message": text("message")},
    constants={"event.category": ["network"], "event.type": ["info"]},
    derive=(flow,),
    sets=FLOW_SETS,
    claims=(Claim(zeek=frozenset({"*"})),),
)

_WEB_AND_FILES: Final = (connection, http, dns, files, notice, ssl, x509, pe)
_WINDOWS: Final = (smb_files, smb_mapping, dce_rpc, rdp, kerberos, ntlm)
_OTHERS: Final = (ssh, smtp, ftp, dhcp, socks, snmp, sip, syslog, mysql, tunnel, software, weird, dpd, log)
PRODUCT: Product = TableProduct("zeek", *_WEB_AND_FILES, *_WINDOWS, *_OTHERS)
