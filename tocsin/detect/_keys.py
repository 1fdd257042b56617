"""The hits of one key, in memory as a cache over the stored ones, and what was given out of them.

A stateful rule is a pure function of its hits. For each key that is touched, a `Track` holds the hits within reach and
what they gave; a hit that comes in order is one step on, a late one runs the rest of the key again. A key that is not
in memory, or not from early enough on, is read back from the stored hits: those that are not new were looked at
before, so what they gave is known and not given out again. Memory: at most `limit` hits; the keys longest untouched
are dropped.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

from tocsin.detect import HitReader, Rule
from tocsin.ports import EventRef, Firing, Hit, Span, Withdrawal

Key = tuple[str | None, ...]
Found = Firing | Withdrawal
LIMIT: Final = 500_000
# Members that a firing names; how many there are is counted exactly all the same.
NAMED: Final = 10_000
# Of keys that are read back, how much further into the past each attempt looks, and where it ends.
_FURTHER: Final = 8
_FURTHEST: Final = 10 * 366 * 86_400_000_000


def order(hit: Hit) -> tuple[int, int, str]:
    """Event order: time, tie, id (DESIGN section 3, "Time"); never arrival."""
    return hit.time, hit.tie if hit.tie is not None else -1, hit.id


def mark(hit: Hit) -> tuple[str, int, Key]:
    """What a hit is known by: counted once however often it comes."""
    return hit.id, hit.step, hit.values


class Track(Protocol):
    """What is held of one key."""

    waiting: int | None  # the watermark at which it is to be asked again

    def known(self, hits: Sequence[Hit], start: int | None, asked: int) -> bool:
        """Take the stored hits from `start` (µs; None: all there are) that were looked at before: what they give is
        given out already. False: that is not early enough to know how things stood at `asked`."""
        ...

    def reaches(self, moment: int) -> bool:
        """Whether a hit of this time can be taken with what is held."""
        ...

    def feed(self, hits: Sequence[Hit], watermark: int) -> list[Found]:
        """Take new hits of this key; what is new, changed or overturned."""
        ...

    def settle(self, watermark: int) -> list[Found]:
        """Time has passed and nothing more has come."""
        ...

    def size(self) -> int:
        """Hits held."""
        ...


class Keyed:
    """The tracks of a rule. `steps` are the steps whose hits it takes (None: all); `reach` is how far (µs) before a
    hit stored ones matter to it (None: from the beginning)."""

    def __init__(
        self,
        rule: Rule,
        reader: HitReader,
        reach: int | None,
        make: Callable[[Key], Track],
        *,
        steps: frozenset[int] | None = None,
        limit: int = LIMIT,
    ) -> None:
        self.rule = rule
        self.reader = reader
        self.reach = reach
        self.make = make
        self.steps = steps
        self.limit = limit
        self.held: OrderedDict[Key, Track] = OrderedDict()
        self.count = 0
        self._due: list[tuple[int, int, Key]] = []
        self._number = 0

    def feed(self, hits: Sequence[Hit], watermark: int) -> list[Found]:
        """See `Machine.feed`."""
        touched: dict[Key, dict[Any, Hit]] = {}
        for hit in hits:
            if hit.silenced is None and (self.steps is None or hit.step in self.steps):
                touched.setdefault(hit.key, {}).setdefault(mark(hit), hit)
        new = {key: sorted(each.values(), key=_stepwise) for key, each in touched.items()}
        self._load(new)
        out: list[Found] = []
        for key, own in new.items():
            out += self._with(key, lambda track, own=own: track.feed(own, watermark))  # type: ignore[misc]
        out += self._passed(watermark, new)
        self._shrink()
        return out

    def again(self, keys: Iterable[Key], watermark: int) -> list[Found]:
        """Ask keys again, for what they depend on beside their hits has changed."""
        out: list[Found] = []
        for key in keys:
            if key in self.held:
                out += self._with(key, lambda track: track.settle(watermark))
        return out

    def need(self, key: Key, moment: int) -> Track:
        """The track of a key, read back if it isn't held from so early on."""
        track = self.held.get(key)
        if track is None or not track.reaches(moment):
            self._read([key], {key: moment}, {})
        return self.held[key]

    def size(self) -> int:
        """Hits held in memory."""
        return self.count

    def _with(self, key: Key, do: Callable[[Track], list[Found]]) -> list[Found]:
        track = self.held[key]
        before, waited = track.size(), track.waiting
        found = do(track)
        self.count += track.size() - before
        if track.waiting is not None and track.waiting != waited:
            self._wait(key, track.waiting)
        return found

    def _wait(self, key: Key, moment: int) -> None:
        self._number += 1
        heapq.heappush(self._due, (moment, self._number, key))

    def _passed(self, watermark: int, fed: Container[Key]) -> list[Found]:
        """Keys that waited for the watermark to come so far; those that were fed just now go on waiting."""
        due: dict[Key, None] = {}
        while self._due and self._due[0][0] <= watermark:
            _, _, key = heapq.heappop(self._due)
            track = self.held.get(key)
            if track is not None and track.waiting is not None and track.waiting <= watermark:
                due[key] = None
        for key in due:
            if key in fed:
                self._wait(key, watermark)
        return self.again([key for key in due if key not in fed], watermark)

    def _load(self, new: dict[Key, list[Hit]]) -> None:
        lacking: dict[Key, int] = {}
        for key, own in new.items():
            track = self.held.get(key)
            if track is not None:
                self.held.move_to_end(key)
            if track is None or not track.reaches(own[0].time):
                lacking[key] = own[0].time
        if lacking:
            self._read(list(lacking), lacking, new)

    def _read(self, keys: list[Key], moments: dict[Key, int], new: dict[Key, list[Hit]]) -> None:
        """Bring keys from the store, further and further back until it is known how things stood."""
        reach = self.reach
        while keys:
            start = None if reach is None else min(moments[key] for key in keys) - reach
            stored: dict[Key, list[Hit]] = {key: [] for key in keys}
            for hit in self.reader.hits(self.rule.id, self.rule.generation, keys, Span(start, None)):
                if hit.silenced is None and (self.steps is None or hit.step in self.steps) and hit.key in stored:
                    stored[hit.key].append(hit)
            short = []
            for key in keys:
                fresh = {mark(hit) for hit in new.get(key, ())}
                before = list({mark(hit): hit for hit in stored[key] if mark(hit) not in fresh}.values())
                track = self.make(key)
                if not track.known(before, start, moments[key]):
                    short.append(key)
                self._replace(key, track)
            if reach is None or reach > _FURTHEST:
                return
            reach *= _FURTHER
            keys = short

    def _replace(self, key: Key, track: Track) -> None:
        old = self.held.pop(key, None)
        self.count += track.size() - (old.size() if old is not None else 0)
        self.held[key] = track
        if track.waiting is not None:
            self._wait(key, track.waiting)

    def _shrink(self) -> None:
        if self.count <= self.limit or len(self.held) < 2:
            return
        # One that waits for a watermark must stay: nothing would touch it again.
        for key in list(self.held)[:-1]:
            if self.count <= self.limit:
                return
            track = self.held[key]
            if track.waiting is None:
                del self.held[key]
                self.count -= track.size()


def as_they_came(hits: Iterable[Hit]) -> Iterator[list[Hit]]:
    """Stored hits in the order in which they arrived, in runs that are each in event order."""
    run: list[Hit] = []
    for hit in sorted(hits, key=lambda h: (h.arrival, h.lane, h.position, *_stepwise(h))):
        if run and _stepwise(hit) < _stepwise(run[-1]):
            yield run
            run = []
        run.append(hit)
    if run:
        yield run


def firing(rule: Rule, born: list[str], hits: Sequence[Hit], group: dict[str, str | None], extra: Any) -> Firing:
    """A firing over these hits; each event once. It names all of them up to `NAMED`, of more the first and last."""
    if len(hits) > NAMED:
        hits = [*hits[: NAMED // 2], *hits[-NAMED // 2 :]]
    last = max(hits, key=lambda hit: (hit.lane, hit.position))
    events = {hit.id: EventRef(hit.id, hit.dataset, hit.host, hit.time) for hit in hits}
    return Firing(
        rule=rule.id,
        events=list(events.values()),
        group=group,
        born=born,
        extra=dict(extra),
        lane=last.lane,
        position=last.position,
    )


def _stepwise(hit: Hit) -> tuple[int, int, str, int]:
    return (*order(hit), hit.step)
