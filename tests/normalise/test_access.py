"""Access logs: how a line is recognised, and that no line takes long."""

from __future__ import annotations

import pytest
import re2

from tocsin.normalise import _access

KNOWN = '1.2.3.4 - - [10/Jun/2024:08:13:20 +0200] "GET / HTTP/1.1" 200 -'


@pytest.mark.parametrize("line", [KNOWN, "h:80 " + KNOWN, "1.1.1.1, " + KNOWN, KNOWN.replace("- -", "- Bob Smith")])
def test_the_format_is_known_by_its_beginning(line: str) -> None:
    assert re2.compile(_access.COMBINED).match(line)
    assert _access._LINE.match(line)


@pytest.mark.parametrize(
    "line", ["", "2024/06/10 06:13:20 [error] 1#1: x", '{"a": "[10/Jun/2024:08:13:20 +0200] "}', "x" * 9999]
)
def test_other_lines_are_not_it(line: str) -> None:
    assert not re2.compile(_access.COMBINED).match(line)


@pytest.mark.parametrize("tail", ['"' + '\\"' * 30_000, '"' + "\\" * 60_001, '"a" 200 1 "' + '" "' * 20_000])
def test_hostile_quotes_end_soon(tail: str) -> None:
    """Would take minutes if the pattern tried every way to pair the quotes."""
    _access._LINE.match("1.2.3.4 - - [10/Jun/2024:08:13:20 +0200] " + tail)


def test_escapes_are_undone_once() -> None:
    assert _access._plain(r"a\x22b\"c\\x41") == 'a"b"c\\x41'
    assert _access._plain(None) is None
