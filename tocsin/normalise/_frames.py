"""Frames of the journal, or chunks of a file, become parsed records in input order.

Every record keeps its number within its frame, what was sent as text, and an identity (DESIGN section 3). A record that
can't be read keeps its place too: it has a reason instead of a document. Nothing here raises for what was sent.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tocsin.event.ids import ids_with
from tocsin.event.records import Format, Frame, Origin, csv_records, length_prefixed
from tocsin.normalise._tsv import Header

MAX_RECORD: Final = 16 << 20
MAX_DEPTH: Final = 64
# Different actions of one body, past which it is read line by line.
_MANY: Final = 100
INVALID_UTF8: Final = "bytes that are not UTF-8 were replaced"
Document = dict[str, Any]


@dataclass(slots=True)
class Parsed:
    """All records of some frames. `reasons` says why a row has no document; `notes` what had to be mended in a row."""

    documents: list[Document] = field(default_factory=list)
    originals: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    indexes: list[str | None] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)  # the row's frame, as a place in the sequence that was read
    spans: list[tuple[int, int]] = field(default_factory=list)  # rows [start, end) of each frame
    reasons: dict[int, str] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.documents)


def read(frames: Sequence[Frame]) -> Parsed:
    """Parse the frames' payloads. Blank lines and header lines are no records."""
    out = Parsed()
    for place, frame in enumerate(frames):
        start = len(out.documents)
        _READ[frame.chunk.format](frame, out)
        end = len(out.documents)
        if end - start != len(out.ids) - start:
            raise AssertionError(f"{frame.chunk.format}: {end - start} records with {len(out.ids) - start} ids")
        out.spans.append((start, end))
        out.frames.extend([place] * (end - start))
    return out


def _decoded(raw: bytes, out: Parsed) -> str:
    """The text of a record that is about to be added; bytes that aren't UTF-8 become U+FFFD, and that is noted."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        out.notes[len(out.documents)] = INVALID_UTF8
        return raw.decode("utf-8", "replace")


def parse_json(raw: bytes) -> Document | str:
    """One JSON object, or the reason why it is none. Depth and size are bounded before anything walks the values."""
    if len(raw) > MAX_RECORD:
        return f"a record of {len(raw)} bytes; at most {MAX_RECORD} are read"
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        # NaN, lone surrogates and numbers past 64 bits are read by others and do occur.
        if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
            return f"broken JSON: {str(error)[:120]}"
        try:
            document = json.loads(raw.decode("utf-8", "replace"), parse_constant=str, object_pairs_hook=_named)
        except (ValueError, RecursionError):
            return f"broken JSON: {str(error)[:120]}"
    if type(document) is not dict:
        return f"a JSON {_JSON_NAME.get(type(document), 'value')} where an object was expected"
    if not document:
        return "a JSON object without a member"
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _depth(document) > MAX_DEPTH:
        return f"JSON nested deeper than {MAX_DEPTH}"
    return document


def _named(pairs: list[tuple[str, Any]]) -> Document:
    """An object whose names and texts can be encoded: a lone surrogate in one becomes a question mark."""
    return {name.encode("utf-8", "replace").decode(): _encodable(value) for name, value in pairs}


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return [_encodable(each) for each in value] if isinstance(value, list) else value


_JSON_NAME: Final = {list: "array", str: "text", int: "number", float: "number", bool: "boolean", type(None): "null"}


def _depth(document: object) -> int:
    """How deep objects and arrays nest, without recursion."""
    level: list[Any] = [document]
    depth = 0
    while level:
        depth += 1
        below: list[Any] = []
        for item in level:
            values = item.values() if isinstance(item, dict) else item
            below.extend(value for value in values if isinstance(value, (dict, list)) and value)
        level = below
    return depth


def _lines(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """(offset, line without its end) of every line that isn't blank."""
    at = 0
    for line in payload.split(b"\n"):
        bare = line[:-1] if line.endswith(b"\r") else line
        if bare and not bare.isspace():
            yield at, bare
        at += len(line) + 1


def _identity(frame: Frame) -> Callable[[int, int, bytes], str]:
    """How the frame's records are identified: (number, offset in the payload, raw bytes) → `tocsin.id`."""
    origin = frame.chunk.origin
    if origin.fingerprint is not None and origin.offset is not None:
        base = origin.offset
        file = ids_with("file", origin.agent, origin.fingerprint)
        return lambda number, offset, raw: file(base + offset, raw)
    journal = ids_with("journal", frame.lane, frame.position)
    return lambda number, offset, raw: journal(number)


def _add(out: Parsed, number: int, text: str, identity: str, document: Document | str, index: str | None) -> None:
    if isinstance(document, str):
        out.reasons[len(out.documents)] = document
        document = {}
    out.documents.append(document)
    out.originals.append(text)
    out.ids.append(identity)
    out.numbers.append(number)
    out.indexes.append(index)


def _ndjson(frame: Frame, out: Parsed) -> None:
    identify = _identity(frame)
    origin = frame.chunk.origin
    base = origin.record or 0
    lines = list(_lines(frame.chunk.payload))
    raws = [raw for _, raw in lines]
    try:
        documents: list[Any] = [orjson.loads(raw) for raw in raws]
        texts = [raw.decode() for raw in raws]
        plain = all(map(_is_plain, documents, raws))
    except ValueError:  # orjson's error and UnicodeDecodeError are ones
        plain = False
    if plain:
        out.documents.extend(documents)
        out.originals.extend(texts)
        out.ids.extend(identify(number, at, raw) for number, (at, raw) in enumerate(lines))
        out.numbers.extend(range(base, base + len(lines)))
        out.indexes.extend([origin.index] * len(lines))
        return
    for number, (at, raw) in enumerate(lines):
        text = _decoded(raw, out)
        _add(out, base + number, text, identify(number, at, raw), parse_json(raw), origin.index)


def _bulk(frame: Frame, out: Parsed) -> None:
    """Action and document lines of an Elasticsearch `_bulk` body; items that the collector refused are passed over."""
    origin = frame.chunk.origin
    identify = _identity(frame)
    if _bulk_of_creates(frame, out, identify):
        return
    actions: dict[bytes, tuple[str, str | None, str | None] | str] = {}
    clients: dict[str | None, Callable[..., str]] = {}
    waiting: tuple[str, str | None, str | None] | None = None
    number = 0
    for at, raw in _lines(frame.chunk.payload):
        if waiting is None:
            action = actions.get(raw)
            if action is None:
                action = _action(raw)
                if isinstance(action, str) or action[2] is None:  # with an `_id` no two are alike
                    actions[raw] = action
            if isinstance(action, str):
                _add(out, number, _decoded(raw, out), identify(number, at, raw), action, origin.index)
                number += 1
            elif action[0] != "delete":
                waiting = action
            else:
                number += 1
            continue
        (name, index, client), waiting = waiting, None
        if name != "update":
            index = index or origin.index
            if client is None:
                identity = identify(number, at, raw)
            else:
                if index not in clients:
                    clients[index] = ids_with("client", origin.key, index)
                identity = clients[index](client)
            text = _decoded(raw, out)
            _add(out, number, text, identity, parse_json(raw), index)
        number += 1


def _bulk_of_creates(frame: Frame, out: Parsed, identify: Callable[[int, int, bytes], str]) -> bool:
    """The body as shippers send it, read at once: whole documents, each after an action without an `_id`. False, with
    nothing read, where it is another."""
    payload = frame.chunk.payload
    lines = payload.split(b"\n")
    if not lines[-1]:
        lines.pop()
    heads, raws = lines[::2], lines[1::2]
    if len(heads) != len(raws) or frame.chunk.origin.fingerprint is not None:
        return False
    indexes: dict[bytes, str | None] = {}
    for head in set(heads):
        action = _action(head)
        if isinstance(action, str) or action[0] not in ("create", "index") or action[2] is not None:
            return False
        indexes[head] = action[1] or frame.chunk.origin.index
        if len(indexes) > _MANY:
            return False
    try:
        documents: list[Any] = [orjson.loads(raw) for raw in raws]
        texts = [raw.decode() for raw in raws]
    except ValueError:  # orjson's error and UnicodeDecodeError are ones
        return False
    if not all(map(_is_plain, documents, raws)):
        return False
    out.documents.extend(documents)
    out.originals.extend(texts)
    out.ids.extend([identify(number, 0, b"") for number in range(len(raws))])
    out.numbers.extend(range(len(raws)))
    out.indexes.extend(map(indexes.__getitem__, heads))
    return True


def _is_plain(document: Any, raw: bytes) -> bool:
    """Whether `parse_json` would give this document of this text, which ends as it is kept."""
    return (
        type(document) is dict
        and bool(document)
        and len(raw) <= MAX_RECORD
        and not raw.endswith(b"\r")
        and raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH
    )


def _action(raw: bytes) -> tuple[str, str | None, str | None] | str:
    """(action, `_index`, `_id`) of an action line, or why it is none."""
    line = parse_json(raw)
    if isinstance(line, str):
        return f"in place of a _bulk action: {line}"
    if len(line) != 1:
        return "a _bulk action line must have one member"
    ((name, settings),) = line.items()
    if name not in ("index", "create", "update", "delete") or not isinstance(settings, dict):
        return "no _bulk action: index, create, update or delete was expected"
    index, client = settings.get("_index"), settings.get("_id")
    return (
        name,
        index if isinstance(index, str) and index else None,
        str(client) if isinstance(client, (str, int)) and client != "" else None,
    )


def _text_lines(frame: Frame, out: Parsed) -> None:
    identify = _identity(frame)
    origin = frame.chunk.origin
    base = origin.record or 0
    for number, (at, raw) in enumerate(_lines(frame.chunk.payload)):
        text = _decoded(raw, out)
        _add(out, base + number, text, identify(number, at, raw), {"message": text}, origin.index)


def _prefixed(frame: Frame, out: Parsed) -> None:
    """Syslog messages and Windows XML: any byte may stand in a record, a trailing line end is the transport's."""
    identify = _identity(frame)
    origin = frame.chunk.origin
    base = origin.record or 0
    at = 0
    for number, raw in enumerate(length_prefixed(frame.chunk.payload)):
        text = _decoded(raw, out).rstrip("\r\n\0").removeprefix("\ufeff")
        reason = f"a record of {len(raw)} bytes; at most {MAX_RECORD} are read" if len(raw) > MAX_RECORD else ""
        _add(
            out,
            base + number,
            text,
            identify(number, at, raw),
            reason or ({"message": text} if text else "an empty record"),
            origin.index,
        )
        at += 4 + len(raw)


def _zeek(frame: Frame, out: Parsed) -> None:
    origin = frame.chunk.origin
    identify = _identity(frame)
    header = Header.of(origin.header or "")
    number, base = 0, origin.record or 0
    for at, raw in _lines(frame.chunk.payload):
        if raw.startswith(b"#"):
            header = header.with_line(raw.decode("utf-8", "replace"))
            continue
        text = _decoded(raw, out)
        document = header.read(text) if not raw.startswith(b"{") else parse_json(raw)
        if isinstance(document, dict) and header.path and "_path" not in document:
            document["_path"] = header.path
        _add(out, base + number, text, identify(number, at, raw), document, origin.index)
        number += 1


def _csv(frame: Frame, out: Parsed) -> None:
    """Comma-separated records under the header of `Origin.header`, else of the payload's own first record."""
    origin = frame.chunk.origin
    identify = _identity(frame)
    head = origin.header
    names = None if head is None else _cells(head)
    number, base = 0, origin.record or 0
    at = following = 0
    for record, _ in csv_records(frame.chunk.payload.split(b"\n"), MAX_RECORD):
        at, following = following, following + len(record) + 1
        raw = record.removesuffix(b"\r")
        if not raw or raw.isspace():
            continue
        if head is None:
            head = raw.decode("utf-8", "replace")
            names = _cells(head)
            continue
        text = _decoded(raw, out)
        cells = _cells(text)
        document: Document | str
        if cells is None or names is None:
            document = "broken CSV"
        elif len(cells) != len(names):
            document = f"{len(cells)} cells under a header of {len(names)}"
        else:
            document = {name: cell for name, cell in zip(names, cells, strict=True) if cell != ""}
        _add(out, base + number, text, identify(number, at, raw), document or "no cell has a value", origin.index)
        number += 1


def _cells(line: str) -> list[str] | None:
    try:
        return next(csv.reader(io.StringIO(line), strict=True), [])
    except csv.Error:
        return None


_READ: Final[dict[Format, Callable[[Frame, Parsed], None]]] = {
    "ndjson": _ndjson,
    "bulk": _bulk,
    "lines": _text_lines,
    "syslog": _prefixed,
    "zeek": _zeek,
    "evtx": _ndjson,
    "xml": _prefixed,
    "csv": _csv,
}


def origin_of(frames: Sequence[Frame], parsed: Parsed, row: int) -> Origin:
    """Where a row came from."""
    return frames[parsed.frames[row]].chunk.origin
