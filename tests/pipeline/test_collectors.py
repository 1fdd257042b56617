"""The collecting process: who may send, what it tells, and how it ends."""

from __future__ import annotations

import http.client
import multiprocessing
import socket
import ssl
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from tocsin import config
from tocsin import state as states
from tocsin.config import Settings
from tocsin.journal.file import open_reader, open_writer
from tocsin.pipeline import collectors
from tocsin.pipeline.collectors import Keys


def settings(folder: Path, **flags: Any) -> Settings:
    made = config.load(None, flags={"data": str(folder), "server.bulk_port": 0, "syslog.tcp": 0, **flags})
    made.data_dir.mkdir(exist_ok=True)
    return made


def start(made: Settings) -> tuple[BaseProcess, Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=collectors.run, args=(theirs, made))
    child.start()
    theirs.close()
    return child, ours


def told(connection: Connection) -> dict[str, Any]:
    assert connection.poll(90)
    return dict(connection.recv())


def stored(folder: Path) -> bytes:
    """What the journal holds."""
    out = b""
    with open_reader(folder / "journal") as reader:
        for lane in reader.lanes:
            while found := reader.stretch(lane, max_bytes=1 << 20):
                out += b"".join(frame.chunk.payload for frame in found[1])
    return out


def test_it_listens_and_what_it_took_is_kept(tmp_path: Path) -> None:
    child, core = start(settings(tmp_path))
    figures = told(core)
    assert figures["ready"], figures
    wire = http.client.HTTPConnection("127.0.0.1", figures["bulk"], timeout=60)
    wire.request("POST", "/_bulk", b'{"create":{}}\n{"a":1}\n', {"Content-Type": "application/x-ndjson"})
    assert wire.getresponse().status == 200
    core.send(("stop",))
    child.join(60)
    assert child.exitcode == 0
    assert b'{"a":1}' in stored(tmp_path)


def test_when_core_is_gone_it_keeps_what_it_has_read_and_ends(tmp_path: Path) -> None:
    child, core = start(settings(tmp_path))
    port = told(core)["syslog_tcp"]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall(b"<34>1 - - - - - - first\n")
        figures = told(core)
        while not figures["syslog.messages"]:
            figures = told(core)
        core.close()
        child.join(60)
    assert not child.is_alive()
    assert b"first" in stored(tmp_path)


def test_syslog_over_tls_takes_whom_its_authority_knows(tmp_path: Path, certificates: Path) -> None:
    cert, key = str(certificates / "cert.pem"), str(certificates / "key.pem")
    own = {"syslog.tls_cert": cert, "syslog.tls_key": key, "syslog.tls_ca": cert}
    child, core = start(settings(tmp_path, **{"syslog.tls": 0, "syslog.tcp": None, "syslog.allowed_peers": [], **own}))
    figures = told(core)
    assert "syslog_tcp" not in figures
    context = ssl.create_default_context(cafile=cert)
    context.load_cert_chain(cert, key)
    with (
        socket.create_connection(("127.0.0.1", figures["syslog_tls"]), timeout=30) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as wire,
    ):
        wire.sendall(b"28 <34>1 - - - - - - over the air")
        while not told(core)["syslog.messages"]:
            pass
    core.send(("stop",))
    child.join(60)
    assert b"over the air" in stored(tmp_path)


def test_it_waits_for_a_journal_that_another_is_leaving(tmp_path: Path) -> None:
    made = settings(tmp_path)
    held = open_writer(made.journal_address, lanes=16)
    child, core = start(made)
    assert not core.poll(2)
    held.close()
    assert told(core)["ready"]
    core.send(("stop",))
    child.join(60)


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        child, core = start(settings(tmp_path, **{"server.bulk_port": taken.getsockname()[1]}))
        figures = told(core)
        assert not figures["ready"]
        assert str(taken.getsockname()[1]) in figures["error"]
        child.join(60)
        assert child.exitcode == 1


@pytest.mark.parametrize(
    ("open_", "peer", "known"), [(True, "127.0.0.1", ""), (True, "10.0.0.1", None), (False, "::1", None)]
)
def test_only_loopback_needs_no_key(tmp_path: Path, open_: bool, peer: str, known: str | None) -> None:
    with states.open(f"sqlite:///{tmp_path / 'state.db'}") as state:
        assert Keys(state, open_)(None, peer) == known


@pytest.mark.parametrize("header", ["", "ApiKey", "ApiKey x", "Basic !!!", "Digest a", "ApiKey " + "A" * 100_000])
def test_a_key_that_nobody_made_lets_nobody_in(tmp_path: Path, header: str) -> None:
    with states.open(f"sqlite:///{tmp_path / 'state.db'}") as state:
        assert Keys(state, False)(header, "127.0.0.1") is None
