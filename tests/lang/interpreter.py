"""What a predicate means, said once more: slowly, one event and one value at a time, from the words of `ir` and DESIGN.

Nothing is shared with the matcher, the SQL or `functions`: where they agree with this, they agree for a reason. An
event is what its batch says: typed values by hot column, texts by key of the map, the types of those texts.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pyarrow as pa
import re2

from tocsin.event import time
from tocsin.event.schema import HOT, Kind
from tocsin.lang import ir

Rows = Callable[[str], Sequence[Mapping[str, str]]]
MISSING_LIST: Rows = lambda name: ()  # noqa: E731


@dataclass
class Event:
    """One row: `hot` the typed values of each column (a list, without nulls), `rest` the map, `types` of its texts."""

    hot: dict[str, list[Any]]
    rest: dict[str, list[str]]
    types: dict[str, str]


def events(batch: pa.RecordBatch) -> list[Event]:
    """Every row of a batch. Times are µs."""
    columns = {}
    for name in batch.schema.names:
        column = batch.column(batch.schema.names.index(name))
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        columns[name] = column.to_pylist()
    out = []
    for row in range(batch.num_rows):
        hot = {}
        for name, values in columns.items():
            if name in ("tocsin.fields", "tocsin.types"):
                continue
            value = values[row]
            hot[name] = [item for item in (value if isinstance(value, list) else [value]) if item is not None]
        rest = {key: [text for text in texts or [] if text is not None] for key, texts in columns["tocsin.fields"][row]}
        out.append(Event(hot, rest, dict(columns["tocsin.types"][row])))
    return out


# ---- predicates


def holds(node: ir.Predicate, event: Event, rows: Rows = MISSING_LIST) -> bool:
    """Whether an event meets a predicate."""
    if isinstance(node, ir.Always):
        return node.value
    if isinstance(node, ir.And):
        return all(holds(item, event, rows) for item in node.items)
    if isinstance(node, ir.Or):
        return any(holds(item, event, rows) for item in node.items)
    if isinstance(node, ir.Not):
        return not holds(node.item, event, rows)
    if isinstance(node, ir.Test):
        return any(satisfies(seen, node.op, node.field.kind) for seen in values(node.field, event))
    if isinstance(node, ir.InList):
        return any(in_row(node, row, event) for row in rows(node.list))
    if isinstance(node, ir.Compare):
        return any(
            compared(node.operator, left, right, node.fold) is True
            for left in side(node.left, event)
            for right in side(node.right, event)
        )
    if isinstance(node, ir.Truth):
        return computed(node.expression, event) is True
    if isinstance(node, ir.IsNull):
        return computed(node.expression, event) is None
    raise TypeError(node)


@dataclass
class Seen:
    """One value of a field: as it stands in a typed column (`kind` is the column's) or as a text of the map."""

    value: Any
    kind: Kind | None
    said: str = ""  # "number" or "boolean" where `tocsin.types` says so


def values(field: ir.Field, event: Event) -> list[Seen]:
    """All values of a field, of all its sources, as one list."""
    out = []
    for source in field.sources:
        if source.scope is not None:
            if not set(event.hot["event.dataset"]) & source.scope.datasets:
                continue
            if source.scope.codes and not set(event.hot["event.code"]) & source.scope.codes:
                continue
        if source.hot:
            out += [Seen(value, HOT[source.name].kind) for value in event.hot.get(source.name, [])]
        else:
            said = event.types.get(source.name, "")
            out += [Seen(text, None, said) for text in event.rest.get(source.name, [])]
    return out


def in_row(node: ir.InList, row: Mapping[str, str], event: Event) -> bool:
    if not row.get("value"):
        return False
    if not any(listed(row["value"], seen, node.field.kind) for seen in values(node.field, event)):
        return False
    for column, field in node.narrow:
        wanted = row.get(column, "")
        if wanted and not any(listed(wanted, seen, field.kind) for seen in values(field, event)):
            return False
    return True


def listed(entry: str, seen: Seen, kind: Kind) -> bool:
    if kind is Kind.IP and "/" in entry:
        address = as_address(seen)
        block = ipaddress.ip_network(entry, strict=False)
        if address is None or isinstance(address, ipaddress.IPv4Address) != isinstance(block, ipaddress.IPv4Network):
            return False
        return address in block
    if kind in (Kind.LONG, Kind.DOUBLE):
        wanted = number_of(entry)
        if wanted is not None:
            return as_number(seen) == wanted
    return satisfies(seen, ir.Equals((entry,)), kind)


# ---- one value


def satisfies(seen: Seen, op: ir.Op, kind: Kind) -> bool:
    """Whether one value meets what a test asks; `kind` is the field's."""
    if isinstance(op, ir.Exists):
        return True
    if isinstance(op, ir.Equals):
        return any(equal(seen, literal, op.fold, kind) for literal in op.values)
    if isinstance(op, ir.Range):
        return ranged(seen, op, kind)
    text = as_text(seen)
    if text is None:
        return False
    if isinstance(op, ir.Like):
        parts = [folded(part) if op.fold and isinstance(part, str) else part for part in op.parts]
        return shaped(folded(text) if op.fold else text, parts)
    if isinstance(op, ir.Regex):
        flags = ("i" if op.fold else "") + ("m" if op.multiline else "") + ("s" if op.dotall else "-s")
        pattern = re2.compile(f"(?{flags}){op.pattern}")
        return (pattern.fullmatch(text) if op.whole else pattern.search(text)) is not None
    assert isinstance(op, ir.Words)
    present = words_of(text)
    for start in range(len(present) - len(op.words) + 1):
        if all(
            present[start + place] == word if isinstance(word, str) else shaped(present[start + place], list(word))
            for place, word in enumerate(op.words)
        ):
            return True
    return False


def equal(seen: Seen, literal: Any, fold: bool, kind: Kind) -> bool:
    if isinstance(literal, bool):
        if seen.kind is None or seen.kind in (Kind.KEYWORD, Kind.TEXT):
            return seen.value == ("true" if literal else "false")
        return seen.kind is Kind.BOOLEAN and seen.value is literal
    if isinstance(literal, (int, float)):
        read = as_moment(seen) if kind is Kind.DATE else as_number(seen)
        return read is not None and read == Fraction(literal)
    if kind is Kind.IP:
        wanted = address_of(literal)
        if wanted is not None:
            return as_address(seen) == wanted
    text = as_text(seen)
    if text is None:
        return False
    return folded(text) == folded(literal) if fold else text == literal


def ranged(seen: Seen, op: ir.Range, kind: Kind) -> bool:
    bounds = [bound for bound in (op.low, op.high) if bound is not None]
    if not bounds:
        return True
    value: Any
    low: Any = op.low
    high: Any = op.high
    if isinstance(bounds[0], bytes):
        address = as_address(seen)
        if address is None:
            return False
        mapped = b"\0" * 10 + b"\xff\xff" + address.packed
        value = address.packed if isinstance(address, ipaddress.IPv6Address) else mapped
    elif isinstance(bounds[0], str):
        text = as_text(seen)
        if text is None:
            return False
        value = text.encode()
        low = None if low is None else low.encode()
        high = None if high is None else high.encode()
    else:
        value = as_moment(seen) if kind is Kind.DATE else as_number(seen)
        if value is None:
            return False
        low = None if low is None else Fraction(low)
        high = None if high is None else Fraction(high)
    if low is not None and (value < low or (value == low and not op.low_included)):
        return False
    return high is None or value < high or (value == high and op.high_included)


def folded(text: str) -> str:
    return "".join([chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text])


def shaped(text: str, parts: list[Any]) -> bool:
    """Whether the whole text has a shape, by trying every way to read it."""
    reached = {0}
    for part in parts:
        if part is ir.Gap.ANY:
            reached = set(range(min(reached), len(text) + 1)) if reached else set()
        elif part is ir.Gap.ONE:
            reached = {at + 1 for at in reached if at < len(text)}
        else:
            reached = {at + len(part) for at in reached if text.startswith(part, at)}
    return len(text) in reached


def words_of(text: str) -> list[str]:
    out = []
    word = ""
    for c in text:
        if "a" <= c <= "z" or "A" <= c <= "Z" or "0" <= c <= "9" or ord(c) >= 0x80:
            word += c
        else:
            out.append(word)
            word = ""
    out.append(word)
    return [folded(word) for word in out if word]


# ---- reading a value as what a literal is


def as_text(seen: Seen) -> str | None:
    if seen.kind in (Kind.DOUBLE, Kind.DATE):
        return None
    if seen.kind is Kind.BOOLEAN:
        return "true" if seen.value else "false"
    if seen.kind is Kind.IP:
        return str(six(seen.value))
    return str(seen.value)


def as_number(seen: Seen) -> Fraction | None:
    if seen.kind in (Kind.LONG, Kind.DOUBLE):
        return Fraction(seen.value) if math.isfinite(seen.value) else None
    if seen.kind in (None, Kind.KEYWORD, Kind.TEXT):
        read = number_of(seen.value)
        return None if read is None else Fraction(read)
    return None


def number_of(text: str) -> int | float | None:
    """A text that is JSON's number, whole ones of 64 bits (with or without sign) exactly."""
    if len(text) > 60 or not text or text[0] not in "-0123456789" or text[-1] not in "0123456789":
        return None
    try:
        read = json.loads(text)
    except ValueError:
        return None
    if isinstance(read, bool) or not isinstance(read, (int, float)):
        return None
    if isinstance(read, int):
        return read if -(2**63) <= read < 2**64 else None
    return read if math.isfinite(read) else None


def as_moment(seen: Seen) -> int | None:
    if seen.kind is Kind.DATE:
        return int(seen.value)
    text = as_text(seen)
    return None if text is None else time.read(text)


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def six(packed: bytes) -> Address:
    address = ipaddress.IPv6Address(packed)
    return address.ipv4_mapped or address


def address_of(text: str) -> Address | None:
    if len(text) > 64:
        return None
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        address = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def as_address(seen: Seen) -> Address | None:
    if seen.kind is Kind.IP:
        return six(seen.value)
    text = as_text(seen)
    return None if text is None else address_of(text)


# ---- expressions


def plain(seen: Seen) -> Any:
    """A value as a function takes it: what the source sent, addresses and times as texts."""
    if seen.kind is Kind.IP:
        return str(six(seen.value))
    if seen.kind is Kind.DATE:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=seen.value)
        digits = "milliseconds" if seen.value % 1000 == 0 else "microseconds"
        return moment.replace(tzinfo=None).isoformat(timespec=digits) + "Z"
    if seen.said == "number":
        read = number_of(seen.value)
        return seen.value if read is None else read
    if seen.said == "boolean":
        return {"true": True, "false": False}.get(seen.value, seen.value)
    return seen.value


def side(expression: ir.Expr, event: Event) -> list[Any]:
    if isinstance(expression, ir.Value):
        return [plain(seen) for seen in values(expression.field, event)]
    return [computed(expression, event)]


def computed(expression: ir.Expr, event: Event) -> Any:
    """The value of an expression, None where it has none."""
    if isinstance(expression, ir.Constant):
        return expression.value
    if isinstance(expression, ir.Value):
        found = side(expression, event)
        return found[0] if found else None
    given = [computed(argument, event) for argument in expression.arguments]
    return called(expression.function, given, expression.fold)


def compared(operator: str, left: Any, right: Any, fold: bool) -> bool | None:
    if left is None or right is None:
        return None
    if isinstance(left, bool) != isinstance(right, bool):
        return None
    if isinstance(left, str) != isinstance(right, str):
        left, right = to_number(left), to_number(right)
        if left is None or right is None:
            return None
    elif isinstance(left, str):
        left, right = (folded(left), folded(right)) if fold else (left, right)
        left, right = left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass")
    order = (left > right) - (left < right)
    return {
        "==": order == 0,
        "!=": order != 0,
        "<": order < 0,
        "<=": order <= 0,
        ">": order > 0,
        ">=": order >= 0,
    }[operator]


def to_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)


def to_number(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return None
    return number_of(value) if isinstance(value, str) else value


def to_whole(value: Any) -> int | None:
    read = to_number(value)
    return None if read is None else math.trunc(read)


def called(name: str, given: list[Any], fold: bool) -> Any:
    """The functions of EQL, as Elastic's reference has them; `functions` lists them."""
    if name in ("==", "!=", "<", "<=", ">", ">="):
        return compared(name, given[0], given[1], fold)
    if name in NUMERIC:
        numbers = [to_number(value) for value in given]
        return None if None in numbers else arithmetic(NUMERIC[name], numbers)
    if name == "number":
        return read_number(given)
    kinds = {"indexof": [to_text, to_text, to_whole], "substring": [to_text, to_whole, to_whole]}
    kinds["between"] = [to_text, to_text, to_text, lambda value: value if isinstance(value, bool) else None]
    taken = [kinds[name][place](value) if name in kinds else to_text(value) for place, value in enumerate(given)]
    if None in taken:
        return None
    return textual(name, taken, fold)


NUMERIC = {
    "+": "+", "-": "-", "*": "*", "/": "/", "%": "%",
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "modulo": "%",
}  # fmt: skip


def arithmetic(sign: str, numbers: list[Any]) -> Any:
    whole = all(isinstance(number, int) for number in numbers)
    if sign == "-" and len(numbers) == 1:
        result = -numbers[0]
    else:
        a, b = numbers
        if sign in "/%" and b == 0:
            return None
        if sign == "+":
            result = a + b
        elif sign == "-":
            result = a - b
        elif sign == "*":
            result = a * b
        elif sign == "/":
            result = math.trunc(Fraction(a, b)) if whole else float(a) / float(b)
        else:
            result = a - b * math.trunc(Fraction(a, b)) if whole else math.fmod(a, b)
    if whole:
        return result if -(2**63) <= result < 2**63 else None
    return result if math.isfinite(result) else None


def read_number(given: list[Any]) -> Any:
    text = to_text(given[0])
    if text is None or len(text) > 128:
        return None
    base = 10
    if len(given) > 1 and given[1] is not None:
        read = to_whole(given[1])
        if read is None:
            return None
        base = read
    if base == 10:
        return number_of(text)
    sign = -1 if text.startswith("-") else 1
    digits = text[1:] if sign < 0 else text
    if base == 16 and digits.lower().startswith("0x"):
        digits = digits[2:]
    if not digits or not 2 <= base <= 36:
        return None
    total = 0
    for c in digits.lower():
        digit = "0123456789abcdefghijklmnopqrstuvwxyz".find(c)
        if digit < 0 or digit >= base:
            return None
        total = total * base + digit
    return sign * total if -(2**63) <= sign * total < 2**63 else None


def textual(name: str, taken: list[Any], fold: bool) -> Any:
    def f(text: str) -> str:
        return folded(text) if fold else text

    if name == "concat":
        return "".join(taken)
    if name == "string":
        return taken[0]
    if name == "length":
        return len(taken[0])
    if name == "endswith":
        return len(taken[1]) <= len(taken[0]) and f(taken[0])[len(taken[0]) - len(taken[1]) :] == f(taken[1])
    if name == "startswith":
        return f(taken[0])[: len(taken[1])] == f(taken[1])
    if name == "stringcontains":
        return position(f(taken[0]), f(taken[1]), 0) is not None
    if name == "indexof":
        return position(f(taken[0]), f(taken[1]), max(taken[2], 0) if len(taken) > 2 else 0)
    if name == "substring":
        size = len(taken[0])
        ends = [at + size if at < 0 else at for at in taken[1:]] + ([size] if len(taken) < 3 else [])
        start, end = (min(max(at, 0), size) for at in ends)
        return "".join([taken[0][at] for at in range(start, end)])
    if name == "between":
        return between(taken, f)
    if name == "cidrmatch":
        return cidr_match(taken)
    if name == "like":
        return shaped(f(taken[0]), [{"*": ir.Gap.ANY, "?": ir.Gap.ONE}.get(c, c) for c in f(taken[1])])
    if name == "regex":
        return re2.compile(f"(?{'i' if fold else ''}s){taken[1]}").fullmatch(taken[0]) is not None
    raise KeyError(name)


def position(text: str, part: str, start: int) -> int | None:
    for at in range(start, len(text) - len(part) + 1):
        if text[at : at + len(part)] == part:
            return at
    return None


def between(taken: list[Any], f: Callable[[str], str]) -> str:
    text, left, right = taken[:3]
    if not text or not left or not right:
        return str(text)
    start = position(f(text), f(left), 0)
    if start is None:
        return ""
    start += len(left)
    ends = [at for at in range(start, len(text)) if f(text)[at : at + len(right)] == f(right)]
    if not ends:
        return ""
    greedy = len(taken) > 3 and taken[3]
    return str(text[start : ends[-1] if greedy else ends[0]])


def cidr_match(taken: list[str]) -> bool | None:
    address = address_of(taken[0])
    if address is None:
        return None
    found = False
    for text in taken[1:]:
        if re.fullmatch(r"[0-9a-fA-F.:/]+", text):
            try:
                block = ipaddress.ip_network(text, strict=False)
            except ValueError:
                continue
            found = found or (address.version == block.version and address in block)
    return found
