"""Detection and search over files, without a store: `tocsin scan`, `tocsin search --input`, `tocsin rules test`.

All inputs are one stream ordered by (time, file order, record). Batches are spilled to a temporary folder between the
pass that learns processes and the pass that matches, so memory is bounded by a batch; hits are held (they are few),
matches are given out in order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from tocsin.detect import Rule, RuleType
from tocsin.detect._ancestors import Ancestors
from tocsin.detect._hits import HitMaker, hits_of
from tocsin.detect._state import StateStage
from tocsin.event import time
from tocsin.event.document import to_documents
from tocsin.event.time import SECOND
from tocsin.lang.explain import evidence, explain
from tocsin.lang.fields import Names
from tocsin.lang.ir import Predicate, Query
from tocsin.lang.lists import ListTable, expand
from tocsin.lang.match import Matcher
from tocsin.normalise._run import FileBatch
from tocsin.ports import Document, EventRef, Firing, Hit, Span

# Batches kept in memory before the rest goes to disk.
HELD: Final = 4
# Matches whose events are fetched together, and documents that are held.
_TOGETHER: Final = 500
_DOCUMENTS: Final = 10_000
_LATER: Final = 400 * 86_400 * SECOND
Rows = list[tuple[int, int]]


class NoHits:
    """`detect.HitReader` where nothing is stored: every hit is in memory."""

    def hits(self, rule: str, generation: str, keys: Sequence[tuple[str | None, ...]], span: Span) -> list[Hit]:
        """None."""
        return []


@dataclass(slots=True)
class Match:
    """One finding: the rule, its events as (file, record), the time of the last, and the values that made it."""

    rule: Rule
    severity: str
    timestamp: int
    events: list[tuple[str, int]]
    matched: dict[str, Any] = field(default_factory=dict)
    documents: list[Document] = field(default_factory=list)


class Spill:
    """Batches that are read twice: the first few in memory, the others in files of a folder that goes with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: list[pa.RecordBatch] = []
        self._count = 0

    def add(self, batch: pa.RecordBatch) -> int:
        """Keep a batch; its number."""
        number = self._count
        self._count += 1
        if number < HELD:
            self._held.append(batch)
        else:
            path = str(self._folder / f"{number}.arrow")
            with pa.OSFile(path, "wb") as file, pa.ipc.new_stream(file, batch.schema) as stream:
                stream.write_batch(batch)
        return number

    def get(self, number: int) -> pa.RecordBatch:
        """A batch by its number."""
        if number < HELD:
            return self._held[number]
        with pa.memory_map(str(self._folder / f"{number}.arrow"), "r") as file:
            return next(iter(pa.ipc.open_stream(file)))

    def __iter__(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        for number in range(self._count):
            yield number, self.get(number)


@contextmanager
def spill() -> Iterator[Spill]:
    """A `Spill` with a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
        yield Spill(Path(folder))


class Scan:
    """Rules over files. `rules` are those that can run; a disabled one runs too, since it was named."""

    def __init__(
        self,
        rules: Sequence[Rule],
        types: Mapping[str, RuleType],
        names: Names,
        lists: ListTable,
        cache: Path | None = None,
    ) -> None:
        self.rules = [rule for rule in rules if rule.plan is not None]
        self._types = types
        self._lists = lists
        self._maker = HitMaker(self.rules, types, names, lists, cache)
        self._by_id = {rule.id: rule for rule in self.rules}

    def run(self, batches: Iterable[FileBatch], processes: Any = None, *, per_file: bool = False) -> Iterator[Match]:
        """All matches, ordered by (time, file, record). `processes(batch)` gives the process rows of a batch."""
        with spill() as kept:
            files: list[str] = []
            lanes: list[int] = []  # of each batch: its file's number
            ancestors: dict[int, Ancestors] = {}
            for each in batches:
                if not files or files[-1] != each.path:
                    files.append(each.path)
                lanes.append(len(files) - 1)
                kept.add(_numbered(each, lanes[-1]))
                known = ancestors.setdefault(lanes[-1] if per_file else 0, Ancestors())
                known.add_by_pid(each.batch)
                if processes is not None:
                    known.add(processes(each.batch))
            hits: list[Hit] = []
            for number, batch in kept:
                self._maker.ancestors = ancestors[lanes[number] if per_file else 0]
                made = self._maker.run(batch)
                hits.extend(hit._replace(arrival=number) for hit in hits_of(made))
            groups: dict[int, list[Hit]] = {}
            for hit in hits:
                groups.setdefault(hit.lane if per_file else 0, []).append(hit)
            documents = _Documents(kept)
            found = [match for group in groups.values() for match in self._matches(group, documents, files)]
        found.sort(key=lambda m: (m.timestamp, m.events[-1]))
        yield from found

    def _matches(self, hits: list[Hit], documents: _Documents, files: list[str]) -> Iterator[Match]:
        stage = StateStage(self.rules, self._types, NoHits(), self._lists, now=lambda: 0)
        places: dict[str, Hit] = {}
        for hit in hits:
            places.setdefault(hit.id, hit)
        ordered = sorted(hits, key=lambda h: (h.time, h.lane, h.record, h.step))
        singles = [h for h in ordered if isinstance(self._by_id[h.rule].plan, Query)]
        firings: list[tuple[Firing, list[Hit]]] = []
        alerts: list[Document] = []
        legs = stage.legs()
        for hit in singles:
            if hit.silenced is None:
                firing = Firing(hit.rule, [EventRef(hit.id, hit.dataset, hit.host, hit.time)], born=[hit.id])
                firings.append((firing, [hit]))
        rest = [h._replace(arrival=h.time) for h in ordered if not isinstance(self._by_id[h.rule].plan, Query)]
        latest = {f.born[0] if f.rule == "" else f"{f.rule}|{'|'.join(f.born)}": f for f in _firings(stage.take(rest))}
        end = max((h.time for h in ordered), default=0) + _LATER  # the inputs are whole: every absence is certain
        for dataset in {h.dataset for h in rest}:
            stage.watermarks.saw(dataset, end, end)
        latest.update({f"{f.rule}|{'|'.join(f.born)}": f for f in _firings(stage.tick())})
        firings.extend((f, [places[e.id] for e in f.events]) for f in latest.values())
        members: dict[str, list[Hit]] = {}
        taken = [(number, firing, own) for number, (firing, own) in enumerate(firings) if firing.rule in legs]
        for start in range(0, len(taken), _TOGETHER):
            part = taken[start : start + _TOGETHER]
            documents.fetch([own[-1] for _, _, own in part])
            for number, firing, own in part:
                alert = self._alert(firing, own, documents, number)
                members[str(alert["kibana.alert.uuid"])] = own
                alerts.append(alert)
        correlated = {f"{f.rule}|{'|'.join(f.born)}": f for f in _firings(stage.take_alerts(alerts))}
        for firing in correlated.values():
            own = sorted(
                {h for e in firing.events for h in members.get(e.id, ())}, key=lambda h: (h.time, h.lane, h.record)
            )
            firings.append((firing, own))
        for start in range(0, len(firings), _TOGETHER):
            shown = firings[start : start + _TOGETHER]
            documents.fetch([hit for _, own in shown for hit in _shown(own)])
            for firing, own in shown:
                yield self._match(firing, own, documents, files)

    def _alert(self, firing: Firing, own: Sequence[Hit], documents: _Documents, number: int) -> Document:
        """As much of an alert as a correlation looks at."""
        document = dict(documents.of(own[-1]))
        document.update({name: value for name, value in firing.group.items() if value is not None})
        document["@timestamp"] = time.iso(own[-1].time)
        document["kibana.alert.rule.uuid"] = firing.rule
        document["kibana.alert.uuid"] = f"{number}:{firing.rule}"
        return document

    def _match(self, firing: Firing, own: Sequence[Hit], documents: _Documents, files: list[str]) -> Match:
        rule = self._by_id[firing.rule]
        last = own[-1]
        shown = [documents.of(hit) for hit in _shown(own)]
        severity = str(firing.extra.get("kibana.alert.severity") or rule.severity)
        for raised, predicate in rule.severity_when:
            if "kibana.alert.severity" not in firing.extra and _holds(expand(predicate, self._lists), shown[-1]):
                severity = raised
                break
        matched: dict[str, Any] = {name: value for name, value in firing.group.items() if value is not None}
        matched.update({k: v for k, v in firing.extra.items() if k != "tocsin.alert.whole"})
        if isinstance(rule.plan, Query):
            matched.update(evidence(expand(rule.plan.where, self._lists), shown[-1]))
        events = list(dict.fromkeys((files[hit.lane], hit.record) for hit in own))
        return Match(rule, severity, last.time, events, matched, shown)


class _Documents:
    """Documents of hits' events. A hit's `arrival` is the number of its batch."""

    def __init__(self, kept: Spill) -> None:
        self._kept = kept
        self._documents: dict[tuple[int, int], Document] = {}

    def of(self, hit: Hit) -> Document:
        """The document of the hit's event."""
        place = (hit.lane, hit.record)
        if place not in self._documents:
            self.fetch([hit])
        return self._documents[place]

    def fetch(self, hits: Iterable[Hit]) -> None:
        """Have the documents of these ready: a batch's at once, since one alone costs as much as dozens."""
        if len(self._documents) > _DOCUMENTS:
            self._documents.clear()
        wanted: dict[int, dict[int, int]] = {}  # batch → record → its file's number
        for hit in hits:
            if (hit.lane, hit.record) not in self._documents:
                wanted.setdefault(hit.arrival, {})[hit.record] = hit.lane
        for number, records in wanted.items():
            batch = self._kept.get(number)
            rows = np.flatnonzero(np.isin(np.asarray(batch.column("tocsin.record")), list(records)))
            for document in to_documents(batch.take(pa.array(rows))):
                record = document["tocsin.record"]
                self._documents[records[record], record] = document


def select(batches: Iterable[FileBatch], predicate: Predicate, lists: ListTable) -> Iterator[tuple[str, int, Document]]:
    """The events that meet a predicate, in input order: file, record, document."""
    matcher: Matcher[int] = Matcher({0: predicate}, lists=lists)
    for each in batches:
        rows = matcher.match(each.batch).get(0)
        if rows is None:
            continue
        for row, document in zip(rows.tolist(), to_documents(each.batch.take(pa.array(rows))), strict=True):
            yield each.path, each.records[row], document


def _numbered(each: FileBatch, file: int) -> pa.RecordBatch:
    """The batch with its file's number as lane and its records' numbers: where a hit's event stands."""
    batch = each.batch
    n = batch.num_rows
    for name, values in (
        ("tocsin.lane", np.full(n, file, dtype=np.int32)),
        ("tocsin.record", np.array(each.records, dtype=np.int32)),
    ):
        place = batch.schema.get_field_index(name)
        batch = batch.set_column(place, batch.schema.field(place), pa.array(values))
    return batch


def _shown(own: Sequence[Hit]) -> Sequence[Hit]:
    """The events of a match that are shown."""
    return own if len(own) <= 10 else [*own[:9], own[-1]]


def _firings(found: Iterable[Any]) -> Iterator[Firing]:
    return (item for item in found if isinstance(item, Firing))


def _holds(predicate: Predicate, document: Document) -> bool:
    return explain(predicate, document).holds


def as_rule(plan: Any, text: str, types: Mapping[str, RuleType]) -> Rule:
    """A query as a rule, so that a sequence that somebody types runs as one."""
    name = next(name for name, each in types.items() if isinstance(plan, each.plans))
    rule = Rule(
        id="query",
        name="query",
        type=name,
        plan=plan,
        severity="low",
        risk_score=0,
        path="",
        format="elastic",
        text=text,
    )
    return replace(rule, generation="query")
