"""Tables of columns: what a stream's readers and derived columns make of values of any kind."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.event import ip
from tocsin.event.document import to_documents
from tocsin.event.records import Origin, Records
from tocsin.normalise._columns import (
    Stream,
    Table,
    epoch,
    epoch_date,
    first,
    integer,
    joined,
    lower,
    mapped,
    nanoseconds,
    related,
    related_ips,
    split,
    text,
)


def records(*documents: dict[str, Any]) -> Records:
    n = len(documents)
    return Records(
        list(documents),
        [None] * n,
        [""] * n,
        [Origin("file")] * n,
        [0] * n,
        [0] * n,
        [0] * n,
        list(range(n)),
        [None] * n,
    )


stream = Stream(
    name="log",
    dataset="acme.log",
    prefix="acme",
    inner="ts",
    columns={
        "@timestamp": epoch("ts"),
        "source.port": integer("port", "p"),
        "event.duration": nanoseconds("took"),
        "network.protocol": lower("proto"),
        "event.outcome": mapped({0: "success", "1": "failure"}, "code"),
        "tags": split("labels"),
        "event.end": epoch_date("until"),
        "user.name": text("user"),
    },
    constants={"event.category": ["network"], "host.os.type": "linux"},
    derive=(related(user=("user.name",)),),
)


def events(*documents: dict[str, Any]) -> list[dict[str, Any]]:
    return to_documents(stream.normalise(records(*documents)).batch)


def test_columns_are_mapped_and_the_rest_is_kept_under_the_prefix() -> None:
    (event,) = events(
        {
            "ts": 1.5,
            "p": 80,
            "took": 0.25,
            "proto": "HTTP",
            "code": 0,
            "labels": "a, b",
            "until": 2,
            "user": "u",
            "x": {"y": 1},
        }
    )
    assert event == {
        "@timestamp": "1970-01-01T00:00:01.500Z",
        "event.dataset": "acme.log",
        "event.module": "acme",
        "event.kind": "event",
        "event.category": ["network"],
        "host.os.type": "linux",
        "source.port": 80,
        "event.duration": 250_000_000,
        "network.protocol": "http",
        "acme.proto": "HTTP",
        "event.outcome": "success",
        "acme.code": 0,
        "tags": ["a", "b"],
        "event.end": "1970-01-01T00:00:02.000Z",
        "user.name": "u",
        "related.user": ["u"],
        "acme.x.y": 1,
    }


@pytest.mark.parametrize("value", [[], {}, {"a": [1]}, True, "x", 1e300, -1, [1, "x"], 2**70, "\ud800", "\x1b[31m"])
def test_no_value_raises(value: Any) -> None:
    names = ("port", "p", "took", "proto", "code", "labels", "until", "user")
    assert len(events({"ts": 1, **dict.fromkeys(names, value)}, {"ts": 2})) == 2


def test_rejected_records_leave_the_others_in_order() -> None:
    batch, rejected = stream.normalise(records({"ts": 1}, {"ts": "noon"}, {"ts": 3}, {"a": 1}))
    assert [row for row, _ in rejected] == [1, 3]
    assert rejected[0].reason == "ts is no time, such as seconds since 1970: 'noon'"
    assert batch.num_rows == 2


def test_what_the_stream_can_set_is_told() -> None:
    assert {"source.port", "event.category", "@timestamp"} <= stream.info.fields
    assert stream.info.os == "linux"
    assert {alias.name for alias in stream.aliases} >= {"acme.user"}
    assert "acme.proto" not in {alias.name for alias in stream.aliases}, "its values differ"


def test_helpers_go_by_row() -> None:
    assert first([None, 1, None], [2, 2, None], [3, 3, 3]) == [2, 1, 3]
    assert joined(["a", None, ""], [["b", "a", 7], None, None]) == [["a", "b"], None, None]
    assert related_ips(["10.0.0.1", "x"], [["::ffff:10.0.0.1", "::1"], None]).to_pylist() == [
        [ip.packed("10.0.0.1"), ip.packed("::1")],
        [],
    ]


def test_a_column_set_twice_fills_gaps_only() -> None:
    table = Table(records({}, {}), {})
    table.set("user.name", ["a", None])
    table.set("user.name", ["b", "c"])
    assert table.ecs("user.name") == ["a", "c"]
    assert table.get("nothing") == table.ecs("nothing") == [None, None]
