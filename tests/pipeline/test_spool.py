"""What a worker leaves is what core reads; two workers' files of one stretch don't touch each other."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa

from tests.pipeline.conftest import Leave, event
from tocsin.event.schema import SCHEMA
from tocsin.pipeline import spool
from tocsin.ports import HIT_SCHEMA, PROCESS_SCHEMA, Stretch


def empty() -> spool.Spooled:
    return spool.Spooled(
        *(pa.RecordBatch.from_pylist([], schema=each) for each in (SCHEMA, HIT_SCHEMA, PROCESS_SCHEMA))
    )


def test_nothing_is_read_as_nothing(tmp_path: Path) -> None:
    made = spool.read(spool.write(tmp_path, Stretch(3, 7, 9), empty()))
    assert [batch.num_rows for batch in made] == [0, 0, 0]
    assert [batch.schema for batch in made] == [SCHEMA, HIT_SCHEMA, PROCESS_SCHEMA]


def test_what_was_written_is_read(leave: Leave) -> None:
    _, path = leave([event("alarm"), event("other", "ünï\x00\u202e")])
    made = spool.read(path)
    assert made.events.column("user.name").to_pylist() == ["ann", "ünï\x00\u202e"]
    assert made.hits.column("rule").to_pylist() == ["query"]


def test_a_worker_that_follows_another_writes_a_file_of_its_own(tmp_path: Path) -> None:
    """Core may have the first one's file mapped: writing into it would end core."""
    path = spool.write(tmp_path, Stretch(0, 1, 2), empty())
    assert str(os.getpid()) in path.name
    assert "0000-" in path.name
