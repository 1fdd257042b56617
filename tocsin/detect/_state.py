"""The state stage: hits in, firings and withdrawals out, one machine a stateful rule.

A single-event hit is a firing by itself. Watermarks are per dataset: the latest event time, never past arrival + 5
minutes; a source silent for 60 s follows the clock less its usual lag (DESIGN section 6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.detect import HitReader, Machine, Rule, RuleType
from tocsin.detect._client import FIELD as CLIENT
from tocsin.detect._client import Clients
from tocsin.detect._keys import late
from tocsin.event import time
from tocsin.event.time import SECOND
from tocsin.lang.ir import Correlation, Leg
from tocsin.lang.values import key_text
from tocsin.ports import Document, EventRef, Firing, Hit, Lists, Span, Withdrawal

AHEAD: Final = 300 * SECOND
SILENT: Final = 60 * SECOND
Found = Firing | Withdrawal


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
        rules: Sequence[Rule],
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

    def take(self, hits: Sequence[Hit]) -> list[Found]:
        """Hits of a stored stretch. Those of unknown rules or older generations are passed over."""
        by_rule: dict[str, list[Hit]] = {}
        for hit in hits:
            rule = self.rules.get(hit.rule)
            if rule is None or rule.generation != hit.generation:
                continue
            self.watermarks.saw(hit.dataset, hit.time, hit.arrival)
            by_rule.setdefault(hit.rule, []).append(hit)
        out: list[Found] = []
        for rule_id, own in by_rule.items():
            machine = self._machines.get(rule_id)
            if machine is None:
                out.extend(single(hit) for hit in own if hit.silenced is None)
                continue
            datasets = self._datasets.setdefault(rule_id, set())
            datasets.update(hit.dataset for hit in own)
            out.extend(machine.feed(own, self.watermarks.of(datasets)))
        return out

    def tick(self) -> list[Found]:
        """Time has passed: absences that have become certain. Call about every second."""
        out: list[Found] = []
        for rule_id, machine in self._machines.items():
            if datasets := self._datasets.get(rule_id):
                out.extend(machine.feed((), self.watermarks.of(datasets)))
        return out

    def take_alerts(self, alerts: Sequence[Document]) -> list[Found]:
        """Alerts that were made, changed or withdrawn, to the correlations whose legs they are."""
        by_rule: dict[str, list[Hit]] = {}
        for alert in alerts:
            for correlation, number, leg in self._legs.get(str(alert["kibana.alert.rule.uuid"]), ()):
                by_rule.setdefault(correlation, []).append(self._as_hit(alert, correlation, number, leg))
        out: list[Found] = []
        for rule_id, hits in by_rule.items():
            out.extend(self._machines[rule_id].feed(hits, 0))
        return out

    def size(self) -> int:
        """Hits held in memory, over all rules."""
        return sum(machine.size() for machine in self._machines.values())

    def _as_hit(self, alert: Document, correlation: str, number: int, leg: Leg) -> Hit:
        key: list[str | None] = []
        for field in leg.by:
            value = self._clients.of_document(alert) if field.name == CLIENT else alert.get(field.name)
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

    def restore(self, span: Span, hits: Iterable[Hit], alerts: Sequence[Document]) -> list[Found]:
        """After a start: feed the stored hits and leg alerts of a span again, so that what waits goes on waiting.

        What it finds again has the same ids, so giving it out again changes nothing."""
        del span
        stateful = [hit for hit in hits if hit.rule in self._machines]
        return [*self.take(stateful), *self.take_alerts(alerts)]


def single(hit: Hit) -> Firing:
    """The firing of a rule whose every hit is an alert."""
    return Firing(
        rule=hit.rule,
        events=[EventRef(hit.id, hit.dataset, hit.host, hit.time)],
        born=[hit.id],
        lane=hit.lane,
        position=hit.position,
        backfill=late(hit),
    )
