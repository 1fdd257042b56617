"""What people decided about alerts and incidents."""

from __future__ import annotations

import threading

import pytest

from tocsin.errors import ConflictError, UsageError
from tocsin.state import State


def test_what_nobody_decided_about_is_open(opened: State) -> None:
    (decision,) = opened.triage.get(["a"]).values()
    assert (decision.status, decision.revision, decision.notes) == ("open", 0, ())


def test_what_is_given_changes_and_the_rest_stays(opened: State) -> None:
    change = opened.triage.change
    change(["a"], "alert", by="ann", status="acknowledged", assignee="ann", add_tags=["x", "y", "x"])
    held = change(["a"], "alert", by="bob", status="closed", verdict="false_positive", remove_tags=["x"])["a"]
    assert (held.status, held.verdict, held.assignee, held.tags) == ("closed", "false_positive", "ann", ("y",))
    assert (held.revision, held.changed_by) == (2, "bob")
    held = change(["a"], "alert", by="bob", status="open", assignee="")["a"]
    assert (held.status, held.verdict, held.assignee) == ("open", None, None)
    assert opened.triage.get(["a"])["a"] == held


def test_a_change_of_what_was_not_seen_is_refused_whole(opened: State) -> None:
    opened.triage.change(["a"], "alert", by="ann", status="acknowledged", revisions={"a": 0})
    with pytest.raises(ConflictError) as refused:
        opened.triage.change(["b", "a"], "alert", by="bob", status="closed", revisions={"a": 0, "b": 0})
    assert refused.value.current == 1
    held = opened.triage.get(["a", "b"])
    assert (held["a"].status, held["b"].revision) == ("acknowledged", 0)


def test_of_many_at_once_one_wins(opened: State) -> None:
    outcomes: list[str] = []

    def claim(name: str) -> None:
        try:
            opened.triage.change(["a"], "alert", by=name, assignee=name, revisions={"a": 0})
            outcomes.append(name)
        except ConflictError:
            outcomes.append("")

    threads = [threading.Thread(target=claim, args=(f"u{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = filter(None, outcomes)
    held = opened.triage.get(["a"])["a"]
    assert (held.assignee, held.revision, len(outcomes)) == (winner, 1, 8)


def test_notes_are_kept_in_order_and_change_no_revision(opened: State) -> None:
    opened.triage.add_note("a", "first", by="ann")
    opened.triage.add_note("a", "second", by="bob")
    with pytest.raises(UsageError):
        opened.triage.add_note("a", " \n", by="bob")
    held = opened.triage.get(["a"])["a"]
    assert [(note.author, note.text) for note in held.notes] == [("ann", "first"), ("bob", "second")]
    assert held.revision == 0


def test_words_that_are_none_are_refused(opened: State) -> None:
    with pytest.raises(UsageError, match="status"):
        opened.triage.change(["a"], "alert", by="ann", status="done")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="verdict"):
        opened.triage.change(["a"], "alert", by="ann", verdict="meh")  # type: ignore[arg-type]


def test_the_mirror_is_told_what_changed(opened: State) -> None:
    many = [f"a{number}" for number in range(1200)]
    changed = opened.triage.change(many, "alert", by="ann", status="closed")
    assert opened.triage.closed() == 1200
    moment = changed["a0"].changed or 0
    assert [each.id for each in opened.triage.changed_since(moment)] == sorted(many)
    assert opened.triage.changed_since(moment + 1) == []
    assert changed["a7"].mirrored()["status"] == "closed"


def test_history_says_who_changed_what_and_nothing_else(opened: State) -> None:
    opened.triage.change(["i"], "incident", by="ann", status="acknowledged", add_tags=["x"])
    opened.triage.change(["i"], "incident", by="bob", assignee="carl")
    opened.triage.change(["i"], "incident", by="bob", status="acknowledged")
    opened.triage.change(["i"], "incident", by="carl", status="closed", verdict="benign")
    opened.triage.change(["i"], "incident", by="carl", status="open", assignee="")
    assert [(deed.by, deed.what, deed.value) for deed in opened.triage.history("i")] == [
        ("ann", "status", "acknowledged"),
        ("bob", "assignee", "carl"),
        ("carl", "status", "closed"),
        ("carl", "verdict", "benign"),
        ("carl", "status", "open"),
        ("carl", "verdict", ""),
        ("carl", "assignee", ""),
    ]
    assert opened.triage.history("other") == []
