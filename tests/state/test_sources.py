"""Figures of sources."""

from __future__ import annotations

from tocsin.state import State
from tocsin.state.sources import MOST_REASONS, Source


def test_differences_add_up(opened: State) -> None:
    opened.sources.add(
        [Source("zeek.http", "key:a", "h", 5, 100, unparsed=1, reasons={"no JSON": 1}, last=10, newest=7)]
    )
    opened.sources.add(
        [
            Source("zeek.http", "key:a", None, 2, 50, reasons={"no JSON": 2, "no time": 1}, last=8, newest=9),
            Source("zeek.dns", "key:a", last=20),
        ]
    )
    dns, http = opened.sources.all()
    assert (dns.dataset, dns.events) == ("zeek.dns", 0)
    assert (http.host, http.events, http.bytes, http.unparsed, http.last, http.newest) == ("h", 7, 150, 1, 10, 9)
    assert http.reasons == {"no JSON": 3, "no time": 1}


def test_reasons_from_outside_stay_few(opened: State) -> None:
    for start in range(0, 100, 10):
        opened.sources.add([Source("a", "b", reasons={f"reason {start + n}": n + 1 for n in range(10)})])
    (source,) = opened.sources.all()
    assert len(source.reasons) == MOST_REASONS
