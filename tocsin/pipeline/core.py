"""Core: takes what workers leave, stores it, and makes alerts and incidents of it. One thread owns all of that.

For each stretch, in the order in which workers finish: insert (the token makes a repeat harmless), feed the state
stage, make alerts (durable), work out incidents, and only then tell the worker that the lane's cursor may move. So
what is found is a function of what is stored, and a kill anywhere loses and doubles nothing.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from tocsin.alert.engine import AlertEngine
from tocsin.alert.incidents import Decisions, Incidents
from tocsin.alert.join import Joiner
from tocsin.alert.recent import Recent
from tocsin.detect import RISK
from tocsin.detect._hits import hits_of
from tocsin.detect._state import StateStage
from tocsin.errors import BusyError, quoted
from tocsin.event import time as clock
from tocsin.event.document import to_documents
from tocsin.event.time import SECOND
from tocsin.lang.ir import TRUE, Equals, Test
from tocsin.metrics import counter, gauge, histogram
from tocsin.pipeline import spool
from tocsin.pipeline.knowledge import Knowledge
from tocsin.pipeline.sources import Sources
from tocsin.ports import Document, Firing, Hit, Span, Stretch, Withdrawal
from tocsin.store import Store

log = logging.getLogger(__name__)
Found = Firing | Withdrawal
# When the join keys of an alert are worked out again, after it was made: what they come from may arrive late.
REJOIN: Final = (2.0, 10.0, 60.0, 300.0)
# Seconds of each tick that joining may take, so many alerts at once: events must not wait for it.
_JOINING: Final = 0.3
_AT_ONCE: Final = 50
_HANDED: Final = 10_000
_REMEMBERED: Final = 4_000
# The share of its time that the intake waits for workers below which events wait for it.
_LEISURE: Final = 0.2
# After so many failures of another kind than "busy", with this much of the disk free, a stretch is set aside.
POISON: Final = 8
_ROOM: Final = 256 << 20

_LATENCIES: Final = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 20, 30, 60)
STAGE = counter("tocsin_stage_seconds", "Seconds by stage.", ["stage"])
ALERTS = counter("tocsin_alerts", "Alerts made or changed.")
LATENCY = histogram("tocsin_alert_latency_seconds", "From an event's arrival to its alert.", buckets=_LATENCIES)
HELD = gauge("tocsin_state_hits", "Hits that the state stage holds in memory.")


class StoredHits:
    """`detect.HitReader` over the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def hits(self, rule: str, generation: str, keys: Sequence[tuple[str | None, ...]], span: Span) -> list[Hit]:
        """See `detect.HitReader`: a look-up a key for few, one pass over the rule's span for many."""
        if len(keys) <= 16:
            return [hit for key in keys for hit in self._store.hits.of_key(rule, generation, list(key), span)]
        wanted = set(keys)
        return [hit for page in self._store.hits.of_rule(rule, generation, span) for hit in page if hit.key in wanted]


class Core:
    """Owns detection over time. `listeners` are told of what is new: ("alert" | "incident", document)."""

    def __init__(self, store: Store, knowledge: Knowledge, sources: Sources) -> None:
        self.store = store
        self.sources = sources
        self.listeners: list[Callable[[str, Document], None]] = []
        self.times: dict[str, float] = {}
        self.events = 0
        self._lock = threading.Lock()
        self._rejoin: deque[tuple[float, int, str]] = deque()
        self._recent = Recent(store, store)
        self._incidents = Incidents(store, store, self._recent)
        self.learn(knowledge)

    def learn(self, knowledge: Knowledge) -> None:
        """Take other rules, lists and exceptions: the machines of rules that are as before go on."""
        with self._lock:
            self.knowledge = knowledge
            stage = StateStage(knowledge.running, knowledge.types, StoredHits(self.store), knowledge.lists)
            if (held := getattr(self, "stage", None)) is not None:
                stage.inherit(held)
            self.stage = stage
            joiner = Joiner(self.store, self.store, knowledge.event_names)
            risks = {str(name): risk for name, risk in RISK.items()}
            engine = AlertEngine(
                knowledge.rules, self.stage.legs(), self.store, self.store, self._recent, joiner, risks
            )
            if (before := getattr(self, "engine", None)) is not None:
                engine.inherit(before)
            self.engine = engine

    def restore(self) -> None:
        """After a start: what the last hours' hits and legs' alerts say, again; it is known already and changes
        nothing, but what waits (absences, correlations) goes on waiting."""
        now = clock.now()
        recent = self.store.search(TRUE, of="alerts", limit=_REMEMBERED)
        since = clock.EARLIEST if len(recent) < _REMEMBERED else clock.read(recent[-1]["@timestamp"]) or now
        self.engine.remember(recent[::-1], since)
        for rule in self.stage.waiting():  # a page at a time, so that what they hold stays bounded
            span = Span(now - self.stage.reach(rule), None)
            for hits in self.store.hits.of_rule(rule.id, rule.generation, span):
                with self._lock:
                    self._settle(self.stage.take(hits), {})
        self.feed_legs(self.stage.legs(), Span(now - self.stage.reach_of_legs(), None))

    # ---- stretches ----

    def take(self, stretch: Stretch, path: Path) -> None:
        """Everything of one stretch. Raises `BusyError` while the store has no memory: try again."""
        with self._lock:
            made = spool.read(path)
            started = time.perf_counter()
            inserted = self.store.insert(f"{stretch.lane}-{stretch.start}", made.events, made.hits, made.processes)
            stored = time.perf_counter()
            self._count("insert", stored - started)
            self.events += inserted.events
            hits = hits_of(made.hits)
            found = self.stage.take(hits)  # late is measured against what came before this stretch
            for dataset, (latest, arrival) in _latest(made.events).items():
                self.stage.watermarks.saw(dataset, latest, arrival)
            detected = time.perf_counter()
            settled = self._settle(found, _at_hand(made.events, found))
            _timed(settled, hits)
            HELD.set(self.stage.size())
            self._count("detect", detected - stored)
            self._count("alerts", time.perf_counter() - detected)

    def feed(
        self, token: str, hits: pa.RecordBatch, events: pa.RecordBatch | None = None, *, backfill: int | None = None
    ) -> None:
        """Hits that were made up afterwards (a new rule's look-back): stored once, then looked at like any. `events`
        has events of theirs that are at hand; hits before `backfill` (µs) are backfill whatever their source sent."""
        with self._lock:
            self.store.insert(token, None, hits, None)
            found = self.stage.take(hits_of(hits), backfill)
            self._settle(found, _at_hand(events, found) if events is not None else {})

    def feed_legs(self, legs: frozenset[str], span: Span) -> None:
        """The stored alerts of these rules, to the correlations that take them: what is known changes nothing."""
        if not legs:
            return
        where = Test(self.knowledge.alert_names.field("kibana.alert.rule.uuid"), Equals(tuple(sorted(legs))))
        after = None
        alerts: list[Document] = []
        while page := self.store.search(where, span, of="alerts", limit=_REMEMBERED, newest_first=False, after=after):
            alerts += page
            after = (clock.read(page[-1]["@timestamp"]) or 0, str(page[-1]["_id"]))
        with self._lock:  # at once: a part of them would look like less than there is
            self._settle(self.stage.take_alerts(alerts), {})

    def decide(self, decisions: Decisions, alerts: Sequence[str] = ()) -> None:
        """What people decided about which alerts belong together, from now on; incidents of these alerts are worked out
        again."""
        with self._lock:
            self._incidents.decisions = decisions
            if alerts:
                self._group(list(self._recent.by_ids(list(alerts)).values()))

    def tick(self) -> None:
        """Call about once a second: absences that are certain now, join keys that may have grown."""
        with self._lock:
            self._settle(self.stage.tick(), {})
            started = time.monotonic()
            while self._rejoin and self._rejoin[0][0] <= started and time.monotonic() - started < _JOINING:
                due: list[str] = []
                while self._rejoin and self._rejoin[0][0] <= started and len(due) < _AT_ONCE:
                    _, step, uuid = self._rejoin.popleft()
                    due.append(uuid)
                    if step + 1 < len(REJOIN):
                        self._later(step + 1, uuid, started - REJOIN[step])
                changed = self.engine.rejoin(list(dict.fromkeys(due)))
                if changed:
                    self._group(changed)

    def _later(self, step: int, uuid: str, made: float) -> None:
        due = made + REJOIN[step]
        place = len(self._rejoin)
        while place and self._rejoin[place - 1][0] > due:
            place -= 1
        self._rejoin.insert(place, (due, step, uuid))

    def _settle(self, found: Sequence[Found], at_hand: Mapping[str, Document]) -> list[Document]:
        """Alerts of what was found, then what correlations make of these alerts, until nothing is new. Gives them."""
        rounds = 0
        settled: list[Document] = []
        while found and rounds < 8:
            alerts = self.engine.take(found, at_hand)
            if not alerts:
                break
            settled += alerts
            ALERTS.inc(len(alerts))
            self._group(alerts)
            now = time.monotonic()
            for alert in alerts:
                active = alert.get("tocsin.alert.state") == "active"
                shown = active and not alert.get("kibana.alert.building_block_type")
                if shown and not alert.get("tocsin.alert.backfill"):
                    self._later(0, str(alert["kibana.alert.uuid"]), now)
                self._tell("alert", alert)
            found = self.stage.take_alerts(alerts)
            rounds += 1
        return settled

    def _group(self, alerts: Sequence[Document]) -> None:
        incidents, members = self._incidents.update(alerts)
        if members:
            self.engine.assign(members)
        for incident in incidents:
            self._tell("incident", incident)

    def _tell(self, kind: str, document: Document) -> None:
        for listener in self.listeners:
            try:
                listener(kind, document)
            except Exception:
                log.exception("a listener failed on %s", kind)

    def _count(self, stage: str, seconds: float) -> None:
        STAGE.labels(stage).inc(seconds)
        self.times[stage] = self.times.get(stage, 0.0) + seconds


class Intake(threading.Thread):
    """The thread that listens to workers and gives their stretches to core.

    It owns the connections: it alone reads and closes them, and everybody sends through `send`. A stretch that can't be
    stored whatever is tried goes to `quarantine`, so that its lane goes on; `problems` says so.
    """

    def __init__(self, core: Core, quarantine: Path) -> None:
        super().__init__(name="intake", daemon=True)
        self.core = core
        self.quarantine = quarantine
        self.problems: deque[str] = deque(maxlen=20)
        self.ready: dict[int, dict[str, str]] = {}
        self.metrics: dict[str, bytes] = {}
        self._connections: dict[Connection, str] = {}
        self._counted: dict[int, int] = {}  # of each lane the end of what its sources were counted of
        self._guard = threading.Lock()
        self._sending = threading.Lock()
        self._stopping = threading.Event()

    def add(self, connection: Connection, name: str) -> None:
        """Listen to another worker."""
        with self._guard:
            self._connections[connection] = name

    def send(self, connection: Connection, message: tuple[Any, ...]) -> bool:
        """Say something to a worker; whether it was there to hear it. Two threads' messages would mix otherwise."""
        with self._sending:
            try:
                connection.send(message)
            except (OSError, ValueError):
                return False
        return True

    def stop(self) -> None:
        """Stop after the stretch at hand."""
        self._stopping.set()
        self.join(30)

    def run(self) -> None:
        """See `threading.Thread.run`."""
        last = time.monotonic()
        waited = 0.0
        while not self._stopping.is_set():
            with self._guard:
                connections = list(self._connections)
            try:
                began = time.monotonic()
                heard = wait(connections, timeout=0.25) if connections else ()
                waited += time.monotonic() - began
                for each in heard:
                    assert isinstance(each, Connection)
                    self._hear(each)
            except Exception:  # the thread must not end: nothing would be stored any more
                log.exception("the intake failed")
                self._stopping.wait(0.5)
            if not connections:
                self._stopping.wait(0.1)
            passed = time.monotonic() - last
            if passed >= 1.0:
                behind = bool(connections) and waited < _LEISURE * passed
                last, waited = time.monotonic(), 0.0
                try:
                    self.core.tick()
                    self.core.store.pace(behind)
                except Exception:
                    log.exception("the state stage failed at its tick")

    def _hear(self, connection: Connection) -> None:
        try:
            message: tuple[Any, ...] = connection.recv()
        except (EOFError, OSError):
            with self._guard:
                name = self._connections.pop(connection, "worker")
            connection.close()
            self.metrics.pop(name, None)
            return
        match message[0]:
            case "ready":
                self.ready[message[1]] = message[2]
            case "metrics":
                self.metrics[self._connections.get(connection, "worker")] = message[1]
            case "problem":
                self.problems.append(message[1])
            case "stretch":
                self._stretch(connection, Stretch(*message[1]), Path(message[2]), message[3], message[4])

    def _stretch(
        self,
        connection: Connection,
        stretch: Stretch,
        path: Path,
        health: Mapping[Any, Any],
        times: Mapping[str, float],
    ) -> None:
        pause, failed = 0.1, 0
        while not self._stopping.is_set():
            try:
                self.core.take(stretch, path)
                break
            except BusyError as error:
                log.warning("the store is busy, trying again in %.1f s: %s", pause, error)
            except Exception as error:
                log.exception("lane %d, stretch %d–%d could not be stored", *stretch)
                failed += 1
                if failed >= POISON and shutil.disk_usage(path.parent).free > _ROOM:
                    self._set_aside(stretch, path, error)
                    break
            self._stopping.wait(pause)
            pause = min(pause * 2, 10.0)
        else:
            return
        path.unlink(missing_ok=True)
        for stage, seconds in times.items():
            self.core._count(stage, seconds)
        # One that a worker has made again, since it went before it heard of the first, has been counted.
        if stretch.end > self._counted.get(stretch.lane, -1):
            self._counted[stretch.lane] = stretch.end
            self.core.sources.add(health)
        if not self.send(connection, ("passed", tuple(stretch))):
            log.warning("worker went before stretch %d of lane %d was acknowledged", stretch.start, stretch.lane)

    def _set_aside(self, stretch: Stretch, path: Path, error: Exception) -> None:
        """Keep what can't be stored where somebody finds it, and let its lane go on."""
        problem = (
            f"lane {stretch.lane}, records {stretch.start}–{stretch.end} can't be stored and lie in "
            f"{self.quarantine / path.name}: {type(error).__name__}: {quoted(str(error))}"
        )
        self.quarantine.mkdir(exist_ok=True, mode=0o700)
        if path.exists():
            path.replace(self.quarantine / path.name)
        self.problems.append(problem)
        log.error("%s", problem)


def _timed(alerts: Sequence[Document], hits: Sequence[Hit]) -> None:
    """Observe how long ago the latest of these hits arrived that each alert is made of."""
    if not alerts:
        return
    arrivals = {hit.id: hit.arrival for hit in hits}
    now = clock.now()
    for alert in alerts:
        latest = max((arrivals.get(event, 0) for event in alert.get("tocsin.alert.event_ids") or ()), default=0)
        if latest:
            LATENCY.observe(max(0, now - latest) / SECOND)


def _latest(events: pa.RecordBatch) -> dict[str, tuple[int, int]]:
    """For each dataset the latest event time and arrival of a batch."""
    if not events.num_rows:
        return {}
    table = pa.table(
        {
            "dataset": events.column("event.dataset").cast(pa.string()),
            "time": events.column("@timestamp").cast(pa.int64()),
            "arrival": events.column("tocsin.ingested").cast(pa.int64()),
        }
    )
    grouped = table.group_by("dataset").aggregate([("time", "max"), ("arrival", "max")])
    return {row["dataset"]: (row["time_max"], row["arrival_max"]) for row in grouped.to_pylist()}


def _at_hand(events: pa.RecordBatch, found: Sequence[Found]) -> dict[str, Document]:
    """The documents of the batch's events that findings name."""
    wanted = {event.id for item in found if isinstance(item, Firing) for event in item.events}
    if not wanted or len(wanted) > _HANDED:
        return {}
    mask = pc.is_in(events.column("tocsin.id"), pa.array(sorted(wanted)))
    rows = events.filter(mask)
    return dict(zip(rows.column("tocsin.id").to_pylist(), to_documents(rows), strict=True))
