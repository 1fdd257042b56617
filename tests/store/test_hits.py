"""Hits, as the state stage reads them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from tests.store.conftest import NOW
from tocsin.ports import HIT_SCHEMA, Hit, Span
from tocsin.store import Store


def hit(position: int, **more: Any) -> Hit:
    plain = Hit("r", "g", 0, ("a", None), (), NOW + position, None, f"e{position}", "d", None, 0, position, 0, NOW)
    return plain._replace(**more)


def batch(*hits: Hit) -> pa.RecordBatch:
    columns = [pa.array(values, each.type) for values, each in zip(zip(*hits, strict=True), HIT_SCHEMA, strict=True)]
    return pa.record_batch(columns, schema=HIT_SCHEMA)


def test_hits_after_a_checkpoint_come_once_with_the_last_position_whole(held: Store) -> None:
    hits = [hit(position, id=f"e{position}{part}", record=part) for position in range(4) for part in range(3)]
    held.insert("0:0", None, batch(*hits))
    held.insert("0:x", None, batch(*hits[:5]))  # the same again, in another stretch
    assert held.hits.after(0, 0) == hits
    assert held.hits.after(0, 2, limit=1) == hits[6:9]
    assert held.hits.after(0, 4) == []
    assert held.hits.after(1, 0) == []


def test_a_key_keeps_its_nulls(held: Store) -> None:
    held.insert("0:0", None, batch(hit(0), hit(1, key=("a", "")), hit(2, key=("a", None), time=NOW - 5)))
    assert [each.position for each in held.hits.of_key("r", "g", ("a", None))] == [2, 0]
    assert [each.position for each in held.hits.of_key("r", "g", ("a", ""))] == [1]
    assert [each.position for each in held.hits.of_key("r", "g", ("a", None), Span(NOW, None))] == [0]
    assert held.hits.of_key("r", "other", ("a", None)) == []


def test_a_rules_hits_come_in_pages_in_order(held: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.store._hits.PAGE", 4)
    hits = [hit(n, time=NOW + n // 5, tie=n % 2 if n % 3 else None) for n in range(23)]
    held.insert("0:0", None, batch(*hits))
    pages = list(held.hits.of_rule("r", "g"))
    found = [each for page in pages for each in page]
    wanted = sorted(hits, key=lambda each: (each.time, -1 if each.tie is None else each.tie, each.id))
    assert found == wanted
    assert len(pages) > 3
    assert held.hits.counts() == {("r", "g"): 23}
