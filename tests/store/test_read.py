"""Searches over events."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.conftest import NOW, Make
from tocsin import store
from tocsin.errors import QueryError, UnsupportedError
from tocsin.lang.fields import Alias, scope_of
from tocsin.lang.ir import TRUE, And, Equals, InList, Not, Test
from tocsin.lang.lists import ListTable
from tocsin.ports import Span
from tocsin.store import Store
from tocsin.store._engine import Engine
from tocsin.store._names import Known
from tocsin.store._read import Reader

Test.__test__ = False  # type: ignore[attr-defined]
SECOND = 1_000_000


def test_the_newest_come_first_and_pages_follow(held: Store, events: Make) -> None:
    held.insert("0:0", events([{"message": str(row)} for row in range(10)]))
    seen = []
    after = None
    while page := held.search(TRUE, limit=3, after=after):
        seen += [document["message"] for document in page]
        last = page[-1]
        after = (NOW + int(last["message"]) * SECOND, last["_id"])
    assert seen == [str(row) for row in range(9, -1, -1)]
    assert [d["message"] for d in held.search(TRUE, newest_first=False, limit=2)] == ["0", "1"]


@pytest.mark.parametrize("newest_first", [True, False])
def test_equal_times_are_ordered_by_sequence_then_record_then_id(held: Store, events: Make, newest_first: bool) -> None:
    rows: list[dict[str, Any]] = [
        {"tocsin.id": "b", "event.sequence": 2},
        {"tocsin.id": "a", "event.sequence": 10},
        {"tocsin.id": "d"},
        {"tocsin.id": "c"},
        {"tocsin.id": "e", "winlog.record_id": 5},
    ]
    held.insert("0:0", events([{**row, "@timestamp": NOW} for row in rows]))
    wanted = ["c", "d", "b", "e", "a"][:: -1 if newest_first else 1]
    seen: list[str] = []
    while page := held.search(
        TRUE, limit=2, newest_first=newest_first, after=(NOW, seen[-1]) if seen else None, fields=[]
    ):
        seen += [document["_id"] for document in page]
    assert seen == wanted


def test_a_document_is_what_the_source_sent(held: Store, events: Make) -> None:
    document = {
        "source.ip": "::ffff:10.0.0.1",
        "host.ip": ["10.0.0.1", "fe80::1"],
        "source.port": "https",
        "my.number": 2**63,
        "my.truth": True,
        "my.list": [1, 2.5],
        "my.empty": "",
        "event.start": "2024-05-01T12:00:00.000001+02:00",
        "process.args": [],
        "dll.code_signature.trusted": False,
    }
    held.insert("0:0", events([document]))
    (found,) = held.search(TRUE)
    wanted = {**document, "source.ip": "10.0.0.1", "event.start": "2024-05-01T10:00:00.000001Z"}
    del wanted["process.args"]
    assert {name: found[name] for name in wanted} == wanted
    assert "process.args" not in found
    assert found["_id"] == found["tocsin.id"]
    assert held.by_ids([found["_id"], "nobody"]) == {found["_id"]: found}


def test_chosen_fields_keep_the_name_that_was_asked_for(held: Store, events: Make) -> None:
    held.insert("0:0", events([{"http.response.status_code": 200, "my.own": ["a", "b"], "message": "m"}]))
    (found,) = held.search(TRUE, fields=["http.response.code", "my.own", "none", "@timestamp"])
    assert found == {
        "_id": found["_id"],
        "http.response.code": 200,
        "my.own": ["a", "b"],
        "@timestamp": "2023-11-14T22:13:20.000Z",
    }


def test_an_alias_is_read_in_its_scope(held: Store, events: Make) -> None:
    held.insert(
        "0:0",
        events([{"process.executable": "a.exe", "event.code": code, "event.dataset": "a.b"} for code in ("1", "3")]),
    )
    aliases = [Alias("Image", "process.executable", scope_of(["a.b"], ["1"]))]
    reader = Reader(held._engine, Known(held._engine), aliases)
    test = Test(reader.names["events"].field("Image"), Equals(("a.exe",)))
    (found,) = reader.search(test, fields=["Image", "event.code"])
    assert (found["Image"], found["event.code"]) == ("a.exe", "1")
    assert [row.get("Image") for row in reader.search(TRUE, fields=["Image"])] == [None, "a.exe"]
    assert reader.top(TRUE, "Image") == ([("a.exe", 1)], 1, 1)


def test_spans_are_half_open(held: Store, events: Make) -> None:
    held.insert("0:0", events([{"@timestamp": NOW + at} for at in (-1, 0, 1, SECOND)]))
    assert held.count(TRUE, Span(NOW, NOW + SECOND)) == 2
    assert held.count(TRUE, Span(None, NOW)) == 1
    assert held.count(TRUE, Span(NOW + SECOND, None)) == 1
    assert held.count(TRUE, Span(-(2**70), 2**70)) == 4


def test_a_histogram_counts_everything_once(held: Store, events: Make) -> None:
    held.insert("0:0", events([{"host.name": f"h{row % 3}" if row % 4 else None} for row in range(100)]))
    plain = held.histogram(TRUE, Span(NOW, NOW + 100 * SECOND), buckets=10)
    assert (plain.start, plain.width, plain.counts) == (NOW, 10 * SECOND, {"": [10] * 10})
    split = held.histogram(TRUE, Span(), buckets=7, by="host.name")
    assert set(split.counts) == {"h0", "h1", "h2", ""}
    assert sum(map(sum, split.counts.values())) == 100
    assert sum(split.counts[""]) == 25
    assert held.histogram(TRUE, Span(NOW - 10, NOW - 5), buckets=5).counts == {"": [0] * 5}


def test_top_values_are_typed_and_count_an_event_once_for_each(held: Store, events: Make) -> None:
    rows: list[dict[str, Any]] = [{"source.port": 80}, {"source.port": 80}, {"source.port": "https"}, {}]
    held.insert("0:0", events([{**row, "process.args": ["a", "a", "b"], "source.ip": "10.0.0.1"} for row in rows]))
    assert held.top(TRUE, "source.port") == ([(80, 2), ("https", 1)], 3, 1)
    assert held.top(TRUE, "process.args") == ([("a", 4), ("b", 4)], 4, 0)
    assert held.top(TRUE, "source.ip") == ([("10.0.0.1", 4)], 4, 0)
    assert held.top(TRUE, "nobody.has.it") == ([], 0, 4)
    assert held.top(TRUE, "process.args", limit=1).values == [("a", 4)]


def test_fields_that_are_present_are_counted(held: Store, events: Make) -> None:
    held.insert("0:0", events([{"my.own": 1}, {"my.own": "", "process.name": "x"}, {"process.name": None}]))
    present = held.present(TRUE)
    assert (present["my.own"], present["process.name"], present["@timestamp"]) == (2, 1, 3)
    assert "source.ip" not in present


def test_a_stream_gives_every_row_in_order_as_the_batch_had_it(
    held: Store, events: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.store._read.SLICE", 7)
    times = [NOW + at for at in (*range(30), *([40] * 20), *range(10_000_000, 10_000_010))]
    batch = events([{"@timestamp": moment, "my.own": [row]} for row, moment in enumerate(times)])
    held.insert("0:0", batch)
    found = list(held.stream(TRUE))
    assert all(part.schema.equals(batch.schema) for part in found)
    rows = [row for part in found for row in part.select(["@timestamp", "tocsin.id"]).to_pylist()]
    assert len(rows) == len(times)
    assert rows == sorted(rows, key=lambda row: (row["@timestamp"], row["tocsin.id"]))
    assert list(held.stream(Not(TRUE))) == []


def test_a_list_is_asked_as_it_is_now(held: Store, events: Make) -> None:
    held.insert("0:0", events([{"source.ip": "10.0.0.1"}, {"source.ip": "10.0.1.1"}, {}]))
    lists = ListTable({"servers": [{"value": "10.0.0.0/24"}]})
    reader = Reader(held._engine, Known(held._engine), lists=lists)
    node = InList(reader.names["events"].field("source.ip"), "servers")
    assert reader.count(node) == 1
    assert reader.count(Not(node)) == 2
    assert held.count(node) == 0


def test_a_query_too_deep_is_refused_by_name(held: Store) -> None:
    deep = TRUE
    for _ in range(300):
        deep = Not(And((deep, Not(deep))))  # type: ignore[assignment]
        if len(repr(deep)) > 10_000:
            break
    node: object = Test(held.names["events"].field("a"), Equals(("b",)))
    for _ in range(5000):
        node = Not(node)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="deep"):
        held.count(node)  # type: ignore[arg-type]


def test_what_the_store_refuses_is_an_error_of_the_query(held: Store) -> None:
    engine: Engine = held._engine
    with pytest.raises(QueryError, match="Unknown"):
        engine.rows("SELECT nobody FROM events")


@pytest.mark.usefixtures("folder")
def test_two_stores_at_once_are_refused(held: Store, tmp_path: object) -> None:
    with pytest.raises(Exception, match="store"):
        store.open(f"chdb://{tmp_path}/other")
    assert held.count(TRUE) == 0
