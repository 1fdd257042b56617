"""Notifications that are to be sent."""

from __future__ import annotations

from tocsin.state import State
from tocsin.state.outbox import FIRST_WAIT, LEASE, MOST_ATTEMPTS

NOW = 1_700_000_000_000_000


def test_a_message_is_taken_once_by_its_key(opened: State) -> None:
    assert opened.outbox.put("incident:1", "t", "b", kind="incident", now=NOW)
    assert not opened.outbox.put("incident:1", "t", "b", kind="incident", now=NOW)
    assert opened.outbox.counts() == {"pending": 1}


def test_what_is_taken_comes_again_if_nobody_says_what_became_of_it(opened: State) -> None:
    opened.outbox.put("a", "t", "b", kind="alert", now=NOW)
    (message,) = opened.outbox.take(now=NOW)
    assert opened.outbox.take(now=NOW + LEASE - 1) == []
    assert [again.id for again in opened.outbox.take(now=NOW + LEASE)] == [message.id]
    opened.outbox.sent(message.id)
    assert opened.outbox.take(now=NOW + 10 * LEASE) == []
    assert [each.state for each in opened.outbox.last()] == ["sent"]


def test_a_failure_waits_longer_each_time_and_is_given_up_at_last(opened: State) -> None:
    opened.outbox.put("a", "t", "b", kind="alert", now=NOW)
    (message,) = opened.outbox.take(now=NOW)
    waits = []
    for attempt in range(1, MOST_ATTEMPTS + 1):
        outcome = opened.outbox.failed(message.id, "refused", now=NOW)
        (held,) = opened.outbox.last()
        waits.append(held.next_try - NOW)
        assert (outcome, held.attempts) == ("failed" if attempt == MOST_ATTEMPTS else "pending", attempt)
    assert waits[:3] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT]
    assert waits == sorted(waits)
    assert opened.outbox.take(now=NOW + 10**15) == []


def test_the_oldest_goes_first(opened: State) -> None:
    for number in range(5):
        opened.outbox.put(f"k{number}", "t", "b", kind="alert", now=NOW - number)
    assert [each.key for each in opened.outbox.take(3, now=NOW)] == ["k4", "k3", "k2"]
    assert [each.key for each in opened.outbox.take(3, now=NOW)] == ["k1", "k0"]


def test_what_was_written_down_is_known_by_its_key(opened: State) -> None:
    assert not opened.outbox.holds("k")
    opened.outbox.put("k", "t", "b", kind="incident")
    assert opened.outbox.holds("k")
