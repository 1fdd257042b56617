"""EQL sequences: ordered events with equal keys, as Elasticsearch finds them.

`sequence by … with maxspan`, `until`, `runs`, `![…]`, optional keys.
An event takes the latest partial sequence before it and replaces it, as Elasticsearch does: overlaps never merge. So
sequences never cross: what begins at or after a moment is found without anything from before it. A sequence without
`maxspan` can reach back to the first event of its key.
Source of the semantics: https://www.elastic.co/guide/en/elasticsearch/reference/current/eql-syntax.html#eql-sequences
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tocsin.detect import HitReader, Lowering, Machine, Rule, RuleType, StepSpec
from tocsin.detect._keys import Found, Key, Keyed, firing, mark, order
from tocsin.errors import UnsupportedError
from tocsin.lang import eql, ir
from tocsin.lang.ir import Plan
from tocsin.ports import Hit, Withdrawal

_SLACK: Final = 3_600_000_000
_MANY: Final = 1_000
_AGES: Final = 1 << 61
_OVERTURNED: Final = "a late event changed what the rule found"
Order = tuple[int, int, str]


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
        matcher = Matcher(rule.plan)
        reach = None if rule.plan.maxspan is None else 2 * rule.plan.maxspan + _SLACK
        return Keyed(rule, reader, reach, lambda key: Joined(rule, matcher, key))


class Match(NamedTuple):
    """One sequence; `certain` is the watermark from which the absence after it is certain (None: it is now)."""

    hits: tuple[Hit, ...]
    certain: int | None = None


@dataclass(slots=True)
class Partials:
    """How far the sequences of one key have come: by stage, in the order of their ends; and what must not occur."""

    stages: list[list[tuple[Hit, ...]]]
    others: dict[int, list[Hit]] = field(default_factory=dict)  # until, and steps that must be missing


class Matcher:
    """Finds the sequences in the ordered hits of one key."""

    def __init__(self, plan: ir.Sequence) -> None:
        self.plan = plan
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
        self.last = len(self.stages) - 1
        self.leading = self.absent.get(0, [])
        self.trailing = self.absent.get(len(self.stages), [])
        self._stages_of: dict[int, list[int]] = {}
        for stage, number in enumerate(self.stages):
            self._stages_of.setdefault(number, []).insert(0, stage)

    def begin(self) -> Partials:
        """Nothing has been seen."""
        return Partials([[] for _ in self.stages])

    def run(self, hits: Iterable[Hit]) -> list[Match]:
        """All sequences, in the order in which they end."""
        partials = self.begin()
        whole = [chain for hit in hits for chain in self.step(partials, hit)]
        return [match for chain in whole if (match := self.judge(partials, chain)) is not None]

    def step(self, partials: Partials, hit: Hit) -> list[tuple[Hit, ...]]:
        """One hit further; the sequences that it completes, as far as their positive steps go."""
        done: list[tuple[Hit, ...]] = []
        stages = self._stages_of.get(hit.step)
        if stages is None:
            self.note(partials, hit)
            return done
        # The last stage first, so that an event can't follow itself.
        for stage in stages:
            chain: tuple[Hit, ...] = (hit,)
            if stage:
                before = partials.stages[stage - 1]
                place = _before(before, hit)
                if place < 0:
                    continue
                chain = (*before[place], hit)
                del before[: place + 1]
                if self.maxspan is not None and hit.time - chain[0].time > self.maxspan:
                    continue
            if stage < self.last:
                partials.stages[stage].append(chain)
                self._forget(partials.stages[stage], hit)
            else:
                done.append(chain)
        return done

    def note(self, partials: Partials, hit: Hit) -> None:
        """Remember a hit of what must not occur, if it is one."""
        if hit.step not in self._stages_of:
            partials.others.setdefault(hit.step, []).append(hit)

    def judge(self, partials: Partials, chain: tuple[Hit, ...]) -> Match | None:
        """The sequence of a chain, if nothing speaks against it that has been seen so far."""
        others = partials.others
        if self.until >= 0 and (ends := others.get(self.until)):
            # As in Elasticsearch, one at the very first or last event counts too.
            low, high = order(chain[0]), order(chain[-1])
            if len(chain) > 1 and _any(ends, low, high, ends_included=True):
                return None
        for stage, steps in self.absent.items():
            if 0 < stage < len(self.stages):
                low, high = order(chain[stage - 1]), order(chain[stage])
                if any(_any(others.get(step, ()), low, high) for step in steps):
                    return None
        span = self.maxspan if self.maxspan is not None else _AGES
        earliest: Order = (chain[-1].time - span, -2, "")
        latest: Order = (chain[0].time + span, _AGES, "\U0010ffff")
        ahead = [hit for step in self.leading for hit in _within(others.get(step, ()), earliest, order(chain[0]))]
        after = [hit for step in self.trailing for hit in _within(others.get(step, ()), order(chain[-1]), latest)]
        if self.leading and self.trailing:
            # Both sides: a pair within the span speaks against it, as Elasticsearch has it.
            if not ahead:
                return Match(chain)
            nearest = max(hit.time for hit in ahead)
            if any(hit.time - nearest <= span for hit in after):
                return None
            return Match(chain, min(latest[0], nearest + span) + 1)
        if ahead or after:
            return None
        return Match(chain, latest[0] + 1 if self.trailing else None)

    def _forget(self, chains: list[tuple[Hit, ...]], hit: Hit) -> None:
        """Drop chains too old to be completed, now and then."""
        if self.maxspan is not None and len(chains) >= _MANY and len(chains) % _MANY == 0:
            end = bisect_left(chains, hit.time - self.maxspan - _SLACK, key=lambda chain: chain[0].time)
            del chains[:end]


@dataclass(slots=True)
class Joined:
    """One key's hits and the sequences in them."""

    rule: Rule
    matcher: Matcher
    key: Key
    waiting: int | None = None
    _hits: list[Hit] = field(default_factory=list)
    _seen: set[tuple[str, int, Key]] = field(default_factory=set)
    _base: int | None = None
    _partials: Partials | None = None
    _given: dict[tuple[str, ...], int] = field(default_factory=dict)  # what was given out → its first event's time
    _pending: dict[tuple[str, ...], Match] = field(default_factory=dict)
    _unsure: set[tuple[str, ...]] = field(default_factory=set)  # pending ones that may have been given out before

    def known(self, hits: Sequence[Hit], start: int | None, asked: int) -> bool:
        """See `Track`."""
        del asked
        self._base = start
        self._hits = sorted(hits, key=_stepwise)
        self._seen = {mark(hit) for hit in hits}
        for match in self._run(None):
            born = _born(match)
            if match.certain is None:
                self._given[born] = match.hits[0].time
            else:  # whether it was certain then is not known: it is given out (again) when it is
                self._pending[born] = match
                self._unsure.add(born)
        self._wait()
        return True

    def reaches(self, moment: int) -> bool:
        """See `Track`."""
        span = self.matcher.maxspan
        return self._base is None or (span is not None and moment - 2 * span >= self._base)

    def size(self) -> int:
        """See `Track`."""
        return len(self._hits)

    def feed(self, hits: Sequence[Hit], watermark: int) -> list[Found]:
        """See `Track`."""
        new = [hit for hit in hits if mark(hit) not in self._seen]
        if not new:
            return self.settle(watermark)
        self._seen.update(mark(hit) for hit in new)
        late = bool(self._hits) and _stepwise(new[0]) < _stepwise(self._hits[-1])
        if late or self._partials is None or self.matcher.trailing:
            for hit in new:
                insort(self._hits, hit, key=_stepwise)
            out = self._again(new[0].time, watermark)
        else:
            self._hits += new
            out = []
            for chain in [chain for hit in new for chain in self.matcher.step(self._partials, hit)]:
                match = self.matcher.judge(self._partials, chain)
                if match is not None:
                    out += self._found(match, watermark)
        self._trim()
        return out

    def settle(self, watermark: int) -> list[Found]:
        """See `Track`."""
        out: list[Found] = []
        for match in list(self._pending.values()):
            if match.certain is None or match.certain <= watermark:
                out += self._found(match, watermark)
        self._wait()
        return out

    def _again(self, moment: int, watermark: int) -> list[Found]:
        """Find anew all sequences that hits from `moment` on may be in, and compare."""
        span = self.matcher.maxspan
        low = None if span is None else moment - span
        matches = {_born(match): match for match in self._run(low)}
        out: list[Found] = []
        for born, first in list(self._given.items()):
            if born not in matches and (low is None or first >= low):
                del self._given[born]
                out.append(Withdrawal(self.rule.id, list(born), _OVERTURNED))
        for born, match in list(self._pending.items()):
            if born not in matches and (low is None or match.hits[0].time >= low):
                del self._pending[born]
                if born in self._unsure:
                    self._unsure.remove(born)
                    out.append(Withdrawal(self.rule.id, list(born), _OVERTURNED))
        for match in matches.values():
            out += self._found(match, watermark)
        self._wait()
        return out

    def _run(self, low: int | None) -> list[Match]:
        """The sequences that begin at or after a moment; the state after the last hit is kept."""
        matcher, hits = self.matcher, self._hits
        partials = matcher.begin()
        start = 0
        if low is not None and matcher.maxspan is not None:
            start = bisect_left(hits, low, key=lambda hit: hit.time)
            earlier = bisect_left(hits, low - matcher.maxspan, key=lambda hit: hit.time)
            for hit in hits[earlier:start]:
                matcher.note(partials, hit)
        chains = [chain for hit in hits[start:] for chain in matcher.step(partials, hit)]
        self._partials = partials
        return [match for chain in chains if (match := matcher.judge(partials, chain)) is not None]

    def _found(self, match: Match, watermark: int) -> list[Found]:
        born = _born(match)
        if born in self._given:
            return []
        if match.certain is not None and watermark < match.certain:
            self._pending[born] = match
            return []
        self._pending.pop(born, None)
        self._unsure.discard(born)
        self._given[born] = match.hits[0].time
        names = [each.name for each in self.matcher.plan.steps[0].by]
        group = dict(zip(names, self.key, strict=False))
        return [firing(self.rule, list(born), match.hits, group, {})]

    def _wait(self) -> None:
        self.waiting = min((m.certain for m in self._pending.values() if m.certain is not None), default=None)

    def _trim(self) -> None:
        """Let go of what no event of the last hour can change."""
        span = self.matcher.maxspan
        if span is None or len(self._hits) < _MANY:
            return
        keep = self._hits[-1].time - 4 * span - _SLACK
        end = bisect_left(self._hits, keep, key=lambda hit: hit.time)
        if 2 * end < len(self._hits):
            return
        self._seen.difference_update(mark(hit) for hit in self._hits[:end])
        del self._hits[:end]
        self._base = keep
        self._given = {born: first for born, first in self._given.items() if first >= keep}
        if self._partials is not None:
            for step, others in self._partials.others.items():
                self._partials.others[step] = [hit for hit in others if hit.time >= keep]


def _born(match: Match) -> tuple[str, ...]:
    return tuple(hit.id for hit in match.hits)


def _stepwise(hit: Hit) -> tuple[int, int, str, int]:
    return (*order(hit), hit.step)


def _before(chains: list[tuple[Hit, ...]], hit: Hit) -> int:
    """The place of the latest chain that ends before the hit; -1 for none. Chains stand in the order of their ends."""
    return bisect_left(chains, order(hit), key=lambda chain: order(chain[-1])) - 1


def _within(hits: Sequence[Hit], low: Order, high: Order) -> Sequence[Hit]:
    """The hits after `low` and before `high`."""
    return hits[bisect_right(hits, low, key=order) : bisect_left(hits, high, key=order)]


def _any(hits: Sequence[Hit], low: Order, high: Order, *, ends_included: bool = False) -> bool:
    if ends_included:
        return bisect_left(hits, low, key=order) < bisect_right(hits, high, key=order)
    return bisect_right(hits, low, key=order) < bisect_left(hits, high, key=order)


TYPE: Final[RuleType] = _Sequence()
