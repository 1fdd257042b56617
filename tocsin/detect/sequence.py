"""EQL sequences: ordered events with equal keys (Elasticsearch's `sequence by … with maxspan`, `until`, `runs`,
`![…]`).

An event takes the latest partial sequence before it and replaces it, as Elasticsearch does: overlaps never merge.
Source of the semantics: https://www.elastic.co/guide/en/elasticsearch/reference/current/eql-syntax.html#eql-sequences
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tocsin.detect import HitReader, Lowering, Machine, Rule, RuleType, StepSpec
from tocsin.detect._keys import Episode, Key, Keyed, order
from tocsin.errors import UnsupportedError
from tocsin.event.time import DAY
from tocsin.lang import eql, ir
from tocsin.lang.ir import Plan
from tocsin.ports import Firing, Hit, Withdrawal


class _Sequence:
    takes = frozenset({"eql"})
    plans: tuple[type, ...] = (ir.Sequence,)

    def lower(self, rule: Mapping[str, Any], extension: Mapping[str, Any], given: Lowering) -> Plan | None:
        plan = eql.parse(str(rule.get("query", "")), given.names)
        if isinstance(plan, ir.Sample):
            raise UnsupportedError("samples don't run yet", where=given.where)
        return plan if isinstance(plan, ir.Sequence) else None

    def steps(self, plan: ir.Sequence) -> tuple[StepSpec, ...]:
        steps = [*plan.steps, *([plan.until] if plan.until else [])]
        return tuple(StepSpec(step.where, step.by, (), step.optional_by or (False,) * len(step.by)) for step in steps)

    def machine(self, rule: Rule, reader: HitReader) -> Machine | None:
        assert isinstance(rule.plan, ir.Sequence)
        return _Machine(rule, rule.plan, reader)


class _Machine:
    def __init__(self, rule: Rule, plan: ir.Sequence, reader: HitReader) -> None:
        self.plan = plan
        self.matcher = Matcher(plan)
        self.waiting: dict[Key, int] = {}
        self.keyed = Keyed(rule, reader, plan.maxspan or DAY, self._evaluate, keep_birth=False)

    def feed(self, hits: Sequence[Hit], watermark: int) -> list[Firing | Withdrawal]:
        out = self.keyed.feed(hits, watermark)
        touched = {hit.key for hit in hits}
        due = [key for key, when in self.waiting.items() if when <= watermark and key not in touched]
        return out + self.keyed.again(due, watermark)

    def size(self) -> int:
        return self.keyed.size()

    def _evaluate(self, key: Key, hits: Sequence[Hit], watermark: int) -> Iterable[Episode]:
        names = [field.name for field in self.plan.steps[0].by]
        group = dict(zip(names, key, strict=False))
        self.waiting.pop(key, None)
        for found in self.matcher.run(hits):
            if found.certain_at is not None and watermark < found.certain_at:
                self.waiting[key] = min(found.certain_at, self.waiting.get(key, found.certain_at))
                continue
            yield Episode([hit.id for hit in found.hits], found.hits, group=group)


class Found(NamedTuple):
    """One sequence; `certain_at` is when the watermark makes the absence after it certain (None: it is now)."""

    hits: list[Hit]
    certain_at: int | None = None


class Matcher:
    """Finds the sequences in the ordered hits of one key."""

    def __init__(self, plan: ir.Sequence) -> None:
        self.maxspan = plan.maxspan
        self.until = len(plan.steps) if plan.until else -1
        # Positive steps with their runs spread out, and between which of them something must be missing.
        self.stages: list[int] = []
        self.absent: dict[int, list[int]] = {}  # stage → steps that must not occur just before it
        for number, step in enumerate(plan.steps):
            if step.missing:
                self.absent.setdefault(len(self.stages), []).append(number)
            else:
                self.stages.extend([number] * step.runs)

    def run(self, hits: Sequence[Hit]) -> list[Found]:
        """All sequences, in the order in which they end."""
        by_step: dict[int, list[Hit]] = {}
        for hit in hits:
            by_step.setdefault(hit.step, []).append(hit)
        partial: list[list[list[Hit]]] = [[] for _ in self.stages]
        last = len(self.stages) - 1
        done: list[Found] = []
        stages_of: dict[int, list[int]] = {}
        for stage, step in enumerate(self.stages):
            stages_of.setdefault(step, []).append(stage)
        for hit in hits:
            # The last stage first, so that an event can't follow itself.
            for stage in reversed(stages_of.get(hit.step, ())):
                if stage == 0:
                    chain = [hit]
                else:
                    before = partial[stage - 1]
                    place = _before(before, hit)
                    if place < 0:
                        continue
                    chain = [*before[place], hit]
                    del before[: place + 1]
                    if self.maxspan is not None and hit.time - chain[0].time > self.maxspan:
                        continue
                    if self._stopped(chain, by_step):
                        continue
                if stage < last:
                    partial[stage].append(chain)
                elif (found := self._whole(chain, by_step)) is not None:
                    done.append(found)
        return done

    def _stopped(self, chain: list[Hit], by_step: dict[int, list[Hit]]) -> bool:
        if self.until < 0:
            return False
        return _any_between(by_step.get(self.until, ()), order(chain[-2]), order(chain[-1]))

    def _whole(self, chain: list[Hit], by_step: dict[int, list[Hit]]) -> Found | None:
        certain: int | None = None
        for stage, steps in self.absent.items():
            for step in steps:
                others = by_step.get(step, ())
                if stage == 0:
                    low = chain[-1].time - (self.maxspan or DAY)
                    if _any_between(others, (low, -1, "", -1), order(chain[0])):
                        return None
                elif stage == len(self.stages):
                    high = chain[0].time + (self.maxspan or DAY)
                    if _any_between(others, order(chain[-1]), (high, 1 << 62, "~", 1 << 30)):
                        return None
                    certain = high + 1
                elif _any_between(others, order(chain[stage - 1]), order(chain[stage])):
                    return None
        return Found(chain, certain)


def _before(chains: list[list[Hit]], hit: Hit) -> int:
    """The place of the latest chain that ends before the hit; -1 for none. Chains stand in the order of their ends."""
    mine = order(hit)[:3]
    return bisect_left(chains, mine, key=lambda chain: order(chain[-1])[:3]) - 1


def _any_between(hits: Sequence[Hit], low: tuple[int, int, str, int], high: tuple[int, int, str, int]) -> bool:
    first = bisect_left(hits, low[:3], key=lambda hit: order(hit)[:3])
    while first < len(hits) and order(hits[first])[:3] == low[:3]:
        first += 1
    return first < len(hits) and order(hits[first])[:3] < high[:3]


TYPE: Final[RuleType] = _Sequence()
