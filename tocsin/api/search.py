"""Searching: documents, histograms, top values, which fields there are, completion."""

from __future__ import annotations

import time as clock
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query

from tocsin.api import _asked
from tocsin.api._access import Caller, reader
from tocsin.api._context import Context, context
from tocsin.api.models._model import Of
from tocsin.api.models.search import (
    CompleteRequest,
    FieldInfo,
    Found,
    HistogramPage,
    HistogramRequest,
    Inspect,
    SearchPage,
    SearchRequest,
    Suggestion,
    TopPage,
    TopRequest,
    TopValue,
)
from tocsin.errors import TocsinError, UnsupportedError, UsageError
from tocsin.event import ecs, time
from tocsin.lang import complete, ir, sql
from tocsin.lang.fields import EVERYWHERE
from tocsin.ports import Document, Histogram, Span

router = APIRouter(tags=["search"])
Here = Annotated[Context, Depends(context)]
Reader = Annotated[Caller, Depends(reader)]


@router.post("/search")
def search(request: SearchRequest, here: Here, caller: Reader) -> SearchPage:
    """Documents of events, alerts or incidents. A sequence query gives sequences."""
    started = clock.perf_counter()
    here.audit(caller, "search", request.of, {"query": request.query, "language": request.language})
    span = _asked.span_of(request.start, request.end)
    names = here.names(request.of)
    plan = _asked.plan_of(request, names)
    if not isinstance(plan, ir.Query):
        return _sequences(request, plan, span, here)
    where = _asked.where(request, names)
    after = _after(request.after)
    documents = here.store.search(
        where,
        span,
        of=request.of,
        limit=request.size + 1,
        newest_first=not request.oldest_first,
        after=after,
        fields=_with_time(request.fields),
    )
    more = len(documents) > request.size
    documents = documents[: request.size]
    total = here.store.count(where, span, of=request.of)
    asked = sql.where(where)
    return SearchPage(
        documents=[_only(found(document), request.fields) for document in documents],
        total=total,
        next=_mark(documents[-1]) if more and documents else None,
        inspect=Inspect(
            sql=asked.text,
            parameters={name: str(value) for name, value in asked.parameters.items()},
            milliseconds=round((clock.perf_counter() - started) * 1000, 1),
        ),
        start=time.iso(span.start) if span.start is not None else None,
        end=time.iso(span.end) if span.end is not None else None,
    )


def _sequences(request: SearchRequest, plan: ir.Plan, span: Span, here: Context) -> SearchPage:
    """The findings of a query of several events; `after` is how many of them were had."""
    if request.of != "events":
        raise UsageError("sequences are of events")
    if any(not pill.disabled for pill in request.filters):
        raise UnsupportedError("filters are for single events", hint="put the conditions into the sequence's steps")
    begin = 0
    if request.after:
        if not request.after.isdigit():
            raise UsageError("`after` is what `next` of the page before said")
        begin = int(request.after[:9])
    total, groups = here.sequences(
        plan, request.query, span, request.size, skip=begin, oldest_first=request.oldest_first
    )
    return SearchPage(
        documents=[],
        sequences=[[_only(found(document), request.fields) for document in documents] for documents in groups],
        total=total,
        next=str(begin + request.size) if begin + request.size < total and request.size else None,
        start=time.iso(span.start) if span.start is not None else None,
        end=time.iso(span.end) if span.end is not None else None,
    )


def _with_time(fields: list[str] | None) -> list[str] | None:
    return None if fields is None else list(dict.fromkeys(["@timestamp", *fields]))


def _only(each: Found, fields: list[str] | None) -> Found:
    """The document with the names that were asked for."""
    if fields is None:
        return each
    shown = {name: each.document[name] for name in fields if name in each.document}
    for name in fields:  # an alias keeps the name that it was asked by
        if name not in shown and (value := each.document.get(EVERYWHERE.get(name, name))) is not None:
            shown[name] = value
    return Found(id=each.id, time=each.time, document=shown)


@router.post("/histogram")
def histogram(request: HistogramRequest, here: Here, caller: Reader) -> HistogramPage:
    """Counts over time."""
    where = _asked.where(request, here.names(request.of))
    span = _asked.span_of(request.start, request.end)
    return page_of(here.store.histogram(where, span, of=request.of, buckets=request.buckets, by=request.by))


@router.post("/top")
def top(request: TopRequest, here: Here, caller: Reader) -> TopPage:
    """The commonest values of a field."""
    where = _asked.where(request, here.names(request.of))
    span = _asked.span_of(request.start, request.end)
    values = here.store.top(where, request.field, span, of=request.of, limit=request.limit)
    return TopPage(
        field=request.field,
        values=[TopValue(value=value, count=count) for value, count in values.values],
        total=values.total,
        missing=values.missing,
    )


@router.post("/present")
def present(request: SearchRequest, here: Here, caller: Reader) -> dict[str, int]:
    """Which fields have values, among the newest matches, and in how many."""
    where = _asked.where(request, here.names(request.of))
    return here.store.present(where, _asked.span_of(request.start, request.end), of=request.of)


@router.get("/documents/{of}/{id}")
def document(of: Of, id: str, here: Here, caller: Reader) -> Found:  # noqa: A002
    """One document by its id."""
    held = here.store.by_ids([id], of=of).get(id)
    if held is None:
        raise here.missing(f"there is no {of.removesuffix('s')} {id!r}")
    return found(held)


@router.get("/fields")
def fields(
    here: Here,
    caller: Reader,
    q: Annotated[str, Query(max_length=200)] = "",
    of: Literal["events", "alerts", "incidents"] = "events",
) -> list[FieldInfo]:
    """Fields that can be asked for: hot, seen in data, and of ECS; `q` takes parts (`geo dest`)."""
    columns = here.store.columns(of)
    names = here.names(of)
    known = {*columns, *here.store.known_names(), *ecs.catalogue(), *EVERYWHERE}
    parts = q.lower().split()
    wanted = sorted(name for name in known if all(part in name.lower() for part in parts))
    return [
        FieldInfo(
            name=name, kind=names.field(name).kind.value, ecs=name in ecs.catalogue(), alias_of=EVERYWHERE.get(name)
        )
        for name in wanted
        if not name.startswith("tocsin.fields")
    ]


@router.post("/complete")
def completion(request: CompleteRequest, here: Here, caller: Reader) -> list[Suggestion]:
    """What may stand at the caret."""
    if request.language == "sql":
        return []
    cursor = _characters(request.text, request.cursor)

    def values(field: str) -> list[str]:
        try:
            top_ = here.store.top(ir.TRUE, field, Span(time.now() - time.DAY, None), limit=20)
        except TocsinError:
            return []
        return [str(value) for value, _ in top_.values]

    return [
        Suggestion(
            insert=s.text,
            label=s.text.strip(),
            kind=_KINDS[s.what],
            detail=s.detail,
            start=_utf16(request.text, s.start),
            end=_utf16(request.text, s.end),
        )
        for s in complete.complete(request.text, cursor, request.language, here.names("events"), values=values)
    ]


_KINDS: Final[dict[str, Literal["field", "value", "operator"]]] = {
    "field": "field", "value": "value", "operator": "operator", "function": "operator", "keyword": "operator",
}  # fmt: skip


def _utf16(text: str, place: int) -> int:
    """A place in characters, in UTF-16 code units, which browsers count."""
    return len(text[:place].encode("utf-16-le", "surrogatepass")) // 2


def _characters(text: str, units: int) -> int:
    """A place in UTF-16 code units, in characters."""
    head = text.encode("utf-16-le", "surrogatepass")[: max(0, units) * 2]
    return len(head.decode("utf-16-le", "ignore"))


def found(document: Document) -> Found:
    """A document as an answer."""
    identity = str(document.get("_id") or document.get("tocsin.id") or document.get("kibana.alert.uuid"))
    shown = {name: value for name, value in document.items() if not name.startswith("_")}
    return Found(id=identity, time=str(document.get("@timestamp", "")), document=shown)


def page_of(counts: Histogram) -> HistogramPage:
    """A histogram as an answer."""
    return HistogramPage(
        start=time.iso(counts.start),
        width_ms=max(1, counts.width // 1000),
        counts=counts.counts,
        total=sum(sum(line) for line in counts.counts.values()),
    )


def _mark(document: Document) -> str:
    return f"{time.read(document['@timestamp']) or 0}:{document['_id']}"


def _after(text: str | None) -> tuple[int, str] | None:
    if not text:
        return None
    moment, _, identity = text.partition(":")
    if not moment.lstrip("-").isdigit():
        raise UsageError("`after` is what `next` of the page before said")
    return int(moment), identity
