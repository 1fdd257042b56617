"""A store with events, and an engine over it, for tests of alerts and incidents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.store.conftest import NOW, folder, held, make, template
from tocsin.alert.engine import AlertEngine
from tocsin.alert.join import Joiner
from tocsin.alert.recent import MOST, Recent
from tocsin.detect import RISK, Rule
from tocsin.lang.ir import TRUE, Query
from tocsin.ports import Document, EventRef, Firing
from tocsin.store import Store

__all__ = ["folder", "held", "template"]
SECOND = 1_000_000
HOUR = 3600 * SECOND


def rule(id_: str, **more: Any) -> Rule:
    made = Rule(id_, f"Rule {id_}", "query", Query(TRUE), "medium", 47, f"{id_}.toml", "elastic", "")
    return replace(made, **more)


def firing(rule: str, *events: Document, **more: Any) -> Firing:
    """A firing over stored events; born of the first unless said otherwise."""
    refs = [EventRef(e["tocsin.id"], e["event.dataset"], e.get("host.name"), e["@timestamp"]) for e in events]
    return Firing(**{"rule": rule, "events": refs, "born": [refs[0].id], **more})


class Alerting:
    """An engine over a store, with rules of the test's own."""

    def __init__(
        self, store: Store, rules: Sequence[Rule], legs: frozenset[str] = frozenset(), most: int = MOST
    ) -> None:
        self.store = store
        joiner = Joiner(store, store, store.names["events"])
        risks = {str(name): risk for name, risk in RISK.items()}
        self.recent = Recent(store, store, most)
        self.engine = AlertEngine({each.id: each for each in rules}, legs, store, store, self.recent, joiner, risks)

    def again(self) -> Alerting:
        """As after a restart: nothing is in memory but what the store has."""
        return Alerting(self.store, list(self.engine.rules.values()), self.engine.legs)

    def stored(self) -> dict[str, Document]:
        return {str(alert["_id"]): alert for alert in self.store.search(TRUE, of="alerts", limit=1000)}


@pytest.fixture
def events(held: Store) -> Callable[..., list[Document]]:
    """Stores events so many seconds after NOW and gives them back as documents with µs times."""

    def put(*documents: Document) -> list[Document]:
        given = []
        for number, document in enumerate(documents):
            more = {name.replace("__", "."): value for name, value in document.items() if name != "second"}
            moment = NOW + int(document.get("second", number) * SECOND)
            more |= {"@timestamp": moment, "tocsin.id": more.get("tocsin.id", f"e{number}-{moment}")}
            given.append({"event.dataset": "zeek.http", "host.name": "ws1", **more})
        batch = make(given)
        held.insert(f"{given[0]['tocsin.id']}", batch)
        return given

    return put
