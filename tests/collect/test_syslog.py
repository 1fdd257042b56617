"""Syslog from real senders, over each transport."""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.collect.counterparts import rsyslog, syslog_ng
from tests.conftest import CI
from tocsin.collect.syslog import Settings, Syslog
from tocsin.errors import BusyError, ConfigError
from tocsin.event.records import Chunk, length_prefixed
from tocsin.ports import Appended

Program = Callable[[str], str]


class Memory:
    """A journal in memory that can be told to be full."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.lanes: list[str] = []
        self.full = threading.Event()

    async def append(self, chunks: Any, *, lane_key: str, request: bytes | None = None) -> Appended:
        if self.full.is_set():
            raise BusyError("the journal is full", retry_after=0.05)
        self.chunks.extend(chunks)
        self.lanes.append(lane_key)
        return Appended(0, len(self.chunks))

    def answered(self, appended: Appended, *, delivered: bool = True) -> None: ...
    def abandoned(self, appended: Appended) -> None: ...

    def messages(self) -> list[bytes]:
        return [message for chunk in list(self.chunks) for message in length_prefixed(chunk.payload)]


@contextmanager
def listening(**settings: Any) -> Iterator[tuple[Syslog, Memory]]:
    """A collector on ports of its own, on a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    journal = Memory()
    collector = Syslog(Settings(wait_ms=20, **settings))
    up = threading.Event()
    task: asyncio.Task[None] | None = None

    async def go() -> None:
        nonlocal task
        task = asyncio.create_task(collector.run(journal))
        await asyncio.wait([task, asyncio.create_task(collector.listening.wait())], return_when="FIRST_COMPLETED")
        up.set()
        with suppress(asyncio.CancelledError):
            await task

    thread = threading.Thread(target=loop.run_until_complete, args=(go(),))
    thread.start()
    try:
        assert up.wait(20)
        assert collector.ports
        yield collector, journal
    finally:
        if task is not None:
            loop.call_soon_threadsafe(task.cancel)
        thread.join(20)
        loop.close()


def until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def connect(collector: Syslog, transport: str = "tcp") -> socket.socket:
    return socket.create_connection(("127.0.0.1", collector.ports[transport]), timeout=10)


def test_says_what_it_takes_and_from_whom() -> None:
    with listening(udp=0, tcp=0, product="cisco_asa.log", zone="Europe/Berlin") as (collector, journal):
        with connect(collector) as wire:
            wire.sendall(b"<13>one\n<13>two\n")
        assert until(lambda: len(journal.messages()) == 2)
        with socket.socket(type=socket.SOCK_DGRAM) as wire:
            wire.sendto(b"<13>three\nin two lines\n", ("127.0.0.1", collector.ports["udp"]))
            wire.sendto(b"", ("127.0.0.1", collector.ports["udp"]))
        assert until(lambda: len(journal.messages()) == 3)
        assert collector.counts["messages"] == 3
    assert journal.messages() == [b"<13>one", b"<13>two", b"<13>three\nin two lines"]
    assert {chunk.format for chunk in journal.chunks} == {"syslog"}
    assert {(c.origin.peer, c.origin.product, c.origin.zone) for c in journal.chunks} == {
        ("127.0.0.1", "cisco_asa.log", "Europe/Berlin")
    }
    assert set(journal.lanes) == {"127.0.0.1"}


def test_refuses_peers_that_may_not_send() -> None:
    with listening(udp=0, tcp=0, allowed_peers=["192.0.2.0/24"]) as (collector, journal):
        with connect(collector) as wire:
            with suppress(OSError):
                wire.sendall(b"<13>one\n")
            with suppress(ConnectionResetError):
                assert wire.recv(10) == b""
        with socket.socket(type=socket.SOCK_DGRAM) as wire:
            wire.sendto(b"<13>two", ("127.0.0.1", collector.ports["udp"]))
        assert until(lambda: collector.counts["refused"] == 2)
        assert journal.chunks == []


def test_what_came_before_a_reset_is_kept() -> None:
    with listening(tcp=0) as (collector, journal):
        for number in range(20):
            wire = connect(collector)
            wire.sendall(b"<13>%d\n" % number * 100)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            assert until(lambda number=number: collector.counts["connections"] == number + 1)  # type: ignore[misc]
            wire.close()  # with linger at zero this is a reset
        assert until(lambda: len(collector._connections) == 0)
        assert len(journal.messages()) % 100 == 0


def test_a_message_that_does_not_end_is_taken_in_time() -> None:
    with listening(tcp=0, partial_seconds=0.1) as (collector, journal), connect(collector) as wire:
        wire.sendall(b"<13>first\n<13>no end")
        assert until(lambda: len(journal.messages()) == 2)
        wire.sendall(b"<13>next\n")
        assert until(lambda: journal.messages()[-1:] == [b"<13>next"])


def test_a_count_that_is_never_filled_ends_the_connection() -> None:
    with listening(tcp=0, partial_seconds=0.1) as (collector, journal), connect(collector) as wire:
        wire.sendall(b"7 <13>one500 <13>tw")
        assert wire.recv(10) == b""
        assert until(lambda: len(journal.messages()) == 2)
    assert journal.messages() == [b"<13>one", b"<13>tw"]


def test_a_full_journal_stops_the_sender_and_loses_nothing() -> None:
    with listening(tcp=0) as (collector, journal), connect(collector) as wire:
        journal.full.set()
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        wire.settimeout(1)
        sent = 0
        line = b"<13>" + b"x" * 995 + b"\n"
        rest = b""
        with suppress(TimeoutError):
            while sent < 200_000_000:
                taken = wire.send(rest or line * 100)
                rest = (rest or line * 100)[taken:]
                sent += taken
        assert sent < 100_000_000, "the sender was never stopped"
        journal.full.clear()
        wire.settimeout(20)
        wire.sendall(rest)
        wire.close()
        assert until(lambda: len(journal.messages()) * 1000 == sent + len(rest))
        assert collector.counts["busy"] > 0


def test_drops_of_the_kernel_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.collect.syslog._UDP_BUFFER", 4096)
    monkeypatch.setattr("tocsin.collect.syslog._UDP_HELD", 1)
    with listening(udp=0) as (collector, journal), socket.socket(type=socket.SOCK_DGRAM) as wire:
        journal.full.set()
        for number in range(500):
            wire.sendto(b"<13>%d" % number + b"x" * 500, ("127.0.0.1", collector.ports["udp"]))
        assert until(lambda: int(str(collector.health()["dropped"])) > 0)
        journal.full.clear()
        assert until(lambda: len(journal.messages()) + collector.counts["dropped"] == 500)


def test_too_many_connections_are_closed() -> None:
    with listening(tcp=0, most_connections=2) as (collector, _):
        first, second = connect(collector), connect(collector)
        assert until(lambda: collector.counts["connections"] == 2)
        with connect(collector) as third:
            assert third.recv(10) == b""
        first.close()
        second.close()


def test_what_was_read_is_kept_at_the_end() -> None:
    with listening(tcp=0) as (collector, journal):
        wire = connect(collector)
        wire.sendall(b"<13>one\n<13>two, not ended")
        assert until(lambda: collector.counts["connections"] == 1)
        time.sleep(0.1)
    wire.close()
    assert journal.messages() == [b"<13>one", b"<13>two, not ended"]


def test_a_port_that_is_taken_is_said() -> None:
    with listening(tcp=0) as (collector, _):
        other = Syslog(Settings(tcp=collector.ports["tcp"]))
        with pytest.raises(ConfigError, match="listen"):
            asyncio.run(other.run(Memory()))
    with pytest.raises(ConfigError, match="tls_cert"):
        Syslog(Settings(tls=0))


# ---- TLS ----


def test_a_certificate_lets_a_sender_in(certificates: Path) -> None:
    files = {"tls_cert": certificates / "cert.pem", "tls_key": certificates / "key.pem"}
    with listening(tls=0, tls_ca=files["tls_cert"], allowed_peers=[], **files) as (collector, journal):
        context = ssl.create_default_context(cafile=files["tls_cert"])
        with (
            connect(collector, "tls") as raw,
            suppress(OSError),
            context.wrap_socket(raw, server_hostname="127.0.0.1") as wire,
        ):
            wire.sendall(b"7 <13>one")
            wire.recv(10)
        context.load_cert_chain(files["tls_cert"], files["tls_key"])
        with connect(collector, "tls") as raw, context.wrap_socket(raw, server_hostname="127.0.0.1") as wire:
            # The count and the message in two records, as syslog-ng sends them.
            wire.sendall(b"7 ")
            wire.sendall(b"<13>two7 <13>333")
        assert until(lambda: len(journal.messages()) == 2)
        assert journal.messages() == [b"<13>two", b"<13>333"]


def test_a_certificate_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nothing")
    with pytest.raises(ConfigError, match="certificate"):
        asyncio.run(Syslog(Settings(tls=0, tls_cert=tmp_path / "x", tls_key=tmp_path / "x")).run(Memory()))


# ---- real senders ----


@pytest.mark.parametrize(
    "options",
    [
        'protocol="udp"',
        'protocol="tcp"',
        'protocol="tcp" TCP_Framing="octet-counted"',
        'protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"',
    ],
)
def test_rsyslog(program: Program, tmp_path: Path, options: str) -> None:
    transport = "udp" if "udp" in options else "tcp"
    with listening(**{transport: 0}) as (collector, journal):
        action = f'action(type="omfwd" target="127.0.0.1" port="{collector.ports[transport]}" {options})'
        with rsyslog(program("rsyslogd"), tmp_path, action) as send:
            for number in range(20):
                send(f"message {number} ä")
            assert until(lambda: len(journal.messages()) >= 20)
    found = sorted(message.decode().rsplit("message ", 1)[1] for message in journal.messages())
    assert found == sorted(f"{number} ä" for number in range(20))
    assert all(message.startswith(b"<13>") for message in journal.messages())


def test_rsyslog_over_tls(program: Program, tmp_path: Path, certificates: Path) -> None:
    files = {"tls_cert": certificates / "cert.pem", "tls_key": certificates / "key.pem"}
    driver = Path("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so")
    if not driver.exists():
        reason = "rsyslog's OpenSSL driver is not installed (.ci/counterparts installs it on Debian)"
        pytest.fail(reason) if CI else pytest.skip(reason)
    with listening(tls=0, **files) as (collector, journal):
        action = (
            f'global(defaultNetstreamDriverCAFile="{files["tls_cert"]}")\n'
            f'action(type="omfwd" target="127.0.0.1" port="{collector.ports["tls"]}" protocol="tcp" '
            'StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/certvalid" '
            'TCP_Framing="octet-counted")'
        )
        with rsyslog(program("rsyslogd"), tmp_path, action) as send:
            for number in range(20):
                send(f"message {number}")
            assert until(lambda: len(journal.messages()) >= 20), (tmp_path / "daemon.txt").read_text()


@pytest.mark.parametrize(
    "destination",
    [
        'network("127.0.0.1" port({port}) transport("tcp"))',
        'network("127.0.0.1" port({port}) transport("udp"))',
        'syslog("127.0.0.1" port({port}) transport("tcp"))',
    ],
)
def test_syslog_ng(program: Program, tmp_path: Path, destination: str) -> None:
    transport = "udp" if "udp" in destination else "tcp"
    with listening(**{transport: 0}) as (collector, journal):
        filled = destination.format(port=collector.ports[transport])
        with syslog_ng(program("syslog-ng"), tmp_path, filled) as send:
            for number in range(20):
                send(f"message {number}")
            assert until(lambda: len(journal.messages()) >= 20)
    assert sorted(int(message.rsplit(b" ", 1)[1]) for message in journal.messages()) == list(range(20))


@pytest.mark.parametrize("options", [["--udp"], ["--tcp"], ["--tcp", "--octet-count"], ["--tcp", "--rfc3164"]])
def test_logger(program: Program, options: list[str]) -> None:
    transport = options[0].removeprefix("--")
    with listening(**{transport: 0}) as (collector, journal):
        port = str(collector.ports[transport])
        command = [program("logger"), "--server", "127.0.0.1", "--port", port, *options, "-t", "app", "hello there"]
        subprocess.run(command, check=True, timeout=20)
        assert until(lambda: len(journal.messages()) == 1)
    assert journal.messages()[0].endswith(b"hello there")


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_pythons_own_handler(kind: socket.SocketKind) -> None:
    transport = "udp" if kind == socket.SOCK_DGRAM else "tcp"
    with listening(**{transport: 0}) as (collector, journal):
        handler = logging.handlers.SysLogHandler(("127.0.0.1", collector.ports[transport]), socktype=kind)
        for text in ("one", "two\nin two lines", "three"):
            handler.emit(logging.LogRecord("x", logging.ERROR, "", 0, text, None, None))
        handler.close()
        assert until(lambda: len(journal.messages()) == 3)
    assert journal.messages() == [b"<11>one", b"<11>two\nin two lines", b"<11>three"]


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_rfc5424_logging_handler(kind: socket.SocketKind) -> None:
    rfc5424logging = pytest.importorskip("rfc5424logging")
    transport = "udp" if kind == socket.SOCK_DGRAM else "tcp"
    with listening(**{transport: 0}) as (collector, journal):
        handler = rfc5424logging.Rfc5424SysLogHandler(("127.0.0.1", collector.ports[transport]), socktype=kind)
        for text in ("one", "zwei ä", "three"):
            handler.emit(logging.LogRecord("x", logging.ERROR, "", 0, text, None, None))
        handler.close()
        assert until(lambda: len(journal.messages()) == 3)
    assert [message.rsplit(b"\xef\xbb\xbf", 1)[1].decode() for message in journal.messages()] == [
        "one",
        "zwei ä",
        "three",
    ]
