"""The figures of sources: counted, bounded, brought back after a start."""

from __future__ import annotations

from typing import Any

from tocsin.event.time import SECOND
from tocsin.pipeline.sources import LIMIT, MINUTES, Sources

NOW = 1_700_000_000_000_000
MINUTE = 60 * SECOND


def seen(events: int = 1, at: int = NOW, **more: Any) -> dict[str, Any]:
    return {"events": events, "bytes": 10, "overflowed": 0, "late": 0, "last": at, "seen": at, "unparsed": {}, **more}


def test_what_is_added_is_counted() -> None:
    sources = Sources()
    sources.add({("d", "peer"): seen(2, unparsed={"broken JSON": 1})})
    sources.add({("d", "peer"): seen(3, NOW + MINUTE, late=1, unparsed={"broken JSON": 2})})
    (known,) = sources.all().values()
    assert (known.events, known.bytes, known.late, known.unparsed) == (5, 20, 1, {"broken JSON": 3})
    assert (known.first_seen, known.last_seen) == (NOW, NOW + MINUTE)
    assert known.histogram(NOW + MINUTE)[-2:] == [2, 3]


def test_minutes_older_than_an_hour_are_forgotten() -> None:
    sources = Sources()
    for minute in range(2 * MINUTES):
        sources.add({("d", "p"): seen(1, NOW + minute * MINUTE)})
    (known,) = sources.all().values()
    assert len(known.minutes) == MINUTES


def test_senders_without_end_are_bounded() -> None:
    sources = Sources()
    sources.add({("d", str(number)): seen() for number in range(LIMIT + 50)})
    assert len(sources.all()) <= LIMIT + 1
    assert sum(each.events for each in sources.all().values()) == LIMIT + 50


def test_reasons_without_end_are_bounded() -> None:
    sources = Sources()
    sources.add({("d", "p"): seen(unparsed={f"reason {number}": 1 for number in range(500)})})
    (known,) = sources.all().values()
    assert len(known.unparsed) <= 51
    assert sum(known.unparsed.values()) == 500


def test_a_restart_goes_on_counting() -> None:
    first = Sources()
    first.add({("d", "p"): seen(4)})
    second = Sources()
    second.known(first.drain())
    assert first.drain() == []
    second.add({("d", "p"): seen(1, NOW + SECOND)})
    (known,) = second.all().values()
    assert (known.events, known.first_seen) == (5, NOW)
    (change,) = second.drain()
    assert change.events == 1
