"""EQL as Elasticsearch's specification tests have it, and what it refuses."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import QueryError, UnsupportedError
from tocsin.lang import _lucene_regex, eql, explain, ir
from tocsin.lang.fields import Names

NAMES = Names()


def where(query: str) -> ir.Predicate:
    plan = eql.parse(query, NAMES)
    assert isinstance(plan, ir.Query)
    return plan.where


def asks(condition: str) -> str:
    return explain.describe(where(f"any where {condition}"))


def holds(condition: str, document: Mapping[str, Any]) -> bool:
    return explain.explain(where(f"any where {condition}"), document).holds


@pytest.mark.parametrize(
    ("condition", "meaning"),
    [
        ('process.name == "a"', 'process.name is "a" (exact case)'),
        ('"a" == process.name', 'process.name is "a" (exact case)'),
        ('process.name : "A*"', 'process.name starts with "A"'),
        ('process.name : ("a", "b", "c?d")', 'process.name is one of "a", "b" or process.name is like "c?d"'),
        ('process.name like "a*b"', 'process.name is like "a*b" (exact case)'),
        ('process.name like~ "a*b"', 'process.name is like "a*b"'),
        ('process.name : "*"', "process.name has a value"),
        ('process.name in ("a", "b")', 'process.name is one of "a", "b" (exact case)'),
        ('process.name in~ ("a*", "b")', 'process.name is one of "a*", "b"'),
        ('process.name not in ("a")', 'not process.name is "a" (exact case)'),
        ('process.name != "a"', 'not process.name is "a" (exact case)'),
        ("process.name == null", "not process.name has a value"),
        ("null != process.name", "process.name has a value"),
        ("process.name : null", None),
        ("destination.port in (80, 443)", "destination.port is one of 80, 443"),
        ("5 < destination.port", "destination.port > 5"),
        ("destination.port >= 5.5", "destination.port >= 5.5"),
        ("event.code == 4688", 'event.code is "4688" (exact case)'),
        ('source.ip == "::ffff:10.0.0.1"', 'source.ip is "10.0.0.1"'),
        (
            'cidrMatch(source.ip, "10.0.0.0/8", "::1/128")',
            "source.ip is between 10.0.0.0 and 10.255.255.255 or source.ip is between ::1 and ::1",
        ),
        ('cidrMatch(x, "10.0.0.0/8") == false', 'not cidrmatch(x, "10.0.0.0/8")'),
        ('startsWith~(process.name, "a")', 'process.name starts with "a"'),
        ('endsWith(process.name, "a") == true', 'process.name ends with "a" (exact case)'),
        ('stringContains(process.name, "a*")', 'process.name contains "a*" (exact case)'),
        ('startsWith("abc", process.name)', 'startswith("abc", process.name)'),
        ("length(process.name) > 3", "length(process.name) > 3"),
        ("x + 1 * 2 == 83", "(x + 2) is 83"),
        ("-x < 5", "-x < 5"),
        ("1 + 1 == 2", "anything"),
        ('concat("a", null) == null', "anything"),
        ("concat(x, null) == null", "anything"),
        ('substring(x, 1) : ("a*", "b")', 'substring(x, 1) is "b" (any case) or like~(substring(x, 1), "a*")'),
        ('x regex~ "a.*"', "x matches /a.*/is"),
        ('x regex ("a", """b"c\\.""")', None),
        ("a == b", "a is b"),
        ("?a == ?b", "a is b or (not a has a value and not b has a value)"),
        ("true", "anything"),
        ("process.code_signature.trusted", "process.code_signature.trusted is true"),
        ("not process.code_signature.trusted == false", "not process.code_signature.trusted is false"),
        ("a == true or not b == null and c == 1", "a is true or (b has a value and c is 1)"),
        ("`my-field` == 1 and a.`b c` == 2", "my-field is 1 and a.b c is 2"),
        ('@timestamp > "2024-05-01"', "@timestamp > 2024-05-01T23:59:59.999999Z"),
        ('x == """C:\\Win""" // comment', 'x is "C:\\Win" (exact case)'),
        ('/* a ** b */ x == "\\u{41}\\n\\\\"', 'x is "A\\n\\" (exact case)'),
        ("null == (x > -1)", "not x has a value"),
    ],
)
def test_means(condition: str, meaning: str | None) -> None:
    if meaning is None:
        with pytest.raises(QueryError):
            asks(condition)
    else:
        assert asks(condition) == meaning


@pytest.mark.parametrize(
    ("condition", "document", "expected"),
    [
        ("x > 1", {}, False),
        ("not x > 1", {}, True),
        ('x != "a"', {}, True),
        ("length(x) != 1", {}, False),
        ("not length(x) == 1", {}, True),
        ("x == null", {"x": ""}, False),
        ("x == null", {"x": []}, True),
        ("null == (x > 1 and y > 1)", {"x": 2}, True),
        ("null == (x > 1 and y > 1)", {"x": 0}, False),
        ("null == (x > 1 or y > 1)", {"x": 2}, False),
        ("null == (x > 1 or y > 1)", {"x": 0}, True),
        ("(not (x > 1)) == null", {}, True),
        ('x : "a"', {"x": ["b", "A"]}, True),
        ("x == y", {"x": "a", "y": "A"}, False),
        ("x / 2 == 2", {"x": 5}, True),
        ("x % 3 == -1", {"x": -4}, True),
        ("x / 0 == null", {"x": 1}, True),
        ('x regex "a.c"', {"x": "a\nc"}, True),
        ('x regex "a"', {"x": "ab"}, False),
        ('number("0x1f", 16) == x', {"x": 31}, True),
        ('string(x) == "1.5"', {"x": 1.5}, True),
        ('indexOf(x, "b") == 1', {"x": "abc"}, True),
        ('indexOf(x, "z") == null', {"x": "abc"}, True),
        ('between(x, "[", "]") == "b"', {"x": "a[b]c]"}, True),
        ('between(x, "[", "]", true) == "b]c"', {"x": "a[b]c]"}, True),
        ('substring(x, -2) == "bc"', {"x": "abc"}, True),
        ('x >= "é"', {"x": "z"}, False),
    ],
)
def test_holds(condition: str, document: dict[str, Any], expected: bool) -> None:
    assert holds(condition, document) is expected


def test_the_category_stands_in_front_and_heeds_case() -> None:
    assert explain.describe(where("process where true")) == 'event.category is "process" (exact case)'
    assert explain.describe(where('"file event" where true')) == 'event.category is "file event" (exact case)'
    plan = eql.parse("process where true", NAMES, category_field="event_type")
    assert isinstance(plan, ir.Query)
    assert explain.describe(plan.where) == 'event_type is "process" (exact case)'


def test_a_sequence_as_it_is_written() -> None:
    plan = eql.parse(
        "sequence by host.id, ?user.id with maxspan=1500ms\n"
        "  [process where true] by process.pid with runs=3\n"
        "  ![file where false] by file.size\n"
        "  [any where x == 1] by `y`\n"
        "until [process where z == 2] by process.pid",
        NAMES,
    )
    assert isinstance(plan, ir.Sequence)
    assert plan.maxspan == 1_500_000
    assert [(step.runs, step.missing) for step in plan.steps] == [(3, False), (1, True), (1, False)]
    assert [[field.name for field in step.by] for step in plan.steps] == [
        ["host.id", "user.id", "process.pid"],
        ["host.id", "user.id", "file.size"],
        ["host.id", "user.id", "y"],
    ]
    assert plan.steps[0].optional_by == (False, True, False)
    assert plan.until is not None and len(plan.until.by) == 3


def test_a_sample_has_keys() -> None:
    plan = eql.parse("sample by host.id [process where true] [file where true]", NAMES)
    assert isinstance(plan, ir.Sample)
    assert [step.by[0].name for step in plan.steps] == ["host.id", "host.id"]


def test_pipes_are_the_callers() -> None:
    pipes: list[tuple[str, int]] = []
    eql.parse("process where true | head 6 | tail 2", NAMES, pipes=pipes)
    assert pipes == [("head", 6), ("tail", 2)]
    with pytest.raises(UnsupportedError, match="head"):
        eql.parse("process where true | head 6", NAMES)
    with pytest.raises(UnsupportedError, match="no pipe 'count'"):
        eql.parse("process where true | count", NAMES)


@pytest.mark.parametrize(
    ("query", "line", "column", "what"),
    [
        ("process where", 1, 14, "too early"),
        ("process were true", 1, 9, "expected 'where'"),
        ("process where name = 'a'", 1, 20, "can't stand here"),
        ("process where name == 'a'", 1, 23, "no end"),
        ('process where a == "x\\q"', 1, 22, "no escape"),
        ('process where a == "x', 1, 20, "no end"),
        ("process where lenght(a) == 1", 1, 15, "there is no function 'lenght'; did you mean 'length'?"),
        ('process where wildcard(a, "b*")', 1, 15, "write `like~`"),
        ("process where length(a, b) == 1", 1, 15, "takes 1 arguments, not 2"),
        ("process where length~(a) == 1", 1, 15, "no `~`"),
        ('process where cidrMatch(a, "x")', 1, 28, "no network"),
        ("process where cidrMatch(a, b)", 1, 28, "text in quotes"),
        ("process where length(a)", 1, 15, "compare this with something"),
        ("process where process.name", 1, 15, "is not true or false"),
        ('process where a and\n "b"', 2, 2, "compare this"),
        ('process where destination.port > "x"', 1, 34, "holds numbers"),
        ("process where a > 99999999999999999999999", 1, 19, "64 bits"),
        ('process where a regex "(?=b)c"', 1, 23, "no (?"),
        ('process where a regex "("', 1, 23, "can't be read"),
        ("sequence [process where true]", 1, 1, "two steps"),
        ("sequence by a [process where true] by b [file where true]", 1, 42, "must pair"),
        ("sequence by length(a) [process where true] [file where true]", 1, 13, "a key of a sequence"),
        ("sequence with maxspan=2.5m [process where true] [file where true]", 1, 23, "whole number"),
        ("sequence with maxspan=5y [process where true] [file where true]", 1, 23, "ms, s, m, h or d"),
        ("sequence [process where true] ![file where true]", 1, 1, "needs `with maxspan"),
        ("sequence [process where true] with runs=0 [file where true]", 1, 41, "1 to 100"),
        ("sample [process where true] [file where true]", 1, 1, "has keys"),
        ("sequence with maxspan=1s by a [process where true] [file where true]", 1, 1, "`by` stands before"),
        ('process where concat(a in (1), b) == "x"', 1, 22, "can't be a value"),
        ("process where a[0] == 1", 1, 16, "can't stand here"),
        ("process where " + "(" * 100 + "true" + ")" * 100, 1, 79, "nested deeper"),
        ("process where " + "- " * 5000 + "1 == 1", 1, 1, "nested too deeply"),
    ],
)
def test_says_where_and_why_it_cannot_be_read(query: str, line: int, column: int, what: str) -> None:
    with pytest.raises(QueryError) as caught:
        eql.parse(query, NAMES)
    problem = caught.value.problems[0]
    assert what in problem.what
    assert (problem.line, problem.column) == (line, column)


def test_tells_all_that_is_wrong_in_one_run() -> None:
    with pytest.raises(QueryError) as caught:
        eql.parse("process where foo(a) == 1 and\n bar(b) == 2 and length() == 3", NAMES)
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [(1, 15), (2, 2), (2, 18)]


@given(st.text(alphabet='abx:=<>!~()[]"`?,.|*/+- \nandornti10\\{}', max_size=60))
def test_never_raises_anything_but_its_errors(condition: str) -> None:
    try:
        predicate = where(f"any where {condition}")
    except (QueryError, UnsupportedError):
        return
    explain.explain(predicate, {"a": ["b", 1], "x": "a"})
    assert explain.describe(predicate)


@given(st.text(max_size=30))
def test_a_text_means_itself(value: str) -> None:
    quoted = "".join(f"\\u{{{ord(char):x}}}" for char in value if not 0xD800 <= ord(char) < 0xE000)
    expected = "".join(char for char in value if not 0xD800 <= ord(char) < 0xE000)
    assert holds(f'x == "{quoted}"', {"x": expected})


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a^b$", ["a^b$"], ["ab"]),
        ('"a.b"c', ["a.bc"], ["axbc"]),
        ("a@", ["a", "axx"], ["b"]),
        ("[^a-c]x", ["dx"], ["ax"]),
        ("[\\]]", ["]"], ["\\"]),
        ("\\d{2,3}", ["12"], ["1"]),
        ("a\\<b", ["a<b"], []),
        ("#|a", ["a"], ["", "#"]),
        ("[[:alpha:]]", [":]", "[]"], ["a"]),
    ],
)
def test_lucene_patterns(pattern: str, yes: list[str], no: list[str]) -> None:
    op = ir.Regex(_lucene_regex.translate(pattern), whole=True, dotall=True)
    assert [text for text in yes if not explain.satisfies(NAMES.field("x"), op, text)] == []
    assert [text for text in no if explain.satisfies(NAMES.field("x"), op, text)] == []


@pytest.mark.parametrize("pattern", ["~a", "a&b", "<1-10>"])
def test_lucene_operators_that_re2_has_not(pattern: str) -> None:
    with pytest.raises(UnsupportedError):
        _lucene_regex.translate(pattern)


# ---- the corpora ----

EVENT_FILES = {
    "test_queries": "../test_data.json",
    "additional_test_queries": "../test_data.json",
    "test_extra": "extra.data",
    "test_missing_events": "missing-events.data",
    "test_sample": "sample1.data",
}
# What asks of an index's mapping: a default for null, a field of type version.
MAPPING = {
    "optionalDefaultNullValueFieldEqualNull",
    "optionalDefaultNullValueFieldEqualDefaultValue",
    "sequenceWithVersionRangeCheck",
}


def _events(path: Path) -> list[dict[str, Any]]:
    text = re.sub(r"(?m)^\s*//.*$", "", path.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = json.loads(text)
    return found


def test_finds_what_elasticsearch_finds(shared: Path) -> None:
    folder = shared / "corpora/eql/elasticsearch"
    kinds: Counter[str] = Counter()
    wrong = []
    for name, data in EVENT_FILES.items():
        cases = tomllib.loads((folder / f"{name}_public.toml").read_text(encoding="utf-8"))["queries"]
        events = _events(folder / data)
        for case in cases:
            pipes: list[tuple[str, int]] = []
            plan = eql.parse(case["query"], NAMES, category_field="event_type", pipes=pipes)
            kinds[type(plan).__name__] += 1
            if not isinstance(plan, ir.Query) or case["name"] in MAPPING:
                continue
            found = [
                event.get("serial_event_id", event.get("sequence"))
                for event in events
                if explain.explain(plan.where, event).holds
            ]
            for pipe, number in pipes:
                found = found[:number] if pipe == "head" else found[-number:]
            if found != case["expected_event_ids"]:
                wrong.append((case["name"], found, case["expected_event_ids"]))
    assert wrong == []
    assert kinds == {"Query": 92, "Sequence": 70, "Sample": 8}


def test_every_eql_rule_of_elastic_parses_or_says_why(shared: Path) -> None:
    kinds: Counter[str] = Counter()
    told = []
    for path in sorted((shared / "corpora/elastic").rglob("*.toml")):
        rule = tomllib.loads(path.read_text(encoding="utf-8")).get("rule", {})
        if rule.get("type") == "eql":
            try:
                kinds[type(eql.parse(rule["query"], NAMES)).__name__] += 1
            except UnsupportedError as error:
                told.append((path.name, error.what.split("`")[1]))
    assert sum(kinds.values()) + len(told) == 1081
    assert told == [
        ("credential_access_potential_successful_linux_ftp_bruteforce.toml", "tail"),
        ("credential_access_potential_successful_linux_rdp_bruteforce.toml", "tail"),
    ]
