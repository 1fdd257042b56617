"""Turns records into ECS batches; each public file is a product, named as the user writes it in `--as zeek.http`.

A product file holds `PRODUCT: Product`. A product works on a batch and by column. It never raises for a record: what it
cannot read is returned in `rejected`, with the reason, and the pipeline keeps it as `tocsin.unparsed`.

Machinery: `_columns` (tables of columns for simple products), `_frames` (frames → records), `_route` (records →
product streams), `_run` (the whole way: frames → one batch, which `pipeline` calls).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import pyarrow as pa

from tocsin.event.records import Records, Rejected
from tocsin.lang.fields import Alias


class Normalised(NamedTuple):
    """Events (columns of `event.schema.SCHEMA`, in input order) and the records that are not among them."""

    batch: pa.RecordBatch
    rejected: list[Rejected]


@dataclass(frozen=True, slots=True)
class Claim:
    """How a stream's records are known; every given property must hold. Two products that claim one record fail `make
    test`.

    `dataset`: the document says so (`event.dataset`, `data_stream.dataset`, `fileset`/`event.module`), or an index
    `logs-DATASET-*` does.
    `channel`: the Windows channel. `program`: syslog's program name. `path`: a file name pattern (`conn*.log`),
    `first`: what a text record begins with (RE2, anchored; a syslog head may stand before it). `keys`: names that a
    JSON document must have at the top; `zeek`: Zeek's `#path`. `rest`: takes what nobody claims of the kind
    ("document", "text", "syslog"). The channel `*`, and `*` in `zeek`, stand for all that nobody names.
    """

    dataset: frozenset[str] = frozenset()
    channel: frozenset[str] = frozenset()
    program: frozenset[str] = frozenset()
    path: str = ""
    first: str = ""
    keys: frozenset[str] = frozenset()
    zeek: frozenset[str] = frozenset()
    rest: str = ""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What the outside may know of one stream: `--as PRODUCT.NAME`, its dataset, how it is known, which ECS fields it
    can set."""

    name: str
    dataset: str
    claims: tuple[Claim, ...] = ()
    fields: frozenset[str] = frozenset()
    os: str = ""  # host.os.type where it is always the same; "" with the reason in the docstring otherwise


class Product(Protocol):
    """What the machinery calls, once a batch and stream."""

    name: str
    streams: tuple[StreamInfo, ...]
    aliases: tuple[Alias, ...]

    def normalise(self, stream: str, records: Records) -> Normalised:
        """Read `len(records)` records; every one of them is in `batch` or in `rejected`, in input order."""
        ...


@dataclass(slots=True)
class SourceHealth:
    """What one source did in a batch: for the page Sources. Keys are (dataset, sender)."""

    events: int = 0
    bytes: int = 0
    overflowed: int = 0
    unparsed: dict[str, int] = field(default_factory=dict)
    last: int = 0
    late: int = 0  # events more than five minutes behind what the source had sent before
