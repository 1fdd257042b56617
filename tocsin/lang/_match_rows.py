"""Expressions in the matcher: `Compare`, `Truth` and `IsNull`, row by row over the rows that are still possible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from tocsin.event import ip, time
from tocsin.event.schema import FIELDS, TYPES
from tocsin.lang import functions
from tocsin.lang.functions import Scalar
from tocsin.lang.ir import Compare, Expr, Field, IsNull, Truth, Value


class Reader:
    """The fields' values of one batch, one row at a time; a row's map and a column are turned into Python once."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._at = {name: number for number, name in enumerate(batch.schema.names)}
        self._maps: dict[int, tuple[dict[str, list[str]], dict[str, str]]] = {}

    def holds(self, predicate: Compare | Truth | IsNull, rows: Sequence[int]) -> list[int]:
        """Those of `rows` where the predicate is true."""
        match predicate:
            case Compare():
                return [row for row in rows if self._compares(predicate, row)]
            case Truth():
                return [row for row in rows if self._value(predicate.expression, row) is True]
            case IsNull():
                return [row for row in rows if self._value(predicate.expression, row) is None]

    def values(self, field: Field, row: int) -> list[Scalar]:
        """The values of a field in the order of its sources, each once, typed as the source sent them."""
        out: list[Scalar] = []
        for source in field.sources:
            scope = source.scope
            if scope is not None:
                if self._cell("event.dataset", row) not in scope.datasets:
                    continue
                if scope.codes and self._cell("event.code", row) not in scope.codes:
                    continue
            if source.hot:
                cell = self._cell(source.name, row)
                found = cell if isinstance(cell, list) else [cell]
            else:
                found = self._mapped(source.name, row)
            for value in found:
                if value is not None and not any(value == held and type(value) is type(held) for held in out):
                    out.append(value)
        return out

    def _compares(self, predicate: Compare, row: int) -> bool:
        left, right = self._side(predicate.left, row), self._side(predicate.right, row)
        return any(functions.compare(predicate.operator, a, b, predicate.fold) is True for a in left for b in right)

    def _side(self, expression: Expr, row: int) -> list[Scalar]:
        if isinstance(expression, Value):
            return self.values(expression.field, row)
        return [self._value(expression, row)]

    def _value(self, expression: Expr, row: int) -> Scalar:
        return functions.evaluate(expression, lambda field: next(iter(self.values(field, row)), None))

    def _cell(self, name: str, row: int) -> Any:
        at = self._at.get(name)
        if at is None:
            return None
        column = self._batch.column(at)
        if pa.types.is_timestamp(column.type):
            micros = column[row].value
            return None if micros is None else time.iso(micros)
        value = column[row].as_py()
        if isinstance(value, list):
            return [ip.text(item) if isinstance(item, bytes) else item for item in value]
        return ip.text(value) if isinstance(value, bytes) else value

    def _mapped(self, name: str, row: int) -> list[Scalar]:
        held = self._maps.get(row)
        if held is None:
            held = self._maps[row] = (dict(self._cell(FIELDS, row) or ()), dict(self._cell(TYPES, row) or ()))
        fields, types = held
        texts = list(fields.get(name) or ())
        match types.get(name):
            case "number":
                read = [functions.as_number(text) for text in texts]
                return [text if value is None else value for text, value in zip(texts, read, strict=True)]
            case "boolean":
                return [text == "true" if text in ("true", "false") else text for text in texts]
        return list(texts)
