"""Positions outlive the process, and know a file by its content when its place has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.collect import _positions
from tocsin.collect._positions import Position, Positions


def position(inode: int, offset: int = 0, mark: str = "m", marked: int = 1024) -> Position:
    return Position(
        mark, marked, f"/x/{inode}", 1, inode, "lines", offset=offset, header="h\udcff" if offset < 0 else "h"
    )


def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    positions = Positions(tmp_path / "deep" / "p.db")
    first = position(7)
    positions.add(first)
    first.offset, first.record, first.tail = 2**40, 12, "t"
    positions.moved(first)
    positions.close()
    again = Positions(tmp_path / "deep" / "p.db")
    found = again.at(1, 7)
    assert found == first
    assert again.at(1, 8) is None
    assert again.marked() == {1024}
    again.close()


def test_a_file_that_was_replaced_is_known_by_its_content(tmp_path: Path) -> None:
    positions = Positions(tmp_path / "p.db")
    positions.add(position(7, offset=100))
    positions.add(position(7, offset=5, mark="other"))
    assert [known.offset for known in positions.like("m", 1024)] == [100]
    positions.close()
    positions = Positions(tmp_path / "p.db")
    found = positions.at(1, 7)
    assert found and found.offset == 5
    assert [known.offset for known in positions.like("m", 1024)] == [100]
    positions.close()


def test_the_furthest_comes_first(tmp_path: Path) -> None:
    positions = Positions(tmp_path / "p.db")
    for inode, offset in [(1, 10), (2, 30), (3, 20)]:
        positions.add(position(inode, offset))
    assert [known.offset for known in positions.like("m", 1024)] == [30, 20, 10]
    assert list(positions.like("m", 12)) == []
    positions.close()


def test_files_nobody_sees_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    positions = Positions(tmp_path / "p.db")
    positions.add(position(1))
    positions.close()
    monkeypatch.setattr(_positions, "KEPT_SECONDS", -10)
    positions = Positions(tmp_path / "p.db")
    assert positions.at(1, 1) is None
    positions.close()


def test_survives_a_database_that_was_cut_off_by_a_kill(tmp_path: Path) -> None:
    positions = Positions(tmp_path / "p.db")
    positions.add(position(1, 10))
    # As after a kill: the write-ahead log is not folded in.
    (tmp_path / "copy").mkdir()
    for name in ("p.db", "p.db-wal"):
        if (tmp_path / name).exists():
            (tmp_path / "copy" / name).write_bytes((tmp_path / name).read_bytes())
    positions.close()
    again = Positions(tmp_path / "copy" / "p.db")
    found = again.at(1, 1)
    assert found and found.offset == 10
    again.close()
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["p.db"]
