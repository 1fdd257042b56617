"""The bytes of a file as they were before it was compressed or written as UTF-16, with bounds on what they grow to."""

from __future__ import annotations

import codecs
import logging
import zlib
from collections.abc import Iterator
from typing import IO, Final

import zstandard

from tocsin.errors import UsageError

CHUNK: Final = 1 << 20
"""Bytes that are read at once, and of payload that a chunk has, about."""
RATIO: Final = 250
"""Decompressed bytes for one compressed byte that are taken for honest; logs reach 20 to 100."""
HONEST: Final = 64 << 20
"""Decompressed bytes below which no ratio is suspicious."""
_log = logging.getLogger(__name__)


class UnreadableError(UsageError):
    """A file can't be read, or not to its end; what came before has been given."""


def decompressed(file: IO[bytes], where: str) -> Iterator[bytes]:
    """The bytes of a file, gunzipped or unzstd-ed where it is so packed, in blocks of at most 1 MiB.

    Raises `UnreadableError` for what is cut off or broken, and for what grows beyond measure.
    """
    first = file.read(256 * 1024)
    if first[:3] == b"\x1f\x8b\x08":
        yield from _bounded(_gunzip(first, file, where), where)
    elif first[:4] == b"\x28\xb5\x2f\xfd":
        yield from _bounded(_unzstd(first, file, where), where)
    else:
        while first:
            yield first
            first = file.read(CHUNK)


def packed(first: bytes) -> bool:
    """Whether a file that begins so is compressed."""
    return first[:3] == b"\x1f\x8b\x08" or first[:4] == b"\x28\xb5\x2f\xfd"


def _bounded(blocks: Iterator[tuple[bytes, int]], where: str) -> Iterator[bytes]:
    out = 0
    for block, taken in blocks:
        out += len(block)
        if out > HONEST and out > RATIO * taken:
            raise UnreadableError(
                f"it grows to more than {RATIO} times its size when it is decompressed, so it is taken for a bomb",
                where=where,
                hint="decompress it yourself if it is not",
            )
        yield block


def _gunzip(data: bytes, file: IO[bytes], where: str) -> Iterator[tuple[bytes, int]]:
    taken = len(data)
    inflate = zlib.decompressobj(wbits=31)
    try:
        while data or not inflate.eof:
            block = inflate.decompress(data, CHUNK)
            if block:
                yield block, taken
            if inflate.eof:
                data = inflate.unused_data
                if len(data) < 18:  # the least that a member has
                    more = file.read(CHUNK)
                    data, taken = data + more, taken + len(more)
                if data[:2] != b"\x1f\x8b":
                    if data.strip(b"\0"):
                        _log.warning("%s: what stands behind the gzip data is left out", where)
                    return
                inflate = zlib.decompressobj(wbits=31)
                continue
            data = inflate.unconsumed_tail
            if not data and len(block) < CHUNK:  # otherwise zlib itself may hold more
                data = file.read(CHUNK)
                taken += len(data)
                if not data:
                    raise UnreadableError("the gzip data ends before its end", where=where)
    except zlib.error as error:
        raise UnreadableError(f"the gzip data is broken: {error}", where=where) from error


def _unzstd(data: bytes, file: IO[bytes], where: str) -> Iterator[tuple[bytes, int]]:
    # 128 MiB of window is what `zstd --long` uses by default; more is asked for by none but a hostile file.
    frames = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    inflate = frames.decompressobj()
    taken = 0
    begun = False
    try:
        while data:
            # Four bytes may stand for 128 KiB, and no bound can be set here on what comes out: so little goes in.
            for at in range(0, len(data), 512):
                part = data[at : at + 512]
                taken += len(part)
                while part:
                    if inflate.eof:
                        inflate, begun = frames.decompressobj(), False
                    begun = True
                    block = inflate.decompress(part)
                    part = inflate.unused_data if inflate.eof else b""
                    for place in range(0, len(block), CHUNK):
                        yield block[place : place + CHUNK], taken
            data = file.read(CHUNK)
    except zstandard.ZstdError as error:
        raise UnreadableError(f"the zstd data is broken: {error}", where=where) from error
    if begun and not inflate.eof:
        raise UnreadableError("the zstd data ends before its end", where=where)


def as_utf8(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """UTF-16 with a byte order mark becomes UTF-8, as Windows writes exports; a UTF-8 mark is dropped."""
    first = next(blocks, b"")
    if first[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        decoder = codecs.getincrementaldecoder("utf-16")("replace")
        yield decoder.decode(first).encode("utf-8", "replace")
        for block in blocks:
            yield decoder.decode(block).encode("utf-8", "replace")
        yield decoder.decode(b"", final=True).encode("utf-8", "replace")
        return
    yield first.removeprefix(codecs.BOM_UTF8)
    yield from blocks
