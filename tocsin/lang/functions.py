"""The scalar functions of expressions: what each takes and gives, in one table, with a plain implementation of each.

The row-wise part of the matcher, constant folding and `explain` call these; SQL says the same with ClickHouse's own.

**Values** are text, integer, float, boolean or null. Where a number is wanted a text is read as one (canonical decimal,
else null); where a text is wanted a number or a boolean is spelt (`5`, `2.5`, `true`). Of another type than wanted:
null. **Null in, null out**, for every function and argument, unless said. `~` folds ASCII letters.

| call | gives | meaning (Elasticsearch docs, "EQL function reference") |
|---|---|---|
| `+ - *` (a, b); `add subtract multiply` | number | on integers exact; outside 64 bits: null |
| `-` (a) | number | negation |
| `/` (a, b); `divide` | number | two integers: cut towards zero; by zero: null |
| `%` (a, b); `modulo` | number | sign of `a`; by zero: null |
| `between~` (text, left, right, greedy=false) | text | what stands after the first `left` and before the next (greedy: the last) `right`; "" where either is not found; `text` itself where one of the three is empty |
| `cidrmatch` (address, block…) | boolean | inside any block (constants); no address: null |
| `concat` (any…) | text | |
| `endswith~ startswith~ stringcontains~` (text, part) | boolean | |
| `indexof~` (text, part, start=0) | integer | characters before the first occurrence at or after `start` (at least 0); null where there is none |
| `length` (text) | integer | characters (code points) |
| `number` (text, base=10) | number | integer, or in base 10 a decimal; `0x` may stand before base 16; null base is 10; unreadable: null |
| `string` (any) | text | |
| `substring` (text, start, end=end of text) | text | negative offsets count from the end; out of range is cut, as a slice of Python |
| `like~` (text, pattern) | boolean | the whole text has that shape: `*` any run, `?` one character, nothing else special (a constant) |
| `regex~` (text, pattern) | boolean | RE2 matches the whole text, a dot takes newlines (a constant, checked when parsed) |
| `> >= < <= == !=` (a, b) | boolean | as `Compare` |

`like` and `regex` are what the operators `:`, `like` and `regex` become on a function's result.
"""  # noqa: E501  # a table

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal

import re2

from tocsin.event.ip import bounds, packed
from tocsin.event.text import fold as folded
from tocsin.lang._literals import number as read_number
from tocsin.lang.ir import Call, Constant, Expr, Field, Value

Scalar = str | int | float | bool | None
Type = Literal["text", "number", "integer", "boolean", "any"]
_MOST: Final = 2**63
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Function:
    """One function: the types of its arguments (the last repeats, if `repeats`), how many must be given, what it gives.

    `constant` are the positions (from 0) that take a constant only. `spelling` is the name as a user writes it. `run`
    takes converted arguments (and `fold=` where the function can fold).
    """

    spelling: str
    arguments: tuple[Type, ...]
    required: int
    gives: Type
    run: Callable[..., Scalar]
    folds: bool = False
    repeats: bool = False
    constant: tuple[int, ...] = ()


def as_text(value: Scalar) -> str | None:
    """`value` spelt as JSON does, without quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    return None if value is None else str(value)


def as_number(value: Scalar) -> int | float | None:
    """`value` as a number: a text by its canonical spelling; a boolean is none."""
    if isinstance(value, bool):
        return None
    return read_number(value) if isinstance(value, str) else value


def time_text(micros: int) -> str:
    """µs since 1970 as RFC 3339 in UTC."""
    try:
        at = _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return str(micros)
    return at.isoformat(timespec="microseconds" if micros % 1_000_000 else "seconds").replace("+00:00", "Z")


def compare(operator: str, left: Scalar, right: Scalar, fold: bool = False) -> bool | None:
    """Three-valued comparison: null with anything, or what has no common type, is null."""
    if left is None or right is None:
        return None
    if isinstance(left, bool) or isinstance(right, bool):
        if type(left) is not type(right):
            return None
    elif isinstance(left, str) != isinstance(right, str):
        left, right = as_number(left), as_number(right)
        if left is None or right is None:
            return None
    a: Any = left
    b: Any = right
    if isinstance(left, str):
        # Texts are ordered by their bytes, which is by code point.
        a, b = (folded(left), folded(str(right))) if fold else (left, right)
    match operator:
        case "==":
            return bool(a == b)
        case "!=":
            return bool(a != b)
        case "<":
            return bool(a < b)
        case "<=":
            return bool(a <= b)
        case ">":
            return bool(a > b)
        case ">=":
            return bool(a >= b)
    raise ValueError(f"no operator {operator!r}")


def evaluate(expression: Expr, read: Callable[[Field], Scalar]) -> Scalar:
    """The value of an expression; `read` gives a field's only value, or its first, or null."""
    match expression:
        case Constant():
            return expression.value
        case Value():
            return read(expression.field)
        case Call():
            return apply(expression.function, [evaluate(each, read) for each in expression.arguments], expression.fold)


def apply(name: str, arguments: Sequence[Scalar], fold: bool = False) -> Scalar:
    """The value of a function for values; null where an argument is null or of no use to it."""
    function = FUNCTIONS[name]
    if name == "number" and len(arguments) == 2 and arguments[1] is None:
        arguments = arguments[:1]
    taken: list[Scalar] = []
    for at, value in enumerate(arguments):
        converted = _as(function.arguments[min(at, len(function.arguments) - 1)], value)
        if converted is None:
            return None
        taken.append(converted)
    return function.run(*taken, fold=fold) if function.folds else function.run(*taken)


def _as(kind: Type, value: Scalar) -> Scalar:
    match kind:
        case "text":
            return as_text(value)
        case "number":
            return as_number(value)
        case "integer":
            number = as_number(value)
            return int(number) if number is not None and math.isfinite(number) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case _:
            return value


# ---- numbers ----


def _bounded(value: int | float) -> int | float | None:
    if isinstance(value, int):
        return value if -_MOST <= value < _MOST else None
    return value if math.isfinite(value) else None


def _add(a: Any, b: Any) -> Scalar:
    return _bounded(a + b)


def _subtract(a: Any, b: Any = None) -> Scalar:
    return _bounded(-a if b is None else a - b)


def _multiply(a: Any, b: Any) -> Scalar:
    return _bounded(a * b)


def _divide(a: Any, b: Any) -> Scalar:
    if b == 0:
        return None
    if isinstance(a, int) and isinstance(b, int):
        whole = abs(a) // abs(b)
        return _bounded(whole if (a < 0) == (b < 0) else -whole)
    return _bounded(float(a) / float(b))


def _modulo(a: Any, b: Any) -> Scalar:
    if b == 0:
        return None
    if isinstance(a, int) and isinstance(b, int):
        return abs(a) % abs(b) * (-1 if a < 0 else 1)
    return _bounded(math.fmod(a, b))


def _number(text: str, base: int = 10) -> Scalar:
    if len(text) > 128:
        return None
    if base == 10:
        return read_number(text)
    sign, digits = ("-", text[1:]) if text[:1] == "-" else ("", text)
    if base == 16 and digits[:2] in ("0x", "0X"):
        digits = digits[2:]
    if not (2 <= base <= 36) or not digits.isascii() or not digits.isalnum():
        return None
    try:
        return _bounded(int(sign + digits, base))
    except ValueError:
        return None


# ---- texts ----


def _between(text: str, left: str, right: str, greedy: bool = False, *, fold: bool = False) -> str:
    if not text or not left or not right:
        return text
    looked, left, right = (folded(text), folded(left), folded(right)) if fold else (text, left, right)
    start = looked.find(left)
    if start < 0:
        return ""
    start += len(left)
    end = looked.rfind(right) if greedy else looked.find(right, start)
    return text[start:end] if end >= start else ""


def _cidr_match(address: str, *blocks: str) -> bool | None:
    value = packed(address)
    if value is None:
        return None
    return any(low <= value <= high for low, high in filter(None, map(bounds, blocks)))


def _concat(*texts: str) -> str:
    return "".join(texts)


def _ends_with(text: str, part: str, *, fold: bool = False) -> bool:
    return folded(text).endswith(folded(part)) if fold else text.endswith(part)


def _starts_with(text: str, part: str, *, fold: bool = False) -> bool:
    return folded(text).startswith(folded(part)) if fold else text.startswith(part)


def _string_contains(text: str, part: str, *, fold: bool = False) -> bool:
    return folded(part) in folded(text) if fold else part in text


def _index_of(text: str, part: str, start: int = 0, *, fold: bool = False) -> int | None:
    looked, wanted = (folded(text), folded(part)) if fold else (text, part)
    found = looked.find(wanted, max(0, start))
    return None if found < 0 else found


def _substring(text: str, start: int, end: int | None = None) -> str:
    return text[start:end]


@lru_cache(maxsize=4096)
def _pattern(text: str, fold: bool, wild: bool) -> Any:
    if wild:
        shaped = []
        for char in text:
            if char in "*?":
                shaped.append(".*" if char == "*" else ".")
            elif fold and char.isascii() and char.isalpha():
                shaped.append(f"[{char.lower()}{char.upper()}]")
            else:
                shaped.append(re2.escape(char))
        return re2.compile(f"(?s)(?:{''.join(shaped)})")
    return re2.compile(f"(?{'i' if fold else ''}s)(?:{text})")


def _like(text: str, pattern: str, *, fold: bool = False) -> bool:
    return _pattern(pattern, fold, True).fullmatch(text) is not None


def _regex(text: str, pattern: str, *, fold: bool = False) -> bool:
    return _pattern(pattern, fold, False).fullmatch(text) is not None


def _comparison(operator: str) -> Function:
    def run(a: Scalar, b: Scalar, *, fold: bool = False) -> bool | None:
        return compare(operator, a, b, fold)

    return Function(operator, ("any", "any"), 2, "boolean", run, folds=True)


_NUMBERS: Final[tuple[Type, ...]] = ("number", "number")
_TEXTS: Final[tuple[Type, ...]] = ("text", "text")
# By the lower-case name that a `Call` has.
FUNCTIONS: Final[dict[str, Function]] = {
    "+": Function("+", _NUMBERS, 2, "number", _add),
    "-": Function("-", _NUMBERS, 1, "number", _subtract),
    "*": Function("*", _NUMBERS, 2, "number", _multiply),
    "/": Function("/", _NUMBERS, 2, "number", _divide),
    "%": Function("%", _NUMBERS, 2, "number", _modulo),
    **{operator: _comparison(operator) for operator in ("==", "!=", "<", "<=", ">", ">=")},
    "add": Function("add", _NUMBERS, 2, "number", _add),
    "subtract": Function("subtract", _NUMBERS, 2, "number", _subtract),
    "multiply": Function("multiply", _NUMBERS, 2, "number", _multiply),
    "divide": Function("divide", _NUMBERS, 2, "number", _divide),
    "modulo": Function("modulo", _NUMBERS, 2, "number", _modulo),
    "between": Function("between", ("text", "text", "text", "boolean"), 3, "text", _between, folds=True),
    "cidrmatch": Function(
        "cidrMatch", ("text", "text"), 2, "boolean", _cidr_match, repeats=True, constant=tuple(range(1, 256))
    ),
    "concat": Function("concat", ("text",), 1, "text", _concat, repeats=True),
    "endswith": Function("endsWith", _TEXTS, 2, "boolean", _ends_with, folds=True),
    "startswith": Function("startsWith", _TEXTS, 2, "boolean", _starts_with, folds=True),
    "stringcontains": Function("stringContains", _TEXTS, 2, "boolean", _string_contains, folds=True),
    "indexof": Function("indexOf", ("text", "text", "integer"), 2, "integer", _index_of, folds=True),
    "length": Function("length", ("text",), 1, "integer", len),
    "number": Function("number", ("text", "integer"), 1, "number", _number),
    "string": Function("string", ("text",), 1, "text", str),
    "substring": Function("substring", ("text", "integer", "integer"), 2, "text", _substring),
    "like": Function("like", _TEXTS, 2, "boolean", _like, folds=True, constant=(1,)),
    "regex": Function("regex", _TEXTS, 2, "boolean", _regex, folds=True, constant=(1,)),
}
# What a user may call by name.
CALLABLE: Final = frozenset(name for name in FUNCTIONS if name.isalpha() and name not in ("like", "regex"))
