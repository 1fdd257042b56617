"""Queries in any language become a plan; times that people type become µs."""

from __future__ import annotations

import pytest

from tocsin.errors import QueryError, TocsinError, UnsupportedError, UsageError
from tocsin.event.time import DAY
from tocsin.lang import queries
from tocsin.lang.fields import Names
from tocsin.lang.ir import Query, Sequence

NAMES = Names()
SIGMA = """
title: Whoami
logsource: {category: process_creation, product: windows}
detection: {s: {Image|endswith: \\whoami.exe}, condition: s}
"""


def test_each_language_has_its_plan() -> None:
    assert isinstance(queries.parse("host.name: a", "kql", NAMES), Query)
    assert isinstance(queries.parse("process where true", "eql", NAMES), Query)
    two = "sequence by host.name with maxspan=1m [process where true] [file where true]"
    assert isinstance(queries.parse(two, "eql", NAMES), Sequence)
    assert isinstance(queries.parse(SIGMA, "sigma", NAMES), Query)


def test_a_wrong_query_says_where() -> None:
    with pytest.raises(QueryError) as caught:
        queries.parse("host.name: (", "kql", NAMES)
    assert caught.value.problems[0].column > 1


@pytest.mark.parametrize("language", ["lucene", "esql", "klingon"])
def test_says_which_languages_there_are(language: str) -> None:
    with pytest.raises(UnsupportedError, match="kql"):
        queries.parse("a", language, NAMES)


def test_a_sigma_query_is_one_rule() -> None:
    with pytest.raises(TocsinError):
        queries.parse(SIGMA + "---" + SIGMA, "sigma", NAMES)


def test_moments() -> None:
    assert queries.moment(None) is None
    assert queries.moment("  ") is None
    start, end = queries.moment("2026-01-31"), queries.moment("2026-01-31", up=True)
    assert start is not None
    assert end is not None
    assert end - start == DAY
    with pytest.raises(UsageError, match="no time"):
        queries.moment("yesterday-ish")
