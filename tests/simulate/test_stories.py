"""The stories: the same for a seed and a start, never in the future, readable by the normaliser, and found exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.errors import UsageError
from tocsin.event import time
from tocsin.simulate import SPAN, _site, _web, _windows, _zeek, generate, stories

START = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
FOUR = {
    "Batch File Downloaded over an Unusual Port",
    "PowerShell Launched from a Batch File",
    "Batch File Downloaded with Invoke-WebRequest",
    "Potential Metasploit PowerShell Payload Observed",
}


@pytest.mark.parametrize("name", [*stories()])
def test_a_story_is_its_seed_and_start(name: str) -> None:
    one = list(generate(name, seed=7, start=START))
    assert one == list(generate(name, seed=7, start=START))
    assert one == list(generate(name, seed=7, start=START.astimezone()))
    assert {e.raw for e in one} != {e.raw for e in generate(name, seed=8, start=START)}
    later = list(generate(name, seed=7, start=START + timedelta(microseconds=1)))
    assert not {e.raw for e in one} & {e.raw for e in later if e.sensor == "winlogbeat"}


@pytest.mark.parametrize("name", [*stories()])
def test_nothing_lies_before_the_start_or_in_the_future(name: str) -> None:
    for seed in range(5):
        times = [emission.time for emission in generate(name, seed=seed, start=START)]
        assert times == sorted(times)
        assert times[0] >= START
        assert times[-1] < START + SPAN


def test_a_story_nobody_knows_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="droper"):
        generate("droper", seed=1, start=START)
    with pytest.raises(UsageError, match="zone"):
        generate("dropper", seed=1, start=START.replace(tzinfo=None))


@pytest.mark.parametrize("shipped", [False, True], ids=["sensors", "shippers"])
def test_every_record_is_read_as_what_it_is(told: Callable[..., Any], shipped: bool) -> None:
    emissions = list(generate("demo", seed=3, start=START))
    found = told("demo", seed=3, shipped=shipped)
    assert len(found.documents) == len(emissions)
    datasets = Counter(document["event.dataset"] for document in found.documents.values())
    assert set(datasets) == {
        "zeek.http", "zeek.connection", "zeek.dns", "zeek.files", "windows.sysmon_operational", "system.security",
        "windows.powershell_operational", "nginx.access", "nginx.error", "iptables.log", "portal.auth",
    }  # fmt: skip
    for emission, document in zip(emissions, found.documents.values(), strict=True):
        moment = time.read(document["@timestamp"])
        assert moment is not None
        assert abs(moment / 1e6 - emission.time.timestamp()) < 1


@pytest.mark.parametrize("seed", [0, 1, 4242, 987_654_321])
def test_the_demo_is_found_exactly(told: Callable[..., Any], seed: int) -> None:
    found = told("demo", seed=seed)
    on_view = found.on_view()
    assert set(on_view) == FOUR
    # One host and one client: what suppression counts together.
    events = [found.event(firing) for firings in on_view.values() for firing in firings]
    assert len({event["host.name"] for event in events if "host.name" in event}) == 1
    assert len({event["source.ip"] for event in events if event["event.dataset"] == "zeek.http"}) == 1
    (portal,) = found.correlations
    assert portal.extra["tocsin.alert.whole"] is True
    assert portal.extra["kibana.alert.severity"] == "high"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 130))
def test_the_demo_is_found_exactly_with_any_seed(told: Callable[..., Any], seed: int) -> None:
    found = told("demo", seed=seed)
    assert set(found.on_view()) == FOUR
    assert [each.extra["tocsin.alert.whole"] for each in found.correlations] == [True]


def test_two_runs_have_no_id_in_common() -> None:
    def links(start: datetime) -> set[bytes]:
        return {e.raw for e in generate("demo", seed=2, start=start) if e.sensor in ("zeek", "winlogbeat", "portal")}

    assert not links(START) & links(START + timedelta(minutes=20))


def test_what_is_shown_as_benign_stands_in_the_shipped_lists(told: Callable[..., Any]) -> None:
    """The addresses of the noise that must stay silent are those of the lists."""
    assert _site.DEPLOY == ("10.20.0.15", 8080)
    assert _site.SCANNER == "198.51.100.200"
    assert _site.WEB[1] == "10.20.1.10"


def test_a_flow_is_one_in_every_log() -> None:
    dice = _site.Dice("test", 1, START)
    flow = _zeek.flow(dice, "10.20.7.1", "198.51.100.1", 8080)
    host = _site.WORKSTATIONS[0]
    process = _windows.process(dice, host, START, _windows.CMD, "cmd")
    for emission in (
        *_zeek.http(dice, flow, START, uri="/x", host="h", agent="a", size=5, mime="text/plain"),
        _windows.connected(dice, process, START, flow),
    ):
        assert str(flow.sport).encode() in emission.raw


def test_a_text_line_says_the_same_in_its_envelope() -> None:
    line = _web.access(START, "203.0.113.5", "/x", 200)
    assert line.raw.startswith(b"<190>Nov 24 09:30:00 web01 nginx: 203.0.113.5 - - ")
    assert b'"message":"203.0.113.5 - - ' in line.envelope
