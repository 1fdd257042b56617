"""The writing side: appends of many tasks, on any event loop, become one write and one fsync.

A thread of its own commits. It takes what has gathered, gives each append its position, writes, syncs, publishes how
far the journal is on disk, and only then lets the appends return. It gathers for twice as long as the last sync took,
at most `sync_ms`, so a slow disk is synced less often, and not at all longer once `EARLY` bytes wait.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Final

from tocsin.errors import BusyError
from tocsin.event.records import Chunk
from tocsin.journal import _layout
from tocsin.journal._cursor import Cursor, StretchLog
from tocsin.journal._layout import HEADER, NO_REQUEST, Damage, JournalError, place
from tocsin.journal._requests import Request, Requests, digest
from tocsin.metrics import counter, gauge, histogram
from tocsin.ports import Appended

EARLY: Final = 1 << 20
"""Compressed bytes that are committed without waiting for more."""
MOST_WAITING: Final = 64 << 20
"""Compressed bytes that may wait to be committed; past that, senders are told to wait."""
SETTLED_WITHIN: Final = 10.0
"""Seconds that a request waits for an identical one before it, whose answer is being written."""
_ALOUD: Final = 128 * 1024
"""Bytes of payload from which compressing is left to another thread."""
_MOST_BUFFERS = 512  # of one writev; the kernel takes 1,024

_log = logging.getLogger(__name__)
APPENDS = counter("tocsin_journal_appends", "Appends committed.")
BYTES = counter("tocsin_journal_raw_bytes", "Bytes of payload committed.")
SYNC = histogram("tocsin_journal_sync_seconds", "Seconds that one group commit took to reach the disk.")
REFUSED = counter("tocsin_journal_refused", "Appends refused because the journal was full.", ["reason"])
REPEATED = counter("tocsin_journal_repeated", "Requests that stood in the journal already, unanswered.")
ON_DISK = gauge("tocsin_journal_bytes", "Bytes that the journal takes on disk.")


def lane_of(lane_key: str, lanes: int) -> int:
    """The lane of a key: the same in every process and on every machine."""
    hashed = blake2b(lane_key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(hashed, "little") % lanes


@dataclass(slots=True, eq=False)
class _Waiting:
    """An append that is to be committed, and the task that is told."""

    body: bytes
    raw: int
    frames: int
    lane: int
    request: Request | None
    done: asyncio.Future[Appended]
    loop: asyncio.AbstractEventLoop


class FileWriter:
    """`ports.JournalWriter` on files; one process writes a journal at a time.

    Raises `JournalError` where another process has it, or where it can't be read.
    """

    def __init__(
        self,
        folder: Path,
        lanes: int,
        *,
        max_bytes: int,
        segment_bytes: int,
        sync_ms: float,
        min_free: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.lanes = lanes
        self.max_bytes = max_bytes
        # The segment being written is never deleted, so it must not fill the whole journal.
        self._segment_bytes = min(segment_bytes, max_bytes // 4)
        self._window = sync_ms / 1000
        self._min_free = min_free
        self._clock = clock
        self.damaged: list[Damage] = []
        self._lock = os.open(folder / "writer.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise JournalError("another process writes this journal", where=str(folder)) from error
        self._synced = os.open(folder / _layout.SYNCED, os.O_RDWR | os.O_CREAT, 0o600)
        self._cursors = [Cursor(folder, lane) for lane in range(lanes)]
        self._next = [0] * lanes
        self._raw = [0] * lanes
        self._heads: dict[int, list[int]] = {}
        self._sizes: dict[int, int] = {}
        self._requests = Requests(folder / "requests")
        self._file = 0
        self._descriptor = -1
        self._offset = 0
        self._recover()
        self._guard = Condition()
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._first_waiting = 0.0
        self._last_sync = 0.0
        self._closing = False
        self._broken: str = ""
        self._free_seen = (0.0, 0)
        self._cleaned = 0.0
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="journal-encode")
        self._thread = Thread(target=self._commit_loop, name="journal-commit", daemon=True)
        self._thread.start()

    # ---- opening ----

    def _recover(self) -> None:
        present = _layout.segments(self.folder)
        begins: dict[int, list[tuple[int, int]]] = {}
        for file in present:
            path = self.folder / _layout.name(file)
            self._sizes[file] = path.stat().st_size
            try:
                begins[file] = _layout.read_head(path, file, self.lanes)
            except JournalError as error:
                _log.warning("%s; its entries are read all the same", error)
        covered = _layout.unplace(self._requests.covers)[0]
        known = max(begins, default=present[0] if present else 0)
        for lane, (position, raw) in enumerate(begins.get(known, [])):
            self._next[lane], self._raw[lane] = position, raw
        for file in present:
            if file >= min(covered, known):
                self._replay(file, standing=file >= known, last=file == present[-1])
        promised = _layout.unplace(_layout.published(self._synced))
        lost = promised > (self._file, self._offset)
        if lost:
            where = f"{self.folder}: the disk lost what it had promised to keep"
            _log.error("%s: synced up to %s, found up to %s", where, promised, (self._file, self._offset))
            self._file = max(self._file, promised[0])  # a new one follows: no place that was published comes again
        # Nothing that a reader may have seen has its position given again, whatever was lost.
        for lane, cursor in enumerate(self._cursors):
            handed_out = max((edge.end for edge in StretchLog(self.folder, lane).read(0)), default=0)
            self._next[lane] = max(self._next[lane], cursor.read().position, handed_out)
        following = list(self._next)
        for file in sorted(self._sizes, reverse=True):
            # A segment without a head begins no later than the next one: it is deleted with it, never before.
            following = [position for position, _ in begins[file]] if file in begins else following
            self._heads[file] = following
        if self._file in self._sizes and not lost:
            self._descriptor = os.open(self.folder / _layout.name(self._file), os.O_WRONLY)
            os.lseek(self._descriptor, self._offset, os.SEEK_SET)
            os.fsync(self._descriptor)
            _layout.publish(self._synced, place(self._file, self._offset))
        else:
            self._roll()
        self._requests.opened(place(self._file, self._offset), self._now())

    def _replay(self, file: int, *, standing: bool, last: bool) -> None:
        """Learn from a segment which requests it holds and, if `standing`, where the lanes stand; cut a torn end."""
        path = self.folder / _layout.name(file)
        descriptor = os.open(path, os.O_RDWR)
        try:
            size = self._sizes[file]
            end = 0
            damage: list[Damage] = []
            for found in _layout.scan(descriptor, file, 0, size, bodies=last):
                if isinstance(found, Damage):
                    damage.append(found)
                    continue
                end = found.end
                if found.kind == _layout.ENTRY and found.lane < self.lanes:
                    self._requests.seen(found)
                    if standing:
                        self._next[found.lane] = max(self._next[found.lane], found.position + found.frames)
                        self._raw[found.lane] = max(self._raw[found.lane], found.before + found.raw)
            if last and damage and damage[-1].offset == end:
                torn = damage.pop()
                _log.warning("%s: %d bytes of an append that was never answered are cut off", path, torn.length)
                os.ftruncate(descriptor, end)
                os.fsync(descriptor)
            for found in damage:
                self._report(found)
            if last and end == 0:
                # Not even its head: the process ended between making the file and writing it.
                path.unlink()
                del self._sizes[file]
                return
            self._file, self._offset = file, end
            self._sizes[file] = end if last else size
        finally:
            os.close(descriptor)

    def _report(self, damage: Damage) -> None:
        self.damaged.append(damage)
        _log.error("%s: %s", self.folder, damage)

    def _now(self) -> int:
        return int(self._clock() * 1_000_000)

    # ---- appending ----

    async def append(self, chunks: Sequence[Chunk], *, lane_key: str, request: bytes | None = None) -> Appended:
        """See `ports.JournalWriter.append`."""
        if not chunks:
            return self._nothing(lane_key)
        heavy = sum(len(chunk.payload) for chunk in chunks) + len(request or b"") >= _ALOUD
        if heavy:
            loop = asyncio.get_running_loop()
            name, body, raw = await loop.run_in_executor(self._pool, _prepare, chunks, lane_key, request)
        else:
            name, body, raw = _prepare(chunks, lane_key, request)
        mine: Request | None = None
        if name:
            while True:
                with self._guard:
                    earlier = self._requests.find(name)
                    if earlier is None:
                        mine = self._requests.begin(name)
                        break
                if earlier.settled.done() and not earlier.settled.result():
                    return self._repeated(earlier)
                await asyncio.wait([asyncio.wrap_future(_watch(earlier.settled))], timeout=SETTLED_WITHIN)
                self._give_up_on(earlier)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Appended] = loop.create_future()
        self._enqueue(_Waiting(body, raw, len(chunks), lane_of(lane_key, self.lanes), mine, done, loop))
        try:
            return await done
        except asyncio.CancelledError:
            # Committed or about to be, but nobody is there to answer: `_tell` sees to what is not done yet.
            if done.done() and not done.cancelled() and done.exception() is None:
                self.abandoned(done.result())
            raise

    def answered(self, appended: Appended, *, delivered: bool = True) -> None:
        """See `ports.JournalWriter.answered`."""
        with self._guard:
            self._requests.settle(appended.lane, appended.position, answered=True, delivered=delivered)

    def abandoned(self, appended: Appended) -> None:
        """See `ports.JournalWriter.abandoned`."""
        with self._guard:
            self._requests.settle(appended.lane, appended.position, answered=False)

    def _nothing(self, lane_key: str) -> Appended:
        lane = lane_of(lane_key, self.lanes)
        return Appended(lane, self._next[lane])

    def _repeated(self, earlier: Request) -> Appended:
        REPEATED.inc()
        return Appended(earlier.lane, earlier.position, repeated=True)

    def _give_up_on(self, earlier: Request) -> None:
        """Whoever took an earlier request has not said what became of its answer."""
        if earlier.settled.done():
            return
        if not earlier.arrival:
            raise BusyError("an identical request is still being written", where="journal")
        with self._guard:
            self._requests.settle(earlier.lane, earlier.position, answered=False)

    def _enqueue(self, waiting: _Waiting) -> None:
        size = HEADER + len(waiting.body)
        try:
            with self._guard:
                self._admit(size)
                if not self._waiting:
                    self._first_waiting = time.monotonic()
                self._waiting.append(waiting)
                self._waiting_bytes += size
                if len(self._waiting) == 1 or self._waiting_bytes >= EARLY:
                    self._guard.notify()
        except BaseException:
            if waiting.request is not None:
                with self._guard:
                    self._requests.drop(waiting.request)
            raise

    def _admit(self, size: int) -> None:
        """Raise where `size` more bytes can't be taken."""
        if self._closing or self._broken:
            raise BusyError(
                f"the journal can't be written: {self._broken or 'it is shutting down'}", where=str(self.folder)
            )
        if size > self.max_bytes - self._segment_bytes:
            raise JournalError(
                f"{size} bytes are more than the journal may hold", hint="raise journal.max_bytes or send less at once"
            )
        if self._waiting_bytes + size > MOST_WAITING and self._waiting:
            REFUSED.labels("waiting").inc()
            raise BusyError("too much waits to be written to disk", where="journal", retry_after=0.5)
        if self._bytes() + self._waiting_bytes + size > self.max_bytes:
            self._clean()
            if self._bytes() + self._waiting_bytes + size > self.max_bytes:
                REFUSED.labels("full").inc()
                raise BusyError(
                    f"the journal is full ({self._bytes()} of {self.max_bytes} bytes wait to be stored)",
                    where="journal",
                    retry_after=2.0,
                )
        if self._free() - self._waiting_bytes - size < self._min_free:
            REFUSED.labels("disk").inc()
            raise BusyError(
                f"less than {self._min_free} bytes of disk are free", where=str(self.folder), retry_after=5.0
            )

    def _bytes(self) -> int:
        return sum(self._sizes.values())

    def _free(self) -> int:
        now = time.monotonic()
        if now - self._free_seen[0] > 0.25:
            stat = os.statvfs(self.folder)
            self._free_seen = (now, stat.f_bavail * stat.f_frsize)
        return self._free_seen[1]

    # ---- committing ----

    def _commit_loop(self) -> None:
        while True:
            with self._guard:
                while not self._waiting and not self._closing:
                    if not self._guard.wait(1.0):
                        self._clean()
                        if self._broken:
                            self._mend()
                if not self._waiting:
                    return
                self._clean()
                window = min(self._window, 2 * self._last_sync)
                while self._waiting_bytes < EARLY and not self._closing:
                    left = self._first_waiting + window - time.monotonic()
                    if left <= 0:
                        break
                    self._guard.wait(left)
                batch, self._waiting, self._waiting_bytes = self._waiting, [], 0
            try:
                self._commit(batch)
            except Exception as error:  # the thread must not end: appends would wait forever
                _log.exception("%s: a commit failed", self.folder)
                self._refuse(batch, JournalError(f"a commit failed: {error}", where=str(self.folder)))

    def _commit(self, batch: list[_Waiting]) -> None:
        now = self._now()
        following, raw = list(self._next), list(self._raw)
        buffers: list[bytes] = []
        places: list[Appended] = []
        size = 0
        for waiting in batch:
            lane = waiting.lane
            position = following[lane]
            head = _layout.header(
                waiting.body,
                lane=lane,
                kind=_layout.ENTRY,
                frames=waiting.frames,
                position=position,
                arrival=now,
                before=raw[lane],
                raw=waiting.raw,
                request=waiting.request.digest if waiting.request else NO_REQUEST,
            )
            buffers += (head, waiting.body)
            size += len(head) + len(waiting.body)
            following[lane] += waiting.frames
            raw[lane] += waiting.raw
            places.append(Appended(lane, position))
        started = time.perf_counter()
        try:
            _write_all(self._descriptor, buffers)
            os.fdatasync(self._descriptor)
        except OSError as error:
            self._undo(error)
            self._refuse(batch, BusyError(f"the disk refused: {error.strerror}", where=str(self.folder)))
            return
        self._last_sync = time.perf_counter() - started
        SYNC.observe(self._last_sync)
        with self._guard:
            self._offset += size
            self._sizes[self._file] = self._offset
            self._next, self._raw = following, raw
            for waiting, where in zip(batch, places, strict=True):
                if waiting.request is not None:
                    self._requests.stands(waiting.request, where.lane, where.position, now)
        _layout.publish(self._synced, place(self._file, self._offset))
        self._tell(zip(batch, places, strict=True))
        APPENDS.inc(len(batch))
        BYTES.inc(sum(waiting.raw for waiting in batch))
        if self._offset >= self._segment_bytes:
            try:
                with self._guard:
                    self._roll()
                    self._requests.snapshot(place(self._file, self._offset), self._now())
            except OSError as error:
                # The old segment goes on growing; the next commit tries again.
                _log.warning("%s: no new segment can be begun: %s", self.folder, error)

    def _refuse(self, batch: list[_Waiting], error: Exception) -> None:
        with self._guard:
            for waiting in batch:
                if waiting.request is not None and not waiting.request.arrival:
                    self._requests.drop(waiting.request)
        self._tell((waiting, error) for waiting in batch)

    def _tell(self, outcomes: Iterable[tuple[_Waiting, Appended | Exception]]) -> None:
        """Let appends return; those of one event loop with one wake of it."""
        loops: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, Appended | Exception]]] = {}
        for waiting, outcome in outcomes:
            loops.setdefault(waiting.loop, []).append((waiting, outcome))
        for loop, mine in loops.items():
            try:
                loop.call_soon_threadsafe(self._return, mine)
            except RuntimeError:  # the loop is closed: nobody waits any more
                for waiting, outcome in mine:
                    if waiting.request is not None and isinstance(outcome, Appended):
                        self.abandoned(outcome)

    def _return(self, outcomes: list[tuple[_Waiting, Appended | Exception]]) -> None:
        for waiting, outcome in outcomes:
            if waiting.done.cancelled():
                if waiting.request is not None and isinstance(outcome, Appended):
                    self.abandoned(outcome)
            elif waiting.done.done():
                continue
            elif isinstance(outcome, Appended):
                waiting.done.set_result(outcome)
            else:
                waiting.done.set_exception(outcome)

    def _undo(self, error: OSError) -> None:
        """Take back what a failed commit may have written: nobody was told of it."""
        _log.error("%s: a commit failed: %s", self.folder, error)
        # After a failed fsync the kernel may hold pages for clean that are not on disk, so it goes on elsewhere; a disk
        # that was only full has no room for that, and needs none.
        self._mend(anew=error.errno not in {errno.ENOSPC, errno.EDQUOT})

    def _mend(self, *, anew: bool = True) -> None:
        """Cut the segment to what is committed and go on, in a new one if `anew`. What fails is tried again later."""
        try:
            os.ftruncate(self._descriptor, self._offset)
            os.lseek(self._descriptor, self._offset, os.SEEK_SET)
            if anew:
                with self._guard:
                    self._roll()
                    self._requests.snapshot(place(self._file, self._offset), self._now())
        except OSError as error:
            if not self._broken:
                _log.critical("%s: the journal can't be written: %s", self.folder, error)
            self._broken = str(error)
        else:
            self._broken = ""

    def _roll(self) -> None:
        """Begin a new segment. The one before is on disk and complete."""
        file = self._file + 1
        data = _layout.head(list(zip(self._next, self._raw, strict=True)), file)
        path = self.folder / _layout.name(file)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write_all(descriptor, [data])
            os.fsync(descriptor)
            _layout.sync_folder(self.folder)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._file, self._offset = descriptor, file, len(data)
        self._heads[file] = list(self._next)
        self._sizes[file] = len(data)
        _layout.publish(self._synced, place(file, len(data)))

    # ---- room ----

    def clean(self) -> int:
        """Delete the segments that every lane's cursor has passed; how many there were."""
        with self._guard:
            self._cleaned = 0.0
            return self._clean()

    def _clean(self) -> int:
        now = time.monotonic()
        if now - self._cleaned < 0.2:
            return 0
        self._cleaned = now
        marks = [cursor.read().position for cursor in self._cursors]
        gone = 0
        files = sorted(self._heads)
        for file, after in pairwise(files):
            if any(mark < begins for mark, begins in zip(marks, self._heads[after], strict=True)):
                break
            (self.folder / _layout.name(file)).unlink(missing_ok=True)
            del self._heads[file], self._sizes[file]
            gone += 1
        ON_DISK.set(self._bytes())
        return gone

    def health(self) -> dict[str, Any]:
        """Figures for the page Sources: bytes on disk, and of each lane how much waits to be stored."""
        with self._guard:
            marks = [cursor.read() for cursor in self._cursors]
            return {
                "bytes": self._bytes(),
                "max_bytes": self.max_bytes,
                "segments": len(self._sizes),
                "waiting": len(self._waiting),
                "sync_seconds": self._last_sync,
                "broken": self._broken,
                "damaged": [str(damage) for damage in self.damaged],
                "lanes": [
                    {
                        "next": following,
                        "cursor": mark.position,
                        "lag_frames": max(0, following - mark.position),
                        "lag_bytes": max(0, raw - mark.raw),
                    }
                    for mark, following, raw in zip(marks, self._next, self._raw, strict=True)
                ],
            }

    def close(self) -> None:
        """Commit what waits, then let go of the journal. Later appends raise `BusyError`."""
        with self._guard:
            if self._closing:
                return
            self._closing = True
            self._guard.notify_all()
        self._thread.join()
        self._pool.shutdown()
        with self._guard:
            self._requests.close()
        for descriptor in (self._descriptor, self._synced, self._lock):
            os.close(descriptor)

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _prepare(chunks: Sequence[Chunk], lane_key: str, request: bytes | None) -> tuple[bytes, bytes, int]:
    name = b""
    if request is not None:
        name = digest(lane_key, chunks[0].origin.key, chunks[0].origin.peer, request)
    return name, *_layout.encode(chunks)


def _watch(future: Future[bool]) -> Future[None]:
    """A future of one's own that is done when `future` is: cancelling it leaves the other alone."""
    mine: Future[None] = Future()

    def tell(_: Future[bool]) -> None:
        if mine.set_running_or_notify_cancel():
            mine.set_result(None)

    future.add_done_callback(tell)
    return mine


def _write_all(descriptor: int, buffers: Sequence[bytes]) -> None:
    for at in range(0, len(buffers), _MOST_BUFFERS):
        part = buffers[at : at + _MOST_BUFFERS]
        wanted = sum(map(len, part))
        written = os.writev(descriptor, part)
        if written < wanted:  # a signal, or the disk is nearly full
            rest = memoryview(b"".join(part))[written:]
            while rest:
                rest = rest[os.write(descriptor, rest) :]
