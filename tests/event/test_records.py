"""Records: documents by column, and payloads whose records may hold any byte."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event import records
from tocsin.event.records import TooWideError, csv_records, explode, length_prefixed, with_lengths


def test_nested_and_dotted_names_are_one_column() -> None:
    columns = explode([{"source": {"ip": "a"}}, {"source.ip": "b"}, {"source": {"ip": "c"}, "source.ip": "d"}, {}])
    assert columns == {"source.ip": ["a", "b", ["c", "d"], None]}


def test_documents_of_different_shapes_stay_in_order() -> None:
    documents: list[dict[str, Any]] = [{"a": 1}, {"b": 2}, {"a": 3, "b": 4}, {"a": None}]
    assert explode(documents) == {"a": [1, None, 3, None], "b": [None, 2, 4, None]}


def test_a_scalar_and_an_object_of_one_name_are_both_kept() -> None:
    assert explode([{"user": "root"}, {"user": {"name": "alice"}}]) == {
        "user": ["root", None],
        "user.name": [None, "alice"],
    }


def test_objects_deeper_than_the_bound_stay_objects() -> None:
    deep: dict[str, Any] = {"x": 1}
    for _ in range(10):
        deep = {"n": deep}
    (name, column), *rest = explode([deep], depth=3).items()
    assert rest == []
    assert name == "n.n.n.n"
    assert column[0]["n"]


def test_empty_objects_and_lists_are_kept_as_they_are() -> None:
    assert explode([{"a": {}, "b": []}]) == {"a": [{}], "b": [[]]}
    assert explode([]) == {}


def test_too_many_names_for_one_table_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_CELLS", 1000)
    documents = [{f"name{row}-{i}": 1 for i in range(20)} for row in range(20)]
    with pytest.raises(TooWideError):
        explode(documents)
    assert len(explode(documents[:1])) == 20


@given(st.lists(st.binary()))
def test_lengths_keep_any_bytes(payload: list[bytes]) -> None:
    assert list(length_prefixed(with_lengths(payload))) == payload


@pytest.mark.parametrize("cut", [b"\0\0\0", b"\0\0\0\x09abc", b"\xff\xff\xff\xffabc"])
def test_a_tail_that_was_cut_off_is_given_as_it_is(cut: bytes) -> None:
    first, _ = length_prefixed(with_lengths([b"one"]) + cut)
    assert first == b"one"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"1,a\n2,b", [(b"1,a", True), (b"2,b", True)]),
        (b'1,"a\n\nb"\n2,c', [(b'1,"a\n\nb"', True), (b"2,c", True)]),
        (b'1,"a ""b\n""",\n2,c', [(b'1,"a ""b\n""",', True), (b"2,c", True)]),
        (b'5" disk,x\n3,"c"', [(b'5" disk,x', True), (b'3,"c"', True)]),
        (b'"a","b\nc","d\ne"\r\nf', [(b'"a","b\nc","d\ne"\r', True), (b"f", True)]),
        (b'1,"a\n2,b', [(b'1,"a', False), (b"2,b", True)]),
        (
            b'1,"' + b"x" * 90 + b"\n" + b"y" * 9 + b'"\n2,b',
            [(b'1,"' + b"x" * 90, False), (b"y" * 9 + b'"', True), (b"2,b", True)],
        ),
        (b"", [(b"", True)]),
    ],
)
def test_csv_records_end_where_their_quotes_do(text: bytes, wanted: list[tuple[bytes, bool]]) -> None:
    assert list(csv_records(text.split(b"\n"), 100)) == wanted


def test_a_csv_record_that_more_lines_may_close_waits_for_them() -> None:
    lines = [b"1,a", b'2,"b', b"c"]
    assert list(csv_records(lines, 100, ahead=0)) == [(b"1,a", True)]
    assert [record for record, _ in csv_records(lines, 100, ahead=95)] == lines


def test_lines_that_close_and_open_a_quote_are_looked_at_once() -> None:
    """Each of them could begin a record that ends nowhere."""
    lines = [b'"a'] + [b'a",b,"c'] * 200_000
    assert [record for record, _ in csv_records(lines, 1 << 20)] == lines


@given(st.lists(st.text('a,"\n\r'), max_size=20).map("\n".join), st.integers(0, 40))
def test_csv_records_lose_no_byte(text: str, limit: int) -> None:
    lines = text.encode().split(b"\n")
    assert b"\n".join(record for record, _ in csv_records(lines, limit)) == text.encode()
