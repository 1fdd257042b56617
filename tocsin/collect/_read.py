"""Reads files: recognises their format by content, and cuts them into chunks of records.

`read_file` reads one file from beginning to end; `Cutter` is the same for bytes that come bit by bit, and goes on from
where an earlier one stood. Both keep to the rule that makes a record's identity the same however often it is read: the
payload is the file's own bytes, beginning at `Origin.offset`, and `Origin.record` counts records that are neither
header nor blank.
"""

from __future__ import annotations

import codecs
import itertools
import logging
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple

import orjson

from tocsin.collect._packed import CHUNK, UnreadableError, as_utf8, decompressed
from tocsin.errors import quoted
from tocsin.event.records import Chunk, Format, Origin, csv_records, with_lengths
from tocsin.metrics import counter

FINGERPRINT: Final = 1024
"""Decompressed bytes at a file's beginning by which it is known."""
_SNIFFED: Final = 64 * 1024
_MOST_HEADER: Final = 256 * 1024

Kind = Literal["ndjson", "lines", "zeek", "csv", "xml", "evtx", "json", "parquet"]
"""How a file is read: a format of chunks, or what is turned into ndjson (`json` is an array or pretty-printed)."""

CUT = counter("tocsin_collect_cut_records", "Records longer than limits.record_bytes, kept without their end.")
_log = logging.getLogger(__name__)


def fingerprint(first: bytes) -> str:
    """What a file is known by: a hash of its first 1,024 decompressed bytes."""
    return blake2b(first[:FINGERPRINT], digest_size=16).hexdigest()


# ---- formats ----

_JSON = re.compile(rb'(\{|\[\s*(?=[{\]]))(\s*["}]|\{\s*["}]|\s*\]|\s*\Z)')
_NAMES = re.compile(rb'^\s*"?[A-Za-z_@][\w.@ /()-]*"?([,;]"?[A-Za-z_@][\w.@ /()-]*"?){2,}\s*$')


def recognise(first: bytes, path: str = "") -> Kind:
    """How to read a file that begins with `first` (decompressed)."""
    if first[:8] == b"ElfFile\0":
        return "evtx"
    if first[:4] == b"PAR1":
        return "parquet"
    text = first.lstrip()
    if text[:10] == b"#separator" or (text[:7] == b"#fields" and b"\t" in text[:10]):
        return "zeek"
    if _JSON.match(text):
        return "ndjson" if text[:1] == b"{" and _a_line_each(text) and not _WRAPPER.match(text) else "json"
    if re.match(rb"<\?xml|<Events?[\s>]", text):
        return "xml"
    line = text.partition(b"\n")[0]
    if path.lower().removesuffix(".gz").removesuffix(".zst").endswith(".csv") or _NAMES.match(line[:4096]):
        return "csv"
    return "lines"


def _a_line_each(text: bytes) -> bool:
    """Whether JSON that begins so has a document on each line, as against one document on many lines."""
    lines = text.split(b"\n", 40)
    if lines[0].rstrip().endswith(b"}"):
        return True
    if len(lines) == 1:
        return len(text) >= 4096  # a line longer than what was looked at
    return any(line[:1] == b"{" and _is_object(line) for line in lines[1:-1])


def _is_object(line: bytes) -> bool:
    try:
        return type(orjson.loads(line)) is dict
    except orjson.JSONDecodeError:
        return False


# ---- cutting ----


class Piece(NamedTuple):
    """Whole records, one after another; `end` and `after` are the offset and record number that follow them."""

    payload: bytes
    offset: int
    record: int
    header: str | None
    end: int
    after: int


@dataclass(slots=True)
class Cutter:
    """Cuts a file's bytes into pieces. `offset`, `record` and `header` are where it stands: hand them to another one to
    go on."""

    kind: Kind
    offset: int = 0
    record: int = 0
    header: str | None = None
    limit: int = 1 << 20
    cut: int = 0
    """Records that were longer than `limit` and lost their end."""
    _rest: bytes = b""
    _skipping: bool = False
    _heading: list[bytes] = field(default_factory=list)

    @property
    def between(self) -> bool:
        """Whether it stands between two records, so that another may go on from here."""
        return not self._skipping

    def feed(self, block: bytes) -> list[Piece]:
        """The pieces that are whole with this block."""
        if self._skipping:
            # Within a line that is too long: everything up to its end is left out.
            ends = block.find(b"\n")
            if ends < 0:
                self.offset += len(block)
                return []
            self.offset += ends + 1
            block = block[ends + 1 :]
            self._skipping = False
        data = self._rest + block if self._rest else block
        if self.kind == "xml":
            return self._xml(data)
        if self.kind == "json":
            return self._json(data, final=False)
        whole = self._whole(data)
        pieces = self._records(data[:whole]) if whole else []
        self._rest = data[whole:]
        if len(self._rest) > self.limit:
            pieces.append(self._too_long(self._rest))
            self._rest = b""
            self._skipping = True
        return pieces

    def finish(self) -> list[Piece]:
        """The last record, where the file does not end with a newline."""
        rest, self._rest = self._rest, b""
        if not rest or self._skipping:
            return []
        if self.kind == "json":
            self._rest = b""
            return self._json(rest, final=True)
        if self.kind == "xml":
            if not rest.strip() or re.fullmatch(rb"\s*(</Events>\s*)?", rest):
                return []
            return [self._piece(with_lengths([rest[: self.limit]]), 1, len(rest))]
        pieces = self._records(rest)
        if pieces and not rest.endswith(b"\n"):
            # The newline of the payload is not the file's.
            pieces[-1] = pieces[-1]._replace(end=pieces[-1].end - 1)
            self.offset -= 1
        return pieces

    def _whole(self, data: bytes) -> int:
        """How many bytes are whole records."""
        end = data.rfind(b"\n") + 1
        if self.kind == "csv" and b'"' in data[:end]:
            # A quoted value may hold newlines: what is open may be closed by what comes.
            records = csv_records(data[: end - 1].split(b"\n"), self.limit, ahead=len(data) - end)
            return sum(len(record) + 1 for record, _ in records)
        return end

    def _records(self, data: bytes) -> list[Piece]:
        """Pieces of whole lines."""
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if self.kind == "zeek" and (self._heading or data.startswith(b"#") or b"\n#" in data):
            return self._zeek(lines)
        if self.kind == "csv":
            return self._csv(lines)
        return self._pieces(lines)

    def _csv(self, lines: list[bytes]) -> list[Piece]:
        """The header line is no record; a line whose quote is never closed is alone, since what follows is not its."""
        pieces: list[Piece] = []
        plain: list[bytes] = []
        for record, closed in csv_records(lines, self.limit):
            if self.header is None:
                self.offset += len(record) + 1
                if record and not record.isspace():
                    self.header = _text(record[:_MOST_HEADER].rstrip(b"\r")) + "\n"
            elif closed:
                plain.append(record)
            else:
                pieces += [*self._pieces(plain), *self._pieces([record])]
                plain = []
        return pieces + self._pieces(plain)

    def _pieces(self, lines: list[bytes]) -> list[Piece]:
        """Pieces of about `CHUNK` bytes; a line longer than `limit` is alone, since the next is not beside what is
        left of it."""
        pieces: list[Piece] = []
        for group in _groups(lines, self.limit):
            size = sum(map(len, group)) + len(group)
            if len(group[0]) > self.limit:
                pieces.append(self._too_long(group[0], size))
            elif count := sum(1 for line in group if line and not line.isspace()):
                pieces.append(self._piece(b"\n".join([*group, b""]), count, size))
            else:
                self.offset += size
        return pieces

    def _too_long(self, line: bytes, size: int | None = None) -> Piece:
        self.cut += 1
        CUT.inc()
        _log.warning("a record of more than %d bytes was cut: %s", self.limit, quoted(line[:80]))
        return self._piece(line[: self.limit] + b"\n", 1, len(line) if size is None else size)

    def _piece(self, payload: bytes, count: int, size: int) -> Piece:
        piece = Piece(payload, self.offset, self.record, self.header, self.offset + size, self.record + count)
        self.offset += size
        self.record += count
        return piece

    def _zeek(self, lines: list[bytes]) -> list[Piece]:
        """Data lines, parted where header lines stand between them."""
        pieces: list[Piece] = []
        plain: list[bytes] = []
        for line in lines:
            if line[:1] != b"#":
                if self._heading:
                    self.header = _text(b"".join(self._heading))
                    self._heading = []
                plain.append(line)
                continue
            pieces += self._pieces(plain)
            plain = []
            if not line.startswith((b"#close", b"#open")) and sum(map(len, self._heading)) < _MOST_HEADER:
                self._heading.append(line.rstrip(b"\r") + b"\n")
            self.offset += len(line) + 1
        return pieces + self._pieces(plain)

    def _xml(self, data: bytes) -> list[Piece]:
        """`<Event …>…</Event>`, wherever they stand."""
        records: list[bytes] = []
        at = 0
        for found in _EVENT_ENDS.finditer(data):
            start = _EVENT_BEGINS.search(data, at, found.end())
            if start is not None:
                records.append(data[start.start() : found.end()])
                if len(records[-1]) > self.limit:
                    records[-1] = records[-1][: self.limit]
                    self.cut += 1
                    CUT.inc()
            at = found.end()
        self._rest = data[at:]
        if len(self._rest) > self.limit + CHUNK:
            records.append(self._rest[: self.limit])
            self.cut += 1
            CUT.inc()
            at = len(data)
            self._rest = b""
        if not records:
            self.offset += at
            return []
        return [self._piece(with_lengths(records), len(records), at)]

    def _json(self, data: bytes, *, final: bool) -> list[Piece]:
        """Documents one after another or in an array, each made one line.

        What stands between them becomes blanks of the same length, so that offsets stay true; what is no JSON is a
        record of its own.
        """
        out: list[bytes] = []
        count = done = depth = start = 0  # all before `done` is in `out`
        for token in _TOKENS.finditer(data):
            kind = data[token.start()]
            if kind == _QUOTE and not (token.end() - token.start() > 1 and data[token.end() - 1] == _QUOTE):
                break  # a string without its end: the next block has it
            if kind in b"{[":
                if depth == 0:
                    wrapped = _WRAPPER.match(data, token.start())
                    if kind == _BRACKET or wrapped:
                        count += self._between(out, data[done : token.start()], count)
                        done = wrapped.end() if wrapped else token.end()
                        out.append(b" " * (done - token.start()))
                        continue
                    start = token.start()
                depth += 1
            elif kind in b"}]" and depth:
                depth -= 1
                if depth == 0:
                    count += self._between(out, data[done:start], count)
                    self._document(out, data[start : token.end()], count)
                    done = token.end()
                    count += 1
        rest = data[done:]
        if final or len(rest) > self.limit + CHUNK:
            count += self._between(out, rest, count)
            done, rest = len(data), b""
        self._rest = rest
        if not count:
            # Only blanks and brackets; they are counted with what follows.
            self._rest = data[:done] + rest if done <= _SNIFFED else rest
            self.offset += 0 if done <= _SNIFFED else done
            return []
        return [self._piece(b"".join([*out, b"\n"]), count, done)]

    def _between(self, out: list[bytes], gap: bytes, before: int) -> int:
        """Blanks for what stands between documents; 1 where it is a record that is no JSON, otherwise 0."""
        if gap.strip(b" \t\r\n,[]}"):
            self._document(out, gap, before)
            return 1
        if gap:
            out.append((b"\n" if before else b" ") + b" " * (len(gap) - 1))
        return 0

    def _document(self, out: list[bytes], document: bytes, before: int) -> None:
        if before and not out[-1].startswith(b"\n"):
            out.append(b"\n")
        if len(document) > self.limit:
            self.cut += 1
            CUT.inc()
        out.append(document[: self.limit].replace(b"\r", b" ").replace(b"\n", b" "))


_EVENT_BEGINS = re.compile(rb"<Event[\s>]")
_EVENT_ENDS = re.compile(rb"</Event>")
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[{}\[\]]', re.DOTALL)
_WRAPPER = re.compile(rb'\{\s*"(?:Records|value)"\s*:\s*\[(?=\s*[{\]])')
"""How AWS and Azure wrap the records of a file: `{"Records":[…]}`."""
_QUOTE, _BRACKET = b'"['


def _groups(lines: list[bytes], limit: int) -> Iterator[list[bytes]]:
    """Lines in groups of about `CHUNK` bytes; a line longer than `limit` is alone."""
    group: list[bytes] = []
    size = 0
    for line in lines:
        if len(line) > limit:
            if group:
                yield group
            yield [line]
            group, size = [], 0
            continue
        group.append(line)
        size += len(line) + 1
        if size >= CHUNK:
            yield group
            group, size = [], 0
    if group:
        yield group


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


FORMATS: Final[dict[Kind, Format]] = {
    "ndjson": "ndjson",
    "json": "ndjson",
    "parquet": "ndjson",
    "lines": "lines",
    "zeek": "zeek",
    "csv": "csv",
    "xml": "xml",
    "evtx": "evtx",
}


# What a file is read as when its format is given. A file holds neither syslog's lengths nor is it asked for as bulk.
_KINDS: Final[dict[Format, Kind]] = {
    "ndjson": "ndjson",
    "bulk": "ndjson",
    "lines": "lines",
    "syslog": "lines",
    "zeek": "zeek",
    "csv": "csv",
    "xml": "xml",
    "evtx": "evtx",
}

# ---- whole files ----


def read_file(
    path: str | Path,
    format: Format | None = None,  # noqa: A002
    *,
    way: str = "ingest",
    product: str | None = None,
    zone: str | None = None,
    limit: int = 1 << 20,
) -> Iterator[Chunk]:
    """The chunks of a file (`-` is standard input), in order, with bounded memory.

    Without `format` it is recognised by content. `product` is what the user said it is (`--as zeek.http`). A record
    longer than `limit` is kept without its end. Raises `UnreadableError` for a file that can't be opened, is broken or
    cut off (after what could be read), or grows beyond measure when it is decompressed.
    """
    name = str(path)
    try:
        with sys.stdin.buffer if name == "-" else Path(path).open("rb") as file:
            origin = Origin(way, path=name, product=product, zone=zone)
            yield from _chunks(file, format, origin, limit)
    except OSError as error:
        raise UnreadableError(f"it can't be read: {error.strerror or error}", where=quoted(name)) from error


def _chunks(file: IO[bytes], format: Format | None, origin: Origin, limit: int) -> Iterator[Chunk]:  # noqa: A002
    where = quoted(origin.path)
    broken: list[UnreadableError] = []
    blocks = _until_broken(decompressed(file, where), broken)
    first = b""
    while len(first) < _SNIFFED and (block := next(blocks, b"")):
        first += block
    rest = itertools.chain([first], blocks)
    mark = fingerprint(first)
    kind = _KINDS[format] if format is not None else "ndjson"
    if format is None or format in {"ndjson", "evtx"}:
        plain = first
        if first[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
            plain = first[: len(first) & ~1].decode("utf-16", "replace").encode()
        found = recognise(plain.removeprefix(codecs.BOM_UTF8), origin.path or "")
        if format is None or found == "json" or (format == "evtx" and found != "evtx"):
            kind = found
    if kind in {"evtx", "parquet"}:
        with tempfile.TemporaryFile() as spool:
            spool.writelines(rest)
            spool.seek(0)
            yield from _documents(
                _evtx(spool, where) if kind == "evtx" else _parquet(spool, where), kind, origin, mark, limit
            )
    else:
        cutter = Cutter(kind, limit=limit)
        for block in as_utf8(rest):
            for piece in cutter.feed(block):
                yield chunk(piece, kind, origin, mark)
        for piece in cutter.finish():
            yield chunk(piece, kind, origin, mark)
    if broken:
        raise broken[0]


def _until_broken(blocks: Iterator[bytes], broken: list[UnreadableError]) -> Iterator[bytes]:
    """The blocks up to where they break, which is told in `broken`: what came before is not lost."""
    try:
        yield from blocks
    except UnreadableError as error:
        broken.append(error)


def chunk(piece: Piece, kind: Kind, origin: Origin, mark: str | None) -> Chunk:
    """A piece as a chunk of its file."""
    made = Origin(
        origin.way,
        key=origin.key,
        peer=origin.peer,
        agent=origin.agent,
        path=origin.path,
        fingerprint=mark,
        offset=piece.offset,
        record=piece.record,
        index=origin.index,
        product=origin.product,
        header=piece.header,
        zone=origin.zone,
        year=origin.year,
    )
    return Chunk(FORMATS[kind], piece.payload, made)


def _documents(documents: Iterator[bytes], kind: Kind, origin: Origin, mark: str, limit: int) -> Iterator[Chunk]:
    """Chunks of documents that are no bytes of the file: their offsets count what was made of it."""
    cutter = Cutter("ndjson", limit=limit)
    gathered: list[bytes] = []
    size = 0
    for document in documents:
        gathered.append(document)
        size += len(document)
        if size >= CHUNK:
            for piece in cutter.feed(b"\n".join([*gathered, b""])):
                yield chunk(piece, kind, origin, mark)
            gathered, size = [], 0
    for piece in cutter.feed(b"\n".join([*gathered, b""])):
        yield chunk(piece, kind, origin, mark)


def _evtx(file: IO[bytes], where: str) -> Iterator[bytes]:
    """A Windows event log's records as JSON, a line each; one that can't be read is its reason as a JSON string."""
    from evtx import PyEvtxParser  # only who reads such files needs it

    try:
        parser = PyEvtxParser(file, number_of_threads=1)
        records = iter(parser.records_json())
    except (RuntimeError, OSError, ValueError) as error:
        raise UnreadableError(f"the event log can't be read: {quoted(str(error))}", where=where) from error
    failed = 0
    while True:
        try:
            record: Any = next(records)
        except StopIteration:
            return
        except (RuntimeError, OSError, ValueError) as error:
            failed += 1
            if failed > 100_000:
                raise UnreadableError("the event log has no end of unreadable records", where=where) from error
            yield orjson.dumps(f"evtx: {error}"[:2000])
            continue
        # A newline within a JSON text is always white space.
        yield record["data"].replace("\r", " ").replace("\n", " ").encode("utf-8", "replace")


def _parquet(file: IO[bytes], where: str) -> Iterator[bytes]:
    """A Parquet file's rows as JSON documents."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UnreadableError("Parquet files need pyarrow", where=where, hint="install tocsin[server]") from error
    try:
        table = pq.ParquetFile(file)
        for batch in table.iter_batches(batch_size=2_000):
            for row in batch.to_pylist():
                document = {name: value for name, value in row.items() if value is not None}
                yield orjson.dumps(document, default=_plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)
    except (pa.ArrowException, OSError, ValueError, orjson.JSONEncodeError) as error:
        raise UnreadableError(f"the Parquet file can't be read: {quoted(str(error))}", where=where) from error


def _plain(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
