"""How fast the matcher is: real Windows events against every rule of a folder, on one core, by stage.

Events are normalised beforehand and held in memory; what is measured is `Matcher.match` alone, batch by batch, in
time of the processor.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from tocsin.bench._events import batches
from tocsin.errors import QueryError, UsageError
from tocsin.event.schema import FIELDS
from tocsin.lang import sigma
from tocsin.lang.fields import Names
from tocsin.lang.ir import Predicate, Query
from tocsin.lang.match import Matcher
from tocsin.normalise._run import Normaliser

_COMMAND_LINES: Final = (
    "process.command_line",
    "process.parent.command_line",
    "winlog.event_data.CommandLine",
    "tocsin.canonical.command_line",
    "tocsin.canonical.parent_command_line",
)
_COMMAND_KEYS: Final = ("winlog.event_data.ParentCommandLine", "winlog.event_data.ScriptBlockText")


def run(
    events: Path,
    rules: Path,
    *,
    most: int = 100_000,
    rows: int = 16_000,
    passes: int = 3,
    product: str = "windows",
    console: Console | None = None,
) -> dict[str, Any]:
    """Match up to `most` events of the archives below `events` against the Sigma rules below `rules`.

    Three ways: cold (nothing remembered of any value), warm (the same events again), and with half of the command
    lines never seen before. Gives the figures and prints them as a table. Raises `UsageError` where a folder holds no
    events or rules.
    """
    normaliser = Normaliser()
    start = process_time()
    held = list(batches([events], normaliser, most, rows))
    count = sum(batch.num_rows for batch in held)
    if not count:
        raise UsageError("no events in the archives below it", where=str(events))
    figures: dict[str, Any] = {"events": count, "normalise_us": (process_time() - start) / count * 1e6}
    predicates, refused = _predicates(rules, Names(normaliser.aliases), product)
    if not predicates:
        raise UsageError(f"no rules for {product!r} below it that can run", where=str(rules))
    figures |= {"rules": len(predicates), "rules_refused": refused}
    with tempfile.TemporaryDirectory() as folder:
        figures["start_compiling_s"] = _timed(lambda: Matcher(predicates, cache=Path(folder)))[1]
        matcher, figures["start_cached_s"] = _timed(lambda: Matcher(predicates, cache=Path(folder)))
    figures["cold"] = _pass(matcher, held)
    figures["warm"] = min((_pass(matcher, held) for _ in range(passes)), key=lambda each: float(each["us"]))
    unseen = [[_half_unseen(batch, f"{number}.{place}") for place, batch in enumerate(held)] for number in range(2)]
    figures["half_unseen"] = min((_pass(matcher, each) for each in unseen), key=lambda each: float(each["us"]))
    _print(figures, console or Console())
    return figures


def _timed(make: Any) -> tuple[Any, float]:
    start = process_time()
    made = make()
    return made, process_time() - start


def _pass(matcher: Matcher[str], batches: list[pa.RecordBatch]) -> dict[str, Any]:
    before, scanned = dict(matcher.seconds), matcher.scanned
    found: dict[str, int] = {}
    wall, start = perf_counter(), process_time()
    for batch in batches:
        for key, rows in matcher.match(batch).items():
            found[key] = found.get(key, 0) + len(rows)
    seconds, wall = process_time() - start, perf_counter() - wall
    count = sum(batch.num_rows for batch in batches)
    # Stages are timed by the wall's clock, which is cheap to read; another program's share is taken out evenly.
    stages = {
        stage: (spent - before[stage]) * min(seconds / wall, 1) / count * 1e6
        for stage, spent in matcher.seconds.items()
    }
    stages["rest"] = seconds / count * 1e6 - sum(stages.values())
    return {
        "events_per_second": count / seconds,
        "us": seconds / count * 1e6,
        "stages_us": stages,
        "values_scanned": matcher.scanned - scanned,
        "rules_fired": len(found),
        "matches": sum(found.values()),
    }


def _predicates(folder: Path, names: Names, product: str) -> tuple[dict[str, Predicate], int]:
    found: dict[str, Predicate] = {}
    refused = 0
    for path in sorted(folder.rglob("*.yml")):
        try:
            loaded = sigma.load(path.read_text(encoding="utf-8"), names, str(path))
        except QueryError:
            refused += 1
            continue
        for rule in loaded:
            if rule.kind == "rule" and rule.logsource[0] == product:
                if isinstance(rule.plan, Query):
                    found[f"{path.name}#{rule.id}"] = rule.plan.where
                else:
                    refused += 1
    return found, refused


def _half_unseen(batch: pa.RecordBatch, mark: str) -> pa.RecordBatch:
    """The batch with every second command line and script made one that was never there."""
    arrays = []
    tails = [f" #{mark}.{row}" if row % 2 else "" for row in range(batch.num_rows)]
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name in _COMMAND_LINES:
            column = pc.binary_join_element_wise(column.cast(pa.string()), pa.array(tails), "")
        elif name == FIELDS:
            column = _unseen_keys(column, tails)
        arrays.append(column)
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _unseen_keys(column: Any, tails: list[str]) -> Any:
    offsets = np.asarray(column.offsets)
    keys, items = column.keys, column.items
    wanted = np.flatnonzero(np.asarray(pc.is_in(keys, value_set=pa.array(_COMMAND_KEYS))))
    texts = items.to_pylist()
    for at in wanted.tolist():
        row = int(np.searchsorted(offsets, at, "right")) - 1
        if 0 <= row < len(tails):
            texts[at] = [text + tails[row] for text in texts[at]]
    return pa.MapArray.from_arrays(column.offsets, keys, pa.array(texts, items.type))


def _print(figures: dict[str, Any], console: Console) -> None:
    head = f"{figures['rules']} rules × {figures['events']} events, one core"
    table = Table(
        "", "events/s", "µs an event", *figures["warm"]["stages_us"], "values looked at", "matches", title=head
    )
    for name in ("cold", "warm", "half_unseen"):
        each = figures[name]
        stages = [f"{spent:.2f}" for spent in each["stages_us"].values()]
        numbers = [f"{each['events_per_second']:,.0f}", f"{each['us']:.1f}"]
        table.add_row(name.replace("_", " "), *numbers, *stages, f"{each['values_scanned']:,}", f"{each['matches']:,}")
    console.print(table)
    console.print(
        f"start: {figures['start_compiling_s']:.1f} s compiling, {figures['start_cached_s']:.2f} s from the cache; "
        f"normalising {figures['normalise_us']:.0f} µs an event; {figures['rules_refused']} rules can't run"
    )


def to_json(figures: dict[str, Any]) -> str:
    """The figures as one line of JSON."""
    return json.dumps(figures, sort_keys=True)
