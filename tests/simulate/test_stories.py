"""The stories: the same for a seed and a start, never in the future, readable by the normaliser, and found exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.detect._ancestors import RULE_HOT, Ancestors
from tocsin.detect._hits import HitMaker, hits_of
from tocsin.detect._load import Loader
from tocsin.detect._state import StateStage
from tocsin.errors import UsageError
from tocsin.event import time
from tocsin.event.document import to_documents
from tocsin.event.ids import stable_id
from tocsin.event.records import Chunk, Frame, Origin
from tocsin.lang.fields import Names
from tocsin.lang.lists import load
from tocsin.normalise._run import Normaliser
from tocsin.ports import Document, Firing, Hit, Span
from tocsin.simulate import SPAN, Emission, generate, stories

RULES = Path(__file__).parents[2] / "tocsin" / "rules"
FOUR = {
    "Batch File Downloaded over an Unusual Port",
    "PowerShell Launched from a Batch File",
    "Batch File Downloaded with Invoke-WebRequest",
    "Potential Metasploit PowerShell Payload Observed",
}
PORTAL = "Portal Attacked from One Address"
START = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


class NoHits:
    def hits(self, rule: str, generation: str, keys: Sequence[tuple[str | None, ...]], span: Span) -> list[Hit]:
        return []


@dataclass
class World:
    normaliser: Normaliser
    loader: Loader
    maker: HitMaker
    rules: list[Any]


@cache
def world() -> World:
    normaliser = Normaliser()
    names = Names(normaliser.aliases, RULE_HOT)
    lists = load(RULES / "lists")
    loader = Loader(names, lists)
    rules = loader.paths([RULES])
    return World(normaliser, loader, HitMaker(rules, loader.types, names, lists), rules)


def frames(emissions: Sequence[Emission], arrival: datetime, *, shipped: bool = False) -> list[Frame]:
    """As they arrive: syslog from the sensors, or all through `_bulk` as shippers send it."""
    out = []
    for place, emission in enumerate(emissions):
        if emission.envelope and shipped:
            chunk = Chunk("ndjson", emission.envelope, Origin("bulk", index=emission.index))
        elif emission.format == "syslog":
            chunk = Chunk("syslog", len(emission.raw).to_bytes(4, "big") + emission.raw, Origin("syslog"))
        else:
            chunk = Chunk(emission.format, emission.raw, Origin("bulk", index=emission.index))
        out.append(Frame(0, place, round(arrival.timestamp() * 1e6), chunk))
    return out


@dataclass
class Found:
    documents: dict[str, Document]
    firings: list[Firing]
    correlations: list[Firing]

    def of(self, *names: str) -> list[Firing]:
        ids = {rule.id for rule in world().rules if rule.name in names}
        return [firing for firing in (*self.firings, *self.correlations) if firing.rule in ids]


def look(emissions: Sequence[Emission], start: datetime, *, shipped: bool = False) -> Found:
    """Everything that the rules find, before suppression and grouping."""
    here = world()
    result = here.normaliser.run(frames(emissions, start + SPAN, shipped=shipped))
    documents = {str(document["tocsin.id"]): document for document in to_documents(result.batch)}
    here.maker.ancestors = Ancestors()
    hits = hits_of(here.maker.run(result.batch, result.processes))
    clock = [round((start + SPAN).timestamp() * 1e6)]
    stage = StateStage(here.rules, here.loader.types, NoHits(), here.loader.lists, now=lambda: clock[0])
    found = stage.take(hits)
    clock[0] += 3600_000_000
    found += stage.tick()
    firings = [item for item in found if isinstance(item, Firing)]
    alerts = []
    for firing in firings:
        members = [documents[event.id] for event in firing.events]
        shared = {k: v for k, v in members[0].items() if all(member.get(k) == v for member in members)}
        shared.update({k: v for k, v in firing.group.items() if v is not None})
        shared["@timestamp"] = time.iso(max(event.time for event in firing.events))
        shared["kibana.alert.uuid"] = stable_id("alert", firing.rule, *firing.born)
        shared["kibana.alert.rule.uuid"] = firing.rule
        alerts.append(shared)
    correlations = [item for item in stage.take_alerts(alerts) if isinstance(item, Firing)]
    return Found(documents, firings, correlations)


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
def test_every_record_is_read_as_what_it_is(shipped: bool) -> None:
    emissions = list(generate("demo", seed=3, start=START))
    found = look(emissions, START, shipped=shipped)
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


@pytest.mark.parametrize("seed", [*range(6), 4242, 987_654_321])
def test_the_demo_is_found_exactly(seed: int) -> None:
    found = look(list(generate("demo", seed=seed, start=START)), START)
    names = {rule.id: rule.name for rule in world().rules}
    blocks = {rule.id for rule in world().rules if rule.building_block}
    on_view = Counter(names[firing.rule] for firing in found.firings if firing.rule not in blocks)
    assert set(on_view) == FOUR
    # One host and one server: what suppression counts together by host and process tree, or by client.
    for firing in found.of(*FOUR):
        event = found.documents[firing.events[0].id]
        assert str(event.get("host.name", "WS-")).upper().startswith("WS-")
    hosts = {found.documents[firing.events[0].id].get("host.name") for firing in found.of(*FOUR)} - {None}
    assert len(hosts) == 1
    clients = {found.documents[firing.events[0].id]["source.ip"] for firing in found.of(next(iter(sorted(FOUR))))}
    assert len(clients) == 1
    (portal,) = found.correlations
    assert portal.extra["tocsin.alert.whole"] is True
    assert portal.extra["kibana.alert.severity"] == "high"


def test_the_noise_alone_raises_nothing() -> None:
    for seed in range(3):
        found = look(list(generate("noise", seed=seed, start=START)), START)
        blocks = {rule.id for rule in world().rules if rule.building_block}
        assert not [firing for firing in found.firings if firing.rule not in blocks]
        assert not found.correlations


def test_each_story_alone_is_found() -> None:
    dropper = look(list(generate("dropper", seed=11, start=START)), START)
    assert {rule.name for rule in world().rules if rule.id in {f.rule for f in dropper.firings}} == FOUR
    assert not dropper.correlations
    portal = look(list(generate("portal", seed=11, start=START)), START)
    assert not portal.of(*FOUR)
    assert len(portal.of(PORTAL)) == 1


def test_the_chain_hangs_together() -> None:
    """Parents are processes that were seen, and the shell's connection is Zeek's, by Community ID."""
    found = look(list(generate("dropper", seed=5, start=START)), START)
    events = list(found.documents.values())
    starts = {e["process.entity_id"]: e for e in events if e.get("event.code") == "1"}
    shell = next(e for e in starts.values() if "tcpclient" in e["process.command_line"].lower())
    chain = [shell]
    while (parent := starts.get(chain[-1]["process.parent.entity_id"])) is not None:
        chain.append(parent)
    names = [e["process.name"].lower() for e in chain]
    assert names[:4] == ["powershell.exe", "cmd.exe", "powershell.exe", "cmd.exe"]
    assert names[4] == "explorer.exe"
    assert "shell.bat" in chain[1]["process.command_line"]
    assert "testing.bat" in chain[3]["process.command_line"]
    (link,) = [e for e in events if e.get("event.code") == "3" and e["process.entity_id"] == shell["process.entity_id"]]
    zeek = {e["network.community_id"] for e in events if e["event.dataset"] == "zeek.connection"}
    assert link["network.community_id"] in zeek
    assert len({e["process.pid"] for e in starts.values()}) == len(starts)


def test_documents_of_the_same_story_have_ids_of_their_own() -> None:
    emissions = list(generate("demo", seed=2, start=START)) + list(
        generate("demo", seed=2, start=START + timedelta(minutes=20))
    )
    ids = [orjson.loads(e.raw).get("uid") for e in emissions if e.file == "zeek/conn.log"]
    assert len(set(ids)) == len(ids)
