"""The reading side: stretches of the lanes that a worker owns, and the cursor that they move.

One walk over the segments' headers serves all lanes of a reader; what it meets for a lane is queued until that lane is
asked for. A queue is bounded: a lane that is far behind is walked again, for itself, when its queue has run dry.
"""

from __future__ import annotations

import logging
import os
import time
import zlib
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tocsin.event.records import Frame
from tocsin.journal import _layout
from tocsin.journal._cursor import Cursor, Edge, Mark, StretchLog
from tocsin.journal._layout import HEADER, Damage, Header, JournalError, Table, place, unplace
from tocsin.metrics import counter
from tocsin.ports import Stretch

_QUEUE: Final = 2_048
"""Entries of one lane that are known ahead."""
_OPEN: Final = 8
_POLL: Final = 0.02
"""Seconds between two looks at whether something new has been synced."""
_MOST_DAMAGE: Final = 100

_log = logging.getLogger(__name__)
SKIPPED = counter("tocsin_journal_damaged_bytes", "Bytes of the journal that could not be read and were skipped.")


@dataclass(slots=True)
class _Lane:
    """What a reader knows of one lane."""

    cursor: Cursor
    log: StretchLog
    handed: int = 0  # everything before it has been handed out
    raw: int = 0
    replay: deque[Edge] = field(default_factory=deque)
    standing: deque[Edge] = field(default_factory=deque)  # handed out, not passed
    early: set[int] = field(default_factory=set)  # ends that were passed before their turn
    queue: deque[Header] = field(default_factory=deque)
    beyond: int = 0  # place of the first entry that the queue had no room for


class FileReader:
    """`ports.JournalReader` on files, for `lanes`; a lane belongs to one reader at a time.

    What is not synced is never handed out. Damage is reported (log, metric, `damaged`) and skipped.
    """

    def __init__(self, folder: Path, count: int, lanes: Iterable[int] | None = None) -> None:
        self.folder = folder
        self.lanes = tuple(sorted(set(range(count) if lanes is None else lanes)))
        if any(not 0 <= lane < count for lane in self.lanes):
            raise JournalError(f"lanes {list(self.lanes)} are asked for, there are {count}", where=str(folder))
        self._count = count
        self._synced = os.open(folder / _layout.SYNCED, os.O_RDWR | os.O_CREAT, 0o600)
        self._states: dict[int, _Lane] = {}
        self._walked = 0
        self._files: OrderedDict[int, int] = OrderedDict()
        self._entry: tuple[int, Table] | None = None
        self.damaged: deque[Damage] = deque(maxlen=_MOST_DAMAGE)

    # ---- the port ----

    def stretch(self, lane: int, *, max_bytes: int) -> tuple[Stretch, list[Frame]] | None:
        """See `ports.JournalReader.stretch`. Raises `JournalError` while another reader has the lane."""
        state = self._lane(lane)
        if state.replay:
            edge = state.replay.popleft()
            frames = self._frames(lane, state, edge.start, edge.end, None)[0]
        else:
            self._walk(lane, max_bytes)
            if not state.queue:
                return None
            start = state.handed
            frames, end, raw = self._frames(lane, state, start, None, max_bytes)
            edge = Edge(start, end, raw)
            if state.log.long:
                state.log.begin(list(state.standing))
            state.log.add(edge)
        state.handed, state.raw = edge.end, edge.raw
        state.standing.append(edge)
        return Stretch(lane, edge.start, edge.end), frames

    def passed(self, stretch: Stretch) -> None:
        """See `ports.JournalReader.passed`. A stretch passed before its turn waits for those before it."""
        state = self._lane(stretch.lane)
        if not any(edge.start == stretch.start and edge.end == stretch.end for edge in state.standing):
            if stretch.end <= state.cursor.read().position:
                return
            raise JournalError(f"stretch {tuple(stretch)} was not handed out", where=str(self.folder))
        state.early.add(stretch.end)
        done: Edge | None = None
        while state.standing and state.standing[0].end in state.early:
            done = state.standing.popleft()
            state.early.discard(done.end)
        if done is not None:
            state.cursor.move(Mark(done.end, done.raw))

    def wait(self, timeout: float) -> bool:
        """Block until there may be something to read, at most `timeout` seconds; whether there is."""
        until = time.monotonic() + timeout
        while True:
            if any(state.queue or state.beyond or state.replay for state in self._states.values()):
                return True
            if not self._states or _layout.published(self._synced) > self._walked:
                return bool(_layout.published(self._synced))
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_POLL, left))

    def close(self) -> None:
        """Let go of the lanes; what was handed out and not passed comes again."""
        for state in self._states.values():
            state.cursor.close()
            state.log.close()
        for descriptor in self._files.values():
            os.close(descriptor)
        self._states.clear()
        self._files.clear()
        os.close(self._synced)

    def __enter__(self) -> FileReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- lanes ----

    def _lane(self, lane: int) -> _Lane:
        if not self._states:
            self._begin()
        try:
            return self._states[lane]
        except KeyError:
            raise JournalError(f"lane {lane} is not this reader's", where=str(self.folder)) from None

    def _begin(self) -> None:
        """Take the lanes, and find where the first frame that none of them has passed stands."""
        states: dict[int, _Lane] = {}
        try:
            for lane in self.lanes:
                state = states[lane] = _Lane(Cursor(self.folder, lane, writable=True), StretchLog(self.folder, lane))
                state.log.own(self.folder, lane)
                mark = state.cursor.read()
                state.handed, state.raw = mark
                edges = [edge for edge in state.log.read(mark.position) if edge.start >= mark.position]
                if edges and edges[0].start != mark.position:
                    edges = []
                state.replay.extend(edges)
                state.log.begin(edges)
        except BaseException:
            for state in states.values():
                state.cursor.close()
                state.log.close()
            raise
        present = _layout.segments(self.folder)
        first = present[0] if present else 0
        wanted = dict.fromkeys(self.lanes, first)
        for file in present:
            try:
                begins = _layout.read_head(self.folder / _layout.name(file), file, self._count)
            except (JournalError, FileNotFoundError):
                continue
            for lane in self.lanes:
                if begins[lane][0] <= states[lane].handed:
                    wanted[lane] = file
        self._walked = place(min(wanted.values(), default=first), 0)
        self._states = states

    # ---- finding entries ----

    def _walk(self, lane: int, enough: int) -> None:
        """Fill the queue of `lane` with entries of about `enough` bytes, or with all that there are."""
        state = self._states[lane]
        if not state.queue and state.beyond:
            start, state.beyond = state.beyond, 0
            self._meet(start, self._walked, {lane: state}, lane, enough, again=True)
        if not state.beyond and not self._plenty(state, enough):
            self._walked = self._meet(self._walked, _layout.published(self._synced), self._states, lane, enough)

    @staticmethod
    def _plenty(state: _Lane, enough: int) -> bool:
        if len(state.queue) >= 256 or state.beyond:
            return True
        total = 0
        for entry in state.queue:
            total += entry.raw
            if total >= enough:
                return True
        return False

    def _meet(
        self, start: int, end: int, lanes: dict[int, _Lane], lane: int, enough: int, *, again: bool = False
    ) -> int:
        """Queue the entries between two places for `lanes`; ends early with plenty for `lane`. Where it ended.

        `again` is the walk of one lane over what the walk of all has passed.
        """
        file, offset = unplace(start)
        last, last_offset = unplace(end)
        wanted = lanes[lane]
        gathered = sum(entry.raw for entry in wanted.queue)
        while (file, offset) < (last, last_offset):
            descriptor = self._open(file)
            if descriptor < 0:
                # Deleted: every lane had passed it.
                file, offset = file + 1, 0
                continue
            stop = last_offset if file == last else os.fstat(descriptor).st_size
            for found in _layout.scan(descriptor, file, offset, stop):
                if isinstance(found, Damage):
                    self._report(found)
                    continue
                if found.kind != _layout.ENTRY:
                    continue
                state = lanes.get(found.lane)
                if state is None or found.position + found.frames <= state.handed:
                    continue
                if state.beyond:
                    continue
                if len(state.queue) >= _QUEUE:
                    state.beyond = place(file, found.offset)
                    if state is wanted:
                        return place(file, found.offset)
                    continue
                state.queue.append(found)
                if state is wanted:
                    gathered += found.raw
                    if gathered >= enough or len(state.queue) >= 256:
                        if again:
                            state.beyond = place(file, found.end)
                        return place(file, found.end)
            if file == last:
                return end
            file, offset = file + 1, 0
        return max(start, end)

    def _open(self, file: int) -> int:
        """A descriptor of a segment, or -1 where it is gone."""
        if file in self._files:
            self._files.move_to_end(file)
            return self._files[file]
        try:
            descriptor = os.open(self.folder / _layout.name(file), os.O_RDONLY)
        except FileNotFoundError:
            return -1
        self._files[file] = descriptor
        if len(self._files) > _OPEN:
            os.close(self._files.popitem(last=False)[1])
        return descriptor

    # ---- reading frames ----

    def _frames(
        self, lane: int, state: _Lane, start: int, end: int | None, max_bytes: int | None
    ) -> tuple[list[Frame], int, int]:
        """Frames from `start` to `end`, or of at most `max_bytes` (one at least); where they end, and the lane's raw
        bytes before that."""
        frames: list[Frame] = []
        size = 0
        raw = state.raw
        at = start
        while end is None or at < end:
            if not state.queue:
                if end is None:
                    break
                self._walk(lane, 1)
                if not state.queue:
                    break
            entry = state.queue[0]
            if end is not None and entry.position >= end:
                break
            if entry.position > at:
                self._lost(lane, at, entry.position)
                at = entry.position
            first = at - entry.position
            last = entry.frames if end is None else min(entry.frames, end - entry.position)
            table = self._read(entry)
            if table is not None:
                sizes = table.sizes()
                if max_bytes is not None:
                    total = size
                    for number in range(first, last):
                        total += sizes[number]
                        if total > max_bytes and (frames or number > first):
                            last = number
                            break
                    if last == first:
                        break
                try:
                    chunks = table.chunks(first, last)
                except JournalError as error:
                    self._report(Damage(entry.file, entry.offset, entry.body, error.what))
                    chunks = []
                frames.extend(
                    Frame(lane, entry.position + first + number, entry.arrival, chunk)
                    for number, chunk in enumerate(chunks)
                )
                size += sum(sizes[first:last])
                raw = entry.before + sum(sizes[:last])
            at = entry.position + last
            if last >= entry.frames:
                state.queue.popleft()
                raw = entry.before + entry.raw
            if max_bytes is not None and size >= max_bytes:
                break
        if end is None:
            return frames, at, raw
        if at < end:
            self._lost(lane, at, end)
        return frames, end, raw

    def _read(self, entry: Header) -> Table | None:
        """An entry's table, checked; None, and a report, for damage."""
        where = place(entry.file, entry.offset)
        if self._entry is not None and self._entry[0] == where:
            return self._entry[1]
        descriptor = self._open(entry.file)
        if descriptor < 0:
            self._report(Damage(entry.file, entry.offset, entry.body, "its segment is gone"))
            return None
        body = os.pread(descriptor, entry.body, entry.offset + HEADER)
        try:
            if len(body) != entry.body or zlib.crc32(body) != entry.body_crc:
                raise JournalError("the entry's checksum is wrong")
            table = _layout.decode(body)
            if len(table.rows) != entry.frames:
                raise JournalError(f"the entry has {len(table.rows)} frames instead of {entry.frames}")
        except JournalError as error:
            self._report(Damage(entry.file, entry.offset, entry.body + HEADER, error.what))
            return None
        # Only an entry of several frames is read in parts.
        self._entry = (where, table) if entry.frames > 1 else None
        return table

    def _lost(self, lane: int, start: int, end: int) -> None:
        _log.error("%s: lane %d: frames %d to %d can't be found", self.folder, lane, start, end - 1)

    def _report(self, damage: Damage) -> None:
        self.damaged.append(damage)
        SKIPPED.inc(damage.length)
        _log.error("%s: %s", self.folder, damage)
