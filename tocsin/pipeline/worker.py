"""A worker: owns lanes of the journal; normalises and matches each stretch, and leaves it in the spool for core.

It keeps nothing but caches. Up to `AHEAD` stretches wait for core; the lane's cursor moves when core has said that all
of a stretch is stored and looked at.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from tocsin.detect._ancestors import Ancestors
from tocsin.detect._hits import HitMaker, batch_of, hits_of
from tocsin.errors import quoted
from tocsin.event import time as clock
from tocsin.event.batch import concat
from tocsin.event.garbage import uncollected
from tocsin.event.records import Frame
from tocsin.journal.file import open_reader
from tocsin.metrics import counter, snapshot
from tocsin.normalise import SourceHealth
from tocsin.normalise._run import Normaliser, Result
from tocsin.pipeline import spool
from tocsin.pipeline.knowledge import Knowledge, Plan
from tocsin.ports import Stretch

log = logging.getLogger(__name__)
AHEAD: Final = 3
STRETCH_BYTES: Final = 16 << 20
_IDLE: Final = 0.05
UNREAD = counter("tocsin_normalise_failures", "Frames of the journal that were put aside, since reading them failed.")
UNMATCHED = counter("tocsin_match_failures", "Events that were stored without being matched, since matching failed.")


def run(
    connection: Connection,
    journal: str,
    lanes: Sequence[int],
    folder: Path,
    plan: bytes,
    cache: Path,
    processes: Path | None,
) -> None:
    """The process's main: works until core closes the connection or says stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, name="core", daemon=True).start()
    try:
        _Worker(connection, journal, lanes, folder, plan, cache, processes).loop()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)  # core is gone: what was not passed comes again


def _follow() -> None:
    """End at once when core has ended, whatever is at hand: its successor's workers need the lanes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


class _Worker:
    def __init__(
        self,
        connection: Connection,
        journal: str,
        lanes: Sequence[int],
        folder: Path,
        plan: bytes,
        cache: Path,
        processes: Path | None,
    ) -> None:
        self.connection = connection
        self.reader = open_reader(journal, lanes=lanes)
        self.lanes = list(lanes)
        self.folder = folder
        self.cache = cache
        self.waiting = 0
        self.normaliser: Normaliser | None = None
        self.ancestors = Ancestors()
        self._take(plan)
        if processes is not None and processes.exists():
            self._remember(processes)
        self._snapshot = 0.0
        gc.freeze()
        connection.send(("ready", os.getpid(), self.generations()))

    def generations(self) -> dict[str, str]:
        """Which rules it matches, in which generation."""
        return {rule.id: rule.generation for rule in self.hits.rules.values()}

    def loop(self) -> None:
        """Stretch by stretch, the lanes in turn."""
        while True:
            if not self._listen(0.0 if self.waiting < AHEAD else 1.0):
                return
            if self.waiting >= AHEAD:
                continue
            busy = False
            for lane in self.lanes:
                if self.waiting >= AHEAD:
                    break
                found = self.reader.stretch(lane, max_bytes=STRETCH_BYTES)
                if found is not None:
                    busy = True
                    self._work(*found)
                    if not self._listen(0.0):
                        return
            if not busy:
                self._report()
                if not self.reader.wait(_IDLE) and not self._listen(_IDLE):
                    return

    def _work(self, stretch: Stretch, frames: Sequence[Frame]) -> None:
        assert self.normaliser is not None
        started = time.perf_counter()
        result = self._normalised(frames)
        normalised = time.perf_counter()
        hits = self._hits(result.batch, result.processes)
        matched = time.perf_counter()
        path = spool.write(self.folder, stretch, spool.Spooled(result.batch, hits, result.processes))
        times = {
            "normalise": normalised - started,
            "match": matched - normalised,
            "spool": time.perf_counter() - matched,
        }
        health = {key: _plain(value) for key, value in result.health.items()}
        self.waiting += 1
        self.connection.send(("stretch", tuple(stretch), str(path), health, times, self.hits_version))

    def _normalised(self, frames: Sequence[Frame]) -> Result:
        """What the frames hold. A frame that nobody can read must not stop its lane: it is put aside as it came."""
        assert self.normaliser is not None
        try:
            return self.normaliser.run(frames)
        except Exception as error:
            if len(frames) <= 1:
                for frame in frames:
                    self._set_aside(frame, error)
                return self.normaliser.run([])
        half = len(frames) // 2
        first, second = self._normalised(frames[:half]), self._normalised(frames[half:])
        processes = pa.Table.from_batches([first.processes, second.processes]).combine_chunks().to_batches()
        # Their senders differ seldom, and what both saw of one must not be lost.
        health = {**first.health, **{key: _added(first.health.get(key), more) for key, more in second.health.items()}}
        return Result(concat([first.batch, second.batch]), processes[0] if processes else first.processes, health)

    def _set_aside(self, frame: Frame, error: Exception) -> None:
        UNREAD.inc()
        folder = self.folder.parent / "quarantine"
        folder.mkdir(exist_ok=True, mode=0o700)
        path = folder / f"{frame.lane:04}-{frame.position:020}.raw"
        path.write_bytes(frame.chunk.payload)
        problem = f"what came by {frame.chunk.origin.way} can't be read and lies in {path}: {quoted(str(error))}"
        log.error("%s", problem, exc_info=error)
        self.connection.send(("problem", problem))

    def _hits(self, batch: pa.RecordBatch, processes: pa.RecordBatch) -> pa.RecordBatch:
        """The batch's hits. An event on which matching fails must not stop its lane: it is stored without hits."""
        try:
            return self.hits.run(batch, processes)
        except Exception:
            if batch.num_rows <= 1:
                UNMATCHED.inc()
                log.exception("an event can't be matched: %s", batch.column("tocsin.id").to_pylist())
                return batch_of([])
        half = batch.num_rows // 2
        parts = [self._hits(part, processes) for part in (batch.slice(0, half), batch.slice(half))]
        return batch_of([hit for part in parts for hit in hits_of(part)])

    def _listen(self, timeout: float) -> bool:
        """Take what core says; False when it is time to stop."""
        while self.connection.poll(timeout):
            timeout = 0.0
            message = self.connection.recv()
            match message[0]:
                case "passed":
                    self.reader.passed(Stretch(*message[1]))
                    self.waiting -= 1
                case "plan":
                    self._take(message[1])
                    self.connection.send(("ready", os.getpid(), self.generations()))
                case "stop":
                    self.reader.close()
                    return False
        return True

    def _take(self, plan: bytes) -> None:
        knowledge = Knowledge(Plan.load(plan), normaliser=self.normaliser, cache=self.cache)
        self.normaliser = knowledge.normaliser
        with uncollected():
            self.hits = HitMaker(knowledge.running, knowledge.types, knowledge.names, knowledge.lists, self.cache)
        self.hits_version = knowledge.lists.version()
        self.hits.ancestors = self.ancestors

    def _remember(self, path: Path) -> None:
        with pa.memory_map(str(path), "r") as file:
            for batch in pa.ipc.open_stream(file).read_all().combine_chunks().to_batches():
                self.ancestors.add(batch)

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._snapshot > 5:
            self._snapshot = now
            self.connection.send(("metrics", snapshot()))


def _added(first: SourceHealth | None, second: SourceHealth) -> SourceHealth:
    if first is None:
        return second
    reasons = dict(first.unparsed)
    for reason, count in second.unparsed.items():
        reasons[reason] = reasons.get(reason, 0) + count
    return replace(
        first,
        events=first.events + second.events,
        bytes=first.bytes + second.bytes,
        overflowed=first.overflowed + second.overflowed,
        unparsed=reasons,
        last=max(first.last, second.last),
        late=first.late + second.late,
    )


def _plain(health: Any) -> dict[str, Any]:
    return {
        "events": health.events,
        "bytes": health.bytes,
        "overflowed": health.overflowed,
        "unparsed": dict(health.unparsed),
        "last": health.last,
        "late": health.late,
        "seen": clock.now(),
    }
