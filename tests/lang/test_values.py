"""The values of a field for chosen rows: hot columns, the map, and aliases within their scope, each value once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tocsin.event.batch import BatchBuilder
from tocsin.lang.fields import Alias, Names, scope_of
from tocsin.lang.values import Rows, key_text

NAMES = Names([Alias("winlog.event_data.Image", "process.executable", scope_of(["windows.sysmon_operational"], ["1"]))])


@pytest.fixture
def batch() -> pa.RecordBatch:
    builder = BatchBuilder(3)
    builder.put("@timestamp", [1_700_000_000, 1_700_000_001, 1_700_000_002])
    builder.put("tocsin.id", ["a", "b", "c"])
    builder.put("event.dataset", ["windows.sysmon_operational", "windows.sysmon_operational", "other"])
    builder.put("event.code", ["1", "3", "1"])
    builder.constant("tocsin.ingested", 1_700_000_000_000_000)
    builder.put("process.executable", ["C:\\a.exe", "C:\\b.exe", "C:\\c.exe"])
    builder.put("source.ip", ["10.0.0.1", None, "fe80::1"])
    builder.put("destination.port", [80, [80, 81], None])
    builder.put("portal.attempts", [3, None, [1, 2, 1]])
    return builder.finish()


def read(batch: pa.RecordBatch, name: str, rows: list[int]) -> list[list[object]]:
    return Rows(batch, np.array(rows, dtype=np.int32)).values(NAMES.field(name))


def test_an_alias_holds_within_its_scope_only(batch: pa.RecordBatch) -> None:
    assert read(batch, "winlog.event_data.Image", [0, 1, 2]) == [["C:\\a.exe"], [], []]


def test_addresses_are_as_people_write_them(batch: pa.RecordBatch) -> None:
    assert read(batch, "source.ip", [2, 1, 0]) == [["fe80::1"], [], ["10.0.0.1"]]


def test_overflow_is_found_in_the_map(batch: pa.RecordBatch) -> None:
    assert read(batch, "destination.port", [0, 1, 2]) == [[80], ["80", "81"], []]


def test_each_value_of_the_map_counts_once(batch: pa.RecordBatch) -> None:
    assert read(batch, "portal.attempts", [0, 2]) == [["3"], ["1", "2"]]


def test_keys_are_texts() -> None:
    assert [key_text(value) for value in ("x", 7, True, False, 1.5)] == ["x", "7", "true", "false", "1.5"]
