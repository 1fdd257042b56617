"""What was merged and split is kept in order, and so is who did what to an incident."""

from __future__ import annotations

import pytest

from tocsin import state
from tocsin.errors import UsageError
from tocsin.state import State
from tocsin.state.decisions import MOST


def test_decisions_outlive_a_restart_in_order(opened: State, address: str) -> None:
    first = opened.decisions.add("merge", ["a"], ["b"], by="ann", told=[("i1", "i2")])
    second = opened.decisions.add("split", ["a", "c"], ["b"], by="bob")
    opened.decisions.applied(first.id)
    with state.open(address) as again:
        held = again.decisions.all()
        assert [(each.kind, each.left, each.right, each.by, each.applied) for each in held] == [
            ("merge", ("a",), ("b",), "ann", True),
            ("split", ("a", "c"), ("b",), "bob", False),
        ]
        assert [each.id for each in held] == [first.id, second.id]
        (deed,) = again.triage.history("i1")
        assert (deed.by, deed.what, deed.value) == ("ann", "merge", "i2")


@pytest.mark.parametrize(("left", "right"), [([], ["a"]), (["a"], []), (["a"], ["a"]), (["a"], ["b"] * (MOST + 1))])
def test_sides_that_say_nothing_or_too_much_are_refused(opened: State, left: list[str], right: list[str]) -> None:
    with pytest.raises(UsageError):
        opened.decisions.add("split", left, right, by="ann")
    assert opened.decisions.all() == []
