"""What stands in a segment file: entries, each with a header of fixed size, and how they are found again.

A segment (`0000000001.seg`, numbered from 1) holds the entries of all lanes in the order in which they were committed,
so that one fsync makes many appends durable. An entry is one append: frames of one lane, whole or not there at all. The
first entry of a segment (kind HEAD) says where each lane stands at its beginning. Integers are little-endian:

    magic 4s | crc32 of the rest of the header u32 | crc32 of the body u32 | length of the body u32
    lane u16 | kind u8 | 0 u8 | frames u32 | position of the first frame u64 | arrival i64, µs since 1970
    raw bytes of the lane before this entry u64 | raw bytes of this entry u64 | digest of the request, or zeros, 16s

The body of an entry is the length of its table (u32), the table (MessagePack: a row a frame), and the payloads one
after another, each zstd or as it is.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import zstandard

from tocsin.errors import TocsinError
from tocsin.event.records import Chunk, Format, Origin

MAGIC: Final = b"TjE\x01"
ENTRY: Final = 1
HEAD: Final = 2
_REST = struct.Struct("<IIHBBIQqQQ16s")
HEADER: Final = 8 + _REST.size
NO_REQUEST: Final = bytes(16)
LONGEST_BODY: Final = 2**31
"""Bytes of one entry's body: a length above it is damage, and an append above it is refused."""

_WORTH_COMPRESSING = 1024
_LEVEL = 1
_local = threading.local()
_ORIGIN_FIELDS = tuple(field.name for field in fields(Origin))


class JournalError(TocsinError):
    """The journal can't be opened, or what stands in it is not what it should be."""


class Header(NamedTuple):
    """One entry's header; `file` and `offset` say where it stands."""

    file: int
    offset: int
    lane: int
    kind: int
    frames: int
    position: int
    arrival: int
    before: int
    raw: int
    body: int
    body_crc: int
    request: bytes

    @property
    def end(self) -> int:
        """Offset of what follows the entry in its file."""
        return self.offset + HEADER + self.body


class Damage(NamedTuple):
    """Bytes of a segment that are no readable entry: they were skipped."""

    file: int
    offset: int
    length: int
    reason: str

    def __str__(self) -> str:
        return f"segment {self.file}, offset {self.offset}: {self.length} bytes skipped, {self.reason}"


class _Row(msgspec.Struct, array_like=True):
    """One frame in the table of an entry's body."""

    format: Format
    raw: int
    stored: int
    compressed: bool
    origin: Origin


_table_encoder = msgspec.msgpack.Encoder()
_table_decoder = msgspec.msgpack.Decoder(list[_Row])


def header(
    body: bytes,
    *,
    lane: int,
    kind: int,
    frames: int,
    position: int,
    arrival: int,
    before: int,
    raw: int,
    request: bytes,
) -> bytes:
    """The header that goes before `body`."""
    rest = _REST.pack(
        zlib.crc32(body), len(body), lane, kind, 0, frames, position, arrival, before, raw, request or NO_REQUEST
    )
    return MAGIC + zlib.crc32(rest).to_bytes(4, "little") + rest


def read_header(data: bytes | memoryview, at: int, *, file: int, base: int) -> Header | None:
    """The header at `data[at]`, where `data` begins at offset `base` of its file; None where none stands there."""
    if data[at : at + 4] != MAGIC or at + HEADER > len(data):
        return None
    rest = data[at + 8 : at + HEADER]
    if zlib.crc32(rest) != int.from_bytes(data[at + 4 : at + 8], "little"):
        return None
    crc, length, lane, kind, _, frames, position, arrival, before, raw, request = _REST.unpack(rest)
    if length > LONGEST_BODY:
        return None
    return Header(file, base + at, lane, kind, frames, position, arrival, before, raw, length, crc, request)


def encode(chunks: Sequence[Chunk]) -> tuple[bytes, int]:
    """The body of an entry that holds `chunks`, and the bytes of their payloads."""
    compress = getattr(_local, "compress", None)
    if compress is None:
        compress = _local.compress = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=False).compress
    rows: list[tuple[Any, ...]] = []
    parts: list[bytes] = [b"", b""]
    raw = 0
    for chunk in chunks:
        payload = chunk.payload
        stored = payload
        if len(payload) >= _WORTH_COMPRESSING:
            stored = compress(payload)
            if len(stored) >= len(payload):
                stored = payload
        rows.append((chunk.format, len(payload), len(stored), stored is not payload, _said(chunk.origin)))
        parts.append(stored)
        raw += len(payload)
    try:
        table = _table_encoder.encode(rows)
    except UnicodeEncodeError:
        # A file name that is no UTF-8 (`os.fsdecode` makes surrogates of it). No column takes one either.
        table = _table_encoder.encode([(*row[:4], {k: _plain(v) for k, v in row[4].items()}) for row in rows])
    parts[0] = len(table).to_bytes(4, "little")
    parts[1] = table
    body = b"".join(parts)
    if len(body) > LONGEST_BODY:
        raise JournalError(f"{len(body)} bytes are too much for one append", hint=f"at most {LONGEST_BODY} are taken")
    return body, raw


def _said(origin: Origin) -> dict[str, Any]:
    return {name: value for name in _ORIGIN_FIELDS if (value := getattr(origin, name)) is not None}


def _plain(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


class Table(NamedTuple):
    """An entry's frames, before their payloads are read."""

    body: bytes
    rows: list[_Row]
    begins: int

    def sizes(self) -> list[int]:
        """Bytes of each payload, decompressed."""
        return [row.raw for row in self.rows]

    def chunks(self, first: int, last: int) -> list[Chunk]:
        """Frames `first` to before `last`. Raises `JournalError` for a payload that is not what the table says."""
        at = self.begins + sum(row.stored for row in self.rows[:first])
        out = []
        for row in self.rows[first:last]:
            payload = self.body[at : at + row.stored]
            at += row.stored
            if row.compressed:
                payload = _decompress(payload, row.raw)
            if len(payload) != row.raw:
                raise JournalError(f"a payload has {len(payload)} bytes instead of {row.raw}")
            out.append(Chunk(row.format, payload, row.origin))
        return out


def _decompress(data: bytes, size: int) -> bytes:
    decompressor = getattr(_local, "decompressor", None)
    if decompressor is None:
        decompressor = _local.decompressor = zstandard.ZstdDecompressor()
    try:
        payload: bytes = decompressor.decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise JournalError(f"a payload can't be decompressed: {error}") from error
    return payload


def decode(body: bytes) -> Table:
    """The table of an entry's body. Raises `JournalError` for a body that is none."""
    try:
        length = int.from_bytes(body[:4], "little")
        return Table(body, _table_decoder.decode(body[4 : 4 + length]), 4 + length)
    except msgspec.MsgspecError as error:
        raise JournalError(f"an entry's table can't be read: {error}") from error


def head(lanes: Sequence[tuple[int, int]], file: int) -> bytes:
    """The first entry of segment `file`: (next position, raw bytes so far) of each lane."""
    body = msgspec.msgpack.encode({"segment": file, "lanes": [list(lane) for lane in lanes]})
    return (
        header(body, lane=0, kind=HEAD, frames=0, position=file, arrival=0, before=0, raw=0, request=NO_REQUEST) + body
    )


def read_head(path: Path, file: int, lanes: int) -> list[tuple[int, int]]:
    """Where each lane stands at the beginning of a segment. Raises `JournalError` where its head can't be read."""
    with path.open("rb") as segment:
        data = segment.read(HEADER)
        found = read_header(data, 0, file=file, base=0)
        if found is None or found.kind != HEAD or found.position != file:
            raise JournalError("the segment has no head", where=str(path))
        body = segment.read(found.body)
    if len(body) != found.body or zlib.crc32(body) != found.body_crc:
        raise JournalError("the segment's head is damaged", where=str(path))
    table = [(int(position), int(raw)) for position, raw in msgspec.msgpack.decode(body)["lanes"]]
    if len(table) != lanes:
        raise JournalError(f"the segment has {len(table)} lanes, the journal {lanes}", where=str(path))
    return table


def name(file: int) -> str:
    """The file name of a segment."""
    return f"{file:010d}.seg"


def segments(folder: Path) -> list[int]:
    """The numbers of the segments that are there, ascending."""
    return sorted(int(path.stem) for path in folder.glob("*.seg") if path.stem.isdigit())


def place(file: int, offset: int) -> int:
    """A place in the journal as one number that grows."""
    return file << 40 | offset


def unplace(value: int) -> tuple[int, int]:
    """The inverse of `place`."""
    return value >> 40, value & (1 << 40) - 1


_BLOCK = 64 * 1024


def scan(descriptor: int, file: int, start: int, end: int, *, bodies: bool = False) -> Iterator[Header | Damage]:
    """Entries of a segment between two offsets, and the damage between them.

    Only headers are read, unless `bodies`: then an entry whose body does not fit its checksum is damage too. What can't
    be read is skipped to the next header that is whole. An entry that goes past `end` is damage.
    """
    block, base = b"", 0
    at = start
    while at < end:
        if at < base or at + HEADER > base + len(block):
            base = at
            block = os.pread(descriptor, min(_BLOCK, end - at), at)
        found = read_header(block, at - base, file=file, base=base)
        reason = "no entry begins here"
        if found is not None:
            if found.end > end:
                reason, found = "the entry is cut off", None
            elif bodies and zlib.crc32(os.pread(descriptor, found.body, at + HEADER)) != found.body_crc:
                reason, found = "the entry's checksum is wrong", None
        if found is not None:
            yield found
            at = found.end
            continue
        onward = _next_header(descriptor, file, at + 1, end)
        yield Damage(file, at, onward - at, reason)
        at = onward
        block = b""


def _next_header(descriptor: int, file: int, at: int, end: int) -> int:
    """The offset of the next header that is whole, or `end`."""
    step = 1 << 20
    while at < end:
        # Blocks overlap, so that a header across a border is seen.
        block = os.pread(descriptor, min(step + HEADER, end - at), at)
        found = block.find(MAGIC)
        while found >= 0:
            if read_header(block, found, file=file, base=at) is not None:
                return at + found
            found = block.find(MAGIC, found + 1)
        at += step
    return end


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file's content: the old or the new is there after any crash."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.replace(path)
    sync_folder(path.parent)


_SYNCED = struct.Struct("<QQ")
SYNCED: Final = "synced"


def publish(descriptor: int, value: int) -> None:
    """Say how far the journal is on disk. Written after the fsync, so what it says is true after any crash."""
    os.pwrite(descriptor, _SYNCED.pack(value, value ^ 0xFFFFFFFFFFFFFFFF), 0)


def published(descriptor: int) -> int:
    """How far the journal is on disk; 0 where nobody has said so yet."""
    for _ in range(10):
        data = os.pread(descriptor, _SYNCED.size, 0)
        if len(data) < _SYNCED.size:
            return 0
        value, check = _SYNCED.unpack(data)
        if value ^ check == 0xFFFFFFFFFFFFFFFF:
            return int(value)
    return 0
