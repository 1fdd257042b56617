"""The processes that Windows events start, for the table of processes (ancestors, Analyzer)."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from tocsin.normalise._derived import PROCESS_COLUMNS
from tocsin.normalise._windows_codes import SECURITY, SYSMON, SYSMON_LINUX
from tocsin.ports import PROCESS_SCHEMA

_STARTS: Final = ((SYSMON, "1"), (SYSMON_LINUX, "1"), (SECURITY, "4688"))


def processes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A row a process start that names its process. The parent of a 4688 is known by its pid and executable
    only."""
    dataset, code = _plain(batch, "event.dataset"), _plain(batch, "event.code")
    wanted = np.zeros(batch.num_rows, dtype=bool)
    for one, number in _STARTS:
        wanted |= (dataset == one) & (code == number)
    there = batch.column("process.entity_id").is_valid().to_numpy(zero_copy_only=False)
    rows = pa.array(np.flatnonzero(wanted & there))
    arrays = []
    for field in PROCESS_SCHEMA:
        array = batch.column(PROCESS_COLUMNS[field.name]).take(rows)
        arrays.append(array if array.type == field.type else array.cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=PROCESS_SCHEMA)


def _plain(batch: pa.RecordBatch, name: str) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    return np.array(batch.column(name).cast(pa.string()).to_pylist(), dtype=object)
