"""A worker: leaves stretches, moves cursors when it is told, and lets nothing stop its lane."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from tests.pipeline.conftest import event, plan
from tocsin.event.records import Chunk, Origin
from tocsin.journal.file import FileWriter, open_reader, open_writer
from tocsin.pipeline import spool, worker
from tocsin.pipeline.worker import AHEAD, _Worker


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FileWriter]:
    with open_writer(tmp_path / "journal", lanes=1, min_free=0) as writer:
        yield writer


def write(journal: FileWriter, *documents: dict[str, Any], raw: bytes = b"") -> None:
    payload = raw or b"".join(orjson.dumps(document) + b"\n" for document in documents)
    origin = Origin("bulk", peer="127.0.0.1", product="ecs.document")
    asyncio.run(journal.append([Chunk("ndjson", payload, origin)], lane_key="k"))


class Driven:
    """A worker in a thread of this process, with core's end of its pipe in hand."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder / "spool"
        self.spool.mkdir()
        self.journal = folder / "journal"
        self.ours, theirs = multiprocessing.Pipe()
        self.worker = _Worker(theirs, str(self.journal), [0], self.spool, plan().dump(), folder / "cache", None)
        self.thread = threading.Thread(target=self.worker.loop, daemon=True)

    def heard(self, kind: str) -> Any:
        while self.ours.poll(30):
            message = self.ours.recv()
            if message[0] == kind:
                return message
        raise AssertionError(f"nothing of {kind} was said")

    def stop(self) -> None:
        self.ours.send(("stop",))
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def driven(tmp_path: Path, journal: FileWriter) -> Driven:
    (tmp_path / "cache").mkdir()
    return Driven(tmp_path)


def test_a_stretch_is_left_and_its_cursor_moves_when_it_is_passed(
    driven: Driven, journal: FileWriter, tmp_path: Path
) -> None:
    assert sorted(driven.heard("ready")[2]) == ["query", "threshold"]
    write(journal, event("alarm"), event("other"))
    driven.thread.start()
    _, stretch, path, health, times, _ = driven.heard("stretch")
    made = spool.read(Path(path))
    assert (made.events.num_rows, made.hits.num_rows) == (2, 1)
    assert health[("t", "127.0.0.1")]["events"] == 2
    assert set(times) == {"normalise", "match", "spool"}
    driven.ours.send(("passed", stretch))
    driven.stop()
    with open_reader(tmp_path / "journal", lanes=[0]) as reader:
        assert reader.stretch(0, max_bytes=1 << 20) is None


def test_what_was_not_passed_comes_again(driven: Driven, journal: FileWriter, tmp_path: Path) -> None:
    write(journal, event("alarm"))
    driven.thread.start()
    stretch = driven.heard("stretch")[1]
    driven.stop()
    with open_reader(tmp_path / "journal", lanes=[0]) as reader:
        again = reader.stretch(0, max_bytes=1 << 20)
        assert again is not None
        assert tuple(again[0]) == tuple(stretch)


def test_it_runs_ahead_of_core_no_further_than_it_may(
    driven: Driven, journal: FileWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "STRETCH_BYTES", 1)
    for _ in range(AHEAD + 3):
        write(journal, event("other"))
    driven.thread.start()
    stretches = [driven.heard("stretch")[1] for _ in range(AHEAD)]
    assert not driven.ours.poll(1.0)
    driven.ours.send(("passed", stretches[0]))
    assert driven.heard("stretch")
    driven.stop()


def test_other_rules_are_taken_at_once(driven: Driven, journal: FileWriter) -> None:
    driven.heard("ready")
    driven.thread.start()
    driven.ours.send(("plan", plan(enabled={"threshold": False}).dump()))
    assert list(driven.heard("ready")[2]) == ["query"]
    driven.stop()


def test_an_event_that_cannot_be_matched_is_stored(
    driven: Driven, journal: FileWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = driven.worker.hits.run

    def fails(batch: pa.RecordBatch, processes: pa.RecordBatch | None = None) -> pa.RecordBatch:
        if "poison" in batch.column("user.name").to_pylist():
            raise ValueError("poison")
        return whole(batch, processes)

    monkeypatch.setattr(driven.worker.hits, "run", fails)
    write(journal, event("alarm"), event("alarm", "poison"), event("alarm", "bob"))
    driven.thread.start()
    made = spool.read(Path(driven.heard("stretch")[2]))
    assert made.events.num_rows == 3
    assert made.hits.num_rows == 2
    driven.stop()


def test_a_frame_that_nobody_can_read_is_put_aside(
    driven: Driven, journal: FileWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert driven.worker.normaliser is not None
    whole = driven.worker.normaliser.run

    def fails(frames: Any) -> Any:
        if any(b"poison" in frame.chunk.payload for frame in frames):
            raise ValueError("poison")
        return whole(frames)

    monkeypatch.setattr(driven.worker.normaliser, "run", fails)
    write(journal, event("alarm"))
    write(journal, raw=b'{"poison": 1}\n')
    write(journal, event("alarm", "bob"))
    driven.thread.start()
    problem = driven.heard("problem")[1]
    made = spool.read(Path(driven.heard("stretch")[2]))
    assert made.events.column("user.name").to_pylist() == ["ann", "bob"]
    (aside,) = (tmp_path / "quarantine").iterdir()
    assert aside.read_bytes() == b'{"poison": 1}\n'
    assert str(aside) in problem
    driven.stop()
