"""Times: what sources write becomes µs since 1970, or is said to be no time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ConfigError
from tocsin.event import time


def micros(*parts: int) -> int:
    moment = datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]
    return int(moment.replace(microsecond=0).timestamp()) * time.SECOND + moment.microsecond


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1547188415, micros(2019, 1, 11, 6, 33, 35)),
        (1547188415.857497, micros(2019, 1, 11, 6, 33, 35, 857497)),
        ("1547188415.857497123", micros(2019, 1, 11, 6, 33, 35, 857497)),
        (1547188415857, micros(2019, 1, 11, 6, 33, 35, 857000)),
        (1547188415857497, micros(2019, 1, 11, 6, 33, 35, 857497)),
        (1547188415857497123, micros(2019, 1, 11, 6, 33, 35, 857497)),
        (131916620158574970, micros(2019, 1, 11, 6, 33, 35, 857497)),  # FILETIME
        (0, 0),
        (-1.5, -1_500_000),
        ("-1.5", -1_500_000),
    ],
)
def test_reads_numbers_by_their_digits(value: object, expected: int) -> None:
    assert time.read(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01T12:00:00.123456789+02:00", micros(2024, 5, 1, 10, 0, 0, 123456)),
        ("2024-05-01 12:00:00,5", micros(2024, 5, 1, 12, 0, 0, 500000)),
        ("2024/05/01 12:00:00", micros(2024, 5, 1, 12, 0, 0)),
        ("2024-05-01T12:00:00-0730", micros(2024, 5, 1, 19, 30, 0)),
        ("2024-05-01", micros(2024, 5, 1)),
        ("10/Oct/2000:13:55:36 -0700", micros(2000, 10, 10, 20, 55, 36)),
        ("Oct 11 2003 22:14:15", micros(2003, 10, 11, 22, 14, 15)),
        ("2016-12-31T23:59:60Z", micros(2017, 1, 1)),  # a leap second
        (" 2024-05-01T00:00:00Z\n", micros(2024, 5, 1)),
    ],
)
def test_reads_the_forms_that_sources_write(text: str, expected: int) -> None:
    assert time.read(text) == expected


def test_takes_year_and_zone_from_what_is_known_of_the_source() -> None:
    arrival = micros(2024, 1, 1, 0, 30)
    assert time.read("Dec 31 23:59:59", arrival) == micros(2023, 12, 31, 23, 59, 59)
    assert time.read("Jan  1 00:10:00", arrival) == micros(2024, 1, 1, 0, 10)
    assert time.read("Jan  1 12:00:00", arrival, "Europe/Berlin") == micros(2024, 1, 1, 11)
    assert time.read("Jan  1 12:00:00", arrival, "+05:30", 2001) == micros(2001, 1, 1, 6, 30)
    assert time.read("Feb 29 12:00:00", micros(2027, 3, 1)) == micros(2024, 2, 29, 12)


@pytest.mark.parametrize(
    "value",
    [None, True, [], {}, "", "noon", "2024-13-01T00:00:00Z", "2024-02-30", float("nan"), float("inf"), 1e300, -1e300,
     "9" * 400, 10**40, "2024-05-01T12:00:00Z" + "0" * 100, "Foo 11 22:14:15", "١٢٣٤٥٦٧٨٩٠"],
)  # fmt: skip
def test_says_what_is_no_time(value: object) -> None:
    assert time.read(value) is None


@given(st.one_of(st.text(max_size=80), st.integers(), st.floats(), st.lists(st.integers()), st.booleans()))
def test_never_raises_and_clamps_to_the_bounds(value: object) -> None:
    found = time.read(value)
    if found is not None:
        assert time.EARLIEST <= time.clamp(found) <= time.LATEST


@given(st.integers(time.EARLIEST, time.LATEST))
def test_what_it_writes_it_reads(moment: int) -> None:
    assert time.read(time.iso(moment)) == moment


def test_refuses_a_zone_nobody_has() -> None:
    with pytest.raises(ConfigError, match="no time zone"):
        time.zone("Mars/Olympus")
    with pytest.raises(ConfigError):
        time.zone("../../etc/passwd")
