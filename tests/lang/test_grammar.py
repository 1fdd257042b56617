"""Places, sizes and depths of query texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import QueryError, SyntaxProblem
from tocsin.lang import _grammar


@pytest.mark.parametrize(("at", "line", "column"), [(0, 1, 1), (2, 1, 3), (3, 2, 1), (5, 3, 1), (6, 3, 2)])
def test_places_count_from_one(at: int, line: int, column: int) -> None:
    assert _grammar.place("ab\nc\nde", at) == (line, column)


def test_carets_stop_at_the_end_of_the_line() -> None:
    assert _grammar.problem("ab\ncd", "x", 1, 5).length == 1
    assert _grammar.problem("abc", "x", 1).length == 1
    assert _grammar.problem("abc", "x", 3, 3).length == 1


@pytest.mark.parametrize(
    "text",
    ["(" * 64, "([{" * 21, '"' + "(" * 500 + '"', '"""' + "[" * 500 + '"""', "()" * 5000, "\\(" * 500, ")" * 500],
)
def test_depth_counts_open_brackets_outside_quotes(text: str) -> None:
    _grammar.check_size(text)


@pytest.mark.parametrize("text", ["(" * 65, "a" + "[" * 65, '"x"' + "{(" * 40])
def test_too_deep_is_refused_at_its_place(text: str) -> None:
    with pytest.raises(QueryError, match="nested deeper than 64") as caught:
        _grammar.check_size(text)
    assert caught.value.problems[0].column > 64


def test_too_long_is_refused() -> None:
    with pytest.raises(QueryError, match="longer than"):
        _grammar.check_size("a" * 300_000)


def test_a_value_that_is_wrong_becomes_a_problem_at_its_place() -> None:
    problems: list[SyntaxProblem] = []
    assert _grammar.collected("ab cd", problems, lambda: int("x"), 3, 5) is None
    assert _grammar.collected("ab cd", problems, lambda: 5, 3, 5) == 5
    assert [(problem.column, problem.length) for problem in problems] == [(4, 2)]


@given(st.text(alphabet="\n a", max_size=30), st.data())
def test_every_offset_is_in_the_line_it_names(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    line, column = _grammar.place(text, at)
    before = text.split("\n")[: line - 1]
    assert sum(len(each) + 1 for each in before) + column - 1 == at
