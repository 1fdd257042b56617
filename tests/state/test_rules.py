"""What people set about rules."""

from __future__ import annotations

import pytest

from tocsin.errors import ConflictError, UsageError
from tocsin.event import time
from tocsin.state import State
from tocsin.state._revision import next_revision

ENTRY = {"field": "host.name", "operator": "is", "values": ["build-1"]}


def test_a_switch_stands_until_it_is_taken_back(opened: State) -> None:
    opened.rules.set_enabled("a", False, "ann")
    opened.rules.set_enabled("b", True, "ann")
    assert opened.rules.enabled() == {"a": False, "b": True}
    opened.rules.set_enabled("a", None, "ann")
    assert opened.rules.enabled() == {"b": True}


def test_every_change_is_a_new_version(opened: State) -> None:
    seen = [opened.rules.version()]
    opened.rules.set_enabled("a", False, "ann")
    seen.append(opened.rules.version())
    added = opened.rules.add_exception("a", [ENTRY], by="ann")
    seen.append(opened.rules.version())
    opened.rules.remove_exception(added.id)
    seen.append(opened.rules.version())
    opened.rules.save_custom("c", "sigma", "title: x", by="ann")
    seen.append(opened.rules.version())
    assert seen == [0, 1, 2, 3, 4]
    with opened._database.write() as session:
        assert next_revision(session, "rules.version") == 5


def test_an_exception_holds_until_it_expires(opened: State) -> None:
    now = time.now()
    kept = opened.rules.add_exception("a", [ENTRY], by="ann", comment="known", expires=now + 1_000_000_000)
    opened.rules.add_exception("b", [ENTRY], by="ann", expires=now - 1)
    forever = opened.rules.add_exception("", [ENTRY], by="ann")
    assert opened.rules.exceptions() == [kept, forever]
    assert opened.rules.exceptions("a") == [kept]
    assert opened.rules.exceptions(now=now + 2_000_000_000) == [forever]
    assert kept.entries == [ENTRY]


def test_an_exception_of_nothing_would_be_one_of_everything(opened: State) -> None:
    with pytest.raises(UsageError, match="at least one"):
        opened.rules.add_exception("a", [], by="ann")


def test_two_people_do_not_overwrite_each_others_rule(opened: State) -> None:
    first = opened.rules.save_custom("c", "sigma", "one", by="ann", revision=0)
    second = opened.rules.save_custom("c", "sigma", "two", by="bob", revision=first.revision)
    with pytest.raises(ConflictError) as refused:
        opened.rules.save_custom("c", "sigma", "three", by="ann", revision=first.revision)
    assert refused.value.current == second.revision
    held = opened.rules.get_custom("c")
    assert held is not None
    assert (held.text, held.created_by, held.changed_by) == ("two", "ann", "bob")


def test_a_rule_goes_with_its_exceptions(opened: State) -> None:
    opened.rules.save_custom("c", "sigma", "one", by="ann")
    opened.rules.add_exception("c", [ENTRY], by="ann")
    assert opened.rules.delete_custom("c")
    assert not opened.rules.delete_custom("c")
    assert (opened.rules.custom(), opened.rules.exceptions()) == ([], [])
