"""How the store takes events: microseconds an event, memory, and what is on disk once merges have come to rest.

Events of files are normalised once and inserted again and again as other events (`_events.Repeated`), in blocks as the
workers leave them. Merges run beside, as they do in a server, and are waited for.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import psutil
from rich.console import Console
from rich.table import Table

from tocsin import store
from tocsin.bench._events import Repeated
from tocsin.bench._measured import Memory, share_of
from tocsin.errors import UsageError
from tocsin.store import Store

# Merges have come to rest when none has run for so long; they are given so long at most.
QUIET: Final = 30.0
AT_MOST: Final = 1800.0


def run(
    paths: Sequence[Path],
    *,
    events: int = 1_000_000,
    data: Path | None = None,
    originals: bool = True,
    quiet: float = QUIET,
    console: Console | None = None,
) -> dict[str, Any]:
    """Insert so many events made of those of files into a new store in `data` (a folder that is removed, by default),
    with or without `event.original`. Gives the figures and prints them. Raises `UsageError` where `data` has a store
    already, or the files no events."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") if data is None else nullcontext(data) as name:
        folder = Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "store").exists():
            raise UsageError("there is a store in it already", where=str(folder))
        made = Repeated(paths, folder, events, originals=originals)
        with store.open(f"chdb://{(folder / 'store').absolute()}", aliases=made.normaliser.aliases) as opened:
            figures = fill(opened, made, quiet)
        (folder / "events.arrow").unlink()
    _print(figures, console or Console())
    return figures


def fill(opened: Store, made: Repeated, quiet: float = QUIET) -> dict[str, Any]:
    """Insert what was made; the figures."""
    memory = Memory({"store": psutil.Process()}, part="Anonymous")
    inserting = processor = 0.0
    memory.start()
    began = time.process_time()
    making = 0.0
    last = began
    for number, (batch, processes) in enumerate(made):
        before, clock = time.process_time(), time.perf_counter()
        making += before - last
        opened.insert(f"0:{number}", batch, None, processes)
        last = time.process_time()
        processor += last - before
        inserting += time.perf_counter() - clock
    peak = list(memory.seen)
    settled = time.process_time()
    drained = drain(opened, quiet)
    merging = time.process_time() - settled
    memory.stop()
    size = opened.size()
    return {
        "events": made.events,
        "distinct": made.held,
        "raw_bytes": made.raw_bytes,
        "insert_us": processor / made.events * 1e6,
        "insert_wall_us": inserting / made.events * 1e6,
        "merge_us": merging / made.events * 1e6,
        "merges_at_rest": drained,
        "disk_bytes": size["events"].bytes,
        "parts": size["events"].parts,
        "disk_ratio": made.raw_bytes / size["events"].bytes,
        "memory": {
            "peak": memory.highest,
            "p95": share_of(peak, 0.95) if peak else memory.highest,
            "at_rest": memory.seen[-1],
        },
    }


def drain(opened: Store, quiet: float = QUIET) -> bool:
    """Wait until no merge has run for a while; False where they did not come to rest."""
    until = time.monotonic() + AT_MOST
    calm = time.monotonic()
    while time.monotonic() - calm < quiet:
        if opened.merging():
            calm = time.monotonic()
        if time.monotonic() > until:
            return False
        time.sleep(min(0.5, quiet / 4 or 0.01))
    return True


def _print(figures: dict[str, Any], console: Console) -> None:
    head = f"{figures['events']:,} events of {figures['raw_bytes'] / figures['events']:,.0f} bytes"
    table = Table("", "", title=f"{head} ({figures['distinct']:,} of them distinct)", show_header=False)
    table.add_row("insert, merges beside it", f"{figures['insert_us']:.1f} µs CPU an event")
    table.add_row("", f"{figures['insert_wall_us']:.1f} µs by the clock")
    rest = "" if figures["merges_at_rest"] else " (not at rest yet)"
    table.add_row("merges after it", f"{figures['merge_us']:.1f} µs CPU an event{rest}")
    ratio = f"1/{figures['disk_ratio']:.1f} of raw, {figures['parts']} parts"
    table.add_row("disk", f"{figures['disk_bytes'] / 1e6:,.1f} MB: {ratio}")
    memory = {name: f"{size / 1e6:.0f}" for name, size in figures["memory"].items()}
    anonymous = f"{memory['peak']} MB at most, {memory['p95']} p95, {memory['at_rest']} at rest"
    table.add_row("anonymous memory", anonymous)
    console.print(table)
