"""KQL as Kibana has it, and what it does with what nobody should type."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import QueryError
from tocsin.event.ip import bounds
from tocsin.lang import explain, ir, kql
from tocsin.lang.fields import Names
from tocsin.lang.ir import TRUE, Equals, Gap, Like, Not, Range, Words

NAMES = Names()
# 2026-05-10T12:34:56Z
NOW = 1_778_416_496_000_000


def asks(query: str) -> str:
    return explain.describe(kql.parse(query, NAMES, now=NOW))


def holds(query: str, document: Mapping[str, object], **options: Any) -> bool:
    return explain.explain(kql.parse(query, NAMES, now=NOW, **options), document).holds


@pytest.mark.parametrize(
    ("query", "meaning"),
    [
        ("process.name: cmd.exe", 'process.name is "cmd.exe"'),
        ('process.name : "cmd.exe" ', 'process.name is "cmd.exe"'),
        ("a: x or b: y and c: z", 'a is "x" or (b is "y" and c is "z")'),
        ("a: x AND NOT b: y Or c: z", '(a is "x" and not b is "y") or c is "z"'),
        ("not a: x and b: y", 'not a is "x" and b is "y"'),
        ("not (a: x or b: y)", 'not (a is "x" or b is "y")'),
        ("not not a: x", 'a is "x"'),
        ("a: (x or y and not z)", 'a is "x" or (a is "y" and not a is "z")'),
        ("a: (x or y or z)", 'a is one of "x", "y", "z"'),
        ("event.code: (1 or 4688)", 'event.code is one of "1", "4688"'),
        ("destination.port: (80 or 443)", "destination.port is one of 80, 443"),
        ("a: foo bar", 'a is "foo bar"'),
        ("a:*", "a has a value"),
        ("a: **", "a has a value"),
        ("process.executable: C\\:\\\\Win*\\\\cmd?.exe", 'process.executable is like "C:\\\\Win*\\\\cmd\\?.exe"'),
        ("a: *x*", 'a contains "x"'),
        ("a: \\*x*", 'a starts with "*x"'),
        ('a: "*x*"', 'a is "*x*"'),
        ("a: \\or", 'a is "or"'),
        ("a: \\u0041b", 'a is "Ab"'),
        ('a: "C:\\Win"', 'a is "C:\\Win"'),
        ("b: 5", 'b is "5" or b is 5'),
        ('b: "5"', 'b is "5"'),
        ("b > 5", "b > 5"),
        ("b >= x", 'b >= "x"'),
        ("destination.port>=1024 and destination.port<2000", "destination.port >= 1024 and destination.port < 2000"),
        ("source.ip: 10.0.0.0/8", "source.ip is between 10.0.0.0 and 10.255.255.255"),
        ("source.ip: 10.1.*", "source.ip is between 10.1.0.0 and 10.1.255.255"),
        ('source.ip: "::1"', 'source.ip is "::1"'),
        ("source.ip > 10.0.0.0/8", "source.ip > 10.255.255.255"),
        ("@timestamp >= now-1h", "@timestamp >= 2026-05-10T11:34:56Z"),
        ("@timestamp < now/d", "@timestamp < 2026-05-10T00:00:00Z"),
        ("@timestamp > 2024-05-01", "@timestamp > 2024-05-01T23:59:59.999999Z"),
        ("@timestamp <= 2024-01", "@timestamp <= 2024-01-31T23:59:59.999999Z"),
        ('@timestamp >= "2024-02-29||+1y/M"', "@timestamp >= 2025-02-01T00:00:00Z"),
        ("@timestamp: 2024-05-01", "@timestamp is between 2024-05-01T00:00:00Z and 2024-05-01T23:59:59.999999Z"),
        ('message: "The Pipe"', 'message has the words "the" "pipe"'),
        ("message: wini*.exe", 'message has the words "wini*" "exe"'),
        ("message: null pointer", 'message has the words "null" or message has the words "pointer"'),
        ("message: --", "nothing"),
        ("items: { name: a and count > 2 }", 'items.name is "a" and items.count > 2'),
        ("items: { sub: { x: 1.5 } }", 'items.sub.x is "1.5" or items.sub.x is 1.5'),
        ("event.ac*: x", 'event.action is "x"'),
        ("*", "anything"),
        ("*:*", "anything"),
        ("", "anything"),
        ("  ", "anything"),
    ],
)
def test_means(query: str, meaning: str) -> None:
    assert asks(query) == meaning


def test_a_bare_word_looks_where_people_look() -> None:
    assert asks("mimikatz") == " or ".join(
        f'{name} has the words "mimikatz"'
        for name in ("message", "event.original", "process.command_line", "process.parent.command_line")
    )
    assert holds('"Whoami /all"', {"process.command_line": "cmd /c WHOAMI  /ALL"})
    assert not holds('"whoami /all"', {"process.command_line": "all whoami"})


def test_a_name_that_an_integration_numbers_finds_flattened_arrays_too() -> None:
    assert holds("audit.target.*.type: User", {"audit.target.type": ["Group", "User"]})
    assert holds("audit.target.*.type: User", {"audit.target.1.type": "User"})


def test_ignores_case_unless_told() -> None:
    assert holds("process.name: CMD.exe", {"process.name": "cmd.EXE"})
    assert not holds("process.name: CMD.exe", {"process.name": "cmd.EXE"}, case_sensitive=True)
    assert holds("process.name: CMD*", {"process.name": "cmd.EXE"})
    assert not holds("process.name: CMD*", {"process.name": "cmd.EXE"}, case_sensitive=True)
    assert not holds("process.name: É", {"process.name": "é"})


def test_any_value_of_a_list_meets_a_test_and_not_negates_the_whole() -> None:
    event = {"process.args": ["-a", "-b"]}
    assert holds("process.args: -a and process.args: -b", event)
    assert not holds("not process.args: -a", event)
    assert holds("not process.name: x", event)
    assert not holds("process.name: *", event)


def test_texts_in_the_place_of_numbers_are_found_as_texts() -> None:
    assert kql.parse("destination.port: http", NAMES) == ir.Test(
        NAMES.field("destination.port"), Equals(("http",), True)
    )
    assert holds("destination.port: HTTP", {"destination.port": "http"})
    assert not holds("destination.port: 80", {"destination.port": "http"})


def test_gives_the_documented_nodes() -> None:
    block = bounds("10.0.0.0/8")
    assert block is not None
    assert kql.parse("source.ip: 10.0.0.0/8", NAMES) == ir.Test(NAMES.field("source.ip"), Range(*block))
    assert kql.parse("not user.name: ad*", NAMES) == Not(ir.Test(NAMES.field("user.name"), Like(("ad", Gap.ANY), True)))
    assert kql.parse("message: foo*", NAMES) == ir.Test(NAMES.field("message"), Words((("foo", Gap.ANY),)))
    assert kql.parse("*", NAMES) is TRUE


@pytest.mark.parametrize(
    ("query", "line", "column", "what"),
    [
        ("a: (x", 1, 6, "too early; expected"),
        ("a: x\n  b: y", 2, 4, "expected 'and' or 'or'"),
        ('a: "x', 1, 4, "has no end"),
        ("a: x\\b", 1, 5, "lone backslash"),
        ("a: not b", 1, 4, "can't stand here"),
        ("or", 1, 1, "can't stand here"),
        ("a: x and", 1, 9, "too early"),
        ("url.full: http://x", 1, 15, "can't stand here"),
        ("zzz*: x", 1, 1, "no known field"),
        ("source.ip: 10.0.0.0/99", 1, 12, "no network"),
        ("source.ip: *foo*", 1, 12, "holds addresses"),
        ("destination.port > abc", 1, 20, "holds numbers"),
        ("@timestamp > yesterday", 1, 14, "holds times"),
        ("@timestamp: 2024-*", 1, 13, "take no wildcards"),
        ("a > 1*", 1, 5, "wildcard"),
        ("foo bar: x", 1, 1, "no blanks"),
        ("a: {b: 1", 1, 9, "too early"),
        ("(" * 200 + "a" + ")" * 200, 1, 65, "nested deeper"),
        ("a: " + "x" * 300_000, 1, 1, "longer than"),
    ],
)
def test_says_where_and_why_it_cannot_be_read(query: str, line: int, column: int, what: str) -> None:
    with pytest.raises(QueryError) as caught:
        kql.parse(query, NAMES)
    problem = caught.value.problems[0]
    assert (problem.line, problem.column) == (line, column), problem.what
    assert what in problem.what


def test_tells_all_that_is_wrong_in_one_run_with_carets() -> None:
    with pytest.raises(QueryError) as caught:
        kql.parse("source.ip: a/b or\ndestination.port < x", NAMES)
    shown = caught.value.render().splitlines()
    assert shown[0].startswith("1:12: ") and shown[3].startswith("2:20: ")
    assert shown[2] == " " * 18 + "^^^"


def test_long_chains_neither_recurse_nor_slow_down() -> None:
    assert holds(" or ".join(["a: x"] * 20_000) + " or a: y", {"a": "y"})
    assert holds("not " * 10_001 + "a: x", {"a": "y"})
    deep = "not (a: x or not a: z and "
    assert isinstance(holds(deep * 63 + "a: x" + ")" * 63, {"a": "y"}), bool)
    assert holds("a: (" + " or ".join(f"v{i}" for i in range(10_000)) + ")", {"a": "v9999"})


@given(st.text(alphabet='ab*:()"\\{}<>= \nandornt.1-é/', max_size=60))
def test_never_raises_anything_but_a_query_error(query: str) -> None:
    try:
        predicate = kql.parse(query, NAMES)
    except QueryError as error:
        assert error.render()
    else:
        explain.explain(predicate, {"a": ["b", 1], "message": "a b"})
        assert explain.describe(predicate)


@given(st.text(max_size=40))
def test_a_quoted_value_means_itself(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    assert holds(f'x.y: "{quoted}"', {"x.y": value}, case_sensitive=True)


def test_every_kuery_rule_of_elastic_parses_or_says_why(shared: Path) -> None:
    told = []
    count = 0
    for path in sorted((shared / "corpora/elastic").rglob("*.toml")):
        rule = tomllib.loads(path.read_text(encoding="utf-8")).get("rule", {})
        for language, key in (("language", "query"), ("threat_language", "threat_query")):
            if rule.get(language) == "kuery" and key in rule:
                count += 1
                try:
                    kql.parse(rule[key], NAMES)
                except QueryError as error:
                    told.append((path.name, error.what))
    assert count > 750
    # Its fields were Filebeat 7's and are in no catalogue.
    assert [name for name, _ in told] == ["threat_intel_filebeat7x.toml"]
