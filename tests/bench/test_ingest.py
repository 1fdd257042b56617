"""The benchmark of ingest prepares what it says, and goes the whole way; the figures are for `make bench` alone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tocsin.bench import ingest
from tocsin.bench._events import lines
from tocsin.errors import UsageError


def test_requests_are_made_again_with_other_record_numbers(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "requests"
    made = ingest.prepare(lines([folder]), path, 2_500)
    assert made.events == 2_500
    parts = list(ingest.requests(path))
    assert [count for _, count in parts] == [1_000, 1_000, 500]
    documents = [json.loads(each) for body, _ in parts for each in body.splitlines()[1::2]]
    assert len({(document["Hostname"], document["RecordNumber"]) for document in documents}) == 2_500


def test_nothing_to_send_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.ndjson").write_bytes(b"")
    with pytest.raises(UsageError):
        ingest.run([tmp_path / "empty.ndjson"], console=Console(file=io.StringIO()))


def test_it_goes_the_whole_way(folder: Path) -> None:
    shown = io.StringIO()
    figures = ingest.run([folder], seconds=30, most=1_100, console=Console(file=shown, width=200))
    assert figures["sent"] == 1_100
    assert figures["alert_latency_s"]["count"] == 1
    assert set(figures["cpu_s"]) == {"core", "collectors", "worker", "generator"}
    assert set(figures["by_stage_us"]) >= {"normalise", "match", "spool", "insert", "detect", "alerts"}
    assert figures["peak_pss"] > 0
    assert "events/s" in shown.getvalue()
    assert json.loads(ingest.to_json(figures))["sent"] == 1_100
