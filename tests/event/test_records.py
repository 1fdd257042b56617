"""Records: documents by column, and payloads whose records may hold any byte."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event import records
from tocsin.event.records import TooWideError, explode, length_prefixed, with_lengths


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
