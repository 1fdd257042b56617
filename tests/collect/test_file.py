"""Reading files as they grow, are rotated, copied, compressed and broken."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import signal
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from tests.conftest import ROOT
from tocsin.collect import _packed, _read
from tocsin.collect.file import Files, Settings
from tocsin.errors import BusyError
from tocsin.event.records import Chunk
from tocsin.ports import Appended


class Memory:
    """A journal in memory that can be told to be full a number of times."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.busy = 0

    async def append(self, chunks: Any, *, lane_key: str, request: bytes | None = None) -> Appended:
        if self.busy:
            self.busy -= 1
            raise BusyError("the journal is full", retry_after=0)
        self.chunks.extend(chunks)
        return Appended(0, len(self.chunks))

    def answered(self, appended: Appended, *, delivered: bool = True) -> None: ...
    def abandoned(self, appended: Appended) -> None: ...


class Watched:
    """A collector over a folder, and what it has taken."""

    def __init__(self, folder: Path, *patterns: str, **more: Any) -> None:
        self.folder = folder
        self.journal = Memory()
        paths = [str(folder / pattern) for pattern in patterns or ["*.log"]]
        self.settings = Settings(paths=paths, positions=folder / "positions.db", settled_seconds=0, **more)
        self.files = Files(self.settings)

    def look(self, times: int = 1) -> list[bytes]:
        """The records that are new."""
        before = len(self.journal.chunks)
        for _ in range(times):
            asyncio.run(self.files.once(self.journal))
        return lines(self.journal.chunks[before:])

    def again(self) -> None:
        """As after a restart."""
        self.files.close()
        self.files = Files(self.settings)


def lines(chunks: list[Chunk]) -> list[bytes]:
    return [line for chunk in chunks for line in chunk.payload.split(b"\n") if line]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def add(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_follows_a_file(watched: Watched) -> None:
    path = watched.folder / "a.log"
    add(path, b"one\ntwo\nthr")
    assert watched.look() == [b"one", b"two"]
    assert watched.look() == []
    add(path, b"ee\n\nfour\n")
    assert watched.look() == [b"three", b"four"]
    assert [(c.origin.offset, c.origin.record) for c in watched.journal.chunks] == [(0, 0), (8, 2)]
    assert {c.origin.fingerprint for c in watched.journal.chunks} == {_read.fingerprint(b"one\ntwo\nthr")}
    assert {c.origin.path for c in watched.journal.chunks} == {str(path)}
    assert {c.origin.way for c in watched.journal.chunks} == {"file"}


def test_goes_on_after_a_restart(watched: Watched) -> None:
    path = watched.folder / "a.log"
    add(path, b"one\ntwo\nthr")
    assert watched.look() == [b"one", b"two"]
    watched.again()
    assert watched.look() == []
    add(path, b"ee\n")
    watched.again()
    assert watched.look() == [b"three"]
    assert watched.journal.chunks[-1].origin.record == 2
    assert len({c.origin.fingerprint for c in watched.journal.chunks}) == 1


def test_a_position_moves_only_when_the_journal_has_it(watched: Watched) -> None:
    add(watched.folder / "a.log", b"one\n")

    class Failing(Memory):
        async def append(self, chunks: Any, *, lane_key: str, request: bytes | None = None) -> Appended:
            raise RuntimeError("killed here")

    with pytest.raises(RuntimeError):
        asyncio.run(watched.files.once(Failing()))
    watched.again()
    assert watched.look() == [b"one"]


def test_waits_while_the_journal_is_full(watched: Watched) -> None:
    add(watched.folder / "a.log", b"one\n")
    watched.journal.busy = 3
    assert watched.look() == [b"one"]
    assert watched.files.counts["busy"] == 3


def test_a_file_that_is_renamed_is_not_read_again(watched: Watched) -> None:
    path = watched.folder / "a.log"
    add(path, b"one\n")
    watched.look()
    add(path, b"two\nno newline")
    path.rename(watched.folder / "a.1")
    add(path, b"three\n")
    assert watched.look(2) == [b"three", b"two", b"no newline"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_renamed_file_is_known_under_its_new_name(tmp_path: Path, restart: bool) -> None:
    watched = Watched(tmp_path, "a.log*")
    path = tmp_path / "a.log"
    add(path, b"one\n")
    watched.look()
    add(path, b"two\n")
    path.rename(tmp_path / "a.log.1")
    add(path, b"three\n")
    if restart:
        watched.again()
    assert sorted(watched.look(2)) == [b"three", b"two"]


def test_copytruncate(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "a.log*")
    path = tmp_path / "a.log"
    add(path, b"one\ntwo\n")
    assert watched.look() == [b"one", b"two"]
    add(path, b"three\n")  # between the last look and the copy
    shutil.copy(path, tmp_path / "a.log.1")
    os.truncate(path, 0)
    add(path, b"four\n")
    assert sorted(watched.look(2)) == [b"four", b"three"]
    watched.again()
    assert watched.look() == []


def test_a_file_that_is_written_anew_is_read_anew(watched: Watched) -> None:
    path = watched.folder / "a.log"
    add(path, b"one\ntwo\n")
    watched.look()
    path.write_bytes(b"uno\ndue\ntre\n")
    os.utime(path, ns=(1, 1))
    assert watched.look() == [b"uno", b"due", b"tre"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
@pytest.mark.parametrize("size", [1, 1000])
def test_what_was_rotated_and_compressed_is_not_read_twice(tmp_path: Path, pack: Any, size: int) -> None:
    watched = Watched(tmp_path, "a.log*")
    path = tmp_path / "a.log"
    first = b"".join(b"line %d\n" % number for number in range(size))
    add(path, first)
    assert len(watched.look()) == size
    (tmp_path / "a.log.1.gz").write_bytes(pack(first + b"written last\n"))
    path.unlink()
    assert watched.look(2) == [b"written last"]
    assert watched.look() == []
    watched.again()
    assert watched.look(2) == []


def test_another_compressed_file_that_begins_the_same_is_read(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "*.log*")
    head = b"# the same header\n" * 100
    add(tmp_path / "a.log", head + b"one\n")
    watched.look()
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(head + b"another\nand more\n"))
    assert [line for line in watched.look(2) if not line.startswith(b"#")] == [b"another", b"and more"]


def test_a_compressed_file_that_is_still_written_is_read_on(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "a.gz")
    data = b"".join(os.urandom(30).hex().encode() + b"\n" for _ in range(20_000))
    packed = gzip.compress(data)
    add(tmp_path / "a.gz", packed[:300_000])
    first = watched.look()
    assert 0 < len(first) < 20_000
    assert any("ends before" in file["problem"] for file in watched.files.health()["files"])  # type: ignore[attr-defined]
    add(tmp_path / "a.gz", packed[300_000:])
    found = first + watched.look(2)
    assert found == data.split(b"\n")[:-1]


def test_a_bomb_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_packed, "HONEST", 4 << 20)
    watched = Watched(tmp_path, "*.log", "*.gz")
    (tmp_path / "bomb.gz").write_bytes(zlib.compress(bytes(64 << 20), 9, 31))
    add(tmp_path / "good.log", b"one\n")
    assert b"one" in watched.look(2)
    problems = {file["path"]: file["problem"] for file in watched.files.health()["files"]}  # type: ignore[attr-defined]
    assert "bomb" in problems[str(tmp_path / "bomb.gz")]
    assert sum(len(chunk.payload) for chunk in watched.journal.chunks) < 3 << 20


ZEEK = b"#separator \\x09\n#path\thttp\n#open\t2024\n#fields\tts\tuid\n#types\ttime\tstring\n"


def test_zeek_keeps_its_header_and_reads_a_new_one(watched: Watched) -> None:
    path = watched.folder / "http.log"
    add(path, ZEEK)
    assert watched.look() == []
    add(path, b"1\tC1\n")
    assert watched.look() == [b"1\tC1"]
    watched.again()
    add(path, b"2\tC2\n")
    assert watched.look() == [b"2\tC2"]
    add(path, b"#close\t2024\n")
    path.rename(watched.folder / "http.1")
    add(path, ZEEK.replace(b"http", b"dns").replace(b"2024", b"2025") + b"3\tC3\n")
    assert watched.look(2) == [b"3\tC3"]
    headers = [chunk.origin.header or "" for chunk in watched.journal.chunks]
    assert headers[0] == headers[1]
    assert "#path\thttp" in headers[0]
    assert "#path\tdns" in headers[2]
    assert {chunk.format for chunk in watched.journal.chunks} == {"zeek"}


def test_csv_keeps_its_header(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "*.csv")
    add(tmp_path / "a.csv", b"time,name,value\n1,a,b\n")
    watched.look()
    watched.again()
    add(tmp_path / "a.csv", b"2,c,d\n")
    assert watched.look() == [b"2,c,d"]
    assert [chunk.origin.header for chunk in watched.journal.chunks] == ["time,name,value\n"] * 2


def test_a_line_of_10_mb_is_kept_without_its_end(watched: Watched) -> None:
    path = watched.folder / "a.log"
    add(path, b"one\n" + b"x" * 10_000_000)
    found = watched.look()
    assert found == [b"one", b"x" * (1 << 20)]
    watched.again()
    assert watched.look() == [b"x" * (1 << 20)], "it is read again until it has ended: the same bytes, the same event"
    add(path, b"xx\ntwo\n")
    assert watched.look() == [b"two"]
    assert [chunk.origin.record for chunk in watched.journal.chunks] == [0, 1, 1, 2]
    assert watched.files.health()["records_cut"] == 1


def test_bytes_that_are_no_text_are_kept(watched: Watched) -> None:
    add(watched.folder / "a.log", b"\xff\xfe\x00\x01 broken\n\x80\n")
    data = b"ok\n\xc3\x28\xa0\xa1 not UTF-8\n\x00\x00\n"
    add(watched.folder / "b.log", data)
    assert b"\xc3\x28\xa0\xa1 not UTF-8" in watched.look()


def test_utf_16_as_windows_writes_it(watched: Watched) -> None:
    path = watched.folder / "a.log"
    add(path, "eins ä\r\nzwei\r\n".encode("utf-16"))
    assert watched.look() == ["eins ä\r".encode(), b"zwei\r"]
    add(path, "drei\r\n".encode("utf-16-le"))
    assert watched.look() == [b"drei\r"]
    watched.again()
    assert watched.look() == []


def test_a_byte_order_mark_is_no_part_of_the_first_record(watched: Watched) -> None:
    path = watched.folder / "a.log"
    add(path, b'\xef\xbb\xbf{"n":1}\n')
    assert watched.look() == [b'{"n":1}']
    watched.again()
    add(path, b'{"n":2}\n')
    assert watched.look() == [b'{"n":2}']
    assert watched.journal.chunks[-1].format == "ndjson"


def test_an_event_log_is_read_at_once(tmp_path: Path, shared: Path) -> None:
    watched = Watched(tmp_path, "*.evtx")
    source = next((shared / "corpora" / "sigma").rglob("*.evtx"))
    shutil.copyfile(source, tmp_path / "a.evtx")
    os.utime(tmp_path / "a.evtx", (1, 1))
    found = watched.look()
    assert found
    assert all("Event" in orjson.loads(line) for line in found)
    assert {chunk.format for chunk in watched.journal.chunks} == {"evtx"}
    assert watched.look() == []
    watched.again()
    assert watched.look() == []


def test_globs_of_any_depth_and_what_they_leave_out(tmp_path: Path) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    for name in ("a.log", "x/b.log", "x/y/c.log", "x/secret.log"):
        add(tmp_path / name, name.encode() + b"\n")
    (tmp_path / "x" / "dir.log").mkdir()
    (tmp_path / "link.log").symlink_to(tmp_path / "a.log")
    watched = Watched(tmp_path, "**/*.log", exclude=["**/secret*"])
    assert sorted(watched.look()) == [b"a.log", b"x/b.log", b"x/y/c.log"]


def test_a_file_that_cannot_be_opened_hinders_no_other(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    (tmp_path / "loop.log").symlink_to(tmp_path / "loop.log")
    add(tmp_path / "a.log", b"one\n")
    assert watched.look() == [b"one"]


KILLED = """
import asyncio, sys
from pathlib import Path
from tocsin.collect.file import Files, Settings
from tocsin.journal.file import open_writer

async def go() -> None:
    folder = Path(sys.argv[1])
    files = Files(Settings(paths=[str(folder / "*.log")], positions=folder / "p.db", poll_seconds=0.01))
    with open_writer(folder / "journal", sync_ms=1) as writer:
        real = writer.append
        async def told(chunks, **more):
            appended = await real(chunks, **more)
            print(appended.position, flush=True)
            return appended
        writer.append = told
        await files.run(writer)

asyncio.run(go())
"""


def test_kill_9_loses_no_line(tmp_path: Path) -> None:
    from tocsin.journal.file import open_reader

    path = tmp_path / "a.log"
    written = 0
    for round_ in range(5):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout
        for told in range(3 + round_):
            add(path, b"".join(b"%d\n" % number for number in range(written, written + 100)))
            written += 100
            if told:
                process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    watched = Watched(tmp_path, "none")
    files = Files(Settings(paths=[str(path)], positions=tmp_path / "p.db", settled_seconds=0))
    asyncio.run(files.once(watched.journal))
    chunks = list(watched.journal.chunks)
    with open_reader(tmp_path / "journal") as reader:
        for lane in reader.lanes:
            while (found := reader.stretch(lane, max_bytes=1 << 20)) is not None:
                chunks += [frame.chunk for frame in found[1]]
    # What makes an event's id: fingerprint, offset, bytes. A line that was read twice has one.
    seen = set()
    for chunk in chunks:
        offset = chunk.origin.offset
        assert offset is not None
        for line in chunk.payload.splitlines(keepends=True):
            seen.add((chunk.origin.fingerprint, offset, line))
            offset += len(line)
    assert sorted(int(line) for _, _, line in seen) == list(range(written))
