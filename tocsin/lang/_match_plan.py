"""What thousands of predicates ask together: each test once, the places that it reads, and where it matters."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa

from tocsin.event.schema import HOT
from tocsin.lang import _match_nodes as nodes
from tocsin.lang._match_columns import Place
from tocsin.lang._match_nodes import Node
from tocsin.lang._match_scan import Memory, Scanner
from tocsin.lang.ir import (
    Always,
    And,
    Compare,
    Equals,
    Exists,
    Field,
    InList,
    IsNull,
    Like,
    Not,
    Or,
    Predicate,
    Regex,
    Scope,
    Test,
    Truth,
    Words,
    fields,
    leaves,
)

# Tests on these are met by most events: what a predicate can't do without is better sought elsewhere.
_COMMON: Final = frozenset(
    {
        "event.dataset", "event.module", "event.kind", "event.category", "event.type", "event.code", "event.action",
        "event.outcome", "event.provider", "host.os.type", "winlog.channel", "winlog.provider_name", "winlog.event_id",
        "service.name",
    }
)  # fmt: skip

Needed = tuple[float, frozenset[int]]
Readers = dict[int, tuple[tuple[int, Scope | None], ...]]
Guard = frozenset[int]  # the identities of predicates, all of which hold


class Plan:
    """The tests of all predicates, numbered, with the places that each reads and the scanner that decides it.

    First each predicate goes through `one`, then `node` and `needed` take what it gave; `compile` comes last.
    """

    def __init__(self, memory: Memory, cache: Path | None) -> None:
        self.tests: dict[int, int] = {}  # by identity
        self.scanners: list[Scanner] = []
        # For each place its scanners, and for each number of a test in a scanner the tests here with their scopes.
        self.places: dict[Place, list[tuple[Scanner, Readers]]] = {}
        # The rows where the tests of a dear scanner matter: where all nodes of one of these hold.
        self.guards: dict[Scanner, list[tuple[Node, ...]]] = {}
        self.keys: set[str] = set()
        self.in_lists: list[InList] = []
        self._memory = memory
        self._cache = cache
        self._nodes: dict[int, Node] = {}
        self._numbers = itertools.count()
        self._by_key: dict[object, Predicate] = {}
        self._by_id: dict[int, Predicate] = {}
        self._given: list[object] = []  # what identities are of stays alive
        self._fields: dict[int, Field] = {}

    def one(self, predicate: Predicate) -> Predicate:
        """The one object that stands for all predicates equal to this, so that it can be known by its identity:
        trees take long to hash."""
        held = self._by_id.get(id(predicate))
        if held is None:
            held = self._made_one(predicate)
            self._given.append(predicate)
            self._by_id[id(predicate)] = self._by_id[id(held)] = held
        return held

    def _made_one(self, predicate: Predicate) -> Predicate:
        key: object
        match predicate:
            case And(items) | Or(items):
                ones = tuple(map(self.one, items))
                kind = And if isinstance(predicate, And) else Or
                key = (kind, tuple(map(id, ones)))
                return self._by_key.get(key) or self._by_key.setdefault(key, kind(ones))
            case Not(item):
                item = self.one(item)
                key = (Not, id(item))
                return self._by_key.get(key) or self._by_key.setdefault(key, Not(item))
            case Test(field, op):
                known = self._fields.get(id(field))
                if known is None:
                    self._given.append(field)
                    key = (Field, field)
                    test = self._by_key.setdefault(key, Test(field, op))
                    known = self._fields[id(field)] = test.field if isinstance(test, Test) else field
                return self._by_key.setdefault((Test, id(known), op), Test(known, op))
        return self._by_key.setdefault(predicate, predicate)

    def node(self, predicate: Predicate) -> Node:
        """What evaluates a predicate."""
        node = self._nodes.get(id(predicate))
        if node is None:
            node = self._nodes[id(predicate)] = self._made(predicate)
        return node

    def _test(self, test: Test) -> int:
        return self.tests.setdefault(id(test), len(self.tests))

    def _made(self, predicate: Predicate) -> Node:
        match predicate:
            case Always(value):
                return nodes.everything if value else nodes.nothing
            case Test(field, Exists()):
                self._want(field)
                return functools.partial(nodes.exists, field)
            case Test():
                return functools.partial(nodes.met, self._test(predicate))
            case Not(item):
                return functools.partial(nodes.not_, self.node(item))
            case And(items):
                return functools.partial(
                    nodes.and_, tuple(self.node(item) for item in sorted(items, key=self._dearness))
                )
            case Or(items):
                ordered = sorted(items, key=self._dearness)
                node = functools.partial(nodes.or_, tuple(self.node(item) for item in ordered))
                plain = all(isinstance(leaf, Test) for leaf in leaves(predicate))
                return functools.partial(nodes.once, node, next(self._numbers)) if plain else node
            case InList():
                self.in_lists.append(predicate)
                return functools.partial(nodes.in_list, predicate)
            case Compare() | Truth() | IsNull():
                for field in fields(predicate):
                    self._want(field)
                return functools.partial(nodes.row_by_row, predicate)

    def needed(self, predicate: Predicate) -> Needed | None:
        """Tests of which one must be met for the predicate to hold, with how often that is likely; None: it may hold
        without any. No tests: it never holds."""
        match predicate:
            case Always(value):
                return None if value else (0.0, frozenset())
            case Test(_, Exists()):
                return None
            case Test():
                return _likelihood(predicate), frozenset([self._test(predicate)])
            case And(items):
                choices = [choice for choice in map(self.needed, items) if choice is not None]
                return min(choices, key=lambda choice: choice[0], default=None)
            case Or(items):
                every = [self.needed(item) for item in items]
                weight, tests = 0.0, frozenset[int]()
                for each in every:
                    if each is None:
                        return None
                    weight, tests = weight + each[0], tests | each[1]
                return weight, tests
        return None

    def compile(self, predicates: Iterable[Predicate]) -> None:
        """Put each test with its places and scanner, after the last `node`."""
        parent: dict[Place, Place] = {}

        def root(place: Place) -> Place:
            while parent.setdefault(place, place) != place:
                parent[place] = place = parent[parent[place]]
            return place

        tests = [test for test in map(self._by_id.__getitem__, self.tests) if isinstance(test, Test)]
        for test in tests:
            self._want(test.field)
            first, *rest = (Place(source.name, source.hot) for source in test.field.sources)
            for place in rest:
                parent[root(place)] = root(first)
        dear = {root(_place(test.field)) for test in tests if not _is_cheap(test.field)}
        guards = self._guards(predicates, lambda field: _is_cheap(field) and root(_place(field)) not in dear)
        scanners: dict[tuple[Place, frozenset[Guard]], Scanner] = {}
        wanted: dict[Scanner, set[Guard]] = defaultdict(set)
        readers: dict[Place, dict[Scanner, dict[int, dict[tuple[int, Scope | None], None]]]] = {}
        for number, test in enumerate(tests):
            family = root(_place(test.field))
            # Tests of other scopes are other rows' business: a long text is looked at only for those of its own.
            group = self._scopes(guards[id(test)]) if family in dear else frozenset[Guard]()
            scanner = scanners.get((family, group))
            if scanner is None:
                scanner = scanners[family, group] = Scanner(self._memory, self._cache)
            if family in dear:
                wanted[scanner] |= guards[id(test)]
            atom = scanner.add(test.op, test.field.kind)
            for source in test.field.sources:
                here = readers.setdefault(Place(source.name, source.hot), {}).setdefault(scanner, {})
                here.setdefault(atom, {})[number, source.scope] = None
        self.scanners = list(scanners.values())
        for scanner in self.scanners:
            scanner.compile()
        for scanner, found in wanted.items():
            weakest = _weakest(found)
            if frozenset() not in weakest:
                self.guards[scanner] = [
                    tuple(self.node(self._by_id[each]) for each in sorted(guard)) for guard in weakest
                ]
        for place, by_scanner in readers.items():
            self.places[place] = [
                (scanner, {atom: tuple(tests) for atom, tests in atoms.items()})
                for scanner, atoms in by_scanner.items()
            ]

    def _guards(self, predicates: Iterable[Predicate], is_cheap: Callable[[Field], bool]) -> dict[int, set[Guard]]:
        """For each test, sets of cheap predicates: it matters only in rows where all of one set hold. They stand beside
        it in conjunctions; whether what is between is negated makes no difference."""
        known: dict[int, bool] = {}

        def guards(predicate: Predicate) -> bool:
            held = known.get(id(predicate))
            if held is None:
                held = known[id(predicate)] = all(
                    isinstance(leaf, Test) and is_cheap(leaf.field) for leaf in leaves(predicate)
                )
            return held

        found: dict[int, set[Guard]] = defaultdict(set)
        stack = [(predicate, Guard()) for predicate in predicates]
        while stack:
            predicate, guard = stack.pop()
            match predicate:
                case And(items):
                    cheap = Guard(id(item) for item in items if guards(item))
                    stack += [(item, guard | cheap) for item in items if id(item) not in cheap]
                case Or(items):
                    stack += [(item, guard) for item in items]
                case Not(item):
                    stack.append((item, guard))
                case Test():
                    found[id(predicate)].add(guard)
        return found

    def _scopes(self, guards: set[Guard]) -> frozenset[Guard]:
        """The guards cut to what says which kind of event it is."""
        return frozenset(_weakest({Guard(item for item in guard if self._is_scope(item)) for guard in guards}))

    @functools.cache  # noqa: B019  # the plan lives as long as its matcher
    def _is_scope(self, identity: int) -> bool:
        return all(field.name in _COMMON for field in fields(self._by_id[identity]))

    @staticmethod
    def _dearness(predicate: Predicate) -> int:
        """The order in which the items of a conjunction are looked at: what costs least first."""
        if isinstance(predicate, (Test, Always)):
            return 3 if isinstance(predicate, Test) and isinstance(predicate.op, Exists) else 0
        kinds = set(map(type, leaves(predicate)))
        if kinds & {Compare, Truth, IsNull}:
            return 5
        if InList in kinds:
            return 4
        return 1 if isinstance(predicate, Or) else 2

    def _want(self, field: Field) -> None:
        self.keys.update(source.name for source in field.sources if not source.hot)


def _place(field: Field) -> Place:
    return Place(field.sources[0].name, field.sources[0].hot)


def _is_cheap(field: Field) -> bool:
    """Whether a field's values are few, or short: those of a column that is kept as a dictionary, or is no text."""
    hot = [HOT[source.name].arrow for source in field.sources if source.hot and source.name in HOT]
    return bool(hot) and not any(pa.types.is_string(arrow) for arrow in hot)


def _weakest(guards: set[Guard]) -> list[Guard]:
    """Without those that another one implies."""
    kept: list[Guard] = []
    for guard in sorted(guards, key=len):
        if not any(weaker <= guard for weaker in kept):
            kept.append(guard)
    return kept


def _likelihood(test: Test) -> float:
    """How likely some event of a batch meets a test: a guess, which only decides where a predicate is looked at."""
    if test.field.name in _COMMON:
        return 1000.0
    match test.op:
        case Equals(values):
            return float(len(values))
        case Like(parts):
            return 1 + 20 / max((len(part) for part in parts if isinstance(part, str) and part), default=0.02)
        case Words(words):
            return 1 + 20 / max(sum(len(word) for word in words), 1)
        case Regex(pattern):
            return 5 + 20 / max(len(pattern), 1)
    return 50.0
