"""What an error says: what happened, where, what to do, and nothing that text from outside could forge."""

from __future__ import annotations

import pytest

from tocsin import errors


@pytest.mark.parametrize(
    ("where", "hint", "line"),
    [
        ("", "", "no such thing"),
        ("a.toml:3", "", "a.toml:3: no such thing"),
        ("", "look again", "no such thing; look again"),
        ("a.toml:3", "look again", "a.toml:3: no such thing; look again"),
    ],
)
def test_an_error_is_one_line(where: str, hint: str, line: str) -> None:
    assert str(errors.TocsinError("no such thing", where=where, hint=hint)) == line


def test_text_from_outside_is_quoted_and_cut() -> None:
    assert errors.quoted("a\n\x1b[31mb\u202e") == r"'a\n\x1b[31mb\u202e'"
    assert len(errors.quoted("x" * 1_000_000)) == 120
    assert errors.quoted("x" * 1_000_000).endswith("…")
    assert errors.quoted(b"\xff") == r"b'\xff'"


def test_a_query_error_shows_every_place_with_its_carets() -> None:
    text = "condition: shell and sever\nother: 1"
    problems = [
        errors.SyntaxProblem("'sever' is no selection", text=text, line=1, column=22, length=5),
        errors.SyntaxProblem("one too many", text=text, line=2, column=8),
    ]
    error = errors.QueryError(problems, where="shell.yml")
    assert str(error) == "shell.yml:1:22: 'sever' is no selection"
    assert error.render().splitlines() == [
        "shell.yml:1:22: 'sever' is no selection",
        "   1 | condition: shell and sever",
        "                            ^^^^^",
        "shell.yml:2:8: one too many",
        "   2 | other: 1",
        "              ^",
    ]


def test_a_query_typed_by_hand_has_no_file() -> None:
    error = errors.QueryError([errors.SyntaxProblem("what?", text="a: b", line=1, column=4)])
    assert str(error) == "1:4: what?"
    assert error.render().splitlines()[0] == "1:4: what?"


def test_an_excerpt_carries_no_escape() -> None:
    problem = errors.SyntaxProblem("odd", text="a\x1b[31m: \tb", column=1)
    assert "\x1b" not in problem.excerpt()
    assert "\t" not in problem.excerpt()


def test_a_place_outside_the_text_has_no_excerpt() -> None:
    assert errors.SyntaxProblem("odd", text="a", line=2).excerpt() == ""
    assert errors.SyntaxProblem("odd").excerpt() == ""


def test_back_pressure_says_when_to_come_again() -> None:
    assert errors.BusyError("the journal is full", retry_after=2.5).retry_after == 2.5
