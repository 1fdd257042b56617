"""Queries, documents, counts over time, values, and what completes a query."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tocsin.api.models._model import Document, Language, Model, Of


class Filter(Model):
    """A filter pill. `value` None with operator "exists" asks whether there is any."""

    field: str
    operator: Literal["is", "is_one_of", "exists", "between", "matches"] = "is"
    value: Any = None
    negate: bool = False
    disabled: bool = False


class SearchRequest(Model):
    """A query over a time range; `start` and `end` are RFC 3339 or date math ("now-15m", "now/d")."""

    query: str = ""
    language: Language = "kql"
    of: Of = "events"
    start: str | None = None
    end: str | None = None
    filters: list[Filter] = []
    size: Annotated[int, Field(ge=0, le=10_000)] = 100
    after: str | None = None
    oldest_first: bool = False
    fields: list[str] | None = None


class Found(Model):
    """One document."""

    id: str
    time: str
    document: Document


class Inspect(Model):
    """What was asked of the store."""

    sql: str
    parameters: dict[str, Any]
    milliseconds: float


class SearchPage(Model):
    """`total` is exact. `next` is the `after` of the next page. A sequence query fills `sequences` (events in
    order)."""

    documents: list[Found]
    sequences: list[list[Found]] = []
    total: int
    next: str | None = None
    inspect: Inspect | None = None
    start: str | None = None
    end: str | None = None


class HistogramRequest(SearchRequest):
    """Counts over time, split by a field's top values where `by` is given."""

    buckets: Annotated[int, Field(ge=1, le=500)] = 60
    by: str | None = None


class HistogramPage(Model):
    """`counts[series][i]` counts from `start + i * width_ms`."""

    start: str
    width_ms: int
    counts: dict[str, list[int]]
    total: int


class TopRequest(SearchRequest):
    """The commonest values of a field."""

    field: str
    limit: Annotated[int, Field(ge=1, le=1000)] = 10


class TopValue(Model):
    """A value and in how many matches it stands."""

    value: Any
    count: int


class TopPage(Model):
    """Exact counts; `total` matches have the field, `missing` have not."""

    field: str
    values: list[TopValue]
    total: int
    missing: int


class FieldInfo(Model):
    """A field that can be asked for."""

    name: str
    kind: Literal["keyword", "text", "long", "double", "boolean", "date", "ip", "unknown"]
    ecs: bool
    alias_of: str | None = None


class CompleteRequest(Model):
    """The query and where the caret stands (UTF-16 code units, as in the browser)."""

    text: str
    cursor: int
    language: Language = "kql"


class Suggestion(Model):
    """Replace text[start:end] by `insert`."""

    insert: str
    label: str
    kind: Literal["field", "value", "operator"]
    detail: str = ""
    start: int
    end: int
