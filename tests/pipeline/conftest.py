"""Rules of the tests' own, and batches as workers leave them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.store.conftest import ROOMY
from tocsin import store
from tocsin.detect._hits import HitMaker
from tocsin.event.records import Chunk, Frame, Origin
from tocsin.normalise._run import Normaliser
from tocsin.pipeline import spool
from tocsin.pipeline.core import Core
from tocsin.pipeline.knowledge import Knowledge, Plan
from tocsin.pipeline.sources import Sources
from tocsin.ports import Stretch
from tocsin.store import Store

HEAD = """[rule]
name = "{name}"
rule_id = "{name}"
description = "d"
author = ["t"]
risk_score = 47
severity = "medium"
"""
QUERY = (
    HEAD.format(name="query")
    + """type = "query"
language = "kuery"
query = 'event.action: "alarm"'
"""
)
THRESHOLD = (
    HEAD.format(name="threshold")
    + """type = "threshold"
language = "kuery"
from = "now-1h"
query = 'event.action: "probe"'
[rule.threshold]
field = ["user.name"]
value = 3
"""
)
BROKEN = HEAD.format(name="broken") + 'type = "query"\nlanguage = "kuery"\nquery = "event.action: ("\n'
OWN = {"own/query.toml": QUERY, "own/threshold.toml": THRESHOLD}


def plan(**more: Any) -> Plan:
    """Only the tests' rules, with what a test changes."""
    return Plan(**{"shipped": False, "own": dict(OWN), **more})


@pytest.fixture(scope="session")
def normaliser() -> Normaliser:
    return Normaliser()


@pytest.fixture
def knowledge(normaliser: Normaliser) -> Knowledge:
    return Knowledge(plan(), normaliser=normaliser)


@pytest.fixture
def held(tmp_path: Path, knowledge: Knowledge) -> Iterator[Store]:
    aliases = knowledge.normaliser.aliases
    with store.open(f"chdb://{tmp_path / 'store'}", memory=ROOMY, aliases=aliases, lists=knowledge.lists) as opened:
        yield opened


@pytest.fixture
def core(held: Store, knowledge: Knowledge) -> Core:
    return Core(held, knowledge, Sources())


def frame(documents: Sequence[dict[str, Any]], position: int = 0) -> Frame:
    """Documents as they stand in the journal; they arrive now."""
    now = int(time.time() * 1e6)
    payload = b"".join(orjson.dumps(document) + b"\n" for document in documents)
    return Frame(0, position, now, Chunk("ndjson", payload, Origin("bulk", peer="127.0.0.1", product="ecs.document")))


Leave = Callable[..., tuple[Stretch, Path]]


@pytest.fixture
def leave(tmp_path: Path, knowledge: Knowledge) -> Leave:
    """Leaves a stretch of documents in the spool, as a worker does that knows `by` (without: `knowledge`)."""
    folder = tmp_path / "spool"
    folder.mkdir()

    def leave(
        documents: Sequence[dict[str, Any]], position: int = 0, by: Knowledge = knowledge
    ) -> tuple[Stretch, Path]:
        made = knowledge.normaliser.run([frame(documents, position)])
        stretch = Stretch(0, position, position + 1)
        found = HitMaker(by.running, by.types, by.names, by.lists).run(made.batch, made.processes)
        return stretch, spool.write(folder, stretch, spool.Spooled(made.batch, found, made.processes))

    return leave


def event(action: str, user: str = "ann", **more: Any) -> dict[str, Any]:
    """A document of now."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"@timestamp": stamp, "event.dataset": "t", "event.action": action, "user.name": user, **more}
