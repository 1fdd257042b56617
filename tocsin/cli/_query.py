"""Queries that people type: parsing by language, time ranges, and where they are asked."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from tocsin.cli import _output
from tocsin.cli._client import Client
from tocsin.errors import UsageError

if TYPE_CHECKING:
    from tocsin.lang.fields import Names
    from tocsin.lang.ir import Predicate
    from tocsin.pipeline.knowledge import Silence
    from tocsin.ports import Span

PAGE = 100  # rows of a table on a terminal
_DEFAULT = {
    "events": ["@timestamp", "event.dataset", "host.name", "user.name", "event.action", "process.command_line", "message"],
    "alerts": ["@timestamp", "kibana.alert.severity", "kibana.alert.rule.name", "host.name", "kibana.alert.reason"],
    "incidents": ["@timestamp", "tocsin.incident.severity", "tocsin.incident.score", "tocsin.incident.title", "tocsin.incident.summary"],
}  # fmt: skip


def span(start: str | None, end: str | None) -> Span:
    """`--from` and `--to` as a span."""
    from tocsin.lang import queries
    from tocsin.ports import Span

    return Span(queries.moment(start), queries.moment(end, up=True))


def within(where: Predicate, over: Span, names: Names) -> Predicate:
    """The predicate within a span."""
    from tocsin.lang.ir import Range, Test, all_of

    if over.start is None and over.end is None:
        return where
    return all_of(where, Test(names.field("@timestamp"), Range(over.start, over.end, True, False)))


def exceptions(path: Path | None) -> list[Silence]:
    """`--exceptions`: NDJSON, `{"rule": id or "*", "query": KQL}` a line."""
    if path is None:
        return []
    from tocsin.pipeline.knowledge import Silence

    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"it can't be read: {error.strerror}", where=str(path)) from error
    out = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = orjson.loads(line)
            out.append(Silence(str(entry["rule"]), f"exception {number}", str(entry["query"])))
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise UsageError("it is no {rule, query}", where=f"{path}:{number}") from error
    return out


def in_store(
    query: str,
    lang: str,
    of: str,
    start: str | None,
    end: str | None,
    limit: int | None,
    format: str,
    data: Path | None,
    url: str | None,
    key: str | None,
    fields: Sequence[str] | None,
) -> Iterator[dict[str, Any]]:
    """Results from a running server (by address, or by the socket in its data folder), or from a store at rest."""
    del format, fields
    client = Client.find(data, url, key)
    if client is not None:
        yield from client.search(query, lang, of, start, end, limit)
        return
    from tocsin.pipeline.at_rest import search

    assert data is not None
    yield from search(data, query, lang, of, span(start, end), limit)


def show(
    found: Iterable[dict[str, Any]], fields: Sequence[str] | None, format: str, of: str, limit: int | None = None
) -> None:
    """Print results. `--fields` keeps the names as they were asked for. A table on a terminal is a page where nobody
    said how many; how many more there are is told."""
    if format == "ndjson":
        for row in found:
            _output.line(_row(row, fields))
        return
    rows: list[dict[str, Any]] = []
    more = 0
    most = PAGE if format == "table" and limit is None and sys.stdout.isatty() else None
    for row in found:
        if most is not None and len(rows) >= most:
            more += 1
        else:
            rows.append(row)
    if format == "json":
        _output.line([_row(row, fields) for row in rows])
        return
    documents = [event["event"] for row in rows for event in row.get("events", [row])]
    columns = list(fields or _DEFAULT[of])
    if format == "csv":
        _output.write_csv(columns, ({n: named(d, n) for n in columns} for d in documents))
        return
    _output.table(columns, ([named(document, name) for name in columns] for document in documents))
    if more:
        _output.note(f"{len(rows)} of {len(rows) + more} shown; --limit {len(rows) + more} shows all of them")
    else:
        _output.note(f"{len(rows)} found")


def named(document: dict[str, Any], name: str) -> Any:
    """A field of a document, by an alias too."""
    from tocsin.lang import queries

    value = document.get(name)
    return document.get(queries.EVERYWHERE.get(name, name)) if value is None else value


def _row(row: dict[str, Any], fields: Sequence[str] | None) -> dict[str, Any]:
    if "events" in row:
        return {**row, "events": [_row(event, fields) for event in row["events"]]}
    document = row["event"]
    if fields is not None:
        chosen = {name: value for name in fields if (value := named(document, name)) is not None}
        return {**row, "event": chosen}
    from tocsin.event.document import nested

    return {**row, "event": nested(document)}
