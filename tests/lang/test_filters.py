"""Filter pills and exceptions compare exactly, as what the field holds."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.errors import UsageError
from tocsin.lang import filters
from tocsin.lang.explain import explain
from tocsin.lang.fields import Names

NAMES = Names()


def met(entry: dict[str, Any], document: dict[str, Any]) -> bool:
    return explain(filters.condition(entry, NAMES), document).holds


@pytest.mark.parametrize(
    ("entry", "document", "expected"),
    [
        ({"field": "host.name", "value": "WS-07"}, {"host.name": "WS-07"}, True),
        ({"field": "host.name", "value": "ws-07"}, {"host.name": "WS-07"}, False),
        ({"field": "host.name", "value": "WS-07", "negate": True}, {}, True),
        ({"field": "destination.port", "value": "443"}, {"destination.port": 443}, True),
        ({"field": "destination.port", "value": 443}, {"destination.port": 4430}, False),
        ({"field": "destination.port", "value": "web"}, {"destination.port": 443}, False),
        ({"field": "source.ip", "value": "::ffff:10.0.0.1"}, {"source.ip": "10.0.0.1"}, True),
        (
            {"field": "process.args", "operator": "is_one_of", "value": ["-x", "-y"]},
            {"process.args": ["-a", "-y"]},
            True,
        ),
        ({"field": "user.name", "operator": "exists"}, {"user.name": ""}, True),
        ({"field": "user.name", "operator": "exists"}, {}, False),
        ({"field": "file.name", "operator": "matches", "value": "*.BAT"}, {"file.name": "a.bat"}, True),
        ({"field": "file.name", "operator": "matches", "value": "?.bat"}, {"file.name": "ab.bat"}, False),
        ({"field": "destination.port", "operator": "between", "value": [80, 90]}, {"destination.port": 90}, False),
        ({"field": "destination.port", "operator": "between", "value": [80, None]}, {"destination.port": 90}, True),
        ({"field": "tls.established", "value": "true"}, {"tls.established": True}, True),
        ({"field": "host.name", "value": None}, {"host.name": "x"}, False),
    ],
)
def test_compares_as_what_the_field_holds(entry: dict[str, Any], document: dict[str, Any], expected: bool) -> None:
    assert met(entry, document) is expected


def test_a_time_range_takes_date_math() -> None:
    entry = {"field": "@timestamp", "operator": "between", "value": ["2026-01-01", "2026-01-02"]}
    assert met(entry, {"@timestamp": "2026-01-01T12:00:00.000Z"})
    assert not met(entry, {"@timestamp": "2026-01-03T12:00:00.000Z"})


@pytest.mark.parametrize(
    "entry",
    [
        {"field": "a", "operator": "like", "value": "x"},
        {"field": "source.ip", "operator": "between", "value": ["here", "there"]},
        {"field": "a", "operator": "between", "value": 3},
    ],
)
def test_refuses_what_can_not_be_compared(entry: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        filters.condition(entry, NAMES)
