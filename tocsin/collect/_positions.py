"""How far each file has been read, on disk: a small SQLite file.

A position moves after the journal has what stands before it. One that is lost costs only a reading again, which the
events' identity makes harmless.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from tocsin.collect._read import Kind

KEPT_SECONDS: Final = 90 * 24 * 3600
"""Seconds after which the position of a file that nobody has seen is forgotten."""


@dataclass(slots=True)
class Position:
    """What is known of one file.

    `mark` is the fingerprint of its first `marked` bytes, taken once; `tail` hashes the (at most 1,024) bytes before
    `offset`: together they know a file again that was renamed, copied or compressed. `finished` is the size and time of
    change of a file that was read to its end and is not appended to (a compressed one).
    """

    mark: str
    marked: int
    path: str
    device: int
    inode: int
    kind: Kind
    offset: int = 0
    record: int = 0
    header: str | None = None
    tail: str = ""
    finished: str = ""
    seen: int = 0
    id: int | None = None


_COLUMNS = tuple(field.name for field in fields(Position) if field.name != "id")
_TABLE = """
CREATE TABLE IF NOT EXISTS positions (
  id INTEGER PRIMARY KEY, mark TEXT NOT NULL, marked INTEGER NOT NULL, path TEXT NOT NULL, device INTEGER NOT NULL,
  inode INTEGER NOT NULL, kind TEXT NOT NULL, offset INTEGER NOT NULL, record INTEGER NOT NULL, header TEXT,
  tail TEXT NOT NULL, finished TEXT NOT NULL, seen INTEGER NOT NULL
)
"""


class Positions:
    """The positions of all files. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(_TABLE)
        forgotten = int(time.time()) - KEPT_SECONDS
        self._connection.execute("DELETE FROM positions WHERE seen < ?", (forgotten,))
        self._by_inode: dict[tuple[int, int], Position] = {}
        self._by_mark: dict[tuple[str, int], list[Position]] = {}
        for row in self._connection.execute(f"SELECT {', '.join(_COLUMNS)}, id FROM positions ORDER BY id"):  # noqa: S608
            self._remember(Position(*row))

    def _remember(self, position: Position) -> None:
        self._by_inode[position.device, position.inode] = position
        self._by_mark.setdefault((position.mark, position.marked), []).append(position)

    def at(self, device: int, inode: int) -> Position | None:
        """The position of the file that is there."""
        return self._by_inode.get((device, inode))

    def marked(self) -> set[int]:
        """How many bytes marks were taken of."""
        return {marked for _, marked in self._by_mark}

    def like(self, mark: str, marked: int) -> Iterator[Position]:
        """Positions of files that began so, the furthest first."""
        yield from sorted(self._by_mark.get((mark, marked), ()), key=lambda position: -position.offset)

    def add(self, position: Position) -> None:
        """A file is met; one that had its place on the disk has been replaced, and is known by its mark from now on."""
        earlier = self._by_inode.pop((position.device, position.inode), None)
        if earlier is not None:
            earlier.inode = earlier.device = 0
            self._write(earlier)
        self._remember(position)
        self._write(position)

    def moved(self, position: Position) -> None:
        """Write a position down."""
        self._write(position)

    def _write(self, position: Position) -> None:
        position.seen = int(time.time())
        values = [asdict(position)[name] for name in _COLUMNS]
        if position.id is None:
            marks = ", ".join("?" * len(_COLUMNS))
            statement = f"INSERT INTO positions ({', '.join(_COLUMNS)}) VALUES ({marks})"  # noqa: S608
            position.id = self._connection.execute(statement, values).lastrowid
        else:
            assignments = ", ".join(f"{name} = ?" for name in _COLUMNS)
            self._connection.execute(f"UPDATE positions SET {assignments} WHERE id = ?", [*values, position.id])  # noqa: S608

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
