"""Records: what a collector took, before a product gives it ECS names.

A collector hands over *chunks*: bytes in one *format* with their *origin*; the journal keeps chunks as frames.
`normalise` turns the frames of a stretch into `Records` (parsed documents or lines with where each came from) and
these into batches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

# How the payload of a chunk is cut into records:
#   ndjson     one JSON document a line
#   bulk       the body of an Elasticsearch _bulk request: action line, document line, …
#   lines      one text record a line (LF or CRLF), e.g. an access log
#   syslog     syslog messages, each after its length (u32 big-endian), since a message may hold any byte
#   zeek       Zeek TSV lines; `Origin.header` holds the file's # lines
#   evtx       one record of a Windows event log a line, as the `evtx` parser's JSON
#   xml        Windows events as XML, length-prefixed as in syslog
#   csv        lines, a quoted value may hold their ends (`csv_records`); `Origin.header` holds the header line
Format = Literal["ndjson", "bulk", "lines", "syslog", "zeek", "evtx", "xml", "csv"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a chunk came from. Only `way` is always known; what a record claims of itself is not here."""

    way: str  # the collector: "file", "bulk", "syslog", "ingest", "scan"
    key: str | None = None  # id of the API key that sent it
    peer: str | None = None  # address of the sender, as text
    agent: str | None = None  # id of the agent that read it
    path: str | None = None  # the file, as the user or the agent named it
    fingerprint: str | None = None  # of the file's first 1,024 decompressed bytes
    offset: int | None = None  # of the payload's first byte in the decompressed file
    record: int | None = None  # number of the payload's first record in its file
    index: str | None = None  # index named in the URL of a _bulk request
    product: str | None = None  # "zeek.http" where the user or the setting said so (`--as`)
    header: str | None = None  # header lines that the payload needs to be read
    zone: str | None = None  # IANA time zone for records that have none
    year: int | None = None  # year for records that have none; arrival's otherwise


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes in one format from one origin: what a collector appends to the journal."""

    format: Format
    payload: bytes
    origin: Origin


class Frame(NamedTuple):
    """A chunk as the journal keeps it: its lane, its position there (a frame's number), when it arrived (µs since
    1970)."""

    lane: int
    position: int
    arrival: int
    chunk: Chunk


@dataclass(slots=True)
class Records:
    """`n` parsed records of one product stream, in input order; every sequence has `n` items.

    `documents` are parsed JSON objects, or `{"message": text}` for a text record; `originals` the raw text as sent
    (None where keeping it is switched off). `ids` are ready `tocsin.id`s. `arrivals` are µs since 1970.
    """

    documents: Sequence[dict[str, Any]]
    originals: Sequence[str | None]
    ids: Sequence[str]
    origins: Sequence[Origin]
    arrivals: Sequence[int]
    lanes: Sequence[int]
    positions: Sequence[int]
    numbers: Sequence[int]  # the record's number within its frame
    indexes: Sequence[str | None] = field(default_factory=list)  # `_index` of a bulk item

    def __len__(self) -> int:
        return len(self.documents)


class Rejected(NamedTuple):
    """A record that could not be read: its place among the records and why. It is kept as `tocsin.unparsed`."""

    row: int
    reason: str


Columns = dict[str, list[Any]]
# Cells (names times documents) that `explode` makes: 128 MB of pointers.
MAX_CELLS: Final = 16 << 20


class TooWideError(ValueError):
    """Documents of too many different names for one table: fewer documents at a time make a smaller one."""


def explode(documents: Sequence[dict[str, Any]], depth: int = 32) -> Columns:
    """Documents as columns under dotted names, each of `len(documents)` values with None where a document lacks the
    name.

    Documents of equal key order are handled together (`zip` over their values), nested objects column by column;
    lists stay as they are. An object nested deeper than `depth` stays an object. A name met twice (dotted and nested)
    keeps both values as a list. Raises `TooWideError` where several documents would make more than `MAX_CELLS` cells.
    """
    out: Columns = {}
    _explode(documents, range(len(documents)), "", out, len(documents), depth)
    return out


def _explode(
    documents: Sequence[dict[str, Any]], rows: Sequence[int], prefix: str, out: Columns, total: int, depth: int
) -> None:
    shapes: dict[tuple[str, ...], list[int]] = {}
    for place, document in enumerate(documents):
        shapes.setdefault(tuple(document), []).append(place)
    for shape, places in shapes.items():
        whole = len(places) == len(documents)
        group = documents if whole else [documents[i] for i in places]
        at = rows if whole else [rows[i] for i in places]
        for key, values in zip(shape, zip(*(d.values() for d in group), strict=True), strict=True):
            _place(prefix + str(key), values, at, out, total, depth)


def _place(name: str, values: Sequence[Any], rows: Sequence[int], out: Columns, total: int, depth: int) -> None:
    # Few columns hold objects: one look at the types, in C, spares a look at each value.
    if depth > 0 and dict in set(map(type, values)):
        nested = [i for i, value in enumerate(values) if type(value) is dict and value]
        _explode([values[i] for i in nested], [rows[i] for i in nested], name + ".", out, total, depth - 1)
        if len(nested) == len(values):
            return
        skip = set(nested)
        values, rows = (
            [v for i, v in enumerate(values) if i not in skip],
            [r for i, r in enumerate(rows) if i not in skip],
        )
    column = out.get(name)
    if column is None:
        if len(rows) == total:
            out[name] = list(values)
            return
        if total > 1 and (len(out) + 1) * total > MAX_CELLS:
            raise TooWideError(f"{total} documents of more than {len(out)} names")
        column = out[name] = [None] * total
    for row, value in zip(rows, values, strict=True):
        if value is None:
            continue
        held = column[row]
        if held is None:
            column[row] = value
        else:
            column[row] = [
                *(held if isinstance(held, list) else [held]),
                *(value if isinstance(value, list) else [value]),
            ]


def length_prefixed(payload: bytes) -> Iterator[bytes]:
    """The records of a `syslog` or `xml` payload: u32 big-endian length before each. A cut-off tail is given as it
    is."""
    at = 0
    while at + 4 <= len(payload):
        size = int.from_bytes(payload[at : at + 4], "big")
        yield payload[at + 4 : at + 4 + size]
        at += 4 + size
    if at < len(payload):
        yield payload[at:]


def with_lengths(records: Sequence[bytes]) -> bytes:
    """The inverse of `length_prefixed`."""
    return b"".join(part for record in records for part in (len(record).to_bytes(4, "big"), record))


# RFC 4180, and what is written all the same: a quote within a value that did not begin with one (5" disk) is a letter.
_CELLS: Final = rb'(?:,(?:"(?:[^"]++|"")*+"[^,]*+|[^",][^,]*+)?+)*+'
_CLOSED: Final = re.compile(rb'(?:"(?:[^"]++|"")*+"[^,]*+|[^",][^,]*+)?+' + _CELLS, re.DOTALL)
_CLOSES: Final = re.compile(rb'(?:[^"]++|"")*+"[^,]*+' + _CELLS, re.DOTALL)


def csv_records(lines: Sequence[bytes], limit: int, *, ahead: int | None = None) -> Iterator[tuple[bytes, bool]]:
    """The records of comma-separated lines (without their LF), and whether all their quotes are closed.

    A quoted value may hold line ends. Where it is not closed within `limit` bytes, each of the lines looked through is
    a record of its own, so that nothing is looked through over and over. `ahead` says that more lines follow, and how
    much of the next is there: a record that they may close is then not given, nor what comes after it.
    """
    at = looked = 0
    while at < len(lines):
        line, end = lines[at], at + 1
        closed = b'"' not in line or _CLOSED.fullmatch(line) is not None
        if not closed and at >= looked:
            size = len(line)
            while not closed and end < len(lines) and size <= limit:
                following = lines[end]
                size += 1 + len(following)
                end += 1
                closed = b'"' in following and _CLOSES.fullmatch(following) is not None
            if ahead is not None and not closed and size + ahead <= limit:
                return
            if not closed or size > limit:
                closed, looked, end = False, end, at + 1
        yield (line if end == at + 1 else b"\n".join(lines[at:end])), closed
        at = end
