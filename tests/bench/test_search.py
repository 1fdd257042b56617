"""The benchmark of searches asks what it says; the figures are for `make bench` alone."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from tests.bench.conftest import line
from tocsin.bench import search, store


def test_a_store_that_was_kept_is_searched(tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join(line(number) for number in range(60)))
    told = io.StringIO()
    console = Console(file=told, width=200)
    filled = store.run([events], events=200, data=tmp_path / "kept", quiet=0.0, console=console)
    assert (filled["events"], filled["distinct"]) == (200, 60)
    assert filled["disk_bytes"] > 0 and filled["insert_us"] > 0 and filled["memory"]["peak"] > 0
    found = search.run([], data=tmp_path / "kept", times=2, quiet=0.0, console=console)
    assert found["events"] == 200
    searches = found["searches"]
    assert {"newest 500, all fields", "histogram, 30 days", "5 by id, all fields"} <= set(searches)
    assert all(0 < each["p50_ms"] <= each["p95_ms"] and each["cpu_ms"] > 0 for each in searches.values())
    assert any(name == "by message token" for name, _, _ in searches["count by a word of the message"]["indexes"])
    assert "by message token" in told.getvalue()
