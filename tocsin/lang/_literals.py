"""From a literal as typed to the test it means on a field of that kind: what every language here has in common."""

from __future__ import annotations

import re
from typing import Final, Literal

from tocsin.event.ip import bounds, packed
from tocsin.event.ip import text as address_text
from tocsin.event.schema import Kind
from tocsin.event.text import fold as folded
from tocsin.event.text import tokens
from tocsin.lang._dates import moment
from tocsin.lang.ir import (
    FALSE,
    Equals,
    Exists,
    Field,
    Gap,
    Like,
    Predicate,
    Range,
    Test,
    Words,
    any_of,
)

Operator = Literal["<", "<=", ">", ">="]
Parts = tuple[str | Gap, ...]
Bound = int | float | str | bytes
INT64: Final = range(-(2**63), 2**64)  # what a signed or an unsigned column of 64 bits can hold
# Canonical numbers only: 0123 and 1_000 are texts.
_INTEGER: Final = re.compile(r"-?(0|[1-9]\d{0,19})", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(0|[1-9]\d{0,19})(\.\d{1,30})?([eE][+-]?\d{1,3})?", re.ASCII)
_OCTETS: Final = re.compile(r"((?:\d{1,3}\.){1,3})\*", re.ASCII)


class BadLiteralError(ValueError):
    """A literal that can't stand where it does; the message is for whoever typed it."""


def number(text: str) -> int | float | None:
    """A number as people write it, exactly where it is whole and fits 64 bits; None where it is none."""
    if _INTEGER.fullmatch(text):
        value = int(text)
        return value if value in INT64 else None
    if _DECIMAL.fullmatch(text):
        real = float(text)
        return real if abs(real) != float("inf") else None
    return None


def exists(field: Field) -> Predicate:
    """The field has a value."""
    return Test(field, Exists())


def equals(field: Field, text: str, *, fold: bool, now: int | None = None) -> Predicate:
    """The field has the value that `text` spells: by address, network, time, number or truth value where the field's
    kind is one, else by the whole text. Raises `BadLiteralError` where the kind leaves no meaning."""
    match field.kind:
        case Kind.IP:
            return _address(field, text)
        case Kind.DATE:
            span = moment(text, now)
            if span is None:
                raise BadLiteralError(f"{field.name} holds times, and {text!r} is none")
            return Test(field, Range(span.low, span.high))
        case Kind.LONG | Kind.DOUBLE:
            value = number(text.strip())
            # What is no number can only stand in the map, as the text that a source sent in a number's place.
            return Test(field, Equals((text,), fold) if value is None else Equals((value,)))
        case Kind.BOOLEAN:
            truth = {"true": True, "false": False}.get(text.strip().lower())
            return Test(field, Equals((text,), fold) if truth is None else Equals((truth,)))
        case _:
            return Test(field, Equals((text,), fold))


def equal_number(field: Field, value: int | float) -> Predicate:
    """The field has this number, also where it stands as a text."""
    return Test(field, Equals((value,)))


def any_equal(field: Field, texts: list[str], *, fold: bool) -> Predicate:
    """The field has one of these values: one test for all that compare alike."""
    plain: dict[type, dict[str | int | float | bool, None]] = {}
    rest: list[Predicate] = []
    for text in texts:
        test = equals(field, text, fold=fold)
        if isinstance(test, Test) and isinstance(test.op, Equals):
            for value in test.op.values:
                plain.setdefault(type(value), {})[value] = None
        else:
            rest.append(test)
    fold = fold and field.kind is not Kind.IP
    return any_of(*(Test(field, Equals(tuple(values), fold and kind is str)) for kind, values in plain.items()), *rest)


def _address(field: Field, text: str) -> Predicate:
    if "/" in text:
        block = bounds(text)
        if block is None:
            raise BadLiteralError(f"{text!r} is no network; write it as 10.0.0.0/8 or fd00::/8")
        return Test(field, Range(block[0], block[1]))
    value = packed(text)
    if value is None:
        # Dirty text in an address's place stands in the map.
        return Test(field, Equals((text,)))
    return Test(field, Equals((address_text(value),)))


def like(field: Field, parts: Parts, *, fold: bool) -> Predicate:
    """The field has a value of this shape. On addresses `10.1.*` is a network; elsewhere a shape asks for texts."""
    parts = tidy(parts)
    if parts == (Gap.ANY,):
        return exists(field)
    if field.kind is Kind.IP:
        shape = "".join(part if isinstance(part, str) else part.value for part in parts)
        if match := _OCTETS.fullmatch(shape):
            known = match[1].rstrip(".").split(".")
            block = bounds(".".join(known + ["0"] * (4 - len(known))) + f"/{8 * len(known)}")
            if block:
                return Test(field, Range(block[0], block[1]))
        raise BadLiteralError(f"{field.name} holds addresses: write a network (10.0.0.0/8) in place of {shape!r}")
    if field.kind is Kind.DATE:
        raise BadLiteralError(f"{field.name} holds times, which take no wildcards: write a range")
    if not any(isinstance(part, Gap) for part in parts):
        return equals(field, "".join(part for part in parts if isinstance(part, str)), fold=fold)
    return Test(field, Like(parts, fold))


def compare(field: Field, operator: Operator, text: str, *, now: int | None = None) -> Predicate:
    """The field has a value on that side of `text`; raises `BadLiteralError` where the kind has no such order."""
    match field.kind:
        case Kind.DATE:
            span = moment(text, now)
            if span is None:
                raise BadLiteralError(
                    f"{field.name} holds times, and {text!r} is none; write 2024-05-01T10:00 or now-1h"
                )
            return bounded(field, operator, span.low, span.high)
        case Kind.IP:
            block = bounds(text)
            if block is None:
                raise BadLiteralError(f"{field.name} holds addresses, and {text!r} is none")
            return bounded(field, operator, block[0], block[1])
        case Kind.LONG | Kind.DOUBLE:
            value = number(text.strip())
            if value is None:
                raise BadLiteralError(f"{field.name} holds numbers, and {text!r} is none")
            return bounded(field, operator, value, value)
        case Kind.BOOLEAN:
            raise BadLiteralError(f"{field.name} is true or false: it has no order")
        case Kind.UNKNOWN:
            value = number(text.strip())
            return bounded(field, operator, text, text) if value is None else bounded(field, operator, value, value)
        case _:
            return bounded(field, operator, text, text)


def bounded(field: Field, operator: Operator, low: Bound, high: Bound) -> Predicate:
    """`field` operator a literal that covers `low` to `high`."""
    match operator:
        case "<":
            return Test(field, Range(None, low, high_included=False))
        case "<=":
            return Test(field, Range(None, high))
        case ">":
            return Test(field, Range(high, None, low_included=False))
        case _:
            return Test(field, Range(low, None))


def phrase(field: Field, text: str) -> Predicate:
    """The tokens of `text` stand in the field as neighbours; nothing has no tokens."""
    words = tuple(tokens(text))
    return Test(field, Words(words)) if words else FALSE


def words(field: Field, parts: Parts) -> Predicate:
    """Like `phrase`, for a text with gaps: `wini*.exe` is a token that begins so, then the token `exe`."""
    shapes: list[list[str | Gap]] = [[]]
    for part in parts:
        if isinstance(part, Gap):
            shapes[-1].append(part)
            continue
        for piece in re.findall("[A-Za-z0-9\u0080-\U0010ffff]+|[^A-Za-z0-9\u0080-\U0010ffff]+", part):
            if tokens(piece):
                shapes[-1].append(folded(piece))
            else:
                shapes.append([])
    found: list[str | Parts] = []
    for shape in shapes:
        if len(shape) == 1 and isinstance(shape[0], str):
            found.append(shape[0])
        elif any(isinstance(part, str) for part in shape) or Gap.ONE in shape:
            found.append(tuple(shape))
    return Test(field, Words(tuple(found))) if found else FALSE


def tidy(parts: Parts) -> Parts:
    """Neighbouring texts joined, repeated `*` taken once, empty texts dropped."""
    out: list[str | Gap] = []
    for part in parts:
        if part == "" or (part is Gap.ANY and out and out[-1] is Gap.ANY):
            continue
        last = out[-1] if out else None
        if isinstance(part, str) and isinstance(last, str):
            out[-1] = last + part
        else:
            out.append(part)
    return tuple(out)
