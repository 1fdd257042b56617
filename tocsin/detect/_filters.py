"""The filters of an Elastic rule (`[[rule.filters]]`): the part of Elasticsearch's query DSL that Kibana's filter bar
writes.

Source: https://www.elastic.co/guide/en/elasticsearch/reference/current/query-dsl.html. What is not of it is
unsupported, with its name, and never left out: a filter narrows what a rule means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tocsin.errors import UnsupportedError, UsageError, quoted
from tocsin.lang import kql
from tocsin.lang.fields import Names
from tocsin.lang.filters import condition, equals
from tocsin.lang.ir import FALSE, TRUE, Exists, Gap, Like, Predicate, Test, all_of, any_of, negate

_DEEPEST: Final = 20
_ABOUT: Final = frozenset({"meta", "$state", "query"})


def read(filters: Iterable[Any], names: Names, where: str) -> Predicate:
    """All filters that are not switched off, as one predicate."""
    return all_of(*(_filter(each, names, where) for each in filters))


def _filter(entry: Any, names: Names, where: str) -> Predicate:
    if not isinstance(entry, Mapping):
        raise UsageError("a filter is a table", where=where)
    meta = entry.get("meta") or {}
    if meta.get("disabled"):
        return TRUE
    body = entry.get("query") or {name: value for name, value in entry.items() if name not in _ABOUT}
    found = _query(body, names, where, 0)
    return negate(found) if meta.get("negate") else found


def _query(body: Any, names: Names, where: str, depth: int) -> Predicate:
    if not isinstance(body, Mapping) or len(body) != 1 or depth > _DEEPEST:
        raise UnsupportedError("a filter of a shape that is not known", where=where)
    (kind, inner), *_ = body.items()
    match kind:
        case "match_all":
            return TRUE
        case "match_none":
            return FALSE
        case "bool":
            return _bool(inner, names, where, depth)
        case "exists":
            return Test(names.field(str(inner["field"])), Exists())
        case "query_string" if set(inner) == {"query"} and inner["query"] == "*":
            return TRUE
        case "kql":
            return kql.parse(str(inner["query"]), names)
    if not isinstance(inner, Mapping) or len(inner) != 1:
        raise UnsupportedError(f"filters of kind {quoted(kind)} don't run", where=where)
    (name, given), *_ = inner.items()
    field = names.field(str(name))
    options = given if isinstance(given, Mapping) else {"value": given}
    value = options.get("value", options.get("query", options.get("wildcard")))
    fold = bool(options.get("case_insensitive"))
    match kind:
        case "terms" if isinstance(given, list):
            return equals(field, given)
        case "term" | "match_phrase" | "match" if value is not None and not (fold and kind == "term"):
            return equals(field, [value])
        case "term" if value is not None:
            return Test(field, Like((str(value),), fold=True))
        case "wildcard" if value is not None:
            return Test(field, Like(shape(str(value)), fold=fold))
        case "prefix" if value is not None:
            return Test(field, Like((str(value), Gap.ANY), fold=fold))
        case "range" if set(options) <= {"gte", "lt"}:
            entry = {"field": name, "operator": "between", "value": [options.get("gte"), options.get("lt")]}
            return condition(entry, names)
    raise UnsupportedError(f"filters of kind {quoted(kind)} don't run", where=where)


def _bool(inner: Any, names: Names, where: str, depth: int) -> Predicate:
    def each(name: str) -> list[Predicate]:
        items = inner.get(name, [])
        return [_query(item, names, where, depth + 1) for item in (items if isinstance(items, list) else [items])]

    if not isinstance(inner, Mapping) or set(inner) - {"must", "filter", "should", "must_not", "minimum_should_match"}:
        raise UnsupportedError("a `bool` filter of a shape that is not known", where=where)
    must = [*each("must"), *each("filter"), *(negate(item) for item in each("must_not"))]
    should = each("should")
    least = int(inner.get("minimum_should_match", 0 if must else 1))
    if least > 1:
        raise UnsupportedError("`minimum_should_match` above 1 is not evaluated", where=where)
    return all_of(*must, *([any_of(*should)] if should and least == 1 else []))


def shape(text: str) -> tuple[str | Gap, ...]:
    """A wildcard of Elasticsearch: `*` and `?`, and a backslash takes the meaning from what follows it."""
    parts: list[str | Gap] = []
    literal = ""
    escaped = False
    for char in text:
        if not escaped and char == "\\":
            escaped = True
            continue
        if escaped or char not in "*?":
            literal += char
            escaped = False
            continue
        if literal:
            parts.append(literal)
        literal = ""
        parts.append(Gap.ANY if char == "*" else Gap.ONE)
    literal += "\\" if escaped else ""
    return (*parts, literal) if literal or not parts else tuple(parts)
