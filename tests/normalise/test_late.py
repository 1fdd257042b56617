"""Late is what lies far behind what its own source has sent before."""

from __future__ import annotations

import numpy as np

from tocsin.event.time import SECOND
from tocsin.normalise._late import AHEAD, Marks

NOW = 1_700_000_000 * SECOND


def test_a_first_read_of_old_files_is_not_late() -> None:
    marks = Marks()
    for hour in range(24):
        assert marks.late(("a", "s"), np.array([hour * 3600 * SECOND]), NOW) == 0


def test_what_comes_behind_its_own_source_is_late_and_no_other_counts() -> None:
    marks = Marks()
    assert marks.late(("a", "s"), np.array([NOW]), NOW) == 0
    assert marks.late(("a", "other"), np.array([NOW - 2 * AHEAD]), NOW) == 0
    assert marks.late(("b", "s"), np.array([NOW - 2 * AHEAD]), NOW) == 0
    assert marks.late(("a", "s"), np.array([NOW - AHEAD, NOW - AHEAD - 1, NOW - 2 * AHEAD, NOW]), NOW) == 2


def test_a_clock_of_2038_makes_nobody_late() -> None:
    marks = Marks()
    marks.late(("a", "s"), np.array([2**31 * SECOND]), NOW)
    assert marks.late(("a", "s"), np.array([NOW]), NOW) == 0


def test_sources_are_bounded() -> None:
    marks = Marks(most=2)
    for name in "abc":
        marks.late(("d", name), np.array([NOW]), NOW)
    assert marks.late(("d", "a"), np.array([0]), NOW) == 0, "it was forgotten"
    assert marks.late(("d", "c"), np.array([0]), NOW) == 1
