"""Filters of ids."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tests.store.conftest import Make
from tocsin.store import Store
from tocsin.store._unseen import Bloom, Seen, halves


def numbers(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    return tuple(chance.integers(0, 2**64, count, dtype=np.uint64) for _ in range(2))  # type: ignore[return-value]


def test_what_was_put_in_is_always_found_and_little_else() -> None:
    bloom = Bloom(1000)
    for seed in range(8):
        bloom.add(*numbers(seed, 60_000))
    for seed in range(8):
        assert bloom.has(*numbers(seed, 60_000)).all()
    wrong = bloom.has(*numbers(99, 60_000)).mean()
    assert wrong < 0.05
    assert bloom.bytes < 8 * 60_000 * 10 // 8 * 3


def test_an_empty_one_has_nothing() -> None:
    assert not Bloom().has(*numbers(1, 100)).any()


def test_an_id_of_32_digits_is_two_numbers_and_others_are_none() -> None:
    ids = pa.array(["0" * 31 + "1", "f" * 32, "F" * 32, "g" * 32, "abc", "", "é" * 16, "0" * 33])
    first, second, plain = halves(ids)
    assert plain.tolist() == [True, True, True, False, False, False, False, False]
    assert (first[0], second[0], int(first[1])) == (0, 1, 2**64 - 1)
    whole = pa.array([f"{number:032x}" for number in range(50)])
    assert halves(whole.slice(7, 20))[1].tolist() == list(range(7, 27))


def test_months_past_the_bound_are_made_again(held: Store, events: Make) -> None:
    month = 2_700_000_000_000
    batch = events([{"@timestamp": 1_600_000_000_000_000 + row * month} for row in range(12)])
    held.insert("0:0", batch)
    seen = Seen(held._engine, most_bytes=1)
    assert not seen.unseen(batch).any()
    assert len(seen._months) == 2
    assert seen.unseen(events([{}] * 3, seed="other")).all()
    held.insert("1:0", events([{"tocsin.id": "odd one"}]))
    assert not seen.unseen(events([{"tocsin.id": "odd one"}])).any()
