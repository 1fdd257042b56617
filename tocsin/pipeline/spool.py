"""A stretch between worker and core: one file of three Arrow streams (events, hits, processes), mapped, inserted,
deleted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from tocsin.event.batch import filled
from tocsin.ports import Stretch


class Spooled(NamedTuple):
    """What a worker made of a stretch; read back, `events` has the columns that have values."""

    events: pa.RecordBatch
    hits: pa.RecordBatch
    processes: pa.RecordBatch


def write(folder: Path, stretch: Stretch, made: Spooled) -> Path:
    """Write it under a name of its own. Not synced: the journal holds the frames until core has stored them.

    The name has the process in it: a worker that follows one that was killed makes the same stretch again while core
    may still have the first one's file mapped."""
    path = folder / f"{stretch.lane:04}-{stretch.start:020}-{stretch.end:020}-{os.getpid()}.arrow"
    with pa.OSFile(str(path), "wb") as file:
        for batch in (filled(made.events), made.hits, made.processes):
            with pa.ipc.new_stream(file, batch.schema) as stream:
                stream.write_batch(batch)
    return path


def read(path: Path) -> Spooled:
    """Map the file and give its batches without copying."""
    with pa.memory_map(str(path), "r") as file:
        batches = []
        for _ in range(3):
            reader = pa.ipc.open_stream(file)
            table = reader.read_all()
            parts = table.combine_chunks().to_batches()
            batches.append(parts[0] if parts else pa.RecordBatch.from_pylist([], schema=table.schema))
    return Spooled(*batches)
