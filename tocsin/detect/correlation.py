"""Correlations: alerts of other rules within a window become one alert, which rises as further legs come.

A leg's first key is what it joins by (a client's address, say). A leg without it (null) joins every group that has one
of its remaining keys: a server's crash, which names no client, joins the clients that failed at a server of that name
or address. So all legs are one shard.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tocsin.detect import RISK, HitReader, Lowering, Machine, Rule, RuleType, StepSpec
from tocsin.detect._elastic import duration
from tocsin.detect._keys import Episode, order
from tocsin.errors import TocsinError
from tocsin.lang.ir import Correlation, Leg, Plan
from tocsin.ports import EventRef, Firing, Hit, Withdrawal

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
        return _Machine(rule, rule.plan)


class _Machine:
    """One shard: legs' alerts by first key. Hits are alerts: step = leg, values[0] = observer; raising legs come
    after the legs."""

    def __init__(self, rule: Rule, plan: Correlation) -> None:
        self.rule, self.plan = rule, plan
        self.hits: list[Hit] = []
        self.seen: dict[tuple[str, int], Hit] = {}
        self.given: dict[tuple[str, ...], tuple[tuple[str, ...], str]] = {}
        self.kept: dict[str, list[str]] = {}
        self.reach = plan.window + max((within for _, within, _ in plan.raised), default=0)

    def feed(self, hits: Sequence[Hit], watermark: int) -> list[Firing | Withdrawal]:
        if not hits:
            return []
        for hit in hits:
            mark = (hit.id, hit.step)
            if (old := self.seen.pop(mark, None)) is not None:
                self.hits.remove(old)
            if hit.silenced is None:
                self.seen[mark] = hit
                insort(self.hits, hit, key=order)
        low = min(hit.time for hit in hits) - 2 * self.reach
        recent = [hit for hit in self.hits if hit.time >= low]
        out = self._compare(recent, self._episodes(recent))
        if len(self.hits) > _LIMIT:
            for old in self.hits[: len(self.hits) - _LIMIT]:
                self.seen.pop((old.id, old.step), None)
            del self.hits[: len(self.hits) - _LIMIT]
        return out

    def size(self) -> int:
        return len(self.hits)

    def _episodes(self, hits: Sequence[Hit]) -> Iterable[Episode]:
        groups: dict[str, list[Hit]] = {}
        loose: list[Hit] = []
        for hit in hits:
            if hit.key and hit.key[0] is not None:
                groups.setdefault(hit.key[0], []).append(hit)
            else:
                loose.append(hit)
        for client, own in groups.items():
            places = {value for hit in own for value in hit.key[1:] if value}
            joined = sorted([*own, *(hit for hit in loose if places.intersection(hit.key[1:]))], key=order)
            yield from self._windows(client, joined)

    def _windows(self, client: str, hits: list[Hit]) -> Iterable[Episode]:
        """Greedy from the left: legs within one window of the first make one episode, then the search goes on behind
        it."""
        legs = len(self.plan.legs)
        plain = [hit for hit in hits if hit.step < legs]
        start = 0
        while start < len(plain):
            first = plain[start]
            within = [hit for hit in plain[start:] if hit.time <= first.time + self.plan.window]
            met = {hit.step for hit in within}
            if len(met) < self.plan.minimum or (self.plan.ordered and not _ordered(within, legs)):
                start += 1
                continue
            yield self._episode(client, within, hits)
            start += len(within)

    def _episode(self, client: str, within: list[Hit], hits: list[Hit]) -> Episode:
        legs = len(self.plan.legs)
        observers = {hit.values[0] for hit in within if hit.values and hit.values[0] is not None}
        whole = len({hit.step for hit in within}) == legs and len(observers) >= self.plan.observers
        severity: str = self.rule.severity if whole else self.plan.partial
        members = list(within)
        if whole:
            for number, (_, reach, raised) in enumerate(self.plan.raised):
                end = within[-1].time
                after = [h for h in hits if h.step == legs + number and within[0].time <= h.time <= end + reach]
                if after:
                    severity = raised
                    members.extend(after)
        names = [self.plan.legs[step].name for step in sorted({hit.step for hit in within})]
        first_by = self.plan.legs[0].by
        return Episode(
            born=[client, within[0].id],
            hits=members,
            group={first_by[0].name if first_by else "group": client},
            extra={
                "kibana.alert.severity": severity,
                "kibana.alert.risk_score": float(RISK.get(severity, 47)),  # type: ignore[call-overload]
                "tocsin.alert.whole": whole,
                "tocsin.alert.legs": names,
            },
        )

    def _compare(self, recent: Sequence[Hit], episodes: Iterable[Episode]) -> list[Firing | Withdrawal]:
        out: list[Firing | Withdrawal] = []
        current: set[tuple[str, ...]] = set()
        for episode in episodes:
            born = next((self.kept[hit.id] for hit in episode.hits if hit.id in self.kept), episode.born)
            if born[0] != episode.born[0] or tuple(born) in current:
                born = episode.born
            for hit in episode.hits:
                if hit.key and hit.key[0] is not None:
                    self.kept.setdefault(hit.id, born)
            episode.born = born
            current.add(tuple(born))
            signature = episode.signature()
            if self.given.get(tuple(born)) == signature:
                continue
            self.given[tuple(born)] = signature
            out.append(
                Firing(
                    rule=self.rule.id,
                    events=[EventRef(hit.id, hit.dataset, hit.host, hit.time) for hit in episode.hits],
                    group=episode.group,
                    born=born,
                    extra=dict(episode.extra),
                    lane=max(hit.lane for hit in episode.hits),
                    position=max(hit.position for hit in episode.hits),
                )
            )
        reached = {hit.id for hit in recent}
        known = {mark[0] for mark in self.seen}
        for given, (ids, _) in list(self.given.items()):
            if given not in current and all(i in reached or i not in known for i in ids):
                del self.given[given]
                out.append(
                    Withdrawal(self.rule.id, list(given), "an alert that it was made of was withdrawn or changed")
                )
        return out


def _ordered(hits: Sequence[Hit], legs: int) -> bool:
    step = 0
    for hit in hits:
        if hit.step == step:
            step += 1
    return step == legs


TYPE: Final[RuleType] = _Correlation()
