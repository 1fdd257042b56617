"""How fast searches are: what Discover, an alert's page and a rule ask, each many times, by the clock and by time of
the processor; and which indexes the engine says that it used.

Values that are asked for are taken from the events themselves, another each time where there are others; a search that
asks for no value is the same each time, and the engine's own caches may know it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tocsin import store
from tocsin.bench._events import DAY, END, Repeated
from tocsin.bench._measured import costs, share_of
from tocsin.bench.store import QUIET, drain, fill
from tocsin.lang import ir, kql
from tocsin.normalise._run import Normaliser
from tocsin.ports import ALL_TIME, Span
from tocsin.store import Store

TIMES: Final = 20
_FIELDS: Final = ("@timestamp", "host.name", "user.name", "process.name", "process.command_line", "message")
# A page holds so many documents; values are taken from one.
_PAGE: Final = 500


def run(
    paths: Sequence[Path],
    *,
    events: int = 1_000_000,
    data: Path | None = None,
    times: int = TIMES,
    quiet: float = QUIET,
    console: Console | None = None,
) -> dict[str, Any]:
    """Search a store of so many events made of those of files: one that is made for it, or the one that an earlier run
    (or `tocsin bench store`) left in `data`. Gives the figures and prints them. Raises `UsageError` where the files
    have no events."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") if data is None else nullcontext(data) as name:
        folder = Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        there = (folder / "store").exists()
        made = None if there else Repeated(paths, folder, events)
        aliases = (made.normaliser if made else Normaliser()).aliases
        with store.open(f"chdb://{(folder / 'store').absolute()}", aliases=aliases) as opened:
            if made is not None:
                fill(opened, made, quiet)
                (folder / "events.arrow").unlink()
            else:
                drain(opened, quiet)
            figures = measure(opened, times)
    _print(figures, console or Console())
    return figures


def measure(opened: Store, times: int = TIMES) -> dict[str, Any]:
    """Each search so many times; the figures."""
    searches: dict[str, Any] = {}
    for name, what, where in _searches(opened):
        found = costs(what, times)
        searches[name] = {
            "p50_ms": share_of([cost.wall for cost in found], 0.5) * 1e3,
            "p95_ms": share_of([cost.wall for cost in found], 0.95) * 1e3,
            "cpu_ms": share_of([cost.cpu for cost in found], 0.5) * 1e3,
            "indexes": [list(used) for used in opened.indexes(where)] if where is not None else [],
        }
    size = opened.size()["events"]
    return {"events": size.rows, "parts": size.parts, "disk_bytes": size.bytes, "searches": searches}


Search = tuple[str, Callable[[], object], ir.Predicate | None]


def _searches(opened: Store) -> Iterator[Search]:
    names = opened.names["events"]

    def parsed(query: str) -> ir.Predicate:
        return kql.parse(query, names)

    month, day = Span(END - 30 * DAY, END), Span(END - DAY, END)
    sysmon = parsed("event.dataset: windows.sysmon_operational")
    shell = parsed("process.name: powershell.exe")
    yield "newest 500, all fields", lambda: opened.search(ir.TRUE, limit=_PAGE), None
    yield "newest 500 of a data set, all fields", lambda: opened.search(sysmon, limit=_PAGE), sysmon
    yield "newest 500 of a data set, six fields", lambda: opened.search(sysmon, limit=_PAGE, fields=_FIELDS), sysmon
    yield "newest 500 by process name, six fields", lambda: opened.search(shell, limit=_PAGE, fields=_FIELDS), shell
    yield "fields that are present", lambda: opened.present(sysmon), None
    yield "histogram, 30 days", lambda: opened.histogram(ir.TRUE, month), None
    yield "histogram, one day", lambda: opened.histogram(ir.TRUE, day), None
    yield "histogram of a data set, 30 days", lambda: opened.histogram(sysmon, month), sysmon
    yield "histogram by data set, 30 days", lambda: opened.histogram(ir.TRUE, month, by="event.dataset"), None
    yield "top values of process.name", lambda: opened.top(ir.TRUE, "process.name"), None
    yield "top values of process.name, one day", lambda: opened.top(ir.TRUE, "process.name", day), None
    yield "top values of a field of the map", lambda: opened.top(sysmon, "winlog.event_data.RuleName", day), None
    yield from _by_value(opened, parsed)
    ids = _ids(opened)
    for count in (1, 5, 50):
        pages = cycle([ids[at : at + count] for at in range(0, len(ids) - count, max(1, len(ids) // 40))])
        yield f"{count} by id, all fields", lambda pages=pages: opened.by_ids(next(pages)), None  # type: ignore[misc]


def _by_value(opened: Store, parsed: Callable[[str], ir.Predicate]) -> Iterator[Search]:
    """Searches for values that few events have, another each time."""
    for label, field, query in (
        ("an address", "destination.ip", 'destination.ip: "{}"'),
        ("a hash", "process.hash.sha256", 'process.hash.sha256: "{}"'),
        ("a user", "user.name", 'user.name: "{}"'),
        ("a process", "process.entity_id", 'process.entity_id: "{}"'),
        ("a range of addresses", "destination.ip", 'destination.ip: "{}/28"'),
    ):
        values = [value for value, _ in opened.top(ir.TRUE, field, limit=1000).values][-40:]
        asked = [parsed(query.format(str(value).replace("\\", "\\\\").replace('"', '\\"'))) for value in values]
        if asked:
            yield f"count by {label}", _next(opened, asked), asked[0]
    words = [parsed(f"message: {word}") for word in ("mimikatz", "lsass", "psexesvc", "rundll32", "nobodyever")]
    yield "count by a word of the message", _next(opened, words), words[0]
    wild = [parsed(f"process.command_line: *{part}*") for part in ("-enc", "bypass", "\\\\temp\\\\", "http", "/c dir")]
    yield "count by a part of the command line", _next(opened, wild), wild[0]
    other = [parsed(f"winlog.event_data.RuleName: {value}") for value in ("-", "technique_id*", "nobody")]
    yield "count by a field of the map", _next(opened, other), None


def _next(opened: Store, asked: Sequence[ir.Predicate]) -> Callable[[], object]:
    turns = cycle(asked)
    return lambda: opened.count(next(turns), ALL_TIME)


def _ids(opened: Store) -> list[str]:
    """Ids out of all the time there is."""
    found: list[str] = []
    for number in range(40):
        start = END - 30 * DAY + number * (30 * DAY // 40)
        found += [
            str(document["_id"])
            for document in opened.search(
                ir.TRUE, Span(start, None), limit=50, newest_first=False, fields=["tocsin.id"]
            )
        ]
    return found


def _print(figures: dict[str, Any], console: Console) -> None:
    head = f"{figures['events']:,} events, {figures['parts']} parts, {figures['disk_bytes'] / 1e6:,.0f} MB"
    table = Table("search", "p50 ms", "p95 ms", "CPU ms", "granules left by each index", title=head)
    for name, each in figures["searches"].items():
        used = ", ".join(f"{index}: {left:,} of {granules:,}" for index, granules, left in each["indexes"])
        table.add_row(name, f"{each['p50_ms']:.0f}", f"{each['p95_ms']:.0f}", f"{each['cpu_ms']:.0f}", used)
    console.print(table)
