"""Filters of Elastic rules: read as what they narrow a rule to, or refused by name."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tocsin.detect._filters import read, shape
from tocsin.errors import UnsupportedError
from tocsin.lang.explain import explain
from tocsin.lang.fields import Names
from tocsin.lang.ir import Gap

WILDCARD = r"""
[[filters]]
[filters.meta]
negate = true
[filters.query.wildcard."file.path"]
case_insensitive = true
value = "?:\\\\Windows\\\\Sys?????\\\\*"
"""


def holds(filters: list[Any], document: dict[str, Any]) -> bool:
    return explain(read(filters, Names(), "r.toml"), document).holds


def test_a_wildcard_as_rules_have_it() -> None:
    filters = tomllib.loads(WILDCARD)["filters"]
    assert not holds(filters, {"file.path": r"c:\windows\SYSTEM32\x.dll"})
    assert holds(filters, {"file.path": r"C:\Windows\Temp\x.dll"})
    assert holds(filters, {})


@pytest.mark.parametrize(
    ("query", "yes", "no"),
    [
        ({"match_phrase": {"a": "x"}}, {"a": ["w", "x"]}, {"a": "X"}),
        ({"match_phrase": {"a": {"query": "x"}}}, {"a": "x"}, {}),
        ({"term": {"a": {"value": "x", "case_insensitive": True}}}, {"a": "X"}, {"a": "y"}),
        ({"terms": {"a": ["x", "y"]}}, {"a": "y"}, {"a": "z"}),
        ({"prefix": {"a": "x*"}}, {"a": "x*y"}, {"a": "xy"}),
        ({"exists": {"field": "a"}}, {"a": ""}, {}),
        ({"range": {"source.port": {"gte": 10, "lt": 20}}}, {"source.port": 10}, {"source.port": 20}),
        ({"bool": {"should": [{"term": {"a": "x"}}, {"term": {"b": "y"}}]}}, {"b": "y"}, {"a": "y"}),
        ({"bool": {"must_not": [{"term": {"a": "x"}}]}}, {}, {"a": "x"}),
        ({"bool": {"must": {"term": {"a": "x"}}, "filter": [{"term": {"b": "y"}}]}}, {"a": "x", "b": "y"}, {"a": "x"}),
    ],
)
def test_what_the_filter_bar_writes(query: dict[str, Any], yes: dict[str, Any], no: dict[str, Any]) -> None:
    assert holds([{"query": query}], yes)
    assert not holds([{"query": query}], no)
    assert not holds([{"query": query, "meta": {"negate": True}}], yes)
    assert holds([{"query": query, "meta": {"negate": True}}], no)
    assert holds([{"query": query, "meta": {"disabled": True}}], no)
    # Older ones stand beside `meta`, not in `query`.
    assert holds([{**query, "$state": {"store": "appState"}, "meta": {}}], yes)


@pytest.mark.parametrize(
    "query",
    [
        {"script": {"script": "true"}},
        {"regexp": {"a": "x.*"}},
        {"range": {"a": {"gt": 1}}},
        {"bool": {"should": [], "boost": 2}},
        {"bool": {"should": [{"term": {"a": "x"}}] * 3, "minimum_should_match": 2}},
        {"a": 1, "b": 2},
        [],
    ],
)
def test_says_what_it_cannot_read(query: Any) -> None:
    with pytest.raises(UnsupportedError):
        read([{"query": query or {"x": []}}], Names(), "r.toml")


def test_depth_is_bounded() -> None:
    query: dict[str, Any] = {"match_all": {}}
    for _ in range(5_000):
        query = {"bool": {"must": [query]}}
    with pytest.raises(UnsupportedError, match="shape"):
        read([{"query": query}], Names(), "r.toml")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a*b?", ("a", Gap.ANY, "b", Gap.ONE)),
        (r"\*\?", ("*?",)),
        ("\\\\x\\", ("\\x\\",)),
        ("", ("",)),
        ("*", (Gap.ANY,)),
    ],
)
def test_a_backslash_takes_the_meaning(text: str, parts: tuple[Any, ...]) -> None:
    assert shape(text) == parts
