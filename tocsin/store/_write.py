"""Inserts: a stretch's events, hits and processes, once, in blocks that fit the memory there is."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.errors import BusyError
from tocsin.metrics import counter, histogram
from tocsin.store._engine import Engine, MemoryRefusedError
from tocsin.store._names import Known
from tocsin.store._unseen import Seen

Months = npt.NDArray[np.int64]
BLOCK: Final = 16_000
# An insert takes four to five times its block while it sorts, indexes and compresses.
BLOCK_BYTES: Final = 64 << 20
SMALLEST: Final = 250
# ClickHouse refuses an insert that touches more than 100 partitions (max_partitions_per_insert_block).
PARTITIONS: Final = 90
_DAY: Final = 86_400_000_000
_FIRST: Final = 946_684_800_000_000  # 2000-01-01

EVENTS = counter("tocsin_store_events", "Events stored.")
REPEATED = counter("tocsin_store_repeated", "Events that were stored already.")
REFUSED = counter("tocsin_store_refused", "Inserts that the store had no memory for, and that were tried smaller.")
SECONDS = histogram("tocsin_store_insert_seconds", "Time of storing one stretch.")


class Inserted(NamedTuple):
    """How many events were new, and how many the store had already."""

    events: int
    repeated: int


class Writer:
    """Writes the tables of the event path. Safe from many threads; they take turns."""

    def __init__(self, engine: Engine, known: Known) -> None:
        self._engine = engine
        self._known = known
        self._seen = Seen(engine)
        self._lock = threading.Lock()

    def insert(
        self,
        token: str,
        events: pa.RecordBatch | None,
        hits: pa.RecordBatch | None = None,
        processes: pa.RecordBatch | None = None,
    ) -> Inserted:
        """Stores a stretch; durable and searchable on return.

        `token` names the stretch (lane and start): the same again changes nothing, whatever part of it was stored
        before. Events of an id that is stored already are dropped. Raises `BusyError` when there is no memory even
        for small blocks; the same call may be tried again then.
        """
        with self._lock, SECONDS.time():
            new = total = 0
            if events is not None and events.num_rows:
                total = events.num_rows
                self._known.add("events", events)
                for place, block in enumerate(_blocks(events)):
                    new += self._events(f"{token}:events:{place}", block)
            if hits is not None and hits.num_rows:
                self._put("hits", hits, f"{token}:hits:{_generations(hits)}", months(hits, "arrival"))
            if processes is not None and processes.num_rows:
                self._put("processes", processes, f"{token}:processes", None)
        EVENTS.inc(new)
        REPEATED.inc(total - new)
        return Inserted(new, total - new)

    def unseen(self, events: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """True for each event that is not stored, nor a repeat within the batch."""
        with self._lock:
            return self._seen.unseen(events)

    def forget(self) -> None:
        """Partitions were dropped."""
        with self._lock:
            self._seen.forget()

    def _events(self, token: str, block: pa.RecordBatch) -> int:
        fresh = self._seen.unseen(block)
        if not fresh.all():
            block = block.filter(pa.array(fresh))
        if block.num_rows:
            self._put("events", block, token, _event_partitions(block))
            self._seen.stored(block)
        return int(block.num_rows)

    def _put(self, table: str, batch: pa.RecordBatch, token: str, partitions: Months | None) -> None:
        for suffix, part in _split(batch, partitions):
            self._halving(table, part, token + suffix)

    def _halving(self, table: str, batch: pa.RecordBatch, token: str) -> None:
        try:
            self._engine.insert(table, batch, token)
        except MemoryRefusedError as error:
            REFUSED.inc()
            if batch.num_rows < 2 * SMALLEST:
                hint = "raise store.max_server_memory_usage if this lasts"
                raise BusyError("the store is out of memory", where="store", hint=hint, retry_after=2.0) from error
            half = batch.num_rows // 2
            self._engine.relieve()
            self._halving(table, batch.slice(0, half), token + ".0")
            self._halving(table, batch.slice(half), token + ".1")


def _blocks(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in blocks that an insert has the memory for; the same batch gives the same blocks."""
    for start in range(0, batch.num_rows, BLOCK):
        yield from _halves(batch.slice(start, BLOCK))


def _halves(block: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if block.num_rows < 2 * SMALLEST or _bytes(block) <= BLOCK_BYTES:
        yield block
        return
    half = block.num_rows // 2
    yield from _halves(block.slice(0, half))
    yield from _halves(block.slice(half))


def _bytes(block: pa.RecordBatch) -> int:
    """What its rows take; dictionaries, which a slice has whole, don't count."""
    return sum((column.indices if pa.types.is_dictionary(column.type) else column).nbytes for column in block.columns)


def _split(batch: pa.RecordBatch, partitions: Months | None) -> Iterator[tuple[str, pa.RecordBatch]]:
    if partitions is None:
        yield "", batch
        return
    kinds = np.unique(partitions)
    if len(kinds) <= PARTITIONS:
        yield "", batch
        return
    for start in range(0, len(kinds), PARTITIONS):
        rows = np.isin(partitions, kinds[start : start + PARTITIONS])
        yield f":{start}", batch.filter(pa.array(rows))


def _event_partitions(batch: pa.RecordBatch) -> Months:
    """A number for each row's partition: its month, or, negative, that of its arrival where its time is odd."""
    time = np.asarray(batch.column("@timestamp").cast(pa.int64()))
    arrival = np.asarray(batch.column("tocsin.ingested").cast(pa.int64()))
    odd = (time < _FIRST) | (time > arrival + _DAY)
    return np.where(odd, -1 - _month(arrival), _month(time))


def months(batch: pa.RecordBatch, column: str) -> Months:
    """The month of each row's time, as a number."""
    return _month(np.asarray(batch.column(column).cast(pa.int64())))


def _month(micros: Months) -> Months:
    return micros.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def _generations(hits: pa.RecordBatch) -> str:
    """Which rules' generations the hits are of: other content under the same token would be dropped."""
    names = sorted(str(name) for name in pc.unique(hits.column("generation")).to_pylist())
    return hashlib.blake2b("\0".join(names).encode(), digest_size=8).hexdigest()
