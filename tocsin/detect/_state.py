"""The state stage: hits in, firings and withdrawals out, one machine a stateful rule.

A single-event hit is a firing by itself. Watermarks are per dataset: the latest event time, never past arrival + 5
minutes; a source silent for 60 s follows the clock less its usual lag (DESIGN section 6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Sequence as Listed
from dataclasses import dataclass
from typing import Any, Final

from tocsin.detect import HitReader, Machine, Rule, RuleType
from tocsin.detect._client import FIELD as CLIENT
from tocsin.detect._client import Clients
from tocsin.detect._keys import Found
from tocsin.event import time
from tocsin.event.time import SECOND
from tocsin.lang.ir import Correlation, Count, Field, Leg, Sequence
from tocsin.lang.values import key_text
from tocsin.ports import Document, EventRef, Firing, Hit, Lists

AHEAD: Final = 300 * SECOND
SILENT: Final = 60 * SECOND
# Later than its source by more than this is backfill: the same alerts, marked, and nobody is notified.
BACKFILL: Final = 86_400 * SECOND
_REMEMBERED: Final = 100_000


@dataclass(slots=True)
class _Clock:
    latest: int
    lag: float
    seen: int


class Watermarks:
    """How far each dataset has come."""

    def __init__(self, now: Callable[[], int] = time.now) -> None:
        self._now = now
        self._clocks: dict[str, _Clock] = {}

    def saw(self, dataset: str, moment: int, arrival: int) -> None:
        """An event of the dataset arrived."""
        clock = self._clocks.get(dataset)
        moment_ = min(moment, arrival + AHEAD)
        if clock is None:
            self._clocks[dataset] = _Clock(moment_, float(arrival - moment_), self._now())
            return
        clock.latest = max(clock.latest, moment_)
        clock.lag += 0.05 * ((arrival - moment_) - clock.lag)
        clock.seen = self._now()

    def late(self, dataset: str, moment: int) -> bool:
        """Whether an event of that time comes more than a day after what its source has sent already. So a first read
        of old files is not late."""
        clock = self._clocks.get(dataset)
        return clock is not None and clock.latest - moment > BACKFILL

    def of(self, datasets: Iterable[str]) -> int:
        """The watermark of a rule that reads these: the slowest's."""
        now = self._now()
        marks = []
        for dataset in datasets:
            if (clock := self._clocks.get(dataset)) is None:
                continue
            silent = now - clock.seen > SILENT
            marks.append(max(clock.latest, now - int(max(clock.lag, 0))) if silent else clock.latest)
        return min(marks) if marks else 0


class StateStage:
    """All rules' machines. Not safe from several threads: one owns it."""

    def __init__(
        self,
        rules: Listed[Rule],
        types: Mapping[str, RuleType],
        reader: HitReader,
        lists: Lists,
        now: Callable[[], int] = time.now,
    ) -> None:
        self.rules = {rule.id: rule for rule in rules if rule.plan is not None}
        self.watermarks = Watermarks(now)
        self._reader = reader
        self._clients = Clients(lists)
        self._datasets: dict[str, set[str]] = {}
        self._late: dict[str, None] = {}  # events and alerts that came as backfill
        self._machines: dict[str, Machine] = {}
        self._legs: dict[str, list[tuple[str, int, Leg]]] = {}
        for rule in self.rules.values():
            machine = types[rule.type].machine(rule, reader)
            if machine is not None:
                self._machines[rule.id] = machine
            if isinstance(rule.plan, Correlation):
                legs = [*rule.plan.legs, *(leg for leg, _, _ in rule.plan.raised)]
                for number, leg in enumerate(legs):
                    for leg_rule in leg.rules:
                        self._legs.setdefault(leg_rule, []).append((rule.id, number, leg))

    def legs(self) -> frozenset[str]:
        """The rules that a correlation takes: their alerts are building blocks."""
        return frozenset(self._legs)

    def inherit(self, other: StateStage) -> None:
        """Go on with what another stage (of other rules) knows: how far sources have come, what came as backfill, and
        the machines of rules that are as they were, with what waits in them."""
        self.watermarks, self._late = other.watermarks, other._late
        for rule_id in self._machines.keys() & other._machines.keys():
            old, new = other.rules[rule_id], self.rules[rule_id]
            same = (old.type, old.generation, old.severity) == (new.type, new.generation, new.severity)
            if same and old.risk_score == new.risk_score:
                self._machines[rule_id] = other._machines[rule_id]
                self._datasets[rule_id] = other._datasets.get(rule_id, set())

    def take(self, hits: Listed[Hit], backfill: int | None = None) -> list[Found]:
        """Hits of a stored stretch. Those of unknown rules or older generations are passed over. Those before
        `backfill` (µs) are backfill whatever their source has sent."""
        by_rule: dict[str, list[Hit]] = {}
        for hit in hits:
            rule = self.rules.get(hit.rule)
            if rule is not None and rule.generation == hit.generation:
                by_rule.setdefault(hit.rule, []).append(hit)
        late = self._late_ones((hit for own in by_rule.values() for hit in own), backfill)
        out: list[Found] = []
        for rule_id, own in by_rule.items():
            machine = self._machines.get(rule_id)
            if machine is None:
                out.extend(single(hit) for hit in own if hit.silenced is None)
                continue
            datasets = self._datasets.setdefault(rule_id, set())
            datasets.update(hit.dataset for hit in own)
            out.extend(machine.feed(own, self.watermarks.of(datasets)))
        return self._marked(out, {hit.id for hit in hits} if late else None)

    def _late_ones(self, hits: Iterable[Hit], backfill: int | None) -> bool:
        """Remember which of these come as backfill, by the watermarks before them; then move the watermarks on."""
        latest: dict[str, tuple[int, int]] = {}
        found = False
        for hit in hits:
            if self.watermarks.late(hit.dataset, hit.time) or (backfill is not None and hit.time < backfill):
                found = True
                self._late[hit.id] = None
            before = latest.get(hit.dataset, (hit.time, hit.arrival))
            latest[hit.dataset] = (max(before[0], hit.time), max(before[1], hit.arrival))
        while len(self._late) > _REMEMBERED:
            del self._late[next(iter(self._late))]
        for dataset, (moment, arrival) in latest.items():
            self.watermarks.saw(dataset, moment, arrival)
        return found

    def _marked(self, found: list[Found], fresh: set[str] | None) -> list[Found]:
        """Findings whose new events (else: all) come as backfill are marked so."""
        if self._late:
            for item in found:
                if isinstance(item, Firing):
                    ids = [event.id for event in item.events]
                    new = [each for each in ids if fresh is not None and each in fresh] or ids
                    item.backfill = all(each in self._late for each in new)
        return found

    def tick(self) -> list[Found]:
        """Time has passed: absences that have become certain. Call about every second."""
        out: list[Found] = []
        for rule_id, machine in self._machines.items():
            if datasets := self._datasets.get(rule_id):
                out.extend(machine.feed((), self.watermarks.of(datasets)))
        return self._marked(out, None)

    def take_alerts(self, alerts: Listed[Document]) -> list[Found]:
        """Alerts that were made, changed or withdrawn, to the correlations whose legs they are."""
        by_rule: dict[str, list[Hit]] = {}
        for alert in alerts:
            if alert.get("tocsin.alert.backfill"):
                self._late[str(alert["kibana.alert.uuid"])] = None
            for correlation, number, leg in self._legs.get(str(alert["kibana.alert.rule.uuid"]), ()):
                by_rule.setdefault(correlation, []).append(self._as_hit(alert, correlation, number, leg))
        out: list[Found] = []
        for rule_id, hits in by_rule.items():
            out.extend(self._machines[rule_id].feed(hits, 0))
        return self._marked(out, {str(alert["kibana.alert.uuid"]) for alert in alerts})

    def size(self) -> int:
        """Hits held in memory, over all rules."""
        return sum(machine.size() for machine in self._machines.values())

    def _as_hit(self, alert: Document, correlation: str, number: int, leg: Leg) -> Hit:
        key: list[str | None] = []
        for field in leg.by:
            value = self._clients.of_document(alert) if field.name == CLIENT else _value(alert, field)
            if isinstance(value, list):
                value = value[0] if value else None
            key.append(None if value is None else key_text(value))
        observer = alert.get("observer.name") or alert.get("host.name")
        moment = time.read(alert["@timestamp"]) or 0
        withdrawn = alert.get("tocsin.alert.state") == "withdrawn"
        return Hit(
            rule=correlation,
            generation=self.rules[correlation].generation,
            step=number,
            key=tuple(key),
            values=(str(observer) if observer is not None else None,),
            time=moment,
            tie=None,
            id=str(alert["kibana.alert.uuid"]),
            dataset="alerts",
            host=alert.get("host.name"),
            lane=-1,
            position=int(alert.get("tocsin.alert.version_position") or 0),
            record=0,
            arrival=moment,
            silenced="withdrawn" if withdrawn else None,
        )

    def waiting(self) -> list[Rule]:
        """The rules whose findings may wait for a watermark, so that their latest hits have to be fed again after a
        start. What they find again has the same ids: giving it out again changes nothing."""
        out = []
        for rule_id in self._machines:
            plan = self.rules[rule_id].plan
            if (isinstance(plan, Sequence) and plan.steps[-1].missing) or (isinstance(plan, Count) and plan.unless):
                out.append(self.rules[rule_id])
        return out

    def reach(self, rule: Rule) -> int:
        """How far back (µs) a rule's hits may still wait for something."""
        plan = rule.plan
        span = plan.maxspan if isinstance(plan, Sequence) else plan.window if isinstance(plan, Count) else 0
        return 2 * (span or BACKFILL) + 2 * 3600 * SECOND

    def reach_of_legs(self) -> int:
        """How far back (µs) the alerts of legs may still matter to their correlations."""
        plans = [rule.plan for rule in self.rules.values() if isinstance(rule.plan, Correlation)]
        spans = [plan.window + max((within for _, within, _ in plan.raised), default=0) for plan in plans]
        return 2 * max(spans, default=0) + 2 * 3600 * SECOND


def _value(alert: Document, field: Field) -> Any:
    """The alert's value of a field under its name, or under another that it is stored by."""
    names = (field.name, *(source.name for source in field.sources))
    return next((value for name in names if (value := alert.get(name)) not in (None, [])), None)


def single(hit: Hit) -> Firing:
    """The firing of a rule whose every hit is an alert."""
    return Firing(
        rule=hit.rule,
        events=[EventRef(hit.id, hit.dataset, hit.host, hit.time)],
        born=[hit.id],
        lane=hit.lane,
        position=hit.position,
    )
