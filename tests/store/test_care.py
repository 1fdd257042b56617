"""Health and retention."""

from __future__ import annotations

import pytest

from tests.store.conftest import Make
from tocsin.event import time
from tocsin.lang.ir import TRUE
from tocsin.store import Store


def at(text: str) -> int:
    found = time.from_text(text)
    assert found is not None
    return found


def test_old_months_go_and_odd_times_go_by_their_arrival(held: Store, events: Make) -> None:
    rows = [
        {"@timestamp": at("2024-01-15T00:00:00Z"), "tocsin.ingested": at("2024-03-01T00:00:00Z"), "message": "old"},
        {"@timestamp": at("2024-02-15T00:00:00Z"), "tocsin.ingested": at("2024-03-01T00:00:00Z"), "message": "kept"},
        {"@timestamp": at("1990-01-01T00:00:00Z"), "tocsin.ingested": at("2024-03-01T00:00:00Z"), "message": "odd"},
        {"@timestamp": at("1990-01-01T00:00:00Z"), "tocsin.ingested": at("2023-03-01T00:00:00Z"), "message": "odd old"},
    ]
    batch = events(rows)
    held.insert("0:0", batch)
    assert held.expire(1, at("2024-03-20T00:00:00Z")) == ["events/202401", "events/odd202303"]
    assert sorted(document["message"] for document in held.search(TRUE)) == ["kept", "odd"]
    assert held.expire(0) == []
    assert held.unseen(batch).tolist() == [True, False, False, True]


@pytest.mark.usefixtures("folder")  # a server merges as it sees fit
def test_merges_wait_while_events_wait_until_there_are_many_parts(
    held: Store, events: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.store._care.MOST_PARTS", 4)
    monkeypatch.setattr("tocsin.store._care.FEW_PARTS", 2)
    said: list[str] = []
    engine = held._engine
    command = engine.command

    def heard(sql: str) -> None:
        said.append(sql)
        if "START" not in sql:  # nothing is merged here but by `settle`, so that parts can be counted
            command(sql)

    monkeypatch.setattr(engine, "command", heard)
    held.pace(behind=False)
    assert said == []
    held.pace(behind=True)
    held.pace(behind=True)
    assert said == ["SYSTEM STOP MERGES events"]
    for number in range(4):
        held.insert(f"0:{number}", events([{"tocsin.id": f"e{number}"}]))
    assert held.size()["events"].parts == 4
    held.pace(behind=True)  # too many: they are merged though more events wait
    assert said == ["SYSTEM STOP MERGES events", "SYSTEM START MERGES events"]
    held.pace(behind=True)  # once begun, they go on until there are few
    assert len(said) == 2
    command("SYSTEM START MERGES events")
    held.settle()
    assert held.size()["events"].parts == 1
    held.pace(behind=True)
    assert said[-1] == "SYSTEM STOP MERGES events"
    command("SYSTEM START MERGES events")
    held.settle()
    assert said[-1] == "OPTIMIZE TABLE `processes` FINAL"


def test_sizes_are_told_by_table(held: Store, events: Make) -> None:
    held.insert("0:0", events([{}] * 10))
    size = held.size()["events"]
    assert (size.rows, size.parts) == (10, 1)
    assert size.bytes > 0
    held.settle()
    assert held.size()["events"].rows == 10
