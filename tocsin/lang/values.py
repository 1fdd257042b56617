"""The values of a field for chosen rows of a batch: what keys, counted values and reasons are made of.

Only for few rows (those that matched): each is read by itself. Whole columns are the matcher's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from tocsin.event import ip, time
from tocsin.event.schema import FIELDS, Kind
from tocsin.lang.ir import Field


class Rows:
    """Chosen rows of a batch, with the columns that have been asked for kept as Python values."""

    def __init__(self, batch: pa.RecordBatch, rows: np.ndarray[Any, Any] | Sequence[int]) -> None:
        self.batch = batch
        self.index = pa.array(rows, pa.int64())
        self.count = len(self.index)
        self._columns: dict[str, list[Any]] = {}
        self._maps: list[dict[str, list[str]]] | None = None

    def column(self, name: str) -> list[Any]:
        """A hot column's values, as the batch has them."""
        held = self._columns.get(name)
        if held is None:
            column = self.batch.column(self.batch.schema.get_field_index(name)).take(self.index)
            if pa.types.is_timestamp(column.type):
                column = column.cast(pa.int64())
            held = self._columns[name] = column.to_pylist()
        return held

    def maps(self) -> list[dict[str, list[str]]]:
        """`tocsin.fields` of each row."""
        if self._maps is None:
            self._maps = [dict(entry or ()) for entry in self.column(FIELDS)]
        return self._maps

    def values(self, field: Field) -> list[list[Any]]:
        """For each row the field's values as texts, numbers or booleans, in the order of its sources, each once."""
        out: list[list[Any]] = [[] for _ in range(self.count)]
        for source in field.sources:
            within = range(self.count)
            if source.scope is not None:
                datasets = self.column("event.dataset")
                codes = self.column("event.code")
                scope = source.scope
                within_rows = [
                    row
                    for row in within
                    if datasets[row] in scope.datasets and (not scope.codes or codes[row] in scope.codes)
                ]
            else:
                within_rows = list(within)
            if source.hot:
                column = self.column(source.name)
                for row in within_rows:
                    value = column[row]
                    for item in value if isinstance(value, list) else (value,):
                        if item is not None and (one := plain(item, field.kind)) not in out[row]:
                            out[row].append(one)
            else:
                maps = self.maps()
                for row in within_rows:
                    for item in maps[row].get(source.name, ()):
                        if item not in out[row]:
                            out[row].append(item)
        return out


def plain(value: Any, kind: Kind) -> Any:
    """A column's value as people write it: addresses and times as texts."""
    if isinstance(value, bytes):
        return ip.text(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if kind is Kind.DATE and isinstance(value, int):
        return time.iso(value)
    return value


def key_text(value: Any) -> str:
    """A value as part of a key: exact, booleans and numbers as JSON writes them."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return str(value)
