"""Identity: the same record has the same id whatever way it came, and no two lists of parts read the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.event.ids import event_id, ids_with, stable_id

parts = st.one_of(st.none(), st.text(), st.integers(), st.binary())


def test_ids_never_change() -> None:
    """They stand in stored events: a changed hash would show every replayed event twice."""
    assert event_id("journal", 3, 12, 0) == "377e41dd2a1fcb15317011a5b40161c4"
    assert event_id("client", None, "logs-x-default", "é") == "d14d17f540c1f797f4bd98a494bf82a6"


def test_a_part_that_is_missing_is_not_an_empty_one() -> None:
    assert len({event_id("file", None, "a"), event_id("file", "", "a"), event_id("file", "a", "")}) == 3
    assert event_id("client", "ab", "c") != event_id("client", "a", "bc")
    assert event_id("client", "a") != event_id("file", "a")


@given(st.lists(parts), st.lists(parts))
def test_common_first_parts_make_no_difference(
    first: list[str | int | bytes | None], rest: list[str | int | bytes | None]
) -> None:
    assert ids_with("file", *first)(*rest) == event_id("file", *first, *rest)


def test_lists_in_stable_ids_keep_their_edges() -> None:
    assert stable_id(["a"], ["b"]) != stable_id(["a", "b"], [])
    assert stable_id("rule", ["a", None]) == stable_id("rule", ("a", None))
    assert stable_id("rule", ["a"]) != stable_id("rule", [None])


def test_lone_surrogates_do_not_raise() -> None:
    assert len(event_id("client", "\ud800")) == 32
