"""Which tests one value satisfies: all tests of a group of places at once, each unique value looked at once.

Literals of whole values are looked up, shapes and words are one Hyperscan database (bytes mode, so that folding is
ASCII), regular expressions are filtered by the same database and decided by RE2. What a value satisfies is remembered
across batches, within a bound.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import platform
import re
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import hyperscan
import numpy as np
import numpy.typing as npt
import re2

from tocsin.event import ip, time
from tocsin.event.schema import Kind
from tocsin.event.text import fold, tokens
from tocsin.lang._literals import number as read_number
from tocsin.lang._match_columns import FLOAT, TIME
from tocsin.lang.ir import Equals, Gap, Like, Op, Range, Regex, Words

_log = logging.getLogger(__name__)
_NUMERIC: Final = frozenset(b"%c" % byte for byte in b"-0123456789")
_TRUTH: Final = {b"true": True, b"false": False}
# Longer values are looked at anew each time: remembering them costs more memory than looking costs time.
_LONGEST: Final = 4096
_ENTRY: Final = 140
_SIGNATURES: Final = 200_000
_ONE: Final = r"(?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})"
_ONE_IN_TOKEN: Final = r"(?:[0-9A-Za-z]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})"
_TOKEN: Final = r"[0-9A-Za-z\x80-\xff]"
_GAP: Final = r"[^0-9A-Za-z\x80-\xff]"
_SHAPE: Final = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_ALLOWEMPTY
_FILTER: Final = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_PREFILTER | hyperscan.HS_FLAG_ALLOWEMPTY
# What Hyperscan, in bytes mode and over ASCII, might read otherwise than RE2.
_ODD: Final = re.compile(r"\\[pPCQE]|[^\x00-\x7f]|\\x\{")

Pattern = tuple[str, int]


class Memory:
    """How many bytes all remembered values may take together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0


class Scanner:
    """The tests on the values of one group of places. `add` them, then `compile`, then ask `signatures`."""

    def __init__(self, memory: Memory, cache: Path | None) -> None:
        self.signatures_known: list[tuple[int, ...]] = [()]
        self.scanned = 0  # values looked at, not remembered
        self.is_loose = False  # all tests are for what may stand anywhere in a text
        self._memory = memory
        self._cache = cache
        self._numbers: dict[tuple[Op, bool, bool], int] = {}
        self._exact: dict[bytes, list[int]] = {}
        self._folded: dict[bytes, list[int]] = {}
        self._number: dict[int | float, list[int]] = {}
        self._truth: dict[bool, list[int]] = {}
        self._address: dict[bytes, list[int]] = {}
        self._time: dict[int | float, list[int]] = {}
        self._ranges: dict[str, list[tuple[int, Range]]] = {}
        self._shapes: list[tuple[int, str, Like | Words]] = []
        self._regexes: list[tuple[int, str]] = []
        self._young: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}
        self._known: dict[tuple[int, ...], int] = {(): 0}
        self._database: Any = None
        self._decide: dict[int, list[tuple[int, Callable[[bytes], Any]]]] = {}
        self._always: list[tuple[int, Callable[[bytes], Any]]] = []
        self._patterns: list[tuple[int, ...]] = []
        self._filter: Any = None
        self._filter_atoms: list[int] = []

    # ---- collecting

    def add(self, op: Op, kind: Kind) -> int:
        """The number of this test; equal ones have one number. `kind` is the field's."""
        key = (op, kind is Kind.IP, kind is Kind.DATE)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._numbers)
            match op:
                case Equals():
                    self._add_equals(number, op, kind)
                case Range():
                    self._add_range(number, op, kind)
                case Like():
                    self._shapes.append((number, shape_pattern(op.parts), op))
                case Words():
                    pattern = words_pattern(op)
                    if pattern:
                        self._shapes.append((number, pattern, op))
                case Regex():
                    self._regexes.append((number, regex_pattern(op)))
                case _:
                    raise TypeError(f"not a test of one value: {op}")
        return number

    def _add_equals(self, number: int, op: Equals, kind: Kind) -> None:
        for value in op.values:
            if isinstance(value, bool):
                self._truth.setdefault(value, []).append(number)
            elif isinstance(value, (int, float)):
                (self._time if kind is Kind.DATE else self._number).setdefault(value, []).append(number)
            else:
                address = ip.packed(value) if kind is Kind.IP else None
                text = value.encode("utf-8", "surrogatepass")
                if address is not None:
                    self._address.setdefault(address, []).append(number)
                elif op.fold:
                    self._folded.setdefault(text.lower(), []).append(number)
                else:
                    self._exact.setdefault(text, []).append(number)

    def _add_range(self, number: int, op: Range, kind: Kind) -> None:
        bound = op.low if op.low is not None else op.high
        if bound is None:
            read = "any"
        elif isinstance(bound, bytes):
            read = "address"
        elif isinstance(bound, str):
            read = "text"
        else:
            read = "time" if kind is Kind.DATE else "number"
        self._ranges.setdefault(read, []).append((number, op))

    # ---- compiling

    def compile(self) -> None:
        """Make the database, or load it from the cache. Once, after the last `add`."""
        sorts: dict[Pattern, list[int]] = {}
        deciders: dict[int, Callable[[bytes], Any]] = {}
        for number, pattern, op in self._shapes:
            folds = isinstance(op, Words) or op.fold
            sorts.setdefault((pattern, _SHAPE | (hyperscan.HS_FLAG_CASELESS if folds else 0)), []).append(number)
            deciders[number] = (
                functools.partial(_shaped, op) if isinstance(op, Like) else functools.partial(_worded, op)
            )
        filtered: dict[int, str] = {}
        if self._regexes:
            self._filter = re2.Filter()
            for number, pattern in self._regexes:
                self._filter.Add(pattern.encode(), _options())
                self._filter_atoms.append(number)
                if not _ODD.search(pattern):
                    sorts.setdefault((pattern, _FILTER), []).append(number)
                    filtered[number] = pattern
            self._filter.Compile()
        patterns = list(sorts)
        self._database, refused = _database(patterns, self._cache)
        for index, (pattern, flags) in enumerate(patterns):
            numbers = sorts[pattern, flags]
            if flags == _FILTER:
                decide = _found_by_re2(pattern)
                deciders.update((number, decide) for number in numbers)
            judged = [(number, deciders[number]) for number in numbers]
            if index in refused:
                self._always.extend(judged)
            elif flags == _FILTER:
                self._decide[index] = judged
            self._patterns.append(() if index in refused or flags == _FILTER else tuple(numbers))
        for number, pattern in self._regexes:
            if number not in filtered:
                self._always.append((number, _found_by_re2(pattern)))

        self.is_loose = bool(self._shapes) and len(self._shapes) == len(self._numbers) and not self._always
        self.is_loose &= all(
            isinstance(op, Like) and {*op.parts[:1], *op.parts[-1:]} == {Gap.ANY} for _, _, op in self._shapes
        )

    # ---- asking

    def touches(self, texts: memoryview) -> bool:
        """Whether any of several texts, one after the other, may satisfy a test; only where `is_loose`."""
        try:
            self._database.scan(texts, match_event_handler=_stop)
        except hyperscan.ScanTerminated:
            return True
        return False

    def signatures(self, values: list[bytes]) -> npt.NDArray[np.int32]:
        """For each value the number, in `signatures_known`, of the set of tests that it satisfies."""
        found: list[Any] = list(map(self._young.get, values))
        if None in found:
            young, old, memory = self._young, self._old, self._memory
            for index, number in enumerate(found):
                if number is not None:
                    continue
                value = values[index]
                number = old.get(value)
                if number is None:
                    number = self._sign(value)
                found[index] = number
                if len(value) <= _LONGEST and memory.used < memory.limit:
                    young[value] = number
                    memory.used += len(value) + _ENTRY
        return np.array(found, dtype=np.int32)

    def turn(self) -> None:
        """Forget what was not asked for since the last turn; numbers of signatures hold until here."""
        self._old = self._young
        self._young = {}
        if len(self.signatures_known) > _SIGNATURES:
            self._old = {}
            self.signatures_known = [()]
            self._known = {(): 0}

    def _sign(self, value: bytes) -> int:
        self.scanned += 1
        atoms = self.satisfied(value)
        number = self._known.get(atoms)
        if number is None:
            number = self._known[atoms] = len(self.signatures_known)
            self.signatures_known.append(atoms)
        return number

    def satisfied(self, value: bytes) -> tuple[int, ...]:
        """The tests that a value satisfies, ascending."""
        atoms: list[int] = []
        if value[:1] == b"\xff":
            self._read_typed(value, atoms)
            return tuple(sorted(set(atoms)))
        if self._exact and (hit := self._exact.get(value)):
            atoms += hit
        if self._folded and (hit := self._folded.get(value.lower())):
            atoms += hit
        self._read_text(value, atoms)
        if self._database is not None:
            self._scan(value, atoms)
        for number, decide in self._always:
            if decide(value):
                atoms.append(number)
        return tuple(sorted(set(atoms)))

    def _scan(self, value: bytes, atoms: list[int]) -> None:
        hits: list[int] = []
        append = hits.append
        self._database.scan(value, match_event_handler=lambda number, start, end, flags, context: append(number))
        patterns = self._patterns
        plain = self._filter is None or (value.isascii() and b"\x0b" not in value)
        for index in hits:
            atoms += patterns[index]
        if not plain:
            # Hyperscan's bytes and its \s are not RE2's there: RE2's own filter decides, at five times the cost.
            atoms += [self._filter_atoms[index] for index in self._filter.Match(value) or ()]
        elif self._decide:
            for index in hits:
                for number, decide in self._decide.get(index, ()):
                    if decide(value):
                        atoms.append(number)

    def _read_text(self, value: bytes, atoms: list[int]) -> None:
        ranges = self._ranges
        if self._truth and len(value) < 6 and (truth := _TRUTH.get(value)) is not None:
            atoms += self._truth.get(truth, ())
        if (self._number or "number" in ranges) and (read := _as_number(value)) is not None:
            self._compare(read, self._number, ranges.get("number", ()), atoms)
        if (self._time or "time" in ranges) and len(value) <= 64:
            moment = time.read(value.decode("utf-8", "replace"))
            if moment is not None:
                self._compare(moment, self._time, ranges.get("time", ()), atoms)
        if (self._address or "address" in ranges) and len(value) <= 64:
            address = ip.packed(value.decode("utf-8", "replace"))
            if address is not None:
                atoms += self._address.get(address, ())
                atoms += [n for n, op in ranges.get("address", ()) if _within(address, op)]
        if "text" in ranges:
            atoms += [n for n, op in ranges["text"] if _within(value, _encoded(op))]
        if "any" in ranges:
            atoms += [n for n, _ in ranges["any"]]

    def _read_typed(self, value: bytes, atoms: list[int]) -> None:
        if value.startswith(TIME):
            self._compare(int(value[2:]), self._time, self._ranges.get("time", ()), atoms)
        elif value.startswith(FLOAT):
            self._compare(float(value[2:]), self._number, self._ranges.get("number", ()), atoms)
        atoms += [n for n, _ in self._ranges.get("any", ())]

    @staticmethod
    def _compare(
        number: int | float,
        equal: dict[int | float, list[int]],
        ranges: Sequence[tuple[int, Range]],
        atoms: list[int],
    ) -> None:
        atoms += equal.get(number, ())
        atoms += [n for n, op in ranges if _within(number, op)]


def _stop(number: int, start: int, end: int, flags: int, context: object) -> bool:
    return True


def _as_number(value: bytes) -> int | float | None:
    # The look at the first byte is for speed: most texts that are asked are no numbers.
    return read_number(value.decode("utf-8", "replace")) if value[:1] in _NUMERIC and len(value) <= 64 else None


def _within(value: Any, op: Range) -> bool:
    low, high = op.low, op.high
    if low is not None and not (value >= low if op.low_included else value > low):
        return False
    return high is None or bool(value <= high if op.high_included else value < high)


def _encoded(op: Range) -> Range:
    low = op.low.encode() if isinstance(op.low, str) else op.low
    high = op.high.encode() if isinstance(op.high, str) else op.high
    return Range(low, high, op.low_included, op.high_included)


# ---- patterns


def _literal(text: str) -> str:
    return "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\x{byte:02x}"
        for byte in text.encode("utf-8", "surrogatepass")
    )


def shape_pattern(parts: Sequence[str | Gap]) -> str:
    """A `Like` as a pattern over bytes, without its folding."""
    parts = [part for part in parts if part != ""]
    if not parts:
        return r"\A\z"
    begin, end = r"\A", r"\z"
    while parts and parts[0] is Gap.ANY:
        begin, parts = "", parts[1:]
    while parts and parts[-1] is Gap.ANY:
        end, parts = "", parts[:-1]
    if not parts:
        return r"\A"
    body = "".join(_literal(part) if isinstance(part, str) else ".*" if part is Gap.ANY else _ONE for part in parts)
    return begin + body + end


def words_pattern(op: Words) -> str | None:
    """`Words` as a pattern over bytes, to be folded; None where a word is no token, which no value contains."""
    words = []
    for word in op.words:
        if isinstance(word, str):
            if tokens(word) != [word]:
                return None
            words.append(_literal(word))
            continue
        body = ""
        for part in word:
            if part is Gap.ANY:
                body += _TOKEN + "*"
            elif part is Gap.ONE:
                body += _ONE_IN_TOKEN
            elif part and tokens(part) != [part]:
                return None
            else:
                body += _literal(part)
        if all(part is Gap.ANY or part == "" for part in word):
            body = _TOKEN + "+"
        words.append(body)
    return rf"(?:\A|{_GAP}){(_GAP + '+').join(words)}(?:{_GAP}|\z)"


def regex_pattern(op: Regex) -> str:
    """A `Regex` as RE2 takes it, its flags in front."""
    flags = "".join(letter for letter, on in (("i", op.fold), ("m", op.multiline), ("s", op.dotall)) if on) + (
        "" if op.dotall else "-s"
    )
    return rf"(?{flags})\A(?:{op.pattern})\z" if op.whole else f"(?{flags}){op.pattern}"


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options


def _found_by_re2(pattern: str) -> Callable[[bytes], Any]:
    search: Callable[[bytes], Any] = re2.compile(pattern.encode(), _options()).search
    return search


# ---- shapes that Hyperscan refuses (texts of some thousand characters), without it


def _shaped(op: Like, value: bytes) -> bool:
    text = value.decode("utf-8", "replace")
    return has_shape(fold(text) if op.fold else text, op.parts, op.fold)


def _worded(op: Words, value: bytes) -> bool:
    present = tokens(value.decode("utf-8", "replace"))
    return any(
        all(
            present[at + place] == word if isinstance(word, str) else has_shape(present[at + place], word, True)
            for place, word in enumerate(op.words)
        )
        for at in range(len(present) - len(op.words) + 1)
    )


def has_shape(text: str, parts: Sequence[str | Gap], folded: bool = False) -> bool:
    """Whether a whole text (folded already, if `folded`) has a shape."""
    runs: list[list[str | Gap]] = [[]]
    for part in parts:
        if part is Gap.ANY:
            runs.append([])
        else:
            runs[-1].append(fold(part) if folded and isinstance(part, str) else part)
    first, last = runs[0], runs[-1]
    if len(runs) == 1:
        return _length(first) == len(text) and _stands(text, 0, first)
    at, end = _length(first), len(text) - _length(last)
    if end < at or not _stands(text, 0, first) or not _stands(text, end, last):
        return False
    for run in runs[1:-1]:  # the leftmost place is as good as any
        length = _length(run)
        while at + length <= end and not _stands(text, at, run):
            at += 1
        at += length
        if at > end:
            return False
    return True


def _length(run: Sequence[str | Gap]) -> int:
    return sum(len(part) if isinstance(part, str) else 1 for part in run)


def _stands(text: str, at: int, run: Sequence[str | Gap]) -> bool:
    for part in run:
        if isinstance(part, str) and not text.startswith(part, at):
            return False
        at += len(part) if isinstance(part, str) else 1
    return True


# ---- Hyperscan databases


def _database(patterns: list[Pattern], cache: Path | None) -> tuple[Any, set[int]]:
    """A database of the patterns, numbered by place, and the numbers of those that Hyperscan refuses."""
    if not patterns:
        return None, set()
    key = hashlib.sha256(json.dumps([version("hyperscan"), platform.machine(), *patterns]).encode()).hexdigest()
    path = cache / f"{key}.hs" if cache else None
    if path and path.is_file():
        try:
            head, _, body = path.read_bytes().partition(b"\n")
            return _loaded(body), set(json.loads(head))
        except (OSError, ValueError, hyperscan.HyperscanError) as error:
            _log.warning("%s can't be used and is made anew: %s", path, error)
    refused: set[int] = set()
    database = _compiled(patterns, list(range(len(patterns))), refused)
    if path and database is not None:
        _kept(path, json.dumps(sorted(refused)).encode() + b"\n" + hyperscan.dumpb(database))
    return database, refused


def _loaded(body: bytes) -> Any:
    database = hyperscan.loadb(body, hyperscan.HS_MODE_BLOCK)
    database.scratch = hyperscan.Scratch(database)
    return database


def _kept(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        os.replace(file.name, path)  # noqa: PTH105
    except OSError as error:
        _log.warning("the compiled patterns can't be kept in %s: %s", path.parent, error)


def _compiled(patterns: list[Pattern], numbers: list[int], refused: set[int]) -> Any:
    while numbers:
        try:
            return _attempt(patterns, numbers)
        except hyperscan.HyperscanError:
            bad = _refused(patterns, numbers)
            if not bad:  # each passes alone and all together are too much
                raise
            refused.update(bad)
            numbers = [number for number in numbers if number not in bad]
    return None


def _refused(patterns: list[Pattern], numbers: list[int]) -> set[int]:
    """Those of `numbers` that don't compile, found by halves."""
    try:
        _attempt(patterns, numbers)
    except hyperscan.HyperscanError:
        if len(numbers) == 1:
            return set(numbers)
        half = len(numbers) // 2
        return _refused(patterns, numbers[:half]) | _refused(patterns, numbers[half:])
    return set()


def _attempt(patterns: list[Pattern], numbers: list[int]) -> Any:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[patterns[number][0].encode() for number in numbers],
        ids=numbers,
        flags=[patterns[number][1] for number in numbers],
    )
    return database
