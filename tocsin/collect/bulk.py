"""Takes what Elasticsearch clients send: Beats, Logstash, Vector, Fluent Bit, rsyslog, syslog-ng, telegraf, libraries.

It answers what they ask before their first `_bulk` (versions, licence, templates, policies: all accepted, none of any
effect), takes the documents into the journal, and answers when they are on disk. The API is served at the root and
below `/es/`. Sources: the REST API pages of elastic.co, and the clients themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import uuid4

import orjson
from pydantic import BaseModel, ConfigDict

from tocsin.collect import Collector
from tocsin.collect._elastic import MalformedError, filtered, reply, scan, single
from tocsin.collect._reserved import reserved
from tocsin.errors import BusyError, TocsinError
from tocsin.event.records import Chunk, Origin
from tocsin.metrics import counter
from tocsin.ports import Appended, JournalWriter

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Authenticate = Callable[[str | None, str | None], str | None]
"""The `Authorization` header and the peer's address in, the key's id out; "" for a sender that needs none, None for one
that may not in."""

VERSION: Final = "8.19.3"
"""What Tocsin calls itself: Beats before 8.11 refuse a server that is older than they are, and 8.19 is the last 8."""
_HEAVY: Final = 256 * 1024
_HONEST: Final = 32 << 20
_RATIO: Final = 250
_MOST_NAMES: Final = 4096
_PRODUCT = (b"x-elastic-product", b"Elasticsearch")
_COMPATIBLE = re.compile(rb"application/vnd\.elasticsearch\+json;\s*compatible-with=\d+")

REQUESTS = counter("tocsin_bulk_requests", "Requests to the Elasticsearch-compatible intake.", ["status"])
ITEMS = counter("tocsin_bulk_items", "Documents in _bulk requests.", ["outcome"])
TAKEN = counter("tocsin_bulk_bytes", "Bytes of documents taken, decompressed.")
_log = logging.getLogger(__name__)


class Settings(BaseModel):
    """Where it listens and how much it takes at once."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 9200
    """Port to listen on; 0 takes a free one."""
    tls_cert: Path | None = None
    """Certificate chain (PEM); unset: plain HTTP."""
    tls_key: Path | None = None
    """Private key (PEM) of `tls_cert`."""
    version: str = VERSION
    """The Elasticsearch version that clients are told."""
    request_bytes: int = 100 << 20
    """Bytes of one request, after decompression; more is answered 413."""
    record_bytes: int = 1 << 20
    """Bytes of one document; a longer one is refused by itself."""
    held_bytes: int = 256 << 20
    """Bytes of all requests being read; past that, senders are answered 429."""


class _RefusedError(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, type_: str, reason: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.type = type_
        self.reason = reason
        self.headers = headers


# Seconds that an answer takes, at most, from us to the socket: the server writes it on a thread of its own and does not
# say when. Were it marked sooner, a request whose answer a kill has stopped would show twice.
ON_ITS_WAY: Final = 0.05


class _GoneError(Exception):
    """The sender has hung up before its request was whole."""


class Intake:
    """The ASGI application. One journal; safe for many requests at once on one event loop."""

    def __init__(self, journal: JournalWriter, authenticate: Authenticate, settings: Settings | None = None) -> None:
        self._journal = journal
        self._authenticate = authenticate
        self._settings = settings or Settings()
        self._held = 0
        self._marking: dict[Appended, asyncio.TimerHandle] = {}
        self._inflating = asyncio.Semaphore(2)
        self._names: dict[tuple[str, str], None] = {}
        self._uuid = uuid4().hex[:22]
        self.counts = {"requests": 0, "items": 0, "refused_items": 0, "bytes": 0, "busy": 0, "unauthenticated": 0}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        if scope["type"] != "http":
            return
        self.counts["requests"] += 1
        asked = _Asked(scope)
        appended: Appended | None = None
        gone: asyncio.Future[Any] | None = None
        settled = False
        try:
            try:
                asked.key = self._authenticate(
                    asked.headers.get(b"authorization", b"").decode("latin-1") or None, asked.peer
                )
                if asked.key is None:
                    self.counts["unauthenticated"] += 1
                    raise _RefusedError(
                        401,
                        "security_exception",
                        "missing or unknown credentials: send an API key (Authorization: ApiKey …)",
                        ((b"www-authenticate", b'ApiKey, Basic realm="tocsin", charset="UTF-8"'),),
                    )
                handler = self._documents(asked)
                if handler is None:
                    status, body = self._ask(asked)
                else:
                    wire = await self._read(asked, receive)
                    gone = asyncio.ensure_future(receive())
                    status, body, appended = await handler(wire)
                headers: tuple[tuple[bytes, bytes], ...] = ()
            except _RefusedError as error:
                status, headers = error.status, error.headers
                body = _error(status, error.type, error.reason)
            except BusyError as error:
                self.counts["busy"] += 1
                status, headers = 429, ((b"retry-after", b"%d" % max(1, round(error.retry_after))),)
                body = _error(429, "es_rejected_execution_exception", str(error))
            except TocsinError as error:
                status, headers, body = 413, (), _error(413, "content_too_large_exception", str(error))
            REQUESTS.labels(status).inc()
            if gone is not None:
                # One turn of the loop, so that a hang-up that has come in is seen.
                await asyncio.sleep(0)
                if gone.done():
                    raise _GoneError
            await self._send(asked, send, status, headers, body)
            if appended is not None:
                self._journal.answered(appended, delivered=False)
                later = asyncio.get_running_loop().call_later(ON_ITS_WAY, self._mark, appended)
                self._marking[appended] = later
            settled = True
        except (_GoneError, OSError):
            REQUESTS.labels("gone").inc()
        finally:
            self._held -= asked.held
            if appended is not None and not settled:
                self._journal.abandoned(appended)
            if gone is not None:
                gone.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await gone

    def _mark(self, appended: Appended) -> None:
        self._marking.pop(appended, None)
        self._journal.answered(appended)

    def mark_all(self) -> None:
        """The server has ended, and has written every answer that it was given."""
        for appended, later in list(self._marking.items()):
            later.cancel()
            self._mark(appended)

    async def _send(
        self, asked: _Asked, send: Send, status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes
    ) -> None:
        if b"filter_path" in asked.query_bytes and status < 300:
            body = orjson.dumps(filtered(orjson.loads(body), asked.query("filter_path")))
        accepted = _COMPATIBLE.search(asked.headers.get(b"accept", b"")[:500])
        kind = accepted[0] if accepted else b"application/json"
        head = [_PRODUCT, (b"content-type", kind), (b"content-length", b"%d" % len(body)), *headers]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": b"" if asked.method == "HEAD" else body})

    # ---- bodies ----

    def _hold(self, asked: _Asked, size: int) -> None:
        """Count `size` more bytes that a request keeps in memory; `BusyError` where all together are too many."""
        asked.held += size
        self._held += size
        if self._held > self._settings.held_bytes and self._held > asked.held:
            raise BusyError("too many requests are being read", where="bulk")

    async def _read(self, asked: _Asked, receive: Receive) -> bytes:
        """The request's body as it came."""
        most = self._settings.request_bytes
        too_large = _RefusedError(413, "content_too_large_exception", f"a request may have at most {most} bytes")
        with contextlib.suppress(ValueError):
            if int(asked.headers.get(b"content-length", b"0")) > most:
                raise too_large
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise _GoneError
            part = message.get("body", b"")
            size += len(part)
            self._hold(asked, len(part))
            if size > most:
                raise too_large
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    async def _decompressed(self, asked: _Asked, wire: bytes) -> bytes:
        coding = asked.headers.get(b"content-encoding", b"identity").strip().lower()
        if coding in {b"identity", b""}:
            return wire
        if coding not in {b"gzip", b"x-gzip", b"deflate"}:
            raise _RefusedError(415, "illegal_argument_exception", "Content-Encoding may be gzip or deflate")
        # What a few bytes grow to is bounded too, or many small requests could fill the memory together.
        most = min(self._settings.request_bytes, max(_HONEST, _RATIO * len(wire)))
        try:
            if len(wire) > _HEAVY // 8:
                async with self._inflating:
                    body = await asyncio.to_thread(_inflate, wire, most)
            else:
                body = _inflate(wire, most)
        except (zlib.error, EOFError) as error:
            raise _RefusedError(400, "parse_exception", f"the body is no whole gzip data: {error}") from error
        if len(body) > most:
            raise _RefusedError(413, "content_too_large_exception", f"this request may have at most {most} bytes")
        self._hold(asked, len(body))
        return body

    # ---- documents ----

    def _documents(self, asked: _Asked) -> Callable[[bytes], Awaitable[tuple[int, bytes, Appended | None]]] | None:
        """What takes the documents of this request; None for one that brings none."""
        if asked.method not in {"POST", "PUT"}:
            return None
        match asked.path:
            case ["_bulk"]:
                return lambda wire: self._bulk(asked, wire, None)
            case [index, "_bulk"] | [index, _, "_bulk"] if not index.startswith("_"):
                return lambda wire: self._bulk(asked, wire, index)
            case [index, "_create", id_] if not index.startswith("_"):
                return lambda wire: self._one(asked, wire, index, id_, "create")
            case [index, "_doc" | "_create"] if not index.startswith("_"):
                return lambda wire: self._one(asked, wire, index, None, "index")
            case [index, "_doc", id_] if not index.startswith("_"):
                return lambda wire: self._one(asked, wire, index, id_, "index")
            # Types are gone since Elasticsearch 7, but not from the senders: rsyslog posts to /index/type.
            case [index, type_] if asked.method == "POST" and not index.startswith("_") and not type_.startswith("_"):
                return lambda wire: self._one(asked, wire, index, None, "index")
            case [index, type_, id_] if not any(part.startswith("_") for part in (index, type_)) and id_:
                return lambda wire: self._one(asked, wire, index, id_, "index")
        return None

    async def _bulk(self, asked: _Asked, wire: bytes, index: str | None) -> tuple[int, bytes, Appended | None]:
        started = time.monotonic()
        body = await self._decompressed(asked, wire)
        if not body or body.isspace():
            raise _RefusedError(400, "parse_exception", "request body is required")
        try:
            request = scan(body, limit=self._settings.record_bytes)
        except MalformedError as error:
            raise _RefusedError(
                400, "illegal_argument_exception", f"Malformed action/metadata line: {error}"
            ) from error
        appended = await self._take(asked, wire, request.payloads, index)
        place = f"{appended.lane:x}-{appended.position:x}-" if appended else ""
        took = int((time.monotonic() - started) * 1000)
        refused = sum(1 for item in request.items if item.error is not None)
        self.counts["items"] += len(request.items) - refused
        self.counts["refused_items"] += refused
        ITEMS.labels("taken").inc(len(request.items) - refused)
        ITEMS.labels("refused").inc(refused)
        answer = reply(request.items, default_index=index, ids=lambda number: f"{place}{number:x}", took=took)
        return 200, answer, appended

    async def _one(
        self, asked: _Asked, wire: bytes, index: str, id_: str | None, operation: str
    ) -> tuple[int, bytes, Appended | None]:
        body = await self._decompressed(asked, wire)
        if not body or body.isspace():
            raise _RefusedError(400, "parse_exception", "request body is required")
        if len(body) > self._settings.record_bytes:
            raise _RefusedError(
                413, "content_too_large_exception", f"a document may have at most {self._settings.record_bytes} bytes"
            )
        if asked.query("op_type") == "create":
            operation = "create"
        appended = await self._take(asked, wire, [single(body, operation=operation, index=index, id=id_)], None)
        self.counts["items"] += 1
        ITEMS.labels("taken").inc()
        made = id_ if id_ is not None or appended is None else f"{appended.lane:x}-{appended.position:x}-0"
        shards = {"total": 1, "successful": 1, "failed": 0}
        answer = {"_index": index, "_id": made, "_version": 1, "result": "created", "_shards": shards}
        return 201, orjson.dumps(answer | {"_seq_no": 0, "_primary_term": 1}), appended

    async def _take(self, asked: _Asked, wire: bytes, payloads: list[bytes], index: str | None) -> Appended | None:
        if not payloads:
            return None
        origin = Origin("bulk", key=asked.key or None, peer=asked.peer, index=index)
        chunks = [Chunk("bulk", payload, origin) for payload in payloads]
        about = f"{asked.method} {asked.raw_path}?".encode("utf-8", "replace") + asked.query_bytes + b"\n"
        appended = await self._journal.append(
            chunks, lane_key=f"{asked.key}|{asked.peer}" if asked.key else asked.peer or "", request=about + wire
        )
        size = sum(map(len, payloads))
        self.counts["bytes"] += size
        TAKEN.inc(size)
        return appended

    # ---- what is asked before ----

    def _ask(self, asked: _Asked) -> tuple[int, bytes]:
        """Answers of no effect, in the shapes that clients look at."""
        match asked.path:
            case [] | [""]:
                return 200, self._root()
            case ["_license"]:
                licence = {"status": "active", "uid": self._uuid, "type": "basic", "mode": "basic"}
                return 200, orjson.dumps({"license": licence | {"issued_to": "tocsin", "issuer": "elasticsearch"}})
            case ["_xpack", *_]:
                features = {name: {"available": True, "enabled": True} for name in ("ilm", "security", "data_streams")}
                return 200, orjson.dumps(
                    {"license": {"status": "active", "type": "basic", "mode": "basic"}, "features": features}
                )
            case ["_cluster", "health", *_]:
                return 200, orjson.dumps(
                    {"cluster_name": "tocsin", "status": "green", "timed_out": False, "number_of_nodes": 1}
                    | {"number_of_data_nodes": 1, "active_primary_shards": 1, "active_shards": 1}
                )
            case ["_cat", "health"]:
                now = time.time()
                text = (
                    f"{now:.0f} {time.strftime('%H:%M:%S', time.gmtime(now))} tocsin green 1 1 1 1 0 0 0 0 - 100.0%\n"
                )
                return 200, text.encode()
            case ["_nodes", *_]:
                return 200, self._nodes(asked)
            case ["_cluster", "settings"]:
                return 200, b'{"persistent":{},"transient":{},"defaults":{}}'
            case [*_, "_refresh"] | [*_, "_flush"]:
                return 200, b'{"_shards":{"total":1,"successful":1,"failed":0}}'
            case [("_ilm" | "_slm"), "policy", name] | [
                ("_index_template" | "_template" | "_component_template"),
                name,
            ]:
                return self._named(asked, asked.path[0], name)
            case ["_data_stream", name] | ["_data_stream", name, "_lifecycle"]:
                return self._named(asked, "_data_stream", name)
            case ["_ingest", "pipeline", name]:
                return self._named(asked, "_ingest", name)
            case ["_ilm", "status"]:
                return 200, b'{"operation_mode":"RUNNING"}'
            case [("_ilm" | "_index_template" | "_template" | "_data_stream" | "_ingest"), *_] if asked.method == "GET":
                return 200, b"{}"
            case [name] if not name.startswith("_"):
                return self._named(asked, "index", name)
            case [name, "_alias" | "_aliases", *_] | [name, "_mapping" | "_settings"] if not name.startswith("_"):
                if asked.method in {"PUT", "POST"}:
                    return 200, b'{"acknowledged":true}'
                return self._named(asked, "index", name)
        raise _RefusedError(
            404,
            "invalid_index_name_exception",
            f"{asked.method} {asked.raw_path[:200]!r} is nothing that this port answers: it takes events in, "
            "searches go to Tocsin's API",
        )

    def _root(self) -> bytes:
        version = {
            "number": self._settings.version,
            "build_flavor": "default",
            "build_type": "tar",
            "build_hash": "tocsin",
            "build_date": "2025-01-01T00:00:00.000000000Z",
            "build_snapshot": False,
            "lucene_version": "9.12.0",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        }
        names = {"name": "tocsin", "cluster_name": "tocsin", "cluster_uuid": self._uuid, "version": version}
        return orjson.dumps(names | {"tagline": "You Know, for Search"})

    def _nodes(self, asked: _Asked) -> bytes:
        """One node at the address that was asked, for clients that look around; with the processors that Filebeat's
        modules look for."""
        host = asked.headers.get(b"host", b"").decode("latin-1")[:300]
        processors = ("geoip", "user_agent", "script", "set", "rename", "remove", "date", "grok", "json", "convert")
        node = {
            "name": "tocsin",
            "version": self._settings.version,
            "roles": ["data", "ingest", "master"],
            "http": {
                "publish_address": host,
                "bound_address": [host],
                "max_content_length_in_bytes": self._settings.request_bytes,
            },
            "ingest": {"processors": [{"type": name} for name in processors]},
        }
        return orjson.dumps({"cluster_name": "tocsin", "nodes": {self._uuid: node}})

    def _named(self, asked: _Asked, kind: str, name: str) -> tuple[int, bytes]:
        """A template, policy, pipeline, stream or index: it is there once somebody has put it, and does nothing."""
        if asked.method in {"PUT", "POST"}:
            if len(self._names) >= _MOST_NAMES:
                self._names.pop(next(iter(self._names)))
            self._names[kind, name] = None
            more = {"shards_acknowledged": True, "index": name} if kind == "index" else {}
            return 200, orjson.dumps({"acknowledged": True} | more)
        if asked.method == "DELETE":
            self._names.pop((kind, name), None)
            return 200, b'{"acknowledged":true}'
        if (kind, name) not in self._names:
            raise _RefusedError(404, "resource_not_found_exception", f"there is no {name[:200]!r} here yet")
        if kind == "_data_stream":
            stream = {"name": name, "timestamp_field": {"name": "@timestamp"}, "indices": [], "status": "GREEN"}
            return 200, orjson.dumps({"data_streams": [stream]})
        if kind == "_index_template":
            template: dict[str, object] = {"index_patterns": [], "template": {}, "composed_of": [], "data_stream": {}}
            return 200, orjson.dumps({"index_templates": [{"name": name, "index_template": template}]})
        return 200, orjson.dumps({name: {}})


class _Asked:
    """The head of a request."""

    __slots__ = ("_query", "headers", "held", "key", "method", "path", "peer", "query_bytes", "raw_path")

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.raw_path: str = scope["path"]
        path = self.raw_path.strip("/").split("/") if self.raw_path.strip("/") else []
        self.path: list[str] = path[1:] if path and path[0] == "es" else path
        self.query_bytes: bytes = scope.get("query_string", b"")
        self.headers: dict[bytes, bytes] = {bytes(name).lower(): bytes(value) for name, value in scope["headers"]}
        client = scope.get("client")
        self.peer: str | None = client[0].removeprefix("::ffff:") if client else None
        self.key: str | None = None
        self.held = 0
        self._query: dict[str, list[str]] | None = None

    def query(self, name: str) -> str:
        """The last value of a parameter, or nothing."""
        if self._query is None:
            try:
                self._query = parse_qs(self.query_bytes.decode("latin-1"), max_num_fields=64)
            except ValueError:
                self._query = {}
        return self._query.get(name, [""])[-1]


def _error(status: int, type_: str, reason: str) -> bytes:
    """An error in Elasticsearch's shape."""
    cause = {"type": type_, "reason": reason}
    return orjson.dumps({"error": {"root_cause": [cause], **cause}, "status": status})


def _inflate(data: bytes, most: int) -> bytes:
    """Gunzip at most `most` bytes and one more. Raises `zlib.error` or `EOFError` for what is broken or cut off."""
    out: list[bytes] = []
    size = 0
    while data and size <= most:
        inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, whichever it is
        out.append(inflate.decompress(data, most + 1 - size))
        size += len(out[-1])
        if not inflate.eof and size <= most:
            raise EOFError("it ends too early")
        data = inflate.unused_data
    return out[0] if len(out) == 1 else b"".join(out)


class Bulk:
    """The intake as a collector of its own, served by granian on one event loop."""

    name = "bulk"

    def __init__(self, settings: Settings, authenticate: Authenticate) -> None:
        self._settings = settings
        self._authenticate = authenticate
        self._intake: Intake | None = None
        self.port = settings.port
        """The port that it listens on, known once `listening` is set."""
        self.listening = asyncio.Event()

    async def run(self, journal: JournalWriter) -> None:
        """See `Collector.run`. Raises `ConfigError` for an address that can't be had."""
        from granian.constants import Interfaces
        from granian.server.embed import Server

        settings = self._settings
        self._intake = Intake(journal, self._authenticate, settings)
        with reserved(settings.host, settings.port, who="the intake", where="server.bulk_port") as held:
            self.port = held.getsockname()[1]
            server = Server(
                self._intake,
                address=settings.host,
                port=self.port,
                interface=Interfaces.ASGINL,
                websockets=False,
                backlog=1024,
                log_enabled=False,
                ssl_cert=settings.tls_cert,
                ssl_key=settings.tls_key,
            )
            task = asyncio.create_task(server.serve())
            # The socket is bound when the server begins, and takes connections from then on; it tells nobody.
            while not task.done() and not server.wrks:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            self.listening.set()
        try:
            await asyncio.shield(task)
        finally:
            server.stop()  # type: ignore[no-untyped-call]  # granian has no annotation here
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self._intake.mark_all()

    def health(self) -> dict[str, object]:
        """See `Collector.health`."""
        return dict(self._intake.counts) if self._intake is not None else {}


def collector(settings: Settings, authenticate: Authenticate) -> Collector:
    """The intake as settings say."""
    return Bulk(settings, authenticate)
