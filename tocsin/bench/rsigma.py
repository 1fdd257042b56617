"""From a file to matches, beside RSigma: the same Windows events, the same Sigma rules, one core, in one run.

RSigma (https://crates.io/crates/rsigma) matches Sigma rules against JSON; its `sysmon` pipeline turns a rule's log
source into conditions, as Tocsin's own loader does. Each program reads the file and writes its matches as NDJSON.
What starting costs is told apart: each runs over a thousand events first, and what is compared is the time that the
rest took.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any, Final

import orjson
from rich.console import Console
from rich.table import Table

from tocsin.bench._events import lines
from tocsin.errors import TocsinError, UsageError

_FEW: Final = 1_000
_OURS: Final = (sys.executable, "-c", "from tocsin.cli import main; main()")
Places = frozenset[tuple[str, int]]


@dataclass(slots=True)
class Run:
    """One program's run: seconds of the processor and of the clock, and what it wrote."""

    cpu: float
    wall: float
    found: list[dict[str, Any]] = field(default_factory=list)


def run(
    events: Sequence[Path], rules: Path, program: Path, *, most: int = 50_000, console: Console | None = None
) -> dict[str, Any]:
    """Match up to `most` events of files, archives or folders against the Sigma rules below `rules`, with both.

    `program` is RSigma's. Gives the figures and prints them: events a second without and with starting, matches of
    both, and those of one only by rule. Raises `UsageError` where there are no events or no such program.
    """
    if not program.is_file():
        raise UsageError("no such program", where=str(program), hint="cargo install rsigma --version 0.23.0 --locked")
    held = [line.strip() for line in islice(lines(events), most)]
    if len(held) <= _FEW:
        raise UsageError(f"fewer than {_FEW} events in it", where=", ".join(map(str, events)))
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        (folder / "few.ndjson").write_bytes(b"\n".join(held[:_FEW]) + b"\n")
        (folder / "all.ndjson").write_bytes(b"\n".join(held) + b"\n")
        scan = [*_OURS, "scan", "--rules", str(rules), "--format", "ndjson", "--cache", str(folder / "cache")]
        evaluate = [str(program), "engine", "eval", "-r", str(rules), "-p", "sysmon", "--output-format", "ndjson"]
        _run([*scan, str(folder / "few.ndjson")], folder)  # fills the cache, which RSigma has no need of
        ours = [_run([*scan, str(folder / file)], folder) for file in ("few.ndjson", "all.ndjson")]
        theirs = [
            _run([*evaluate, "--include-event", "-e", f"@{folder / file}"], folder)
            for file in ("few.ndjson", "all.ndjson")
        ]
    names: dict[str, str] = {}
    mine = _places_of_ours(ours[1].found, names)
    other = _places_of_theirs(theirs[1].found, held, names)
    figures = {
        "events": len(held),
        "tocsin": _figures(ours, len(held)),
        "rsigma": _figures(theirs, len(held)),
        "both": len(mine & other),
        "only_tocsin": _by_rule(mine - other, names),
        "only_rsigma": _by_rule(other - mine, names),
    }
    _print(figures, console or Console())
    return figures


def _run(command: Sequence[str], folder: Path) -> Run:
    """One run on one core. Raises `TocsinError` where the program fails."""
    out = folder / "out.ndjson"
    core = min(os.sched_getaffinity(0))
    with out.open("wb") as file, (folder / "errors").open("wb") as errors:
        began = time.monotonic()
        process = Popen(command, stdout=file, stderr=errors, stdin=DEVNULL)
        os.sched_setaffinity(process.pid, {core})
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        said = (folder / "errors").read_text(encoding="utf-8", errors="replace")[-500:]
        raise TocsinError(f"{Path(command[0]).name} ended with {process.returncode}: {said}")
    found = [orjson.loads(line) for line in out.read_bytes().splitlines() if line]
    return Run(used.ru_utime + used.ru_stime, wall, found)


def _places_of_ours(found: Sequence[dict[str, Any]], names: dict[str, str]) -> Places:
    names.update((each["rule"]["id"], each["rule"]["name"]) for each in found)
    return frozenset((each["rule"]["id"], event["record"]) for each in found for event in each["events"])


def _places_of_theirs(found: Sequence[dict[str, Any]], held: Sequence[bytes], names: dict[str, str]) -> Places:
    """RSigma gives events back, not their numbers; equal events all have what one of them has."""
    numbers: dict[bytes, list[int]] = {}
    for number, line in enumerate(held):
        numbers.setdefault(_sorted(orjson.loads(line)), []).append(number)
    names.update((each["rule_id"], each["rule_title"]) for each in found)
    return frozenset((each["rule_id"], n) for each in found for n in numbers.get(_sorted(each["event"]), ()))


def _sorted(document: Any) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def _figures(runs: Sequence[Run], count: int) -> dict[str, float]:
    few, whole = runs
    rest = max(whole.cpu - few.cpu, 1e-9)
    return {
        "start_s": few.cpu,
        "us": rest / (count - _FEW) * 1e6,
        "events_per_second": (count - _FEW) / rest,
        "events_per_second_with_start": count / whole.cpu,
        "wall_s": whole.wall,
        "matches": len(whole.found),
    }


def _by_rule(places: Places, names: dict[str, str]) -> dict[str, int]:
    return dict(Counter(names[rule] for rule, _ in places).most_common())


def _print(figures: dict[str, Any], console: Console) -> None:
    title = f"{figures['events']:,} events, from a file to matches, one core"
    table = Table("", "events/s", "µs an event", "start s", "events/s with the start", "matches", title=title)
    for name in ("tocsin", "rsigma"):
        each = figures[name]
        table.add_row(
            name,
            f"{each['events_per_second']:,.0f}",
            f"{each['us']:.1f}",
            f"{each['start_s']:.1f}",
            f"{each['events_per_second_with_start']:,.0f}",
            f"{each['matches']:,}",
        )
    console.print(table)
    console.print(f"{figures['both']} matches of both")
    for name in ("only_tocsin", "only_rsigma"):
        for rule, count in figures[name].items():
            console.print(f"{name.removeprefix('only_')} only: {count} of {rule}")
