"""What commands read: files, globs, folders and `-`, as batches of events."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tocsin.errors import UsageError

if TYPE_CHECKING:
    from tocsin.normalise._run import FileBatch, Normaliser

# What a folder given as an input is searched for; a file that is named itself may have any ending.
_ENDINGS = {".evtx", ".json", ".ndjson", ".jsonl", ".log", ".xml", ".csv", ".parquet", ".txt", ".gz", ".zst"}


def paths(inputs: Iterable[str]) -> list[str]:
    """The files of inputs in order: `-`, files, globs, and folders (their files, sorted)."""
    out: list[str] = []
    for text in inputs:
        path = Path(text)
        if text == "-" or path.is_file():
            out.append(text)
        elif path.is_dir():
            out.extend(str(f) for f in sorted(path.rglob("*")) if f.is_file() and f.suffix.lower() in _ENDINGS)
        elif found := sorted(glob.glob(text, recursive=True)):  # noqa: PTH207  # a user's pattern, absolute or not
            out.extend(each for each in found if Path(each).is_file())
        else:
            raise UsageError("there is no such file", where=text)
    return out


def batches(
    inputs: Iterable[str],
    normaliser: Normaliser,
    *,
    way: str,
    as_: str | None = None,
    keep_original: bool = True,
) -> Iterator[FileBatch]:
    """The events of all inputs, batch by batch, in input order; record numbers count from 0 within each file."""
    from tocsin.collect._read import read_file
    from tocsin.normalise._run import normalise_file

    for path in paths(inputs):
        yield from normalise_file(read_file(path, way=way, product=as_), as_, keep_original, normaliser)
