"""Lark parsers with bounds, and their errors as problems with line, column and what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken, VisitError

from tocsin.errors import QueryError, SyntaxProblem, quoted

MAX_LENGTH: Final = 256 * 1024
MAX_DEPTH: Final = 64
_OPENING: Final = re.compile(r'"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|\\.|[(\[{]|[)\]}]', re.DOTALL)


def place(text: str, at: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    before = text[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


def problem(text: str, what: str, start: int, end: int | None = None) -> SyntaxProblem:
    """A problem with the part of `text` from offset `start` to `end`."""
    line, column = place(text, start)
    stop = min(end if end is not None else start + 1, _line_end(text, start))
    return SyntaxProblem(what, text=text, line=line, column=column, length=max(1, stop - start))


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) + 1 if end < 0 else end


def check_size(text: str) -> None:
    """Refuse what is longer or nested deeper than any query that a person or program has reason to write."""
    if len(text) > MAX_LENGTH:
        raise QueryError([SyntaxProblem(f"the query is longer than {MAX_LENGTH} characters")])
    depth = 0
    for match in _OPENING.finditer(text):
        sign = match[0]
        if sign in "([{" and len(sign) == 1:
            depth += 1
            if depth > MAX_DEPTH:
                raise QueryError([problem(text, f"nested deeper than {MAX_DEPTH} brackets", match.start())])
        elif sign in ")]}":
            depth -= 1


def run(parser: Lark, build: Transformer[Token, Any], text: str, words: Mapping[str, str]) -> Any:
    """Parse and build; raises `QueryError` at the place that can't be read. `words` says a terminal's name for people.

    `build` may itself raise `QueryError`.
    """
    check_size(text)
    try:
        return build.transform(parser.parse(text))
    except VisitError as error:
        if not isinstance(error.orig_exc, RecursionError):
            raise error.orig_exc from None
        raise QueryError([SyntaxProblem("nested too deeply", text=text)]) from None
    except RecursionError:
        raise QueryError([SyntaxProblem("nested too deeply", text=text)]) from None
    except UnexpectedInput as error:
        raise QueryError([_unexpected(text, error, words)]) from None


def _unexpected(text: str, error: UnexpectedInput, words: Mapping[str, str]) -> SyntaxProblem:
    start = error.pos_in_stream
    end = None
    if isinstance(error, UnexpectedToken):
        token = error.token
        expected = set(error.accepts or error.expected)
        if token.type == "$END":
            start, what = len(text.rstrip()), "the query ends too early"
        else:
            start, end, what = token.start_pos, token.end_pos, f"{quoted(str(token), 40)} can't stand here"
    elif isinstance(error, UnexpectedCharacters):
        expected = set(error.allowed or ())
        sign = text[start] if start is not None and start < len(text) else ""
        if sign in "\"'`":
            expected, what = set(), f"the quotation that begins with {sign} has no end"
        else:
            what = f"{quoted(sign)} can't stand here"
    else:
        expected = set(error.expected) if isinstance(error, UnexpectedEOF) else set()
        start, what = len(text.rstrip()), "the query ends too early"
    named = sorted({words[name] for name in expected if words.get(name)})
    if 0 < len(named) <= 6:
        what += f"; expected {' or '.join(named)}"
    return problem(text, what, start or 0, end)


def collected(text: str, problems: list[SyntaxProblem], act: Callable[[], Any], start: int, end: int) -> Any:
    """The result of `act`; a `ValueError` of it becomes a problem with that part of the text and the result None."""
    try:
        return act()
    except ValueError as error:
        problems.append(problem(text, str(error), start, end))
        return None
