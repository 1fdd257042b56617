"""Saved searches."""

from __future__ import annotations

import pytest

from tocsin.errors import UsageError
from tocsin.state import State


def test_ones_own_and_shared_ones_are_seen_and_only_ones_own_change(opened: State) -> None:
    mine = opened.searches.save("ann", "mine", {"query": "a: b"})
    shared = opened.searches.save("bob", "shared", {"query": "c: d"}, shared=True)
    opened.searches.save("bob", "secret", {})
    assert opened.searches.of("ann") == [mine, shared]
    with pytest.raises(UsageError):
        opened.searches.save("ann", "stolen", {}, id_=shared.id)
    assert not opened.searches.delete("ann", shared.id)
    changed = opened.searches.save("ann", "mine", {"query": "e: f"}, id_=mine.id)
    assert (changed.id, changed.search) == (mine.id, {"query": "e: f"})
    assert opened.searches.delete("ann", mine.id)
    assert [each.name for each in opened.searches.of("ann")] == ["shared"]
