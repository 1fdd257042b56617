"""Events for benchmarks: the lines of files and archives, and batches of them again and again, as other events."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.errors import UsageError
from tocsin.event.records import Chunk, Origin
from tocsin.event.schema import HOT, SCHEMA
from tocsin.normalise._run import Normaliser, normalise_file

ROWS: Final = 16_000
DAY: Final = 86_400_000_000
# What is made ends here, whenever it is made: 2023-11-14.
END: Final = 1_700_000_000_000_000


def lines(paths: Iterable[Path]) -> Iterator[bytes]:
    """The documents of files, archives and folders, in the order of their paths. Archives of other than Windows hosts
    lie beside those that are wanted: their lines name no channel."""
    for path in paths:
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        for each in found:
            if each.suffix == ".zip":
                with zipfile.ZipFile(each) as archive:
                    for name in archive.namelist():
                        if name.endswith(".json"):
                            with archive.open(name) as file:
                                yield from (line for line in file if b'"Channel"' in line)
            elif each.suffix in (".json", ".ndjson"):
                with each.open("rb") as file:
                    yield from (line for line in file if line.strip())


def batches(paths: Sequence[Path], normaliser: Normaliser, most: int, rows: int = ROWS) -> Iterator[pa.RecordBatch]:
    """Up to `most` events of files, archives and folders, normalised, in batches of `rows`."""
    left = most
    for made in normalise_file(_chunks(lines(paths), rows), normaliser=normaliser, arrival=END):
        yield made.batch.slice(0, left)
        left -= made.batch.num_rows
        if left <= 0:
            return


def _chunks(found: Iterable[bytes], rows: int) -> Iterator[Chunk]:
    held: list[bytes] = []
    for line in found:
        held.append(line.strip())
        if len(held) == rows:
            yield Chunk("ndjson", b"\n".join(held), Origin(way="bench"))
            held = []
    if held:
        yield Chunk("ndjson", b"\n".join(held), Origin(way="bench"))


class Repeated:
    """So many events made of those of files: each pass over them has other ids, record numbers and times. Times are
    spread evenly over `days`.

    The events of one pass lie in a file that is mapped, so that memory that is measured is not theirs. Raises
    `UsageError` where the files hold none.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        folder: Path,
        events: int,
        *,
        distinct: int = 100_000,
        days: int = 30,
        originals: bool = True,
    ) -> None:
        self.events = events
        self.days = days
        self._path = folder / "events.arrow"
        self._normaliser = Normaliser()
        self.held = 0
        self.raw_bytes = 0
        with pa.OSFile(str(self._path), "wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as writer:
            for batch in batches(paths, self._normaliser, min(distinct, events)):
                original = batch.column("event.original")
                self.raw_bytes += int(pc.sum(pc.binary_length(original)).as_py() or 0) + batch.num_rows
                if not originals:
                    at = batch.schema.get_field_index("event.original")
                    batch = batch.set_column(at, SCHEMA.field(at), pa.nulls(batch.num_rows, original.type))
                writer.write_batch(batch)
                self.held += batch.num_rows
        if not self.held:
            raise UsageError("no events in it", where=", ".join(map(str, paths)))
        self.raw_bytes = self.raw_bytes * events // self.held

    @property
    def normaliser(self) -> Normaliser:
        """What made them; it has the products' aliases."""
        return self._normaliser

    def __iter__(self) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
        """The events, batch by batch, each with the processes that it starts."""
        done = 0
        while done < self.events:
            turn = done // self.held
            with pa.memory_map(str(self._path)) as source, pa.ipc.open_stream(source) as reader:
                for batch in reader:
                    batch = _as_others(batch.slice(0, self.events - done), turn, self._times(done, batch.num_rows))
                    yield batch, self._normaliser.processes(batch)
                    done += batch.num_rows
                    if done >= self.events:
                        return

    def _times(self, first: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        step = self.days * DAY / self.events
        return END - self.days * DAY + ((first + np.arange(count)) * step).astype(np.int64)


def _as_others(batch: pa.RecordBatch, turn: int, times: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.RecordBatch:
    """The batch as other events of these times."""
    mark = b"%d:" % turn
    ids = [blake2b(mark + each.encode(), digest_size=16).hexdigest() for each in batch.column("tocsin.id").to_pylist()]
    times = times[: batch.num_rows]
    changed = {
        "tocsin.id": pa.array(ids, pa.string()),
        "@timestamp": pa.array(times, HOT["@timestamp"].arrow),
        "tocsin.ingested": pa.array(times + 1_000_000, HOT["tocsin.ingested"].arrow),
        "winlog.record_id": pc.add(batch.column("winlog.record_id"), turn * 1_000_000_000),
    }
    arrays = [changed.get(name, column) for name, column in zip(batch.schema.names, batch.columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)
