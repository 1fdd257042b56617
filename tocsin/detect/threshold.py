"""Threshold rules: so many events of a group within a sliding window; one alert a group until it falls below."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tocsin.detect import HitReader, Lowering, Machine, Rule, RuleType, StepSpec
from tocsin.detect._elastic import duration
from tocsin.detect._keys import Episode, Key, Keyed
from tocsin.errors import TocsinError, UnsupportedError
from tocsin.lang import kql
from tocsin.lang.ir import Common, Count, Field, Plan
from tocsin.ports import Firing, Hit, Withdrawal

_DEFAULT_WINDOW: Final = "now-6m"  # Elastic's: every 5 minutes with 1 minute of look-back
_SAMPLES: Final = 10


class _Threshold:
    takes = frozenset({"threshold"})
    plans: tuple[type, ...] = (Count,)

    def lower(self, rule: Mapping[str, Any], extension: Mapping[str, Any], given: Lowering) -> Plan | None:
        if rule.get("language", "kuery") != "kuery":
            raise UnsupportedError(f"thresholds over {rule['language']} don't run yet", where=given.where)
        entry = rule.get("threshold")
        if not isinstance(entry, dict) or int(entry.get("value", 0)) < 1:
            raise TocsinError("a threshold rule needs [rule.threshold] with value >= 1", where=given.where)
        by = entry.get("field", [])
        cardinality = entry.get("cardinality", [])
        if isinstance(cardinality, dict):
            cardinality = [cardinality]
        distinct: tuple[Field, ...] = ()
        low = int(entry["value"])
        if cardinality:
            distinct, low = (given.names.field(cardinality[0]["field"]),), int(cardinality[0]["value"])
        return Count(
            where=kql.parse(str(rule.get("query", "")), given.names),
            by=tuple(given.names.field(name) for name in ([by] if isinstance(by, str) else by)),
            window=duration(str(rule.get("from", _DEFAULT_WINDOW)), given.where),
            low=low,
            distinct=distinct,
            unless=_common(extension.get("unless_common"), given),
        )

    def steps(self, plan: Count) -> tuple[StepSpec, ...]:
        nullable = tuple(False for _ in plan.by)
        steps = [StepSpec(plan.where, plan.by, plan.distinct, nullable)]
        if plan.unless:
            # Its key is the part that both share; the values are what must not be common to many.
            steps.append(
                StepSpec(plan.unless.where, plan.unless.by, (plan.unless.distinct,), (False,) * len(plan.unless.by))
            )
        return tuple(steps)

    def machine(self, rule: Rule, reader: HitReader) -> Machine | None:
        assert isinstance(rule.plan, Count)
        return _Vetoed(rule, rule.plan, reader) if rule.plan.unless else _counting(rule, rule.plan, reader)


def _common(entry: Mapping[str, Any] | None, given: Lowering) -> Common | None:
    if not entry:
        return None
    if unknown := sorted(set(entry) - {"query", "by", "distinct", "at_least"}):
        raise TocsinError(f"[tocsin.unless_common] has no key {unknown[0]!r}", where=given.where)
    return Common(
        kql.parse(str(entry["query"]), given.names),
        tuple(given.names.field(name) for name in entry["by"]),
        given.names.field(str(entry["distinct"])),
        int(entry["at_least"]),
    )


def _counting(rule: Rule, plan: Count, reader: HitReader) -> Keyed:
    def evaluate(key: Key, hits: Sequence[Hit], watermark: int) -> Iterable[Episode]:
        return episodes(plan, key, hits)

    return Keyed(rule, reader, plan.window, evaluate, keep_birth=True)


def episodes(plan: Count, key: Key, hits: Sequence[Hit]) -> list[Episode]:
    """The times during which the group held the condition; each grows until the window falls out of it."""
    low = plan.low if plan.low is not None else 0
    high = plan.high
    group = {field.name: value for field, value in zip(plan.by, key, strict=True)}
    window: deque[Hit] = deque()
    values: Counter[tuple[str | None, ...]] = Counter()
    found: list[Episode] = []
    current: Episode | None = None
    peak = 0
    for hit in hits:
        window.append(hit)
        values[hit.values] += 1
        while window[0].time <= hit.time - plan.window:
            gone = window.popleft()
            values[gone.values] -= 1
            if not values[gone.values]:
                del values[gone.values]
            if current and _measure(plan, window, values) < low:
                current = None
        measure = _measure(plan, window, values)
        if measure < low or (high is not None and measure > high):
            current = None
            continue
        if current is None:
            current = Episode(born=[repr(key), window[0].id], hits=list(window), group=group)
            found.append(current)
            peak = 0
        else:
            current.hits.append(hit)
        peak = max(peak, measure)
        current.extra = {
            "kibana.alert.threshold_result.count": len(current.hits),
            "kibana.alert.threshold_result.peak": peak,
        }
    return found


def _measure(plan: Count, window: deque[Hit], values: Counter[tuple[str | None, ...]]) -> int:
    return len(values) if plan.distinct else len(window)


class _Vetoed:
    """A count whose alert waits until the watermark has passed its window, and doesn't come if the cause is common."""

    def __init__(self, rule: Rule, plan: Count, reader: HitReader) -> None:
        assert plan.unless
        self.plan, self.common = plan, plan.unless
        shared = [field.name for field in self.common.by]
        own = [field.name for field in plan.by]
        self.shared = [own.index(name) for name in shared]
        self.others = Keyed(rule, reader, plan.window, lambda key, hits, watermark: (), keep_birth=False)
        self.counts = Keyed(rule, reader, plan.window, self._evaluate, keep_birth=True)
        self.waiting: dict[Key, int] = {}

    def feed(self, hits: Sequence[Hit], watermark: int) -> list[Firing | Withdrawal]:
        causes = [hit for hit in hits if hit.step == 1]
        self.others.feed(causes, watermark)
        counted = [hit for hit in hits if hit.step == 0]
        out = self.counts.feed(counted, watermark)
        touched = {hit.key for hit in counted}
        shared = {hit.key for hit in causes}
        due = [key for key, when in self.waiting.items() if when <= watermark]
        due += [key for key in self.counts.held if key not in touched and self._part(key) in shared]
        out += self.counts.again(dict.fromkeys(due), watermark)
        return out

    def size(self) -> int:
        return self.counts.size() + self.others.size()

    def _part(self, key: Key) -> Key:
        return tuple(key[i] for i in self.shared)

    def _evaluate(self, key: Key, hits: Sequence[Hit], watermark: int) -> Iterable[Episode]:
        self.waiting.pop(key, None)
        for episode in episodes(self.plan, key, hits):
            begin, end = episode.hits[0].time, episode.hits[-1].time
            if self._is_common(key, begin, end):
                continue
            if watermark < begin + self.plan.window:
                self.waiting[key] = begin + self.plan.window
                continue
            yield episode

    def _is_common(self, key: Key, begin: int, end: int) -> bool:
        held = self.others.held.get(self._part(key))
        if held is None:
            return False
        own = set(key)
        reach = self.plan.window
        seen = {hit.values[0] for hit in held.hits if begin - reach < hit.time < end + reach and hit.values}
        return len({value for value in seen if value is not None and value not in own}) >= self.common.at_least


TYPE: Final[RuleType] = _Threshold()
