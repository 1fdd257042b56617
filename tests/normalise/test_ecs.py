"""Documents that are ECS already, and what nobody claims."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tocsin.event.records import Chunk, Frame, Origin
from tocsin.normalise import Product, ecs

product: Product = ecs.PRODUCT
Read = Callable[..., list[dict[str, Any]]]


def test_nested_and_dotted_are_the_same_event(read: Read) -> None:
    nested = {
        "@timestamp": "2024-06-10T06:13:20Z",
        "event": {"dataset": "portal.auth", "outcome": "failure"},
        "source": {"ip": "203.0.113.7"},
    }
    dotted = {
        "@timestamp": "2024-06-10T06:13:20Z",
        "event.dataset": "portal.auth",
        "event.outcome": "failure",
        "source.ip": "203.0.113.7",
    }
    one, two = read(nested, dotted)
    own = {"event.original", "tocsin.id", "tocsin.record"}
    assert {k: v for k, v in one.items() if k not in own} == {k: v for k, v in two.items() if k not in own}
    assert one["event.dataset"] == "portal.auth"
    assert one["event.module"] == "portal"
    assert one["related.ip"] == ["203.0.113.7"]


def test_the_index_names_the_data_set_where_the_document_does_not(normaliser: Any) -> None:
    body = b'{"create":{"_index":"logs-portal.auth-default"}}\n{"a":1}\n{"create":{}}\n{"a":1}\n'
    chunk = Chunk("bulk", body, Origin("bulk", key="k", index="anything"))
    batch = normaliser.run([Frame(0, 0, 1_718_100_000_000_000, chunk)]).batch
    assert batch.column("event.dataset").to_pylist() == ["portal.auth", "generic"]
    assert batch.column("tocsin.key").to_pylist() == ["k", "k"]


def test_a_document_of_any_shape_is_an_event(read: Read) -> None:
    (event,) = read(
        {
            "@timestamp": ["x"],
            "event": "text",
            "host": ["a", {"name": "b"}],
            "user": {"name": [1, 2]},
            "labels": {"a.b": None},
        }
    )
    assert event["event.dataset"] == "generic"
    assert event["@timestamp"] == "2024-06-11T10:00:00.000Z"
    assert event["user.name"] == [1, 2]


def test_a_source_cannot_set_what_is_tocsins(read: Read) -> None:
    (event,) = read({"tocsin": {"id": "forged", "peer": "10.0.0.1"}, "event.dataset": "x.y"})
    assert event["tocsin.id"] != "forged"
    assert event["unmapped.tocsin.id"] == "forged"
    assert "tocsin.peer" not in event


def test_a_text_that_nobody_knows_is_kept(read: Read) -> None:
    (event,) = read("what is this\tline \x1b[31m")
    assert event["event.dataset"] == "generic.text"
    assert event["message"] == event["event.original"] == "what is this\tline \x1b[31m"
