"""Threshold rules: so many events of a group within a sliding window; one alert a group until it falls below."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.detect import HitReader, Lowering, Machine, Rule, RuleType, StepSpec
from tocsin.detect._elastic import duration
from tocsin.detect._keys import Found, Key, Keyed, as_they_came, firing, mark, order
from tocsin.errors import TocsinError, UnsupportedError
from tocsin.lang import kql
from tocsin.lang.ir import Common, Count, Field, Plan
from tocsin.ports import Hit, Withdrawal

_DEFAULT_WINDOW: Final = "now-6m"  # Elastic's: every 5 minutes with 1 minute of look-back
# A long episode is given again when it has grown by a fiftieth, or when nothing more comes: else a flood on one group
# would copy all its members at every stretch.
_LONG: Final = 1_000
_GROWN: Final = 50
# How much later than its successor a hit may come without its key being read back from the store.
_SLACK: Final = 3_600_000_000
Order = tuple[int, int, str]


class _Threshold:
    takes = frozenset({"threshold"})
    plans: tuple[type, ...] = (Count,)

    def lower(self, rule: Mapping[str, Any], extension: Mapping[str, Any], given: Lowering) -> Plan | None:
        if rule.get("language", "kuery") != "kuery":
            raise UnsupportedError(f"thresholds over {rule['language']} don't run yet", where=given.where)
        entry = rule.get("threshold")
        if not isinstance(entry, dict) or int(entry.get("value", 0)) < 1:
            raise TocsinError("a threshold rule needs [rule.threshold] with value >= 1", where=given.where)
        names = entry.get("field", [])
        by = tuple(given.names.field(name) for name in ([names] if isinstance(names, str) else names))
        cardinality = entry.get("cardinality", [])
        if isinstance(cardinality, dict):
            cardinality = [cardinality]
        distinct: tuple[Field, ...] = ()
        low = int(entry["value"])
        events = 1
        if len(cardinality) > 1:
            raise UnsupportedError("a threshold counts the values of one field only", where=given.where)
        if cardinality:
            events = low
            distinct, low = (given.names.field(cardinality[0]["field"]),), int(cardinality[0]["value"])
        return Count(
            where=kql.parse(str(rule.get("query", "")), given.names),
            by=by,
            window=duration(str(rule.get("from", _DEFAULT_WINDOW)), given.where),
            low=low,
            distinct=distinct,
            events=events,
            unless=_common(extension.get("unless_common"), given),
            optional_by=_optional(extension.get("optional_by", []), by, given),
        )

    def steps(self, plan: Count) -> tuple[StepSpec, ...]:
        nullable = plan.optional_by or (False,) * len(plan.by)
        steps = [StepSpec(plan.where, plan.by, plan.distinct, nullable)]
        if plan.unless:
            # Its key is the part that both share; the values are what must not be common to many.
            optional = {each.name for each, null in zip(plan.by, nullable, strict=True) if null}
            shared = tuple(each.name in optional for each in plan.unless.by)
            steps.append(StepSpec(plan.unless.where, plan.unless.by, (plan.unless.distinct,), shared))
        return tuple(steps)

    def machine(self, rule: Rule, reader: HitReader) -> Machine | None:
        assert isinstance(rule.plan, Count)
        if rule.plan.unless:
            return _Vetoed(rule, rule.plan, rule.plan.unless, reader)
        plan = rule.plan
        return Keyed(rule, reader, 4 * plan.window + _SLACK, lambda key: Counted(rule, plan, key))


def _optional(names: Sequence[str], by: Sequence[Field], given: Lowering) -> tuple[bool, ...]:
    optional = {given.names.field(name).name for name in names}
    if unknown := sorted(optional.difference(each.name for each in by)):
        raise TocsinError(f"optional_by names {unknown[0]}, which is no field of the threshold", where=given.where)
    return tuple(each.name in optional for each in by) if optional else ()


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


# What speaks against giving an episode out: True (never), a watermark (not before), or False (nothing).
Gate = Callable[[Key, int, int, int], bool | int]


@dataclass(slots=True)
class _Episode:
    """A time during which the group held the condition: from the window that first met it to the last hit that did."""

    born: list[str]
    hits: list[Hit]  # in order
    trigger: Order  # of the hit that first met the condition
    sum: int = 0  # of its members' hashes: two episodes of equal members have equal sums
    given: tuple[int, int] | None = None  # how many members, and their sum, when it was last given out
    unsure: bool = False  # it was read back: it may have been given out

    def signature(self) -> tuple[int, int]:
        """What makes it the same as what was given out."""
        return len(self.hits), self.sum


@dataclass(slots=True)
class Counted:
    """One group's hits and episodes. An episode grows with each hit that finds the condition met and ends with the
    first that doesn't."""

    rule: Rule
    plan: Count
    key: Key
    gate: Gate | None = None
    waiting: int | None = None
    _hits: list[Hit] = field(default_factory=list)
    _seen: set[tuple[str, int, Key]] = field(default_factory=set)
    _base: int | None = None  # hits from this time on are held; None: all
    _window: deque[Hit] = field(default_factory=deque)
    _values: Counter[Key] = field(default_factory=Counter)
    _events: Counter[str] = field(default_factory=Counter)
    _episodes: list[_Episode] = field(default_factory=list)
    _current: _Episode | None = None

    def known(self, hits: Sequence[Hit], start: int | None, asked: int) -> bool:
        """See `Track`: it is known how things stood where the window before `asked` was once seen whole and not
        enough."""
        self._base = start
        safe = start is None or not any(hit.time < start + self.plan.window for hit in hits)
        for run in as_they_came(hits):
            self._take(run)
        for episode in self._episodes:
            if self.gate is None:
                episode.given = episode.signature()
            else:  # what its gate said then is not known
                episode.unsure = True
        if safe or start is None:
            return True
        # The start may be in the midst of an episode: only what comes after a break is certain.
        whole = start + self.plan.window
        cut = next((hit for hit in self._breaks() if hit.time >= whole), None)
        if cut is None or cut.time > asked:
            return False
        self._episodes = [each for each in self._episodes if each.trigger > order(cut)]
        self._base = cut.time - self.plan.window
        return True

    def reaches(self, moment: int) -> bool:
        """See `Track`."""
        return self._base is None or moment - self.plan.window >= self._base

    def size(self) -> int:
        """See `Track`."""
        return len(self._hits)

    def feed(self, hits: Sequence[Hit], watermark: int) -> list[Found]:
        """See `Track`."""
        new = [hit for hit in hits if mark(hit) not in self._seen]
        if not new:
            return self._give(watermark, [], calm=False)
        gone = self._take(new)
        out = self._give(watermark, gone, calm=False)
        self._trim()
        return out

    def settle(self, watermark: int) -> list[Found]:
        """See `Track`."""
        return self._give(watermark, [], calm=True)

    def _take(self, new: Sequence[Hit]) -> list[_Episode]:
        """Put hits, in order among themselves, where they belong; the given episodes that are no more."""
        self._seen.update(mark(hit) for hit in new)
        dropped: list[_Episode] = []
        kept = len(self._episodes)
        tail: Sequence[Hit] = new
        if self._hits and order(new[0]) < order(self._hits[-1]):
            place = bisect_left(self._hits, order(new[0]), key=order)
            tail = sorted([*self._hits[place:], *new], key=order)
            del self._hits[place:]
            dropped = self._rewind()
            kept = len(self._episodes)
        for hit in tail:
            self._step(hit)
        return self._inherit(dropped, kept)

    def _step(self, hit: Hit) -> None:
        plan, window = self.plan, self._window
        self._hits.append(hit)
        self._enter(hit)
        while window[0].time <= hit.time - plan.window:
            self._leave()
        if not self._met():
            self._current = None
        elif self._current is None:
            members = list(window)
            self._current = _Episode([repr(self.key), members[0].id], members, order(hit))
            self._current.sum = sum(hash(mark(each)) for each in members)
            self._episodes.append(self._current)
        else:
            self._current.hits.append(hit)
            self._current.sum += hash(mark(hit))

    def _enter(self, hit: Hit) -> None:
        self._window.append(hit)
        self._events[hit.id] += 1
        if self.plan.distinct and None not in hit.values:
            self._values[hit.values] += 1

    def _leave(self) -> None:
        hit = self._window.popleft()
        self._events[hit.id] -= 1
        if not self._events[hit.id]:
            del self._events[hit.id]
        if self.plan.distinct and None not in hit.values:
            self._values[hit.values] -= 1
            if not self._values[hit.values]:
                del self._values[hit.values]

    def _met(self) -> bool:
        plan = self.plan
        measure = len(self._values) if plan.distinct else len(self._events)
        if len(self._events) < plan.events or (plan.high is not None and measure > plan.high):
            return False
        return measure >= max(1, plan.low or 0)

    def _rewind(self) -> list[_Episode]:
        """Go back to how things stood after the last hit held; the episodes that began later."""
        self._window.clear()
        self._values.clear()
        self._events.clear()
        self._current = None
        if not self._hits:
            gone, self._episodes = self._episodes, []
            return gone
        last = self._hits[-1]
        at = order(last)
        first = bisect_right(self._hits, last.time - self.plan.window, key=lambda hit: hit.time)
        for hit in self._hits[first:]:
            self._enter(hit)
        begun = bisect_right(self._episodes, at, key=lambda each: each.trigger)
        gone = self._episodes[begun:]
        del self._episodes[begun:]
        if self._episodes and order(self._episodes[-1].hits[-1]) >= at:
            running = self._episodes[-1]
            end = bisect_right(running.hits, at, key=order)
            running.sum -= sum(hash(mark(each)) for each in running.hits[end:])
            del running.hits[end:]
            self._current = running
        return gone

    def _inherit(self, dropped: list[_Episode], kept: int) -> list[_Episode]:
        """Episodes that go on from others keep what those were born from; the others that were given out."""
        used = {tuple(each.born) for each in self._episodes[:kept]}
        left = list(dropped)
        for episode in self._episodes[kept:]:
            begin, end = episode.trigger, order(episode.hits[-1])
            heir = next((d for d in left if d.trigger <= end and begin <= order(d.hits[-1])), None)
            if heir is not None:
                left.remove(heir)
                episode.born, episode.given, episode.unsure = heir.born, heir.given, heir.unsure
        for episode in self._episodes[kept:]:
            if tuple(episode.born) in used:  # its first hit is also that of one whose birth was kept
                episode.born = [*episode.born, episode.trigger[2]]
            used.add(tuple(episode.born))
        return [each for each in left if each.given is not None or each.unsure]

    def _give(self, watermark: int, gone: Sequence[_Episode], *, calm: bool) -> list[Found]:
        out: list[Found] = [
            Withdrawal(self.rule.id, each.born, "a late event changed what the rule found") for each in gone
        ]
        self.waiting = None
        later = False
        group = {name.name: value for name, value in zip(self.plan.by, self.key, strict=True)}
        for episode in self._episodes:
            if self.gate is not None:
                held = self.gate(self.key, episode.hits[0].time, episode.hits[-1].time, watermark)
                if held is True:
                    if episode.given is not None or episode.unsure:
                        out.append(Withdrawal(self.rule.id, episode.born, "its cause turned out to be common to many"))
                    episode.given, episode.unsure = None, False
                    continue
                if held is not False and episode.given is None:
                    self.waiting = held if self.waiting is None else min(held, self.waiting)
                    continue
            signature = episode.signature()
            if signature == episode.given:
                continue
            if episode.given is not None and not calm and len(episode.hits) > _LONG:
                more = len(episode.hits) - episode.given[0]
                if 0 < more < len(episode.hits) // _GROWN:
                    later = True
                    continue
            episode.given = signature
            out.append(firing(self.rule, episode.born, episode.hits, group, self._extra(episode)))
        if later:
            self.waiting = watermark if self.waiting is None else min(watermark, self.waiting)
        return out

    def _extra(self, episode: _Episode) -> dict[str, int]:
        if not self.plan.distinct:
            return {"kibana.alert.threshold_result.count": len(episode.hits)}
        values = {hit.values for hit in episode.hits if None not in hit.values}
        return {
            "kibana.alert.threshold_result.count": len({hit.id for hit in episode.hits}),
            "kibana.alert.threshold_result.cardinality": len(values),
        }

    def _trim(self) -> None:
        """Let go of what no event of the last hour can change."""
        keep = self._hits[-1].time - 2 * self.plan.window - _SLACK
        if self._hits[0].time >= keep or len(self._hits) < _LONG:
            return
        end = bisect_left(self._hits, keep, key=lambda hit: hit.time)
        if 2 * end < len(self._hits):
            return
        self._seen.difference_update(mark(hit) for hit in self._hits[:end])
        del self._hits[:end]
        self._base = keep
        past = keep + self.plan.window
        self._episodes = [
            each
            for each in self._episodes
            if each is self._current or each.hits[-1].time >= past or self.waiting is not None
        ]

    def _breaks(self) -> list[Hit]:
        """The hits at which the condition was not met."""
        met: set[tuple[str, int, Key]] = set()
        for episode in self._episodes:
            met.update(mark(hit) for hit in episode.hits if order(hit) >= episode.trigger)
        return [hit for hit in self._hits if mark(hit) not in met]


@dataclass(slots=True)
class _Causes:
    """The hits of what must not be common to many, by time; it gives nothing out."""

    waiting: int | None = None
    base: int | None = None
    seen: set[tuple[str, int, Key]] = field(default_factory=set)
    times: list[tuple[int, str]] = field(default_factory=list)

    def known(self, hits: Sequence[Hit], start: int | None, asked: int) -> bool:
        """See `Track`."""
        del asked
        self.base = start
        self.feed(hits, 0)
        return True

    def reaches(self, moment: int) -> bool:
        """See `Track`."""
        return self.base is None or moment >= self.base

    def feed(self, hits: Sequence[Hit], watermark: int) -> list[Found]:
        """See `Track`."""
        del watermark
        for hit in hits:
            if mark(hit) not in self.seen and hit.values and hit.values[0] is not None:
                self.seen.add(mark(hit))
                insort(self.times, (hit.time, hit.values[0]))
        return []

    def settle(self, watermark: int) -> list[Found]:
        """See `Track`."""
        del watermark
        return []

    def size(self) -> int:
        """See `Track`."""
        return len(self.times)

    def between(self, low: int, high: int) -> set[str]:
        """The values that were there after `low` and before `high`."""
        first, last = bisect_right(self.times, (low, "\U0010ffff")), bisect_left(self.times, (high, ""))
        return {value for _, value in self.times[first:last]}


class _Vetoed:
    """A count whose alert waits until the watermark has passed its window, and doesn't come if the cause is common."""

    def __init__(self, rule: Rule, plan: Count, common: Common, reader: HitReader) -> None:
        self.plan, self.common = plan, common
        own = [each.name for each in plan.by]
        self.shared = [own.index(each.name) for each in common.by]
        self.parts: dict[Key, dict[Key, None]] = {}  # the groups that share a cause
        self.others = Keyed(rule, reader, 4 * plan.window + _SLACK, lambda key: _Causes(), steps=frozenset({1}))
        self.counts = Keyed(rule, reader, 4 * plan.window + _SLACK, self._track, steps=frozenset({0}))

    def feed(self, hits: Sequence[Hit], watermark: int) -> list[Found]:
        """See `Machine`."""
        self.others.feed(hits, watermark)
        out = self.counts.feed(hits, watermark)
        for part in {hit.key for hit in hits if hit.step == 1}:
            keys = self.parts.get(part, {})
            for key in [key for key in keys if key not in self.counts.held]:
                del keys[key]
            out += self.counts.again(list(keys), watermark)
        return out

    def size(self) -> int:
        """See `Machine`."""
        return self.counts.size() + self.others.size()

    def _track(self, key: Key) -> Counted:
        self.parts.setdefault(self._part(key), {})[key] = None
        return Counted(self.counts.rule, self.plan, key, self._gate)

    def _part(self, key: Key) -> Key:
        return tuple(key[i] for i in self.shared)

    def _gate(self, key: Key, begin: int, end: int, watermark: int) -> bool | int:
        reach = self.plan.window
        causes = self.others.need(self._part(key), begin - reach)
        assert isinstance(causes, _Causes)
        if len(causes.between(begin - reach, end + reach).difference(key)) >= self.common.at_least:
            return True
        return begin + reach if watermark < begin + reach else False


TYPE: Final[RuleType] = _Threshold()
