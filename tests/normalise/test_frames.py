"""Frames to records: numbers, identity, and what becomes of that which can't be read."""

from __future__ import annotations

import orjson
import pytest

from tocsin.event.ids import event_id
from tocsin.event.records import Chunk, Format, Frame, Origin, with_lengths
from tocsin.normalise import _frames
from tocsin.normalise._frames import parse_json, read

FLOW = b'{"a": 1}\r\n\n  \n[1]\n{"a": 2}\n'


def frame(payload: bytes, format_: Format, **origin: object) -> Frame:
    return Frame(7, 41, 0, Chunk(format_, payload, Origin(**{"way": "file", **origin})))  # type: ignore[arg-type]


def test_blank_lines_are_no_records_and_broken_ones_keep_their_number() -> None:
    parsed = read([frame(FLOW, "ndjson", record=10)])
    assert parsed.numbers == [10, 11, 12]
    assert parsed.documents == [{"a": 1}, {}, {"a": 2}]
    assert parsed.reasons == {1: "a JSON array where an object was expected"}
    assert parsed.originals == ['{"a": 1}', "[1]", '{"a": 2}']


def test_a_record_of_a_file_is_known_by_its_place_there() -> None:
    """However the file is cut into chunks, whenever it is read again."""
    whole = read([frame(FLOW, "ndjson", fingerprint="f", offset=100, agent="a")])
    at = FLOW.index(b"[1]")
    first = read([frame(FLOW[:at], "ndjson", fingerprint="f", offset=100, agent="a")])
    second = read([frame(FLOW[at:], "ndjson", fingerprint="f", offset=100 + at, agent="a", record=1)])
    assert whole.ids == first.ids + second.ids
    assert whole.numbers == first.numbers + second.numbers
    assert whole.ids[1] == event_id("file", "a", "f", 100 + at, b"[1]")


def test_any_other_record_is_known_by_its_place_in_the_journal() -> None:
    assert read([frame(b"x\ny", "lines")]).ids == [event_id("journal", 7, 41, number) for number in (0, 1)]


def test_a_clients_own_id_makes_a_repeat_the_same_record() -> None:
    body = b'{"create":{"_index":"i","_id":"1"}}\n{"a":1}\n{"index":{"_id":"1"}}\n{"a":2}\n'
    first = read([frame(body, "bulk", key="k", index="i")])
    assert len(set(first.ids)) == 1
    assert first.ids[0] == event_id("client", "k", "i", "1")
    assert read([frame(body, "bulk", key="other", index="i")]).ids[0] != first.ids[0]
    assert first.indexes == ["i", "i"]


def test_refused_items_of_a_bulk_request_are_passed_over() -> None:
    body = (
        b'{"update":{"_id":"1"}}\n{"doc":{}}\n{"delete":{"_id":"1"}}\n{"create":{}}\n{"a":1}\n'
        b'{"index":{}}\nnonsense\nnonsense\n{"create":{}}\n{"a":2}\n{"index":{}}\n'
    )
    parsed = read([frame(body, "bulk")])
    assert [d for d in parsed.documents if d] == [{"a": 1}, {"a": 2}]
    assert [parsed.originals[row] for row in parsed.reasons] == ["nonsense", "nonsense"]
    assert parsed.reasons[2].startswith("in place of a _bulk action: broken JSON")
    assert parsed.numbers == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "broken JSON"),
        (b'{"a":1}x', "broken JSON"),
        (b"7", "a JSON number"),
        (b"null", "a JSON null"),
        (b"{}", "without a member"),
        (b'{"a":' * 5000, "broken JSON"),
        (b'{"a":' * 80 + b"1" + b"}" * 80, "nested deeper than 64"),
        (b'{"a":' + b"[" * 80 + b"]" * 80 + b"}", "nested deeper than 64"),
        (b'{"a":' + b"9" * 5000 + b"}", "broken JSON"),
    ],
)
def test_says_why_it_is_no_document(raw: bytes, reason: str) -> None:
    found = parse_json(raw)
    assert isinstance(found, str)
    assert reason in found


def test_reads_what_others_write_against_the_standard() -> None:
    found = parse_json(rb'{"a": NaN, "b": "\ud800", "\udfffc": 123456789012345678901234567890}')
    assert isinstance(found, dict)
    assert found["a"] == "NaN"
    assert found["?c"] == 123456789012345678901234567890


def test_many_brackets_in_a_text_are_not_depth() -> None:
    assert parse_json(orjson.dumps({"a": "[{" * 500})) == {"a": "[{" * 500}


def test_a_record_beyond_the_bound_is_kept_and_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_frames, "MAX_RECORD", 20)
    parsed = read([frame(b'{"a": "' + b"x" * 20 + b'"}', "ndjson"), frame(with_lengths([b"y" * 21]), "syslog")])
    assert all("at most 20 are read" in reason for reason in parsed.reasons.values())
    assert len(parsed.reasons) == 2
    assert parsed.originals[1] == "y" * 21


def test_bytes_that_are_no_utf8_are_replaced_and_noted() -> None:
    parsed = read([frame(b'{"a": "\xff"}\n{"b": 1}', "ndjson"), frame(b"\xc3(\nok", "lines")])
    assert sorted(parsed.notes) == [0, 2]
    assert parsed.documents[0] == {"a": "\ufffd"}
    assert parsed.documents[2] == {"message": "\ufffd("}


def test_syslog_messages_hold_line_ends_and_lose_the_transports() -> None:
    parsed = read([frame(with_lengths([b"<13>one\ntwo\n", b"\0", b"<13>three\0"]), "syslog")])
    assert [d.get("message") for d in parsed.documents] == ["<13>one\ntwo", None, "<13>three"]
    assert parsed.reasons == {1: "an empty record"}


def test_csv_has_its_header_in_the_origin_or_in_front() -> None:
    rows = b'a,"b ""x"", y"\n1,\n1,2,3\n"broken\n'
    for parsed in (read([frame(rows, "csv", header="n,m")]), read([frame(b"n,m\n" + rows, "csv")])):
        assert parsed.documents[:2] == [{"n": "a", "m": 'b "x", y'}, {"n": "1"}]
        assert parsed.reasons[2] == "3 cells under a header of 2"
        assert parsed.reasons[3] == "broken CSV"


def test_frames_keep_their_order() -> None:
    parsed = read([frame(b"a\nb", "lines"), frame(b"", "lines"), frame(b"c", "lines")])
    assert parsed.frames == [0, 0, 2]
    assert parsed.spans == [(0, 2), (2, 2), (2, 3)]


def test_a_quoted_newline_keeps_a_csv_record_whole() -> None:
    rows = b'1,"one\r\ntwo, ""three"""\r\n\r\n2,5" disk\n3,"open\n4,d\n'
    parsed = read([frame(b'n,"m\nore"\n' + rows, "csv")])
    assert parsed.documents[:2] == [{"n": "1", "m\nore": 'one\r\ntwo, "three"'}, {"n": "2", "m\nore": '5" disk'}]
    assert parsed.reasons == {2: "broken CSV"}
    assert parsed.documents[3] == {"n": "4", "m\nore": "d"}
    assert parsed.numbers == [0, 1, 2, 3]
    assert parsed.originals[0] == '1,"one\r\ntwo, ""three"""'


def test_a_csv_record_is_known_by_where_it_begins() -> None:
    payload = b'1,"a\nb"\n2,c\n'
    whole = frame(payload, "csv", header="n,m", fingerprint="f", offset=100, agent="a")
    second = frame(payload[8:], "csv", header="n,m", fingerprint="f", offset=108, agent="a")
    assert read([whole]).ids[1] == read([second]).ids[0]
