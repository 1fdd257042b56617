"""One running server: the service, its state and its API, on a port and on a socket in the data folder."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from tocsin import state as states
from tocsin.alert.incidents import Decisions
from tocsin.api._context import Context
from tocsin.api.app import create
from tocsin.cli._client import SOCKET
from tocsin.collect._reserved import reserved
from tocsin.config import Settings
from tocsin.errors import ConfigError, TocsinError
from tocsin.pipeline.plans import plan_of
from tocsin.pipeline.service import Service

# The longest path of a Unix socket that Linux takes.
_LONGEST: Final = 107
# Seconds between two writings of sources' figures.
_KEEP: Final = 5.0
log = logging.getLogger(__name__)


class Running:
    """Everything of `tocsin serve` in this process and its children."""

    def __init__(self, settings: Settings) -> None:
        server = settings.server
        self._port = reserved(server.host, server.port, who="the API", where="server.port")
        settings = settings.model_copy(
            update={"server": server.model_copy(update={"port": self._port.getsockname()[1]})}
        )
        self.settings = settings
        self.state = states.open(settings.state_address)
        try:
            self.service = Service(settings, plan_of(settings, self.state), self.state.cursors)
        except BaseException:
            self.state.close()
            self._port.close()
            raise
        self.context = Context(self.service, self.state, settings)
        self.service.core.decide(Decisions.of(self.state.decisions.all()))
        # What people decided while the store was not there, or its mirror was lost half-way.
        self.service.store.write_triage([each.mirrored() for each in self.state.triage.changed_since(0)])
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keeping, name="sources", daemon=True)

    def _keeping(self) -> None:
        while not self._ended.wait(_KEEP):
            self._keep()

    def _keep(self) -> None:
        """Write down what sources have sent, so that a restart does not forget it."""
        changes = self.service.sources.drain()
        if not changes:
            return
        try:
            self.state.sources.add(changes)
        except TocsinError as error:
            log.warning("the figures of sources could not be written: %s", error)
            return
        self.context.bus.publish("sources", {"id": ""})

    @property
    def url(self) -> str:
        """Where the page is."""
        server = self.settings.server
        host = "127.0.0.1" if server.host in ("0.0.0.0", "::") else server.host  # noqa: S104
        return f"{'https' if server.tls_cert else 'http'}://{f'[{host}]' if ':' in host else host}:{server.port}"

    def start(self) -> None:
        """Start the children; returns when they are up."""
        self.service.sources.known(self.state.sources.all())
        self.service.start()
        self.context.start()
        self.context.regroup()
        self._keeper.start()

    def stop(self) -> None:
        """End everything in order."""
        self._ended.set()
        self.context.stop()
        self.service.stop()
        if self._keeper.is_alive():
            self._keeper.join(10)
        self._keep()
        self.state.close()
        self._port.close()

    def serve(self, when_up: Callable[[], None]) -> None:
        """Answer until SIGINT or SIGTERM. `when_up` is called in a thread of its own once the port listens."""
        uvloop.run(self._serve(when_up))

    async def _serve(self, when_up: Callable[[], None]) -> None:
        server = self.settings.server
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        made = [
            Server(
                create(self.context),
                address=server.host,
                port=server.port,
                interface=Interfaces.ASGI,
                websockets=False,
                log_enabled=False,
                ssl_cert=server.tls_cert,
                ssl_key=server.tls_key,
            )
        ]
        path = self.settings.data_dir / SOCKET
        if len(str(path)) <= _LONGEST:
            path.unlink(missing_ok=True)
            made.append(
                Server(
                    create(self.context, trusted=True),
                    uds=path,
                    interface=Interfaces.ASGI,
                    websockets=False,
                    log_enabled=False,
                )
            )
        else:
            log.warning("%s is too long for a socket: commands with --data need --url", path)
        tasks = [asyncio.create_task(each.serve()) for each in made]
        ended = asyncio.create_task(stopping.wait())
        threading.Thread(target=self._told, args=(when_up, path), name="up", daemon=True).start()
        await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
        failed: BaseException | None = None
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception():
                failed = task.exception()
        for each in made:
            with contextlib.suppress(Exception):
                each.stop()  # type: ignore[no-untyped-call]  # granian has no annotation here
        await asyncio.wait(tasks, timeout=5)
        path.unlink(missing_ok=True)
        if failed is not None:
            raise ConfigError(f"the API can't listen on {server.host}:{server.port}: {failed}")

    def _told(self, when_up: Callable[[], None], path: Path) -> None:
        import time

        for _ in range(500):
            if not _answers(self.settings.server.host, self.settings.server.port):
                time.sleep(0.02)
                continue
            with contextlib.suppress(OSError):
                path.chmod(0o600)
            when_up()
            return


def _answers(host: str, port: int) -> bool:
    target = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
    try:
        with socket.create_connection((target, port), timeout=1):
            return True
    except OSError:
        return False


def logging_to_stderr(verbose: bool) -> None:
    """The server's log: one line a record, on stderr, as the journal and containers want it."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Line("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.WARNING)
    logging.getLogger("tocsin").setLevel(logging.DEBUG if verbose else logging.INFO)


class _Line(logging.Formatter):
    """No record can forge another or colour a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return "".join(c if c.isprintable() or c == "\n" else " " for c in text).replace("\n", "\n    ")


def memory_of(pids: list[int]) -> int:
    """Bytes of proportional set size of processes (shared pages counted once)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def pids_of(service: Service) -> list[int]:
    """This process and its children."""
    import os

    return [os.getpid(), *(pid for pid in service.children().values() if pid)]
