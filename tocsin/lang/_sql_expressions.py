"""Expressions in SQL: `Compare`, `Truth` and `IsNull`, three-valued inside (`functions` says what each function means).

A typed expression is Nullable; where only the row says what a value is (a text of the map that was a number), its tag
is an expression too. A number is two expressions, whole (Int128) and double, of which one is null.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from tocsin.errors import UnsupportedError
from tocsin.event import ip
from tocsin.event.schema import TYPES, Kind
from tocsin.event.text import fold as folded
from tocsin.lang.functions import FUNCTIONS
from tocsin.lang.ir import Call, Compare, Constant, Expr, Gap, IsNull, Predicate, Regex, Source, Truth, Value

if TYPE_CHECKING:
    from tocsin.lang.sql import Writer

NULL: Final = "NULL"
TEXT: Final = 1
NUMBER: Final = 2
BOOLEAN: Final = 3
LARGEST: Final = 1_000_000
_BOUND: Final = "-9223372036854775808 AND 9223372036854775807"


@dataclass(frozen=True, slots=True)
class Typed:
    """An expression with its type. `any`: `sql` is the text of a value, `tag` says what the value is."""

    kind: Literal["text", "whole", "real", "number", "boolean", "any", "null"]
    sql: str
    tag: str = ""
    real: str = NULL  # of a "number": `sql` is its whole half


@dataclass(frozen=True, slots=True)
class Number:
    """A number's two halves, at most one of which isn't null."""

    whole: str
    real: str


def condition(writer: Writer, node: Predicate) -> str:
    """A `Compare`, `Truth` or `IsNull` as a condition."""
    scribe = _Scribe(writer)
    match node:
        case Compare():
            text = scribe.compare(node)
        case Truth(expression):
            text = scribe.truth(scribe.value(expression))
        case IsNull(expression):
            value = scribe.value(expression)
            text = "1" if value.kind == "null" else scribe.is_null(value)
        case _:
            raise TypeError(f"no predicate: {node!r}")
    if len(text) > LARGEST:
        raise UnsupportedError("an expression is too large for SQL", hint="split the query")
    return text


@dataclass(slots=True)
class _Scribe:
    writer: Writer
    depth: int = 0

    # ---- predicates ----

    def compare(self, node: Compare) -> str:
        left, right = self._side(node.left), self._side(node.right)

        def against(one: Typed) -> str:
            if isinstance(right, Typed):
                return self._compared(node.operator, one, right, node.fold)
            inner = self._compared(node.operator, one, Typed("any", "r.2", "r.1"), node.fold)
            return f"arrayExists(r -> ifNull({inner}, 0), {right})"

        if isinstance(left, Typed):
            return against(left)
        return f"arrayExists(l -> ifNull({against(Typed('any', 'l.2', 'l.1'))}, 0), {left})"

    def truth(self, value: Typed) -> str:
        if value.kind == "boolean":
            return value.sql
        return f"({value.tag} = {BOOLEAN} AND {value.sql} = 'true')" if value.kind == "any" else "0"

    def is_null(self, value: Typed) -> str:
        if value.kind == "number":
            return f"(isNull({value.sql}) AND isNull({value.real}))"
        return f"isNull({value.sql})"

    # ---- values ----

    def value(self, expression: Expr) -> Typed:
        """An expression that gives one value: of a field the first."""
        self.depth += 1
        if self.depth > 200:
            raise UnsupportedError("an expression is nested more than 200 deep", hint="flatten it")
        try:
            match expression:
                case Constant(held):
                    return self._constant(held)
                case Value():
                    side = self._side(expression)
                    if isinstance(side, Typed):
                        return side
                    first = f"arrayElementOrNull({side}, 1)"
                    return Typed("any", f"tupleElement({first}, 2)", f"tupleElement({first}, 1)")
                case Call():
                    return self._call(expression)
        finally:
            self.depth -= 1

    def _constant(self, held: str | int | float | bool | None) -> Typed:
        if held is None:
            return Typed("null", NULL)
        if isinstance(held, bool):
            return Typed("boolean", "true" if held else "false")
        if isinstance(held, int):
            return Typed("whole", self.writer.parameter("Int128", held))
        if isinstance(held, float):
            return Typed("real", self.writer.parameter("Float64", held))
        return Typed("text", self.writer.parameter("String", held))

    def _side(self, expression: Expr) -> Typed | str:
        """One value, or the array of (tag, text) of all values of a field."""
        if not isinstance(expression, Value):
            return self.value(expression)
        sources = [source for source in self.writer.sources(expression.field) if self.writer.readable(source)]
        if not sources:
            return Typed("null", NULL)
        if len(sources) == 1 and sources[0].hot and sources[0].scope is None:
            column = self.writer.hot[sources[0].name]
            if not column.many:
                return self._column(sources[0], column.kind)
        parts = [self._values(source) for source in sources]
        return parts[0] if len(parts) == 1 else f"arrayConcat({', '.join(parts)})"

    def _column(self, source: Source, kind: Kind) -> Typed:
        from tocsin.lang.sql import date_text, ip_text, quote

        name = quote(source.name)
        match kind:
            case Kind.LONG:
                return Typed("whole", f"toInt128({name})")
            case Kind.DOUBLE:
                return Typed("real", name)
            case Kind.BOOLEAN:
                return Typed("boolean", name)
            case Kind.DATE:
                return Typed("text", date_text(name))
            case Kind.IP:
                return Typed("text", ip_text(name))
        return Typed("text", f"CAST({name}, 'Nullable(String)')")

    def _values(self, source: Source) -> str:
        from tocsin.lang.sql import date_text, ip_text, quote

        scope = self.writer.scope(source.scope)
        if source.hot:
            column = self.writer.hot[source.name]
            name = quote(source.name)
            x = "v" if column.many else f"assumeNotNull({name})"
            tag, text = {
                Kind.LONG: (NUMBER, f"toString({x})"),
                Kind.DOUBLE: (NUMBER, f"toString({x})"),
                Kind.BOOLEAN: (BOOLEAN, f"toString({x})"),
                Kind.DATE: (TEXT, date_text(x)),
                Kind.IP: (TEXT, ip_text(x)),
            }.get(column.kind, (TEXT, f"CAST({x}, 'String')"))
            one = f"tuple(toUInt8({tag}), {text})"
            found = f"arrayMap(v -> {one}, {name})" if column.many else f"if(isNull({name}), [], [{one}])"
        else:
            said = f"`{TYPES}`[{self.writer.parameter('String', source.name)}]"
            number = self._number(Typed("text", "v"))
            known = f"isNotNull({number.whole}) OR isNotNull({number.real})"
            tag_ = f"multiIf({said} = 'number' AND ({known}), {NUMBER}, {said} = 'boolean' AND v IN ('true', 'false'), "
            one = f"tuple(toUInt8({tag_}{BOOLEAN}, {TEXT})), v)"
            found = f"arrayMap(v -> {one}, {self.writer.map_values(source.name)})"
        return found if scope is None else f"if({scope}, {found}, [])"

    # ---- conversions ----

    def _text(self, value: Typed) -> str:
        match value.kind:
            case "whole":
                return f"toString({value.sql})"
            case "real":
                return _real_text(value.sql)
            case "number":
                return f"ifNull(toString({value.sql}), {_real_text(value.real)})"
            case "boolean":
                return f"if({value.sql}, 'true', if(isNull({value.sql}), NULL, 'false'))"
        return value.sql

    def _number(self, value: Typed) -> Number:
        from tocsin.lang.sql import whole_and_real

        match value.kind:
            case "whole":
                return Number(value.sql, NULL)
            case "real":
                return Number(NULL, value.sql)
            case "number":
                return Number(value.sql, value.real)
            case "text":
                return Number(*whole_and_real(value.sql))
            case "any":
                whole, real = whole_and_real(value.sql)
                mine = f"{value.tag} != {BOOLEAN}"
                return Number(f"if({mine}, {whole}, NULL)", f"if({mine}, {real}, NULL)")
        return Number(NULL, NULL)

    # ---- comparison ----

    def _compared(self, operator: str, left: Typed, right: Typed, fold: bool) -> str:
        sign = "=" if operator == "==" else operator
        if "null" in (left.kind, right.kind):
            return NULL
        if left.kind == "any" or right.kind == "any":
            return self._compared_by_tag(sign, left, right, fold)
        if "boolean" in (left.kind, right.kind):
            return f"{left.sql} {sign} {right.sql}" if left.kind == right.kind else NULL
        if left.kind == right.kind == "text":
            return self._texts(sign, left.sql, right.sql, fold)
        return _numbers(sign, self._number(left), self._number(right))

    def _texts(self, sign: str, left: str, right: str, fold: bool) -> str:
        return f"lower({left}) {sign} lower({right})" if fold else f"{left} {sign} {right}"

    def _compared_by_tag(self, sign: str, left: Typed, right: Typed, fold: bool) -> str:
        tags = [_tag(left), _tag(right)]
        texts = self._texts(sign, self._text(left), self._text(right), fold)
        truths = f"({self._text(left)} = 'true') {sign} ({self._text(right)} = 'true')"
        numbers = _numbers(sign, self._number(left), self._number(right))
        return (
            f"multiIf({tags[0]} = {TEXT} AND {tags[1]} = {TEXT}, {texts},"
            f" {tags[0]} = {BOOLEAN} AND {tags[1]} = {BOOLEAN}, {truths},"
            f" {tags[0]} = {BOOLEAN} OR {tags[1]} = {BOOLEAN}, NULL, {numbers})"
        )

    # ---- functions ----

    def _call(self, call: Call) -> Typed:
        name, given = call.function, call.arguments
        if name not in FUNCTIONS:
            raise UnsupportedError(f"there is no function {name!r} in SQL")
        if name in ("==", "!=", "<", "<=", ">", ">="):
            return Typed("boolean", self._compared(name, self.value(given[0]), self.value(given[1]), call.fold))
        if name in _ARITHMETIC:
            sign = _ARITHMETIC[name]
            numbers = [self._number(self.value(argument)) for argument in given]
            if len(numbers) == 1:
                numbers.insert(0, Number("toInt128(0)", NULL))
            return _computed(sign, numbers[0], numbers[1])
        if name == "number":
            return self._read(given)
        if name in ("like", "regex"):
            return self._shaped(call)
        if name == "cidrmatch":
            return self._within(given)
        texts = [self._text(self.value(argument)) for argument in given]
        if any(self.value(argument).kind == "null" for argument in given):
            return Typed("null", NULL)
        low = [f"lower({text})" for text in texts] if call.fold else texts
        match name:
            case "concat":
                return Typed("text", f"concat({', '.join(texts)})" if len(texts) > 1 else texts[0])
            case "string":
                return Typed("text", texts[0])
            case "length":
                return Typed("whole", f"toInt128(lengthUTF8({texts[0]}))")
            case "startswith":
                return Typed("boolean", f"startsWith({low[0]}, {low[1]})")
            case "endswith":
                return Typed("boolean", f"endsWith({low[0]}, {low[1]})")
            case "stringcontains":
                return Typed("boolean", f"(position({low[0]}, {low[1]}) > 0)")
            case "indexof":
                start = self._whole(given[2]) if len(given) > 2 else "0"
                at = f"positionUTF8({low[0]}, {low[1]}, toUInt64(greatest(ifNull({start}, 0), 0) + 1))"
                null = f"if(isNull({start}), NULL, nullIf(toInt128({at}), 0) - 1)" if len(given) > 2 else ""
                return Typed("whole", null or f"(nullIf(toInt128({at}), 0) - 1)")
            case "substring":
                return Typed("text", self._slice(texts[0], given))
            case "between":
                return Typed("text", self._between(texts[:3], low[:3], given))
        raise UnsupportedError(f"the function {FUNCTIONS[name].spelling} can't be asked in SQL")

    def _whole(self, expression: Expr) -> str:
        """A number cut to a whole one, within what a text can be long."""
        number = self._number(self.value(expression))
        real = number.real
        whole = number.whole if real == NULL else f"ifNull({number.whole}, toInt128OrNull(toString(trunc({real}))))"
        return f"toInt64(greatest(least({whole}, 4294967296), -4294967296))"

    def _slice(self, text: str, given: Sequence[Expr]) -> str:
        size = f"toInt64(lengthUTF8({text}))"

        def place(bound: str) -> str:
            return f"if({bound} < 0, greatest({size} + {bound}, 0), least({bound}, {size}))"

        start = place(self._whole(given[1]))
        end = place(self._whole(given[2])) if len(given) > 2 else size
        cut = f"substringUTF8({text}, ifNull({start}, 0) + 1, toUInt64(greatest(ifNull({end} - ({start}), 0), 0)))"
        return f"if(isNull({start}) OR isNull({end}), NULL, {cut})"

    def _between(self, texts: list[str], low: list[str], given: Sequence[Expr]) -> str:
        greedy = given[3] if len(given) > 3 else Constant(False)
        if not isinstance(greedy, Constant) or not isinstance(greedy.value, bool):
            raise UnsupportedError("between() takes true or false for `greedy` in SQL")
        text, left, right = texts
        look, before, behind = low
        start = f"(toInt64(positionUTF8({look}, {before})) + toInt64(lengthUTF8({left})))"  # from 1, after `left`
        if greedy.value:
            turned = f"positionUTF8(reverseUTF8({look}), reverseUTF8({behind}))"
            size = f"toInt64(lengthUTF8({text})) - toInt64(lengthUTF8({right})) - toInt64({turned}) + 2"
            end = f"if({turned} = 0, 0, {size})"
        else:
            end = f"toInt64(positionUTF8({look}, {behind}, toUInt64(ifNull({start}, 1))))"
        cut = f"substringUTF8({text}, {start}, toUInt64(greatest(ifNull({end} - {start}, 0), 0)))"
        return (
            f"multiIf(isNull({text}) OR isNull({left}) OR isNull({right}), NULL,"
            f" {text} = '' OR {left} = '' OR {right} = '', {text},"
            f" positionUTF8({look}, {before}) = 0 OR {end} < {start}, '', {cut})"
        )

    def _read(self, given: Sequence[Expr]) -> Typed:
        base = given[1] if len(given) > 1 else Constant(10)
        if not isinstance(base, Constant) or base.value not in (None, 10, 16):
            raise UnsupportedError("number() reads base 10 and 16 in SQL")
        value = self.value(given[0])
        if value.kind == "null":
            return value
        if base.value == 16:
            text = self._text(value)
            digits = f"extract({text}, '^-?(?:0[xX])?([0-9a-fA-F]+)$')"
            bare = f"leftPad(replaceRegexpOne({digits}, '^0+', ''), 16, '0')"
            read = f"toInt128(reinterpretAsUInt64(reverse(unhex({bare}))))"
            fits = f"match({text}, '^-?(0[xX])?0*[0-9a-fA-F]{{1,16}}$')"
            signed = f"if(startsWith({text}, '-'), -{read}, {read})"
            return Typed("whole", f"if({fits} AND {signed} BETWEEN {_BOUND}, {signed}, NULL)")
        number = self._number(Typed("text", self._text(value)))
        return Typed("number", number.whole, real=number.real)

    def _shaped(self, call: Call) -> Typed:
        from tocsin.lang.sql import pattern_of

        value, pattern = self.value(call.arguments[0]), call.arguments[1]
        if not isinstance(pattern, Constant) or not isinstance(pattern.value, str):
            raise UnsupportedError(f"{call.function} takes a constant pattern")
        if value.kind == "null":
            return value
        text = self._text(value)
        if call.function == "regex":
            op = Regex(pattern.value, fold=call.fold, whole=True, dotall=True)
            return Typed("boolean", f"match({text}, {self.writer.parameter('String', pattern_of(op))})")
        parts: list[str | Gap] = [Gap(c) if c in "*?" else folded(c) if call.fold else c for c in pattern.value]
        return Typed("boolean", f"({self.writer.like(f'lower({text})' if call.fold else text, parts)})")

    def _within(self, given: Sequence[Expr]) -> Typed:
        from tocsin.lang.sql import six, six_of

        value = self.value(given[0])
        if value.kind == "null":
            return value
        address = six_of(self._text(value))
        parts = []
        for block in given[1:]:
            if not isinstance(block, Constant) or not isinstance(block.value, str):
                raise UnsupportedError("cidrMatch() takes constant networks")
            bounds = ip.bounds(block.value)
            if bounds is not None:
                low, high = (self.writer.parameter("IPv6", six(bound)) for bound in bounds)
                parts.append(f"({address} >= {low} AND {address} <= {high})")
        return Typed("boolean", f"if(isNull({address}), NULL, {' OR '.join(parts) or '0'})")


_ARITHMETIC: Final[dict[str, str]] = {
    "+": "+",
    "add": "+",
    "-": "-",
    "subtract": "-",
    "*": "*",
    "multiply": "*",
    "/": "/",
    "divide": "/",
    "%": "%",
    "modulo": "%",
}


def _tag(value: Typed) -> str:
    match value.kind:
        case "any":
            return value.tag
        case "text":
            return str(TEXT)
        case "boolean":
            return str(BOOLEAN)
    return str(NUMBER)


def _numbers(sign: str, left: Number, right: Number) -> str:
    """The comparison of two numbers, whichever halves they have."""
    cases = [(a, b) for a in (left.whole, left.real) for b in (right.whole, right.real) if NULL not in (a, b)]
    if not cases:
        return NULL
    if len(cases) == 1:
        return f"{cases[0][0]} {sign} {cases[0][1]}"
    return f"multiIf({', '.join(f'isNotNull({a}) AND isNotNull({b}), {a} {sign} {b}' for a, b in cases)}, NULL)"


def _computed(sign: str, left: Number, right: Number) -> Typed:
    """Whole numbers exactly, null outside 64 bits; doubles otherwise, null where not finite."""
    whole = real = NULL
    if NULL not in (left.whole, right.whole):
        a, b = left.whole, right.whole
        result: Callable[[str, str], str] = {
            "/": lambda a, b: f"intDiv({a}, if({b} = 0, NULL, {b}))",
            "%": lambda a, b: f"modulo({a}, if({b} = 0, NULL, {b}))",
        }.get(sign, lambda a, b: f"({a} {sign} {b})")
        exact = result(a, b)
        # 64 bits with and without sign: a product stays within 128 but for numbers beyond, which are null before it.
        fits = f"{a} BETWEEN -9223372036854775808 AND 18446744073709551615"
        fits += f" AND {b} BETWEEN -9223372036854775808 AND 18446744073709551615"
        whole = f"if({fits} AND {exact} BETWEEN {_BOUND}, toInt128({exact}), NULL)"
    pairs = []
    for a, b in ((left.real, right.whole), (left.whole, right.real), (left.real, right.real)):
        if NULL not in (a, b):
            x, y = f"toFloat64({a})", f"toFloat64({b})"
            y = f"nullIf({y}, 0)" if sign in "/%" else y
            value = f"modulo({x}, {y})" if sign == "%" else f"({x} {sign} {y})"
            pairs.append(f"isNotNull({a}) AND isNotNull({b}), if(isFinite({value}), {value}, NULL)")
    if pairs:
        real = f"multiIf({', '.join(pairs)}, NULL)"
    return Typed("number", whole, real=real)


def _real_text(sql: str) -> str:
    """A double as JSON spells it: a whole one with `.0`."""
    return f"if({sql} = trunc({sql}) AND abs({sql}) < 1e16, concat(toString({sql}), '.0'), toString({sql}))"
