"""Core: a stretch is stored, looked at and answered for once, whatever happens between."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import Leave, event
from tocsin.errors import BusyError
from tocsin.lang.ir import TRUE
from tocsin.pipeline import core as module
from tocsin.pipeline.core import Core, Intake
from tocsin.pipeline.knowledge import Knowledge
from tocsin.pipeline.sources import Sources
from tocsin.ports import Document
from tocsin.store import Store


def alerts(store: Store) -> list[Document]:
    return store.search(TRUE, of="alerts", limit=100)


def test_events_are_stored_and_alerts_made(core: Core, held: Store, leave: Leave) -> None:
    told: list[str] = []
    core.listeners.append(lambda kind, document: told.append(kind))
    core.take(*leave([event("alarm"), event("other")]))
    assert held.count(TRUE) == core.events == 2
    assert [each["kibana.alert.rule.uuid"] for each in alerts(held)] == ["query"]
    assert "alert" in told


def test_a_stretch_that_comes_again_changes_nothing(core: Core, held: Store, leave: Leave) -> None:
    stretch, path = leave([event("alarm"), *(event("probe") for _ in range(3))])
    for _ in range(3):
        core.take(stretch, path)
    assert held.count(TRUE) == 4
    assert sorted(each["kibana.alert.rule.uuid"] for each in alerts(held)) == ["query", "threshold"]


def test_a_threshold_goes_on_counting_after_a_restart(
    core: Core, held: Store, leave: Leave, knowledge: Knowledge
) -> None:
    core.take(*leave([event("probe"), event("probe")], 0))
    after = Core(held, knowledge, Sources())
    after.restore()
    after.take(*leave([event("probe")], 1))
    (alert,) = alerts(held)
    assert len(alert["tocsin.alert.event_ids"]) == 3


def test_a_restart_finds_nothing_twice(core: Core, held: Store, leave: Leave, knowledge: Knowledge) -> None:
    core.take(*leave([event("alarm"), *(event("probe") for _ in range(4))]))
    before = {(each["kibana.alert.uuid"], tuple(each["tocsin.alert.event_ids"])) for each in alerts(held)}
    after = Core(held, knowledge, Sources())
    after.restore()
    after.tick()
    assert {(each["kibana.alert.uuid"], tuple(each["tocsin.alert.event_ids"])) for each in alerts(held)} == before


def test_a_listener_that_fails_stops_nobody(core: Core, held: Store, leave: Leave) -> None:
    def fail(kind: str, document: Document) -> None:
        raise RuntimeError(kind)

    core.listeners.append(fail)
    core.take(*leave([event("alarm")]))
    assert alerts(held)


# ---- the intake ----


class Pipe:
    """An intake with one worker's end in hand."""

    def __init__(self, core: Any, folder: Path) -> None:
        self.intake = Intake(core, folder / "quarantine")
        self.theirs, ours = multiprocessing.Pipe()
        self.intake.add(ours, "worker-0")
        self.intake.start()

    def answer(self, connection: Connection | None = None) -> Any:
        connection = connection or self.theirs
        assert connection.poll(30)
        return connection.recv()


class Failing:
    """A core that can't store."""

    def __init__(self, errors: list[Exception]) -> None:
        self.errors = errors
        self.sources = Sources()
        self.taken: list[Path] = []

    def take(self, stretch: Any, path: Path) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(path)

    def tick(self) -> None:
        raise RuntimeError("a tick that fails")

    def _count(self, stage: str, seconds: float) -> None: ...


@pytest.fixture
def left(tmp_path: Path) -> Path:
    path = tmp_path / "spool" / "a.arrow"
    path.parent.mkdir()
    path.write_bytes(b"arrow")
    return path


def test_a_stretch_is_answered_when_it_is_stored(tmp_path: Path, left: Path) -> None:
    pipe = Pipe(Failing([BusyError("busy")]), tmp_path)
    pipe.theirs.send(("stretch", (0, 0, 1), str(left), {}, {}, ""))
    assert pipe.answer() == ("passed", (0, 0, 1))
    assert not left.exists()
    pipe.intake.stop()


def test_a_worker_that_dies_does_not_stop_the_intake(tmp_path: Path, left: Path) -> None:
    """What it had sent is taken; the next worker is heard."""
    core = Failing([])
    pipe = Pipe(core, tmp_path)
    pipe.theirs.send(("stretch", (0, 0, 1), str(left), {}, {}, ""))
    pipe.theirs.close()
    theirs, ours = multiprocessing.Pipe()
    pipe.intake.add(ours, "worker-0")
    theirs.send(("ready", 17, {"rule": "generation"}))
    theirs.send(("stretch", (0, 1, 2), str(left), {}, {}, ""))
    assert pipe.answer(theirs) == ("passed", (0, 1, 2))
    assert len(core.taken) == 2
    assert pipe.intake.ready == {17: {"rule": "generation"}}
    pipe.intake.stop()


def test_a_stretch_that_a_next_worker_makes_again_is_counted_once(tmp_path: Path, left: Path) -> None:
    core = Failing([])
    pipe = Pipe(core, tmp_path)
    seen = {"events": 2, "bytes": 9, "overflowed": 0, "unparsed": {}, "last": 5, "late": 0, "seen": 7}
    for number, stretch in enumerate([(0, 0, 2), (0, 0, 2), (1, 0, 2), (0, 2, 4)], start=1):
        pipe.theirs.send(("stretch", stretch, str(left), {("zeek.http", "ws1"): seen}, {}, ""))
        assert pipe.answer() == ("passed", stretch)
        assert len(core.taken) == number
    assert core.sources.all()["zeek.http", "ws1"].events == 6
    pipe.intake.stop()


def test_a_connection_closed_elsewhere_does_not_stop_the_intake(tmp_path: Path, left: Path) -> None:
    pipe = Pipe(Failing([]), tmp_path)
    theirs, ours = multiprocessing.Pipe()
    pipe.intake.add(ours, "worker-1")
    ours.close()
    del theirs
    pipe.theirs.send(("stretch", (0, 0, 1), str(left), {}, {}, ""))
    assert pipe.answer() == ("passed", (0, 0, 1))
    pipe.intake.stop()


def test_what_cannot_be_stored_is_set_aside_and_its_lane_goes_on(
    tmp_path: Path, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POISON", 2)
    pipe = Pipe(Failing([ValueError("\x1b[31mpoison"), ValueError("poison")]), tmp_path)
    pipe.theirs.send(("stretch", (3, 5, 6), str(left), {}, {}, ""))
    assert pipe.answer() == ("passed", (3, 5, 6))
    assert (tmp_path / "quarantine" / "a.arrow").read_bytes() == b"arrow"
    (problem,) = pipe.intake.problems
    assert "lane 3, records 5–6" in problem
    assert "\x1b" not in problem
    pipe.intake.stop()
