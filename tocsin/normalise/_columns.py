"""Streams as tables: which source column becomes which ECS column, by column and never by event.

A `Stream` says its constants, its columns and what is derived of several. A source column that became an ECS column
with the same values is not stored again (the stream's `aliases` find it under its own name); every other one is kept
under the product's prefix, as the source named it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.errors import quoted
from tocsin.event import ip as addresses
from tocsin.event import time
from tocsin.event.batch import BatchBuilder
from tocsin.event.community_id import community_ids
from tocsin.event.records import Columns, Records, Rejected, explode
from tocsin.event.schema import IP_TYPE
from tocsin.lang.fields import Alias, scope_of
from tocsin.normalise import Claim, Normalised, StreamInfo
from tocsin.normalise._frames import parse_json
from tocsin.normalise._syslog import from_document, is_document

Values = list[Any]
_BEYOND: Final = "\0beyond "
# A shipper's own account of a record: what Tocsin sets by itself, or what the record says better.
_ENVELOPE_DROPPED: Final = frozenset(
    {"event.dataset", "event.module", "event.original", "fileset.name", "@metadata", "input.type", "@version"}
)


class Table:
    """The columns of one batch while a stream works on it: `source` as sent, `out` in ECS, `around` what shippers wrote
    around the records (in ECS too), each `n` values long."""

    __slots__ = ("around", "n", "out", "records", "rejected", "source")

    def __init__(self, records: Records, source: Columns) -> None:
        self.n = len(records)
        self.records = records
        self.source = source
        self.out: dict[str, Values | pa.Array] = {}
        self.around: Columns = {}
        self.rejected: dict[int, str] = {}

    def get(self, name: str) -> Values:
        """A source column, all missing where nobody sent it."""
        return self.source.get(name) or [None] * self.n

    def take(self, name: str) -> Values:
        """A source column that is kept no longer under its own name."""
        return self.source.pop(name, None) or [None] * self.n

    def ecs(self, name: str) -> Values:
        """An ECS column set so far, as Python values."""
        values = self.out.get(name)
        if values is None:
            return [None] * self.n
        return values.to_pylist() if isinstance(values, pa.Array) else values

    def set(self, name: str, values: Values | pa.Array) -> None:
        """Set an ECS column; values already there stay, new ones fill the gaps."""
        held = self.out.get(name)
        if held is None:
            self.out[name] = values
        else:
            self.out[name] = first(self.ecs(name), values.to_pylist() if isinstance(values, pa.Array) else values)

    def reject(self, row: int, reason: str) -> None:
        """This record becomes no event of the stream; the first reason counts."""
        self.rejected.setdefault(row, reason)


@dataclass(frozen=True, slots=True)
class From:
    """Where an ECS column comes from: the first of `names` that a record has, through `read`. `keep` stores the
    source's own column too, because its values differ from the ECS ones."""

    names: tuple[str, ...]
    read: Callable[[Values, Table], Values | pa.Array] | None = None
    keep: bool = False


def fields(names: str) -> frozenset[str]:
    """ECS names, written with spaces between them."""
    return frozenset(names.split())


def text(*names: str) -> From:
    """Values as they are; the column's type decides what they become."""
    return From(names)


ip = integer = number = boolean = text


def lower(*names: str) -> From:
    """Texts in lower case; the source's spelling is kept where it differs."""
    return From(names, lambda values, _: [v.lower() if type(v) is str else v for v in values], keep=True)


def mapped(table: Mapping[Any, Any], *names: str) -> From:
    """Values looked up in a table; what it lacks is missing. The source's own are kept."""
    return From(names, lambda values, _: [table.get(v) if v.__hash__ else None for v in values], keep=True)


def split(*names: str, by: str = ",") -> From:
    """Texts cut into lists."""
    return From(
        names, lambda values, _: [[p.strip() for p in v.split(by)] if type(v) is str else v for v in values], keep=False
    )


def nanoseconds(*names: str) -> From:
    """Seconds as the nanoseconds of `event.duration`."""
    return From(names, lambda values, _: _all_nanoseconds(values))


def _all_nanoseconds(values: Values) -> Values:
    if set(map(type, values)) == {float}:
        seconds = np.array(values, dtype=np.float64)
        if bool((np.abs(seconds) < 9e9).all()):
            whole: Values = np.rint(seconds * 1e9).astype(np.int64).tolist()
            return whole
    return [_nanoseconds(value) for value in values]


def _nanoseconds(value: Any) -> Any:
    if type(value) is str:
        try:
            value = float(value[:32])
        except ValueError:
            return value
    if type(value) not in (int, float) or not abs(value) < 9e9:
        return value
    return round(value * 1_000_000_000)


def epoch(*names: str) -> From:
    """A time as the record's own; one that can't be read makes the record `rejected`."""
    return From(names, partial(_epoch, names[0]))


def _epoch(name: str, values: Values, table: Table) -> pa.Array:
    if set(map(type, values)) == {float}:
        seconds = np.array(values, dtype=np.float64)
        if bool(((seconds >= 1e8) & (seconds < 1e11)).all()):
            return pa.array(np.rint(seconds * 1e6).astype(np.int64)).cast(pa.timestamp("us", tz="UTC"))
    micros = [time.read(value) for value in values]
    for row, moment in enumerate(micros):
        if moment is None:
            table.reject(row, f"{name} is no time, such as seconds since 1970: {quoted(values[row], 60)}")
    return moments(table, "@timestamp", micros, values)


def moments(table: Table, name: str, micros: Sequence[int | None], sent: Sequence[Any]) -> pa.Array:
    """A time column; what lies beyond 1601–2299 becomes the nearest bound, with the source's text in the map."""
    array, beyond = moments_of(micros, sent)
    if beyond is not None:
        table.out[_BEYOND + name] = beyond
    return array


def moments_of(micros: Sequence[int | None], sent: Sequence[Any]) -> tuple[pa.Array, Values | None]:
    """Times as a column within bounds, and what the source wrote where they are beyond (None where none is)."""
    bounded = [None if moment is None else time.clamp(moment) for moment in micros]
    array = pa.array(bounded, pa.timestamp("us", tz="UTC"))
    if bounded == list(micros):
        return array, None
    compared = zip(micros, bounded, sent, strict=True)
    return array, [None if moment == bound else str(value) for moment, bound, value in compared]


def epoch_date(*names: str) -> From:
    """A time beside the record's own; what is none is kept as it was sent."""
    return From(names, lambda values, _: [_date(value) for value in values])


def _date(value: Any) -> Any:
    micros = time.read(value)
    return value if micros is None else time.iso(time.clamp(micros))


Derive = Callable[[Table], None]


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a table-driven product: `--as PRODUCT.NAME`.

    `before` prepares source columns (cuts a text line into them), `columns` maps them, `derive` sets what depends on
    several. `inner` names a column that a whole record has: a document without it, but with a `message` that is JSON,
    is a shipper's envelope around the record.
    """

    name: str
    dataset: str
    columns: Mapping[str, From]
    constants: Mapping[str, Any] = field(default_factory=dict)
    before: tuple[Derive, ...] = ()
    derive: tuple[Derive, ...] = ()
    prefix: str = ""
    claims: tuple[Claim, ...] = ()
    sets: frozenset[str] = frozenset()  # ECS fields that `before` and `derive` can set
    inner: str = ""
    ecs: bool = False  # the source's remaining names are ECS's already

    @property
    def info(self) -> StreamInfo:
        """What the outside may know."""
        always = {"@timestamp", "event.dataset", "event.module", "event.kind"}
        return StreamInfo(
            self.name,
            self.dataset,
            self.claims,
            frozenset({*self.columns, *self.constants, *self.sets, *always}),
            str(self.constants.get("host.os.type", "")),
        )

    @property
    def aliases(self) -> list[Alias]:
        """The source's names whose values stand in an ECS column unchanged."""
        scope = scope_of([self.dataset])
        return [
            Alias(f"{self.prefix}.{origin.names[0]}", name, scope)
            for name, origin in self.columns.items()
            if origin.read is None and self.prefix and len(origin.names) == 1
        ]

    def normalise(self, records: Records) -> Normalised:
        """Read the records, by column."""
        documents, envelopes, reasons = _unwrapped(records.documents, self.inner)
        table = Table(records, explode(documents))
        table.around = envelopes
        table.rejected.update(reasons)
        for step in self.before:
            step(table)
        for name, origin in self.columns.items():
            values = self._column(table, origin)
            if values is not None:
                table.set(name, values if origin.read is None else origin.read(values, table))
        if "network.transport" in self.constants:  # part of a flow's identity
            table.set("network.transport", [self.constants["network.transport"]] * table.n)
        for step in self.derive:
            step(table)
        return finish(table, self, envelopes)

    def _column(self, table: Table, origin: From) -> Values | None:
        fetch = table.source.get if origin.keep else table.source.pop
        columns = [column for name in origin.names if (column := fetch(name, None)) is not None]
        if not columns:
            # A reader of times must see that there is none.
            return [None] * table.n if origin.read is not None and isinstance(origin.read, partial) else None
        return columns[0] if len(columns) == 1 else first(*columns)


def finish(table: Table, stream: Stream, envelopes: Columns) -> Normalised:
    """The batch of a worked table, without the rejected rows."""
    builder = BatchBuilder(table.n)
    if "event.dataset" not in table.out:
        builder.constant("event.dataset", stream.dataset)
    builder.constant("event.module", stream.dataset.partition(".")[0])
    if "event.kind" not in table.out and "event.kind" not in stream.constants:
        builder.constant("event.kind", "event")
    for name, value in stream.constants.items():
        if name in table.out:
            table.set(name, [value] * table.n)
        else:
            builder.constant(name, value)
    for name, values in table.out.items():
        if name.startswith(_BEYOND):
            builder.overflow(name.removeprefix(_BEYOND), values)
        else:
            builder.put(name, _filled(name, values, envelopes[name], table) if name in envelopes else values)
    for name, values in table.source.items():
        full = name if stream.ecs or not stream.prefix else f"{stream.prefix}.{name}"
        builder.source(full, values)
    for name, values in envelopes.items():
        if name in _ENVELOPE_DROPPED or name.startswith("data_stream."):
            continue
        if name == "@timestamp":
            name = "event.created"
        if not builder.has(name):
            builder.source(name, values)
    batch = builder.finish()
    if not table.rejected:
        return Normalised(batch, [])
    keep = np.ones(table.n, dtype=bool)
    keep[list(table.rejected)] = False
    rejected = [Rejected(row, reason) for row, reason in sorted(table.rejected.items())]
    return Normalised(batch.filter(pa.array(keep)), rejected)


def _filled(name: str, values: Values | pa.Array, around: Values, table: Table) -> Values | pa.Array:
    """A column with what the shipper's envelope says where the record itself says nothing: a line without a time or a
    host has those of its document."""
    if isinstance(values, pa.Array):
        if name != "@timestamp" or not values.null_count:
            return values
        records = table.records
        micros = [
            time.read(value, arrival, origin.zone, origin.year)
            for value, arrival, origin in zip(around, records.arrivals, records.origins, strict=True)
        ]
        return pc.coalesce(values, moments_of(micros, around)[0])
    return [b if a is None else a for a, b in zip(values, around, strict=True)]


def _unwrapped(
    documents: Sequence[dict[str, Any]], inner: str
) -> tuple[Sequence[dict[str, Any]], Columns, dict[int, str]]:
    """The records themselves, what shippers wrote around them (as ECS columns), and the rows whose inner JSON is
    broken."""
    if inner:
        wrapped = [row for row, document in enumerate(documents) if inner not in document]
    else:
        wrapped = [row for row, document in enumerate(documents) if len(document) > 1]
    if not wrapped:
        return documents, {}, {}
    out = list(documents)
    around: list[dict[str, Any]] = [{} for _ in documents]
    reasons: dict[int, str] = {}
    for row in wrapped:
        document = documents[row]
        message, held = document.get("message"), document.get("json")
        if not inner:
            sent = from_document(document) if is_document(document) else None
            if sent is not None:
                out[row], around[row] = {"message": sent[0]}, sent[1]
                continue
            out[row] = {"message": message}
        elif type(held) is dict and inner in held:
            out[row] = held
        elif type(message) is str and message.startswith("{"):
            read = parse_json(message.encode("utf-8", "replace"))
            if isinstance(read, str):
                reasons[row] = read
                continue
            out[row] = read
        else:
            continue
        around[row] = {name: value for name, value in document.items() if name not in ("message", "json")}
    return out, explode(around) if any(around) else {}, reasons


def first(*columns: Sequence[Any]) -> Values:
    """Row by row the first value that is there."""
    out = list(columns[0])
    for column in columns[1:]:
        if None not in out:
            break
        out = [b if a is None else a for a, b in zip(out, column, strict=True)]
    return out


def joined(*columns: Sequence[Any]) -> Values:
    """Row by row the distinct texts of all columns, in order; None where there is none."""
    if len(columns) == 1:
        return [_distinct((value,)) for value in columns[0]]
    return [_distinct(row) for row in zip(*columns, strict=True)]


def _distinct(row: Iterable[Any]) -> list[str] | None:
    found: dict[str, None] = {}
    for value in row:
        if type(value) is str:
            if value:
                found[value] = None
        elif type(value) is list:
            found.update((item, None) for item in value if type(item) is str and item)
    return list(found) or None


def related_ips(*columns: Sequence[Any]) -> pa.Array:
    """`related.ip` of address columns (texts, or lists of them): distinct, in order; what is no address is left out."""
    packed = addresses.packed
    if all(set(map(type, column)) <= {str, type(None)} for column in columns):
        return _related_scalars([[packed(v) if v is not None else None for v in column] for column in columns])
    flat: list[bytes] = []
    offsets = [0]
    for row in joined(*columns):
        if row is not None:
            flat.extend(dict.fromkeys(item for value in row if (item := packed(value)) is not None))
        offsets.append(len(flat))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(flat, IP_TYPE))


def _related_scalars(columns: Sequence[Sequence[bytes | None]]) -> pa.Array:
    """The same for one address a row and column, at numpy's speed."""
    n, width = len(columns[0]), len(columns)
    missing = bytes(16)
    values = np.empty((n, width), dtype="V16")
    there = np.empty((n, width), dtype=bool)
    for place, column in enumerate(columns):
        values[:, place] = np.frombuffer(b"".join([v or missing for v in column]), dtype="V16")
        there[:, place] = np.fromiter((v is not None for v in column), dtype=bool, count=n)
        for before in range(place):
            there[:, place] &= ~(there[:, before] & (values[:, before] == values[:, place]))
    offsets = np.zeros(n + 1, dtype=np.int32)
    np.cumsum(there.sum(axis=1), out=offsets[1:])
    data = pa.py_buffer(values[there].tobytes())
    flat = pa.FixedSizeBinaryArray.from_buffers(IP_TYPE, int(offsets[-1]), [None, data])
    return pa.ListArray.from_arrays(pa.array(offsets), flat)


def related(*, ips: Sequence[str] = (), **names: Sequence[str]) -> Derive:
    """`related.ip` from the ECS columns `ips`, `related.user`, `.hosts`, `.hash` from those that their names give."""

    def derive(table: Table) -> None:
        there = [table.ecs(name) for name in ips if name in table.out]
        if there:
            table.set("related.ip", related_ips(*there))
        for kind, columns in names.items():
            held = [table.ecs(name) for name in columns if name in table.out]
            if held:
                table.set(f"related.{kind}", joined(*held))

    return derive


def addressed(table: Table) -> None:
    """`source.address` and `destination.address` beside the addresses, and `network.type`."""
    for side in ("source", "destination"):
        if f"{side}.ip" in table.out and f"{side}.address" not in table.out:
            table.set(f"{side}.address", [v if type(v) is str else None for v in table.ecs(f"{side}.ip")])


def community(table: Table) -> None:
    """`network.community_id` of the flow between source and destination, where all five parts are known."""
    if "source.ip" not in table.out or "destination.ip" not in table.out:
        return
    packed = addresses.packed
    source, destination = (
        [packed(v) if type(v) is str else None for v in table.ecs(f"{side}.ip")] for side in ("source", "destination")
    )
    ports = (
        [v if type(v) is int and 0 <= v <= 65535 else _port(v) for v in table.ecs(f"{side}.port")]
        for side in ("source", "destination")
    )
    transport = [v if type(v) is str else None for v in table.ecs("network.transport")]
    sport, dport = ports
    table.set("network.community_id", list(community_ids(source, sport, destination, dport, transport)))


def _port(value: Any) -> int | None:
    try:
        port = int(value) if type(value) is str and len(value) < 6 else None
    except ValueError:
        return None
    return port if port is not None and 0 <= port <= 65535 else None


class TableProduct:
    """A product whose streams are tables: what a plug-in file calls `PRODUCT`."""

    def __init__(self, name: str, *streams: Stream, aliases: Iterable[Alias] = ()) -> None:
        self.name = name
        self._streams = {stream.name: stream for stream in streams}
        self.streams: tuple[StreamInfo, ...] = tuple(stream.info for stream in streams)
        self.aliases: tuple[Alias, ...] = (*aliases, *(alias for stream in streams for alias in stream.aliases))

    def normalise(self, stream: str, records: Records) -> Normalised:
        """Read the records as that stream."""
        return self._streams[stream].normalise(records)
