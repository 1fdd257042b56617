"""What a rule's suppression leaves of its alerts, for the preview: as `alert.engine` does it, over stored events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tocsin.detect import Suppression
from tocsin.event import time
from tocsin.lang.ir import Predicate
from tocsin.ports import Document, Span
from tocsin.store import Store

# Events of a preview that are looked at one by one.
MOST: Final = 200_000
_PAGE: Final = 10_000


def standing(documents: Iterable[Document], suppression: Suppression) -> Iterator[Document]:
    """Those of alerts in order of time that stand: the first of a group, and each that comes a window after the last
    one that stands."""
    last: dict[tuple[str, ...], int] = {}
    for document in documents:
        if suppression.missing == "separate" and any(document.get(name) is None for name in suppression.by):
            yield document
            continue
        key = tuple(repr(document.get(name)) for name in suppression.by)
        moment = time.read(document["@timestamp"]) or 0
        if key not in last or moment - last[key] >= suppression.window:
            last[key] = moment
            yield document


def oldest_first(store: Store, where: Predicate, span: Span, fields: Sequence[str]) -> Iterator[Document]:
    """The matches' time and these fields, at most `MOST` of them."""
    after: tuple[int, str] | None = None
    for _ in range(MOST // _PAGE):
        page = store.search(
            where, span, limit=_PAGE, newest_first=False, after=after, fields=["@timestamp", *dict.fromkeys(fields)]
        )
        yield from page
        if len(page) < _PAGE:
            return
        after = (time.read(page[-1]["@timestamp"]) or 0, str(page[-1]["_id"]))


def of_events(events: Sequence[Document]) -> Document:
    """What suppression sees of an alert over several events: what is equal in all, at the time of the last."""
    first = events[0]
    same = {name: value for name, value in first.items() if all(each.get(name) == value for each in events)}
    return {**same, "@timestamp": max(str(each["@timestamp"]) for each in events)}
