"""Takes syslog over UDP, TCP and TLS: one message a datagram, or RFC 6587's framings, recognised a connection.

Senders have no key, so each must come from `allowed_peers` or, over TLS, show a certificate. A TCP sender is slowed by
not reading on; what UDP loses in the kernel is counted. Sources: RFC 3164, 5424, 5425, 5426, 6587.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.networks import IPvAnyNetwork

from tocsin.collect import Collector
from tocsin.collect._framing import Framer
from tocsin.errors import BusyError, ConfigError, TocsinError, quoted
from tocsin.event.records import Chunk, Origin, with_lengths
from tocsin.metrics import counter
from tocsin.ports import JournalWriter

BATCH: Final = 256 * 1024
"""Bytes of messages that are put into the journal together without waiting for more."""
_BLOCK: Final = 256 * 1024
_UDP_BUFFER: Final = 16 << 20
_UDP_HELD: Final = 16 << 20
_UDP_AT_ONCE: Final = 512
_SO_RXQ_OVFL: Final = 40  # Linux: the number of datagrams that the socket has dropped, beside each one that it gives
_SO_RCVBUFFORCE: Final = 33

MESSAGES = counter("tocsin_syslog_messages", "Syslog messages taken.", ["transport"])
BYTES = counter("tocsin_syslog_bytes", "Bytes of syslog messages taken.", ["transport"])
DROPPED = counter("tocsin_syslog_dropped", "Datagrams that the kernel dropped because nobody read them in time.")
REFUSED = counter("tocsin_syslog_refused", "Connections and datagrams of peers that may not send.", ["transport"])
CUT = counter("tocsin_syslog_cut", "Messages longer than limits.syslog_bytes, kept without their end.")
_log = logging.getLogger(__name__)


class Settings(BaseModel):
    """Where it listens and who may send."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Address to listen on."""
    udp: int | None = None
    """UDP port; unset: off; 0 takes a free one. 514 needs privileges, 5514 does not."""
    tcp: int | None = None
    """TCP port; unset: off; 0 takes a free one."""
    tls: int | None = None
    """Port for syslog over TLS (6514 by RFC 5425); unset: off."""
    tls_cert: Path | None = None
    """Certificate chain (PEM) for `tls`."""
    tls_key: Path | None = None
    """Private key (PEM) of `tls_cert`."""
    tls_ca: Path | None = None
    """Authorities (PEM) whose certificates let senders in over TLS, whatever their address."""
    allowed_peers: list[IPvAnyNetwork] = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]
    """Networks that may send, in CIDR notation; others are refused and counted."""
    message_bytes: int = Field(default=64 * 1024, ge=480)
    """Bytes of one message; a longer one is kept without its end."""
    wait_ms: int = Field(default=200, ge=0, le=10_000)
    """Milliseconds that a message waits for others to be put into the journal with it."""
    partial_seconds: float = Field(default=10.0, gt=0)
    """Seconds after which a message that has not ended is taken as it is."""
    most_connections: int = Field(default=2_000, ge=1)
    """Connections at once; one more is closed at once."""
    product: str | None = None
    """What every sender is (`cisco_asa.log`), where they are all one thing."""
    zone: str | None = None
    """Time zone (IANA name) of messages that name none."""


class Syslog:
    """The collector. `ports` has what it listens on once `listening` is set."""

    name = "syslog"

    def __init__(self, settings: Settings) -> None:
        if settings.tls is not None and (settings.tls_cert is None or settings.tls_key is None):
            raise ConfigError("TLS needs tls_cert and tls_key", where="syslog.tls")
        self._settings = settings
        self._networks = tuple(settings.allowed_peers)
        self._known: dict[str, bool] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._udp: socket.socket | None = None
        self._told = 0.0
        self.listening = asyncio.Event()
        self.ports: dict[str, int] = {}
        self.counts = {
            "messages": 0,
            "bytes": 0,
            "connections": 0,
            "refused": 0,
            "cut": 0,
            "dropped": 0,
            "busy": 0,
            "failed": 0,
        }

    async def run(self, journal: JournalWriter) -> None:
        """See `Collector.run`. Raises `ConfigError` for a port or certificate that can't be had."""
        settings = self._settings
        async with contextlib.AsyncExitStack() as stack:
            try:
                for transport, port, context in (
                    ("tcp", settings.tcp, None),
                    ("tls", settings.tls, self._context() if settings.tls is not None else None),
                ):
                    if port is not None:
                        await self._listen(stack, journal, transport, port, context)
                if settings.udp is not None:
                    self._udp = _udp_socket(settings.host, settings.udp)
                    stack.callback(self._udp.close)
                    self.ports["udp"] = self._udp.getsockname()[1]
            except OSError as error:
                raise ConfigError(f"it can't listen: {error.strerror or error}", where="syslog") from error
            self.listening.set()
            try:
                if self._udp is not None:
                    await self._datagrams(self._udp, journal)
                else:
                    await asyncio.Event().wait()
            finally:
                for task in self._connections:
                    task.cancel()
                if self._connections:
                    await asyncio.wait(self._connections, timeout=10)

    def health(self) -> dict[str, object]:
        """See `Collector.health`."""
        if self._udp is not None and self._udp.fileno() >= 0:
            self._dropped(_kernel_drops(self._udp))
        return {**self.counts, "open": len(self._connections)}

    def _context(self) -> ssl.SSLContext:
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Senders of syslog never read; a session ticket left unread makes their close a reset, and what is on its way
        # is lost.
        context.num_tickets = 0
        try:
            assert settings.tls_cert is not None
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
            if settings.tls_ca is not None:
                context.load_verify_locations(settings.tls_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(f"the certificate can't be used: {error}", where="syslog.tls_cert") from error
        return context

    def _admits(self, peer: str) -> bool:
        known = self._known.get(peer)
        if known is None:
            try:
                address = ipaddress.ip_address(peer)
                known = any(address.version == network.version and address in network for network in self._networks)
            except ValueError:
                known = False
            if len(self._known) >= 10_000:
                self._known.clear()
            self._known[peer] = known
        return known

    def _refuse(self, peer: str, transport: str) -> None:
        self.counts["refused"] += 1
        REFUSED.labels(transport).inc()
        if time.monotonic() - self._told > 60:
            self._told = time.monotonic()
            _log.warning("syslog from %s is refused: it is not in syslog.allowed_peers", quoted(peer))

    async def _put(self, journal: JournalWriter, messages: Sequence[bytes], peer: str, transport: str) -> None:
        """Put messages into the journal, however long it is full: the sender waits meanwhile."""
        settings = self._settings
        origin = Origin("syslog", peer=peer, product=settings.product, zone=settings.zone)
        chunk = Chunk("syslog", with_lengths(messages), origin)
        while True:
            try:
                await journal.append([chunk], lane_key=peer)
                break
            except BusyError as busy:
                self.counts["busy"] += 1
                await asyncio.sleep(busy.retry_after)
        size = len(chunk.payload) - 4 * len(messages)
        self.counts["messages"] += len(messages)
        self.counts["bytes"] += size
        MESSAGES.labels(transport).inc(len(messages))
        BYTES.labels(transport).inc(size)

    # ---- TCP ----

    async def _listen(
        self,
        stack: contextlib.AsyncExitStack,
        journal: JournalWriter,
        transport: str,
        port: int,
        context: ssl.SSLContext | None,
    ) -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._connections.add(task)
            try:
                await self._connection(reader, writer, journal, transport)
            except (OSError, TocsinError) as error:
                self.counts["failed"] += 1
                _log.warning("a syslog connection ended: %s", error)
            except asyncio.CancelledError:
                pass  # the collector ends; asyncio would log it as a failure
            finally:
                self._connections.discard(task)
                writer.close()
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await asyncio.wait_for(writer.wait_closed(), 2)

        more = {"ssl_handshake_timeout": 15.0} if context is not None else {}
        server = await asyncio.start_server(
            connected, self._settings.host, port, ssl=context, limit=_BLOCK, backlog=512, **more
        )
        self.ports[transport] = server.sockets[0].getsockname()[1]
        stack.callback(server.close)

    async def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, journal: JournalWriter, transport: str
    ) -> None:
        settings = self._settings
        peer = str((writer.get_extra_info("peername") or ["?"])[0]).removeprefix("::ffff:")
        certified = transport == "tls" and settings.tls_ca is not None
        if not (certified or self._admits(peer)) or len(self._connections) > settings.most_connections:
            self._refuse(peer, transport)
            return
        self.counts["connections"] += 1
        framer = Framer(settings.message_bytes)
        gathered: list[bytes] = []
        size = 0
        due = partial_since = 0.0

        async def put() -> None:
            nonlocal gathered, size
            self.counts["cut"] += framer.cut
            CUT.inc(framer.cut)
            framer.cut = 0
            if gathered:
                messages, gathered, size = gathered, [], 0
                await self._put(journal, messages, peer, transport)

        try:
            while True:
                now = time.monotonic()
                until = [moment for moment in (due if gathered else 0, partial_since) if moment]
                try:
                    async with asyncio.timeout(max(0.0, min(until) - now) if until else None):
                        data = await reader.read(_BLOCK)
                except TimeoutError:
                    if gathered and time.monotonic() >= due:
                        await put()
                    if partial_since and time.monotonic() >= partial_since:
                        gathered += framer.finish()
                        partial_since = 0.0
                        if framer.framing == "octets":
                            return  # the rest of a counted message could not be told from the next
                        due = time.monotonic()
                    continue
                except OSError:
                    # The sender has reset the connection; asyncio gives no more, but what had come is there.
                    gathered += framer.feed(bytes(getattr(reader, "_buffer", b"")))
                    raise
                if not data:
                    return
                messages = framer.feed(data)
                now = time.monotonic()
                if messages:
                    if not gathered:
                        due = now + settings.wait_ms / 1000
                    gathered += messages
                    size += sum(map(len, messages))
                if not framer.partial:
                    partial_since = 0.0
                elif messages or not partial_since:
                    partial_since = now + settings.partial_seconds
                if size >= BATCH or (gathered and now >= due):
                    await put()
        finally:
            gathered += framer.finish()
            # Also when it is cancelled: what was read is kept, unless the journal has no room for long.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5 if asyncio.current_task().cancelling() else None):  # type: ignore[union-attr]
                    await put()

    # ---- UDP ----

    async def _datagrams(self, wire: socket.socket, journal: JournalWriter) -> None:
        """Read datagrams, gather them a peer, and put them into the journal every `wait_ms`.

        While too much waits for the journal, nothing is read: the kernel's buffer fills, and its drops are counted.
        """
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(wire, readable.set)
        gathered: dict[str, list[bytes]] = {}
        size = 0
        due = 0.0
        try:
            while True:
                try:
                    async with asyncio.timeout(max(0.0, due - time.monotonic()) if gathered else None):
                        await readable.wait()
                except TimeoutError:
                    pass
                else:
                    size += self._receive(wire, gathered, readable.clear)
                    if gathered and not due:
                        due = time.monotonic() + self._settings.wait_ms / 1000
                if gathered and (size >= _UDP_HELD or time.monotonic() >= due):
                    batches, gathered, size, due = gathered, {}, 0, 0.0
                    # Otherwise the loop would be woken by every datagram that is not to be read yet.
                    loop.remove_reader(wire)
                    await asyncio.gather(
                        *(self._put(journal, messages, peer, "udp") for peer, messages in batches.items())
                    )
                    loop.add_reader(wire, readable.set)
                else:
                    await asyncio.sleep(0)
        finally:
            loop.remove_reader(wire)
            self._receive(wire, gathered, readable.clear)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    for peer, messages in gathered.items():
                        await self._put(journal, messages, peer, "udp")

    def _receive(self, wire: socket.socket, gathered: dict[str, list[bytes]], dry: Callable[[], None]) -> int:
        """Read what has come, at most `_UDP_AT_ONCE` datagrams; `dry` is called when that is all. Bytes read."""
        size = 0
        limit = self._settings.message_bytes
        for _ in range(_UDP_AT_ONCE):
            try:
                data, beside, _, address = wire.recvmsg(65_535, 64)
            except (BlockingIOError, InterruptedError):
                dry()
                return size
            except OSError as error:
                _log.warning("a datagram could not be read: %s", error)
                continue
            for level, kind, value in beside:
                if level == socket.SOL_SOCKET and kind == _SO_RXQ_OVFL and len(value) >= 4:
                    self._dropped(struct.unpack_from("I", value)[0])
            peer = address[0].removeprefix("::ffff:")
            if not self._admits(peer):
                self._refuse(peer, "udp")
                continue
            data = data.rstrip(b"\r\n\0")
            if not data:
                continue
            if len(data) > limit:
                self.counts["cut"] += 1
                CUT.inc()
                data = data[:limit]
            gathered.setdefault(peer, []).append(data)
            size += len(data)
        return size

    def _dropped(self, total: int) -> None:
        """The kernel has dropped `total` datagrams so far."""
        if total > self.counts["dropped"]:
            DROPPED.inc(total - self.counts["dropped"])
            self.counts["dropped"] = total


def _udp_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    wire = socket.socket(family, socket.SOCK_DGRAM)
    try:
        wire.setblocking(False)
        for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):  # past net.core.rmem_max, where we may
            try:
                wire.setsockopt(socket.SOL_SOCKET, option, _UDP_BUFFER)
                break
            except OSError:
                continue
        with contextlib.suppress(OSError):
            wire.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
        wire.bind((host, port))
    except OSError:
        wire.close()
        raise
    return wire


def _kernel_drops(wire: socket.socket) -> int:
    """How many datagrams the kernel has dropped at this socket, as /proc/net says; 0 where it does not."""
    try:
        inode = str(os.fstat(wire.fileno()).st_ino)
        table = Path("/proc/net/udp6" if wire.family == socket.AF_INET6 else "/proc/net/udp")
        for line in table.read_text().splitlines()[1:]:
            cells = line.split()
            if len(cells) >= 13 and cells[9] == inode:
                return int(cells[12])
    except (OSError, ValueError):
        pass
    return 0


def collector(settings: Settings) -> Collector:
    """The collector as settings say."""
    return Syslog(settings)
