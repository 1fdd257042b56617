"""The hot columns: what the batch and the table have, and what each value is."""

from __future__ import annotations

import pyarrow as pa

from tocsin.event import ecs
from tocsin.event.schema import ALERT_HOT, ALERT_SCHEMA, COLUMNS, HOT, RESERVED, SCHEMA, TEXT_FIELDS, Kind


def test_names_are_unique_and_in_the_order_of_the_batch() -> None:
    assert len(HOT) == len(COLUMNS)
    assert SCHEMA.names == [column.name for column in COLUMNS]
    assert ALERT_SCHEMA.names[: len(COLUMNS)] == SCHEMA.names
    assert set(HOT) < set(ALERT_HOT)


def test_a_column_is_what_ecs_says_of_the_field() -> None:
    """A long that is a keyword here would compare as text."""
    catalogue = ecs.catalogue()
    wrong = [
        (name, column.kind, catalogue[name].kind)
        for name, column in HOT.items()
        if name in catalogue and column.kind is not catalogue[name].kind and name not in TEXT_FIELDS
    ]
    assert wrong == []


def test_lists_are_columns_where_ecs_has_arrays() -> None:
    for name in ("event.category", "event.type", "host.ip", "related.ip", "related.user", "tags", "process.args"):
        assert HOT[name].many
        assert pa.types.is_list(HOT[name].arrow)


def test_clickhouse_types_are_nullable_scalars_or_arrays() -> None:
    """A missing value is null and nothing else; lists have no null of their own."""
    for column in COLUMNS:
        if column.name in ("tocsin.id", "@timestamp", "event.dataset") or column.name.startswith("tocsin."):
            continue
        assert "Nullable" in column.clickhouse or column.clickhouse.startswith("Array"), column.name


def test_tocsins_own_columns_are_reserved() -> None:
    assert "tocsin.id" in RESERVED
    assert "tocsin.fields" in RESERVED
    assert "event.id" not in RESERVED
    assert HOT["message"].kind is Kind.TEXT
