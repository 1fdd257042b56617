"""Access logs of web servers in the common and combined log formats, with what is often added behind them."""

from __future__ import annotations

import re
from typing import Any, Final

from tocsin.event import ip as addresses
from tocsin.normalise._columns import Table, fields
from tocsin.normalise._lines import stamped, texts
from tocsin.normalise._syslog import head
from tocsin.normalise._url import urls

# How such a line begins, for `Claim.first`.
COMBINED: Final = r'\S+(?: [^\["]{0,512})? \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "'
_LINE: Final = re.compile(
    r"(?P<before>[^\[]{1,1024}) \[(?P<time>[^\]]{1,40})\] "
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}|-) (?P<bytes>\d{1,18}|-)'
    r'(?: "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"(?P<rest>.*))?',
    re.ASCII | re.DOTALL,
)
_REQUEST: Final = re.compile(
    r"(?P<method>[!#-'*+.^-z|~A-Z0-9-]{1,32}) (?P<target>.+?)(?: HTTP/(?P<version>\d(?:\.\d)?))?\Z", re.DOTALL
)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r'\\(?:x([0-9A-Fa-f]{2})|(["\\]))')
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}(?::\d{1,5})?\Z", re.ASCII)
SETS: Final = fields(
    """
    source.ip source.address client.ip user.name url.original url.path url.query url.extension url.domain
    url.port http.request.method http.request.referrer http.version http.response.status_code
    http.response.body.bytes user_agent.original event.outcome network.forwarded_ip related.ip related.user
    """
)


def access(prefix: str) -> Any:
    """Read the lines of a table; what a record has beyond the format stands under `prefix`."""

    def before(table: Table) -> None:
        lines = texts(table)
        found = [_matched(line) if line is not None else None for line in lines]
        for row, match in enumerate(found):
            if match is None:
                table.reject(row, "the text is no line of an access log")
        table.take("message")
        table.set("message", [line if match else None for line, match in zip(lines, found, strict=True)])

        def group(name: str) -> list[str | None]:
            return [_given(match[name]) if match is not None else None for match in found]

        stamped(table, group("time"))
        _who(table, prefix, [match["before"] if match is not None else "" for match in found])
        _what(table, prefix, group("request"))
        table.set("http.response.status_code", [int(v) if v else None for v in group("status")])
        table.set("http.response.body.bytes", [int(v) if v else None for v in group("bytes")])
        table.set("http.request.referrer", [_plain(v) for v in group("referrer")])
        table.set("user_agent.original", [_plain(v) for v in group("agent")])
        statuses = table.ecs("http.response.status_code")
        table.set("event.outcome", [None if s is None else "failure" if s >= 400 else "success" for s in statuses])
        rest = [_QUOTED.findall(v) if v else [] for v in group("rest")]
        forwarded = [_plain(_given(items[0])) if items else None for items in rest]
        table.source["x_forwarded_for"] = forwarded
        table.set("network.forwarded_ip", [_last_address(v) for v in forwarded])

    return before


def _matched(line: str) -> re.Match[str] | None:
    """The line, or what follows a syslog head."""
    if line.startswith("<") or " [" not in line[:1024] or not line[:1].isascii():
        return _LINE.match(head(line).message)
    return _LINE.match(line) if not _SYSLOG.match(line) else _LINE.match(head(line).message)


_SYSLOG: Final = re.compile(r"[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d |\d{4}-\d\d-\d\dT", re.ASCII)


def _given(value: str | None) -> str | None:
    return None if value in (None, "", "-") else value


def _plain(value: str | None) -> str | None:
    r"""A quoted value without its escapes (`\"`, `\\`, `\x22`)."""
    if value is None or "\\" not in value:
        return value
    return _ESCAPED.sub(lambda m: chr(int(m[1], 16)) if m[1] else m[2], value)


def _who(table: Table, prefix: str, befores: list[str]) -> None:
    """Client, user and virtual host of what stands before the time: `[vhost[:port]] address[, address…] ident user`."""
    hosts, clients, chains, users = [], [], [], []
    for host, chain, user in map(_client, befores):
        hosts.append(host)
        chains.append(chain if len(chain) > 1 else None)
        clients.append(chain[-1] if chain else None)
        users.append(user)
    numeric = [c if c is not None and addresses.packed(c) is not None else None for c in clients]
    table.set("source.address", clients)
    table.set("source.ip", numeric)
    table.set("source.domain", [c if n is None else None for c, n in zip(clients, numeric, strict=True)])
    table.set("client.ip", numeric)
    table.set("user.name", users)
    table.source["remote_ip_list"] = chains
    table.source["virtual_host"] = hosts


def _client(before: str) -> tuple[str | None, list[str], str | None]:
    tokens = before.split(" ")
    host = None
    if len(tokens) > 3 and not tokens[0].endswith(",") and addresses.packed(tokens[0]) is None:
        named = tokens[0].strip('"')
        if _HOST.match(named) and addresses.packed(tokens[1].rstrip(",")) is not None:
            host, tokens = named, tokens[1:]
    chain = []
    while tokens:
        token = tokens.pop(0)
        chain.append(token.rstrip(","))
        if not token.endswith(","):
            break
    user = _given(" ".join(tokens[1:]).strip()) if len(tokens) > 1 else None
    return host, [item for item in chain if item and item != "-"], user


def _what(table: Table, prefix: str, requests: list[str | None]) -> None:
    found = [_REQUEST.match(_plain(value) or "") if value else None for value in requests]
    table.set("http.request.method", [m["method"] if m else None for m in found])
    table.set("http.version", [m["version"] if m else None for m in found])
    targets = [m["target"] if m else None for m in found]
    table.set("url.original", targets)
    urls(table, targets)
    # What is no HTTP request (a TLS hello to a plain port) is kept as the server wrote it.
    table.source["request"] = [None if m else value for m, value in zip(found, requests, strict=True)]


def _last_address(value: str | None) -> str | None:
    """The address that the nearest proxy saw; what stands before it the client could write itself."""
    if value is None:
        return None
    last = value.rpartition(",")[2].strip()
    return last if addresses.packed(last) is not None else None
