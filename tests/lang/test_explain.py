"""Why a predicate holds on a document, and what it says of itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lang.generate import batch, variants
from tests.lang.interpreter import events, holds
from tocsin.event.document import to_documents
from tocsin.event.text import fold
from tocsin.lang import eql, explain, ir, kql
from tocsin.lang._literals import tidy
from tocsin.lang.fields import Alias, Names, scope_of
from tocsin.lang.ir import Equals, Exists, Gap, Like, Range, Regex, Words, all_of, any_of, negate

NAMES = Names([Alias("winlog.event_data.Image", "process.executable", scope_of(["sysmon"], ["1"]))])
NAME = NAMES.field("process.name")


def test(name: str, op: ir.Op) -> ir.Test:
    return ir.Test(NAMES.field(name), op)


test.__test__ = False  # type: ignore[attr-defined]


def test_evidence_is_what_made_it_hold() -> None:
    predicate = all_of(
        test("process.args", Like((Gap.ANY, "enc", Gap.ANY), True)),
        any_of(test("process.name", Equals(("x",), True)), test("user.name", Exists())),
        negate(test("host.name", Equals(("safe",)))),
    )
    document = {"process.args": ["-a", "-ENC", "-encoded"], "process.name": "y", "user.name": "bob", "host.name": "h"}
    explained = explain.explain(predicate, document)
    assert explained.holds
    assert explain.evidence(predicate, document) == {"process.args": ["-ENC", "-encoded"], "user.name": ["bob"]}
    assert [item.holds for item in explained.items[1].items] == [False, True]
    assert explained.items[1].items[0].found == (("process.name", "y"),)
    assert explain.evidence(negate(predicate), document) == {}


def test_an_alias_is_read_within_its_scope_only() -> None:
    image = ir.Test(NAMES.field("winlog.event_data.Image"), Exists())
    event = {"event.dataset": "sysmon", "event.code": "1", "process.executable": "x"}
    assert explain.explain(image, event).holds
    assert not explain.explain(image, {**event, "event.code": "3"}).holds
    assert not explain.explain(image, {**event, "event.dataset": "other"}).holds


@pytest.mark.parametrize(
    ("name", "op", "yes", "no"),
    [
        ("x", Equals((5,)), [5, 5.0, "5", "5.0"], [True, "05", "a", 6]),
        ("x", Equals((2**63,)), [2**63, str(2**63)], [2**63 + 1, float(2**64)]),
        ("x", Equals((True,)), [True, "true"], [1, "True", False]),
        ("x", Equals(("K",), True), ["k"], ["\u212a"]),
        ("x", Like(("\u017f", Gap.ANY), True), ["\u017fx"], ["sx", "S"]),
        ("x", Like((Gap.ONE,), True), ["é", "\n"], ["", "ab"]),
        ("source.ip", Equals(("10.0.0.1",)), ["10.0.0.1", "::ffff:10.0.0.1"], ["10.0.0.2", "x"]),
        ("source.ip", Range(b"\0" * 15 + b"\1", b"\0" * 15 + b"\2"), ["::1", "::2"], ["::3", "x"]),
        ("source.ip", Like(("10.", Gap.ANY)), ["10.0.0.1"], ["11.0.0.1"]),
        ("destination.port", Equals(("http",)), ["http"], [80]),
        ("destination.port", Like(("8", Gap.ANY)), [80], [90]),
        ("@timestamp", Range(0, 10), ["1970-01-01T00:00:00.000005Z"], ["1970-01-01T00:00:01Z", "x"]),
        ("@timestamp", Like(("1970", Gap.ANY)), [], ["1970-01-01T00:00:00Z"]),
        ("x", Range("b", "d", high_included=False), ["b", "c"], ["d", "a"]),
        ("x", Range(1, None, low_included=False), [2, "1.5"], [1, "b", True]),
        ("x", Regex("^b", multiline=True), ["a\nb"], ["ab"]),
        ("x", Regex("a.b"), ["xa.bx"], ["a\nb"]),
        ("x", Regex("a|bc", whole=True), ["bc"], ["abc"]),
        ("message", Words(("a", ("b", Gap.ANY))), ["x A-bcd"], ["ab", "a x b"]),
    ],
)
def test_one_value(name: str, op: ir.Op, yes: list[object], no: list[object]) -> None:
    field = NAMES.field(name)
    assert [value for value in yes if not explain.satisfies(field, op, value)] == []  # type: ignore[arg-type]
    assert [value for value in no if explain.satisfies(field, op, value)] == []  # type: ignore[arg-type]


@given(
    st.lists(st.text(alphabet="aA*.b\nſé", max_size=3) | st.sampled_from(Gap), max_size=5),
    st.text(alphabet="aAb*.\n", max_size=6),
)
def test_a_shape_is_a_walk_over_the_value(parts: list[str | Gap], value: str) -> None:
    shape = tidy(tuple(parts))

    def walk(at: int, rest: tuple[str | Gap, ...]) -> bool:
        if not rest:
            return at == len(value)
        if rest[0] is Gap.ANY:
            return any(walk(to, rest[1:]) for to in range(at, len(value) + 1))
        if rest[0] is Gap.ONE:
            return at < len(value) and walk(at + 1, rest[1:])
        text = fold(str(rest[0]))
        return fold(value)[at:].startswith(text) and walk(at + len(text), rest[1:])

    assert explain.satisfies(NAME, Like(shape, True), value) is walk(0, shape)


def test_lists_must_be_expanded_first() -> None:
    with pytest.raises(ValueError, match="'users' is not expanded"):
        explain.explain(ir.InList(NAME, "users"), {})
    assert explain.describe(ir.InList(NAME, "users", (("host", NAMES.field("host.name")),))) == (
        "process.name is in the list users with its host host.name"
    )


def test_what_a_description_quotes_cannot_colour_a_terminal() -> None:
    assert explain.describe(test("x", Equals(("\x1b[31m\n",), True))) == 'x is "\\x1b[31m\\n"'
    assert len(explain.describe(test("x", Equals(("y" * 5000,), True)))) < 300


def test_three_valued_leaves() -> None:
    compare = ir.Compare(ir.Value(NAMES.field("a")), "!=", ir.Value(NAMES.field("b")))
    assert explain.explain(compare, {"a": ["x", "y"], "b": "x"}).holds
    assert not explain.explain(compare, {"a": "x"}).holds
    length = ir.Call("length", (ir.Value(NAMES.field("a")),))
    assert explain.explain(ir.IsNull(length), {}).holds
    assert explain.evidence(ir.Compare(length, ">", ir.Constant(1)), {"a": "xy"}) == {"a": ["xy"]}


@pytest.mark.parametrize(
    "predicate",
    [
        kql.parse('process.name: (cmd* or "a b") and not source.ip: 10.0.0.0/8 and message: "two words"', NAMES),
        kql.parse(
            "destination.port >= 1024 or event.start < 2024-05 or my.own: 5 or winlog.event_data.Image: *", NAMES
        ),
        eql.parse('any where not length(process.name) > 200 and my.own : ("a*", "b") and ?x != null', NAMES).where,  # type: ignore[union-attr]
        eql.parse(
            'any where process.args regex~ "a.?b" or my.own + 1 == 3 or concat(my.own, "x") == "ax"', NAMES
        ).where,  # type: ignore[union-attr]
    ],
)
def test_decides_as_the_interpreter_does(predicate: ir.Predicate) -> None:
    made = batch([document for seed in range(10) for document in variants(predicate, seed)])
    found = [explain.explain(predicate, document).holds for document in to_documents(made)]
    assert found == [holds(predicate, event) for event in events(made)]
    assert set(found) == {True, False}
