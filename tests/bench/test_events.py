"""Events for benchmarks come from files, and come again as others."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tests.bench.conftest import line
from tocsin.bench._events import DAY, END, Repeated, lines
from tocsin.errors import UsageError
from tocsin.ports import PROCESS_SCHEMA


def test_lines_come_from_archives_and_files(folder: Path) -> None:
    assert len(list(lines([folder]))) == 41
    assert len(list(lines([folder / "more.ndjson"]))) == 1


def test_a_second_pass_has_other_events(folder: Path, tmp_path: Path) -> None:
    made = Repeated([folder], tmp_path, 100, days=2)
    assert (made.events, made.held) == (100, 41)
    assert made.raw_bytes == pytest.approx(100 * (len(line(0)) + 1), rel=0.02)
    found = list(made)
    events = pa.Table.from_batches([batch for batch, _ in found])
    assert len(set(events.column("tocsin.id").to_pylist())) == 100
    times = events.column("@timestamp").cast("int64").to_pylist()
    assert times == sorted(times) and times[0] >= END - 2 * DAY and times[-1] < END
    assert len(set(events.column("winlog.record_id").to_pylist())) >= 99
    assert [processes.schema.equals(PROCESS_SCHEMA) for _, processes in found] == [True] * len(found)
    without, _ = next(iter(Repeated([folder], tmp_path, 10, originals=False)))
    assert without.column("event.original").null_count == 10


def test_files_without_events_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty.ndjson").write_bytes(b"")
    with pytest.raises(UsageError):
        Repeated([tmp_path / "empty.ndjson"], tmp_path, 10)
