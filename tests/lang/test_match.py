"""The matcher on the edges of the values' contract; `test_agreement` holds it against the interpreter at large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.lang.generate import batch
from tests.lang.interpreter import events, holds
from tocsin.event import ip
from tocsin.lang._match_columns import Columns, Place
from tocsin.lang._match_nodes import bits_of, rows_of
from tocsin.lang._match_plan import Plan
from tocsin.lang._match_rows import Reader
from tocsin.lang._match_scan import Memory, Scanner
from tocsin.lang.fields import Alias, Names, scope_of
from tocsin.lang.ir import (
    TRUE,
    Call,
    Compare,
    Constant,
    Equals,
    Exists,
    Gap,
    InList,
    IsNull,
    Like,
    Not,
    Op,
    Or,
    Predicate,
    Range,
    Regex,
    Test,
    Truth,
    Value,
    Words,
    all_of,
    any_of,
)
from tocsin.lang.match import Matcher

Test.__test__ = False  # type: ignore[attr-defined]  # a node, nothing for pytest
ANY, ONE = Gap.ANY, Gap.ONE
NAMES = Names(
    [
        Alias("Image", "process.executable", scope_of(["windows.sysmon_operational"], ["1"])),
        Alias("Port", "destination.port", scope_of(["zeek.http"])),
    ]
)


def rows(predicate: Predicate, documents: Sequence[Any], **options: Any) -> list[int]:
    found = Matcher({"rule": predicate}, **options).match(batch(documents))
    return found["rule"].tolist() if "rule" in found else []


def met(name: str, op: Op, *values: Any) -> list[int]:
    return rows(Test(NAMES.field(name), op), [{} if value is None else {name: value} for value in values])


def test_missing_null_and_empty_list_are_no_value_and_all_else_is_one() -> None:
    for name in ("process.name", "process.args", "my.own"):
        assert met(name, Exists(), None, [], [None], "", "a", ["a", None]) == [3, 4, 5]
        assert met(name, Equals(("",)), None, [], [None], "", "a") == [3]
    assert met("source.port", Exists(), None, 0, [], [0, 1]) == [1, 3]
    assert met("source.ip", Exists(), None, "::", "not an address") == [1, 2]


def test_a_negation_negates_the_whole_and_holds_where_the_field_is_missing() -> None:
    test = Test(NAMES.field("process.args"), Equals(("a",)))
    assert rows(Not(test), [{}, {"process.args": ["a", "b"]}, {"process.args": ["b"]}]) == [0, 2]


@pytest.mark.parametrize("name", ["process.name", "process.command_line", "process.args", "my.own"])
def test_folding_is_ascii(name: str) -> None:
    texts = ["ÉTÉ K", "été k", "ÉtÉ k", "ÉTÉ \u212a", "ſ"]
    assert met(name, Equals(("ÉTÉ k",), fold=True), *texts) == [0, 2]
    assert met(name, Equals(("ÉTÉ K",)), *texts) == [0]
    assert met(name, Like((ANY, "tÉ k"), fold=True), *texts) == [0, 2]
    assert met(name, Like((ANY, "s", ANY), fold=True), *texts) == []
    assert met(name, Like(("É", ANY), fold=True), *texts, "\xe3\x89") == [0, 2, 3]


def test_a_regex_folds_as_re2_does() -> None:
    assert met("process.name", Regex("k", fold=True), "K", "\u212a", "x") == [0, 1]
    assert met("process.name", Regex("é", fold=True), "É", "é", "E") == [0, 1]
    assert met("process.name", Regex("s$", fold=True), "ſ", "aſ\n", "s") == [0, 2]


def test_shapes_take_newlines_and_count_code_points() -> None:
    texts = ["a\nb", "aéb", "a😀b", "ab", "a\n\nb", "xa\nb", "a\nb\n"]
    assert met("my.own", Like(("a", ONE, "b")), *texts) == [0, 1, 2]
    assert met("my.own", Like(("a", ANY, "b")), *texts) == [0, 1, 2, 3, 4]
    assert met("my.own", Like((ANY, "b")), *texts) == [0, 1, 2, 3, 4, 5]
    assert met("my.own", Like((ONE, ONE)), *texts, "é😀") == [3, 7]
    assert met("my.own", Like((ANY,)), *texts, "", None) == list(range(8))
    assert met("my.own", Like(()), "", "a") == [0]
    assert met("my.own", Like((r"a.*[\d]", ANY)), r"a.*[\d]z", "abc5") == [0]


def test_a_dot_takes_no_newline_unless_told() -> None:
    assert met("my.own", Regex("a.b"), "a\nb", "acb") == [1]
    assert met("my.own", Regex("a.b", dotall=True), "a\nb", "acb") == [0, 1]
    assert met("my.own", Regex("^b$"), "a\nb", "b", "b\n") == [1]
    assert met("my.own", Regex("^b$", multiline=True), "a\nb", "b", "b\n") == [0, 1, 2]
    assert met("my.own", Regex("b|c", whole=True), "b", "c", "bc", "c\n") == [0, 1]


def test_what_hyperscan_reads_otherwise_is_re2s_to_decide() -> None:
    assert met("my.own", Regex(r"^\S+$"), "a\x0bb", "a b") == [0]
    assert met("my.own", Regex(r"^.$"), "é", "éé", "e") == [0, 2]
    assert met("my.own", Regex(r"\pL\d"), "é1", "11") == [0]
    assert met("my.own", Regex(r"^[^a]$"), "😀", "a", "b") == [0, 2]
    assert met("my.own", Regex(""), "", "x", None) == [0, 1]
    assert met("my.own", Regex("(?i)STRASSE"), "straſſe", "strasse", "straße") == [0, 1]


def test_numbers_compare_exactly_to_64_bits() -> None:
    big = 2**53 + 1
    for name in ("event.sequence", "my.own"):
        assert met(name, Equals((big,)), big, big - 1, big + 1, str(big)) == [0, 3]
        assert met(name, Range(big, None, low_included=False), big, big + 1, 2**63 - 1) == [1, 2]
        assert met(name, Range(None, -(2**63)), -(2**63), -(2**63) + 1) == [0]
        assert met(name, Equals((7.0,)), 7, 8) == [0]
        assert met(name, Range(6.5, 7.5), 6, 7, 8) == [1]
    assert met("my.own", Equals((2**64 - 1,)), 2**64 - 1, 2**64 - 2) == [0]


def test_a_text_that_is_no_number_meets_no_number() -> None:
    assert met("my.own", Equals((7,)), "7", "007", "7.0", "0x7", " 7", "+7", "7e0", "seven", "", "٧", "7\n") == [
        0,
        2,
        6,
    ]
    assert met("my.own", Equals(("007",)), "007", 7, "7") == [0]
    assert met("process.name", Equals(("007",)), "007", 7) == [0]
    assert met("my.own", Range(1, 9), "5", "five", "") == [0]
    assert met("source.port", Equals((443,)), 443, "443", "https", [443, 8443], [80]) == [0, 1, 3]
    assert met("my.own", Equals((1,)), True, "true", 1) == [2]


def test_booleans_are_booleans() -> None:
    for name in ("dll.code_signature.trusted", "my.own"):
        assert met(name, Equals((True,)), True, False, None, 1, "yes") == [0]
    assert met("my.own", Equals((True,)), "true", "TRUE", "1") == [0]


def test_an_address_is_one_however_it_is_written() -> None:
    for name in ("source.ip", "host.ip"):
        field = NAMES.field(name)
        values = ["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2", "::1", "0:0::1", "nobody", ["10.0.0.9", "::1"]]
        documents = [{name: value} for value in values]
        assert rows(Test(field, Equals(("10.0.0.1",))), documents) == [0, 1]
        assert rows(Test(field, Equals(("::0001",))), documents) == [3, 4, 6]
        assert rows(Test(field, Equals(("nobody",))), documents) == [5]
        low, high = ip.bounds("10.0.0.0/8") or (b"", b"")
        assert rows(Test(field, Range(low, high)), documents) == [0, 1, 2, 6]
        assert rows(Test(field, Like(("10.0.", ANY))), documents) == [0, 1, 2, 6]


def test_texts_order_by_their_bytes() -> None:
    assert met("process.name", Range("b", "é"), "a", "b", "z", "é", "😀", "B") == [1, 2, 3]


def test_dates_are_microseconds() -> None:
    at = 1_714_564_800_000_000
    texts = ["2024-05-01T12:00:00Z", "2024-05-01T12:00:00.000001Z", "yesterday"]
    assert met("event.start", Equals((at,)), *texts) == [0]
    assert met("event.start", Range(at, None, low_included=False), *texts) == [1]
    assert met("event.start", Exists(), *texts, None) == [0, 1, 2]
    assert met("file.mtime", Range(None, at), *texts) == [0]


def test_words_are_neighbouring_tokens() -> None:
    texts = ["Event Sink!", "sink event", "event-sink", "eventsink", "an EVENT, and sink", "éevent sink", "event sinks"]
    assert met("message", Words(("event", "sink")), *texts) == [0, 2]
    assert met("message", Words(("event",)), *texts) == [0, 1, 2, 4, 6]
    assert met("message", Words((("ev", ANY), ("sin", ONE))), *texts) == [0, 2]
    assert met("message", Words((("eve", ANY),)), *texts) == [0, 1, 2, 3, 4, 6]
    assert met("message", Words(((ONE, "event"),)), *texts) == [5]
    assert met("message", Words(("no token",)), "no token") == []


def test_what_overflowed_counts_beside_its_column() -> None:
    field = NAMES.field("process.name")
    documents = [{"process.name": ["a.exe", "b.exe"]}, {"process.name": "b.exe"}, {"process.name": {"x": 1}}]
    assert rows(Test(field, Equals(("b.exe",))), documents) == [0, 1]
    assert rows(Test(field, Exists()), documents) == [0, 1, 2]


def test_an_alias_holds_in_its_scope_only() -> None:
    sysmon = {"event.dataset": "windows.sysmon_operational", "process.executable": "a.exe"}
    documents = [
        {**sysmon, "event.code": "1"},
        {**sysmon, "event.code": "3"},
        {**sysmon, "event.code": "1", "event.dataset": "windows.security"},
        {"Image": "a.exe"},
        {**sysmon, "event.code": "1", "process.executable": ["z", "a.exe"]},
    ]
    test = Test(NAMES.field("Image"), Equals(("a.exe",)))
    assert rows(test, documents) == [0, 3, 4]
    assert rows(Test(NAMES.field("Image"), Exists()), documents) == [0, 3, 4]


def test_all_rules_are_found_each_under_its_key() -> None:
    name = NAMES.field("process.name")
    rules: dict[Any, Predicate] = {
        ("t", 1): TRUE,
        2: Test(name, Equals(("a",))),
        3: Not(Test(name, Equals(("a",)))),
        4: Or(()),
        5: all_of(Test(name, Exists()), Not(Test(name, Like(("b", ANY))))),
        6: any_of(Test(name, Equals(("c",))), Test(NAMES.field("user.name"), Equals(("u",)))),
    }
    found = Matcher(rules).match(batch([{"process.name": "a"}, {"process.name": "bb"}, {"user.name": "u"}]))
    assert {key: each.tolist() for key, each in found.items()} == {
        ("t", 1): [0, 1, 2],
        2: [0],
        3: [1, 2],
        5: [0],
        6: [2],
    }
    assert all(each.dtype == np.int32 for each in found.values())


def test_expressions() -> None:
    command, port = NAMES.field("process.command_line"), NAMES.field("source.port")
    long = Compare(Call("length", (Value(command),)), ">", Constant(3))
    documents = [{"process.command_line": "abcd"}, {"process.command_line": "abc"}, {}]
    assert rows(long, documents) == [0]
    assert rows(Not(long), documents) == [1, 2]
    assert rows(IsNull(Call("length", (Value(command),))), documents) == [2]
    starts = Truth(Call("startswith", (Value(command), Constant("AB")), fold=True))
    assert rows(all_of(starts, long), documents) == [0]
    same = Compare(Value(port), "==", Value(NAMES.field("destination.port")))
    assert rows(same, [{"source.port": 1, "destination.port": 1}, {"source.port": 1}, {}]) == [0]


class Listed:
    def __init__(self, rows: Sequence[Mapping[str, str]]) -> None:
        self.held = rows

    def rows(self, name: str) -> Sequence[Mapping[str, str]]:
        return self.held if name == "servers" else []

    def version(self) -> str:
        return repr(self.held)


def test_a_list_may_change_between_batches() -> None:
    address, port = NAMES.field("destination.ip"), NAMES.field("destination.port")
    lists = Listed([{"value": "10.0.0.0/24", "port": ""}, {"value": "192.0.2.7", "port": "8080"}])
    matcher = Matcher({"in": InList(address, "servers", (("port", port),)), "no": InList(address, "none")}, lists=lists)
    events = batch(
        [
            {"destination.ip": "10.0.0.9", "destination.port": 5},
            {"destination.ip": "192.0.2.7", "destination.port": 8080},
            {"destination.ip": "192.0.2.7", "destination.port": 80},
            {"destination.port": 8080},
        ]
    )
    assert {key: each.tolist() for key, each in matcher.match(events).items()} == {"in": [0, 1]}
    lists.held = [{"value": "192.0.2.7"}]
    assert {key: each.tolist() for key, each in matcher.match(events).items()} == {"in": [1, 2]}


def test_slices_and_joined_batches_keep_their_rows() -> None:
    documents = [
        {"process.name": f"p{i % 5}", "process.args": [str(i)] * (i % 3), "my.own": [i, i + 1]} for i in range(40)
    ]
    rules = {
        "name": Test(NAMES.field("process.name"), Equals(("p3",))),
        "args": Test(NAMES.field("process.args"), Like((ANY, "1", ANY))),
        "own": Test(NAMES.field("my.own"), Equals((17,))),
        "any": Test(NAMES.field("process.args"), Exists()),
    }
    whole = batch(documents)
    matcher = Matcher(rules)
    everything = matcher.match(whole)
    for start, length in ((0, 7), (7, 20), (16, 24), (39, 1), (40, 0)):
        found = matcher.match(whole.slice(start, length))
        for key in rules:
            wanted = [int(row) - start for row in everything[key] if start <= row < start + length]
            assert found.get(key, np.array([])).tolist() == wanted


def test_texts_are_looked_at_only_where_a_rule_may_still_hold() -> None:
    """Whatever is left out for speed changes no answer: long columns, scopes beside them, negations between."""
    kind, text, other = NAMES.field("event.dataset"), NAMES.field("message"), NAMES.field("event.original")
    a = Test(kind, Equals(("a",)))
    b = Test(kind, Equals(("b",)))
    has, has_not = Test(text, Like((ANY, "needle", ANY), fold=True)), Test(text, Like((ANY, "hay", ANY)))
    rules = {
        "a": all_of(a, has),
        "b": all_of(b, Not(all_of(has, Not(has_not)))),
        "either": any_of(all_of(a, has_not), all_of(b, has)),
        "none": all_of(Not(a), Not(b), has),
        "original": all_of(a, Test(other, Like((ANY, "end", ANY)))),
    }
    filler = "x" * 900
    documents = [
        {
            "event.dataset": "abc"[i % 3],
            "message": f"{filler}{'NEEDLE' if i % 7 == 0 else ''}{'hay' if i % 5 == 0 else ''}{filler}{i}",
            "event.original": None if i % 4 else f"{filler}{'en' if i % 11 else 'end'}",
        }
        for i in range(400)
    ]
    found = Matcher(rules).match(batch(documents))
    read = events(batch(documents))
    for key, predicate in rules.items():
        assert found[key].tolist() == [row for row, event in enumerate(read) if holds(predicate, event)]


def test_a_small_memory_changes_nothing() -> None:
    test = Test(NAMES.field("my.own"), Like((ANY, "7", ANY)))
    documents = [{"my.own": f"value {i} {'x' * (i * 40)}"} for i in range(80)]
    wanted = [i for i in range(80) if "7" in str(i)]
    matcher = Matcher({"rule": test}, cache_bytes=2000)
    for _ in range(3):
        assert matcher.match(batch(documents))["rule"].tolist() == wanted


def test_values_seen_are_not_looked_at_again() -> None:
    matcher = Matcher({"rule": Test(NAMES.field("process.name"), Like(("a", ANY)))})
    events = batch([{"process.name": f"a{i % 10}"} for i in range(100)])
    matcher.match(events)
    assert matcher.scanned == 10
    matcher.match(events)
    assert matcher.scanned == 10


def test_compiled_patterns_are_kept_and_a_broken_file_is_made_anew(tmp_path: Path) -> None:
    test = Test(NAMES.field("process.name"), Like(("a", ANY)))
    documents = [{"process.name": "abc"}, {"process.name": "xyz"}]
    assert rows(test, documents, cache=tmp_path) == [0]
    (kept,) = tmp_path.iterdir()
    assert rows(test, documents, cache=tmp_path) == [0]
    for content in (b"", b"[]\nrubbish", b"{", kept.read_bytes()[:-10]):
        kept.write_bytes(content)
        assert rows(test, documents, cache=tmp_path) == [0]


def test_a_shape_that_hyperscan_refuses_is_decided_all_the_same() -> None:
    huge = "Ab1" * 20_000
    assert met("my.own", Like((ANY, huge, ANY)), huge, huge.lower(), "x" + huge + "y", huge[1:]) == [0, 2]
    assert met("my.own", Like((ANY, huge), fold=True), huge, huge.lower(), "x" + huge, huge + "x") == [0, 1, 2]


def test_an_empty_batch_and_no_rules() -> None:
    assert Matcher[str]({}).match(batch([{}])) == {}
    assert Matcher({1: TRUE}).match(batch([{}]).slice(0, 0)) == {}


def test_bit_sets_and_rows_are_inverse() -> None:
    for n in (1, 7, 8, 9, 1000):
        for some in ([], [0], [n - 1], list(range(0, n, 3))):
            assert rows_of(bits_of(np.array(some, np.int64), n), n).tolist() == some


def test_the_machinery_by_itself() -> None:
    events = batch([{"my.own": ["b", "a"]}, {}, {"my.own": "a", "source.port": 5}])
    columns = Columns(events, ["my.own", "absent"])
    read = columns.read(Place("my.own", False))
    assert read is not None
    assert [(read.values[c], r) for c, r in zip(read.codes, read.rows, strict=True)] == [
        (b"b", 0),
        (b"a", 0),
        (b"a", 2),
    ]
    assert columns.read(Place("absent", False)) is None
    assert columns.present(Place("source.port", True)).tolist() == [2]
    scanner = Scanner(Memory(1000), None)
    plan = Plan(Memory(1000), None)
    first, second = (Not(Test(NAMES.field("my.own"), Equals(("a",)))) for _ in range(2))
    assert first is not second
    assert plan.one(first) is plan.one(second)
    number = scanner.add(Like(("a", ANY)), NAMES.field("my.own").kind)
    scanner.compile()
    assert scanner.satisfied(b"abc") == (number,)
    assert Reader(events).values(NAMES.field("my.own"), 0) == ["b", "a"]


def test_unknown_columns_are_no_values() -> None:
    events = pa.RecordBatch.from_pydict({"event.dataset": ["a"], "process.name": ["b"]})
    found = Matcher({1: Test(NAMES.field("process.name"), Equals(("b",))), 2: Test(NAMES.field("user.name"), Exists())})
    assert list(found.match(events)) == [1]
