"""Lucene's regular expressions (EQL's `regex`, Lucene's `/…/`) as RE2. They match whole values, a dot any character.

Source: Lucene's RegExp, and Elasticsearch's page "Regular expression syntax", all operators on: `@` is any text, `#`
nothing, `"…"` a literal, `^` and `$` are letters like any other.
"""

from __future__ import annotations

import re
from typing import Final

import re2

from tocsin.errors import UnsupportedError, quoted

_MOST: Final = 20_000
_SAME: Final = frozenset("()|?*+.")
_CLASSES: Final = frozenset("dDsSwW")
_REPEAT: Final = re.compile(r"\{\d{0,4}(,\d{0,4})?\}")
_NOTHING: Final = "[^\\x{0}-\\x{10FFFF}]"


def translate(pattern: str) -> str:
    """The RE2 text of a Lucene pattern. Raises `ValueError` where it is none, `UnsupportedError` for complement,
    intersection and numeric intervals, and what RE2 does not take."""
    if len(pattern) > _MOST:
        raise UnsupportedError(f"a regular expression longer than {_MOST} characters")
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "\\":
            if at == len(pattern):
                raise ValueError("the regular expression ends in a backslash")
            out.append(_escaped(pattern[at]))
            at += 1
        elif char == "[":
            text, at = _class(pattern, at)
            out.append(text)
        elif char == '"':
            end = pattern.find('"', at)
            if end < 0:
                raise ValueError("a quotation in the regular expression has no end")
            out.append(f"(?:{re2.escape(pattern[at:end])})")
            at = end + 1
        elif char == "{":
            match = _REPEAT.match(pattern, at - 1)
            if match is None:
                raise ValueError("a { in the regular expression is no repetition: write \\{ for the sign")
            out.append(match[0])
            at = match.end()
        elif char == "@":
            out.append("(?:.*)")
        elif char == "#":
            out.append(_NOTHING)
        elif char in "~&<>":
            named = {"~": "complement (~)", "&": "intersection (&)"}.get(char, "numeric intervals (<1-10>)")
            raise UnsupportedError(f"{named} in the regular expression {quoted(pattern)}; write \\{char} for the sign")
        elif char == "(" and pattern[at : at + 1] == "?":
            raise ValueError("Lucene's regular expressions have no (?…): flags are `regex~`, and look-around is none")
        else:
            out.append(char if char in _SAME else re2.escape(char))
    made = "".join(out)
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(made, options)
    except re2.error as error:
        raise ValueError(f"the regular expression can't be read: {error.args[0] if error.args else error}") from None
    return made


def _escaped(char: str) -> str:
    return f"\\{char}" if char in _CLASSES else re2.escape(char)


def _class(pattern: str, at: int) -> tuple[str, int]:
    out = ["["]
    if pattern[at : at + 1] == "^":
        out.append("^")
        at += 1
    first = True
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "]" and not first:
            return "".join(out) + "]", at
        if char == "\\":
            if at == len(pattern):
                break
            out.append(_escaped(pattern[at]))
            at += 1
        else:
            out.append(char if char == "-" else re2.escape(char))
        first = False
    raise ValueError("a [ in the regular expression has no end")
