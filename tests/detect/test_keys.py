"""Keys over stored hits: what falls out of memory, or a process, is read back from a real store as it was."""

from __future__ import annotations

import pytest

from tests.detect.conftest import ALWAYS, MINUTE, NOW, SECOND, field, hit, machine, rule, standing
from tests.store.conftest import folder, held, template
from tocsin.detect._hits import batch_of
from tocsin.detect._keys import NAMED, Keyed, as_they_came, firing
from tocsin.lang.ir import Count, Sequence, Step
from tocsin.pipeline.core import StoredHits
from tocsin.ports import Firing, Withdrawal
from tocsin.store import Store

__all__ = ["folder", "held", "template"]
BY = (field("source.ip"),)
COUNT = rule(Count(ALWAYS, BY, 60 * SECOND, 3))
PAIR = rule(Sequence((Step(ALWAYS, BY), Step(ALWAYS, BY)), 10 * MINUTE))


@pytest.mark.parametrize("of", [COUNT, PAIR], ids=["threshold", "sequence"])
def test_many_restarts_over_a_store_find_what_a_calm_run_finds(held: Store, of: object) -> None:
    given = COUNT if of is COUNT else PAIR
    steps = 2 if given is PAIR else 1
    hits = [hit(n * 7 % 90, f"i{n}", key=(None if n % 3 == 0 else f"k{n % 3}",), step=n % steps) for n in range(36)]
    calm = standing(machine(given).feed(hits, 0))
    found: list[Firing | Withdrawal] = []
    for start in range(0, len(hits), 9):
        part = [h._replace(arrival=NOW + start * SECOND, position=start) for h in hits[start : start + 9]]
        held.insert(f"s{start}", None, batch_of(part), None)
        found += machine(given, StoredHits(held)).feed(part, 0)
    assert standing(found) == calm
    assert calm


def test_a_key_dropped_from_memory_comes_back(held: Store) -> None:
    made = machine(COUNT, StoredHits(held))
    assert isinstance(made, Keyed)
    made.limit = 2
    found: list[Firing | Withdrawal] = []
    for n in range(3):
        part = [hit(n, f"{key}{n}", key=(key,)) for key in "abcdef"]
        held.insert(f"s{n}", None, batch_of(part), None)
        found += made.feed(part, 0)
        assert made.size() <= 6
    assert len(standing(found)) == 6


def test_stored_hits_come_again_as_they_arrived() -> None:
    late = [hit(1, arrival=NOW + 9 * SECOND), hit(2, arrival=NOW + 10 * SECOND)]
    runs = list(as_they_came([*late, hit(5), hit(3)]))
    assert [[each.id for each in run] for run in runs] == [["e3", "e5"], ["e1", "e2"]]


def test_a_firing_names_each_event_once_and_bounds_what_it_names() -> None:
    made = firing(COUNT, ["b"], [hit(1, "e"), hit(1, "e", values=("v",)), hit(2, lane=3, position=9)], {}, {"x": 1})
    assert [event.id for event in made.events] == ["e", "e2"]
    assert (made.lane, made.position, made.extra) == (3, 9, {"x": 1})
    many = firing(COUNT, ["b"], [hit(n, f"i{n}") for n in range(3 * NAMED)], {}, {})
    assert len(many.events) == NAMED
    assert (many.events[0].id, many.events[-1].id) == ("i0", f"i{3 * NAMED - 1}")
