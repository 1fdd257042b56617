"""A lane's cursor and its stretches survive what a crash leaves of their files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.journal._cursor import Cursor, Edge, Mark, StretchLog
from tocsin.journal._layout import JournalError


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.integers(0, 2**60), min_size=2, max_size=6), torn=st.binary(min_size=1, max_size=28))
def test_one_torn_write_falls_back_one_move(tmp_path: Path, moves: list[int], torn: bytes) -> None:
    (tmp_path / "lane-03.cursor").unlink(missing_ok=True)
    cursor = Cursor(tmp_path, 3, writable=True)
    for move in moves:
        cursor.move(Mark(move, move // 2))
        assert Cursor(tmp_path, 3).read() == Mark(move, move // 2)
    # The slot of the last move, half written.
    descriptor = os.open(tmp_path / "lane-03.cursor", os.O_RDWR)
    at = 512 * (len(moves) % 2)
    changed = os.pread(descriptor, len(torn), at) != torn
    os.pwrite(descriptor, torn, at)
    os.close(descriptor)
    wanted = moves[-2] if changed else moves[-1]
    assert Cursor(tmp_path, 3).read().position == wanted
    cursor.close()


def test_a_cursor_nobody_has_moved_stands_at_the_beginning(tmp_path: Path) -> None:
    assert Cursor(tmp_path, 0).read() == Mark(0, 0)


@pytest.mark.parametrize("size", range(0, 28 * 3 + 1, 5))
def test_stretches_are_whole_or_not_there(tmp_path: Path, size: int) -> None:
    edges = [Edge(0, 5, 10), Edge(5, 9, 20), Edge(9, 20, 30)]
    log = StretchLog(tmp_path, 1)
    log.begin([])
    for edge in edges:
        log.add(edge)
    os.truncate(log.path, size)
    assert log.read(0) == edges[: size // 28]
    assert log.read(9) == edges[2 : size // 28]
    log.close()


def test_a_lane_is_owned_once(tmp_path: Path) -> None:
    first, second = StretchLog(tmp_path, 1), StretchLog(tmp_path, 1)
    first.own(tmp_path, 1)
    with pytest.raises(JournalError, match="another process"):
        second.own(tmp_path, 1)
    first.close()
    second.own(tmp_path, 1)
    second.close()
