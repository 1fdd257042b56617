"""The hits of one key, in memory as a cache over the stored ones, and the difference between what fired before and now.

A stateful rule is a pure function of its hits: for each key that new hits touch, its episodes are worked out anew
from the hits within reach, and compared with the episodes that were given out. So a late event, a replay and a
restart need no case of their own. Memory: at most `limit` hits; the keys longest untouched are dropped and read back
from the store when touched again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tocsin.detect import HitReader, Rule
from tocsin.ports import EventRef, Firing, Hit, Span, Withdrawal

Key = tuple[str | None, ...]
LIMIT: Final = 500_000


@dataclass(slots=True)
class Episode:
    """One finding within a key: what its id is hashed from, its hits in order, and fields for the alert's top."""

    born: list[str]
    hits: list[Hit]
    extra: dict[str, object] = field(default_factory=dict)
    group: dict[str, str | None] = field(default_factory=dict)

    def signature(self) -> tuple[tuple[str, ...], str]:
        """What makes it the same as one given out before."""
        return tuple(hit.id for hit in self.hits), repr(sorted(self.extra.items()))


def order(hit: Hit) -> tuple[int, int, str, int]:
    """Event order: time, tie, id (DESIGN section 3, "Time"); never arrival."""
    return hit.time, hit.tie if hit.tie is not None else -1, hit.id, hit.step


@dataclass(slots=True)
class _Held:
    hits: list[Hit] = field(default_factory=list)
    seen: set[tuple[str, int]] = field(default_factory=set)
    given: dict[tuple[str, ...], tuple[tuple[str, ...], str]] = field(default_factory=dict)
    kept: dict[tuple[str, ...], list[str]] = field(
        default_factory=dict
    )  # first event at birth → the born that was given


class Keyed:
    """Feeds the hits of a rule to `evaluate(key, hits in order) -> episodes`, key by key.

    `reach` is how far in time (µs) an event can matter to another of its key.
    """

    def __init__(
        self,
        rule: Rule,
        reader: HitReader,
        reach: int,
        evaluate: Callable[[Key, Sequence[Hit], int], Iterable[Episode]],
        *,
        keep_birth: bool,
        limit: int = LIMIT,
    ) -> None:
        self.rule = rule
        self.reader = reader
        self.reach = reach
        self.evaluate = evaluate
        self.keep_birth = keep_birth
        self.limit = limit
        self.held: OrderedDict[Key, _Held] = OrderedDict()
        self.count = 0

    def feed(self, hits: Sequence[Hit], watermark: int) -> list[Firing | Withdrawal]:
        """See `Machine.feed`."""
        touched: dict[Key, list[Hit]] = {}
        for hit in hits:
            if hit.silenced is None:
                touched.setdefault(hit.key, []).append(hit)
        self._load(touched)
        out: list[Firing | Withdrawal] = []
        for key, new in touched.items():
            held = self.held[key]
            for hit in new:
                if (hit.id, hit.step) not in held.seen:
                    held.seen.add((hit.id, hit.step))
                    insort(held.hits, hit, key=order)
                    self.count += 1
            out.extend(self._settle(key, held, new, watermark))
        self._shrink()
        return out

    def again(self, keys: Iterable[Key], watermark: int) -> list[Firing | Withdrawal]:
        """Work keys out anew because the watermark has moved past something that they wait for."""
        out: list[Firing | Withdrawal] = []
        for key in keys:
            if (held := self.held.get(key)) is not None:
                out.extend(self._settle(key, held, held.hits[-1:], watermark))
        return out

    def size(self) -> int:
        """Hits held in memory."""
        return self.count

    def _load(self, touched: dict[Key, list[Hit]]) -> None:
        """Bring the keys that aren't in memory: all their hits within reach of the new ones, from the store."""
        fresh = [key for key in touched if key not in self.held]
        for key in touched:
            if key in self.held:
                self.held.move_to_end(key)
        if not fresh:
            return
        times = [hit.time for key in fresh for hit in touched[key]]
        span = Span(min(times) - 2 * self.reach, max(times) + 2 * self.reach + 1)
        for key in fresh:
            self.held[key] = _Held()
        for hit in self.reader.hits(self.rule.id, self.rule.generation, fresh, span):
            held = self.held.get(hit.key)
            if held is not None and hit.silenced is None and (hit.id, hit.step) not in held.seen:
                held.seen.add((hit.id, hit.step))
                held.hits.append(hit)
                self.count += 1
        for key in fresh:
            self.held[key].hits.sort(key=order)

    def _settle(self, key: Key, held: _Held, new: Sequence[Hit], watermark: int) -> list[Firing | Withdrawal]:
        if not new:
            return []
        low = min(hit.time for hit in new) - 2 * self.reach
        first = bisect_left(held.hits, low, key=lambda hit: hit.time)
        window = held.hits[first:]
        out: list[Firing | Withdrawal] = []
        current: dict[tuple[str, ...], Episode] = {}
        for episode in self.evaluate(key, window, watermark):
            if self.keep_birth:
                episode.born = self._birth(held, episode)
            current[tuple(episode.born)] = episode
        newest = {hit.id: hit for hit in new}
        for born, episode in current.items():
            signature = episode.signature()
            if held.given.get(born) == signature:
                continue
            held.given[born] = signature
            last = max(episode.hits, key=lambda hit: (hit.lane, hit.position)) if episode.hits else None
            out.append(
                Firing(
                    rule=self.rule.id,
                    events=[EventRef(hit.id, hit.dataset, hit.host, hit.time) for hit in episode.hits],
                    group=episode.group,
                    born=episode.born,
                    extra=dict(episode.extra),
                    lane=last.lane if last else -1,
                    position=last.position if last else -1,
                    backfill=all(late(hit) for hit in episode.hits if hit.id in newest) and bool(newest),
                )
            )
        reached = {hit.id for hit in window}
        for born, (ids, _) in list(held.given.items()):
            if born not in current and ids and set(ids) <= reached:
                del held.given[born]
                out.append(Withdrawal(self.rule.id, list(born), "a late event changed what the rule found"))
        return out

    def _birth(self, held: _Held, episode: Episode) -> list[str]:
        """The born of an episode given out before that shares a hit with this one: kept when a late event comes
        before it."""
        for hit in episode.hits:
            if kept := held.kept.get((hit.id,)):
                return kept
        for hit in episode.hits:
            held.kept[(hit.id,)] = episode.born
        return episode.born

    def _shrink(self) -> None:
        while self.count > self.limit and len(self.held) > 1:
            _, held = self.held.popitem(last=False)
            self.count -= len(held.hits)


def late(hit: Hit) -> bool:
    """Whether an event came more than a day after its time: a backfill, of which nobody is notified."""
    return hit.arrival - hit.time > 86_400_000_000
