"""The bodies of Elasticsearch's `_bulk`: where the items of a request are, and what each is answered.

Only action lines are parsed; a document stays the bytes that it is until it is normalised. So a document that is no
JSON is taken too: it is kept as `tocsin.unparsed`, and nothing of it is lost.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import orjson

from tocsin.errors import quoted

OPERATIONS: Final = frozenset({"index", "create", "update", "delete"})
FRAME: Final = 4 << 20
"""Bytes of a payload, about: a larger request becomes several frames of one append."""
_MOST_REMEMBERED: Final = 1024


class MalformedError(ValueError):
    """The request can't be cut into items: nothing of it is taken."""


class Item(NamedTuple):
    """One action of a request; `error` says why it is not taken."""

    operation: str
    target: str | None
    id: str | None
    error: str | None = None


class Request(NamedTuple):
    """A request's items, in order, and the payloads of those that are taken."""

    items: list[Item]
    payloads: list[bytes]


def scan(body: bytes, *, limit: int) -> Request:
    """Cut the body of a `_bulk` request: an action line, a document line, …; blank lines are left out.

    Refused are `update` and `delete` (events are append-only) and documents of more than `limit` bytes. Raises
    `MalformedError` for an action line that is none, as Elasticsearch does, and where the last action has no document.
    """
    items: list[Item] = []
    payloads: list[bytes] = []
    kept: list[tuple[int, int]] = []  # parts of the payload being made
    gathered = 0
    known: dict[bytes, Item] = {}
    find = body.find
    size = len(body)
    at = 0
    while at < size:
        begin, end = at, find(b"\n", at)
        if end < 0:
            end = size
        line = body[begin:end]
        at = end + 1
        item = known.get(line)
        if item is None:
            if not line or line.isspace():
                continue
            item = _action(line, len(items) + 1)
            if len(known) < _MOST_REMEMBERED:
                known[line] = item
        if item.operation == "delete":
            items.append(item)
            continue
        document = at
        while True:
            at = find(b"\n", document)
            if at < 0:
                at = size
            length = at - document
            if length > 256 or (length > 0 and not body[document:at].isspace()):
                break
            if at >= size:
                raise MalformedError(f"the action of item {len(items) + 1} has no document")
            document = at + 1
        at += 1
        if length > limit:
            item = item._replace(error=f"the document has {length} bytes, at most {limit} are taken")
        items.append(item)
        if item.error is not None:
            continue
        if gathered + at - begin > FRAME and kept:
            payloads.append(_joined(body, kept))
            kept, gathered = [], 0
        gathered += at - begin
        for part in ((begin, at),) if document == end + 1 else ((begin, end + 1), (document, at)):
            if kept and kept[-1][1] == part[0]:
                kept[-1] = (kept[-1][0], part[1])
            else:
                kept.append(part)
    if kept:
        payloads.append(_joined(body, kept))
    return Request(items, payloads)


def _joined(body: bytes, parts: Sequence[tuple[int, int]]) -> bytes:
    if parts == [(0, len(body))]:
        return body
    text = b"".join([body[begin:end] for begin, end in parts])
    return text if text.endswith(b"\n") else text + b"\n"


def _action(line: bytes, number: int) -> Item:
    try:
        action = orjson.loads(line)
    except orjson.JSONDecodeError:
        action = None
    if type(action) is not dict or len(action) != 1:
        raise MalformedError(f"the action of item {number} is no object with one operation: {quoted(line[:80])}")
    ((operation, about),) = action.items()
    if operation not in OPERATIONS or type(about) is not dict:
        raise MalformedError(f"the action of item {number} is none of {sorted(OPERATIONS)}: {quoted(line[:80])}")
    index, name = about.get("_index"), about.get("_id")
    return Item(
        operation,
        str(index) if index is not None else None,
        str(name) if name is not None else None,
        f"events can't be changed: {operation} is not taken" if operation in {"update", "delete"} else None,
    )


def single(document: bytes, *, operation: str, index: str, id: str | None) -> bytes:  # noqa: A002
    """The `_bulk` body that says the same as a request for one document. Newlines in JSON are white space."""
    about: dict[str, str] = {"_index": index} if id is None else {"_index": index, "_id": id}
    action = orjson.dumps({operation: about}, option=orjson.OPT_APPEND_NEWLINE)
    return action + document.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"


# ---- answers ----

_DONE: Final = b'","_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":0,"_primary_term":1,"status":201}}'  # noqa: E501  # one line on the wire


def reply(items: Sequence[Item], *, default_index: str | None, ids: Callable[[int], str], took: int) -> bytes:
    """The answer to a `_bulk` request, compact and in Elasticsearch's order: Vector and Fluent Bit look for bits of its
    text. `ids` gives an id to the item that came without."""
    parts: list[bytes] = []
    begins: dict[tuple[str, str | None], bytes] = {}
    errors = False
    for number, item in enumerate(items):
        if item.error is not None:
            errors = True
            parts.append(orjson.dumps({item.operation: _refused(item, default_index)}))
            continue
        begin = begins.get(item[:2])
        if begin is None:
            name = item.target if item.target is not None else default_index
            begin = begins[item[:2]] = b'{"%s":{"_index":%s,"_id":"' % (item.operation.encode(), _text(name or ""))
        id_ = ids(number).encode() if item.id is None else _text(item.id)[1:-1]
        parts.append(begin + id_ + _DONE)
    flag = b"true" if errors else b"false"
    return b'{"took":%d,"errors":%s,"items":[%s]}' % (took, flag, b",".join(parts))


def _text(value: str) -> bytes:
    return orjson.dumps(value.encode("utf-8", "replace").decode())


def _refused(item: Item, default_index: str | None) -> dict[str, Any]:
    index = item.target if item.target is not None else default_index
    error = {"type": "illegal_argument_exception", "reason": item.error}
    return {"_index": index, "_id": item.id, "status": 400, "error": error}


def filtered(document: Any, paths: str) -> Any:
    """What `filter_path` leaves of an answer: comma-separated dotted patterns, `*` for a name or an array's items, `**`
    for any depth, `-` before what is left out."""
    wanted: list[tuple[str, ...]] = []
    unwanted: list[tuple[str, ...]] = []
    for path in paths.split(",")[:64]:
        pattern = tuple(path.strip().removeprefix("-").split(".")[:16])
        if any(pattern):
            (unwanted if path.strip().startswith("-") else wanted).append(pattern)
    kept = _kept(document, wanted) if wanted else document
    if unwanted:
        kept = _without(kept, unwanted)
    return {} if kept is None else kept


def _onward(name: str, patterns: Sequence[tuple[str, ...]]) -> tuple[list[tuple[str, ...]], bool]:
    """The patterns that go on below `name`, and whether one ends there."""
    below: set[tuple[str, ...]] = set()
    for pattern in patterns:
        first, *rest = pattern
        if first == "**":
            below.add(pattern)
            if rest and fnmatch.fnmatchcase(name, rest[0]):
                below.add(tuple(rest[1:]))
            elif not rest:
                below.add(())
        elif fnmatch.fnmatchcase(name, first):
            below.add(tuple(rest))
    return [pattern for pattern in below if pattern], () in below


def _kept(value: Any, patterns: Sequence[tuple[str, ...]]) -> Any:
    if isinstance(value, dict):
        out = {}
        for name, inner in value.items():
            below, ends = _onward(name, patterns)
            if ends:
                out[name] = inner
            elif below and (left := _kept(inner, below)) is not None:
                out[name] = left
        return out or None
    if isinstance(value, list):
        # A list's items stand under the list's name: `items.*.status` goes through item and operation.
        return [left for inner in value if (left := _kept(inner, patterns)) is not None] or None
    return None


def _without(value: Any, patterns: Sequence[tuple[str, ...]]) -> Any:
    if isinstance(value, dict):
        out = {}
        for name, inner in value.items():
            below, ends = _onward(name, patterns)
            if not ends:
                out[name] = _without(inner, below) if below else inner
        return out
    if isinstance(value, list):
        return [_without(inner, patterns) for inner in value]
    return value
