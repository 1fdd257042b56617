"""Pages of a table in another order than time: by a field's value, ties the newest first, exactly over all matches.

The store orders by time only, so the ids of all matches are read with that one field (light, page by page) and the
page's documents after it. Where a page begins is told by the value and id before it, so what is new does not shift it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from tocsin.errors import UsageError
from tocsin.event import time
from tocsin.lang.ir import Predicate
from tocsin.ports import Document, EventReader, Span, Table

_READ: Final = 10_000
Key = tuple[Any, ...]


def page(
    store: EventReader,
    where: Predicate,
    span: Span,
    *,
    of: Table,
    field: str,
    size: int,
    after: str | None,
    descending: bool = True,
    value: Callable[[Any], Any] = lambda held: held,
) -> tuple[list[Document], str | None]:
    """The documents of a page, and the next one's `after`. `value` gives what a field's value is ordered by; what has
    none comes last."""
    keys = _keys(store, where, span, of, field, value)
    keys.sort(key=lambda key: (key[1], key[2]), reverse=True)
    missing = [key for key in keys if key[0] is None]
    keys = sorted((key for key in keys if key[0] is not None), key=lambda key: key[0], reverse=descending) + missing
    begin = 0
    if after:
        last = _read(after)
        begin = next((n + 1 for n, key in enumerate(keys) if list(key) == last), -1)
        if begin < 0:  # it is gone: the first that would have stood after it
            begin = next((n for n, key in enumerate(keys) if _beyond(key, last, descending)), len(keys))
    chosen = keys[begin : begin + size]
    held = store.by_ids([key[2] for key in chosen], of=of)
    more = len(keys) > begin + size
    documents = [held[key[2]] for key in chosen if key[2] in held]
    return documents, orjson.dumps(chosen[-1]).decode() if more and chosen else None


def _keys(
    store: EventReader, where: Predicate, span: Span, of: Table, field: str, value: Callable[[Any], Any]
) -> list[Key]:
    out: list[Key] = []
    after: tuple[int, str] | None = None
    while True:
        found = store.search(where, span, of=of, limit=_READ, after=after, fields=["@timestamp", field])
        for document in found:
            held = document.get(field)
            held = held[0] if isinstance(held, list) and held else held
            moment = time.read(document["@timestamp"]) or 0
            out.append((None if held is None else value(held), moment, str(document["_id"])))
        if len(found) < _READ:
            return out
        after = (out[-1][1], out[-1][2])


def _read(after: str) -> list[Any]:
    try:
        last = orjson.loads(after)
    except orjson.JSONDecodeError:
        last = None
    if not isinstance(last, list) or len(last) != 3 or not isinstance(last[1], int) or not isinstance(last[2], str):
        raise UsageError("`after` is what `next` of the page before said")
    return last


def _beyond(key: Key, last: list[Any], descending: bool) -> bool:
    if key[0] == last[0]:
        return (key[1], key[2]) < (last[1], last[2])
    if key[0] is None or last[0] is None:
        return key[0] is None
    try:
        return bool(key[0] < last[0] if descending else key[0] > last[0])
    except TypeError as error:
        raise UsageError("`after` is of another order") from error
