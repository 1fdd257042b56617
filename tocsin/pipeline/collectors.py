"""The collecting process: every way in that is set, and the journal that they write.

It ends when core closes its pipe. Keys are checked against the state, and remembered for a few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import uvloop

from tocsin import state as states
from tocsin.collect import Collector, bulk, file, syslog
from tocsin.config import Settings, is_loopback
from tocsin.errors import TocsinError
from tocsin.journal.file import FileWriter, JournalError, open_writer
from tocsin.state import State

log = logging.getLogger(__name__)
_REMEMBERED: Final = 5.0
_MOST_KEYS: Final = 10_000
_BEAT: Final = 1.0
_ORPHANED: Final = 3.0
# How long a process of before, which is ending, may still hold the journal.
_PATIENCE: Final = 15.0


def run(connection: Connection, settings: Settings) -> None:
    """The process's main."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = threading.Event()
    threading.Thread(target=_listen, args=(connection, stop), name="core", daemon=True).start()
    uvloop.run(_serve(connection, settings, stop))


def _listen(connection: Connection, stop: threading.Event) -> None:
    """End when core says so, or is gone: then within seconds, so that the ports are free for the next; what has been
    read is put into the journal first."""
    try:
        while connection.recv()[0] != "stop":
            pass
        stop.set()
    except (EOFError, OSError):
        stop.set()
        time.sleep(_ORPHANED)
        os._exit(0)


class Keys:
    """Who may send: a key with the scope `ingest`; on loopback, nobody needs one."""

    def __init__(self, state: State, open_to_all: bool) -> None:
        self._state = state
        self._open = open_to_all
        self._known: dict[str, tuple[float, str | None]] = {}

    def __call__(self, header: str | None, peer: str | None) -> str | None:
        """See `collect.bulk.Authenticate`."""
        if not header:
            return "" if self._open and _local(peer) else None
        now = time.monotonic()
        held = self._known.get(header)
        if held is not None and now - held[0] < _REMEMBERED:
            return held[1]
        key = self._check(header)
        if len(self._known) >= _MOST_KEYS:
            self._known.clear()
        self._known[header] = (now, key)
        return key

    def _check(self, header: str) -> str | None:
        scheme, _, text = header.partition(" ")
        if scheme.lower() not in ("apikey", "basic", "bearer"):
            return None
        key = self._state.keys.check_encoded(text.strip())
        return key.id if key is not None and "ingest" in key.scopes else None


def _local(peer: str | None) -> bool:
    try:
        return peer is None or ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False


async def _serve(connection: Connection, settings: Settings, stop: threading.Event) -> None:
    state = states.open(settings.state_address)
    try:
        journal = await _journal(settings, stop)
    except (OSError, TocsinError) as error:
        with contextlib.suppress(OSError):
            connection.send({"ready": False, "error": str(error)})
        log.error("%s", error)
        state.close()
        raise SystemExit(1) from None
    collectors = _made(settings, state)
    tasks = {asyncio.create_task(each.run(journal), name=each.name): each for each in collectors}
    try:
        await _listening(collectors, tasks)
        while not stop.is_set():
            connection.send({"ready": True, **_figures(collectors, journal)})
            done = [task for task in tasks if task.done()]
            for task in done:
                log.error("%s ended: %s", task.get_name(), task.exception() if not task.cancelled() else "cancelled")
                each = tasks.pop(task)
                tasks[asyncio.create_task(_later(each, journal), name=each.name)] = each
            await asyncio.to_thread(stop.wait, _BEAT)
    except (BrokenPipeError, ConnectionResetError):
        pass  # core is gone
    except (OSError, TocsinError) as error:
        with contextlib.suppress(OSError):
            connection.send({"ready": False, "error": str(error)})
        log.error("%s", error)
        raise SystemExit(1) from None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        journal.close()
        state.close()


async def _journal(settings: Settings, stop: threading.Event) -> FileWriter:
    """The journal, once the process that had it before has let go of it."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return open_writer(
                settings.journal_address,
                lanes=settings.journal.lanes,
                max_bytes=int(settings.journal.max_bytes),
                segment_bytes=int(settings.journal.segment_bytes),
                sync_ms=settings.journal.sync_ms,
            )
        except JournalError:
            if time.monotonic() > until or stop.is_set():
                raise
        await asyncio.sleep(0.1)


async def _later(each: Collector, journal: FileWriter) -> None:
    await asyncio.sleep(1.0)
    await each.run(journal)


def _made(settings: Settings, state: State) -> list[Collector]:
    server = settings.server
    host = server.bulk_host or server.host
    authenticate: Callable[[str | None, str | None], str | None] = Keys(state, is_loopback(host))
    limits = settings.limits
    made: list[Collector] = [
        bulk.collector(
            bulk.Settings(
                host=host,
                port=server.bulk_port,
                tls_cert=_path(server.tls_cert),
                tls_key=_path(server.tls_key),
                request_bytes=int(limits.request_bytes),
                record_bytes=int(limits.record_bytes),
            ),
            authenticate,
        )
    ]
    if any(port is not None for port in (settings.syslog.udp, settings.syslog.tcp, settings.syslog.tls)):
        made.append(
            syslog.collector(
                syslog.Settings(
                    host=settings.syslog.host,
                    udp=settings.syslog.udp,
                    tcp=settings.syslog.tcp,
                    tls=settings.syslog.tls,
                    tls_cert=settings.syslog.tls_cert or server.tls_cert,
                    tls_key=settings.syslog.tls_key or server.tls_key,
                    tls_ca=settings.syslog.tls_ca,
                    allowed_peers=list(settings.syslog.allowed_peers),
                    message_bytes=int(limits.syslog_bytes),
                    zone=settings.normalise.time_zone,
                )
            )
        )
    if settings.files.paths:
        made.append(
            file.collector(
                file.Settings(
                    paths=list(settings.files.paths),
                    exclude=list(settings.files.exclude),
                    positions=settings.data_dir / "positions",
                    zone=settings.normalise.time_zone,
                    record_bytes=int(limits.record_bytes),
                )
            )
        )
    return made


async def _listening(collectors: list[Collector], tasks: dict[asyncio.Task[None], Collector]) -> None:
    """Wait until every way in that listens does; raise what stopped one that can't."""
    for each in collectors:
        event: asyncio.Event | None = getattr(each, "listening", None)
        if event is None:
            continue
        waiting = asyncio.create_task(event.wait())
        mine = [task for task, owner in tasks.items() if owner is each]
        await asyncio.wait([waiting, *mine], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in mine:
            if task.done():
                task.result()


def _figures(collectors: list[Collector], journal: FileWriter) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for each in collectors:
        if each.name == "bulk":
            out["bulk"] = getattr(each, "port", None)
        for kind, port in getattr(each, "ports", {}).items():
            out[f"{each.name}_{kind}"] = port
        for name, value in each.health().items():
            out[f"{each.name}.{name}"] = value
    health = journal.health()
    out["journal"] = health
    lanes = health.get("lanes")
    if isinstance(lanes, list):
        out["lag"] = sum(int(lane.get("lag_frames", 0)) for lane in lanes if isinstance(lane, dict))
    return out


def _path(path: Path | None) -> Path | None:
    return Path(path) if path is not None else None
