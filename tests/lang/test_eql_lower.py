"""EQL's conditions as predicates: which node each becomes, since a plain test is what both back ends are fast at."""

from __future__ import annotations

import pytest

from tocsin.event.ip import bounds
from tocsin.lang import _eql_lower, eql, ir
from tocsin.lang.fields import Names
from tocsin.lang.ir import Equals, Exists, Gap, Like, Not, Range, Regex

NAMES = Names()
NAME, PORT, IP, OWN = (NAMES.field(name) for name in ("process.name", "destination.port", "source.ip", "my.own"))
VALUE = ir.Value(NAME)
BLOCK = bounds("10.0.0.0/8")
assert BLOCK is not None


@pytest.mark.parametrize(
    ("condition", "predicate"),
    [
        ('process.name == "a"', ir.Test(NAME, Equals(("a",)))),
        ('process.name : ("a", "b")', ir.Test(NAME, Equals(("a", "b"), True))),
        ('process.name in ("a", "b", "a")', ir.Test(NAME, Equals(("a", "b")))),
        ("my.own in (1, 2)", ir.Test(OWN, Equals((1, 2)))),
        ("my.own == true", ir.Test(OWN, Equals((True,)))),
        ("process.name == true", ir.Test(NAME, Equals(("true",)))),
        ('my.own in (1, "a")', ir.Or((ir.Test(OWN, Equals((1,))), ir.Test(OWN, Equals(("a",)))))),
        ("my.own in (1, null)", ir.Test(OWN, Equals((1,)))),
        ("my.own in (process.name)", ir.Compare(ir.Value(OWN), "==", VALUE)),
        ('process.name like "a?*"', ir.Test(NAME, Like(("a", Gap.ONE, Gap.ANY)))),
        ('process.name regex~ "a.*"', ir.Test(NAME, Regex("a.*", fold=True, whole=True, dotall=True))),
        ('stringContains~(process.name, "a")', ir.Test(NAME, Like((Gap.ANY, "a", Gap.ANY), True))),
        ('startsWith(process.name, "")', ir.Test(NAME, Exists())),
        ('startsWith(source.ip, "10.")', ir.Truth(ir.Call("startswith", (ir.Value(IP), ir.Constant("10."))))),
        ('cidrMatch(source.ip, "10.0.0.0/8")', ir.Test(IP, Range(*BLOCK))),
        ('cidrMatch(my.own, "10.0.0.0/8")', ir.Truth(ir.Call("cidrmatch", (ir.Value(OWN), ir.Constant("10.0.0.0/8"))))),
        ('source.ip == "10.0.0.0/8"', ir.Test(IP, Range(*BLOCK))),
        ("destination.port != null", ir.Test(PORT, Exists())),
        ("destination.port != 80", Not(ir.Test(PORT, Equals((80,))))),
        ("length(process.name) == null", ir.IsNull(ir.Call("length", (VALUE,)))),
        ("length(process.name) != 3", ir.Compare(ir.Call("length", (VALUE,)), "!=", ir.Constant(3))),
        ('length(process.name) : 3', ir.Compare(ir.Call("length", (VALUE,)), "==", ir.Constant(3), True)),
        ("destination.port + 1 > 5", ir.Compare(ir.Call("+", (ir.Value(PORT), ir.Constant(1))), ">", ir.Constant(5))),
        ('number("0x10") == my.own', ir.Test(OWN, Equals((16,)))),
        ('number(my.own) == 1', ir.Compare(ir.Call("number", (ir.Value(OWN), ir.Constant(10))), "==", ir.Constant(1))),
        ("5 > null", ir.FALSE),
        ("(5 > null) == null", ir.TRUE),
        ("1 == 1.0", ir.TRUE),
        ('"a" == "A"', ir.FALSE),
        ('"a" : "A"', ir.TRUE),
    ],
)  # fmt: skip
def test_becomes(condition: str, predicate: ir.Predicate) -> None:
    assert eql.parse(f"any where {condition}", NAMES) == ir.Query(predicate)


def test_shapes_know_only_two_signs() -> None:
    assert _eql_lower.shape_of("a\\*b??**") == ("a\\", Gap.ANY, "b", Gap.ONE, Gap.ONE, Gap.ANY)
    assert _eql_lower.shape_of("") == ()
