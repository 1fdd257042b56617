"""Sigma rules as the specification has them: what each modifier means, what is refused and where it says so."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import QueryError
from tocsin.lang import explain, ir, sigma
from tocsin.lang.fields import Alias, Names, scope_of

NAMES = Names()
HEAD = "title: T\nid: 0f9b3c52-7d1e-4b60-9a55-3f2f6c1f8a11\nlogsource: {product: acme, service: app}\n"


def one(text: str, **options: Any) -> sigma.SigmaRule:
    (rule,) = sigma.load(text, NAMES, "r.yml", **options)
    return rule


def rule_of(detection: str, condition: str = "a") -> sigma.SigmaRule:
    rule = one(f"{HEAD}detection:\n  a: {detection}\n  condition: {condition}\n")
    assert rule.status == "ok", rule.reason
    return rule


def fires(rule: sigma.SigmaRule, document: Mapping[str, Any]) -> bool:
    assert isinstance(rule.plan, ir.Query)
    return explain.explain(rule.plan.where, document).holds


def holds(detection: str, value: Any, field: str = "F") -> bool:
    return fires(rule_of(detection), {"event.dataset": "acme.app", field: value})


@pytest.mark.parametrize(
    ("detection", "yes", "no"),
    [
        ("{F: Abc}", ["abc", ["x", "ABC"]], ["abcd", "", None, []]),
        ("{F: 'a*c'}", ["ac", "A\nbC"], ["acd"]),
        ("{F: 'a?c'}", ["abc", "aéc"], ["ac", "abbc"]),
        ("{F: 'a\\*c'}", ["a*c"], ["abc"]),
        ("{F: 'C:\\Win\\*'}", ["c:\\win*"], ["c:\\win\\x"]),
        ("{F: 'a\\\\*'}", ["a\\x", "a\\"], ["a*", "a"]),
        ("{F: ''}", [""], ["a", None]),
        ("{F: null}", [None, []], ["", "a", 0]),
        ("{F: [a, null]}", ["A", None], ["b"]),
        ("{F: '*'}", ["", "x"], [None]),
        ("{F: 5}", ["5", 5], ["05", "55", None]),
        ("{F: 9007199254740993}", ["9007199254740993", 9007199254740993], [9007199254740992]),
        ("{F: [a, 9223372036854775807]}", ["a", 9223372036854775807], [9223372036854775806]),
        ("{F|gt: 9007199254740993}", [9007199254740994], [9007199254740993]),
        ("{F: true}", [True, "True"], [False, None]),
        ("{F|contains: b}", ["aBc"], ["ac", None]),
        ("{F|contains|all: [a, b]}", ["xbya"], ["a", "b"]),
        ("{F|startswith: b}", ["Bc"], ["ab"]),
        ("{F|endswith: b}", ["aB"], ["bc"]),
        ("{F|contains|cased: B}", ["aBc"], ["abc"]),
        ("{F|cased: B}", ["B"], ["b"]),
        ("{F|re: '^a.c$'}", ["abc"], ["ABC", "a\nc", None]),
        ("{F|re: 'b+'}", ["abbc"], ["ac"]),
        ("{F|re|i: 'B'}", ["abc"], ["ac"]),
        ("{F|re|s: 'a.c'}", ["a\nc"], ["ac"]),
        ("{F|re|m: '^b'}", ["a\nb"], ["ab"]),
        ("{F|re: '\\\\x\\.'}", ["a\\x."], ["axb"]),
        ("{F|cidr: 10.0.0.0/8}", ["10.2.3.4", "::ffff:10.1.1.1"], ["11.0.0.1", "10.x", None]),
        ("{F|cidr: ['192.168.0.0/16', 'fe80::/10']}", ["192.168.1.1", "fe80::1"], ["::1"]),
        ("{F|exists: true}", ["", "x"], [None, []]),
        ("{F|exists: false}", [None], ["x"]),
        ("{F|lt: 5}", [4, "4.9"], [5, "x", None]),
        ("{F|gte: 5}", [5, 6.5], [4]),
        ("{F|neq: x}", ["y", None], ["X"]),
        ("{F|base64: foo}", ["Zm9v"], ["foo"]),
        ("{F|base64offset|contains: foobar}", ["xxZm9vYmFyxx", "xxmb29iYXxx", "xxZvb2Jhcxx"], ["foobar"]),
        ("{F|wide|base64offset|contains: 'http:'}", ["xxaAB0AHQAcAA6Axx"], ["http:"]),
        ("{F|windash|contains: ' -x'}", ["a -x", "a /x", "a –x", "a —x"], ["a x"]),
        ("{F|windash|contains|all: [' -x', ' -y']}", ["a /x –y"], ["a /x"]),
        ("{F|fieldref: G}", [], ["x", None]),
    ],
)
def test_value(detection: str, yes: list[Any], no: list[Any]) -> None:
    assert [value for value in yes if not holds(detection, value)] == []
    assert [value for value in no if holds(detection, value)] == []


def test_fields_are_compared_ignoring_case() -> None:
    base = {"event.dataset": "acme.app"}
    assert fires(rule_of("{F|fieldref: G}"), {**base, "F": "x", "G": ["y", "X"]})
    assert not fires(rule_of("{F|fieldref: G}"), {**base, "F": "x", "G": "xx"})
    assert not fires(rule_of("{F|fieldref: G}"), base)
    assert fires(rule_of("{F|fieldref|startswith: G}"), {**base, "F": "Xyz", "G": "x"})


@pytest.mark.parametrize("place", ["message", "event.original", "process.command_line", "process.parent.command_line"])
def test_keywords_are_looked_for_within_texts(place: str) -> None:
    rule = rule_of("['Fail*root', other]")
    assert fires(rule, {"event.dataset": "acme.app", place: "sshd: FAILED for root from"})
    assert not fires(rule, {"event.dataset": "acme.app", "user.name": "other"})
    assert not fires(rule, {"event.dataset": "else", place: "other"})
    assert fires(rule_of("{'|all': [one, two]}"), {"event.dataset": "acme.app", place: "two ones"})
    assert not fires(rule_of("{'|all': [one, two]}"), {"event.dataset": "acme.app", place: "two"})
    assert fires(rule_of("{'|re': 'a[0-9]+'}"), {"event.dataset": "acme.app", place: "xa12"})


@pytest.mark.parametrize(
    ("condition", "fields", "expected"),
    [
        ("sel_a and sel_b", "ab", True),
        ("sel_a and not sel_b", "ab", False),
        ("sel_a and not sel_b", "a", True),
        ("not (sel_a or sel_b)", "", True),
        ("1 of sel_*", "b", True),
        ("all of sel_*", "b", False),
        ("all of them", "abf", True),
        ("all of them", "ab", False),
        ("any of them", "f", True),
        ("all of sel_* and not 1 of filter*", "ab", True),
        ("all of sel_* and not 1 of filter*", "abf", False),
        ("sel_a or sel_b and filter", "a", True),
        ("[sel_a, sel_b]", "b", True),
    ],
)
def test_condition(condition: str, fields: str, expected: bool) -> None:
    rule = one(
        f"{HEAD}detection:\n  sel_a: {{a: x}}\n  sel_b: {{b: x}}\n  filter: {{f: x}}\n  condition: {condition}\n"
    )
    assert fires(rule, {"event.dataset": "acme.app", **dict.fromkeys(fields, "x")}) is expected


def test_a_list_of_mappings_is_any_of_them() -> None:
    rule = rule_of("[{a: 1, b: 2}, {c: 3}]")
    assert fires(rule, {"event.dataset": "acme.app", "c": 3})
    assert not fires(rule, {"event.dataset": "acme.app", "a": 1})


def test_process_creation_is_sysmon_and_security_with_their_names() -> None:
    rule = one(
        "title: T\nlogsource: {product: windows, category: process_creation}\n"
        "detection: {a: {Image|endswith: \\cmd.exe, ParentImage|contains: word}, condition: a}\n"
    )
    sysmon = {
        "winlog.channel": "Microsoft-Windows-Sysmon/Operational",
        "event.code": "1",
        "winlog.event_data.Image": "C:\\Windows\\CMD.EXE",
        "winlog.event_data.ParentImage": "C:\\winword.exe",
    }
    security = {
        "winlog.channel": "Security",
        "event.code": "4688",
        "winlog.event_data.NewProcessName": "C:\\Windows\\CMD.EXE",
        "winlog.event_data.ParentProcessName": "C:\\winword.exe",
    }
    assert fires(rule, sysmon) and fires(rule, security)
    assert not fires(rule, {**sysmon, "event.code": "5"})
    assert not fires(rule, {**security, "winlog.channel": "System"})
    assert not fires(rule, {**sysmon, "winlog.channel": "Security", "event.code": "4688"})


def test_reads_what_a_product_declares_as_the_same() -> None:
    names = Names([Alias("winlog.event_data.Image", "process.executable", scope_of(["windows.sysmon_operational"]))])
    (rule,) = sigma.load(
        "title: T\nlogsource: {product: windows, service: sysmon}\n"
        "detection: {a: {EventID: 1, Image: x}, condition: a}\n",
        names,
    )
    event = {
        "winlog.channel": "Microsoft-Windows-Sysmon/Operational",
        "event.code": "1",
        "event.dataset": "windows.sysmon_operational",
        "process.executable": "X",
    }
    assert fires(rule, event)
    assert not fires(rule, {**event, "event.dataset": "other"})


@pytest.mark.parametrize(("level", "expected"), [("4", True), ("Error", False), ("Information", True), ("3", False)])
def test_windows_levels_are_numbers_or_names(level: str, expected: bool) -> None:
    rule = one(
        "title: T\nlogsource: {product: windows, service: application}\n"
        f"detection: {{a: {{Level: {level}}}, condition: a}}\n"
    )
    assert fires(rule, {"winlog.channel": "Application", "log.level": "information"}) is expected


def test_describes_itself_and_keeps_what_it_does_not_know() -> None:
    rule = one(
        "title: T\nid: 0f9b3c52-7d1e-4b60-9a55-3f2f6c1f8a11\nname: short\nstatus: test\nlevel: high\ndate: 2024-05-01\n"
        "description: D\nauthor: A\ntags: [attack.t1059]\nreferences: [https://example.org]\nfalsepositives: [none]\n"
        "misses: much\nlogsource: {product: linux}\ndetection: {a: [x], condition: a}\n"
    )
    assert (rule.name, rule.alias, rule.level, rule.maturity, rule.date) == ("T", "short", "high", "test", "2024-05-01")
    assert (rule.tags, rule.links, rule.logsource) == (
        ("attack.t1059",),
        ("https://example.org",),
        ("linux", None, None),
    )
    assert rule.extra == {"misses": "much"}
    assert "'misses'" in rule.warnings[0]


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("detection:\n  a: {F: x}\n  condition: a and b\n", 6, 20, "'b' is not a selection of this rule"),
        (
            "detection:\n  server: {F: x}\n  condition: sever\n",
            6,
            14,
            "'sever' is not a selection of this rule; did you mean 'server'?",
        ),
        (
            "detection:\n  a: {F|contans: x}\n  condition: a\n",
            5,
            9,
            "'contans' is no modifier; did you mean 'contains'?",
        ),
        ("detection:\n  a: {F: x}\n  condition: 1 of sel*\n", 6, 19, "no selection of this rule is named like 'sel*'"),
        ("detection:\n  a: {F: x}\n  condition: a | count() > 5\n", 6, 16, "pipes"),
        ("detection:\n  a: {F: x}\n  condition: a and\n", 6, 3, "the condition ends too early"),
        ("detection:\n  a: {F: x}\n  condition: a a\n", 6, 3, "can't be read from 'a' on"),
        ("detection:\n  a: {F: x}\n  timeframe: 5m\n  condition: a\n", 6, 3, "timespan"),
        ("detection:\n  a: {F: x}\n", 4, 1, "there is no `condition`"),
        ("detection:\n  a: {F: {b: c}}\n  condition: a\n", 5, 7, "a value or a list of values"),
        ("detection:\n  a: {}\n  condition: a\n", 5, 3, "an empty selection"),
        ("detection: 5\n", 4, 1, "mapping `detection`"),
        ("detection:\n  a: {F|cidr: 10.0.0.0/64}\n  condition: a\n", 4, 1, "Invalid CIDR"),
        ("detection:\n  a: {F|re: '('}\n  condition: a\n", 4, 1, "invalid"),
        ("detection:\n  a: {F|lt: x}\n  condition: a\n", 4, 1, "incompatible"),
    ],
)
def test_says_where_a_rule_is_wrong(text: str, line: int, column: int, what: str) -> None:
    rule = one(HEAD + text)
    assert rule.status == "invalid" and rule.plan is None
    assert what in rule.reason
    assert (rule.problems[0].line, rule.problems[0].column) == (line, column)


def test_tells_all_that_is_wrong_in_one_run() -> None:
    rule = one(f"{HEAD}detection:\n  a: {{F|x: y, G|z: y}}\n  condition: c and d\n")
    assert [problem.what.split()[0] for problem in rule.problems] == ["'x'", "'z'", "'c'", "'d'"]


@pytest.mark.parametrize(
    ("detection", "reason"),
    [
        ("{F|re: '(?!x)y'}", "look-around"),
        ("{F|re: '(a)\\1'}", "RE2 does not take"),
        ("{F|expand: '%users%'}", "%users% stands for no list"),
        ("{F|hour: 5}", "parts of times"),
    ],
)
def test_says_why_a_rule_cannot_run(detection: str, reason: str) -> None:
    rule = one(f"{HEAD}detection:\n  a: {detection}\n  condition: a\n")
    assert (rule.status, rule.plan) == ("unsupported", None)
    assert reason in rule.reason


def test_a_placeholder_may_be_a_list() -> None:
    rule = one(f"{HEAD}detection:\n  a: {{F|expand: '%users%'}}\n  condition: a\n", lists=["users"])
    assert isinstance(rule.plan, ir.Query)
    assert [leaf for leaf in ir.leaves(rule.plan.where) if isinstance(leaf, ir.InList)] == [
        ir.InList(NAMES.field("F"), "users")
    ]


def test_a_source_that_nobody_knows_is_told() -> None:
    rule = one("title: T\nlogsource: {category: smoke_signals}\ndetection: {a: [x], condition: a}\n")
    assert (rule.status, rule.reason) == (
        "unsupported",
        "no source is known for the logsource category 'smoke_signals'",
    )


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: [1\n", 2, "no YAML"),
        ("a: 1\na: 2\n", 2, "twice"),
        ("- a\n", 1, "no mapping"),
        ("", 1, "no rule"),
        ("[" * 100_000, 1, "nest"),
        ("- " * 50_000, 1, "nest"),
        (
            "a: &a [x,x,x,x,x,x,x,x]\n"
            + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 8)}]\n" for i in range(9)),
            1,
            "more than",
        ),
        ("a: " + "x" * 2_000_000, 1, "longer than"),
        ("a: !!python/object/apply:os.system [x]\n", 1, "no YAML"),
        ("a: \x00", 1, "no YAML"),
    ],
)
def test_says_where_a_file_is_no_rule(text: str, line: int, what: str) -> None:
    with pytest.raises(QueryError) as caught:
        sigma.load(text, NAMES, "r.yml")
    assert what in caught.value.problems[0].what
    assert caught.value.problems[0].line == line
    assert str(caught.value).startswith("r.yml:")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["a", "F|re", "F|all", "|contains", "F|cidr", "", "condition"]), inner, max_size=3
            )
        ),
        max_leaves=12,
    ),
    st.text(alphabet="a()1 ofandnt*|", max_size=30),
)
def test_never_raises_for_a_rule(detection: Any, condition: str) -> None:
    document = {"title": "T", "logsource": {"product": "linux"}, "detection": {"a": detection, "condition": condition}}
    try:
        rules = sigma.load(json.dumps(document, ensure_ascii=False), NAMES)
    except QueryError as error:
        assert "no YAML" in error.what
    else:
        assert all((rule.status == "ok") is (rule.plan is not None) for rule in rules)


# ---- more than one rule ----

BASE = (
    "title: Base\nid: 0f9b3c52-7d1e-4b60-9a55-3f2f6c1f8a11\nname: base\n"
    "logsource: {product: windows, category: process_creation}\n"
    "detection: {a: {Image|endswith: x}, condition: a}\n"
)
OTHER = (
    "---\ntitle: Other\nname: other\nlogsource: {product: acme, service: app}\ndetection: {a: {F: 1}, condition: a}\n"
)


def joined(text: str) -> list[sigma.SigmaRule]:
    return sigma.resolve(sigma.load(text, NAMES), NAMES)


def correlation(body: str) -> sigma.SigmaRule:
    return joined(f"{BASE}{OTHER}---\ntitle: C\nid: c\ncorrelation:\n{body}")[-1]


def test_counts_events() -> None:
    plan = correlation(
        "  type: event_count\n  rules: [base]\n  group-by: [Computer, Image]\n  timespan: 5m\n  condition: {gte: 10}\n"
    ).plan
    assert isinstance(plan, ir.Count)
    assert (plan.window, plan.low, plan.high, plan.distinct) == (300_000_000, 10, None, ())
    assert [field.name for field in plan.by] == ["winlog.computer_name", "Image"]
    assert {source.name for source in plan.by[1].sources} == {
        "winlog.event_data.Image",
        "winlog.event_data.NewProcessName",
    }


@pytest.mark.parametrize(
    ("condition", "limits"),
    [("{gt: 3}", (4, None)), ("{lt: 3}", (1, 2)), ("{lte: 3}", (1, 3)), ("{eq: 3}", (3, 3))],
)
def test_counts_values_within_limits(condition: str, limits: tuple[int, int | None]) -> None:
    condition = condition[:-1] + ", field: User}"
    plan = correlation(
        f"  type: value_count\n  rules: [other]\n  group-by: [G]\n  timespan: 1h\n  condition: {condition}\n"
    ).plan
    assert isinstance(plan, ir.Count)
    assert ((plan.low, plan.high), [field.name for field in plan.distinct]) == (limits, ["User"])


@pytest.mark.parametrize("kind", ["temporal", "temporal_ordered"])
def test_joins_rules_in_time(kind: str) -> None:
    rule = correlation(
        f"  type: {kind}\n  rules: [base, other]\n  group-by: [who]\n  timespan: 10m\n"
        "  aliases: {who: {base: User, other: F}}\n"
    )
    assert isinstance(rule.plan, ir.Correlation), rule.reason
    assert (rule.plan.ordered, rule.plan.minimum, rule.plan.window) == (kind == "temporal_ordered", 2, 600_000_000)
    assert [leg.rules for leg in rule.plan.legs] == [("0f9b3c52-7d1e-4b60-9a55-3f2f6c1f8a11",), ("other",)]
    assert [leg.by[0].name for leg in rule.plan.legs] == ["winlog.event_data.User", "F"]
    assert not rule.generate and rule.references == ("base", "other")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (
            "  type: event_count\n  rules: [nobody]\n  timespan: 5m\n  condition: {gte: 1}\n",
            "invalid",
            "no rule 'nobody'",
        ),
        (
            "  type: value_sum\n  rules: [other]\n  timespan: 5m\n  condition: {gte: 1, field: F}\n",
            "unsupported",
            "value_sum",
        ),
        ("  type: event_count\n  rules: [other]\n  timespan: 5m\n  condition: {neq: 1}\n", "unsupported", "neq"),
        ("  type: event_count\n  rules: [other]\n  timespan: soon\n  condition: {gte: 1}\n", "invalid", "Timespan"),
        ("  type: guess\n  rules: [other]\n  timespan: 5m\n", "invalid", "guess"),
    ],
)
def test_says_why_a_correlation_cannot_run(body: str, status: str, reason: str) -> None:
    rule = correlation(body)
    assert (rule.status, rule.plan) == (status, None)
    assert reason in rule.reason


def test_a_filter_narrows_the_rules_that_it_names() -> None:
    text = (
        f"{BASE}{OTHER}---\ntitle: F\nlogsource: {{product: windows, category: process_creation}}\n"
        "filter: {rules: [base], ok: {ParentImage: trusted}, condition: not ok}\n"
    )
    base, other = joined(text)
    event = {"winlog.channel": "Security", "event.code": "4688", "winlog.event_data.NewProcessName": "x"}
    assert fires(base, event)
    assert not fires(base, {**event, "winlog.event_data.ParentProcessName": "Trusted"})
    assert fires(other, {"event.dataset": "acme.app", "F": "1"})


# ---- the public rules ----


@pytest.fixture(scope="module")
def corpus(shared: Path) -> list[sigma.SigmaRule]:
    out = []
    for path in sorted((shared / "corpora/sigma").glob("rules*/**/*.yml")):
        out += sigma.load(path.read_text(encoding="utf-8"), NAMES, str(path.relative_to(shared / "corpora/sigma")))
    return out


def test_every_public_rule_loads_or_says_why(corpus: list[sigma.SigmaRule]) -> None:
    assert len(corpus) == 3757
    assert Counter(rule.status for rule in corpus) == {"ok": 3755, "unsupported": 2}
    assert {rule.reason for rule in corpus if rule.status != "ok"} == {
        "the placeholder %known_cdcs% stands for no list"
    }
    assert [rule.path for rule in corpus if rule.warnings] == []


def _recorded(path: Path) -> Iterator[dict[str, Any]]:
    text = path.read_text(encoding="utf-8-sig")
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        event, at = decoder.raw_decode(text, at)
        while at < len(text) and text[at].isspace():
            at += 1
        yield event["Event"]


def _flat(event: dict[str, Any]) -> dict[str, Any]:
    """A recorded Windows event under the names that the rules of its channel ask for."""
    system = event["System"]
    code = system["EventID"]
    out: dict[str, Any] = {
        "event.code": str(code["#text"] if isinstance(code, dict) else code),
        "winlog.channel": system["Channel"],
        "winlog.computer_name": system.get("Computer"),
        "winlog.provider_name": system["Provider"]["#attributes"].get("Name"),
    }
    inner = [value for value in (event.get("UserData") or {}).values() if isinstance(value, dict)]
    parts = [("event_data", event.get("EventData") or {}), *(("user_data", part) for part in inner)]
    for name, part in parts:
        for key, value in part.items():
            plain = value.get("#text") if isinstance(value, dict) else value
            if key != "#attributes" and plain is not None:
                out[f"winlog.{name}.{key}"] = (
                    [str(each) for each in plain]
                    if isinstance(plain, list)
                    else {True: "true", False: "false"}.get(plain, str(plain))
                    if isinstance(plain, bool)
                    else str(plain)
                )
    return out


def test_fires_on_every_recorded_event_of_the_regression_cases(shared: Path, corpus: list[sigma.SigmaRule]) -> None:
    folder = shared / "corpora/sigma"
    rules = {rule.id: rule for rule in corpus}
    silent = []
    tried = 0
    with (folder / "regression_cases.tsv").open(encoding="utf-8") as lines:
        for case in csv.DictReader(lines, delimiter="\t"):
            found = 0
            files = list((folder / case["case"]).glob("*.json"))
            for path in files:
                found += sum(fires(rules[case["rule_id"]], _flat(event)) for event in _recorded(path))
            tried += bool(files)
            if files and found < int(case["match_count"] or 1):
                silent.append((case["case"], found))
    assert tried == 130
    assert silent == []
