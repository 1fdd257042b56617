"""The Elastic Common Schema 9.4: which fields there are and what their values are.

`ecs.csv` holds the facts of ECS's generated field list (name, type, whether an array is usual). A field that ECS
doesn't know has `Kind.UNKNOWN`: its literal decides how it compares.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from tocsin.event.schema import HOT, TEXT_FIELDS, Kind

_KINDS: Final = {
    "keyword": Kind.KEYWORD,
    "constant_keyword": Kind.KEYWORD,
    "wildcard": Kind.KEYWORD,
    "flattened": Kind.KEYWORD,
    "match_only_text": Kind.TEXT,
    "long": Kind.LONG,
    "integer": Kind.LONG,
    "short": Kind.LONG,
    "float": Kind.DOUBLE,
    "scaled_float": Kind.DOUBLE,
    "double": Kind.DOUBLE,
    "boolean": Kind.BOOLEAN,
    "date": Kind.DATE,
    "ip": Kind.IP,
}


@dataclass(frozen=True, slots=True)
class EcsField:
    """One field of the catalogue: its dotted name, ECS's own word for its type, our kind, and whether arrays are
    usual."""

    name: str
    type: str
    kind: Kind
    many: bool


@cache
def catalogue() -> dict[str, EcsField]:
    """Every ECS field by name."""
    with files("tocsin.event").joinpath("ecs.csv").open(encoding="utf-8") as lines:
        return {
            row["name"]: EcsField(row["name"], row["type"], _KINDS.get(row["type"], Kind.UNKNOWN), bool(row["many"]))
            for row in csv.DictReader(lines)
        }


def kind_of(name: str) -> Kind:
    """What the values of `name` are: by its hot column, then by ECS, else unknown."""
    if name in TEXT_FIELDS:
        return Kind.TEXT
    if column := HOT.get(name):
        return column.kind
    if entry := catalogue().get(name):
        return entry.kind
    if name.endswith(".text"):
        return Kind.TEXT
    return Kind.UNKNOWN
