"""What a request asks of the store: its query, filters and range as one predicate and span."""

from __future__ import annotations

from tocsin.api.models.search import Filter, SearchRequest
from tocsin.errors import UnsupportedError
from tocsin.lang import filters, queries
from tocsin.lang.fields import Names
from tocsin.lang.ir import Plan, Predicate, Query, all_of
from tocsin.ports import Span


def plan_of(request: SearchRequest, names: Names) -> Plan:
    """The plan of the request's query."""
    return queries.parse(request.query, request.language, names)


def where(request: SearchRequest, names: Names) -> Predicate:
    """The predicate of a request, filters included. Raises `UnsupportedError` for a query of more than one event."""
    plan = plan_of(request, names)
    if not isinstance(plan, Query):
        raise UnsupportedError("this asks for single events", hint="a sequence is searched on its own")
    return all_of(plan.where, *(of_filter(each, names) for each in request.filters if not each.disabled))


def span_of(start: str | None, end: str | None) -> Span:
    """The request's range."""
    return Span(queries.moment(start), queries.moment(end, up=True))


def of_filter(pill: Filter, names: Names) -> Predicate:
    """A filter pill as a predicate."""
    return filters.condition(pill.model_dump(), names)
