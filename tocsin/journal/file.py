"""A journal in a folder: for one machine, one collecting process, and any number of workers.

    writer = open_writer("file:///var/lib/tocsin/journal")     # in the process that collects
    reader = open_reader("file:///var/lib/tocsin/journal", lanes=[0, 1, 2, 3])     # in a worker

The folder holds `journal.json` (the number of lanes, fixed when it is made), segments with the entries of all lanes in
the order of their commits (`_layout`), `synced` (how far they are on disk), per lane a cursor and the log of stretches
(`_cursor`), and `requests` (`_requests`). The writer alone deletes: segments that every lane's cursor has passed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from tocsin.errors import ConfigError, quoted
from tocsin.journal._layout import Damage, JournalError, sync_folder
from tocsin.journal._reader import FileReader
from tocsin.journal._writer import FileWriter, lane_of
from tocsin.ports import JournalReader, JournalWriter

__all__ = ["Damage", "FileReader", "FileWriter", "JournalError", "lane_of", "open_reader", "open_writer"]

LANES: Final = 16
VERSION: Final = 1


class _Meta(msgspec.Struct):
    version: int
    lanes: int


def open_writer(
    address: str | Path,
    *,
    lanes: int = LANES,
    max_bytes: int = 8 << 30,
    segment_bytes: int = 64 << 20,
    sync_ms: float = 20,
    min_free: int = 512 << 20,
) -> FileWriter:
    """The journal at `address` (`file:///folder` or a folder), made where there is none, to be written.

    `lanes` counts only for a new one. Past `max_bytes` on disk, or with less than `min_free` bytes of the disk free,
    appends raise `BusyError`. Raises `JournalError` where another process writes it, and `ConfigError` for an address
    that is no folder's.
    """
    folder = _folder(address)
    return FileWriter(
        folder,
        _lanes(folder, lanes),
        max_bytes=max_bytes,
        segment_bytes=segment_bytes,
        sync_ms=sync_ms,
        min_free=min_free,
    )


def open_reader(address: str | Path, *, lanes: Iterable[int] | None = None, count: int = LANES) -> FileReader:
    """The journal at `address`, to be read: all lanes, or those named. `count` is the number of lanes of one that has
    yet to be made."""
    folder = _folder(address)
    return FileReader(folder, _lanes(folder, count), lanes)


def _folder(address: str | Path) -> Path:
    if isinstance(address, Path):
        return address.absolute()
    parts = urlsplit(address)
    if parts.scheme not in {"", "file"} or parts.netloc not in {"", "localhost"}:
        raise ConfigError(f"{quoted(address)} is no folder", where="journal.address", hint="write file:///folder")
    return Path(unquote(parts.path) if parts.scheme else address).absolute()


def _lanes(folder: Path, lanes: int) -> int:
    """How many lanes the journal has; a new one gets `lanes`. Two processes may do this at once."""
    path = folder / "journal.json"
    if not path.exists():
        if not 1 <= lanes <= 1024:
            raise ConfigError(f"{lanes} lanes can't be", where="journal.lanes", hint="between 1 and 1024")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = folder / f"journal.json.{os.getpid()}"
        beside.write_bytes(msgspec.json.encode(_Meta(VERSION, lanes)))
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        try:
            os.link(beside, path)  # fails where another process was first, which a rename would not
        except FileExistsError:
            pass
        finally:
            beside.unlink()
        sync_folder(folder)
    try:
        meta = msgspec.json.decode(path.read_bytes(), type=_Meta)
    except msgspec.MsgspecError as error:
        raise JournalError(f"it can't be read: {error}", where=str(path)) from error
    if meta.version != VERSION:
        raise JournalError(f"its version is {meta.version}, this program knows {VERSION}", where=str(path))
    return meta.lanes


# mypy holds both to the ports here.
_writer: type[JournalWriter] = FileWriter
_reader: type[JournalReader] = FileReader
