"""What the tests of rule types share: hits, rules, a store of hits in memory, and what stands at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from tocsin.detect import HitReader, Machine, Rule
from tocsin.detect._load import types
from tocsin.event.schema import Kind
from tocsin.lang.ir import TRUE, Field, Plan
from tocsin.ports import Firing, Hit, Span, Withdrawal

SECOND = 1_000_000
MINUTE = 60 * SECOND
NOW = 1_700_000_000 * SECOND
TYPES = types()
Standing = set[tuple[str, frozenset[str]]]


def field(name: str) -> Field:
    return Field(name, Kind.KEYWORD, ())


def hit(second: float, id_: str = "", *, key: Sequence[str | None] = ("k",), step: int = 0, **more: Any) -> Hit:
    """A hit so many seconds after NOW; it arrives a second later."""
    moment = NOW + int(second * SECOND)
    given: dict[str, Any] = {"values": (), "tie": None, "dataset": "d", "host": "h", "arrival": moment + SECOND}
    given |= {"lane": 0, "position": int(second * 1000), "record": 0, "silenced": None, **more}
    return Hit("r", "g", step, tuple(key), id=id_ or f"e{second:g}", time=moment, **given)


def rule(plan: Plan, **more: Any) -> Rule:
    """A rule that runs this plan."""
    name = next(name for name, each in TYPES.items() if isinstance(plan, each.plans))
    made = Rule("r", "R", name, plan, "medium", 47, "r.toml", "elastic", "", generation="g")
    return replace(made, **more)


class Stored:
    """A `HitReader` over hits in memory, which counts how often it is asked."""

    def __init__(self) -> None:
        self.all: dict[Any, Hit] = {}
        self.asked = 0

    def add(self, hits: Iterable[Hit]) -> None:
        for each in hits:
            self.all.setdefault((each.rule, each.generation, each.step, each.id, each.key, each.values), each)

    def hits(self, rule: str, generation: str, keys: Sequence[tuple[str | None, ...]], span: Span) -> list[Hit]:
        self.asked += 1
        low = -(1 << 62) if span.start is None else span.start
        high = 1 << 62 if span.end is None else span.end
        return [
            each
            for each in self.all.values()
            if each.rule == rule and each.generation == generation and each.key in keys and low <= each.time < high
        ]


def machine(rule: Rule, reader: HitReader | None = None) -> Machine:
    made = TYPES[rule.type].machine(rule, reader or Stored())
    assert made is not None
    return made


def standing(found: Iterable[Firing | Withdrawal]) -> Standing:
    """(group and members) of what is given out and not withdrawn."""
    held: dict[tuple[str, ...], tuple[str, frozenset[str]]] = {}
    for item in found:
        if isinstance(item, Withdrawal):
            held.pop(tuple(item.born), None)
        else:
            members = frozenset(event.id for event in item.events)
            held[tuple(item.born)] = (repr(sorted(item.group.items())), members)
    return set(held.values())


def run(
    rule: Rule, feeds: Iterable[Sequence[Hit]], *, watermark: int = NOW + 10**15, restart_before: Iterable[int] = ()
) -> tuple[list[Firing | Withdrawal], Stored]:
    """Feed by feed: each is stored, then looked at. Before the feeds `restart_before` the machine is made anew."""
    stored = Stored()
    made = machine(rule, stored)
    found: list[Firing | Withdrawal] = []
    for number, hits in enumerate(feeds):
        if number in set(restart_before):
            made = machine(rule, stored)
        stored.add(hits)
        found += made.feed(hits, watermark)
    found += made.feed((), watermark)
    return found, stored


ALWAYS = TRUE
