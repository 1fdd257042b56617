"""How results are printed: ndjson, json, csv, or a table; and progress on stderr when it is a terminal."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson

# rich is imported where something is drawn: `tocsin --help` and `--format ndjson` need none of it.


def line(value: Any) -> None:
    """One JSON value on a line."""
    try:
        line = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # numbers past 64 bits occur in what senders make up
        line = json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":")).encode()
    sys.stdout.buffer.write(line + b"\n")


def say(text: str) -> None:
    """A line of text for people, on stdout."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """A line on stderr that is no result."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True).print(Text(printable(text)))


def printable(value: Any, limit: int = 4000) -> str:
    """A value as text that can't control a terminal."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    if isinstance(value, list):
        text = ", ".join(str(item) for item in value)
    safe = "".join(c if c.isprintable() else " " if c in "\t\n\r" else "�" for c in text[:limit])
    return safe + ("…" if len(text) > limit else "")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """A table on stdout; as wide as it is where stdout is no terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 240)
    out = Table(*columns, title=title or None, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        out.add_row(*(Text(printable(cell)) for cell in row))
    console.print(out)


def write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """CSV with a header; lists are joined by `; `."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])


def _cell(value: Any) -> str:
    text = "; ".join(str(item) for item in value) if isinstance(value, list) else "" if value is None else str(value)
    # A spreadsheet would run what begins like a formula; a negative number is none.
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@contextmanager
def progress(what: str) -> Iterator[Any]:
    """A counter on stderr when it is a terminal: call what it gives with how many more are done."""
    if not sys.stderr.isatty():
        yield lambda more: None
        return
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        done = 0

        def more(count: int) -> None:
            nonlocal done
            done += count
            status.update(f"{what}: {done:,}")

        yield more
