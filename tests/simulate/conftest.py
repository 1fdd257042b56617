"""Runs stories through the normaliser and the rules, up to what suppression and grouping would be given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tocsin.detect._ancestors import RULE_HOT, Ancestors
from tocsin.detect._hits import HitMaker, hits_of
from tocsin.detect._load import Loader
from tocsin.detect._state import StateStage
from tocsin.event import time
from tocsin.event.document import to_documents
from tocsin.event.ids import stable_id
from tocsin.event.records import Chunk, Frame, Origin
from tocsin.lang.fields import Names
from tocsin.lang.lists import load
from tocsin.normalise._run import Normaliser
from tocsin.ports import Document, Firing, Hit, Span
from tocsin.simulate import SPAN, Emission, generate

RULES = Path(__file__).parents[2] / "tocsin" / "rules"
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

    def on_view(self) -> dict[str, list[Firing]]:
        """The firings by rule name, building blocks left out."""
        out: dict[str, list[Firing]] = {}
        for rule in world().rules:
            if not rule.building_block and (mine := [f for f in self.firings if f.rule == rule.id]):
                out.setdefault(rule.name, []).extend(mine)
        return out

    def event(self, firing: Firing) -> Document:
        return self.documents[firing.events[0].id]


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


@pytest.fixture
def told() -> Callable[..., Found]:
    """`told("dropper", seed=3)`: what the rules find in a story."""

    def tell(name: str, *, seed: int, shipped: bool = False) -> Found:
        return look(list(generate(name, seed=seed, start=START)), START, shipped=shipped)

    return tell
