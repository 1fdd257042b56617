"""Which indexes a search uses, as the engine itself explains it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from tocsin.store._engine import Engine


class Used(NamedTuple):
    """One index of a search: how many granules (blocks of up to 8,192 rows) it was asked of, and how many it left."""

    name: str
    granules: int
    left: int


def indexes_of(engine: Engine, statement: str, parameters: Mapping[str, Any]) -> list[Used]:
    """The indexes that the engine uses for a SELECT, in the order in which it asks them; the primary key is
    `PrimaryKey`."""
    lines = engine.rows(f"EXPLAIN indexes = 1, json = 1 {statement}", parameters)
    plan = orjson.loads("\n".join(str(line) for (line,) in lines))
    return [
        Used(each.get("Name") or each["Type"], each.get("Initial Granules", 0), each.get("Selected Granules", 0))
        for each in _found(plan)
        if each["Type"] in ("PrimaryKey", "Skip")
    ]


def _found(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for each in node:
            yield from _found(each)
    elif isinstance(node, dict):
        yield from node.get("Indexes", ())
        for name in ("Plan", "Plans"):
            yield from _found(node.get(name))
