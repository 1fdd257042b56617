"""The look-back of rules that are new: their hits among stored events, made up before they count as live.

A rule is new in a generation that did not run until now: one that was written or changed, came with a folder, or was
switched on. From the moment at which every worker matches it, all that comes has its hits; everything before that is
in the store, for a worker says that it is ready behind the last stretch that it matched without the rule. So stored
events are looked at after that moment, from the rule's window before it was new: nothing is missed, and what is found
on both ways counts once (`detect._keys.mark`, alert ids).

Which generations have looked back stands in a ledger (`state.cursors`), so that a start finds nothing to do.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import pyarrow as pa

from tocsin.detect import Rule
from tocsin.detect._hits import HitMaker, batch_of, hits_of
from tocsin.errors import BusyError, quoted
from tocsin.event import time as clock
from tocsin.event.time import DAY
from tocsin.lang import ir
from tocsin.lang.ir import TRUE, Correlation, Count, Predicate, Query, any_of
from tocsin.lang.lists import expand
from tocsin.metrics import gauge
from tocsin.pipeline.core import Core
from tocsin.pipeline.history import StoredAncestors, candidates
from tocsin.pipeline.knowledge import Knowledge
from tocsin.ports import Hit, Span

log = logging.getLogger(__name__)
NAME: Final = "look-back"
# Rules that look back together, and events that are read at once for them: what bounds the memory it takes.
AT_ONCE: Final = 1_000
ROWS: Final = 2_000
# Measured (µs), for the choice between two ways: reading an event whole and matching it against many rules; asking the
# store for one rule's candidates; what that costs for each event that there is.
_READ: Final = 130.0
_ASK: Final = 16_000.0
_SCAN: Final = 0.6
# Hits that core takes at once: alerts cost more than what a machine counts, and intake waits meanwhile.
_SINGLE: Final = 200
_COUNTED: Final = 50_000
_SAVED: Final = 5.0
_PAUSE: Final = 0.1
_AGAIN: Final = 2.0
WAITING = gauge("tocsin_look_back_rules", "Rules that have yet to look back over stored events.")


class Ledger(Protocol):
    """Values that outlive a restart (`state.cursors`)."""

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default`."""

    def put(self, values: Mapping[str, Any]) -> None:
        """Write some, durably."""


class Due(NamedTuple):
    """A generation that has yet to look back, and since when (µs) it is new."""

    generation: str
    since: int


class LookBacks:
    """What has looked back and what has yet to. `live` gives the generations that every worker matches now."""

    def __init__(self, core: Core, ledger: Ledger | None, live: Callable[[], Mapping[str, str]]) -> None:
        self.core = core
        self.failed: dict[str, str] = {}
        self._ledger = ledger
        self._live = live
        held = ledger.get(NAME, None) if ledger is not None else None
        self._done: dict[str, str] = dict(held["done"]) if held else {}
        self._due = {rule: Due(*each) for rule, each in held["due"].items()} if held else {}
        self._changed = threading.Condition()
        self._saved = 0.0
        self._planned = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="look-back", daemon=True)
        WAITING.set(len(self._due))

    def start(self) -> None:
        """Look back in the background, now and after each `plan`."""
        self._thread.start()

    def stop(self) -> None:
        """End after the page at hand; what is due goes on after the next start."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(30)

    def plan(self, knowledge: Knowledge) -> None:
        """Other rules are about to run: call it before workers are told, and first before any is started. What runs no
        more will be new again."""
        running = {rule.id: rule.generation for rule in knowledge.running}
        now = clock.now()
        with self._changed:
            done = {rule: each for rule, each in self._done.items() if running.get(rule) == each}
            due = {rule: each for rule, each in self._due.items() if running.get(rule) == each.generation}
            fresh = {r: g for r, g in running.items() if r not in done and r not in due}
            # Before anything is matched, and nowhere later: what workers have at hand is not stored yet.
            first, self._planned = not self._planned, True
            if fresh and first and not self.core.store.size().get("events"):
                done |= fresh
            else:
                due |= {rule: Due(generation, now) for rule, generation in fresh.items()}
            same = (done, due) == (self._done, self._due)
            self._done, self._due = done, due
            self.failed = {rule: why for rule, why in self.failed.items() if rule in due}
            if not same:
                self._save()
            self._changed.notify_all()

    def waiting(self) -> int:
        """How many rules have yet to look back."""
        with self._changed:
            return len(self._due.keys() - self.failed.keys())

    def wait(self, rule: str, seconds: float) -> bool:
        """Wait until a rule has looked back; whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: rule not in self._due or rule in self.failed, seconds)

    def run(self) -> None:
        """Look back for every rule that is due and matched by all workers, here and now."""
        looked = False
        while not self._stopping.is_set() and (group := self._group()):
            self._together(group)
            looked = True
        if looked:  # the loop comes by ten times a second while workers have yet to say that they match a rule
            with self._changed:
                self._save()

    # ---- which ----

    def _loop(self) -> None:
        while not self._stopping.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._stopping.is_set() or bool(self._due.keys() - self.failed.keys()))
            try:
                self.run()
            except BusyError as error:
                log.warning("the store is busy, looking back goes on in %.0f s: %s", _AGAIN, error)
                self._stopping.wait(_AGAIN)
            except Exception:
                log.exception("looking back failed; it goes on in %.0f s", _AGAIN)
                self._stopping.wait(_AGAIN)
            self._stopping.wait(_PAUSE)  # workers may have yet to say that they match a rule

    def _group(self) -> list[tuple[Rule, int]]:
        """Some rules that are due, with when (µs) they begin to look: of about the same span, correlations last."""
        live = self._live()
        rules = self.core.knowledge.rules
        with self._changed:
            due = [
                (rules[identity], each.since)
                for identity, each in self._due.items()
                if identity not in self.failed and identity in rules and live.get(identity) == each.generation
            ]
        ready = [(rule, since - window(rule)) for rule, since in due if rule.generation == live[rule.id]]
        single = [each for each in ready if not isinstance(each[0].plan, Correlation)]
        ordered = sorted(single or ready, key=lambda each: (-each[1], each[0].id))
        now = clock.now()
        return [each for each in ordered if now - each[1] <= 2 * (now - ordered[0][1])][:AT_ONCE]

    def _together(self, group: Sequence[tuple[Rule, int]]) -> None:
        try:
            self._look(group)
        except BusyError:
            raise
        except Exception as error:  # whatever it is, the other rules go on
            if len(group) > 1:  # one of them is what the store, or the matcher, fails on
                for each in group:
                    self._together([each])
                return
            rule = group[0][0]
            log.error("rule %s could not look back", rule.id, exc_info=error)
            with self._changed:
                self.failed[rule.id] = f"rule {rule.name} could not look back: {quoted(str(error))}"
                self._changed.notify_all()
            return
        if self._stopping.is_set():
            return
        with self._changed:
            for rule, _ in group:
                if (due := self._due.get(rule.id)) is not None and due.generation == rule.generation:
                    del self._due[rule.id]
                    self._done[rule.id] = rule.generation
            left = len(self._due)
            if not left or time.monotonic() - self._saved > _SAVED:
                log.info("rules that have yet to look back: %d", left)
                self._save()
            WAITING.set(left)
            self._changed.notify_all()

    def _save(self) -> None:
        self._saved = time.monotonic()
        WAITING.set(len(self._due))
        if self._ledger is not None:
            self._ledger.put({NAME: {"done": dict(self._done), "due": {r: list(d) for r, d in self._due.items()}}})

    # ---- how ----

    def _look(self, group: Sequence[tuple[Rule, int]]) -> None:
        correlations = [each for each in group if isinstance(each[0].plan, Correlation)]
        for rule, begin in correlations:
            assert isinstance(rule.plan, Correlation)
            legs = [*rule.plan.legs, *(leg for leg, _, _ in rule.plan.raised)]
            self.core.feed_legs(frozenset(one for leg in legs for one in leg.rules), Span(begin, None))
        single = {rule.id: begin for rule, begin in group if isinstance(rule.plan, Query)}
        kept: list[Hit] = []
        for batch, hits in self._pages([each for each in group if each not in correlations]):
            own = [hit for hit in hits if hit.rule in single]
            for start in range(0, len(own), _SINGLE):
                if self._stopping.is_set():
                    return
                part = own[start : start + _SINGLE]
                self._feed(part, batch)
            kept += [hit for hit in hits if hit.rule not in single]
            if len(kept) >= _COUNTED:
                self._feed(kept, None)
                kept = []
        if kept:  # in one go where it fits: an absence must not be looked at before what speaks against it
            self._feed(kept, None)

    def _pages(self, group: Sequence[tuple[Rule, int]]) -> Iterator[tuple[pa.RecordBatch, list[Hit]]]:
        """The hits of some rules in order of time, page by page: out of all events of the span, or, where those are
        many and the rules few, out of what the store says may be a rule's."""
        if not group:
            return
        begin = min(begin for _, begin in group)
        events = self.core.store.count(TRUE, Span(begin, None))
        if not events:
            return
        if events * (_READ - _SCAN * len(group)) <= _ASK * len(group):
            yield from self._hits(group, TRUE)
            return
        for rule, begin in group:
            knowledge = self.core.knowledge
            steps = knowledge.types[rule.type].steps(rule.plan)
            where = candidates(expand(any_of(*(step.where for step in steps)), knowledge.lists))
            try:
                yield from self._hits([(rule, begin)], where)
            except BusyError:  # one question may need more memory than a page of events
                yield from self._hits([(rule, begin)], TRUE)

    def _hits(self, group: Sequence[tuple[Rule, int]], where: Predicate) -> Iterator[tuple[pa.RecordBatch, list[Hit]]]:
        knowledge, store = self.core.knowledge, self.core.store
        begins = {rule.id: begin for rule, begin in group}
        maker = HitMaker([rule for rule, _ in group], knowledge.types, knowledge.names, knowledge.lists)
        maker.ancestors = StoredAncestors(store)
        for batch in store.stream(where, Span(min(begins.values()), None), rows=ROWS):
            if self._stopping.is_set():
                return
            hits = [hit for hit in hits_of(maker.run(batch)) if hit.time >= begins[hit.rule]]
            if hits:
                yield batch, sorted(hits, key=lambda hit: (hit.time, hit.tie or 0, hit.id))

    def _feed(self, hits: Sequence[Hit], events: pa.RecordBatch | None) -> None:
        # A token of its own: made up again, the page may hold more, which must not be taken for the same.
        self.core.feed(f"{NAME}-{uuid.uuid4().hex}", batch_of(hits), events, backfill=clock.now() - DAY)
        time.sleep(0.001)  # intake may be waiting for its turn


def window(rule: Rule) -> int:
    """How far (µs) before it is new a rule looks: its own `from`, and what its state reaches over."""
    plan = rule.plan
    reach = 0
    if isinstance(plan, Count):
        reach = plan.window * (2 if plan.unless else 1)
    elif isinstance(plan, ir.Sequence):
        reach = plan.maxspan or DAY
    elif isinstance(plan, Correlation):
        reach = plan.window + max((within for _, within, _ in plan.raised), default=0)
    return max(rule.look_back, reach)
