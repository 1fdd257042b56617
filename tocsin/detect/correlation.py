"""Correlations: alerts of other rules within a window become one alert, which rises as further legs come.

A leg's first key is what it joins by (a client's address, say). A leg without it (null) joins every group that has one
of its remaining keys: a server's crash, which names no client, joins the clients that failed at a server of that name
or address. So all legs are one shard. Sigma's correlations are equal in all their keys, and a leg that lacks one
is in no group.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.detect import RISK, HitReader, Lowering, Machine, Rule, RuleType, StepSpec
from tocsin.detect._elastic import duration
from tocsin.detect._keys import Found, Key, firing, order
from tocsin.errors import TocsinError
from tocsin.lang.ir import Correlation, Leg, Plan
from tocsin.ports import Hit, Withdrawal

# Legs' alerts held; the oldest go first.
_LIMIT: Final = 200_000


class _Correlation:
    takes = frozenset({"correlation"})
    plans: tuple[type, ...] = (Correlation,)

    def lower(self, rule: Mapping[str, Any], extension: Mapping[str, Any], given: Lowering) -> Plan | None:
        entry = extension.get("correlation")
        if not isinstance(entry, dict):
            raise TocsinError("a correlation needs [tocsin.correlation]", where=given.where)
        allowed = {"window", "minimum", "observers", "ordered", "partial", "leg", "raise"}
        if unknown := sorted(set(entry) - allowed):
            raise TocsinError(f"[tocsin.correlation] has no key {unknown[0]!r}", where=given.where)
        legs = tuple(self._leg(leg, given) for leg in entry.get("leg", ()))
        if len(legs) < 2:
            raise TocsinError("a correlation needs at least two legs", where=given.where)
        raised = tuple(
            (self._leg(each, given), duration(each["within"], given.where), str(each["severity"]))
            for each in entry.get("raise", ())
        )
        return Correlation(
            legs=legs,
            window=duration(entry["window"], given.where),
            ordered=bool(entry.get("ordered", False)),
            minimum=int(entry.get("minimum", len(legs))),
            observers=int(entry.get("observers", 0)),
            partial=str(entry.get("partial", "low")),
            raised=raised,
        )

    def _leg(self, leg: Mapping[str, Any], given: Lowering) -> Leg:
        by = tuple(given.names.field(name) for name in leg.get("by", ()))
        return Leg(str(leg.get("name", "")), tuple(leg["rules"]), by)

    def steps(self, plan: Correlation) -> tuple[StepSpec, ...]:
        return ()

    def machine(self, rule: Rule, reader: HitReader) -> Machine | None:
        assert isinstance(rule.plan, Correlation)
        return _Machine(rule, rule.plan, whole_key=rule.format == "sigma")


@dataclass(slots=True)
class _Episode:
    """Legs that belong together within one window."""

    hits: list[Hit]  # in order; raising ones too
    whole: bool
    severity: str


@dataclass(slots=True)
class _Given:
    """What was given out of a group: what it was born from, its members, and what it said."""

    born: list[str]
    members: frozenset[str]
    said: tuple[tuple[str, ...], bool, str]


@dataclass(slots=True)
class _Group:
    """The alerts of one client, and what was given out of them."""

    own: list[Hit] = field(default_factory=list)
    given: list[_Given] = field(default_factory=list)


class _Machine:
    """Legs' alerts by group. Hits are alerts: step = leg, values[0] = observer; raising legs come after the legs."""

    def __init__(self, rule: Rule, plan: Correlation, *, whole_key: bool) -> None:
        self.rule, self.plan = rule, plan
        self.whole_key = whole_key
        self.legs = len(plan.legs)
        self.groups: dict[Key, _Group] = {}
        self.loose: list[Hit] = []  # without a client, in order
        self.at: dict[str, dict[Key, None]] = {}  # a server's name or address → the groups that name it
        self.seen: dict[tuple[str, int], Hit] = {}  # in order of arrival
        self.reach = plan.window + max((within for _, within, _ in plan.raised), default=0)

    def feed(self, hits: Sequence[Hit], watermark: int) -> list[Found]:
        """See `Machine`; nothing waits for a watermark here."""
        del watermark
        touched: dict[Key, None] = {}
        for hit in hits:
            old = self.seen.pop((hit.id, hit.step), None)
            if old is not None:
                touched.update(dict.fromkeys(self._remove(old)))
            if hit.silenced is None:
                self.seen[hit.id, hit.step] = hit
                touched.update(dict.fromkeys(self._add(hit)))
        out: list[Found] = []
        for key in touched:
            group = self.groups[key]
            out += self._compare(key, group, self._episodes(group))
        while len(self.seen) > _LIMIT:
            self._remove(self.seen.pop(next(iter(self.seen))))
        for key in touched:
            self._drop_if_empty(key)
        return out

    def size(self) -> int:
        """See `Machine`."""
        return len(self.seen)

    def _group_of(self, hit: Hit) -> Key | None:
        if self.whole_key:
            return None if None in hit.key else hit.key
        return hit.key[:1] if hit.key and hit.key[0] is not None else None

    def _add(self, hit: Hit) -> Iterable[Key]:
        """Put a hit where it belongs; the groups that it concerns."""
        key = self._group_of(hit)
        if key is not None:
            group = self.groups.setdefault(key, _Group())
            insort(group.own, hit, key=order)
            for place in self._places(hit):
                self.at.setdefault(place, {})[key] = None
            return (key,)
        if self.whole_key:
            return ()
        insort(self.loose, hit, key=order)
        return self._named_by(hit)

    def _remove(self, hit: Hit) -> Iterable[Key]:
        key = self._group_of(hit)
        if key is not None:
            if (group := self.groups.get(key)) is not None:
                _take_out(group.own, hit)
                return (key,)
            return ()
        _take_out(self.loose, hit)
        return self._named_by(hit)

    def _drop_if_empty(self, key: Key) -> None:
        group = self.groups.get(key)
        if group is not None and not group.own:
            del self.groups[key]

    def _named_by(self, hit: Hit) -> list[Key]:
        found = {key: None for place in self._places(hit) for key in self.at.get(place, ())}
        return [key for key in found if key in self.groups]

    def _places(self, hit: Hit) -> list[str]:
        return [] if self.whole_key else [value for value in hit.key[1:] if value]

    def _episodes(self, group: _Group) -> list[_Episode]:
        """Whole ones first, each as early as can be; then, of what is left, parts."""
        hits = self._with_loose(group)
        plain = [hit for hit in hits if hit.step < self.legs]
        found = self._windows(plain, hits, whole=True)
        used = {(hit.id, hit.step) for episode in found for hit in episode.hits}
        if self.plan.minimum < self.legs or self.plan.observers:
            left = [hit for hit in plain if (hit.id, hit.step) not in used]
            found += self._windows(left, hits, whole=False)
        return sorted(found, key=lambda episode: order(episode.hits[0]))

    def _with_loose(self, group: _Group) -> list[Hit]:
        """The group's hits and those without a client that may join it."""
        if self.whole_key or not self.loose or not group.own:
            return group.own
        low, high = group.own[0].time - self.reach, group.own[-1].time + self.reach
        first = bisect_left(self.loose, low, key=lambda hit: hit.time)
        last = bisect_left(self.loose, high + 1, key=lambda hit: hit.time)
        places = {place for hit in group.own for place in self._places(hit)}
        near = [hit for hit in self.loose[first:last] if places.intersection(self._places(hit))]
        return sorted([*group.own, *near], key=order)

    def _windows(self, plain: Sequence[Hit], hits: Sequence[Hit], *, whole: bool) -> list[_Episode]:
        """From the left: hits within one window of the first make one episode, then the search goes on behind it."""
        found: list[_Episode] = []
        start = end = 0
        while start < len(plain):
            end = max(end, start)
            while end < len(plain) and plain[end].time <= plain[start].time + self.plan.window:
                end += 1
            within = self._joined(plain[start:end])
            if within and within[0] is plain[start] and self._met(within, whole=whole):
                found.append(self._episode(within, hits, whole=whole))
                start = end
            else:
                start += 1
        return found

    def _joined(self, hits: Sequence[Hit]) -> list[Hit]:
        """Without those that name no client and no server that a hit with a client names."""
        own = [hit for hit in hits if self._group_of(hit) is not None]
        if len(own) == len(hits):
            return own
        places = {place for hit in own for place in self._places(hit)}
        return [hit for hit in hits if self._group_of(hit) is not None or not places.isdisjoint(self._places(hit))]

    def _met(self, hits: Sequence[Hit], *, whole: bool) -> bool:
        legs = {hit.step for hit in hits}
        if self.plan.ordered and not _ordered(hits, self.legs if whole else self.plan.minimum):
            return False
        if not whole:
            return len(legs) >= self.plan.minimum
        return len(legs) == self.legs and len(_observers(hits)) >= self.plan.observers

    def _episode(self, within: list[Hit], hits: Sequence[Hit], *, whole: bool) -> _Episode:
        severity: str = self.rule.severity if whole else self.plan.partial
        members = list(within)
        if whole:
            for number, (_, reach, raised) in enumerate(self.plan.raised):
                begin, end = within[0].time, within[-1].time + reach
                after = [hit for hit in hits if hit.step == self.legs + number and begin <= hit.time <= end]
                if after:
                    severity = raised
                    members += after
        if self.whole_key:  # Sigma knows no parts: what meets its condition is the finding
            return _Episode(members, True, self.rule.severity)
        return _Episode(sorted(members, key=order), whole, severity)

    def _compare(self, key: Key, group: _Group, episodes: Sequence[_Episode]) -> list[Found]:
        """What is new or changed against what was given out; an episode that goes on from another is the same alert."""
        out: list[Found] = []
        left = list(group.given)
        now: list[_Given] = []
        names = [each.name for each in self.plan.legs[0].by] or ["group"]
        shown: dict[str, str | None] = dict(zip(names if self.whole_key else names[:1], key, strict=False))
        for episode in episodes:
            members = frozenset(hit.id for hit in episode.hits)
            legs = tuple(self.plan.legs[n].name for n in sorted({h.step for h in episode.hits if h.step < self.legs}))
            said = (legs, episode.whole, episode.severity)
            heirs = [each for each in left if each.members & members]
            heir = heirs[0] if heirs else None
            if heir is not None:
                left.remove(heir)
            born = heir.born if heir is not None else [*(value or "" for value in key), episode.hits[0].id]
            while any(each.born == born for each in [*now, *left]):
                born = [*born, episode.hits[-1].id]  # its first alert is also what one that goes on was born from
            now.append(_Given(born, members, said))
            if heir is not None and (heir.members, heir.said) == (members, said):
                continue
            extra = {
                "kibana.alert.severity": episode.severity,
                "kibana.alert.risk_score": self._risk(episode),
                "tocsin.alert.whole": episode.whole,
                "tocsin.alert.legs": list(legs),
            }
            out.append(firing(self.rule, born, episode.hits, shown, extra))
        group.given = now
        known = {tuple(each.born) for each in now}
        reason = "an alert that it was made of was withdrawn or changed"
        out += [Withdrawal(self.rule.id, each.born, reason) for each in left if tuple(each.born) not in known]
        return out

    def _risk(self, episode: _Episode) -> float:
        if episode.severity == self.rule.severity:
            return float(self.rule.risk_score)
        return float(RISK.get(episode.severity, 47))  # type: ignore[call-overload]


def _observers(hits: Iterable[Hit]) -> set[str]:
    return {hit.values[0] for hit in hits if hit.values and hit.values[0] is not None}


def _take_out(hits: list[Hit], hit: Hit) -> None:
    place = bisect_left(hits, order(hit), key=order)
    while place < len(hits) and order(hits[place]) == order(hit):
        if hits[place].step == hit.step:
            del hits[place]
            return
        place += 1


def _ordered(hits: Sequence[Hit], legs: int) -> bool:
    """Whether the first so many legs, or any so many in the order of the legs, come one after the other."""
    reached: list[int] = []
    for hit in hits:
        if not reached or hit.step > reached[-1]:
            reached.append(hit.step)
        else:  # the smallest end of each length: what any order can still be gone on from
            reached[bisect_left(reached, hit.step)] = hit.step
    return len(reached) >= legs


TYPE: Final[RuleType] = _Correlation()
