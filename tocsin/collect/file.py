"""Reads files as they grow: paths and globs, through renaming, truncation and compression of what was rotated away.

A file is known by its place on the disk and by its content, so one that is renamed, copied (copytruncate) or gzipped is
gone on with and not read twice. Its position moves when the journal has what stands before it. Formats are recognised
by content (`_read`): JSON, text lines, Zeek's TSV, CSV, Windows events as XML or EVTX, gzip and zstd of each.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import glob
import io
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from stat import S_ISREG
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from tocsin.collect import Collector
from tocsin.collect._packed import CHUNK, UnreadableError, as_utf8, decompressed, packed
from tocsin.collect._positions import Position, Positions
from tocsin.collect._read import FINGERPRINT, Cutter, Piece, chunk, fingerprint, read_file, recognise
from tocsin.errors import BusyError, quoted
from tocsin.event.records import Chunk, Origin
from tocsin.metrics import counter
from tocsin.ports import JournalWriter

__all__ = ["Files", "Settings", "collector", "read_file"]

_AT_ONCE: Final = 4 << 20
_TURN: Final = 32 << 20
_MOST_FILES: Final = 10_000
_MOST_OPEN: Final = 512
_SNIFFED: Final = 64 * 1024
_UTF_16: Final = frozenset({codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE})
BYTES = counter("tocsin_file_bytes", "Bytes of records taken from files.")
UNREADABLE = counter("tocsin_file_unreadable", "Files that could not be read, or not to their end.")
_log = logging.getLogger(__name__)


class Settings(BaseModel):
    """Which files are read, and what they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    paths: list[str]
    """Files and globs (`**` for any depth)."""
    exclude: list[str] = []
    """Globs of files that are not read."""
    positions: Path
    """The file that keeps how far each file has been read."""
    product: str | None = None
    """What they are (`zeek.http`), where their content does not say."""
    zone: str | None = None
    """Time zone (IANA name) of records that name none."""
    agent: str | None = None
    """Id of the agent that reads them."""
    poll_seconds: float = Field(default=0.25, gt=0)
    """Seconds between two looks at the files."""
    settled_seconds: float = Field(default=5.0, ge=0)
    """Seconds without a change after which a file that was rotated away has ended."""
    record_bytes: int = Field(default=1 << 20, ge=1024)
    """Bytes of one record; a longer one is kept without its end."""


class _Reading:
    """One file that is open: where it stands, and what is still to be read."""

    def __init__(self, path: str, descriptor: int, position: Position, settings: Settings) -> None:
        self.path = path
        self.position = position
        self.gone_since = 0.0
        self.changed = 0.0
        self.problem = ""
        self._descriptor = descriptor
        self._settings = settings
        self._origin = Origin("file", agent=settings.agent, path=path, product=settings.product, zone=settings.zone)
        first = os.pread(descriptor, 8, 0)
        # What is decompressed or decoded is read from its beginning; anything else goes on at its offset.
        self._whole = packed(first) or first[:2] in _UTF_16
        self._base = len(codecs.BOM_UTF8) if first.startswith(codecs.BOM_UTF8) else 0
        self._blocks: Iterator[bytes] | None = None
        self._chunks: Iterator[Chunk] | None = None
        self._written = (-1, "")
        self.looked = (-1, -1)
        self._start()

    def _start(self) -> None:
        position = self.position
        self._cutter = Cutter(
            position.kind, position.offset, position.record, position.header, self._settings.record_bytes
        )
        self._read_to = position.offset
        self._tail = b""
        self._moved: Piece | None = None
        self._ended = False

    @property
    def size(self) -> int:
        """Bytes of the file as it is."""
        return os.fstat(self._descriptor).st_size

    def holds(self, size: int) -> bool:
        """Whether the file, now of `size` bytes, still has what was read of it."""
        return self._whole or (size >= self._base + self._read_to and _continues(self._descriptor, self.position))

    @property
    def cut(self) -> int:
        """Records that were too long."""
        return self._cutter.cut

    def read(self, *, end: bool = False) -> list[Chunk]:
        """The next chunks, of about 4 MiB; none at the end. With `end` the last record need not end with a newline."""
        chunks: list[Chunk] = []
        size = 0
        try:
            if self.position.kind in {"evtx", "parquet"}:
                return self._at_once()
            while size < _AT_ONCE:
                block = self._block()
                pieces = self._cutter.feed(block) if block else []
                if not block and (self._ended if self._whole else end):
                    pieces = self._cutter.finish()
                for piece in pieces:
                    chunks.append(chunk(piece, self.position.kind, self._origin, self.position.mark))
                    size += len(piece.payload)
                    if self._cutter.between or piece is not pieces[-1]:
                        self._moved = piece
                if not block:
                    break
                self.changed = time.monotonic()
        except (OSError, UnreadableError) as error:
            self._fail(str(error))
        return chunks

    def _block(self) -> bytes:
        if not self._whole:
            block = os.pread(self._descriptor, CHUNK, self._base + self._read_to)
        elif self.position.finished == self._state():
            return b""
        else:
            if self._blocks is None:
                self._start()
                self._blocks = self._from_offset()
            block = next(self._blocks, b"")
            if not block:
                self._blocks = None
                self._ended = True
                self.position.finished = self._state()
        self._read_to += len(block)
        if self._whole and block:
            self._tail = (self._tail + block)[-(FINGERPRINT + self._settings.record_bytes + 2 * CHUNK) :]
        return block

    def _from_offset(self) -> Iterator[bytes]:
        """What a compressed or UTF-16 file holds after the position, where before it is what was read; else all."""
        for again in (False, True):
            skip = 0 if again else self.position.offset
            if again:
                self.position.offset = self.position.record = 0
                self.position.header = None
                self._start()
            before = b""
            at = 0
            with io.BufferedReader(io.FileIO(os.dup(self._descriptor))) as file:
                file.seek(0)
                blocks = as_utf8(decompressed(file, quoted(self.path)))
                for block in blocks:
                    if at >= skip:
                        yield block
                        continue
                    left = skip - at
                    before = (before + block[:left])[-FINGERPRINT:]
                    at += len(block)
                    if left <= len(block):
                        if _hash(before) != self.position.tail:
                            break
                        self._tail = before
                        if block[left:]:
                            yield block[left:]
                else:
                    if at >= skip:
                        return

    def _state(self) -> str:
        stat = os.fstat(self._descriptor)
        return f"{stat.st_size}-{stat.st_mtime_ns}"

    def _at_once(self) -> list[Chunk]:
        """The next chunks of a file that is not appended to, once it has not changed for a while."""
        if self._chunks is None:
            state = self._state()
            still = time.time() - os.fstat(self._descriptor).st_mtime
            if self.position.finished == state or still < self._settings.settled_seconds:
                return []
            self._chunks = read_file(f"/proc/self/fd/{self._descriptor}", limit=self._settings.record_bytes)
        chunks: list[Chunk] = []
        for found in self._chunks:
            origin = replace(
                self._origin,
                fingerprint=found.origin.fingerprint,
                offset=found.origin.offset,
                record=found.origin.record,
            )
            chunks.append(Chunk(found.format, found.payload, origin))
            if len(chunks) * CHUNK >= _AT_ONCE:
                return chunks
        self._chunks = None
        self.position.finished = self._state()
        return chunks

    def advance(self) -> bool:
        """What was read is in the journal: move the position. Whether there is something to write down."""
        piece, self._moved = self._moved, None
        position = self.position
        if piece is not None:
            if self._whole:
                before = self._tail[: piece.end - (self._read_to - len(self._tail))][-FINGERPRINT:]
            else:
                start = max(0, piece.end - FINGERPRINT)
                before = os.pread(self._descriptor, piece.end - start, self._base + start)
            position.tail = _hash(before)
            position.offset, position.record, position.header = piece.end, piece.after, piece.header
        now = (position.offset, position.finished)
        if now == self._written:
            return False
        self._written = now
        return True

    def _fail(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            UNREADABLE.inc()
            _log.warning("%s", problem)
        self.position.finished = self._state()
        self._blocks = self._chunks = None

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


class Files:
    """The collector of files."""

    name = "file"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._positions = Positions(settings.positions)
        self._open: dict[tuple[int, int], _Reading] = {}
        self._young = min(1.0, settings.settled_seconds)
        self.counts = {"records_cut": 0, "bytes": 0, "chunks": 0, "busy": 0}

    async def run(self, journal: JournalWriter) -> None:
        """See `Collector.run`."""
        try:
            while True:
                await self.once(journal)
                await asyncio.sleep(self._settings.poll_seconds)
        finally:
            self.close()

    async def once(self, journal: JournalWriter) -> None:
        """Look at all files and take what there is."""
        for reading in await asyncio.to_thread(self._look):
            await self._turn(reading, journal)

    def close(self) -> None:
        """Let go of all files; what was read is on record."""
        for reading in self._open.values():
            reading.close()
        self._open.clear()
        self._positions.close()

    async def _turn(self, reading: _Reading, journal: JournalWriter) -> None:
        """Take what there is of a file, but not so much that the others wait for long."""
        taken = 0
        ended = bool(reading.gone_since) and (
            time.monotonic() - max(reading.gone_since, reading.changed) >= self._settings.settled_seconds
        )
        while taken < _TURN:
            chunks = await asyncio.to_thread(reading.read, end=ended)
            if chunks:
                taken += await self._put(journal, chunks, reading.path)
            if await asyncio.to_thread(reading.advance):
                await asyncio.to_thread(self._positions.moved, reading.position)
            if not chunks:
                break
        if ended and taken < _TURN:
            self._open.pop((reading.position.device, reading.position.inode), None)
            reading.close()

    async def _put(self, journal: JournalWriter, chunks: list[Chunk], key: str) -> int:
        while True:
            try:
                await journal.append(chunks, lane_key=key)
                break
            except BusyError as busy:
                self.counts["busy"] += 1
                await asyncio.sleep(busy.retry_after)
        size = sum(len(part.payload) for part in chunks)
        self.counts["bytes"] += size
        self.counts["chunks"] += len(chunks)
        BYTES.inc(size)
        return size

    def _look(self) -> list[_Reading]:
        """The files that there are, opened, and those that are gone and not yet read to their end."""
        seen: set[tuple[int, int]] = set()
        out: list[_Reading] = []
        for path in self._paths():
            try:
                found = self._meet(path, seen)
            except OSError as error:
                _log.warning("%s can't be read: %s", quoted(path), error.strerror or error)
                continue
            if found is not None:
                out.append(found)
        now = time.monotonic()
        for key, reading in list(self._open.items()):
            if key in seen:
                reading.gone_since = 0.0
            else:
                reading.gone_since = reading.gone_since or now
                out.append(reading)
        return out

    def _paths(self) -> list[str]:
        paths: dict[str, None] = {}
        excluded = [pattern for pattern in self._settings.exclude if pattern]
        for pattern in self._settings.paths:
            for path in glob.iglob(pattern, recursive=True):  # noqa: PTH207  # patterns may be absolute
                if not any(Path(path).match(other) for other in excluded):
                    paths[path] = None
                if len(paths) >= _MOST_FILES:
                    _log.warning("more than %d files match; the rest are not read", _MOST_FILES)
                    return sorted(paths)
        return sorted(paths)

    def _meet(self, path: str, seen: set[tuple[int, int]]) -> _Reading | None:
        """The reading of the file at `path`; None for what is no file, empty, finished, or seen under another name."""
        stat = Path(path).stat()
        key = (stat.st_dev, stat.st_ino)
        if not S_ISREG(stat.st_mode) or key in seen:
            return None
        seen.add(key)
        reading = self._open.get(key)
        if reading is not None and self._is_the_same(reading, stat):
            return reading
        if stat.st_size == 0:
            return None
        if reading is not None:
            self._open.pop(key).close()
        position = self._positions.at(*key)
        if position is None and stat.st_size < FINGERPRINT and time.time() - stat.st_mtime < self._young:
            return None  # it is known by its first bytes for ever: let there be more of them
        if position is not None and position.finished == f"{stat.st_size}-{stat.st_mtime_ns}":
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if reading is not None or position is None or not _continues(descriptor, position):
                position = self._new(path, descriptor, key)
            elif position.path != path:
                position.path = path
            reading = _Reading(path, descriptor, position, self._settings)
        except BaseException:
            os.close(descriptor)
            raise
        if len(self._open) >= _MOST_OPEN:
            oldest = min(self._open, key=lambda other: self._open[other].changed)
            self._open.pop(oldest).close()
        self._open[key] = reading
        return reading

    def _is_the_same(self, reading: _Reading, stat: os.stat_result) -> bool:
        """Whether a file still holds what was read of it: it is neither truncated nor written anew."""
        if reading.looked == (stat.st_size, stat.st_mtime_ns):
            return True
        reading.looked = (stat.st_size, stat.st_mtime_ns)
        return reading.holds(stat.st_size)

    def _new(self, path: str, descriptor: int, key: tuple[int, int]) -> Position:
        """A position for a file that is met: at its beginning, or where one of the same content was read to."""
        with contextlib.closing(io.FileIO(os.dup(descriptor))) as file:
            file.seek(0)
            first = b""
            try:
                for block in as_utf8(decompressed(file, quoted(path))):
                    first += block
                    if len(first) >= _SNIFFED:
                        break
            except UnreadableError as error:
                _log.warning("%s", error)
        position = Position(
            fingerprint(first), min(len(first), FINGERPRINT), path, *key, kind=recognise(first[:_SNIFFED], path)
        )
        for marked in sorted(self._positions.marked(), reverse=True):
            if marked > len(first):
                continue
            for known in self._positions.like(fingerprint(first[:marked]), marked):
                if known.offset and _continues(descriptor, known):
                    position.mark, position.marked, position.kind = known.mark, known.marked, known.kind
                    position.offset, position.record, position.header = known.offset, known.record, known.header
                    position.tail = known.tail
                    self._positions.add(position)
                    return position
        self._positions.add(position)
        return position

    def health(self) -> dict[str, object]:
        """See `Collector.health`."""
        files = [
            {"path": reading.path, "offset": reading.position.offset, "size": reading.size, "problem": reading.problem}
            for reading in list(self._open.values())[:1000]
        ]
        cut = sum(reading.cut for reading in self._open.values())
        return {**self.counts, "records_cut": cut, "files": files}


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=8).hexdigest()


def _continues(descriptor: int, position: Position) -> bool:
    """Whether a plain file has before the position's offset what was read there."""
    first = os.pread(descriptor, 4, 0)
    if position.offset == 0 or packed(first) or first[:2] in _UTF_16:
        return True  # what is decompressed is looked at when it is read
    base = len(codecs.BOM_UTF8) if first[:3] == codecs.BOM_UTF8 else 0
    start = max(0, position.offset - FINGERPRINT)
    before = os.pread(descriptor, position.offset - start, base + start)
    return _hash(before) == position.tail


def collector(settings: Settings) -> Collector:
    """The collector as settings say."""
    return Files(settings)
