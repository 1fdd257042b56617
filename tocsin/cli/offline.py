"""Commands over files and over the store: `normalise`, `scan`, `search`, `ingest`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tocsin.cli import _inputs, _output, _query
from tocsin.errors import UsageError

if TYPE_CHECKING:
    from tocsin.normalise._run import Normaliser

As = Annotated[str | None, typer.Option("--as", help="What the input is: PRODUCT.STREAM, or raw. Recognised without.")]
Inputs = Annotated[list[str], typer.Argument(metavar="INPUT…", help="Files, folders, globs, or - for standard input.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(normalise)
    app.command()(scan)
    app.command()(search)


def normalise(
    inputs: Inputs,
    as_: As = None,
    format: Annotated[Literal["ndjson"], typer.Option(help="One nested ECS document a line.")] = "ndjson",
) -> None:
    """Turn raw records into ECS documents, nested, one a line, in input order."""
    from tocsin.event.document import nested, to_documents
    from tocsin.normalise._run import Normaliser

    del format
    bad = False
    for each in _inputs.batches(inputs, Normaliser(), way="normalise", as_=as_):
        for document in to_documents(each.batch):
            bad = bad or document.get("event.dataset") == "tocsin.unparsed"
            _output.line(nested({k: v for k, v in document.items() if not k.startswith("tocsin.")}))
    if bad:
        _output.note("some records could not be read: event.dataset tocsin.unparsed, the reason in error.message")
        raise typer.Exit(1)


def scan(
    inputs: Inputs,
    rules: Annotated[
        list[Path], typer.Option(help="Rule files and folders (Sigma, Elastic). Tocsin's own without.")
    ] = [],
    lists_dir: Annotated[Path | None, typer.Option("--lists", help="A folder whose lists replace ours.")] = None,
    exceptions: Annotated[Path | None, typer.Option(help="NDJSON: {rule, query} a line, silenced by KQL.")] = None,
    as_: As = None,
    per_file: Annotated[bool, typer.Option("--per-file", help="Keep files apart instead of one stream.")] = False,
    format: Annotated[Literal["table", "ndjson"], typer.Option(help="How matches are printed.")] = "table",
    cache: Annotated[
        Path | None, typer.Option(help="Folder for compiled patterns, so that a next run starts fast.")
    ] = None,
) -> None:
    """Detect without a store: rules over files. One line a match."""
    from tocsin.event import time
    from tocsin.pipeline.knowledge import Knowledge, Plan
    from tocsin.pipeline.offline import Scan

    plan = Plan(
        folders=[str(path) for path in rules],
        shipped=not rules,
        lists_dir=str(lists_dir) if lists_dir else None,
        exceptions=_query.exceptions(exceptions),
    )
    knowledge = Knowledge(plan, cache=cache)
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        knowledge.loader.save()
    broken = [rule for rule in knowledge.all_rules if rule.plan is None]
    if broken:
        _output.note(f"{len(broken)} of {len(knowledge.all_rules)} rules can't run: tocsin rules check says why")
    chosen = [rule for rule in knowledge.rules.values() if rule.plan is not None]
    scanner = Scan(chosen, knowledge.types, knowledge.names, knowledge.lists, cache)
    batches = _inputs.batches(inputs, knowledge.normaliser, way="scan", as_=as_)
    rows: list[list[Any]] = []
    for match in scanner.run(batches, knowledge.normaliser.processes, per_file=per_file):
        if format == "ndjson":
            _output.line(
                {
                    "rule": {"id": match.rule.id, "name": match.rule.name, "source": match.rule.path},
                    "severity": match.severity,
                    "timestamp": time.iso(match.timestamp),
                    "events": [{"file": file, "record": record} for file, record in match.events],
                    "matched": match.matched,
                }
            )
        else:
            file, record = match.events[-1]
            rows.append(
                [time.iso(match.timestamp), match.severity, match.rule.name, f"{file}:{record}", _short(match.matched)]
            )
    if format == "table":
        _output.table(["time", "severity", "rule", "event", "matched"], rows)
        _output.note(f"{len(rows)} matches of {len({row[2] for row in rows})} of {len(scanner.rules)} rules")


def search(
    query: Annotated[str, typer.Argument(help="A query; empty means everything.")],
    of: Annotated[Literal["events", "alerts", "incidents"], typer.Option(help="What is searched.")] = "events",
    lang: Annotated[
        Literal["kql", "eql", "lucene", "esql", "sigma", "sql"], typer.Option(help="Its language.")
    ] = "kql",
    start: Annotated[str | None, typer.Option("--from", help="A time or date math: now-15m, 2026-01-31.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="A time or date math.")] = None,
    fields: Annotated[str | None, typer.Option(help="Fields to show, separated by commas.")] = None,
    format: Annotated[
        Literal["table", "json", "ndjson", "csv"], typer.Option(help="How results are printed.")
    ] = "table",
    limit: Annotated[int | None, typer.Option(help="At most so many.")] = None,
    data: Annotated[Path | None, typer.Option(help="The data folder; of a running serve, its socket is used.")] = None,
    url: Annotated[str | None, typer.Option(help="The address of a running serve.", envvar="TOCSIN_URL")] = None,
    key: Annotated[str | None, typer.Option(help="An API key for --url.", envvar="TOCSIN_KEY")] = None,
    inputs: Annotated[
        list[str], typer.Option("--input", metavar="FILE…", help="Search files instead of a store.")
    ] = [],
    as_: As = None,
    timestamp_field: Annotated[str, typer.Option(help="With --as raw.")] = "@timestamp",
    event_category_field: Annotated[str, typer.Option(help="With --as raw.")] = "event.category",
    tiebreaker_field: Annotated[str, typer.Option(help="With --as raw.")] = "event.sequence",
) -> None:
    """Search events, alerts or incidents: in a store (--data, --url) or in files (--input)."""
    names = [name.strip() for name in fields.split(",") if name.strip()] if fields else None
    if sum(map(bool, (inputs, data, url))) > 1:
        raise UsageError("--input, --data and --url exclude each other")
    if inputs:
        from tocsin.normalise import raw
        from tocsin.normalise._run import Normaliser, products

        own = raw.configured(timestamp_field, event_category_field, tiebreaker_field)
        normaliser = Normaliser({**products(), "raw": own})
        found = _in_files(query, lang, inputs, as_, normaliser, start, end, limit)
    else:
        found = _query.in_store(query, lang, of, start, end, limit, format, data, url, key, names)
    _query.show(found, names, format, of, limit)


def _in_files(
    query: str,
    lang: str,
    inputs: list[str],
    as_: str | None,
    normaliser: Normaliser,
    start: str | None,
    end: str | None,
    limit: int | None,
) -> Iterator[dict[str, Any]]:
    from itertools import islice

    from tocsin.event.schema import HOT
    from tocsin.lang import lists, queries
    from tocsin.lang.fields import Names
    from tocsin.lang.ir import Query
    from tocsin.pipeline.knowledge import shipped_lists
    from tocsin.pipeline.offline import Scan, as_rule, select

    names = Names(normaliser.aliases if as_ != "raw" else (), HOT)
    plan = queries.parse(query, lang, names)
    table = lists.load(shipped_lists())
    span = _query.span(start, end)
    batches = _inputs.batches(inputs, normaliser, way="search", as_=as_)
    if isinstance(plan, Query):
        where = _query.within(plan.where, span, names)
        rows = ({"file": f, "record": r, "event": d} for f, r, d in select(batches, where, table))
        yield from islice(rows, limit)
        return
    from tocsin.detect._load import types

    known = types()
    scanner = Scan([as_rule(plan, query, known)], known, names, table)
    for match in islice(scanner.run(batches), limit):
        yield {
            "events": [
                {"file": file, "record": record, "event": document}
                for (file, record), document in zip(match.events, match.documents, strict=False)
            ]
        }


def _short(matched: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_output.printable(value, 80)}" for name, value in list(matched.items())[:4])
