"""Columns that rules and lists may name and that are worked out of an event's own: its client, and the server of the
one URL that it names.

    tocsin.client.ip              the client, behind trusted proxies too (`_client`)
    tocsin.url.{ip,domain,port}   host and port of the URL in a request to a proxy, a command line or a script block;
                                  missing where there is none, or URLs of different servers: then no list can speak
                                  for them all
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.detect._client import FIELD as CLIENT
from tocsin.detect._client import FORWARDED, PEERS, Clients
from tocsin.event import ip
from tocsin.event.schema import FIELDS, IP_TYPE, Column, Kind

COLUMNS: Final[dict[str, Column]] = {
    CLIENT: Column(CLIENT, Kind.IP, False, IP_TYPE, "Nullable(IPv6)"),
    "tocsin.url.ip": Column("tocsin.url.ip", Kind.IP, False, IP_TYPE, "Nullable(IPv6)"),
    "tocsin.url.domain": Column("tocsin.url.domain", Kind.KEYWORD, False, pa.string(), "Nullable(String)"),
    "tocsin.url.port": Column("tocsin.url.port", Kind.LONG, False, pa.int64(), "Nullable(Int64)"),
}
_SCHEME: Final = re.compile(rb"(?i:(https?|ftp))\Z")
_AUTHORITY: Final = re.compile(rb"[^\s/\\?#\"'`<>|;,(){}]{1,512}")
_PORTS: Final = {"http": 80, "https": 443, "ftp": 21}
# Where a URL may stand; a request's own target only if it names the server.
_TEXTS: Final = ("url.original", "tocsin.canonical.command_line", "tocsin.canonical.script_block")


class Server(NamedTuple):
    """Host and port as a URL names them; an address as 16 bytes."""

    address: bytes | None
    domain: str | None
    port: int | None


_NONE: Final = Server(None, None, None)


def server_of(text: str) -> Server:
    """The server of the URLs in a text; none where they are of several. What stands before `@` is no host."""
    data = text.encode("utf-8", "replace")
    return _servers(data, [0, len(data)]).get(0, _NONE)


def _servers(data: bytes, ends: Sequence[int]) -> dict[int, Server]:
    """The servers of the texts that stand one behind the other in `data` (from `ends[i]` to `ends[i + 1]`), by text;
    one search through all of them, since script blocks are long. A text of several servers has none."""
    found: dict[int, Server] = {}
    at = data.find(b"://")
    while at >= 0:
        row = bisect_right(ends, at) - 1
        begin, end = ends[row], ends[row + 1]
        after = at + 3
        scheme = _SCHEME.search(data, max(begin, at - 5), at)
        authority = _AUTHORITY.match(data, after, end) if scheme and after <= end else None
        if scheme and authority:
            server = _server(scheme[1].decode().lower(), authority[0].decode("utf-8", "replace"))
            if found.setdefault(row, server) != server:
                found[row] = _NONE
                after = end
        at = data.find(b"://", after)
    return found


@lru_cache(maxsize=8192)
def _server(scheme: str, authority: str) -> Server:
    host, _, port = authority.rpartition("@")[2], "", ""
    if host.startswith("["):
        host, _, rest = host[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = host.partition(":")
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else None if port else _PORTS[scheme]
    address = ip.packed(host)
    return Server(address, None if address is not None else host.lower().rstrip(".") or None, number)


class Derived:
    """Gives a batch its derived columns."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def widen(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with the columns `COLUMNS`."""
        servers = self._named(batch)
        arrays = [
            self._client(batch),
            pa.array([each.address for each in servers], IP_TYPE) if servers else pa.nulls(batch.num_rows, IP_TYPE),
            pa.array([each.domain for each in servers], pa.string())
            if servers
            else pa.nulls(batch.num_rows, pa.string()),
            pa.array([each.port for each in servers], pa.int64()) if servers else pa.nulls(batch.num_rows, pa.int64()),
        ]
        schema = pa.schema([*batch.schema, *(pa.field(name, column.arrow) for name, column in COLUMNS.items())])
        return pa.RecordBatch.from_arrays([*batch.columns, *arrays], schema=schema)

    def _named(self, batch: pa.RecordBatch) -> list[Server]:
        """A server a row; empty where no row names one."""
        out: list[Server] = []
        for name in _TEXTS:
            column = batch.column(name)
            if column.null_count == batch.num_rows:
                continue
            _, offsets, data = column.buffers()
            if data is None:
                continue
            ends = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
            text = data[int(ends[0]) : int(ends[-1])].to_pybytes()
            if found := _servers(text, (ends - ends[0]).tolist()):
                out = out or [_NONE] * batch.num_rows
                for row, server in found.items():
                    out[row] = server
        return out

    def _client(self, batch: pa.RecordBatch) -> pa.Array:
        """The sender's address; for the few rows that have a forwarded header, what a trusted proxy says."""
        peer = pa.nulls(batch.num_rows, IP_TYPE)
        for name in PEERS:
            if name in batch.schema.names and batch.schema.field(name).type == IP_TYPE:
                peer = pc.coalesce(peer, batch.column(name))
        fields = batch.column(FIELDS)
        changed: dict[int, bytes | None] = {}
        own = batch.column("client.ip")
        rows = set(self._forwarded(fields))
        if own.null_count < batch.num_rows:
            rows.update(pc.indices_nonzero(pc.fill_null(pc.not_equal(peer, own), False)).to_pylist())
        for row in sorted(rows):
            held: dict[str, Any] = dict(fields[row].as_py() or ())
            if (client := own[row].as_py()) is not None:
                held["client.ip"] = [ip.text(client)]
            hops = [value for name in FORWARDED for value in held.get(name, ())]
            sender = peer[row].as_py()
            found = self._clients.of([ip.text(sender)] if sender is not None else [], hops)
            changed[row] = ip.packed(found) if found is not None else None
        if not changed:
            return peer
        values = peer.to_pylist()
        for row, value in changed.items():
            values[row] = value
        return pa.array(values, IP_TYPE)

    def _forwarded(self, fields: pa.MapArray) -> list[int]:
        """The rows whose map has a forwarded header."""
        named = pc.indices_nonzero(pc.is_in(fields.keys.cast(pa.string()), pa.array(FORWARDED)))
        if not len(named):
            return []
        rows = np.searchsorted(fields.offsets.to_numpy(), named.to_numpy(), side="right") - 1
        return [row for row in dict.fromkeys(rows.tolist()) if 0 <= row < len(fields)]
