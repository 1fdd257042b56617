"""Building and walking predicates."""

from __future__ import annotations

import pytest

from tocsin.lang import ir
from tocsin.lang.fields import Names
from tocsin.lang.ir import FALSE, TRUE, And, Constant, Equals, Not, Or, all_of, any_of, negate

NAMES = Names()
A, B, C = (ir.Test(NAMES.field(name), Equals(("x",))) for name in "abc")


def test_constants_fold() -> None:
    assert all_of() == TRUE == all_of(TRUE, TRUE)
    assert any_of() == FALSE == any_of(FALSE)
    assert all_of(A, FALSE) == FALSE == negate(TRUE)
    assert any_of(A, TRUE) == TRUE
    assert all_of(A, TRUE) == A == any_of(A, FALSE)


def test_nested_and_repeated_items_are_flattened_in_order() -> None:
    assert all_of(A, all_of(B, C), A) == And((A, B, C))
    assert any_of(any_of(A, B), B, C) == Or((A, B, C))
    assert all_of(A, any_of(B, C)) == And((A, Or((B, C))))


def test_double_negation_is_none() -> None:
    assert negate(negate(A)) == A
    assert negate(all_of(A, B)) == Not(And((A, B)))


def test_walks_leaves_and_fields_in_order() -> None:
    length = ir.Call("length", (ir.Value(NAMES.field("d")),))
    predicate = all_of(A, negate(any_of(B, C)), ir.Compare(length, ">", ir.Value(NAMES.field("e"))), ir.IsNull(length))
    listed = ir.InList(NAMES.field("f"), "l", (("port", NAMES.field("g")),))
    assert list(ir.leaves(predicate))[:3] == [A, B, C]
    assert [field.name for field in ir.fields(all_of(predicate, listed))] == list("abcdedfg")


def test_deep_trees_are_walked_without_recursion() -> None:
    deep: ir.Predicate = A
    for _ in range(50_000):
        deep = Not(Not(deep))
    assert list(ir.leaves(deep)) == [A]


def test_a_digest_is_of_the_meaning() -> None:
    scope = ir.Scope(frozenset({"a", "b", "c"}))
    one = ir.Field("x", NAMES.field("x").kind, (ir.Source("x", False, scope),))
    other = ir.Field("x", NAMES.field("x").kind, (ir.Source("x", False, ir.Scope(frozenset({"c", "b", "a"}))),))
    assert ir.digest(ir.Query(ir.Test(one, Equals((1,))))) == ir.digest(ir.Query(ir.Test(other, Equals((1,)))))
    assert ir.digest(A) != ir.digest(B)
    assert ir.digest(ir.Test(one, Equals((1,)))) != ir.digest(ir.Test(one, Equals((True,))))


def test_nodes_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        A.op = Equals(("y",))  # type: ignore[misc]


def test_true_is_not_one() -> None:
    for one, other in (
        (Equals((True,)), Equals((1,))),
        (Constant(True), Constant(1)),
        (Constant(2), Constant(2.0)),
        (Equals((False, True)), Equals((0, True))),
    ):
        assert one != other
        assert len({one, other}) == 2
    assert Equals(("a",)) == Equals(("a",))
    assert hash(Constant(1)) == hash(Constant(1))
    assert Equals(("a",)) != Equals(("a",), fold=True)
    assert Equals((1,)) != "1"
