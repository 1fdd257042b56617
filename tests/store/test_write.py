"""What is stored is stored once, whatever is repeated, refused or odd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.store.conftest import NOW, Make
from tocsin import store
from tocsin.errors import BusyError
from tocsin.lang.ir import TRUE
from tocsin.ports import HIT_SCHEMA
from tocsin.store import Store
from tocsin.store._engine import MemoryRefusedError
from tocsin.store._write import BLOCK, _blocks

MONTH = 32 * 86_400_000_000


def hits(generation: str, rows: int = 3) -> pa.RecordBatch:
    columns: dict[str, list[Any]] = {
        "rule": ["r"] * rows,
        "generation": [generation] * rows,
        "step": [0] * rows,
        "key": [["a", None]] * rows,
        "values": [[]] * rows,
        "time": [NOW + row for row in range(rows)],
        "tie": [None] * rows,
        "id": [f"e{row}" for row in range(rows)],
        "dataset": ["d"] * rows,
        "host": [None] * rows,
        "lane": [0] * rows,
        "position": list(range(rows)),
        "record": [0] * rows,
        "arrival": [NOW] * rows,
        "silenced": [None] * rows,
    }
    return pa.record_batch([pa.array(columns[each.name], each.type) for each in HIT_SCHEMA], schema=HIT_SCHEMA)


def test_a_stretch_again_changes_nothing(held: Store, events: Make) -> None:
    batch = events([{"message": f"m{row}"} for row in range(100)])
    assert held.insert("0:0", batch, hits("g")) == (100, 0)
    assert held.insert("0:0", batch, hits("g")) == (0, 100)
    assert held.count(TRUE) == 100
    assert len(held.hits.after(0, 0)) == 3
    assert held.size()["hits"].rows == 3


def test_a_stretch_of_which_a_part_was_stored_is_completed(held: Store, events: Make) -> None:
    batch = events([{"message": f"m{row}"} for row in range(100)])
    held.insert("0:0", batch.slice(20, 30))
    assert held.insert("0:7", batch, hits("g")) == (70, 30)
    assert held.count(TRUE) == 100


def test_an_id_repeated_within_a_batch_or_elsewhere_shows_once(held: Store, events: Make) -> None:
    one = events([{"tocsin.id": "x", "message": "a"}, {"tocsin.id": "x", "message": "a"}, {"tocsin.id": "y"}])
    assert held.insert("0:0", one) == (2, 1)
    assert held.insert("1:0", one) == (0, 3)


def test_repeats_are_known_after_a_restart(folder: Path, events: Make) -> None:
    batch = events([{"message": f"m{row}"} for row in range(100)])
    with store.open(f"chdb://{folder}") as first:
        first.insert("0:0", batch)
    with store.open(f"chdb://{folder}") as second:
        assert second.insert("9:9", batch) == (0, 100)
        assert second.unseen(events([{}], seed="new")).tolist() == [True]


def test_other_generations_hits_are_not_the_same_stretch(held: Store) -> None:
    for generation in ("g1", "g2", "g1"):
        held.insert("0:0", None, hits(generation))
    assert {hit.generation for hit in held.hits.after(0, 0)} == {"g1", "g2"}
    assert held.size()["hits"].rows == 6


def test_events_of_more_months_than_an_insert_may_touch_go_in_parts(
    held: Store, events: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.store._write.PARTITIONS", 3)
    plain = held._engine.insert
    asked = []

    def counted(table: str, batch: pa.RecordBatch, token: str | None = None) -> None:
        if table == "events":
            asked.append((batch.num_rows, token))
        plain(table, batch, token)

    monkeypatch.setattr(held._engine, "insert", counted)
    batch = events([{"@timestamp": 946_684_800_000_000 + row // 2 * MONTH} for row in range(16)])
    assert held.insert("0:0", batch) == (16, 0)
    assert [rows for rows, _ in asked] == [6, 6, 4]
    assert len({token for _, token in asked}) == 3
    assert held.insert("0:0", batch) == (0, 16)


def test_odd_times_are_kept_apart(held: Store, events: Make) -> None:
    times = [-11_644_473_600_000_000, 0, 946_684_799_999_999, NOW, NOW + 2 * 86_400_000_000, 10_413_791_999_000_000]
    held.insert("0:0", events([{"@timestamp": moment} for moment in times]))
    rows = held._engine.rows(
        "SELECT partition, sum(rows) FROM system.parts WHERE active AND table = 'events' GROUP BY 1"
    )
    assert dict(rows) == {"202311": 1, "odd202311": 5}
    found = [document["@timestamp"] for document in held.search(TRUE, newest_first=False)]
    assert found[:2] == [
        "1601-01-01T00:00:00.000Z",
        "1970-01-01T00:00:00.000Z",
    ]
    assert held.insert("1:0", events([{"@timestamp": moment} for moment in times])) == (0, 6)


def test_a_block_that_memory_is_refused_for_goes_in_halves(
    held: Store, events: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = held._engine.insert
    asked = []

    def refuse(table: str, batch: pa.RecordBatch, token: str | None = None) -> None:
        if table == "events":
            asked.append(batch.num_rows)
        if batch.num_rows > 300:
            raise MemoryRefusedError("no")
        plain(table, batch, token)

    monkeypatch.setattr(held._engine, "insert", refuse)
    batch = events([{} for _ in range(1000)])
    assert held.insert("0:0", batch) == (1000, 0)
    assert asked == [1000, 500, 250, 250, 500, 250, 250]
    monkeypatch.undo()
    assert held.insert("0:0", batch) == (0, 1000)
    assert held.count(TRUE) == 1000


def test_no_memory_at_all_is_back_pressure(held: Store, events: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = held._engine.insert

    def refuse(table: str, batch: pa.RecordBatch, token: str | None = None) -> None:
        if table == "events":
            raise MemoryRefusedError("no")
        plain(table, batch, token)

    monkeypatch.setattr(held._engine, "insert", refuse)
    with pytest.raises(BusyError, match="out of memory"):
        held.insert("0:0", events([{} for _ in range(1000)]))
    monkeypatch.undo()
    assert held.insert("0:0", events([{} for _ in range(1000)])) == (1000, 0)


def test_more_than_a_block_goes_in_blocks(held: Store, events: Make) -> None:
    batch = events([{} for _ in range(BLOCK + 5)])
    assert held.insert("0:0", batch) == (BLOCK + 5, 0)
    assert held.count(TRUE) == BLOCK + 5


def test_nothing_is_nothing(held: Store, events: Make) -> None:
    assert held.insert("0:0", None) == (0, 0)
    assert held.insert("0:0", events([{}]).slice(0, 0)) == (0, 0)


def test_a_block_has_only_as_many_bytes_as_an_insert_has_memory_for(
    held: Store, events: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.store._write.BLOCK_BYTES", 100_000)
    monkeypatch.setattr("tocsin.store._write.SMALLEST", 2)
    batch = events([{"message": "x" * 10_000} for _ in range(64)])
    blocks = list(_blocks(batch))
    assert len(blocks) > 4
    assert sum(block.num_rows for block in blocks) == 64
    assert all(block.num_rows < 16 for block in blocks)
    assert held.insert("0:0", batch) == (64, 0)
    assert held.insert("0:0", batch) == (0, 64)


def test_a_repeat_without_a_time_of_its_own_is_known_by_its_id(held: Store, events: Make) -> None:
    arrived = {"@timestamp": NOW, "tocsin.ingested": NOW}
    later = {"@timestamp": NOW + 7_200_000_000, "tocsin.ingested": NOW + 7_200_000_000}
    assert held.insert("0:0", events([arrived], seed="x")).events == 1
    assert held.insert("0:1", events([later, {**later, "tocsin.id": "f" * 32}], seed="x")).events == 1
    assert held.count(TRUE) == 2
