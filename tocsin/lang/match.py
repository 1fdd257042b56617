"""Which events of a batch meet which of thousands of predicates: the back end of the stream, `scan` and rule tests.

Work goes by column. Every test of every predicate stands with the places that its field reads; places that share a
field share one `Scanner`, which looks at each unique value once and remembers what it satisfies. The tests that some
row satisfied become bit sets over the batch's rows; a predicate is looked at only where a test that it can't do
without was met, and is then plain boolean algebra. `ir` says what each node means.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tocsin.lang._match_columns import Columns, Encoded, Place
from tocsin.lang._match_nodes import Bits, Found, Node, bits_of, rows_of
from tocsin.lang._match_plan import Plan
from tocsin.lang._match_rows import Reader
from tocsin.lang._match_scan import Memory, Scanner
from tocsin.lang.ir import Compare, Field, InList, IsNull, Predicate, Scope, Truth
from tocsin.lang.lists import expand

Key = TypeVar("Key", bound=Hashable)
_NOWHERE: Final = np.zeros(0, np.bool_)


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
        self._plan = Plan(self._memory, cache)
        self._rules: list[tuple[Key, Node]] = []
        self._always: list[int] = []
        wakes: dict[int, list[int]] = defaultdict(list)
        given = {key: self._plan.one(predicate) for key, predicate in predicates.items()}
        for key, predicate in given.items():
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
        self._plan.compile(given.values())
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


# ---- one batch


class _Run:
    """One batch while it is matched: the bit set of each test that was met, and what is worked out only when asked."""

    def __init__(self, batch: pa.RecordBatch, plan: Plan, listed: _Listed | None, seconds: dict[str, float]) -> None:
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
