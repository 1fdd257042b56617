"""A journal of its own for each test, and what its tests say in a word."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tocsin.event.records import Chunk, Frame, Origin
from tocsin.journal.file import FileReader, FileWriter, open_reader, open_writer
from tocsin.ports import Appended

ORIGIN = Origin("bulk", key="k1", peer="10.0.0.1")
SMALL = 1 << 20


def chunk(payload: bytes, **origin: object) -> Chunk:
    return Chunk("ndjson", payload, Origin("bulk", **origin) if origin else ORIGIN)  # type: ignore[arg-type]


def noise(size: int) -> bytes:
    """What does not compress."""
    return os.urandom(size)


def append_now(writer: FileWriter, chunks: Sequence[Chunk], *, lane_key: str, request: bytes | None = None) -> Appended:
    """`append` for those without an event loop."""
    return asyncio.run(writer.append(chunks, lane_key=lane_key, request=request))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def writer(folder: Path) -> Iterator[FileWriter]:
    with open_writer(folder) as writer:
        yield writer


@pytest.fixture
def reader(folder: Path) -> Iterator[FileReader]:
    with open_reader(folder) as reader:
        yield reader


def everything(reader: FileReader, *, max_bytes: int = 1 << 20, pass_on: bool = True) -> list[Frame]:
    """All frames of all lanes."""
    frames = []
    for lane in reader.lanes:
        while (found := reader.stretch(lane, max_bytes=max_bytes)) is not None:
            frames += found[1]
            if pass_on:
                reader.passed(found[0])
    return frames


def payloads(frames: list[Frame]) -> list[bytes]:
    return [frame.chunk.payload for frame in frames]


def segment(folder: Path) -> Path:
    return max(folder.glob("*.seg"))
