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
LARGEST: Final = 100_000
_WIDE: Final = "-9223372036854775808 AND 18446744073709551615"
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
    bound: int = 0

    def let(self, values: Sequence[str], body: Callable[..., str]) -> str:
        """`body` of the values, each of which is written (and computed) once: ClickHouse's only `let` is a lambda."""
        names: list[str] = []
        given: dict[str, str] = {}
        for value in values:
            if len(value) > LARGEST:
                raise UnsupportedError("an expression is too large for SQL", hint="split the query")
            if value == NULL or (len(value) < 48 and "(" not in value):
                names.append(value)
            elif value in given:
                names.append(given[value])
            else:
                self.bound += 1
                given[value] = f"x{self.bound}"
                names.append(given[value])
        text = body(*names)
        if not given:
            return text
        arrays = ", ".join(f"[{value}]" for value in given)
        return f"arrayElement(arrayMap(({', '.join(given.values())}) -> {text}, {arrays}), 1)"

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
        if any(source.name in self.writer.made for source in expression.field.sources):
            raise UnsupportedError(f"searches compare {expression.field.name} with fixed values only")
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
                return self.let([value.sql], _real_text)
            case "number":
                if value.real == NULL:
                    return f"toString({value.sql})"
                return f"ifNull(toString({value.sql}), {self.let([value.real], _real_text)})"
            case "boolean":
                return self.let([value.sql], lambda x: f"if({x}, 'true', if(isNull({x}), NULL, 'false'))")
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
            case "text" | "any":
                whole = self.let([value.sql], lambda x: whole_and_real(x)[0])
                real = self.let([value.sql], lambda x: whole_and_real(x)[1])
                if value.kind == "text":
                    return Number(whole, real)
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
        return self._numbers(sign, self._number(left), self._number(right))

    def _numbers(self, sign: str, left: Number, right: Number) -> str:
        return self.let(
            [left.whole, left.real, right.whole, right.real],
            lambda a, b, c, d: _numbers(sign, Number(a, b), Number(c, d)),
        )

    def _texts(self, sign: str, left: str, right: str, fold: bool) -> str:
        return f"lower({left}) {sign} lower({right})" if fold else f"{left} {sign} {right}"

    def _compared_by_tag(self, sign: str, left: Typed, right: Typed, fold: bool) -> str:
        def compared(left_tag: str, left_text: str, right_tag: str, right_text: str) -> str:
            texts = self._texts(sign, left_text, right_text, fold)
            truths = f"({left_text} = 'true') {sign} ({right_text} = 'true')"
            a = left if left.kind != "any" else Typed("any", left_text, left_tag)
            b = right if right.kind != "any" else Typed("any", right_text, right_tag)
            numbers = self._numbers(sign, self._number(a), self._number(b))
            return (
                f"multiIf({left_tag} = {TEXT} AND {right_tag} = {TEXT}, {texts},"
                f" {left_tag} = {BOOLEAN} AND {right_tag} = {BOOLEAN}, {truths},"
                f" {left_tag} = {BOOLEAN} OR {right_tag} = {BOOLEAN}, NULL, {numbers})"
            )

        return self.let([_tag(left), self._text(left), _tag(right), self._text(right)], compared)

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
            given_ = [numbers[0].whole, numbers[0].real, numbers[1].whole, numbers[1].real]
            whole = self.let(given_[0::2], lambda a, b: _computed_whole(sign, a, b))
            real = self.let(given_, lambda a, b, c, d: _computed_real(sign, Number(a, b), Number(c, d)))
            return Typed("number", whole, real=real)
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
                return Typed("whole", self._index(low, given))
            case "substring":
                return Typed("text", self._slice(texts[0], given))
            case "between":
                return Typed("text", self._between(texts[:3], low[:3], given))
        raise UnsupportedError(f"the function {FUNCTIONS[name].spelling} can't be asked in SQL")

    def _whole(self, expression: Expr) -> str:
        """A number cut to a whole one, within what a text can be long."""
        number = self._number(self.value(expression))
        whole = f"greatest(least({number.whole}, toInt128(4294967296)), toInt128(-4294967296))"
        if number.real == NULL:
            return f"toInt64({whole})"
        real = f"toInt64(trunc(greatest(least({number.real}, 4294967296.), -4294967296.)))"
        return real if number.whole == NULL else f"ifNull(toInt64({whole}), {real})"

    def _index(self, texts: Sequence[str], given: Sequence[Expr]) -> str:
        if len(given) < 3:
            return f"(nullIf(toInt128(positionUTF8({texts[0]}, {texts[1]})), 0) - 1)"

        def found(text: str, part: str, start: str) -> str:
            at = f"positionUTF8({text}, {part}, toUInt64(greatest(ifNull({start}, 0), 0) + 1))"
            return f"if(isNull({start}), NULL, nullIf(toInt128({at}), 0) - 1)"

        return self.let([*texts[:2], self._whole(given[2])], found)

    def _slice(self, text: str, given: Sequence[Expr]) -> str:
        def cut(text: str, size: str, start: str, end: str) -> str:
            def place(bound: str) -> str:
                return f"if({bound} < 0, greatest({size} + {bound}, 0), least({bound}, {size}))"

            length = f"toUInt64(greatest(ifNull({place(end)} - ({place(start)}), 0), 0))"
            part = f"substringUTF8({text}, toInt64(ifNull({place(start)}, 0)) + 1, {length})"
            return f"if(isNull({text}) OR isNull({start}) OR isNull({end}), NULL, {part})"

        size = f"toInt64(lengthUTF8({text}))"
        end = self._whole(given[2]) if len(given) > 2 else size
        return self.let([text, size, self._whole(given[1]), end], cut)

    def _between(self, texts: Sequence[str], low: Sequence[str], given: Sequence[Expr]) -> str:
        greedy = given[3] if len(given) > 3 else Constant(False)
        if not isinstance(greedy, Constant) or not isinstance(greedy.value, bool):
            raise UnsupportedError("between() takes true or false for `greedy` in SQL")

        def cut(text: str, left: str, right: str, look: str, before: str, behind: str) -> str:
            start = f"(toInt64(positionUTF8({look}, {before})) + toInt64(lengthUTF8({left})))"  # from 1, after `left`
            if greedy.value:
                turned = f"toInt64(positionUTF8(reverseUTF8({look}), reverseUTF8({behind})))"
                sizes = f"toInt64(lengthUTF8({text})) - toInt64(lengthUTF8({right}))"
                end = f"if({turned} = 0, 0, {sizes} - {turned} + 2)"
            else:
                end = f"toInt64(positionUTF8({look}, {behind}, toUInt64(ifNull({start}, 1))))"
            part = f"substringUTF8({text}, {start}, toUInt64(greatest(ifNull({end} - {start}, 0), 0)))"
            return (
                f"multiIf(isNull({text}) OR isNull({left}) OR isNull({right}), NULL,"
                f" {text} = '' OR {left} = '' OR {right} = '', {text},"
                f" positionUTF8({look}, {before}) = 0 OR {end} < {start}, '', {part})"
            )

        return self.let([*texts, *low], cut)

    def _read(self, given: Sequence[Expr]) -> Typed:
        base = given[1] if len(given) > 1 else Constant(10)
        if not isinstance(base, Constant) or base.value not in (None, 10, 16):
            raise UnsupportedError("number() reads base 10 and 16 in SQL")
        value = self.value(given[0])
        if value.kind == "null":
            return value
        if base.value == 16:
            return Typed("whole", self.let([self._text(value)], _from_hexadecimal))
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
        bounds = []
        for block in given[1:]:
            if not isinstance(block, Constant) or not isinstance(block.value, str):
                raise UnsupportedError("cidrMatch() takes constant networks")
            if pair := ip.bounds(block.value):
                bounds.append([self.writer.parameter("IPv6", six(bound)) for bound in pair])

        def within(address: str) -> str:
            parts = [f"({address} >= {low} AND {address} <= {high})" for low, high in bounds]
            return f"if(isNull({address}), NULL, {' OR '.join(parts) or '0'})"

        return Typed("boolean", self.let([six_of(self._text(value))], within))


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


def _computed_whole(sign: str, a: str, b: str) -> str:
    """Exactly; null outside 64 bits."""
    if NULL in (a, b):
        return NULL
    exact = {"/": f"intDiv({a}, nullIf({b}, 0))", "%": f"modulo({a}, nullIf({b}, 0))"}.get(sign, f"({a} {sign} {b})")
    # 64 bits with and without sign: within them a product has 128 at most, and what is beyond is null before it.
    fits = f"{a} BETWEEN {_WIDE} AND {b} BETWEEN {_WIDE}"
    return f"if({fits} AND {exact} BETWEEN {_BOUND}, toInt128({exact}), NULL)"


def _computed_real(sign: str, left: Number, right: Number) -> str:
    """Null where it isn't finite."""
    pairs = []
    for a, b in ((left.real, right.whole), (left.whole, right.real), (left.real, right.real)):
        if NULL not in (a, b):
            x, y = f"toFloat64({a})", f"toFloat64({b})"
            y = f"nullIf({y}, 0)" if sign in "/%" else y
            value = f"modulo({x}, {y})" if sign == "%" else f"({x} {sign} {y})"
            pairs.append(f"isNotNull({a}) AND isNotNull({b}), if(isFinite({value}), {value}, NULL)")
    return f"multiIf({', '.join(pairs)}, NULL)" if pairs else NULL


def _from_hexadecimal(text: str) -> str:
    digits = f"extract({text}, '^-?(?:0[xX])?0*([0-9a-fA-F]+)$')"
    read = f"toInt128(reinterpretAsUInt64(reverse(unhex(leftPad({digits}, 16, '0')))))"
    signed = f"if(startsWith({text}, '-'), -{read}, {read})"
    return f"if(match({text}, '^-?(0[xX])?0*[0-9a-fA-F]{{1,16}}$') AND {signed} BETWEEN {_BOUND}, {signed}, NULL)"


def _real_text(sql: str) -> str:
    """A double as JSON spells it: a whole one with `.0`."""
    return f"if({sql} = trunc({sql}) AND abs({sql}) < 1e16, concat(toString({sql}), '.0'), toString({sql}))"
