"""Entries in a segment: what was written is found again, and damage hides no more than itself."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event.records import Chunk, Origin
from tocsin.journal import _layout
from tocsin.journal._layout import Damage, Header, JournalError

text = st.none() | st.text(max_size=8)
origins = st.builds(
    Origin,
    way=st.sampled_from(["bulk", "file", "syslog"]),
    key=text,
    peer=text,
    path=text,
    header=text,
    offset=st.none() | st.integers(0, 2**62),
    record=st.none() | st.integers(0, 2**62),
    year=st.none() | st.integers(1970, 2100),
)
payloads = st.binary(max_size=60) | st.binary(min_size=1, max_size=4).map(lambda part: part * 700)
chunks = st.lists(
    st.builds(Chunk, st.sampled_from(["ndjson", "bulk", "syslog"]), payloads, origins), min_size=1, max_size=4
)
appends = st.lists(chunks, min_size=1, max_size=6)


def written(all_chunks: list[list[Chunk]]) -> tuple[bytes, list[int]]:
    """A segment, and where each entry ends."""
    data = b""
    ends = []
    for position, some in enumerate(all_chunks):
        body, raw = _layout.encode(some)
        data += _layout.header(
            body, lane=3, kind=_layout.ENTRY, frames=len(some), position=position, arrival=position * 10, before=0,
            raw=raw, request=b"r" * 16,
        )  # fmt: skip
        data += body
        ends.append(len(data))
    return data, ends


def scanned(data: bytes, *, start: int = 0) -> list[Header | Damage]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return list(_layout.scan(file.fileno(), 1, start, len(data), bodies=True))


def opened(data: bytes, entry: Header) -> list[Chunk]:
    table = _layout.decode(data[entry.offset + _layout.HEADER : entry.end])
    return table.chunks(0, entry.frames)


@given(appends)
def test_what_was_written_is_found(all_chunks: list[list[Chunk]]) -> None:
    data, ends = written(all_chunks)
    found = scanned(data)
    assert [entry.end for entry in found if isinstance(entry, Header)] == ends
    assert [opened(data, entry) for entry in found if isinstance(entry, Header)] == all_chunks
    assert [entry.arrival for entry in found if isinstance(entry, Header)] == [n * 10 for n in range(len(ends))]


@given(appends, st.data())
def test_one_changed_byte_costs_one_entry(all_chunks: list[list[Chunk]], data: st.DataObject) -> None:
    segment, ends = written(all_chunks)
    at = data.draw(st.integers(0, len(segment) - 1))
    broken = segment[:at] + bytes([segment[at] ^ data.draw(st.integers(1, 255))]) + segment[at + 1 :]
    hit = next(number for number, end in enumerate(ends) if at < end)
    found = scanned(broken)
    assert [e.position for e in found if isinstance(e, Header)] == [n for n in range(len(ends)) if n != hit]
    assert sum(d.length for d in found if isinstance(d, Damage)) == ends[hit] - (ends[hit - 1] if hit else 0)


@given(appends, st.data())
def test_a_cut_end_costs_only_what_is_cut(all_chunks: list[list[Chunk]], data: st.DataObject) -> None:
    segment, ends = written(all_chunks)
    size = data.draw(st.integers(0, len(segment)))
    found = scanned(segment[:size])
    assert [e.end for e in found if isinstance(e, Header)] == [end for end in ends if end <= size]


@given(appends, st.binary(max_size=100), st.data())
def test_garbage_between_entries_is_skipped(all_chunks: list[list[Chunk]], garbage: bytes, data: st.DataObject) -> None:
    segment, ends = written(all_chunks)
    at = data.draw(st.sampled_from([0, *ends]))
    found = scanned(segment[:at] + garbage + segment[at:])
    assert len([e for e in found if isinstance(e, Header)]) == len(ends)
    assert sum(d.length for d in found if isinstance(d, Damage)) == len(garbage)


@pytest.mark.fuzz
@given(st.binary(max_size=400))
def test_bytes_of_any_kind_raise_nothing_else(data: bytes) -> None:
    scanned(data)
    scanned(_layout.MAGIC + data)
    try:
        table = _layout.decode(data)
        table.chunks(0, len(table.rows))
    except JournalError:
        pass


def test_a_payload_is_no_larger_than_it_says() -> None:
    body, _ = _layout.encode([Chunk("ndjson", b"x" * 100_000, Origin("bulk"))])
    at = body.index((100_000).to_bytes(4, "big"))
    lying = body[:at] + (10).to_bytes(4, "big") + body[at + 4 :]
    with pytest.raises(JournalError, match=r"decompressed|instead of"):
        _layout.decode(lying).chunks(0, 1)


def test_a_head_says_where_lanes_stand(tmp_path: Path) -> None:
    path = tmp_path / _layout.name(7)
    path.write_bytes(_layout.head([(3, 100), (5, 2**40)], 7))
    assert _layout.read_head(path, 7, 2) == [(3, 100), (5, 2**40)]
    for file, lanes in [(8, 2), (7, 3)]:
        with pytest.raises(JournalError):
            _layout.read_head(path, file, lanes)
    for size in range(path.stat().st_size):
        (tmp_path / "cut").write_bytes(path.read_bytes()[:size])
        with pytest.raises(JournalError):
            _layout.read_head(tmp_path / "cut", 7, 2)


def test_what_is_published_is_whole_or_nothing(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "synced", os.O_RDWR | os.O_CREAT)
    assert _layout.published(descriptor) == 0
    _layout.publish(descriptor, _layout.place(7, 1234))
    assert _layout.unplace(_layout.published(descriptor)) == (7, 1234)
    os.pwrite(descriptor, b"\x01", 3)
    assert _layout.published(descriptor) == 0
    os.close(descriptor)
