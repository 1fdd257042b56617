"""Detection without a store: one stream in order, spilled past a bound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.pipeline.conftest import event, plan
from tocsin.event.records import Chunk, Origin
from tocsin.lang import kql
from tocsin.normalise._run import FileBatch, Normaliser, normalise_file
from tocsin.pipeline import offline
from tocsin.pipeline.knowledge import Knowledge
from tocsin.pipeline.offline import Match, Scan, select, spill


def batches(normaliser: Normaliser, *files: list[dict[str, Any]]) -> list[FileBatch]:
    """A batch a document, so that there are many."""
    chunks = [
        Chunk("ndjson", orjson.dumps(document), Origin("scan", path=f"f{number}"))
        for number, documents in enumerate(files)
        for document in documents
    ]
    return list(normalise_file(chunks, "ecs.document", normaliser=normaliser))


def at(second: int, action: str, user: str = "ann") -> dict[str, Any]:
    return {**event(action, user), "@timestamp": f"2026-01-01T00:00:{second:02}Z"}


def run(normaliser: Normaliser, *files: list[dict[str, Any]], per_file: bool = False) -> list[Match]:
    known = Knowledge(plan(), normaliser=normaliser)
    scan = Scan(list(known.rules.values()), known.types, known.names, known.lists)
    return list(scan.run(batches(normaliser, *files), per_file=per_file))


def test_matches_come_in_order_of_time_over_all_files(normaliser: Normaliser) -> None:
    found = run(normaliser, [at(5, "alarm"), at(1, "alarm")], [at(3, "alarm")])
    assert [match.events for match in found] == [[("f0", 1)], [("f1", 0)], [("f0", 0)]]


def test_a_threshold_counts_over_files_unless_they_are_kept_apart(normaliser: Normaliser) -> None:
    files = [at(1, "probe"), at(2, "probe")], [at(3, "probe")]
    (match,) = run(normaliser, *files)
    assert match.rule.id == "threshold"
    assert match.events == [("f0", 0), ("f0", 1), ("f1", 0)]
    assert run(normaliser, *files, per_file=True) == []


def test_files_that_are_kept_apart_do_not_share_processes_either(normaliser: Normaliser) -> None:
    known = Knowledge(plan(shipped=True, own={}), normaliser=normaliser)
    scan = Scan(list(known.rules.values()), known.types, known.names, known.lists)

    def start(file: str, second: int, pid: int, parent: int, name: str, of: str, line: str) -> Chunk:
        system = {"Channel": "Security", "EventID": 4688, "Computer": "pc1", "EventRecordID": second}
        system["TimeCreated"] = {"#attributes": {"SystemTime": f"2026-01-01T00:00:{second:02}Z"}}
        data = {"NewProcessId": hex(pid), "ProcessId": hex(parent), "NewProcessName": f"C:\\{name}"}
        data |= {"ParentProcessName": f"C:\\{of}", "CommandLine": line}
        return Chunk(
            "ndjson", orjson.dumps({"Event": {"System": system, "EventData": data}}), Origin("scan", path=file)
        )

    def found(*chunks: Chunk, per_file: bool) -> list[str]:
        made = normalise_file(chunks, normaliser=normaliser)
        return [match.rule.name for match in scan.run(made, normaliser.processes, per_file=per_file)]

    batch = start("f0", 1, 10, 9, "cmd.exe", "explorer.exe", "cmd /c run.bat")
    shell = start("f1", 2, 11, 10, "powershell.exe", "cmd.exe", "powershell -c 1")
    rule = "PowerShell Launched from a Batch File"
    assert found(batch, shell, per_file=False) == [rule]
    assert found(shell, batch, per_file=False) == [rule]  # one stream by time, not by file
    assert found(batch, shell, per_file=True) == []


@pytest.mark.parametrize("held", [0, 1, 100])
def test_what_is_spilled_is_found_too(normaliser: Normaliser, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "HELD", held)
    found = run(normaliser, [at(n, "alarm" if n % 2 else "other") for n in range(10)])
    assert [match.documents[0]["event.action"] for match in found] == ["alarm"] * 5


def test_the_spill_goes_with_its_folder(normaliser: Normaliser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "HELD", 0)
    with spill() as kept:
        folder: Path = kept._folder
        kept.add(batches(normaliser, [at(1, "alarm")])[0].batch)
        assert len(list(kept)) == 1
        assert list(folder.iterdir())
    assert not folder.exists()


def test_a_query_selects_in_input_order(normaliser: Normaliser) -> None:
    known = Knowledge(plan(), normaliser=normaliser)
    made = batches(normaliser, [at(9, "alarm"), at(1, "other"), at(2, "alarm")])
    where = kql.parse("event.action: alarm", known.event_names)
    assert [(path, record) for path, record, _ in select(made, where, known.lists)] == [("f0", 0), ("f0", 2)]
