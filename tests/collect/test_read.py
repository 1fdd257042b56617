"""Reading files: what they are, where each record begins, and what hostile ones do."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tocsin.collect import _packed, _read
from tocsin.collect._packed import UnreadableError, decompressed
from tocsin.collect._read import Cutter, fingerprint, read_file, recognise
from tocsin.event.records import Chunk, length_prefixed

ZEEK = b"""#separator \\x09
#set_separator\t,
#empty_field\t(empty)
#unset_field\t-
#path\thttp
#open\t2024-01-01-00-00-00
#fields\tts\tuid
#types\ttime\tstring
1.0\tC1
2.0\tC2
#close\t2024-01-01-01-00-00
"""


def records(chunks: list[Chunk]) -> list[tuple[int, bytes]]:
    """(number in the file, record) of line formats, as a reader of chunks counts them."""
    out = []
    for chunk in chunks:
        lines = [line for line in chunk.payload.split(b"\n") if line.strip()]
        assert chunk.origin.record is not None
        out += [(chunk.origin.record + number, line) for number, line in enumerate(lines)]
    return out


def read(path: Path, data: bytes, **more: object) -> list[Chunk]:
    path.write_bytes(data)
    return list(read_file(path, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "path", "kind"),
    [
        (b"ElfFile\0rest", "x", "evtx"),
        (b"PAR1....", "x", "parquet"),
        (ZEEK, "conn.log", "zeek"),
        (b'{"a": 1}\n{"a": 2}\n', "x", "ndjson"),
        (b'\n\n  {"a": 1}', "x", "ndjson"),
        (b'{\n  "a": 1\n}\n', "x", "json"),
        (b'{"a": {\n  "b": 1}\n}\n', "x", "json"),
        (b'{"broken\n{"a": 1}\n{"a": 2}\n', "x", "ndjson"),
        (b'{"Records": [{"a": 1}, {"a": 2}]}', "x", "json"),
        (b'[{"a": 1}]', "x", "json"),
        (b"[ ]", "x", "json"),
        (b"[2024-01-01] started", "x", "lines"),
        (b"{app} started\n{app} stopped\n", "x", "lines"),
        (b"[{x}] started", "x", "lines"),
        (b"{}\n{}\n", "x", "ndjson"),
        (b'[\n  {\n    "a": 1}]', "x", "json"),
        (b"<?xml version='1.0'?><Events><Event>", "x", "xml"),
        (b"<Event xmlns='x'>", "x", "xml"),
        (b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed", "x", "lines"),
        (b"timestamp,value\n2024,1\n", "a.csv", "csv"),
        (b"timestamp,value\n2024,1\n", "a.CSV.gz", "csv"),
        (b'time,name,"source ip"\n1,b,c\n', "alerts", "csv"),
        (b"one, two: three\n", "x", "lines"),
        (b"", "x", "lines"),
        (b"\x00\xff\xfe", "x", "lines"),
    ],
)
def test_knows_a_file_by_its_content(first: bytes, path: str, kind: str) -> None:
    assert recognise(first, path) == kind


def test_counts_records_but_neither_blanks_nor_headers(tmp_path: Path) -> None:
    data = b'\n{"n": 0}\r\n\n  \t\n{"n": 1}\nnot json\n{"n": 3}'
    chunks = read(tmp_path / "a", data)
    assert [(n, line.strip()) for n, line in records(chunks)] == [
        (0, b'{"n": 0}'),
        (1, b'{"n": 1}'),
        (2, b"not json"),
        (3, b'{"n": 3}'),
    ]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_offsets_are_of_the_decompressed_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: type[bytes]
) -> None:
    monkeypatch.setattr(_read, "CHUNK", 1000)
    data = b"".join(b'{"n": %d}\n' % n + b"\n" * (n % 3) for n in range(2000))
    chunks = read(tmp_path / "a", pack(data))
    assert len(chunks) > 5
    assert [orjson.loads(line)["n"] for _, line in records(chunks)] == list(range(2000))
    assert [number for number, _ in records(chunks)] == list(range(2000))
    for chunk in chunks:
        assert chunk.origin.offset is not None
        assert data[chunk.origin.offset :].startswith(chunk.payload)
        assert chunk.origin.fingerprint == fingerprint(data)


def test_members_and_frames_one_after_another(tmp_path: Path) -> None:
    assert records(read(tmp_path / "a", gzip.compress(b"a\n") + gzip.compress(b"b\n") + b"\0" * 100)) == [
        (0, b"a"),
        (1, b"b"),
    ]
    pack = zstandard.ZstdCompressor().compress
    assert records(read(tmp_path / "b", pack(b"a\n") + pack(b"b\n"))) == [(0, b"a"), (1, b"b")]


def test_what_was_there_before_the_break_is_kept(tmp_path: Path) -> None:
    data = b"".join(os.urandom(20).hex().encode() + b"\n" for _ in range(5000))
    for packed in (gzip.compress(data)[:-2000], zstandard.ZstdCompressor().compress(data)[:-2000]):
        (tmp_path / "a").write_bytes(packed)
        chunks: list[Chunk] = []
        with pytest.raises(UnreadableError, match="ends before its end"):
            chunks.extend(read_file(tmp_path / "a"))
        got: list[Chunk] = []
        try:
            for chunk in read_file(tmp_path / "a"):
                got.append(chunk)  # noqa: PERF402
        except UnreadableError:
            pass
        assert len(records(got)) > 1000


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_refuses_a_bomb(monkeypatch: pytest.MonkeyPatch, packer: str) -> None:
    monkeypatch.setattr(_packed, "HONEST", 4 << 20)
    zeros = bytes(64 << 20)
    packed = zlib.compress(zeros, 9, 31) if packer == "gzip" else zstandard.ZstdCompressor(19).compress(zeros)
    out = 0
    with pytest.raises(UnreadableError, match="bomb"):
        for block in decompressed(io.BytesIO(packed), "x"):
            assert len(block) <= 1 << 20
            out += len(block)
    assert out <= max(4 << 20, _packed.RATIO * len(packed)) + (1 << 20)


def test_repetitive_logs_are_no_bomb() -> None:
    line = b"<134>Oct 11 22:14:15 host app[123]: GET /index.html 200 %d\n"
    data = b"".join(line % number for number in range(1_500_000))
    assert sum(map(len, decompressed(io.BytesIO(gzip.compress(data)), "x"))) == len(data)


def test_a_record_too_long_is_kept_without_its_end(tmp_path: Path) -> None:
    data = b"a\n" + b"x" * 10_000_000 + b"\nb\n" + b"y" * 2_000 + b"\nc"
    chunks = read(tmp_path / "a", data, limit=1_000)
    assert records(chunks) == [(0, b"a"), (1, b"x" * 1_000), (2, b"b"), (3, b"y" * 1_000), (4, b"c")]
    for chunk in chunks:
        assert chunk.origin.offset is not None
        assert data[chunk.origin.offset :].startswith(chunk.payload.rstrip(b"\n"))


def test_zeek_data_comes_with_its_header(tmp_path: Path) -> None:
    second = ZEEK.replace(b"http", b"dns").replace(b"C1", b"C3")
    chunks = read(tmp_path / "x.log", ZEEK + second, product="zeek.http")
    assert [chunk.format for chunk in chunks] == ["zeek", "zeek"]
    assert [chunk.payload for chunk in chunks] == [b"1.0\tC1\n2.0\tC2\n", b"1.0\tC3\n2.0\tC2\n"]
    assert [chunk.origin.record for chunk in chunks] == [0, 2]
    for chunk, name in zip(chunks, ["http", "dns"], strict=True):
        assert chunk.origin.header
        assert f"#path\t{name}\n" in chunk.origin.header
        assert chunk.origin.header.startswith("#separator \\x09\n")
        assert chunk.origin.header.endswith("#types\ttime\tstring\n")
        assert chunk.origin.product == "zeek.http"
    data = ZEEK + second
    assert [data[chunk.origin.offset :][:6] for chunk in chunks] == [b"1.0\tC1", b"1.0\tC3"]


@pytest.mark.fuzz
@given(st.integers(1, 60))
def test_zeek_headers_may_be_cut_anywhere(size: int) -> None:
    data = ZEEK + ZEEK.replace(b"http", b"dns")
    cutter = Cutter("zeek")
    pieces = [piece for at in range(0, len(data), size) for piece in cutter.feed(data[at : at + size])]
    pieces += cutter.finish()
    assert b"".join(piece.payload for piece in pieces) == b"1.0\tC1\n2.0\tC2\n" * 2
    assert [("dns" in (piece.header or ""), piece.record >= 2) for piece in pieces] in (
        [(False, False), (True, True)],
        [(False, False), (False, False), (True, True), (True, True)],
        [(False, False), (True, True), (True, True)],
        [(False, False), (False, False), (True, True)],
    )


def test_csv_keeps_its_header_and_quoted_newlines(tmp_path: Path) -> None:
    data = b'\xef\xbb\xbftime,name,text\r\n1,a,"one\ntwo"\r\n\r\n2,b,c\r\n'
    (chunk,) = read(tmp_path / "a.csv", data)
    assert chunk.format == "csv"
    assert chunk.origin.header == "time,name,text\n"
    assert chunk.payload == b'1,a,"one\ntwo"\r\n\r\n2,b,c\r\n'
    assert chunk.origin.record == 0


def test_csv_with_a_quote_that_is_never_closed_is_read_line_by_line() -> None:
    """Only the line with the quote is hurt; it is alone in its piece, so that nobody joins it with what follows."""
    cutter = Cutter("csv", limit=1000)
    pieces = cutter.feed(b'a,b,c\n1,2,3\n1,"x\n' + b"y,z,w\n" * 5_000) + cutter.finish()
    assert [piece.payload for piece in pieces[:2]] == [b"1,2,3\n", b'1,"x\n']
    assert b"".join(piece.payload for piece in pieces[2:]) == b"y,z,w\n" * 5_000
    assert pieces[-1].after == 5_002
    assert cutter.cut == 0


def test_csv_without_an_end_of_line_stays_bounded() -> None:
    cutter = Cutter("csv", limit=1000)
    pieces = cutter.feed(b"a,b,c\n1,2,3\n")
    for _ in range(40):
        pieces += cutter.feed(b'1,"' + b"x" * 50_000 + b"\n" + b"y,z\n" * 5_000)
    pieces += cutter.finish()
    assert max(len(piece.payload) for piece in pieces) < 200_000
    assert cutter.offset == 12 + 40 * 70_004
    assert cutter.cut == 40


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_csv_is_cut_alike_however_it_comes(size: int) -> None:
    data = b'n,"m\nore"\n1,"one\ntwo"\n2,5" disk\n3,"a ""b""\n",\n4,"open\n5,c\n'
    cutter = Cutter("csv", limit=100)
    pieces = [piece for at in range(0, len(data), size) for piece in cutter.feed(data[at : at + size])]
    pieces += cutter.finish()
    assert cutter.header == 'n,"m\nore"\n'
    assert b"".join(piece.payload for piece in pieces) == data[10:]
    assert (pieces[-1].end, pieces[-1].after) == (len(data), 5)
    assert all(piece.payload == data[piece.offset : piece.end] for piece in pieces)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{\n "a": 1\n}\n{\n "a": "}\\"{"\n}', [{"a": 1}, {"a": '}"{'}]),
        ('[{"a": 1},\n {"a": [1, {"b": []}]}]', [{"a": 1}, {"a": [1, {"b": []}]}]),
        ("[\n]", []),
        ('{"Records": [\n{"a": 1}, {"a": 2}]}', [{"a": 1}, {"a": 2}]),
        ('{"a":\n1}{"a":2}', [{"a": 1}, {"a": 2}]),
    ],
)
def test_json_that_is_not_a_document_a_line(tmp_path: Path, text: str, wanted: list[object]) -> None:
    chunks = read(tmp_path / "a", text.encode())
    assert all(chunk.format == "ndjson" for chunk in chunks)
    assert [json.loads(line) for _, line in records(chunks)] == wanted


def test_what_is_no_json_between_documents_is_a_record(tmp_path: Path) -> None:
    chunks = read(tmp_path / "a", b'{\n"a": 1}\noops\n{"a":\n2}\n{"a":')
    assert [(number, line.strip()) for number, line in records(chunks)] == [
        (0, b'{ "a": 1}'),
        (1, b"oops"),
        (2, b'{"a": 2}'),
        (3, b'{"a":'),
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.fuzz
@given(
    st.lists(st.dictionaries(st.text(max_size=3), json_values, max_size=3), min_size=1, max_size=6), st.integers(1, 40)
)
def test_json_documents_may_be_cut_anywhere(documents: list[object], size: int) -> None:
    data = json.dumps(documents, indent=1).encode()
    cutter = Cutter("json")
    pieces = [piece for at in range(0, len(data), size) for piece in cutter.feed(data[at : at + size])]
    pieces += cutter.finish()
    found = [orjson.loads(line) for piece in pieces for line in piece.payload.split(b"\n") if line.strip()]
    assert found == documents
    assert [piece.record for piece in pieces] == sorted(piece.record for piece in pieces)
    for piece in pieces:
        for line in re.finditer(rb"[^ \n][^\n]*", piece.payload):
            at = piece.offset + line.start()
            assert data[at : at + len(line[0])].replace(b"\n", b" ") == line[0]


def test_deep_or_endless_json_stays_bounded() -> None:
    cutter = Cutter("json", limit=1000)
    pieces = []
    for _ in range(20):
        pieces += cutter.feed(b'{"a":[' * 20_000)
    pieces += cutter.finish()
    assert pieces
    assert all(len(piece.payload) <= 1100 for piece in pieces)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_windows_events_as_xml(tmp_path: Path, encoding: str) -> None:
    text = "<?xml version='1.0'?>\n<Events><Event xmlns='x'><a>ä\n</a></Event>\n<Event><EventData/></Event></Events>"
    (chunk,) = read(tmp_path / "a.xml", text.encode(encoding))
    assert chunk.format == "xml"
    assert list(length_prefixed(chunk.payload)) == [
        "<Event xmlns='x'><a>ä\n</a></Event>".encode(),
        b"<Event><EventData/></Event>",
    ]


def test_event_logs(shared: Path) -> None:
    path = next((shared / "corpora" / "sigma").rglob("*.evtx"))
    (chunk,) = read_file(path)
    assert chunk.format == "evtx"
    assert all("Event" in orjson.loads(line) for _, line in records([chunk]))
    with pytest.raises(UnreadableError, match="event log"):
        list(read_file(io_copy(path, path.read_bytes()[:100])))


def io_copy(path: Path, data: bytes) -> Path:
    """A file with other content, beside none of the shared ones."""
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=path.suffix, delete=False) as file:
        file.write(data)
    return Path(file.name)


def test_an_event_log_may_be_packed(shared: Path, tmp_path: Path) -> None:
    path = next((shared / "corpora" / "sigma").rglob("*.evtx"))
    assert records(read(tmp_path / "a.gz", gzip.compress(path.read_bytes()))) == records(list(read_file(path)))


def test_pretty_printed_events_are_counted(shared: Path) -> None:
    path = next((shared / "corpora" / "sigma" / "regression_data").rglob("*.json"))
    found = records(list(read_file(path)))
    assert found
    assert all(type(orjson.loads(line)) is dict for _, line in found)


def test_parquet_becomes_documents(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1, None], "b": ["x", "y"]}), tmp_path / "a.parquet")
    assert [orjson.loads(line) for _, line in records(list(read_file(tmp_path / "a.parquet")))] == [
        {"a": 1, "b": "x"},
        {"b": "y"},
    ]
    with pytest.raises(UnreadableError, match="Parquet"):
        read(tmp_path / "broken", b"PAR1" + b"x" * 100)


@pytest.mark.parametrize("name", ["absent", "."])
def test_says_why_a_file_cannot_be_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableError, match="can't be read"):
        list(read_file(tmp_path / name))


def blocks_of(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = sizes[at % len(sizes)]
        yield data[at : at + size]
        at += size


@pytest.mark.fuzz
@given(
    st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=30),
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
    st.booleans(),
)
def test_lines_are_the_same_however_they_come(lines: list[bytes], sizes: list[int], closed: bool) -> None:
    data = b"\n".join(lines) + (b"\n" if closed else b"")
    cutter = Cutter("lines", limit=20)
    pieces = [piece for block in blocks_of(data, sizes) for piece in cutter.feed(block)]
    assert not pieces or pieces[-1].end <= len(data)
    pieces += cutter.finish()
    found = [(piece, line) for piece in pieces for line in piece.payload.split(b"\n") if line and not line.isspace()]
    wanted = [line[:20] for line in lines if line and not line.isspace()]
    assert [line for _, line in found if line] == [line for line in wanted if not line.isspace()]
    for piece in pieces:
        assert data[piece.offset :].startswith(piece.payload[:-1])
