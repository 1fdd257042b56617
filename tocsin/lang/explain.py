"""Says of a predicate what it asks (`describe`), and of a document why it holds or not (`explain`).

`explain` reads one flat document (`ports.Document`), slowly and plainly; it is what `rules explain`, an alert's
highlighted fields and its reason come from. It decides as the back ends do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import re2

from tocsin.event.ip import packed
from tocsin.event.ip import text as address_text
from tocsin.event.schema import Kind
from tocsin.event.text import fold as folded
from tocsin.event.text import tokens
from tocsin.event.time import from_number, from_text
from tocsin.lang import functions
from tocsin.lang._literals import number
from tocsin.lang.ir import (
    Always,
    And,
    Call,
    Compare,
    Constant,
    Equals,
    Exists,
    Expr,
    Field,
    Gap,
    InList,
    IsNull,
    Like,
    Not,
    Op,
    Or,
    Predicate,
    Range,
    Regex,
    Test,
    Truth,
    Value,
    Words,
    fields,
)

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Explained:
    """One node of a predicate over one document: whether it holds, and for a leaf the values that met it.

    `found` are (field, value) pairs that satisfied a leaf which holds; for one that doesn't, the values that the
    fields have. `items` are the nodes below.
    """

    text: str
    holds: bool
    found: tuple[tuple[str, Scalar], ...] = ()
    items: tuple[Explained, ...] = ()

    def evidence(self) -> Iterator[tuple[str, Scalar]]:
        """The field values that made it hold, in the predicate's order, repeats included; none for what must be
        absent."""
        if not self.holds:
            return
        if not self.items:
            yield from self.found
        elif self.text != "not":
            for item in self.items:
                yield from item.evidence()


def explain(predicate: Predicate, document: Mapping[str, Any]) -> Explained:
    """The predicate's tree with what each node says of `document`. Lists must be expanded before (`lists.expand`)."""
    match predicate:
        case And() | Or():
            items = tuple(explain(item, document) for item in predicate.items)
            every = isinstance(predicate, And)
            holds = all(item.holds for item in items) if every else any(item.holds for item in items)
            return Explained("and" if every else "or", holds, items=items)
        case Not():
            item = explain(predicate.item, document)
            return Explained("not", not item.holds, items=(item,))
        case Test():
            values = values_of(predicate.field, document)
            met = [value for value in values if satisfies(predicate.field, predicate.op, value)]
            return _leaf(predicate, bool(met), [(predicate.field.name, value) for value in met or values])
        case Always():
            return _leaf(predicate, predicate.value, [])
        case InList():
            raise ValueError(f"the list {predicate.list!r} is not expanded")
        case Compare():
            left, right = _side(predicate.left, document), _side(predicate.right, document)
            holds = any(
                functions.compare(predicate.operator, a, b, predicate.fold) is True for a in left for b in right
            )
            return _leaf(predicate, holds, _read(predicate, document))
        case Truth():
            holds = functions.evaluate(predicate.expression, lambda field: _first(field, document)) is True
            return _leaf(predicate, holds, _read(predicate, document))
        case IsNull():
            holds = functions.evaluate(predicate.expression, lambda field: _first(field, document)) is None
            return _leaf(predicate, holds, _read(predicate, document))


def evidence(predicate: Predicate, document: Mapping[str, Any]) -> dict[str, list[Scalar]]:
    """The fields and values that made `predicate` hold: an alert's highlighted fields."""
    out: dict[str, list[Scalar]] = {}
    for name, value in explain(predicate, document).evidence():
        seen = out.setdefault(name, [])
        if value not in seen:
            seen.append(value)
    return out


def values_of(field: Field, document: Mapping[str, Any]) -> list[Scalar]:
    """All values that `field` has in a flat document, by every source that holds there."""
    out: list[Scalar] = []
    for name in dict.fromkeys(_sources(field, document)):
        value = document.get(name)
        held = value if isinstance(value, list) else [value]
        out.extend(each for each in held if isinstance(each, (str, int, float, bool)))
    return out


def _sources(field: Field, document: Mapping[str, Any]) -> Iterator[str]:
    for source in field.sources:
        scope = source.scope
        if scope is None or (
            document.get("event.dataset") in scope.datasets
            and (not scope.codes or str(document.get("event.code")) in scope.codes)
        ):
            yield source.name


def satisfies(field: Field, op: Op, value: Scalar) -> bool:
    """Whether one value of `field` meets `op`."""
    match op:
        case Exists():
            return True
        case Equals():
            return any(_equal(field.kind, value, each, op.fold) for each in op.values)
        case Like():
            text = _text(field.kind, value)
            return text is not None and _shape(op.parts, op.fold).fullmatch(text) is not None
        case Regex():
            text = _text(field.kind, value)
            if text is None:
                return False
            pattern = _regex(op)
            return (pattern.fullmatch(text) if op.whole else pattern.search(text)) is not None
        case Range():
            return _within(field.kind, op, value)
        case Words():
            text = _text(field.kind, value)
            return text is not None and _has_words(op, tokens(text))


def _text(kind: Kind, value: Scalar) -> str | None:
    """`value` as a text; a typed column's floats and times are none."""
    if (kind is Kind.DATE and _micros(value) is not None) or (kind is Kind.DOUBLE and not isinstance(value, str)):
        return None
    return functions.as_text(value)


def _equal(kind: Kind, value: Scalar, literal: Scalar, fold: bool) -> bool:
    if isinstance(literal, bool):
        return value is literal or (isinstance(value, str) and value == ("true" if literal else "false"))
    if isinstance(literal, (int, float)):
        read = _micros(value) if kind is Kind.DATE else _number(value)
        return read is not None and read == literal
    if kind is Kind.IP and isinstance(value, str):
        address = packed(value)
        if address is not None and address == packed(literal):
            return True
    text = _text(kind, value)
    if text is None:
        return False
    return folded(text) == folded(literal) if fold else text == literal


def _within(kind: Kind, op: Range, value: Scalar) -> bool:
    bound = op.low if op.low is not None else op.high
    read: Any
    if isinstance(bound, bytes):
        read = packed(value) if isinstance(value, str) else None
    elif isinstance(bound, str):
        text = _text(kind, value)
        return text is not None and _between(op, text.encode(), _encoded(op.low), _encoded(op.high))
    else:
        read = _micros(value) if kind is Kind.DATE else _number(value)
    return read is not None and _between(op, read, op.low, op.high)


def _encoded(bound: Any) -> bytes | None:
    return None if bound is None else str(bound).encode()


def _between(op: Range, value: Any, low: Any, high: Any) -> bool:
    above = low is None or (low <= value if op.low_included else low < value)
    return bool(above and (high is None or (value <= high if op.high_included else value < high)))


def _number(value: Scalar) -> int | float | None:
    if isinstance(value, bool):
        return None
    return number(value) if isinstance(value, str) else value


def _micros(value: Scalar) -> int | None:
    if isinstance(value, str):
        return from_text(value)
    return None if isinstance(value, bool) else from_number(value)


@lru_cache(maxsize=4096)
def _shape(parts: tuple[str | Gap, ...], fold: bool) -> Any:
    return re2.compile(_shape_text(parts, fold))


def _shape_text(parts: tuple[str | Gap, ...], fold: bool) -> str:
    """RE2 text of a shape. Folding is ASCII, while RE2's folds ſ and K: letters are written out as classes."""
    out = []
    for part in parts:
        if part is Gap.ANY:
            out.append("(?s:.*)")
        elif part is Gap.ONE:
            out.append("(?s:.)")
        else:
            escaped = (
                f"[{char.lower()}{char.upper()}]" if fold and char.isascii() and char.isalpha() else re2.escape(char)
                for char in str(part)
            )
            out.extend(escaped)
    return "".join(out)


@lru_cache(maxsize=4096)
def _regex(op: Regex) -> Any:
    flags = f"{'i' if op.fold else ''}{'m' if op.multiline else ''}{'s' if op.dotall else ''}"
    return re2.compile(f"(?{flags}{'' if op.dotall else '-s'})(?:{op.pattern})")


def _has_words(op: Words, present: list[str]) -> bool:
    wanted = op.words
    return any(
        all(_is_word(word, present[at + i]) for i, word in enumerate(wanted))
        for at in range(len(present) - len(wanted) + 1)
    )


def _is_word(word: str | tuple[str | Gap, ...], token: str) -> bool:
    if isinstance(word, str):
        return word == token
    return _shape(word, False).fullmatch(token) is not None


def _first(field: Field, document: Mapping[str, Any]) -> Scalar | None:
    values = values_of(field, document)
    return values[0] if values else None


def _side(expression: Expr, document: Mapping[str, Any]) -> list[Any]:
    if isinstance(expression, Value):
        return list(values_of(expression.field, document))
    return [functions.evaluate(expression, lambda field: _first(field, document))]


def _read(leaf: Predicate, document: Mapping[str, Any]) -> list[tuple[str, Scalar]]:
    return [(field.name, value) for field in dict.fromkeys(fields(leaf)) for value in values_of(field, document)]


def _leaf(predicate: Predicate, holds: bool, found: list[tuple[str, Scalar]]) -> Explained:
    return Explained(describe(predicate), holds, tuple(found))


# ---- a readable line ----

_COMPARISONS: Final = {"==": "is", "!=": "is not"}


def describe(predicate: Predicate) -> str:
    """What a predicate asks, as one line of English with names, quotes and brackets."""
    match predicate:
        case And() | Or():
            word = " and " if isinstance(predicate, And) else " or "
            return word.join(_bracketed(item) for item in predicate.items)
        case Not():
            return f"not {_bracketed(predicate.item)}"
        case Always():
            return "anything" if predicate.value else "nothing"
        case Test():
            return f"{predicate.field.name} {_asks(predicate.field, predicate.op)}"
        case InList():
            rows = "".join(f" with its {column} {field.name}" for column, field in predicate.narrow)
            return f"{predicate.field.name} is in the list {predicate.list}{rows}"
        case Compare():
            sign = _COMPARISONS.get(predicate.operator, predicate.operator)
            return f"{_spelt(predicate.left)} {sign} {_spelt(predicate.right)}{' (any case)' if predicate.fold else ''}"
        case Truth():
            return _spelt(predicate.expression)
        case IsNull():
            return f"{_spelt(predicate.expression)} is missing"


def _bracketed(item: Predicate) -> str:
    text = describe(item)
    return f"({text})" if isinstance(item, (And, Or)) else text


def _asks(field: Field, op: Op) -> str:
    exact = " (exact case)"
    match op:
        case Exists():
            return "has a value"
        case Equals():
            texts = any(isinstance(value, str) for value in op.values) and field.kind is not Kind.IP
            named = ", ".join(_quoted(value) for value in op.values)
            listed = f"is {named}" if len(op.values) == 1 else f"is one of {named}"
            return listed + (exact if texts and not op.fold else "")
        case Like():
            return _shaped(op.parts) + ("" if op.fold else exact)
        case Regex():
            flags = f"{'i' if op.fold else ''}{'m' if op.multiline else ''}{'s' if op.dotall else ''}"
            return f"{'matches' if op.whole else 'contains a match of'} /{op.pattern}/{flags}"
        case Range():
            return _ranged(field, op)
        case Words():
            return f"has the words {' '.join(_quoted(_wild(word)) for word in op.words)}"


def _shaped(parts: tuple[str | Gap, ...]) -> str:
    match parts:
        case (Gap.ANY, str(text), Gap.ANY):
            return f"contains {_quoted(text)}"
        case (str(text), Gap.ANY):
            return f"starts with {_quoted(text)}"
        case (Gap.ANY, str(text)):
            return f"ends with {_quoted(text)}"
        case _:
            return f"is like {_quoted(_wild(parts))}"


def _wild(word: str | tuple[str | Gap, ...]) -> str:
    if isinstance(word, str):
        return word
    return "".join(re.sub(r"([*?\\])", r"\\\1", part) if isinstance(part, str) else part.value for part in word)


def _ranged(field: Field, op: Range) -> str:
    low, high = _bound(field, op.low), _bound(field, op.high)
    if low is None:
        return f"{'<=' if op.high_included else '<'} {high}"
    if high is None:
        return f"{'>=' if op.low_included else '>'} {low}"
    return f"is between {low} and {high}"


def _bound(field: Field, bound: int | float | str | bytes | None) -> str | None:
    if isinstance(bound, bytes):
        return address_text(bound)
    if isinstance(bound, str):
        return _quoted(bound)
    if bound is not None and field.kind is Kind.DATE:
        return functions.time_text(int(bound))
    return None if bound is None else str(bound)


def _quoted(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    shown = value if len(value) <= 200 else value[:199] + "…"
    return '"' + "".join(char if char.isprintable() else repr(char)[1:-1] for char in shown) + '"'


def _spelt(expression: Expr) -> str:
    match expression:
        case Value():
            return expression.field.name
        case Constant():
            return "null" if expression.value is None else _quoted(expression.value)
        case Call():
            inside = [_spelt(argument) for argument in expression.arguments]
            if not expression.function.isalpha():
                return f"({f' {expression.function} '.join(inside)})" if len(inside) > 1 else f"-{inside[0]}"
            return f"{expression.function}{'~' if expression.fold else ''}({', '.join(inside)})"
