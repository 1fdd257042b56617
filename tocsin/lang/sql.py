"""The predicate tree as a ClickHouse condition: the back end of searches and backtests. `ir` says what a node means.

Every value is a server-side parameter. A condition that is no negation may be NULL where it is false, which WHERE,
`countIf` and `AND`/`OR` take for false (so that ClickHouse can use its indexes); a negation settles it first.
`Sql.settled` is never NULL.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.errors import UnsupportedError
from tocsin.event import ip
from tocsin.event.schema import FIELDS, HOT, OVERFLOW, TYPES, Column, Kind
from tocsin.event.text import fold, tokens
from tocsin.lang._literals import INT64
from tocsin.lang.ir import FALSE as FALSE_NODE
from tocsin.lang.ir import (
    Always,
    And,
    Equals,
    Exists,
    Field,
    Gap,
    InList,
    Like,
    Not,
    Op,
    Or,
    Predicate,
    Range,
    Regex,
    Scope,
    Source,
    Test,
    Words,
)
from tocsin.lang.lists import Rows, expand

# ClickHouse's parser stops at 1,000 levels, and each of ours takes up to three of its own.
DEEPEST: Final = 200
MOST_LEAVES: Final = 20_000

FALSE: Final = "0"
_SIGNED64: Final = range(-(2**63), 2**63)
# `_literals.number`'s grammar; $ is the text's end in RE2 without (?m).
_INTEGER: Final = "'^-?(0|[1-9][0-9]{0,19})$'"
_DECIMAL: Final = "'^-?(0|[1-9][0-9]{0,19})([.][0-9]{1,30})?([eE][+-]?[0-9]{1,3})?$'"
_TOKEN_CHARACTER: Final = r"[a-z0-9\x{80}-\x{10ffff}]"
_GAP_CHARACTER: Final = r"[^a-z0-9\x{80}-\x{10ffff}]"


@dataclass(frozen=True, slots=True)
class Sql:
    """A condition with its parameters. `text` may be NULL for false."""

    text: str
    parameters: dict[str, Any]

    @property
    def settled(self) -> str:
        """The condition, 0 in place of NULL."""
        return f"ifNull({self.text}, 0)"


def where(
    predicate: Predicate,
    *,
    prefix: str = "p",
    hot: Mapping[str, Column] = HOT,
    keys: Container[str] | None = None,
    lists: Rows | None = None,
) -> Sql:
    """The condition that a row meets `predicate`.

    `prefix` begins every parameter's name. `hot` are the table's columns (`ALERT_HOT` for alerts). `keys` are all
    names that the map of any row has, where that is known: what isn't among them is not read. `lists` gives the rows
    of a list. Raises `UnsupportedError` for a tree deeper or larger than ClickHouse takes.
    """
    writer = Writer(prefix, hot, keys, lists)
    return Sql(writer.condition(predicate), writer.parameters)


def quote(name: str) -> str:
    """A column's name as ClickHouse takes it."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


@dataclass(slots=True)
class Writer:
    """Writes conditions and expressions of one statement, whose parameters it collects."""

    prefix: str = "p"
    hot: Mapping[str, Column] = field(default_factory=lambda: HOT)
    keys: Container[str] | None = None
    lists: Rows | None = None
    folded: Container[str] = frozenset()  # columns with an index over lower(): an exact test asks that too
    # All values that a column has, where that is known: folded tests become exact ones, which a sort key can answer.
    spellings: Mapping[str, Collection[str]] = field(default_factory=dict)
    # Names that are no columns, with what writes a test on them.
    made: Mapping[str, Callable[[Writer, Kind, Op], str]] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    _known: dict[tuple[str, Any], str] = field(default_factory=dict)
    _leaves: int = 0

    def parameter(self, kind: str, value: Any) -> str:
        """The reference to a parameter of ClickHouse type `kind`; equal values share one."""
        same = (kind, repr(value) if isinstance(value, (list, float)) else value)
        held = self._known.get(same)
        if held is None:
            name = f"{self.prefix}{len(self.parameters)}"
            self.parameters[name] = value
            held = self._known[same] = f"{{{name}:{kind}}}"
        return held

    def condition(self, node: Predicate, depth: int = 0) -> str:
        """`node` as a condition: true, or false, or NULL for false."""
        if depth > DEEPEST:
            raise UnsupportedError(f"the query is nested more than {DEEPEST} deep", hint="flatten its brackets")
        match node:
            case Always(value):
                return "1" if value else FALSE
            case And(items):
                parts = [self.condition(item, depth + 1) for item in items]
                if FALSE in parts:
                    return FALSE
                return _joined(" AND ", [part for part in parts if part != "1"], "1")
            case Or(items):
                parts = [self.condition(item, depth + 1) for item in items]
                if "1" in parts:
                    return "1"
                return _joined(" OR ", [part for part in parts if part != FALSE], FALSE)
            case Not(item):
                inner = self.condition(item, depth + 1)
                return "1" if inner == FALSE else FALSE if inner == "1" else f"NOT ifNull({inner}, 0)"
        self._leaves += 1
        if self._leaves > MOST_LEAVES:
            raise UnsupportedError(f"the query has more than {MOST_LEAVES} conditions", hint="put its values in a list")
        match node:
            case Test(read, op):
                return self.test(read, op)
            case InList():
                return self.condition(expand(node, self.lists) if self.lists else FALSE_NODE, depth + 1)
        from tocsin.lang import _sql_expressions  # it names this module too

        return _sql_expressions.condition(self, node)

    def test(self, read: Field, op: Op) -> str:
        """Any value of any source satisfies `op`."""
        parts = []
        for source in self.sources(read):
            if source.name in self.made and source.hot:
                parts.append(self.made[source.name](self, read.kind, op))
                continue
            text = self._source(source, read.kind, op)
            if text == FALSE:
                continue
            scope = self.scope(source.scope)
            parts.append(text if scope is None else f"({scope} AND {text})")
        return _joined(" OR ", list(dict.fromkeys(parts)), FALSE)

    def sources(self, read: Field) -> list[Source]:
        """Where the field's values stand in this table: a name that was resolved for another may be a column here."""
        found = dict.fromkeys(read.sources)
        for source in read.sources:
            if not source.hot and source.name in self.hot:
                found.setdefault(Source(source.name, True, source.scope))
        return list(found)

    def readable(self, source: Source) -> bool:
        """Whether a source may have a value in this table at all."""
        if source.name in (FIELDS, TYPES, OVERFLOW):
            return source.hot and source.name == OVERFLOW
        if source.hot:
            return source.name in self.hot
        return self.keys is None or source.name in self.keys

    def scope(self, scope: Scope | None) -> str | None:
        """Where an alias holds; None: everywhere."""
        if scope is None:
            return None
        parts = [f"`event.dataset` IN {self.parameter('Array(String)', sorted(scope.datasets))}"]
        if scope.codes:
            parts.append(f"`event.code` IN {self.parameter('Array(String)', sorted(scope.codes))}")
        return _joined(" AND ", parts, "1")

    def map_values(self, name: str) -> str:
        """The texts that the map has under a name."""
        return f"`{FIELDS}`[{self.parameter('String', name)}]"

    def _source(self, source: Source, kind: Kind, op: Op) -> str:
        if not self.readable(source):
            return FALSE
        if not source.hot:
            values = self.map_values(source.name)
            if isinstance(op, Exists):
                return f"notEmpty({values})"
            shown = Kind.IP if kind is Kind.IP else Kind.KEYWORD  # an address has many spellings
            return self._any(values, self._of_text("x", kind, op), op, shown)
        column = self.hot[source.name]
        name = quote(source.name)
        if isinstance(op, Exists):
            return f"notEmpty({name})" if column.many else f"isNotNull({name})"
        if column.many:
            if column.kind is Kind.IP and kind is Kind.IP and isinstance(op, Equals) and _all_text(op.values):
                return self._has_address(name, op)
            return self._any(name, self._element("x", column.kind, kind, op), op, column.kind)
        spelt = self.spellings.get(source.name)
        if spelt is not None and isinstance(op, Equals) and op.fold and _all_text(op.values):
            wanted = {fold(str(value)) for value in op.values}
            return self._in(name, "String", sorted(value for value in spelt if fold(value) in wanted))
        test = self._element(name, column.kind, kind, op)
        if source.name in self.folded and isinstance(op, Equals) and not op.fold and _all_text(op.values):
            return f"({self._string(name, Equals(op.values, True))} AND {test})"
        return test

    def _any(self, values: str, element: str, op: Op, kind: Kind) -> str:
        if element in (FALSE, "1"):
            return element if element == FALSE else f"notEmpty({values})"
        if isinstance(op, Equals) and not op.fold and kind in (Kind.KEYWORD, Kind.TEXT) and _all_text(op.values):
            if len(op.values) == 1:
                return f"has({values}, {self.parameter('String', op.values[0])})"
        return f"arrayExists(x -> ifNull({element}, 0), {values})"

    def _has_address(self, name: str, op: Equals) -> str:
        """An address among a column's: as the index over it takes it."""
        found = [six(packed) for value in op.values if (packed := ip.packed(str(value))) is not None]
        if not found:
            return FALSE
        if len(found) == 1:
            return f"has({name}, {self.parameter('IPv6', found[0])})"
        return f"hasAny({name}, {self.parameter('Array(IPv6)', found)})"

    # ---- one value of a typed column ----

    def _element(self, x: str, kind: Kind, asked: Kind, op: Op) -> str:
        """`op` on one value of a column of `kind`, for a field that is `asked` as another perhaps."""
        if isinstance(op, Range) and op.low is None and op.high is None:
            return f"isNotNull({x})"
        match kind:
            case Kind.LONG:
                return self._of_number(x, kind, op) or self._of_text(f"toString({x})", asked, op)
            case Kind.DOUBLE:
                return self._of_number(x, kind, op) or FALSE  # a double's text is nobody's business
            case Kind.DATE:
                return self._date(x, op) if asked is Kind.DATE and isinstance(op, (Equals, Range)) else FALSE
            case Kind.BOOLEAN:
                if isinstance(op, Equals) and all(isinstance(value, bool) for value in op.values):
                    return self._in(x, "Bool", list(op.values))
                return self._string(f"toString({x})", op)
            case Kind.IP:
                return self._address(x, op, asked) or self._string(ip_text(x), op)
        return self._of_text(x, asked, op)

    def _of_number(self, x: str, kind: Kind, op: Op) -> str | None:
        """`op` on a number; None where `op` asks for a text."""
        match op:
            case Equals(values) if not any(isinstance(value, str) for value in values):
                return self._is_one_of(x, kind, [v for v in values if isinstance(v, (int, float)) and _is_number(v)])
            case Range(low, high) if not isinstance(low, (str, bytes)) and not isinstance(high, (str, bytes)):
                return self._between(x, kind, op)
        return None

    def _is_one_of(self, x: str, kind: Kind, values: Sequence[int | float]) -> str:
        if kind is Kind.DOUBLE:
            reals = [real for real in map(_exact_float, values) if real is not None]
            return self._in(x, "Float64", reals)
        wide = kind is Kind.UNKNOWN  # a text read as a number: 64 bits of either sign
        held = INT64 if wide else _SIGNED64
        whole = [value for value in map(_exact_int, values) if value is not None and value in held]
        return self._in(x, "Int128" if wide else "Int64", whole)

    def _in(self, x: str, kind: str, values: Sequence[Any]) -> str:
        values = list(dict.fromkeys(values))
        if not values:
            return FALSE
        if len(values) == 1:
            return f"{x} = {self.parameter(kind, values[0])}"
        return f"{x} IN {self.parameter(f'Array({kind})', values)}"

    def _between(self, x: str, kind: Kind, op: Range) -> str:
        parts = []
        for bound, included, sign in ((op.low, op.low_included, ">"), (op.high, op.high_included, "<")):
            if bound is None or isinstance(bound, (str, bytes)):
                continue
            if isinstance(bound, float) and math.isnan(bound):
                return FALSE
            if kind is Kind.DOUBLE:
                real, including = _float_bound(bound, included, sign)
                parts.append(f"{x} {sign}{'=' if including else ''} {self.parameter('Float64', real)}")
                continue
            whole, including = _int_bound(bound, included, sign)
            limits = (-(2**127), 2**127 - 1) if kind is Kind.UNKNOWN else (-(2**63), 2**63 - 1)
            if whole is None or not limits[0] <= whole <= limits[1]:
                if (sign == ">") == (bound > 0):
                    return FALSE
                continue
            name = "Int128" if kind is Kind.UNKNOWN else "Int64"
            parts.append(f"{x} {sign}{'=' if including else ''} {self.parameter(name, whole)}")
        return _joined(" AND ", parts, f"isNotNull({x})")

    def _date(self, x: str, op: Equals | Range) -> str:
        """On the column itself, whose indexes know it."""
        if isinstance(op, Equals):
            found = [_exact_int(v) for v in op.values if isinstance(v, (int, float)) and _is_number(v)]
            parts = [f"{x} = {self._moment(value)}" for value in found if value is not None and value in _SIGNED64]
            return _joined(" OR ", parts, FALSE)
        parts = []
        for bound, included, sign in ((op.low, op.low_included, ">"), (op.high, op.high_included, "<")):
            if bound is None:
                continue
            if isinstance(bound, (str, bytes)) or bound != bound:
                return FALSE
            whole, including = _int_bound(bound, included, sign)
            if whole is None:
                if (sign == ">") == (bound > 0):
                    return FALSE
                continue
            micros = min(max(whole, -(2**63)), 2**63 - 1)
            parts.append(f"{x} {sign}{'=' if including else ''} {self._moment(micros)}")
        return _joined(" AND ", parts, f"isNotNull({x})")

    def _moment(self, micros: int) -> str:
        return f"fromUnixTimestamp64Micro({self.parameter('Int64', micros)}, 'UTC')"

    def _address(self, x: str, op: Op, asked: Kind) -> str | None:
        """`op` on an address; None where `op` asks for its text."""
        match op:
            case Equals(values) if asked is Kind.IP and _all_text(values):
                # A text that is no address equals none; the map's texts are asked elsewhere.
                found = [packed for packed in (ip.packed(str(value)) for value in values) if packed is not None]
                return self._in(x, "IPv6", [six(packed) for packed in found])
            case Range(low, high) if isinstance(low, bytes) or isinstance(high, bytes):
                parts = []
                for bound, included, sign in ((low, op.low_included, ">"), (high, op.high_included, "<")):
                    if isinstance(bound, bytes):
                        parts.append(f"{x} {sign}{'=' if included else ''} {self.parameter('IPv6', six(bound))}")
                return _joined(" AND ", parts, FALSE)
        return None

    # ---- one value that is a text ----

    def _of_text(self, x: str, kind: Kind, op: Op) -> str:
        """`op` on a text column or on the map's text, which is read as what the literal is."""
        match op:
            case Equals(values):
                if all(isinstance(value, bool) for value in values):
                    return self._in(x, "String", ["true" if value else "false" for value in values])
                if kind is Kind.IP and _all_text(values):
                    dirty = [str(value) for value in values if ip.packed(str(value)) is None]
                    parts = [self._address(six_of(x), op, kind) or FALSE]
                    if dirty:
                        parts.append(self._string(x, Equals(tuple(dirty), op.fold)))
                    return _joined(" OR ", [part for part in parts if part != FALSE], FALSE)
                if not _all_text(values):
                    numbers = [value for value in values if isinstance(value, (int, float)) and _is_number(value)]
                    if kind is Kind.DATE:
                        return self._is_one_of(micros_of(x), Kind.LONG, numbers)
                    return self._number_text(x, lambda y, k: self._is_one_of(y, k, numbers))
            case Range(low, high):
                if isinstance(low, bytes) or isinstance(high, bytes):
                    return self._address(six_of(x), op, kind) or FALSE
                if _is_number(low) or _is_number(high):
                    if kind is Kind.DATE:
                        return self._between(micros_of(x), Kind.LONG, op)
                    return self._number_text(x, lambda y, k: self._between(y, k, op))
        return self._string(x, op)

    def _number_text(self, x: str, ask: Callable[[str, Kind], str]) -> str:
        """`ask` of the number that a text spells: exactly where it is whole, as a double otherwise."""
        halves = whole_and_real(x)
        parts = [ask(halves[0], Kind.UNKNOWN), ask(halves[1], Kind.DOUBLE)]
        # NULL OR 1 is 1: only one half is a number.
        return _joined(" OR ", [part for part in parts if part != FALSE], FALSE)

    def _string(self, x: str, op: Op) -> str:
        match op:
            case Equals(values, folded):
                texts = [str(value) for value in values if isinstance(value, str)]
                if folded:
                    return self._in(f"lower({x})", "String", [fold(text) for text in texts])
                return self._in(x, "String", texts)
            case Like(parts, folded):
                return self.like(f"lower({x})" if folded else x, [_folded(part, folded) for part in parts])
            case Regex():
                return f"match({x}, {self.parameter('String', pattern_of(op))})"
            case Range(low, high):
                found = []
                for bound, included, sign in ((low, op.low_included, ">"), (high, op.high_included, "<")):
                    if isinstance(bound, str):
                        found.append(f"{x} {sign}{'=' if included else ''} {self.parameter('String', bound)}")
                    elif bound is not None:
                        return FALSE
                return _joined(" AND ", found, f"isNotNull({x})")
            case Words(words):
                return self._words(f"lower({x})", words)
        return f"isNotNull({x})"

    def like(self, x: str, parts: Sequence[str | Gap]) -> str:
        """The text `x` has the shape, as it is (folded before)."""
        parts = _tidy(parts)
        match parts:
            case []:
                return f"{x} = ''"
            case [str(text)]:
                return f"{x} = {self.parameter('String', text)}"
            case [Gap.ANY]:
                return f"isNotNull({x})"
            case [str(text), Gap.ANY]:
                return f"startsWith({x}, {self.parameter('String', text)})"
            case [Gap.ANY, str(text)]:
                return f"endsWith({x}, {self.parameter('String', text)})"
            case [Gap.ANY, str(text), Gap.ANY]:
                return f"position({x}, {self.parameter('String', text)}) > 0"
        signs = {Gap.ANY: "%", Gap.ONE: "_"}
        pattern = "".join(signs[part] if isinstance(part, Gap) else _like_escaped(part) for part in parts)
        return f"{x} LIKE {self.parameter('String', pattern)}"

    def _words(self, x: str, words: Sequence[str | tuple[str | Gap, ...]]) -> str:
        for word in words:
            if any(
                isinstance(part, str) and tokens(part) != [part] for part in ([word] if isinstance(word, str) else word)
            ):
                return FALSE  # no token is spelt so
        parts = [f"hasToken({x}, {self.parameter('String', word)})" for word in words if isinstance(word, str)]
        if len(words) > 1 or len(parts) < len(words):
            shapes = [word if isinstance(word, str) else _token_shape(word) for word in words]
            pattern = f"(?:^|{_GAP_CHARACTER}){f'{_GAP_CHARACTER}+'.join(shapes)}(?:{_GAP_CHARACTER}|$)"
            parts.append(f"match({x}, {self.parameter('String', '(?-s)' + pattern)})")
        return _joined(" AND ", list(dict.fromkeys(parts)), FALSE)


def pattern_of(op: Regex) -> str:
    """The pattern with its flags, as RE2 takes it."""
    on = ("i" if op.fold else "") + ("m" if op.multiline else "") + ("s" if op.dotall else "")
    flags = f"(?{on})" if op.dotall else f"(?{on}-s)"
    return f"{flags}\\A(?:{op.pattern})\\z" if op.whole else flags + op.pattern


def ip_text(x: str) -> str:
    """An address column's value as people spell it, in SQL."""
    return f"replaceRegexpOne(toString({x}), '^::ffff:([0-9.]+)$', '\\\\1')"


def date_text(x: str) -> str:
    """A time column's value as `event.time.iso` writes it, in SQL."""
    return f"replaceRegexpOne(concat(replaceOne(toString({x}), ' ', 'T'), 'Z'), '000Z$', 'Z')"


def _joined(word: str, parts: Sequence[str], nothing: str) -> str:
    if not parts:
        return nothing
    return parts[0] if len(parts) == 1 else "(" + word.join(parts) + ")"


def _all_text(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _exact_int(value: int | float) -> int | None:
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value


def _exact_float(value: int | float) -> float | None:
    try:
        real = float(value)
    except OverflowError:
        return None
    return real if real == value else None  # Python compares exactly


def _int_bound(bound: int | float, included: bool, sign: str) -> tuple[int | None, bool]:
    """The bound that whole numbers have on that side of `bound`."""
    if isinstance(bound, int):
        return bound, included
    if math.isinf(bound):
        return None, included
    if bound.is_integer():
        return int(bound), included
    return (math.ceil(bound) if sign == ">" else math.floor(bound)), True


def _float_bound(bound: int | float, included: bool, sign: str) -> tuple[float, bool]:
    """The bound that doubles have on that side of `bound`."""
    try:
        real = float(bound)
    except OverflowError:
        return (math.inf if bound > 0 else -math.inf), True
    if real == bound:
        return real, included
    return real, (real > bound) == (sign == ">")


def six(packed: bytes) -> str:
    """16 bytes as ClickHouse reads an IPv6 parameter."""
    return ":".join(packed[i : i + 2].hex() for i in range(0, 16, 2))


def six_of(x: str) -> str:
    """The address that a text spells (as `event.ip.packed` reads it), or NULL, in SQL."""
    bare = f"extract(trimBoth(ifNull({x}, ''), ' \\t\\n\\v\\f\\r'), '^(?:[[])?([0-9A-Fa-f:.]+)(?:%[^]]*)?(?:])?$')"
    return f"toIPv6OrNull({bare})"


def whole_and_real(x: str) -> tuple[str, str]:
    """The number that a text spells (as `_literals.number` reads it), in SQL: Int128 where it is whole, else Float64;
    both NULL where it is none."""
    whole = f"toInt128OrNull({x})"
    fits = f"match({x}, {_INTEGER}) AND {whole} BETWEEN -9223372036854775808 AND 18446744073709551615"
    real = f"toFloat64OrNull({x})"
    other = f"NOT match({x}, {_INTEGER}) AND match({x}, {_DECIMAL}) AND isFinite({real})"
    return f"if({fits}, {whole}, NULL)", f"if({other}, {real}, NULL)"


def micros_of(x: str) -> str:
    """The time that a text spells, in SQL: as `event.time.from_text` reads ISO texts, and numbers by their digits."""
    text = f"trimBoth({x})"
    digits = f"toInt64OrNull({text})"
    iso = "^[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,12})?)?)?"
    iso += " *(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}|[+-][0-9]{2})?$"
    return (
        f"multiIf(match({text}, '(?i){iso}'),"
        f" toUnixTimestamp64Micro(parseDateTime64BestEffortOrNull(replaceOne({text}, ',', '.'), 6, 'UTC')),"
        f" match({text}, '^[0-9]{{1,11}}$'), {digits} * 1000000,"
        f" match({text}, '^[0-9]{{12,14}}$'), {digits} * 1000,"
        f" match({text}, '^[0-9]{{15,16}}$'), {digits},"
        f" match({text}, '^1[1-3][0-9]{{16}}$'), intDiv({digits}, 10) - 11644473600000000,"
        f" match({text}, '^[0-9]{{17,19}}$'), intDiv({digits}, 1000), NULL)"
    )


def _folded(part: str | Gap, folded: bool) -> str | Gap:
    return fold(part) if folded and isinstance(part, str) else part


def _tidy(parts: Sequence[str | Gap]) -> list[str | Gap]:
    out: list[str | Gap] = []
    for part in parts:
        last = out[-1] if out else None
        if part == "" or (part is Gap.ANY and last is Gap.ANY):
            continue
        if isinstance(part, str) and isinstance(last, str):
            out[-1] = last + part
        else:
            out.append(part)
    return out


def _like_escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _token_shape(shape: Sequence[str | Gap]) -> str:
    signs = {Gap.ANY: f"{_TOKEN_CHARACTER}*", Gap.ONE: _TOKEN_CHARACTER}
    if all(part is Gap.ANY or part == "" for part in shape):
        return f"{_TOKEN_CHARACTER}+"
    return "".join(signs[part] if isinstance(part, Gap) else fold(part) for part in shape)
