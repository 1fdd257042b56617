"""The columns of an event batch, which are those of the store's table `events`: read once from `hot.csv`.

An alert is a row of the same columns (a copy of its event, or what its events share) and those of `alert.csv`.

`hot.csv` names each hot field with its Arrow and its ClickHouse type. Everything else that an event holds stands in the
column `tocsin.fields` (map of name to texts), with `tocsin.types` naming those that were numbers or booleans and
`tocsin.overflow` those hot fields whose values could not stand in their column (DESIGN section 3, a contract).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Final

import pyarrow as pa

FIELDS: Final = "tocsin.fields"
TYPES: Final = "tocsin.types"
OVERFLOW: Final = "tocsin.overflow"


class Kind(StrEnum):
    """What a field's values are, and so how a literal compares with them."""

    KEYWORD = "keyword"
    TEXT = "text"
    LONG = "long"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    DATE = "date"
    IP = "ip"
    # A field of `tocsin.fields` that no catalogue types: texts, of which some may be numbers or booleans.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Column:
    """One hot column: its ECS name, its kind, whether it holds lists, and its two types."""

    name: str
    kind: Kind
    many: bool
    arrow: pa.DataType
    clickhouse: str


IP_TYPE: Final = pa.binary(16)
_ARROW: Final[dict[str, tuple[pa.DataType, Kind, bool]]] = {
    "dictionary<int32, string>": (pa.dictionary(pa.int32(), pa.string()), Kind.KEYWORD, False),
    "string": (pa.string(), Kind.KEYWORD, False),
    "list<string>": (pa.list_(pa.string()), Kind.KEYWORD, True),
    "int64": (pa.int64(), Kind.LONG, False),
    "int32": (pa.int32(), Kind.LONG, False),
    "float64": (pa.float64(), Kind.DOUBLE, False),
    "bool": (pa.bool_(), Kind.BOOLEAN, False),
    "timestamp[us, tz=UTC]": (pa.timestamp("us", tz="UTC"), Kind.DATE, False),
    "fixed_size_binary[16]": (IP_TYPE, Kind.IP, False),
    "list<fixed_size_binary[16]>": (pa.list_(IP_TYPE), Kind.IP, True),
    "map<string, string>": (pa.map_(pa.string(), pa.string()), Kind.UNKNOWN, True),
    "map<string, list<string>>": (pa.map_(pa.string(), pa.list_(pa.string())), Kind.UNKNOWN, True),
}
# Fields searched by token instead of as whole values: ECS's match_only_text and what products declare so.
TEXT_FIELDS: Final = frozenset(
    {"message", "error.message", "event.original", "powershell.file.script_block_text", "tocsin.canonical.script_block"}
)


def _load(name: str) -> tuple[Column, ...]:
    columns = []
    with files("tocsin.event").joinpath(name).open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            arrow, kind, many = _ARROW[row["arrow"]]
            if row["name"] in TEXT_FIELDS:
                kind = Kind.TEXT
            columns.append(Column(row["name"], kind, many, arrow, row["clickhouse"]))
    return tuple(columns)


def _schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema([pa.field(column.name, column.arrow) for column in columns])


COLUMNS: Final = _load("hot.csv")
HOT: Final[dict[str, Column]] = {column.name: column for column in COLUMNS}
SCHEMA: Final = _schema(COLUMNS)
ALERT_COLUMNS: Final = COLUMNS + _load("alert.csv")
ALERT_HOT: Final[dict[str, Column]] = {column.name: column for column in ALERT_COLUMNS}
ALERT_SCHEMA: Final = _schema(ALERT_COLUMNS)
# Columns that the pipeline sets, never a source: a source's own field of that name goes into the map.
RESERVED: Final = frozenset(name for name in HOT if name.startswith("tocsin."))
