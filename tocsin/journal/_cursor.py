"""How far a lane is stored, and the edges of the stretches that were handed out: two small files a lane.

`lane-NN.cursor` has two slots that are written in turn, so one of them is whole after any crash. `lane-NN.stretches` is
a list of stretches; each is on disk before it is handed out, so that a replay has the same edges.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from tocsin.journal._layout import JournalError, sync_folder, write_whole

_SLOT = struct.Struct("<QQQI")  # generation, position, raw bytes of the lane before it, crc32
_SLOT_AT = 512  # a sector: one write can't tear both slots
_EDGE = struct.Struct("<QQQI")  # start, end, raw bytes of the lane before the end, crc32
_LONG_LOG: Final = 1 << 20


class Mark(NamedTuple):
    """Everything before `position` is stored; `raw` bytes of payload stood before it."""

    position: int = 0
    raw: int = 0


class Edge(NamedTuple):
    """A stretch's edges, and the raw bytes of the lane before its end."""

    start: int
    end: int
    raw: int


def _checked(record: bytes) -> tuple[int, int, int] | None:
    if len(record) < _SLOT.size or zlib.crc32(record[: _SLOT.size - 4]) != int.from_bytes(record[-4:], "little"):
        return None
    first, second, third, _ = _SLOT.unpack(record)
    return first, second, third


def _packed(first: int, second: int, third: int) -> bytes:
    record = _SLOT.pack(first, second, third, 0)[:-4]
    return record + zlib.crc32(record).to_bytes(4, "little")


class Cursor:
    """A lane's cursor on disk."""

    def __init__(self, folder: Path, lane: int, *, writable: bool = False) -> None:
        self._path = folder / f"lane-{lane:02d}.cursor"
        self._descriptor = -1
        self._generation = 0
        if writable:
            fresh = not self._path.exists()
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            if fresh:
                sync_folder(folder)

    def read(self) -> Mark:
        """Where the cursor stands; at the beginning where nobody has moved it."""
        try:
            descriptor = self._descriptor if self._descriptor >= 0 else os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return Mark()
        try:
            slots = [_checked(os.pread(descriptor, _SLOT.size, at)) for at in (0, _SLOT_AT)]
        finally:
            if descriptor != self._descriptor:
                os.close(descriptor)
        generation, position, raw = max((slot for slot in slots if slot), default=(0, 0, 0))
        self._generation = generation
        return Mark(position, raw)

    def move(self, mark: Mark) -> None:
        """Set the cursor; on disk on return."""
        self._generation += 1
        os.pwrite(self._descriptor, _packed(self._generation, *mark), _SLOT_AT * (self._generation % 2))
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class StretchLog:
    """The stretches of a lane that were handed out and that the cursor has not passed."""

    def __init__(self, folder: Path, lane: int) -> None:
        self._folder = folder
        self.path = folder / f"lane-{lane:02d}.stretches"
        self._lock = -1
        self._descriptor = -1
        self._size = 0

    def own(self, folder: Path, lane: int) -> None:
        """Take the lane for this reader. Raises `JournalError` while another has it."""
        self._lock = os.open(folder / f"lane-{lane:02d}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            self._lock = -1
            raise JournalError(
                f"lane {lane} is read by another process", where=str(folder), hint="one worker reads a lane"
            ) from error

    def read(self, after: int) -> list[Edge]:
        """The stretches that end behind `after`, in order; what a crash left half-written is none."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        edges: list[Edge] = []
        for at in range(0, len(data), _EDGE.size):
            values = _checked(data[at : at + _EDGE.size])
            if values is None:
                break
            edge = Edge(*values)
            if edge.end > after and (not edges or edge.start == edges[-1].end):
                edges.append(edge)
        return edges

    def begin(self, edges: list[Edge]) -> None:
        """Write the log anew with only these."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        write_whole(self.path, b"".join(_packed(*edge) for edge in edges))
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        self._size = len(edges) * _EDGE.size

    @property
    def long(self) -> bool:
        """Whether it is time to `begin` anew."""
        return self._size > _LONG_LOG

    def add(self, edge: Edge) -> None:
        """Log a stretch; on disk on return."""
        os.write(self._descriptor, _packed(*edge))
        os.fdatasync(self._descriptor)
        self._size += _EDGE.size

    def close(self) -> None:
        """Let go of the lane."""
        for descriptor in (self._descriptor, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._lock = -1
