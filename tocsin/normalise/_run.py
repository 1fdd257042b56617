"""The whole way from frames to one batch in input order: what `pipeline` calls for a stretch, and the command line
for a file.

Every record is in the batch once: as its product's event, or as `tocsin.unparsed` with its raw text and the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tocsin import registry
from tocsin.errors import PluginError, quoted
from tocsin.event import ip, time
from tocsin.event.batch import BatchBuilder, concat, interleaved
from tocsin.event.garbage import uncollected
from tocsin.event.records import Chunk, Frame, Origin, Records
from tocsin.event.schema import OVERFLOW, SCHEMA
from tocsin.lang.fields import Alias
from tocsin.normalise import Product, SourceHealth, StreamInfo
from tocsin.normalise._frames import Parsed, read
from tocsin.normalise._late import Marks
from tocsin.normalise._route import Route, Router, is_mapped
from tocsin.ports import PROCESS_SCHEMA

PACKAGE: Final = "tocsin.normalise"
UNPARSED: Final = "tocsin.unparsed"
# Bytes of a file that become one batch: some thousand events, as a stretch of the stream has.
TOGETHER: Final = 8 << 20
_MICROS: Final = pa.timestamp("us", tz="UTC")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Result:
    """`batch` in input order, the processes that its events name, and each source's health, by (dataset, sender)."""

    batch: pa.RecordBatch
    processes: pa.RecordBatch
    health: dict[tuple[str, str], SourceHealth] = field(default_factory=dict)


class FileBatch(NamedTuple):
    """Events of one file with their record numbers there (from 0; headers and blank lines excluded)."""

    batch: pa.RecordBatch
    path: str
    records: list[int]


def products() -> dict[str, Product]:
    """Every product of the folder and of third parties, by name. Raises `PluginError` for a file that has none."""
    found: dict[str, Product] = {}
    for name, module in registry.plugins(PACKAGE).items():
        product = getattr(module, "PRODUCT", None)
        if product is None:
            raise PluginError("it has no PRODUCT", where=f"{PACKAGE}.{name}")
        found[name] = product
    return found


class Normaliser:
    """Turns frames into batches. Made once; safe for one thread at a time.

    `known` are the products by name (all of the folder by default); `keep_original` says whether `event.original` is
    stored.
    """

    def __init__(self, known: Mapping[str, Product] | None = None, *, keep_original: bool = True) -> None:
        self._products = dict(products() if known is None else known)
        self._keep = keep_original
        self.router = Router(self._products)
        self._marks = Marks()

    @property
    def aliases(self) -> list[Alias]:
        """All products' aliases, for `lang.fields.Names`."""
        return [alias for product in self._products.values() for alias in product.aliases]

    @property
    def streams(self) -> dict[str, StreamInfo]:
        """Every stream under its `--as` name."""
        return {f"{name}.{info.name}": info for name, p in self._products.items() for info in p.streams}

    def run(self, frames: Sequence[Frame]) -> Result:
        """Normalise the frames' records."""
        with uncollected():
            return self._run(frames)[0]

    def processes(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The processes that the events of any products start, as rows of `PROCESS_SCHEMA`."""
        made = [p.processes(batch) for p in self._products.values() if hasattr(p, "processes")]
        rows = pa.Table.from_batches(made, schema=PROCESS_SCHEMA).combine_chunks()
        return rows.to_batches()[0] if rows.num_rows else _no_process()

    def numbered(self, frames: Sequence[Frame]) -> tuple[pa.RecordBatch, list[int]]:
        """The batch, and each row's record number within its frame or file."""
        with uncollected():
            result, parsed = self._run(frames)
            return result.batch, parsed.numbers

    def _run(self, frames: Sequence[Frame]) -> tuple[Result, Parsed]:
        parsed = read(frames)
        reasons = dict(parsed.reasons)
        batches: list[pa.RecordBatch] = []
        places: list[list[int]] = []
        there: list[int] = []
        for route, rows in self.router.groups(frames, parsed).items():
            product = self._products[route.product]
            batch, rejected = self._normalised(product, route, _select(frames, parsed, rows, self._keep))
            if rejected:
                reasons.update((rows[place], reason) for place, reason in rejected.items())
                there.extend(self._mapped_already(frames, parsed, [rows[place] for place in rejected]))
                rows = [row for place, row in enumerate(rows) if place not in rejected]
            if rows:
                batches.append(batch)
                places.append(rows)
        if there:
            rest = self.router.rest("document")
            batch, lost = self._normalised(
                self._products[rest.product], rest, _select(frames, parsed, there, self._keep)
            )
            for row in there:
                del reasons[row]
            reasons.update((there[place], reason) for place, reason in lost.items())
            batches.append(batch)
            places.append([row for place, row in enumerate(there) if place not in lost])
        if reasons:
            refused = sorted(reasons)
            batches.append(_unparsed([reasons[row] for row in refused]))
            places.append(refused)
        if not batches:
            return Result(_none(), _no_process()), parsed
        batch = _completed(interleaved(batches, places), frames, parsed, None if self._keep else reasons)
        return Result(batch, self.processes(batch), _health(batch, frames, parsed, reasons, self._marks)), parsed

    def _mapped_already(self, frames: Sequence[Frame], parsed: Parsed, rows: Iterable[int]) -> list[int]:
        """Of refused rows those whose document has been mapped to ECS before it came: it keeps the name of its data
        set, though nothing of what the product reads is left in it. What the user said it is stays refused."""
        return [
            row
            for row in rows
            if frames[parsed.frames[row]].chunk.origin.product is None and is_mapped(parsed.documents[row])
        ]

    def _normalised(self, product: Product, route: Route, records: Records) -> tuple[pa.RecordBatch, dict[int, str]]:
        """What the product makes of the records. Where it raises, the batch is halved: documents of too many names fit
        by then, and a product that breaks its promise loses only the record that it fails on."""
        try:
            batch, rejected = product.normalise(route.stream, records)
            if batch.num_rows + len(rejected) != len(records):
                raise PluginError(
                    f"{len(records)} records in, {batch.num_rows} events and {len(rejected)} rejects out",
                    where=".".join(route),
                )
            return batch, dict(rejected)
        except Exception as error:
            if len(records) == 1:
                _log.exception("%s failed on a record", ".".join(route))
                return _none(), {0: f"{'.'.join(route)} failed: {type(error).__name__}: {quoted(str(error))}"}
        half = len(records) // 2
        first, lost = self._normalised(product, route, _part(records, 0, half))
        second, more = self._normalised(product, route, _part(records, half, len(records)))
        return concat([first, second]), {**lost, **{half + row: reason for row, reason in more.items()}}


def normalise_file(
    chunks: Iterable[Chunk],
    as_: str | None = None,
    keep_original: bool = True,
    normaliser: Normaliser | None = None,
    arrival: int | None = None,
) -> Iterator[FileBatch]:
    """The events of files in input order, a batch for the chunks of a file that lie together and know their place.

    `as_` is `--as`; without it the format is recognised record by record. `arrival` (now by default) gives a year to
    times that have none. Raises `UsageError` for an `as_` that no product has.
    """
    normaliser = normaliser or Normaliser(keep_original=keep_original)
    if as_ is not None:
        normaliser.router.named(as_)
    moment = time.now() if arrival is None else arrival
    counts: dict[str, int] = {}
    for path, frames in _together(chunks):
        for place, frame in enumerate(frames):
            origin = frame.chunk.origin
            if origin.record is None or (as_ is not None and origin.product != as_):
                origin = _with(origin, record=origin.record or counts.get(path, 0), product=as_ or origin.product)
                chunk = Chunk(frame.chunk.format, frame.chunk.payload, origin)
                frames[place] = frame._replace(chunk=chunk)
        batch, numbers = normaliser.numbered([frame._replace(arrival=moment) for frame in frames])
        if numbers:
            counts[path] = numbers[-1] + 1
        if batch.num_rows:
            yield FileBatch(batch, path, numbers)


def _together(chunks: Iterable[Chunk]) -> Iterator[tuple[str, list[Frame]]]:
    """Chunks of one file in groups of about `TOGETHER` bytes; one that doesn't know its first record's number is
    alone, since that is counted from the batch before."""
    held: list[Frame] = []
    size = 0
    for place, chunk in enumerate(chunks):
        before = held[-1].chunk.origin if held else None
        alone = chunk.origin.record is None or (before is not None and before.record is None)
        if before is not None and (alone or before.path != chunk.origin.path or size >= TOGETHER):
            yield before.path or "-", held
            held, size = [], 0
        held.append(Frame(0, place, 0, chunk))
        size += len(chunk.payload)
    if held:
        yield held[-1].chunk.origin.path or "-", held


def _with(origin: Origin, *, record: int, product: str | None) -> Origin:
    return Origin(
        way=origin.way,
        key=origin.key,
        peer=origin.peer,
        agent=origin.agent,
        path=origin.path,
        fingerprint=origin.fingerprint,
        offset=origin.offset,
        record=record,
        index=origin.index,
        product=product,
        header=origin.header,
        zone=origin.zone,
        year=origin.year,
    )


def _select(frames: Sequence[Frame], parsed: Parsed, rows: list[int], keep: bool) -> Records:
    at = [parsed.frames[row] for row in rows]
    originals = parsed.originals
    return Records(
        documents=[parsed.documents[row] for row in rows],
        originals=[originals[row] for row in rows] if keep else [None] * len(rows),
        ids=[parsed.ids[row] for row in rows],
        origins=[frames[i].chunk.origin for i in at],
        arrivals=[frames[i].arrival for i in at],
        lanes=[frames[i].lane for i in at],
        positions=[frames[i].position for i in at],
        numbers=[parsed.numbers[row] for row in rows],
        indexes=[parsed.indexes[row] for row in rows],
    )


def _part(records: Records, start: int, end: int) -> Records:
    return Records(
        records.documents[start:end],
        records.originals[start:end],
        records.ids[start:end],
        records.origins[start:end],
        records.arrivals[start:end],
        records.lanes[start:end],
        records.positions[start:end],
        records.numbers[start:end],
        records.indexes[start:end],
    )


def _completed(
    batch: pa.RecordBatch, frames: Sequence[Frame], parsed: Parsed, only: Collection[int] | None
) -> pa.RecordBatch:
    """The batch with what Tocsin knows of every record: identity, arrival, place in the journal, sender, raw text (of
    the rows `only`, where not of all)."""
    at = np.array(parsed.frames, dtype=np.int64)
    ids = pa.array(parsed.ids, pa.string())
    own = batch.column("tocsin.id")
    columns: dict[str, pa.Array] = {
        "tocsin.id": ids if own.null_count == len(ids) else pc.coalesce(own, ids),
        "tocsin.record": pa.array(parsed.numbers, pa.int32()),
        **_per_frame(frames, at),
    }
    if only is None:
        columns["event.original"] = pa.array(parsed.originals, pa.string())
    else:
        columns["event.original"] = pa.array(
            [text if row in only else None for row, text in enumerate(parsed.originals)], pa.string()
        )
    paths = _spread([frame.chunk.origin.path for frame in frames], at)
    held = batch.column("log.file.path")
    if held.null_count == len(held):
        columns["log.file.path"] = paths
    elif held.null_count:
        columns["log.file.path"] = pc.coalesce(held.cast(pa.string()), paths.cast(pa.string())).dictionary_encode()
    times = batch.column("@timestamp")
    if times.null_count:  # where no time was found, when the record came is what is known
        columns["@timestamp"] = pc.coalesce(times, columns["tocsin.ingested"])
    if parsed.notes:
        columns["tags"] = _tagged(batch.column("tags"), [row in parsed.notes for row in range(len(parsed))])
    arrays = [columns.get(name, column) for name, column in zip(batch.schema.names, batch.columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _tagged(tags: pa.Array, marked: list[bool]) -> pa.Array:
    return pa.array(
        [
            [*(row or []), "invalid_utf8"] if mark else row or []
            for row, mark in zip(tags.to_pylist(), marked, strict=True)
        ],
        SCHEMA.field("tags").type,
    )


def _per_frame(frames: Sequence[Frame], at: np.ndarray[Any, Any]) -> dict[str, pa.Array]:
    """The columns that a frame decides, spread over its rows."""
    places = pa.array(at)
    origins = [frame.chunk.origin for frame in frames]
    peers = [ip.packed(origin.peer) if origin.peer else None for origin in origins]
    return {
        "tocsin.ingested": pa.array([frame.arrival for frame in frames], _MICROS).take(places),
        "tocsin.lane": pa.array([frame.lane for frame in frames], pa.int32()).take(places),
        "tocsin.position": pa.array([frame.position for frame in frames], pa.int64()).take(places),
        "tocsin.peer": pa.array(peers, SCHEMA.field("tocsin.peer").type).take(places),
        "tocsin.key": _spread([origin.key for origin in origins], at),
        "tocsin.way": _spread([origin.way for origin in origins], at),
    }


def _spread(values: Sequence[str | None], at: np.ndarray[Any, Any]) -> pa.Array:
    """A value a frame as a dictionary column over its rows."""
    coded = pa.array(values, pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(coded.indices.take(pa.array(at)), coded.dictionary)


def _unparsed(reasons: Sequence[str]) -> pa.RecordBatch:
    """What nobody could read, and why; its time is its arrival's."""
    builder = BatchBuilder(len(reasons))
    builder.constant("event.dataset", UNPARSED)
    builder.constant("event.module", "tocsin")
    builder.constant("event.kind", "pipeline_error")
    builder.put("error.message", reasons)
    return builder.finish()


def _health(
    batch: pa.RecordBatch, frames: Sequence[Frame], parsed: Parsed, reasons: Mapping[int, str], marks: Marks
) -> dict[tuple[str, str], SourceHealth]:
    """Counts by (dataset, sender); the sender is the key, the agent, the peer or the way, whichever is known first."""
    senders = [o.key or o.agent or o.peer or o.way for o in (frame.chunk.origin for frame in frames)]
    places = np.array(parsed.frames, dtype=np.int64)
    datasets = batch.column("event.dataset")
    codes = datasets.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    names = datasets.dictionary.to_pylist()
    sizes = np.fromiter(map(len, parsed.originals), dtype=np.int64, count=len(parsed))
    over = pc.list_value_length(batch.column(OVERFLOW)).fill_null(0).to_numpy(zero_copy_only=False) > 0
    times = batch.column("@timestamp").cast(pa.int64()).to_numpy(zero_copy_only=False)
    pairs, inverse = np.unique(np.stack([codes, places]), axis=1, return_inverse=True)
    inverse = inverse.reshape(-1)
    out: dict[tuple[str, str], SourceHealth] = {}
    for place in range(pairs.shape[1]):
        rows = np.flatnonzero(inverse == place)
        code, frame = pairs[:, place]
        source = (names[code] if code >= 0 else "", senders[frame])
        health = out.setdefault(source, SourceHealth())
        health.late += marks.late(source, times[rows], frames[frame].arrival)
        health.events += len(rows)
        health.bytes += int(sizes[rows].sum())
        health.overflowed += int(over[rows].sum())
        health.last = max(health.last, int(times[rows].max()))
    for row, reason in reasons.items():
        counts = out[(UNPARSED, senders[parsed.frames[row]])].unparsed
        short = reason.partition(":")[0][:80]
        counts[short] = counts.get(short, 0) + 1
    return out


def _none() -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=SCHEMA)


def _no_process() -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=PROCESS_SCHEMA)


__all__ = ["FileBatch", "Normaliser", "Result", "normalise_file", "products"]
