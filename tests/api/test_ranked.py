"""Pages in the order of a field: each document once, though values tie, are missing, or change between pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.api import _ranked
from tocsin.errors import UsageError
from tocsin.event import time
from tocsin.lang.ir import TRUE
from tocsin.ports import ALL_TIME, Document, EventReader


class Held:
    """As much of a store as a page needs, over documents in memory."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = list(documents)

    def search(self, where: Any, span: Any, *, of: str, limit: int, after: Any, fields: Any) -> list[Document]:
        ordered = sorted(self.documents, key=lambda d: (d["@timestamp"], d["_id"]), reverse=True)
        if after is not None:
            ordered = [d for d in ordered if (time.read(d["@timestamp"]), d["_id"]) < after]
        return ordered[:limit]

    def by_ids(self, ids: Sequence[str], *, of: str) -> dict[str, Document]:
        return {d["_id"]: d for d in self.documents if d["_id"] in ids}


def pages(held: Held, size: int, descending: bool = True) -> list[str]:
    out: list[str] = []
    after = None
    while True:
        documents, after = ask(held, size, after, descending)
        out += [d["_id"] for d in documents]
        if after is None:
            return out
        assert documents


def ask(held: Held, size: int, after: str | None, descending: bool = True) -> tuple[list[Document], str | None]:
    store = cast(EventReader, held)
    return _ranked.page(store, TRUE, ALL_TIME, of="alerts", field="f", size=size, after=after, descending=descending)


def documents(values: Sequence[float | None]) -> list[Document]:
    moments = [f"2026-01-01T00:00:0{n % 3}.000Z" for n in range(len(values))]
    return [
        {"_id": f"{n:03}", "@timestamp": at, **({} if value is None else {"f": value})}
        for n, (value, at) in enumerate(zip(values, moments, strict=True))
    ]


@given(st.lists(st.sampled_from([None, 1.0, 2.0, 2.5]), max_size=30), st.integers(1, 7), st.booleans())
def test_each_document_comes_once_and_in_order(values: list[float | None], size: int, descending: bool) -> None:
    held = Held(documents(values))
    found = pages(held, size, descending)
    assert sorted(found) == sorted(d["_id"] for d in held.documents)
    ranks = [next(d.get("f") for d in held.documents if d["_id"] == each) for each in found]
    known = [rank for rank in ranks if rank is not None]
    assert known == sorted(known, reverse=descending)
    assert ranks == known + [None] * (len(ranks) - len(known))


def test_what_is_gone_does_not_shift_the_next_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ranked, "_READ", 2)
    held = Held(documents([5.0, 4.0, 3.0, 2.0, 1.0]))
    first, after = ask(held, 2, None)
    assert [d["f"] for d in first] == [5.0, 4.0]
    held.documents = [d for d in held.documents if d["f"] != 4.0]
    held.documents.append({"_id": "new", "@timestamp": "2026-01-02T00:00:00.000Z", "f": 9.0})
    second, _ = ask(held, 2, after)
    assert [d["f"] for d in second] == [3.0, 2.0]


@pytest.mark.parametrize("after", ["x", "[]", "[1,2,3]", "{}", '["a",1,"x"]'])
def test_an_after_of_somebody_s_own_is_refused(after: str) -> None:
    with pytest.raises(UsageError):
        ask(Held(documents([1.0, 2.0])), 1, after)
