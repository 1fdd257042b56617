"""Values as their column's type: what fits is converted, what does not is handed back as it was sent."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.event._values import convert, empty, text_of
from tocsin.event.schema import HOT


@pytest.mark.parametrize(
    ("name", "sent", "held", "wrong"),
    [
        ("destination.port", [80, "443", "0x50", 1.0, None, []], [80, 443, 80, 1, None, None], {}),
        ("destination.port", [True, "x", 1.5, 1 << 64, "9" * 30], [None] * 5, {0, 1, 2, 3, 4}),
        ("process.name", ["a", 1, True, {"b": 1}], ["a", "1", "true", None], {3}),
        ("process.name", [["a"], ["a", "b"], [None]], ["a", None, None], {1}),
        ("event.category", [["a", 1], "b", None, [{}]], [["a", "1"], ["b"], [], []], {3}),
        ("process.name", ["\ud800"], ["?"], {}),
    ],
)
def test_what_does_not_fit_is_told(name: str, sent: list[Any], held: list[Any], wrong: set[int]) -> None:
    array, told = convert(HOT[name], sent)
    assert array.type == HOT[name].arrow
    assert array.to_pylist() == held
    assert set(told) == set(wrong)
    assert all(told[row] == sent[row] for row in told)


@pytest.mark.parametrize("column", HOT.values(), ids=lambda column: column.name)
def test_nothing_is_a_column_too(column: Any) -> None:
    assert empty(column.arrow, 3).type == column.arrow
    assert len(empty(column.arrow, 3)) == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (True, "true"), (1 << 70, str(1 << 70)), (0.5, "0.5"), ({"a": [1, None]}, '{"a":[1,null]}')],
)
def test_a_value_of_the_map_is_its_json(value: Any, text: str) -> None:
    assert text_of(value) == text
