"""Which events of a batch meet which of thousands of predicates: the back end of the stream, `scan` and rule tests.

Work goes by column. Every test of every predicate stands with the places that its field reads; places that share a
field share one `Scanner`, which looks at each unique value once and remembers what it satisfies. The tests that some
row satisfied become bit sets over the batch's rows; a predicate is looked at only where a test that it can't do
without was met, and is then plain boolean algebra. `ir` says what each node means.
"""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tocsin.event.schema import HOT
from tocsin.lang._match_columns import Columns, Encoded, Place
from tocsin.lang._match_rows import Reader
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
from tocsin.lang.lists import expand

_NOWHERE: Final = np.zeros(0, np.bool_)

Key = TypeVar("Key", bound=Hashable)
Found = npt.NDArray[np.int32]
Bits = int  # row r is bit r
# Tests on these are met by most events: what a predicate can't do without is better sought elsewhere.
_COMMON: Final = frozenset(
    {
        "event.dataset", "event.module", "event.kind", "event.category", "event.type", "event.code", "event.action",
        "event.outcome", "event.provider", "host.os.type", "winlog.channel", "winlog.provider_name", "winlog.event_id",
        "service.name",
    }
)  # fmt: skip


class Lists(Protocol):
    """What `InList` asks; `ports.Lists` is one."""

    def rows(self, name: str) -> Sequence[Mapping[str, str]]:
        """The rows of a list, by column name."""

    def version(self) -> str:
        """Changes when any list does."""


class Matcher(Generic[Key]):
    """Matches batches against predicates, each under its key. Not safe for several threads at once.

    `cache` is a folder where compiled patterns are kept, by a hash of what they were made from: a second start then
    takes a fraction of a second. `cache_bytes` bounds what is remembered of values seen. `lists` gives the rows that
    `InList` asks for; its version is looked at once a batch. Without it every list is empty.
    """

    def __init__(
        self,
        predicates: Mapping[Key, Predicate],
        *,
        cache: Path | None = None,
        cache_bytes: int = 64 << 20,
        lists: Lists | None = None,
    ) -> None:
        self._memory = Memory(cache_bytes // 2)  # two generations of remembered values
        self._plan = _Plan(self._memory, cache)
        self._rules: list[tuple[Key, _Node]] = []
        self._always: list[int] = []
        wakes: dict[int, list[int]] = defaultdict(list)
        for key, predicate in predicates.items():
            needed = self._plan.needed(predicate)
            if needed is not None and not needed[1]:
                continue  # it never holds
            number = len(self._rules)
            self._rules.append((key, self._plan.node(predicate)))
            if needed is None:
                self._always.append(number)
            else:
                for test in needed[1]:
                    wakes[test].append(number)
        self._wakes = {test: tuple(rules) for test, rules in wakes.items()}
        self._plan.compile(predicates.values())
        self._listed = _Listed(self._plan.in_lists, lists) if self._plan.in_lists else None
        # Seconds by stage since the start, for the benchmark.
        self.seconds = dict.fromkeys(("columns", "values", "rows", "predicates"), 0.0)

    def match(self, batch: pa.RecordBatch) -> dict[Key, Found]:
        """For each predicate that some event meets, the numbers of their rows, ascending."""
        n = batch.num_rows
        if not n or not self._rules:
            return {}
        if self._memory.used >= self._memory.limit:
            self._turn()
        run = _Run(batch, self._plan, self._listed, self.seconds)
        met = run.scan()
        start = perf_counter()
        woken: set[int] = set(self._always)
        for test in met:
            woken.update(self._wakes.get(test, ()))
        found: dict[Key, Found] = {}
        for number in sorted(woken):
            key, node = self._rules[number]
            bits = node(run, run.full)
            if bits:
                found[key] = rows_of(bits, n)
        self.seconds["predicates"] += perf_counter() - start
        return found

    @property
    def scanned(self) -> int:
        """How many values were looked at because nothing was remembered of them."""
        return sum(scanner.scanned for scanner in self._plan.scanners)

    def _turn(self) -> None:
        for scanner in self._plan.scanners:
            scanner.turn()
        self._memory.used = 0


# ---- bit sets


def bits_of(rows: npt.NDArray[Any], n: int) -> Bits:
    """Row numbers as a bit set."""
    if len(rows) < 12:
        bits = 0
        for row in rows.tolist():
            bits |= 1 << row
        return bits
    flags = np.zeros(n, np.bool_)
    flags[rows] = True
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def rows_of(bits: Bits, n: int) -> Found:
    """A bit set as ascending row numbers."""
    packed = np.frombuffer(bits.to_bytes((n + 7) // 8, "little"), np.uint8)
    return np.flatnonzero(np.unpackbits(packed, bitorder="little")).astype(np.int32)


# ---- what all predicates together ask

Needed = tuple[float, frozenset[int]]
_Readers = dict[int, tuple[tuple[int, Scope | None], ...]]
_Guards = frozenset[frozenset[Predicate]]


class _Plan:
    """The tests of all predicates, numbered, with the places that each reads and the scanner that decides it."""

    def __init__(self, memory: Memory, cache: Path | None) -> None:
        self.tests: dict[Test, int] = {}
        self.scanners: list[Scanner] = []
        # For each place its scanners, and for each number of a test in a scanner the tests here with their scopes.
        self.places: dict[Place, list[tuple[Scanner, _Readers]]] = {}
        # The rows where the tests of a dear scanner matter: where all nodes of one of these hold.
        self.guards: dict[Scanner, list[tuple[_Node, ...]]] = {}
        self.keys: set[str] = set()
        self.in_lists: list[InList] = []
        self._memory = memory
        self._cache = cache
        self._nodes: dict[Predicate, _Node] = {}
        self._numbers = itertools.count()

    def node(self, predicate: Predicate) -> _Node:
        """What evaluates a predicate; equal ones share one."""
        node = self._nodes.get(predicate)
        if node is None:
            node = self._nodes[predicate] = self._made(predicate)
        return node

    def test(self, test: Test) -> int:
        number = self.tests.get(test)
        if number is None:
            number = self.tests[test] = len(self.tests)
        return number

    def _made(self, predicate: Predicate) -> _Node:
        match predicate:
            case Always(value):
                return _everything if value else _nothing
            case Test(field, Exists()):
                self._want(field)
                return functools.partial(_exists, field)
            case Test():
                return functools.partial(_met, self.test(predicate))
            case Not(item):
                return functools.partial(_not, self.node(item))
            case And(items):
                return functools.partial(_and, tuple(self.node(item) for item in sorted(items, key=_dearness)))
            case Or(items):
                ordered = sorted(items, key=_dearness)
                node = functools.partial(_or, tuple(self.node(item) for item in ordered))
                plain = all(isinstance(leaf, Test) for leaf in leaves(predicate))
                return functools.partial(_once, node, next(self._numbers)) if plain else node
            case InList():
                self.in_lists.append(predicate)
                return functools.partial(_in_list, predicate)
            case Compare() | Truth() | IsNull():
                for field in fields(predicate):
                    self._want(field)
                return functools.partial(_row_by_row, predicate)

    def needed(self, predicate: Predicate) -> Needed | None:
        """Tests of which one must be met for the predicate to hold, with how often that is likely; None: it may hold
        without any. No tests: it never holds."""
        match predicate:
            case Always(value):
                return None if value else (0.0, frozenset())
            case Test(_, Exists()):
                return None
            case Test():
                return _likelihood(predicate), frozenset([self.test(predicate)])
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

        for test in self.tests:
            self._want(test.field)
            first, *rest = (Place(source.name, source.hot) for source in test.field.sources)
            for place in rest:
                parent[root(place)] = root(first)
        dear = {root(_place(test.field)) for test in self.tests if not _is_cheap(test.field)}
        guards = _guards(predicates, lambda field: _is_cheap(field) and root(_place(field)) not in dear)
        scanners: dict[tuple[Place, _Guards], Scanner] = {}
        wanted: dict[Scanner, set[frozenset[Predicate]]] = defaultdict(set)
        readers: dict[Place, dict[Scanner, dict[int, dict[tuple[int, Scope | None], None]]]] = {}
        for test, number in self.tests.items():
            family = root(_place(test.field))
            # Tests of other scopes are other rows' business: a long text is looked at only for those of its own.
            group = _scopes(guards[test]) if family in dear else frozenset[frozenset[Predicate]]()
            scanner = scanners.get((family, group))
            if scanner is None:
                scanner = scanners[family, group] = Scanner(self._memory, self._cache)
            if family in dear:
                wanted[scanner] |= guards[test]
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
                self.guards[scanner] = [tuple(map(self.node, guard)) for guard in weakest]
        for place, by_scanner in readers.items():
            self.places[place] = [
                (scanner, {atom: tuple(tests) for atom, tests in atoms.items()})
                for scanner, atoms in by_scanner.items()
            ]

    def _want(self, field: Field) -> None:
        self.keys.update(source.name for source in field.sources if not source.hot)


def _place(field: Field) -> Place:
    return Place(field.sources[0].name, field.sources[0].hot)


def _is_cheap(field: Field) -> bool:
    """Whether a field's values are few, or short: those of a column that is kept as a dictionary, or is no text."""
    hot = [HOT[source.name].arrow for source in field.sources if source.hot and source.name in HOT]
    return bool(hot) and not any(pa.types.is_string(arrow) for arrow in hot)


def _guards(
    predicates: Iterable[Predicate], is_cheap: Callable[[Field], bool]
) -> dict[Test, set[frozenset[Predicate]]]:
    """For each test, sets of cheap predicates: it matters only in rows where all of one set hold. They stand beside it
    in conjunctions; whether what is between is negated makes no difference."""

    def guards(predicate: Predicate) -> bool:
        held = list(leaves(predicate))
        return all(isinstance(leaf, Test) and is_cheap(leaf.field) for leaf in held)

    found: dict[Test, set[frozenset[Predicate]]] = defaultdict(set)
    stack = [(predicate, frozenset[Predicate]()) for predicate in predicates]
    while stack:
        predicate, guard = stack.pop()
        match predicate:
            case And(items):
                cheap = frozenset(item for item in items if guards(item))
                stack += [(item, guard | cheap) for item in items if item not in cheap]
            case Or(items):
                stack += [(item, guard) for item in items]
            case Not(item):
                stack.append((item, guard))
            case Test():
                found[predicate].add(guard)
    return found


def _scopes(guards: set[frozenset[Predicate]]) -> _Guards:
    """The guards cut to what says which kind of event it is."""
    cut = {
        frozenset(item for item in guard if all(field.name in _COMMON for field in fields(item))) for guard in guards
    }
    return frozenset(_weakest(cut))


def _weakest(guards: set[frozenset[Predicate]]) -> list[frozenset[Predicate]]:
    """Without those that another one implies."""
    kept: list[frozenset[Predicate]] = []
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


def _dearness(predicate: Predicate) -> int:
    """The order in which the items of a conjunction are looked at: what costs least first."""
    if isinstance(predicate, (Test, Always)):
        return 0 if not isinstance(predicate, Test) or not isinstance(predicate.op, Exists) else 3
    held = list(leaves(predicate))
    if any(isinstance(leaf, (Compare, Truth, IsNull)) for leaf in held):
        return 5
    if any(isinstance(leaf, InList) for leaf in held):
        return 4
    return 1 if isinstance(predicate, Or) else 2


# ---- one batch


class _Run:
    """One batch while it is matched: the bit set of each test that was met, and what is worked out only when asked."""

    def __init__(self, batch: pa.RecordBatch, plan: _Plan, listed: _Listed | None, seconds: dict[str, float]) -> None:
        start = perf_counter()
        self.n: int = batch.num_rows
        self.full: Bits = (1 << self.n) - 1
        self.batch = batch
        self.met: dict[int, Bits] = {}
        self.once: dict[int, Bits] = {}
        self.columns = Columns(batch, plan.keys)
        self._plan = plan
        self._listed = listed
        self._in_list: dict[InList, Bits] | None = None
        self._scopes: dict[Scope, Bits] = {}
        self._exists: dict[Field, Bits] = {}
        self._rowwise: dict[Predicate, tuple[Bits, Bits]] = {}
        self._reader: Reader | None = None
        self._matter: dict[Scanner, npt.NDArray[np.bool_] | None] = {}
        self._seconds = seconds
        seconds["columns"] += perf_counter() - start

    def scan(self) -> Iterable[int]:
        """Find the rows of every test that is met; gives the numbers of those tests."""
        met = self.met
        plan, spent = self._plan, self._seconds
        # What has no guard comes first: guards depend on it.
        asked = sorted(
            (
                (scanner in plan.guards, number, place, scanner, readers)
                for number, place in enumerate(self.columns.filled(plan.places))
                for scanner, readers in plan.places[place]
            ),
            key=lambda each: each[:2],
        )
        for _, _, place, scanner, readers in asked:
            start = perf_counter()
            within = self._within(scanner)
            read = None if within is _NOWHERE else self._read(place, scanner, within)
            spent["columns"] += (columns := perf_counter()) - start
            if read is None:
                continue
            signed = scanner.signatures(read.values)
            spent["values"] += (values := perf_counter()) - columns
            for atom, bits in self._atoms(read, signed, scanner).items():
                for test, scope in readers.get(atom, ()):
                    here = bits if scope is None else bits & self.scope(scope)
                    if here:
                        met[test] = met.get(test, 0) | here
            spent["rows"] += perf_counter() - values
        return met

    def _read(self, place: Place, scanner: Scanner, within: npt.NDArray[np.bool_] | None) -> Encoded | None:
        if scanner.is_loose:
            within = self.columns.sifted(place, within, scanner.touches)
        return self.columns.read(place, within)

    def _within(self, scanner: Scanner) -> npt.NDArray[np.bool_] | None:
        """The rows where a scanner's tests matter; None: all."""
        guards = self._plan.guards.get(scanner)
        if guards is None:
            return None
        if scanner not in self._matter:
            bits = 0
            for guard in guards:
                here = self.full & ~bits
                for node in guard:
                    if not here:
                        break
                    here = node(self, here)
                bits |= here
            if bits == self.full:
                self._matter[scanner] = None
            elif not bits:
                self._matter[scanner] = _NOWHERE
            else:
                packed = np.frombuffer(bits.to_bytes((self.n + 7) // 8, "little"), np.uint8)
                self._matter[scanner] = np.unpackbits(packed, count=self.n, bitorder="little").view(np.bool_)
        return self._matter[scanner]

    def _atoms(self, read: Encoded, signed: npt.NDArray[np.int32], scanner: Scanner) -> dict[int, Bits]:
        """For each test of a place's scanner the rows that have a value which satisfies it."""
        if not signed.any():
            return {}
        present, local = np.unique(signed, return_inverse=True)
        small = len(present) < 65536
        rows_signed = local.astype(np.uint16 if small else np.int64)[read.codes]
        found: dict[int, Bits] = {}
        known = scanner.signatures_known
        for which, rows in _grouped(rows_signed, read.rows, skip=0 if present[0] == 0 else -1):
            bits = bits_of(rows, self.n)
            for atom in known[present[which]]:
                found[atom] = found.get(atom, 0) | bits
        return found

    def scope(self, scope: Scope) -> Bits:
        """The rows where a scope holds."""
        bits = self._scopes.get(scope)
        if bits is None:
            bits = self._one_of("event.dataset", scope.datasets)
            if scope.codes:
                bits &= self._one_of("event.code", scope.codes)
            self._scopes[scope] = bits
        return bits

    def _one_of(self, column: str, texts: frozenset[str]) -> Bits:
        read = self.columns.read(Place(column, True))
        if read is None:
            return 0
        wanted = {text.encode() for text in texts}
        flags = np.fromiter((value in wanted for value in read.values), np.bool_, len(read.values))
        return bits_of(read.rows[flags[read.codes]], self.n)

    def exists(self, field: Field) -> Bits:
        """The rows where a field has a value."""
        bits = self._exists.get(field)
        if bits is None:
            bits = 0
            for source in field.sources:
                here = bits_of(self.columns.present(Place(source.name, source.hot)), self.n)
                bits |= here if source.scope is None else here & self.scope(source.scope)
            self._exists[field] = bits
        return bits

    def in_list(self, node: InList) -> Bits:
        """The rows where a value is listed."""
        if self._in_list is None:
            self._in_list = self._listed.match(self.batch) if self._listed else {}
        return self._in_list.get(node, 0)

    def row_by_row(self, predicate: Compare | Truth | IsNull, mask: Bits) -> Bits:
        """The rows of `mask` where an expression holds."""
        known, held = self._rowwise.get(predicate, (0, 0))
        asked = mask & ~known
        if asked:
            if self._reader is None:
                self._reader = Reader(self.batch)
            rows = self._reader.holds(predicate, rows_of(asked, self.n).tolist())
            held |= bits_of(np.array(rows, np.int64), self.n)
            self._rowwise[predicate] = (known | asked, held)
        return held & mask


def _grouped(
    groups: npt.NDArray[Any], rows: npt.NDArray[np.int64], skip: int
) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """The rows of each group."""
    if skip >= 0:
        kept = np.flatnonzero(groups != skip)
        groups, rows = groups[kept], rows[kept]
    if not len(groups):
        return
    order = np.argsort(groups, kind="stable")
    groups, rows = groups[order], rows[order]
    edges = np.flatnonzero(groups[1:] != groups[:-1]) + 1
    starts = [0, *edges.tolist()]
    ends = [*edges.tolist(), len(groups)]
    for start, end in zip(starts, ends, strict=True):
        yield int(groups[start]), rows[start:end]


class _Listed:
    """The `InList` nodes as a matcher of their own, made anew when the lists change."""

    def __init__(self, nodes: Sequence[InList], lists: Lists | None) -> None:
        self._nodes = nodes
        self._lists = lists
        self._version: str | None = None
        self._matcher: Matcher[InList] | None = None

    def match(self, batch: pa.RecordBatch) -> dict[InList, Bits]:
        """The rows of each node, as bits."""
        if self._lists is None:
            return {}
        version = self._lists.version()
        if self._matcher is None or version != self._version:
            spelt = {node: expand(node, self._lists) for node in self._nodes}
            self._matcher = Matcher(spelt, cache_bytes=1 << 20)
            self._version = version
        return {node: bits_of(rows, batch.num_rows) for node, rows in self._matcher.match(batch).items()}


# ---- the nodes: each gives those rows of `mask` where it holds

_Node = Callable[[_Run, Bits], Bits]


def _everything(run: _Run, mask: Bits) -> Bits:
    return mask


def _nothing(run: _Run, mask: Bits) -> Bits:
    return 0


def _met(test: int, run: _Run, mask: Bits) -> Bits:
    return mask & run.met.get(test, 0)


def _exists(field: Field, run: _Run, mask: Bits) -> Bits:
    return mask & run.exists(field)


def _not(item: _Node, run: _Run, mask: Bits) -> Bits:
    return mask ^ item(run, mask)


def _and(items: tuple[_Node, ...], run: _Run, mask: Bits) -> Bits:
    for item in items:
        mask = item(run, mask)
        if not mask:
            return 0
    return mask


def _or(items: tuple[_Node, ...], run: _Run, mask: Bits) -> Bits:
    found = 0
    rest = mask
    for item in items:
        here = item(run, rest)
        if here:
            found |= here
            rest ^= here
            if not rest:
                break
    return found


def _once(node: _Node, number: int, run: _Run, mask: Bits) -> Bits:
    bits = run.once.get(number)
    if bits is None:
        bits = run.once[number] = node(run, run.full)
    return bits & mask


def _in_list(node: InList, run: _Run, mask: Bits) -> Bits:
    return mask & run.in_list(node)


def _row_by_row(predicate: Compare | Truth | IsNull, run: _Run, mask: Bits) -> Bits:
    return run.row_by_row(predicate, mask)
