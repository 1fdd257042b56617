"""Date literals of queries: ISO dates of any precision, epochs, and Elasticsearch's date math (`now-1h/d`).

A literal covers a span: `2024-05` is the whole of May. Comparisons take the end of the span that makes them true for
what lies outside it, as Elasticsearch rounds (`gt` and `lte` up, `gte` and `lt` down).
"""

from __future__ import annotations

import calendar
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from tocsin.event.time import EARLIEST, LATEST, from_number

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PARTIAL: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?)?)?)?)?(Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)
_STEP: Final = re.compile(r"([+-])(\d{0,9})([yMwdhHms])|/([yMwdhHms])", re.ASCII)
_UNITS: Final = ("y", "M", "d", "h", "m", "s")
_FIXED: Final = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}


class Moment(NamedTuple):
    """The first and the last microsecond that a literal covers."""

    low: int
    high: int


def moment(text: str, now: int | None = None) -> Moment | None:
    """What a literal covers, in µs, or None where it is no date. `now` is what `now` means (the clock, if not given).

    Formats: Elasticsearch's `strict_date_optional_time`, `epoch_millis` and "Date Math".
    """
    text = text.strip()
    if len(text) > 100:
        return None
    try:
        if text.startswith("now"):
            start = _at(now if now is not None else time.time_ns() // 1000)
            return _math(start, start, text[3:])
        anchor, bar, rest = text.partition("||")
        span = _anchor(anchor.strip())
        if span is None or not bar:
            return None if span is None else Moment(_micros(span[0]), _micros(span[1]))
        return _math(span[0], span[0], rest)
    except (OverflowError, ValueError):
        return None


def _anchor(text: str) -> tuple[datetime, datetime] | None:
    if re.fullmatch(r"-?\d{5,19}", text, re.ASCII):
        micros = from_number(int(text))
        return None if micros is None else (_at(micros), _at(micros))
    match = _PARTIAL.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    digits = (fraction or "0")[:6].ljust(6, "0")
    low = datetime(
        int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), int(digits), UTC
    )
    if fraction:
        high = low + timedelta(microseconds=10 ** max(0, 6 - len(fraction)) - 1)
    else:
        given = sum(part is not None for part in (year, month, day, hour, minute, second))
        high = _add(low, 1, _UNITS[given - 1]) - timedelta(microseconds=1)
    if offset and offset.upper() != "Z":
        minutes = int(offset[1:3]) * 60 + int(offset[-2:])
        shift = timedelta(minutes=-minutes if offset[0] == "+" else minutes)
        return low + shift, high + shift
    return low, high


def _math(low: datetime, high: datetime, steps: str) -> Moment | None:
    at = 0
    while at < len(steps):
        match = _STEP.match(steps, at)
        if match is None:
            return None
        at = match.end()
        sign, count, unit, rounded = match.groups()
        if rounded:
            low = _floor(low, rounded)
            high = _add(low, 1, rounded) - timedelta(microseconds=1)
        else:
            many = int(count or 1) * (1 if sign == "+" else -1)
            low, high = _add(low, many, unit), _add(high, many, unit)
    return Moment(_micros(low), _micros(high))


def _add(at: datetime, many: int, unit: str) -> datetime:
    if unit in "yM":
        months = at.year * 12 + at.month - 1 + many * (12 if unit == "y" else 1)
        year, month = divmod(months, 12)
        return at.replace(year=year, month=month + 1, day=min(at.day, calendar.monthrange(year, month + 1)[1]))
    return at + many * _FIXED[unit.lower()]


def _floor(at: datetime, unit: str) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    match unit:
        case "y":
            return day.replace(month=1, day=1)
        case "M":
            return day.replace(day=1)
        case "w":
            return day - timedelta(days=day.weekday())
        case "d":
            return day
        case "h" | "H":
            return at.replace(minute=0, second=0, microsecond=0)
        case "m":
            return at.replace(second=0, microsecond=0)
        case _:
            return at.replace(microsecond=0)


def _at(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=min(max(micros, EARLIEST), LATEST))


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
