"""Dates of queries: how much a literal covers, and date math."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.lang._dates import Moment, moment
from tocsin.lang.functions import time_text

NOW = 1_778_416_496_123_456  # 2026-05-10T12:34:56.123456Z, a Sunday


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2024", "2024-01-01T00:00:00Z", "2024-12-31T23:59:59.999999Z"),
        ("2024-02", "2024-02-01T00:00:00Z", "2024-02-29T23:59:59.999999Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z", "2024-02-29T23:59:59.999999Z"),
        ("2024-02-29T10", "2024-02-29T10:00:00Z", "2024-02-29T10:59:59.999999Z"),
        ("2024-02-29T10:11", "2024-02-29T10:11:00Z", "2024-02-29T10:11:59.999999Z"),
        ("2024-02-29T10:11:12.5Z", "2024-02-29T10:11:12.500000Z", "2024-02-29T10:11:12.599999Z"),
        ("2024-02-29T10:11:12+02:00", "2024-02-29T08:11:12Z", "2024-02-29T08:11:12.999999Z"),
        ("1709201472000", "2024-02-29T10:11:12Z", "2024-02-29T10:11:12Z"),
        ("now", "2026-05-10T12:34:56.123456Z", "2026-05-10T12:34:56.123456Z"),
        ("now-1h", "2026-05-10T11:34:56.123456Z", "2026-05-10T11:34:56.123456Z"),
        ("now-h", "2026-05-10T11:34:56.123456Z", "2026-05-10T11:34:56.123456Z"),
        ("now/d", "2026-05-10T00:00:00Z", "2026-05-10T23:59:59.999999Z"),
        ("now/w", "2026-05-04T00:00:00Z", "2026-05-10T23:59:59.999999Z"),
        ("now-1M/M", "2026-04-01T00:00:00Z", "2026-04-30T23:59:59.999999Z"),
        ("now+1y/y", "2027-01-01T00:00:00Z", "2027-12-31T23:59:59.999999Z"),
        ("now-1d/d+8h", "2026-05-09T08:00:00Z", "2026-05-10T07:59:59.999999Z"),
        ("2024-01-31||+1M", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("2024-01-31T10:11:12||/h", "2024-01-31T10:00:00Z", "2024-01-31T10:59:59.999999Z"),
    ],
)
def test_covers(text: str, low: str, high: str) -> None:
    found = moment(text, NOW)
    assert found is not None
    assert (time_text(found.low), time_text(found.high)) == (low, high)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2024-13",
        "2024-02-30",
        "now-1x",
        "now1h",
        "now-",
        "now/",
        "x||/d",
        "now+999999999y",
        "2024-1-1",
    ],
)
def test_is_no_date(text: str) -> None:
    assert moment(text, NOW) is None


def test_now_is_the_clock_unless_given() -> None:
    found = moment("now")
    assert found is not None and found.low > NOW - 10**15
    assert moment("now", 5) == Moment(5, 5)


@given(st.text(alphabet="now-+/|0123456789yMwdhHmsTZ:. ", max_size=30))
def test_never_raises_and_is_ordered(text: str) -> None:
    found = moment(text, NOW)
    assert found is None or found.low <= found.high
