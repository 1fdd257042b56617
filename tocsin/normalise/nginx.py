"""nginx: access logs (combined, and with fields added behind it) and error logs.

`host.name` is the syslog sender's or the shipper's; a line of a file names none. `host.os.type` is not set: nginx says
nothing of the system.
"""

from __future__ import annotations

import re
from typing import Any, Final

from tocsin.normalise import Claim, Product
from tocsin.normalise._access import COMBINED, SETS, access
from tocsin.normalise._columns import Stream, Table, TableProduct, fields, related
from tocsin.normalise._lines import stamped, texts
from tocsin.normalise._syslog import heads
from tocsin.normalise._url import authority, urls

# ngx_log.c: time [level] pid#tid: *connection message, key: value, …
_ERROR_FIRST: Final = r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[[a-z]{4,6}\] \d+[#:]\d+"
_ERROR: Final = re.compile(
    r"(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?P<level>[a-z]{1,16})\] (?P<pid>\d{1,10})[#:](?P<tid>\d{1,20}):? ?"
    r"(?:\*(?P<connection>\d{1,18}) )?(?P<text>.*)",
    re.ASCII | re.DOTALL,
)
_PAIR: Final = re.compile(r', (client|server|request|upstream|host|referrer): (?:"([^"]*)"|([^,]*))')
_REQUEST: Final = re.compile(r"(\S{1,32}) (.+?)(?: HTTP/(\d(?:\.\d)?))?\Z", re.DOTALL)


def _sender(table: Table) -> None:
    """The host of a syslog head, where nginx logs to syslog."""
    found = heads(texts(table))
    if any(head.time for head in found):
        table.set("host.name", [head.host for head in found])
        table.set("host.hostname", [head.host for head in found])
        table.source["message"] = [head.message for head in found]


def _error(table: Table) -> None:
    _sender(table)
    lines = texts(table)
    found = [_ERROR.match(value) if value else None for value in lines]
    for row, match in enumerate(found):
        if match is None:
            table.reject(row, "the text is no line of nginx's error log")

    def group(name: str) -> list[Any]:
        return [match[name] if match else None for match in found]

    stamped(table, group("time"))
    table.set("log.level", group("level"))
    table.set("process.pid", [int(v) if v else None for v in group("pid")])
    table.set("process.thread.id", [int(v) if v and len(v) < 19 else None for v in group("tid")])
    table.source["connection_id"] = [int(v) if v else None for v in group("connection")]
    table.source.pop("message", None)
    table.set("message", group("text"))
    pairs = [{k: a or b for k, a, b in _PAIR.findall(value or "")} for value in group("text")]

    def pair(name: str) -> list[str | None]:
        return [row.get(name) or None for row in pairs]

    clients = [value.strip() if value else None for value in pair("client")]
    table.set("client.ip", clients)
    table.set("source.ip", clients)
    table.set("source.address", clients)
    table.set("server.domain", pair("server"))
    table.set("url.domain", [authority(v)[0] if v else None for v in pair("host")])
    table.set("url.port", [authority(v)[1] if v else None for v in pair("host")])
    table.set("http.request.referrer", pair("referrer"))
    table.source["upstream"] = pair("upstream")
    requests = [_REQUEST.match(v) if v else None for v in pair("request")]
    table.set("http.request.method", [m[1] if m else None for m in requests])
    table.set("http.version", [m[3] if m else None for m in requests])
    targets = [m[2] if m else None for m in requests]
    table.set("url.original", targets)
    urls(table, targets)


_RELATED: Final = related(ips=("source.ip", "network.forwarded_ip"), user=("user.name",), hosts=("host.name",))
_access = Stream(
    name="access",
    dataset="nginx.access",
    prefix="nginx.access",
    columns={},
    before=(_sender, access("nginx.access")),
    constants={"event.category": ["web"], "event.type": ["access"], "network.protocol": "http"},
    derive=(_RELATED,),
    sets=SETS | {"host.name"},
    claims=(Claim(first=COMBINED), Claim(program=frozenset({"nginx"}), first=COMBINED)),
)
_error_log = Stream(
    name="error",
    dataset="nginx.error",
    prefix="nginx.error",
    columns={},
    before=(_error,),
    constants={"event.category": ["web"], "event.type": ["error"]},
    derive=(_RELATED,),
    sets=fields(
        """
        log.level process.pid process.thread.id message client.ip source.ip source.address server.domain
        url.domain url.original url.path url.query http.request.method http.request.referrer http.version
        related.ip host.name
        """
    ),
    claims=(Claim(first=_ERROR_FIRST), Claim(program=frozenset({"nginx"}), first=_ERROR_FIRST)),
)

PRODUCT: Product = TableProduct("nginx", _access, _error_log)
