"""A rule over stored events: SQL fetches the candidates of its steps in order, and the rule's own machine runs over
them.

The same machine as in the stream, so a rule finds in hindsight what it would have found (DESIGN section 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from tocsin.detect import Rule, RuleType
from tocsin.detect._ancestors import LEVELS, RULE_HOT, Ancestors
from tocsin.detect._client import Clients
from tocsin.detect._derived import Derived
from tocsin.detect._hits import HitMaker, hits_of
from tocsin.detect._state import StateStage
from tocsin.event import time
from tocsin.event.document import to_documents
from tocsin.event.schema import HOT
from tocsin.lang.fields import Names
from tocsin.lang.ir import TRUE, And, Equals, Or, Predicate, Test, all_of, any_of, fields
from tocsin.lang.lists import ListTable, expand
from tocsin.pipeline.offline import NoHits
from tocsin.ports import PROCESS_SCHEMA, Document, Firing, Hit, Span
from tocsin.store import Store

_LATER = 400 * 86_400_000_000
# Of a threshold with very many events: the first so many.
_SHOWN = 50


def hits_in(
    store: Store, rule: Rule, types: Mapping[str, RuleType], names: Names, lists: ListTable, span: Span
) -> list[Hit]:
    """The rule's hits among stored events of a span, in order of time. SQL gives candidates; the matcher, which knows
    ancestors and what is worked out of an event's columns, decides."""
    steps = types[rule.type].steps(rule.plan)
    maker = HitMaker([rule], types, names, lists)
    maker.ancestors = StoredAncestors(store)
    where = candidates(expand(any_of(*(step.where for step in steps)), lists))
    out: list[Hit] = []
    for batch in store.stream(where, span):
        out.extend(hits_of(maker.run(batch)))
    out.sort(key=lambda hit: (hit.time, hit.tie or 0, hit.id))
    return out


class StoredAncestors(Ancestors):
    """Ancestors read from the table `processes`, for the events of a batch."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store

    def widen(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Ancestors.widen`."""
        hosts = batch.column("host.name").cast(pa.string()).to_pylist()
        wanted: dict[str, set[str]] = {}
        for host, entity in zip(
            hosts, batch.column("process.parent.entity_id").cast(pa.string()).to_pylist(), strict=True
        ):
            if host is not None and entity is not None:
                wanted.setdefault(host, set()).add(entity)
        for host, entities in wanted.items():
            level = entities
            for _ in LEVELS:
                missing = sorted(entity for entity in level if (host, entity) not in self._known)
                if not missing:
                    break
                rows = self._store.processes(host, missing)
                self.add(pa.RecordBatch.from_pylist([_as_row(row) for row in rows.values()], schema=PROCESS_SCHEMA))
                level = {row["parent"] for row in rows.values() if row.get("parent")}
        return super().widen(batch)


def _as_row(row: Document) -> Document:
    return {**row, "start": None}  # a time as text, which nobody asks for here


def candidates(node: Predicate) -> Predicate:
    """The predicate with every test that only the matcher can make taken for met: it holds at least where the whole
    one does."""
    if isinstance(node, And):
        return all_of(*(candidates(item) for item in node.items))
    if isinstance(node, Or):
        return any_of(*(candidates(item) for item in node.items))
    made_up = any(source.name in RULE_HOT and source.name not in HOT for f in fields(node) for source in f.sources)
    return TRUE if made_up else node


def firings_in(
    store: Store, rule: Rule, types: Mapping[str, RuleType], names: Names, lists: ListTable, span: Span
) -> list[Firing]:
    """What the rule would have found within a span."""
    hits = hits_in(store, rule, types, names, lists, span)
    stage = StateStage([rule], types, NoHits(), lists, now=lambda: 0)
    on_time = [hit._replace(arrival=hit.time) for hit in hits]
    found = list(stage.take(on_time))
    end = max((hit.time for hit in hits), default=0) + _LATER
    for dataset in {hit.dataset for hit in hits}:
        stage.watermarks.saw(dataset, end, end)
    found += stage.tick()
    latest = {tuple(item.born): item for item in found if isinstance(item, Firing)}
    return list(latest.values())


def seen_by_rules(store: Store, event: Document, lists: ListTable) -> Document:
    """A stored event as rules see it: with its ancestors, and what is worked out of its columns."""
    moment = time.read(event["@timestamp"]) or 0
    where = Test(store.names["events"].field("tocsin.id"), Equals((str(event["_id"]),)))
    for batch in store.stream(where, Span(moment, moment + 1)):
        return widened(batch, StoredAncestors(store), lists)[0]
    return event


def widened(batch: pa.RecordBatch, ancestors: Ancestors, lists: ListTable) -> list[Document]:
    """The documents of a batch as rules see them."""
    return to_documents(Derived(Clients(lists)).widen(ancestors.widen(batch)))


def in_order(firings: list[Firing], oldest_first: bool = False) -> list[Firing]:
    """Findings by the time of their last event, ties by their events' ids."""
    key = [(f.events[-1].time, [event.id for event in f.events]) for f in firings]
    return [firings[n] for n in sorted(range(len(firings)), key=key.__getitem__, reverse=not oldest_first)]


def events_of(store: Store, firings: Sequence[Firing]) -> list[list[Document]]:
    """The stored events of each finding, in its order."""
    held = store.by_ids([event.id for firing in firings for event in firing.events[:_SHOWN]])
    return [[held[e.id] for e in firing.events[:_SHOWN] if e.id in held] for firing in firings]
