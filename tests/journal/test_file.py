"""The journal in a folder: what is promised of it, and what damage and crashes do to it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.journal.conftest import SMALL, append_now, chunk, everything, noise, payloads, segment
from tocsin.errors import BusyError, ConfigError
from tocsin.event.records import Chunk, Origin
from tocsin.journal import _layout, _reader
from tocsin.journal.file import FileReader, FileWriter, JournalError, lane_of, open_reader, open_writer


def test_gives_back_what_was_appended(writer: FileWriter, reader: FileReader) -> None:
    chunks = [
        chunk(b""),
        chunk(b"\x00\xff\n" * 1000),
        Chunk("zeek", b"1\t2\n", Origin("file", path="/x/ä.log", header="#separator \\x09\n", record=7, offset=0)),
    ]
    appended = append_now(writer, chunks, lane_key="a")
    assert appended == (lane_of("a", 16), 0, False)
    frames = everything(reader)
    assert [frame.chunk for frame in frames] == chunks
    assert [frame.position for frame in frames] == [0, 1, 2]
    assert {frame.lane for frame in frames} == {appended.lane}
    assert everything(reader) == []


def test_a_path_that_is_no_unicode_is_kept_readable(writer: FileWriter, reader: FileReader) -> None:
    append_now(writer, [chunk(b"x", path=os.fsdecode(b"/x/\xff.log"))], lane_key="a")
    assert [frame.chunk.origin.path for frame in everything(reader)] == ["/x/\\udcff.log"]


def test_lanes_are_spread_and_each_keeps_its_order(writer: FileWriter, reader: FileReader) -> None:
    for number in range(200):
        writer_key = f"host-{number % 40}"
        append_now(writer, [chunk(b"%d" % number, peer=writer_key)], lane_key=writer_key)
    frames = everything(reader, max_bytes=10)
    assert len(frames) == 200
    assert len({frame.lane for frame in frames}) > 8
    for key in range(40):
        mine = [int(frame.chunk.payload) for frame in frames if frame.chunk.origin.peer == f"host-{key}"]
        assert mine == sorted(mine)
        assert len(mine) == 5


def test_many_appends_share_a_sync(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = 0
    real = os.fdatasync

    def slow(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)

    async def many(writer: FileWriter) -> None:
        writer._last_sync = 0.01  # as on a disk that is slow, so that the window is open
        await asyncio.gather(*(writer.append([chunk(b"x")], lane_key=str(n)) for n in range(500)))

    with open_writer(folder) as writer:
        asyncio.run(many(writer))
    assert syncs < 20


def test_an_append_returns_after_its_sync(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    real = os.fdatasync

    def held(descriptor: int) -> None:
        gate.wait()
        real(descriptor)

    with open_writer(folder) as writer, open_reader(folder) as reader:
        monkeypatch.setattr(os, "fdatasync", held)
        taken: list[object] = []
        thread = threading.Thread(target=lambda: taken.append(append_now(writer, [chunk(b"x")], lane_key="a")))
        thread.start()
        thread.join(0.2)
        assert taken == []
        assert everything(reader) == [], "a frame was handed out before it was on disk"
        gate.set()
        thread.join()
        assert len(taken) == 1
        assert payloads(everything(reader)) == [b"x"]


def test_a_replay_has_the_same_edges(folder: Path, writer: FileWriter) -> None:
    for number in range(50):
        append_now(writer, [chunk(b"%04d" % (4 * number + i)) for i in range(4)], lane_key="a")
    lane = lane_of("a", 16)
    before = []
    with open_reader(folder, lanes=[lane]) as reader:
        for _ in range(6):
            found = reader.stretch(lane, max_bytes=22)
            assert found
            before.append(found)
        reader.passed(before[0][0])
    with open_reader(folder, lanes=[lane]) as reader:
        after = [reader.stretch(lane, max_bytes=1 << 20) for _ in range(6)]
    assert after[:5] == before[1:]
    assert after[5] is not None
    assert after[5][0].start == before[-1][0].end
    assert after[5][0].end == 200


def test_a_stretch_is_bounded_within_an_append(writer: FileWriter, reader: FileReader) -> None:
    append_now(writer, [chunk(noise(1000)) for _ in range(10)], lane_key="a")
    lane = lane_of("a", 16)
    sizes = []
    while (found := reader.stretch(lane, max_bytes=2500)) is not None:
        sizes.append(len(found[1]))
        reader.passed(found[0])
    assert sizes == [2, 2, 2, 2, 2]


def test_one_frame_comes_however_large(writer: FileWriter, reader: FileReader) -> None:
    append_now(writer, [chunk(noise(100_000))], lane_key="a")
    assert [len(frame.chunk.payload) for frame in everything(reader, max_bytes=10)] == [100_000]


def test_stretches_passed_out_of_turn_wait(folder: Path, writer: FileWriter) -> None:
    lane = lane_of("a", 16)
    for number in range(3):
        append_now(writer, [chunk(b"%d" % number)], lane_key="a")
    with open_reader(folder) as reader:
        first, second, third = (reader.stretch(lane, max_bytes=1) for _ in range(3))
        assert first and second and third
        reader.passed(third[0])
        reader.passed(second[0])
        assert writer.health()["lanes"][lane]["cursor"] == 0
        reader.passed(first[0])
        assert writer.health()["lanes"][lane]["cursor"] == 3
        reader.passed(first[0])  # again: nothing happens
    with open_reader(folder) as reader:
        assert reader.stretch(lane, max_bytes=1) is None


def test_a_lane_has_one_reader(folder: Path, writer: FileWriter) -> None:
    with open_reader(folder, lanes=[1, 2]) as one, open_reader(folder, lanes=[2, 3]) as two:
        assert one.stretch(2, max_bytes=1) is None
        with pytest.raises(JournalError, match="read by another"):
            two.stretch(3, max_bytes=1)
        with pytest.raises(JournalError, match="not this reader's"):
            one.stretch(5, max_bytes=1)
    with open_reader(folder, lanes=[2]) as three:
        assert three.stretch(2, max_bytes=1) is None


def test_a_journal_has_one_writer(folder: Path, writer: FileWriter) -> None:
    with pytest.raises(JournalError, match="another process writes"):
        open_writer(folder)


def test_the_number_of_lanes_is_fixed_when_it_is_made(folder: Path) -> None:
    open_writer(folder, lanes=4).close()
    with open_writer(folder, lanes=8) as writer, open_reader(folder) as reader:
        assert writer.lanes == 4
        assert reader.lanes == (0, 1, 2, 3)


@pytest.mark.parametrize("address", ["kafka://h/t", "file://host/x", "s3://x"])
def test_refuses_an_address_that_is_no_folder(address: str) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        open_writer(address)


def test_waits_for_what_is_new(folder: Path, writer: FileWriter, reader: FileReader) -> None:
    assert everything(reader) == []
    assert not reader.wait(0.05)
    append_now(writer, [chunk(b"x")], lane_key="a")
    assert reader.wait(0)
    assert reader.wait(0), "it has not been read"
    assert len(everything(reader)) == 1
    assert not reader.wait(0)


# ---- segments and room ----


def test_segments_that_all_lanes_have_passed_are_deleted(folder: Path) -> None:
    with open_writer(folder, segment_bytes=20_000) as writer, open_reader(folder) as reader:
        for number in range(40):
            append_now(writer, [chunk(noise(3_000))], lane_key=str(number % 5))
        assert len(list(folder.glob("*.seg"))) > 5
        assert writer.clean() == 0
        assert len(everything(reader)) == 40
        writer.clean()
        assert len(list(folder.glob("*.seg"))) == 1
        append_now(writer, [chunk(b"more")], lane_key="1")
        assert payloads(everything(reader)) == [b"more"]
    with open_writer(folder) as writer, open_reader(folder) as reader:
        assert everything(reader) == []
        assert append_now(writer, [chunk(b"x")], lane_key="1").position == 9


def test_a_full_journal_takes_nothing_and_says_so(folder: Path) -> None:
    with open_writer(folder, max_bytes=SMALL, segment_bytes=100_000) as writer, open_reader(folder) as reader:
        taken = 0
        with pytest.raises(BusyError, match="full") as busy:
            for _ in range(1000):
                append_now(writer, [chunk(noise(10_000))], lane_key="a")
                taken += 1
        assert busy.value.retry_after > 0
        assert sum(path.stat().st_size for path in folder.glob("*.seg")) <= SMALL
        assert len(everything(reader)) == taken > 80
        writer.clean()
        append_now(writer, [chunk(noise(10_000))], lane_key="a")
        assert len(everything(reader)) == 1


def test_a_disk_that_is_nearly_full_is_left_alone(folder: Path) -> None:
    with open_writer(folder, min_free=1 << 60) as writer, pytest.raises(BusyError, match="free"):
        append_now(writer, [chunk(b"x")], lane_key="a")


def test_what_can_never_fit_is_an_error(folder: Path) -> None:
    with open_writer(folder, max_bytes=SMALL) as writer, pytest.raises(JournalError, match="max_bytes"):
        append_now(writer, [chunk(noise(SMALL))], lane_key="a")


@pytest.mark.parametrize(
    ("call", "number"), [("fdatasync", errno.EIO), ("writev", errno.ENOSPC), ("writev", errno.EIO)]
)
def test_a_failing_disk_takes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    real = getattr(os, call)
    with open_writer(folder) as writer, open_reader(folder) as reader:
        append_now(writer, [chunk(b"before")], lane_key="a")

        def failing(descriptor: int, *parts: list[bytes]) -> None:
            for part in parts:
                os.write(descriptor, b"".join(part)[:100])  # some of it went out
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, call, failing)
        with pytest.raises(BusyError, match="disk refused"):
            append_now(writer, [chunk(b"lost")], lane_key="a", request=b"r")
        monkeypatch.setattr(os, call, real)
        writer._mend()  # as the committing thread does each second
        assert not append_now(writer, [chunk(b"after")], lane_key="a", request=b"r").repeated
        assert payloads(everything(reader)) == [b"before", b"after"]
        assert reader.damaged.maxlen and not reader.damaged


def test_a_lane_far_behind_loses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reader, "_QUEUE", 10)
    with open_writer(folder, lanes=4, segment_bytes=20_000) as writer:

        async def all_at_once() -> None:
            await asyncio.gather(*(writer.append([chunk(b"%d" % n)], lane_key=str(n % 7)) for n in range(3_000)))

        asyncio.run(all_at_once())
    with open_reader(folder) as reader:
        # One lane is read to its end while the others wait, then the next.
        frames = everything(reader, max_bytes=100)
    assert sorted(int(frame.chunk.payload) for frame in frames) == list(range(3_000))
    for lane in range(4):
        positions = [frame.position for frame in frames if frame.lane == lane]
        assert positions == list(range(len(positions)))


# ---- crashes and damage ----


@pytest.mark.parametrize("cut", [1, 10, 71, 72, 73, 100, 5_000])
def test_a_torn_end_is_cut_off(folder: Path, cut: int) -> None:
    with open_writer(folder) as writer:
        append_now(writer, [chunk(b"kept")], lane_key="a")
        size = segment(folder).stat().st_size
        append_now(writer, [chunk(noise(6_000))], lane_key="a")
    # As if it had ended within the second write: that was never synced, and nobody was told.
    os.truncate(segment(folder), min(size + cut, segment(folder).stat().st_size - 1))
    descriptor = os.open(folder / "synced", os.O_RDWR)
    _layout.publish(descriptor, _layout.place(1, size))
    os.close(descriptor)
    with open_writer(folder) as writer, open_reader(folder) as reader:
        assert segment(folder).stat().st_size == size
        append_now(writer, [chunk(b"next")], lane_key="a")
        assert payloads(everything(reader)) == [b"kept", b"next"]


def test_an_empty_last_segment_is_a_torn_end(folder: Path) -> None:
    with open_writer(folder) as writer:
        append_now(writer, [chunk(b"kept")], lane_key="a")
    (folder / _layout.name(2)).touch()
    with open_writer(folder) as writer, open_reader(folder) as reader:
        assert append_now(writer, [chunk(b"next")], lane_key="a").position == 1
        assert payloads(everything(reader)) == [b"kept", b"next"]


@pytest.mark.parametrize("where", ["magic", "length", "body"])
def test_damage_in_the_middle_is_reported_and_skipped(folder: Path, where: str) -> None:
    with open_writer(folder) as writer:
        ends = []
        for number in range(5):
            append_now(writer, [chunk(b"%d" % number * 2_000)], lane_key="a")
            ends.append(segment(folder).stat().st_size)
    at = ends[1] + {"magic": 0, "length": 14, "body": 80}[where]
    with segment(folder).open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 0x55]))
    with open_reader(folder) as reader:
        assert [frame.position for frame in everything(reader)] == [0, 1, 3, 4]
        assert sum(damage.length for damage in reader.damaged) == ends[2] - ends[1]
    with open_writer(folder) as writer, open_reader(folder) as reader:
        assert len(writer.damaged) == 1
        assert append_now(writer, [chunk(b"x")], lane_key="a").position == 5
        assert payloads(everything(reader)) == [b"x"]


def test_a_damaged_head_hides_no_entry(folder: Path) -> None:
    with open_writer(folder, segment_bytes=20_000) as writer:
        for number in range(30):
            append_now(writer, [chunk(b"%d" % number + noise(3_000))], lane_key="a")
    for path in (folder / _layout.name(2), segment(folder)):
        with path.open("r+b") as file:
            file.write(b"XXXX")
    with open_writer(folder, segment_bytes=20_000) as writer, open_reader(folder) as reader:
        assert append_now(writer, [chunk(b"x")], lane_key="a").position == 30
        assert len(everything(reader, max_bytes=7_000)) == 31


def test_positions_are_never_given_twice(folder: Path) -> None:
    with open_writer(folder) as writer, open_reader(folder) as reader:
        append_now(writer, [chunk(b"one")], lane_key="a")
        append_now(writer, [chunk(b"two")], lane_key="a")
        everything(reader)
    os.truncate(segment(folder), 0)  # the disk lost all of it
    with open_writer(folder) as writer, open_reader(folder) as reader:
        assert append_now(writer, [chunk(b"three")], lane_key="a").position == 2
        assert payloads(everything(reader)) == [b"three"]


def test_a_reader_goes_on_when_the_disk_lost_what_it_promised(folder: Path) -> None:
    with open_writer(folder) as writer:
        append_now(writer, [chunk(b"one")], lane_key="a")
        size = segment(folder).stat().st_size
        append_now(writer, [chunk(noise(5_000))], lane_key="a")
    with open_reader(folder) as reader:
        assert len(everything(reader)) == 2
        os.truncate(segment(folder), size)
        with open_writer(folder) as writer:
            append_now(writer, [chunk(b"three")], lane_key="a")
            assert payloads(everything(reader)) == [b"three"]


def test_a_half_written_edge_is_none(folder: Path, writer: FileWriter) -> None:
    lane = lane_of("a", 16)
    for number in range(4):
        append_now(writer, [chunk(b"%d" % number)], lane_key="a")
    with open_reader(folder) as reader:
        first = reader.stretch(lane, max_bytes=2)
        reader.stretch(lane, max_bytes=1)
    path = folder / f"lane-{lane:02d}.stretches"
    os.truncate(path, path.stat().st_size - 5)
    with open_reader(folder) as reader:
        assert reader.stretch(lane, max_bytes=100) == first
        again = reader.stretch(lane, max_bytes=100)
        assert again and again[0] == (lane, 2, 4)


@pytest.mark.parametrize("slot", [0, 512])
def test_a_torn_cursor_falls_back_to_the_one_before(folder: Path, writer: FileWriter, slot: int) -> None:
    lane = lane_of("a", 16)
    for number in range(5):
        append_now(writer, [chunk(b"%d" % number)], lane_key="a")
    with open_reader(folder) as reader:
        for _ in range(4):
            found = reader.stretch(lane, max_bytes=1)
            assert found
            reader.passed(found[0])
    with (folder / f"lane-{lane:02d}.cursor").open("r+b") as file:
        file.seek(slot)
        file.write(b"\xff" * 9)
    assert writer.health()["lanes"][lane]["cursor"] in {3, 4}


KILLED = """
import asyncio
import sys
from tocsin.event.records import Chunk, Origin
from tocsin.journal.file import open_writer

first = int(sys.argv[2])
with open_writer(sys.argv[1], segment_bytes=200_000, sync_ms=1) as writer:
    for number in range(first, first + 1_000_000):
        payload = b"%d " % number * (number % 400)
        chunks = [Chunk("lines", part, Origin("file")) for part in (b"%d" % number, payload)]
        appended = asyncio.run(writer.append(chunks, lane_key=str(number % 9), request=b"%d" % number))
        sys.stdout.write(f"{number} {int(appended.repeated)}\\n")
        sys.stdout.flush()
        writer.answered(appended)
"""


def test_kill_9_loses_nothing_acknowledged_and_doubles_nothing(folder: Path) -> None:
    acknowledged: list[int] = []
    following = 0
    for round_ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(folder), str(following)], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout
        for line in process.stdout:
            if not line.endswith(b"\n"):
                break
            acknowledged.append(int(line.split()[0]))
            if len(acknowledged) % 97 == 31 * (round_ + 1) % 97:
                process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        # The sender tries again what it was not told of.
        following = acknowledged[-1] + 1
    with open_writer(folder), open_reader(folder) as reader:
        frames = everything(reader, max_bytes=3_000)
    found = [int(frame.chunk.payload) for frame in frames if frame.position % 2 == 0]
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))


READER = """
import sys
from tocsin.journal.file import open_reader

with open_reader(sys.argv[1]) as reader:
    while True:
        for lane in reader.lanes:
            found = reader.stretch(lane, max_bytes=64)
            if found is None:
                continue
            stretch, frames = found
            held = ",".join(frame.chunk.payload.decode() for frame in frames)
            sys.stdout.write(f"{lane} {stretch.start} {stretch.end} {held}\\n")
            sys.stdout.flush()
            reader.passed(stretch)
        if not reader.wait(0.1) and len(sys.argv) > 2:
            break
"""


def test_a_killed_worker_sees_the_same_stretches_again(folder: Path) -> None:
    with open_writer(folder) as writer:
        for number in range(400):
            append_now(writer, [chunk(b"%06d" % number)], lane_key=str(number % 6))
    stretches: dict[tuple[int, int], tuple[int, str]] = {}
    for round_ in range(4):
        last = ["end"] if round_ == 3 else []
        process = subprocess.Popen([sys.executable, "-c", READER, str(folder), *last], stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout
        for number, line in enumerate(process.stdout):
            lane, start, end, held = line.decode().strip().split(" ")
            seen = stretches.setdefault((int(lane), int(start)), (int(end), held))
            assert seen == (int(end), held)
            if not last and number == 2:
                process.kill()
        process.wait()
        process.stdout.close()
    found = sorted(payload for _, text in stretches.values() for payload in text.split(","))
    assert found == [f"{number:06d}" for number in range(400)]
