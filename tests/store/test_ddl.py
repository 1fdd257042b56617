"""The statements for a cluster, against a file that somebody has read. Not run: no cluster can be had here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.store.conftest import NOW, Make
from tocsin.event.schema import ALERT_SCHEMA, SCHEMA
from tocsin.lang.ir import TRUE
from tocsin.ports import HIT_SCHEMA, PROCESS_SCHEMA, Span
from tocsin.store import Store
from tocsin.store._ddl import ALERTS, EVENTS, HITS, PROCESSES, TABLES, Cluster, create_on

GOLDEN = Path(__file__).parent / "cluster.sql"


def test_the_clusters_statements_are_those_of_the_file() -> None:
    """After a change that is meant: write `text` into the file and read the difference."""
    text = "\n\n".join(f"{each};" for table in TABLES for each in create_on(table, Cluster("tocsin"))) + "\n"
    assert text == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (EVENTS, SCHEMA.names),
        (HITS, HIT_SCHEMA.names),
        (PROCESSES, PROCESS_SCHEMA.names),
        (ALERTS, [*ALERT_SCHEMA.names, "tocsin.row.version"]),
    ],
)
def test_a_table_has_the_columns_of_its_batch(table: object, names: list[str]) -> None:
    assert [name for name, _ in table.columns] == names  # type: ignore[attr-defined]


def test_a_span_reads_its_hours_only(held: Store, events: Make) -> None:
    held.insert("0:0", events([{"@timestamp": NOW + hour * 3_600_000_000} for hour in range(24 * 10)]))
    asked = held._asked(held_table(), TRUE, Span(NOW, NOW + 3_600_000_000))
    plan = held._engine.rows(f"EXPLAIN indexes = 1 SELECT count() FROM events WHERE {asked.where}", asked.parameters)
    assert any("3600000000" in line for (line,) in plan)
    assert held.count(TRUE, Span(NOW, NOW + 3_600_000_000)) == 1


def held_table() -> Any:
    from tocsin.store._tables import TABLES as READABLE

    return READABLE["events"]
