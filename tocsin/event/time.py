"""Times as whole microseconds since 1970 (UTC): one reading of numbers and texts for every source (DESIGN section 3).

Numbers of 10, 13, 16 and 19 digits are seconds, milli-, micro- and nanoseconds; 18 digits that begin 11–13 are FILETIME
(100 ns since 1601). A text without year or zone takes them from what the caller knows: the record's arrival and the
source's zone. What lies beyond 1601–2299 becomes the nearest bound (`clamp`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tocsin.errors import ConfigError, quoted

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # arithmetic before the offset is known
_FILETIME: Final = 11_644_473_600 * SECOND
EARLIEST: Final = -_FILETIME
LATEST: Final = (datetime(2299, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], start=1
    )
}
_NUMBER: Final = re.compile(r"-?\d{1,19}(\.\d{1,12})?\Z", re.ASCII)
# 2024-05-01T12:00:00.123456789+02:00; a space for T, a comma for the point, slashes for hyphens, Z, +0200 and
# " UTC" occur
_ISO: Final = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?)?"
    r"\s*(Z|UTC|GMT|[+-]\d\d:?\d\d|[+-]\d\d)?\Z",
    re.ASCII | re.IGNORECASE,
)
# Oct 11 22:14:15; Cisco writes a year and a fraction
_BSD: Final = re.compile(
    r"([A-Za-z]{3})\s+(\d{1,2})(?:\s+(\d{4}))?\s+(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?\s*(Z|UTC|[+-]\d\d:?\d\d)?\Z",
    re.ASCII,
)
# 10/Oct/2000:13:55:36 -0700
_CLF: Final = re.compile(
    r"(\d\d)/([A-Za-z]{3})/(\d{4}):(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?\s*([+-]\d{4})?\Z", re.ASCII
)


def clamp(micros: int) -> int:
    """`micros`, or the nearest of 1601-01-01 and 2299-12-31."""
    return min(max(micros, EARLIEST), LATEST)


def from_number(value: float | int) -> int | None:
    """A number as a time by its count of digits, unclamped; None where the count says nothing. Fewer than 10 digits
    are seconds."""
    if isinstance(value, float):
        if value != value or abs(value) >= 1e19:
            return None
        whole = int(value)
        digits = len(str(abs(whole)))
        return round(value * SECOND) if digits <= 11 else from_number(whole)
    text = str(abs(value))
    digits = len(text)
    if digits <= 11:
        return value * SECOND
    if digits <= 14:
        return value * 1000
    if digits <= 16:
        return value
    if digits == 18 and "11" <= text[:2] <= "13":
        return from_filetime(value)
    return value // 1000 if digits <= 19 else None


def from_filetime(ticks: int) -> int:
    """Windows FILETIME (100 ns since 1601-01-01, MS-DTYP 2.3.3) as µs since 1970."""
    return ticks // 10 - _FILETIME


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo:
    """An IANA zone or a fixed offset such as `+02:00`; raises `ConfigError` where there is none of that name."""
    if match := re.fullmatch(r"([+-])(\d\d):?(\d\d)", name):
        minutes = int(match[2]) * 60 + int(match[3])
        return datetime.strptime(f"{match[1]}{minutes // 60:02}{minutes % 60:02}", "%z").tzinfo or UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"no time zone {quoted(name)}", hint="use an IANA name such as Europe/Berlin") from error


@lru_cache(maxsize=65536)
def from_text(
    text: str, arrival: int | None = None, zone_name: str | None = None, year: int | None = None
) -> int | None:
    """A text that a source wrote as a time, or None. `arrival` (µs) gives a year to texts that have none: the nearest
    that puts them at most a day after it. Callers cache by value: pass `arrival` only cut to the day for texts
    without a year."""
    text = text.strip()
    if len(text) > 64:
        return None
    if _NUMBER.match(text):
        return _from_digits(text)
    try:
        if match := _ISO.match(text):
            y, mo, d, h, mi, s, fraction, offset = match.groups()
            return _micros(int(y), int(mo), int(d), int(h or 0), int(mi or 0), int(s or 0), fraction, offset, zone_name)
        if match := _CLF.match(text):
            d, month, y, h, mi, s, fraction, offset = match.groups()
            return _micros(int(y), _MONTHS[month.lower()], int(d), int(h), int(mi), int(s), fraction, offset, zone_name)
        if match := _BSD.match(text):
            month, d, y, h, mi, s, fraction, offset = match.groups()
            rest = (_MONTHS[month.lower()], int(d), int(h), int(mi), int(s), fraction, offset, zone_name)
            if y or year:
                return _micros(int(y or year or 0), *rest)
            return _nearest(arrival, rest)
    except (ValueError, KeyError, OverflowError):
        return None
    return None


def _from_digits(text: str) -> int | None:
    whole, _, fraction = text.partition(".")
    value = from_number(int(whole))
    if value is None or not fraction or len(whole.lstrip("-")) > 11:
        return value
    micros = int(fraction[:6].ljust(6, "0"))
    return value - micros if text.startswith("-") else value + micros


def _micros(
    year: int,
    month: int,
    day: int,
    hour: int,
    minute: int,
    second: int,
    fraction: str | None,
    offset: str | None,
    zone_name: str | None,
) -> int:
    micros = int(fraction[:6].ljust(6, "0")) if fraction else 0
    leap = second == 60  # a leap second is the last instant of its minute, as POSIX has it
    moment = datetime(year, month, day, hour, minute, 59 if leap else second)  # noqa: DTZ001
    base = (moment - _NAIVE) // timedelta(microseconds=1) + micros + (SECOND if leap else 0)
    if offset:
        if offset.upper() in ("Z", "UTC", "GMT"):
            return base
        sign = -1 if offset[0] == "-" else 1
        digits = offset[1:].replace(":", "").ljust(4, "0")
        return base - sign * (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * SECOND
    if zone_name:
        delta = moment.replace(tzinfo=zone(zone_name)).utcoffset()
        return base - (delta // timedelta(microseconds=1) if delta else 0)
    return base


def _nearest(
    arrival: int | None, rest: tuple[int, int, int, int, int, str | None, str | None, str | None]
) -> int | None:
    now = arrival if arrival is not None else (datetime.now(UTC) - _EPOCH) // timedelta(microseconds=1)
    year = (_EPOCH + timedelta(microseconds=now)).year
    best: int | None = None
    for candidate in (
        year + 1,
        year,
        year - 1,
        year - 2,
        year - 3,
        year - 4,
    ):  # 29 February needs up to four years back
        try:
            moment = _micros(candidate, *rest)
        except ValueError:
            continue
        if moment <= now + DAY:
            best = moment
            break
    return best


def read(
    value: object, arrival: int | None = None, zone_name: str | None = None, year: int | None = None
) -> int | None:
    """Any value that a source may use for a time, in µs, unclamped, or None. Booleans and lists are none."""
    if isinstance(value, str):
        # Cut to the day so that the cache serves a batch: a year is all that arrival decides.
        return from_text(value, arrival // DAY * DAY + DAY - 1 if arrival is not None else None, zone_name, year)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return from_number(value)


def iso(micros: int) -> str:
    """RFC 3339 in UTC with milliseconds, or microseconds where there are any: 2024-05-01T12:00:00.000Z."""
    moment = _EPOCH + timedelta(microseconds=micros)
    spec = "milliseconds" if micros % 1000 == 0 else "microseconds"
    return moment.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def now() -> int:
    """The wall clock in µs."""
    return (datetime.now(UTC) - _EPOCH) // timedelta(microseconds=1)
