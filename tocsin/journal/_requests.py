"""Which requests stand in the journal without an answer: so that one that comes again counts once.

An entry carries the digest of its request. The file `requests` holds what outlives the entry's segment: a snapshot of
the unanswered requests up to a place, and after it a mark for each answer that was written since. A request is
remembered for `KEPT_FOR`, and no more than `KEPT_MOST` are (the oldest are forgotten): a sender that tries again later
than that is a new one.

The mark is written (not synced) at once when the answer has gone out: no crash of the process loses it. What a crash
of the machine may lose are the marks of its last moments.
"""

from __future__ import annotations

import logging
import os
import struct
import zlib
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from tocsin.journal._layout import NO_REQUEST, Header, place, write_whole

KEPT_FOR: Final = 24 * 3600 * 1_000_000
"""µs that an unanswered request is remembered."""
KEPT_MOST: Final = 65_536
"""Unanswered requests that are remembered."""

_HEAD = struct.Struct("<8sQ")
_MAGIC = b"TjReq\x00\x00\x01"
_RECORD = struct.Struct("<B16sHQqI")  # kind, digest, lane, position, arrival, crc32
_UNANSWERED, _ANSWERED = 1, 2
_log = logging.getLogger(__name__)


def digest(lane_key: str, key: str | None, peer: str | None, request: bytes) -> bytes:
    """What a request of one sender is known by."""
    hashed = sha256()
    for part in (lane_key, key or "", peer or ""):
        data = part.encode("utf-8", "surrogatepass")
        hashed.update(len(data).to_bytes(4, "little"))
        hashed.update(data)
    hashed.update(request)
    return hashed.digest()[:16]


@dataclass(slots=True, eq=False)
class Request:
    """A request that stands in the journal, or is on its way there.

    `settled` is done when it is known what became of its answer: True, it was written; False, it never will be.
    """

    digest: bytes
    lane: int = 0
    position: int = 0
    arrival: int = 0
    settled: Future[bool] = field(default_factory=Future)


class Requests:
    """The unanswered requests of a journal. Not thread-safe: the writer's lock guards it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._standing: dict[bytes, Request] = {}  # in order of arrival
        self._places: dict[tuple[int, int], Request] = {}
        # Answered, though the answer may still be on its way out of the process: nothing repeats them, no mark says so.
        self._leaving: dict[tuple[int, int], Request] = {}
        self._answered: set[tuple[int, int]] = set()  # only while it is being opened
        self.covers = 0
        self._descriptor = -1
        if path.exists():
            self._load(path.read_bytes())

    def _load(self, data: bytes) -> None:
        if len(data) < _HEAD.size or data[:8] != _MAGIC:
            _log.error("%s is damaged: requests from before the restart that come again may show twice", self._path)
            return
        self.covers = _HEAD.unpack_from(data)[1]
        for at in range(_HEAD.size, len(data) - _RECORD.size + 1, _RECORD.size):
            kind, name, lane, position, arrival, crc = _RECORD.unpack_from(data, at)
            if zlib.crc32(data[at : at + _RECORD.size - 4]) != crc:
                continue
            if kind == _UNANSWERED:
                self._stand(Request(name, lane, position, arrival))
            else:
                self._answered.add((lane, position))

    def seen(self, entry: Header) -> None:
        """An entry was found while the journal is opened."""
        if entry.request != NO_REQUEST and place(entry.file, entry.offset) >= self.covers:
            self._stand(Request(entry.request, entry.lane, entry.position, entry.arrival))

    def opened(self, covers: int, now: int) -> None:
        """All entries have been seen: nobody will answer those that are left."""
        for where in self._answered:
            if request := self._places.get(where):
                self._forget(request)
        self._answered.clear()
        for request in self._standing.values():
            request.settled.set_result(False)
        self.snapshot(covers, now)

    def snapshot(self, covers: int, now: int) -> None:
        """Write down what stands unanswered before the place `covers`, and begin a new list of marks."""
        self._expire(now)
        unmarked = (*self._leaving.values(), *self._places.values())
        records = [self._record(_UNANSWERED, request) for request in unmarked]
        write_whole(self._path, b"".join([_HEAD.pack(_MAGIC, covers), *records]))
        self.covers = covers
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)

    def _expire(self, now: int) -> None:
        old = [request for request in self._standing.values() if request.arrival and request.arrival < now - KEPT_FOR]
        placed = [request for request in self._standing.values() if request.arrival]
        for request in {id(r): r for r in [*old, *placed[: max(0, len(placed) - KEPT_MOST)]]}.values():
            self._forget(request)

    @staticmethod
    def _record(kind: int, request: Request) -> bytes:
        record = _RECORD.pack(kind, request.digest, request.lane, request.position, request.arrival, 0)[:-4]
        return record + zlib.crc32(record).to_bytes(4, "little")

    def find(self, name: bytes) -> Request | None:
        """The request of this digest, where one stands or is on its way."""
        return self._standing.get(name)

    def begin(self, name: bytes) -> Request:
        """A request is on its way into the journal."""
        request = self._standing[name] = Request(name)
        return request

    def stands(self, request: Request, lane: int, position: int, arrival: int) -> None:
        """A request was given its place."""
        request.lane, request.position, request.arrival = lane, position, arrival
        self._places[lane, position] = request

    def _stand(self, request: Request) -> None:
        earlier = self._standing.pop(request.digest, None)
        if earlier is not None:
            self._places.pop((earlier.lane, earlier.position), None)
        self._standing[request.digest] = request
        self._places[request.lane, request.position] = request

    def drop(self, request: Request) -> None:
        """A request did not get into the journal after all."""
        self._forget(request)
        self._settle(request, answered=True)  # nothing stands for whoever waits: theirs is a new one

    def settle(self, lane: int, position: int, *, answered: bool, delivered: bool = True) -> None:
        """The answer to the request at this place was written, or never will be. What is not `delivered` yet is marked
        when this is called once more."""
        request = self._places.get((lane, position)) or self._leaving.pop((lane, position), None)
        if request is None:
            return
        if answered:
            self._forget(request)
            if delivered:
                os.write(self._descriptor, self._record(_ANSWERED, request))
            else:
                self._leaving[lane, position] = request
        self._settle(request, answered=answered)

    def _forget(self, request: Request) -> None:
        if self._standing.get(request.digest) is request:
            del self._standing[request.digest]
        self._places.pop((request.lane, request.position), None)

    @staticmethod
    def _settle(request: Request, *, answered: bool) -> None:
        if not request.settled.done():
            request.settled.set_result(answered)

    def close(self) -> None:
        """Nothing more is marked."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
