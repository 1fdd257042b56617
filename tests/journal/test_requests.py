"""Requests: an identical one counts once only while nobody can have had its answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.journal.conftest import append_now, chunk, everything, noise
from tocsin.journal import _requests, _writer
from tocsin.journal.file import FileReader, FileWriter, open_reader, open_writer


def test_a_request_counts_once_only_while_it_is_unanswered(writer: FileWriter, reader: FileReader) -> None:
    first = append_now(writer, [chunk(b"x")], lane_key="a", request=b"body")
    writer.abandoned(first)
    again = append_now(writer, [chunk(b"x")], lane_key="a", request=b"body")
    assert again == (first.lane, first.position, True)
    writer.answered(again)
    third = append_now(writer, [chunk(b"x")], lane_key="a", request=b"body")
    assert not third.repeated
    writer.answered(third)
    assert len(everything(reader)) == 2


def test_an_answer_on_its_way_is_no_mark_yet(folder: Path) -> None:
    with open_writer(folder) as writer:
        for _ in range(2):  # an identical request is another one at once
            sent = append_now(writer, [chunk(b"x")], lane_key="a", request=b"sent")
            assert not sent.repeated
            writer.answered(sent, delivered=False)
        gone = append_now(writer, [chunk(b"x")], lane_key="a", request=b"gone")
        writer.answered(gone, delivered=False)
        writer.answered(gone)
        writer.answered(gone)  # more says nothing more
    with open_writer(folder) as writer:  # as after a crash: the sender may not have had its answer
        assert append_now(writer, [chunk(b"x")], lane_key="a", request=b"sent") == (*sent[:2], True)
        assert not append_now(writer, [chunk(b"x")], lane_key="a", request=b"gone").repeated


@pytest.mark.parametrize("other", [{"key": "k2"}, {"peer": "10.0.0.2"}])
def test_another_sender_is_no_repeat(writer: FileWriter, other: dict[str, str]) -> None:
    writer.abandoned(append_now(writer, [chunk(b"x", key="k1", peer="10.0.0.1")], lane_key="a", request=b"body"))
    origin = {"key": "k1", "peer": "10.0.0.1"} | other
    assert not append_now(writer, [chunk(b"x", **origin)], lane_key="a", request=b"body").repeated
    assert not append_now(writer, [chunk(b"x")], lane_key="b", request=b"body").repeated


def test_identical_requests_side_by_side_count_each_when_answered(folder: Path) -> None:
    async def send(writer: FileWriter) -> bool:
        appended = await writer.append([chunk(b"x")], lane_key="a", request=b"body")
        await asyncio.sleep(0)
        writer.answered(appended)
        return appended.repeated

    async def many(writer: FileWriter) -> list[bool]:
        return await asyncio.gather(*(send(writer) for _ in range(5)))

    with open_writer(folder) as writer, open_reader(folder) as reader:
        assert asyncio.run(many(writer)) == [False] * 5
        assert len(everything(reader)) == 5


def test_a_request_that_was_cancelled_is_abandoned(folder: Path) -> None:
    async def cancelled(writer: FileWriter) -> None:
        task = asyncio.create_task(writer.append([chunk(b"x")], lane_key="a", request=b"body"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        again = await writer.append([chunk(b"x")], lane_key="a", request=b"body")
        assert again.repeated

    with open_writer(folder) as writer, open_reader(folder) as reader:
        asyncio.run(cancelled(writer))
        assert len(everything(reader)) == 1


def test_requests_are_known_after_a_restart(folder: Path) -> None:
    with open_writer(folder) as writer:
        answered = append_now(writer, [chunk(b"1")], lane_key="a", request=b"answered")
        writer.answered(answered)
        append_now(writer, [chunk(b"2")], lane_key="a", request=b"unanswered")
    for _ in range(3):
        with open_writer(folder) as writer:
            pass
    with open_writer(folder) as writer:
        assert append_now(writer, [chunk(b"2")], lane_key="a", request=b"unanswered").repeated
        assert not append_now(writer, [chunk(b"1")], lane_key="a", request=b"answered").repeated


def test_requests_outlive_their_segments(folder: Path) -> None:
    with open_writer(folder, segment_bytes=20_000) as writer, open_reader(folder) as reader:
        lost = append_now(writer, [chunk(b"1")], lane_key="a", request=b"unanswered")
        done = append_now(writer, [chunk(b"1")], lane_key="a", request=b"answered")
        for _ in range(20):
            append_now(writer, [chunk(noise(5_000))], lane_key="a")
        writer.answered(done)
        everything(reader)
        assert writer.clean() > 2
    with open_writer(folder) as writer:
        again = append_now(writer, [chunk(b"1")], lane_key="a", request=b"unanswered")
        assert again == (lost.lane, lost.position, True)
        assert not append_now(writer, [chunk(b"1")], lane_key="a", request=b"answered").repeated


def test_requests_are_forgotten_in_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_writer(folder) as writer:
        append_now(writer, [chunk(b"1")], lane_key="a", request=b"old")
    monkeypatch.setattr(_requests, "KEPT_FOR", -1_000_000)
    with open_writer(folder) as writer:
        assert not append_now(writer, [chunk(b"1")], lane_key="a", request=b"old").repeated


def test_no_more_requests_are_kept_than_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_requests, "KEPT_MOST", 3)
    with open_writer(folder) as writer:
        for number in range(6):
            append_now(writer, [chunk(b"1")], lane_key="a", request=b"%d" % number)
    with open_writer(folder) as writer:
        found = [
            append_now(writer, [chunk(b"1")], lane_key="a", request=b"%d" % number).repeated for number in range(6)
        ]
    assert found == [False] * 3 + [True] * 3


def test_an_answer_nobody_told_of_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_writer, "SETTLED_WITHIN", 0.0)
    with open_writer(folder) as writer:
        append_now(writer, [chunk(b"1")], lane_key="a", request=b"r")
        assert append_now(writer, [chunk(b"1")], lane_key="a", request=b"r").repeated
