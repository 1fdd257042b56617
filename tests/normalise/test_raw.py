"""Documents as they are, with what EQL needs under other names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tocsin.event.document import to_documents
from tocsin.event.records import Chunk, Frame, Origin
from tocsin.normalise import Product, raw
from tocsin.normalise._run import Normaliser

product: Product = raw.PRODUCT


def test_nothing_is_added(read: Callable[..., list[dict[str, Any]]]) -> None:
    (event,) = read({"a": {"b": 1}, "c.d": "x"}, as_="raw")
    assert {k for k in event if not k.startswith("tocsin.")} == {"a.b", "c.d", "@timestamp", "event.original"}


def test_own_names_for_time_category_and_tie_breaker() -> None:
    normaliser = Normaliser({"raw": raw.configured("when", "event_type", "serial")})
    payload = b'{"when": 131916620158574970, "event_type": "process", "serial": 7}'
    chunk = Chunk("ndjson", payload, Origin("scan", product="raw"))
    (event,) = to_documents(normaliser.run([Frame(0, 0, 0, chunk)]).batch)
    assert event["@timestamp"] == "2019-01-11T06:33:35.857497Z"
    assert event["event.category"] == ["process"]
    assert event["event.sequence"] == 7
    assert event["event_type"] == "process"
