"""Starts, watches and ends the processes of `tocsin serve`: core here, collectors and workers as children.

A child that dies is started again; when core dies, the children notice (their pipe breaks) and end, so that nothing is
left behind that holds a port, a lane or the store.
"""

from __future__ import annotations

import fcntl
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

import pyarrow as pa

from tocsin import store as stores
from tocsin.config import Settings
from tocsin.errors import ConfigError
from tocsin.event import time as clock
from tocsin.event.time import DAY
from tocsin.pipeline import collectors, worker
from tocsin.pipeline.core import Core, Intake
from tocsin.pipeline.knowledge import Knowledge, Plan
from tocsin.pipeline.lookback import Ledger, LookBacks
from tocsin.pipeline.sources import Sources
from tocsin.store import Memory, Store

log = logging.getLogger(__name__)
_AGAIN: Final = 0.2
_LONGEST: Final = 10.0
# A child that has run for so many seconds has come up well: when it ends, counting begins anew.
_STEADY: Final = 30.0
_PROCESSES: Final = 100_000


class Service:
    """Everything that runs for one data folder. `plan` is which rules there are, as people have set them; `ledger`
    keeps which of them have looked back."""

    def __init__(self, settings: Settings, plan: Plan, ledger: Ledger | None = None) -> None:
        self.settings = settings
        self.plan = plan
        self.started = clock.now()
        folder = settings.data_dir
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._held = ExitStack()
        self._held.enter_context(exclusive(folder))
        self.spool = folder / "spool"
        self.cache = folder / "cache"
        for each in (self.spool, self.cache):
            each.mkdir(exist_ok=True, mode=0o700)
        for left in self.spool.glob("*.arrow"):
            left.unlink()  # of a run that was killed: its stretches come again
        self.knowledge = Knowledge(plan, cache=self.cache)
        self.knowledge.loader.save()
        self.store: Store = stores.open(
            settings.store_address,
            memory=Memory(**settings.store.model_dump(exclude={"address"})),
            aliases=self.knowledge.normaliser.aliases,
            lists=self.knowledge.lists,
        )
        self.sources = Sources()
        self.core = Core(self.store, self.knowledge, self.sources)
        self.intake = Intake(self.core, folder / "quarantine")
        self.look_backs = LookBacks(self.core, ledger, self.live)
        self._context = multiprocessing.get_context("spawn")
        self._children: dict[str, tuple[BaseProcess, Connection, Callable[[], None]]] = {}
        self._failures: dict[str, int] = {}
        self._begun: dict[str, float] = {}
        self._guard = threading.RLock()
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
        self.collected: dict[str, object] = {}

    def start(self) -> None:
        """Start everything; returns when workers and collectors are up."""
        self.core.restore()
        self.look_backs.plan(self.knowledge)
        self.intake.start()
        self._start_collectors()
        for number in range(self.settings.workers):
            self._start_worker(number)
        self._watcher.start()
        self.wait_ready(60)
        self.look_backs.start()

    def wait_ready(self, seconds: float) -> None:
        """Wait until workers match the current rules and collectors listen. Raises `ConfigError` when they don't."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.ready():
                return
            failed = self.collected.get("error")
            if failed:
                raise ConfigError(str(failed))
            time.sleep(0.02)
        raise ConfigError("the workers did not start in time", hint="the log says why")

    def ready(self) -> bool:
        """Whether collectors listen and every worker matches what core runs."""
        wanted = {rule.id: rule.generation for rule in self.core.knowledge.running}
        matched = self._matched()
        matching = bool(matched) and all(each == wanted for each in matched)
        return matching and bool(self.collected.get("ready"))

    def live(self) -> dict[str, str]:
        """The generations that every worker matches; what a worker matched before it said so is stored."""
        first, *others = self._matched() or [{}]
        return {rule: each for rule, each in first.items() if all(other.get(rule) == each for other in others)}

    def _matched(self) -> list[dict[str, str]]:
        with self._guard:
            pids = [child.pid for name, (child, _, _) in self._children.items() if name.startswith("worker")]
        return [self.intake.ready.get(pid or 0, {}) for pid in pids]

    def replan(self, plan: Plan) -> None:
        """Other rules, lists or exceptions, in every process."""
        self.plan = plan
        self.knowledge = Knowledge(plan, normaliser=self.knowledge.normaliser, cache=self.cache)
        self.look_backs.plan(self.knowledge)
        self.core.learn(self.knowledge)
        dumped = plan.dump()
        with self._guard:
            for name, (_, connection, _) in self._children.items():
                if name.startswith("worker") and not self.intake.send(connection, ("plan", dumped)):
                    log.warning("%s went before it had the new rules", name)

    def stop(self) -> None:
        """End the children, let what is at hand be finished, close the store."""
        self._stopping.set()
        self.look_backs.stop()
        if self._watcher.is_alive():
            self._watcher.join(15)  # it may be starting a child, which must end too
        with self._guard:
            children = dict(self._children)
        for _, connection, _ in children.values():
            self.intake.send(connection, ("stop",))
        for child, _, _ in children.values():
            child.join(10)
            if child.is_alive():
                child.kill()
                child.join()
        if self.intake.is_alive():
            self.intake.stop()
        self.store.close()
        self._held.close()

    # ---- children ----

    def _start_worker(self, number: int) -> None:
        lanes = [lane for lane in range(self.settings.journal.lanes) if lane % self.settings.workers == number]
        ours, theirs = self._context.Pipe()
        child = self._context.Process(
            target=worker.run,
            args=(
                theirs,
                self.settings.journal_address,
                lanes,
                self.spool,
                self.plan.dump(),
                self.cache,
                self._recent_processes(),
            ),
            name=f"tocsin-worker-{number}",
        )
        child.start()
        theirs.close()
        name = f"worker-{number}"
        with self._guard:
            self._children[name] = (child, ours, lambda: self._start_worker(number))
            self._begun[name] = time.monotonic()
        self.intake.add(ours, name)

    def _start_collectors(self) -> None:
        ours, theirs = self._context.Pipe()
        child = self._context.Process(target=collectors.run, args=(theirs, self.settings), name="tocsin-collectors")
        child.start()
        theirs.close()
        with self._guard:
            self._children["collectors"] = (child, ours, self._start_collectors)
            self._begun["collectors"] = time.monotonic()
        threading.Thread(target=self._hear_collectors, args=(ours,), name="collectors", daemon=True).start()

    def _hear_collectors(self, connection: Connection) -> None:
        try:
            while True:
                self.collected = connection.recv()
        except (EOFError, OSError):
            self.collected = {**self.collected, "ready": False}
            connection.close()

    def _recent_processes(self) -> Path | None:
        """A file with the last day's processes, with which a worker warms its cache of ancestors."""
        rows = self.store.recent_processes(clock.now() - DAY, _PROCESSES)
        if not rows.num_rows:
            return None
        path = self.cache / "processes.arrow"
        beside = path.with_suffix(".new")
        with pa.OSFile(str(beside), "wb") as file, pa.ipc.new_stream(file, rows.schema) as stream:
            stream.write_table(rows)
        beside.rename(path)
        return path

    def _watch(self) -> None:
        while not self._stopping.wait(0.2):
            with self._guard:
                dead = [(name, each) for name, each in self._children.items() if not each[0].is_alive()]
            for name, (child, _, again) in dead:
                if self._stopping.is_set():
                    return
                lived = time.monotonic() - self._begun[name]
                failures = self._failures[name] = 1 if lived > _STEADY else self._failures.get(name, 0) + 1
                pause = min(_AGAIN * 2 ** min(failures - 1, 10), _LONGEST)
                log.error("%s ended with %s; starting it again in %.1f s", name, child.exitcode, pause)
                if self._stopping.wait(pause):
                    return
                again()

    def problems(self) -> list[str]:
        """What was put aside since the start, and which rules could not look back, and why: for the page of the
        system's state."""
        return [*self.intake.problems, *self.look_backs.failed.values()]

    def lag(self) -> int:
        """Frames of the journal that wait, as the collectors last said."""
        lag = self.collected.get("lag", 0)
        return lag if isinstance(lag, int) else 0

    def children(self) -> dict[str, int]:
        """Process ids by name."""
        with self._guard:
            return {name: child.pid or 0 for name, (child, _, _) in self._children.items()}


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the data folder: two servers of one folder would lose data. Raises `ConfigError` where another has it."""
    path = folder / "serve.lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise ConfigError("another tocsin runs on this data folder", where=str(folder)) from error
    try:
        yield
    finally:
        os.close(lock)
