"""A condition on one field as a page's filter pill or an exception has it: it compares exactly, as Kibana's pills
do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tocsin.errors import UsageError, quoted
from tocsin.event import ip, time
from tocsin.event.schema import Kind
from tocsin.lang import queries
from tocsin.lang.fields import Names
from tocsin.lang.ir import FALSE, Equals, Exists, Field, Gap, Like, Predicate, Range, Scalar, Test, any_of, negate

OPERATORS: Final = ("is", "is_one_of", "exists", "between", "matches")
_MOST: Final = 1000


def condition(entry: Mapping[str, Any], names: Names) -> Predicate:
    """`{field, operator, value, negate}` as a predicate; `matches` takes wildcards and ignores case, `between` is
    [low, high). Raises `UsageError` for what can't be compared."""
    field = names.field(str(entry["field"]))
    operator, value = entry.get("operator", "is"), entry.get("value")
    test: Predicate
    match operator:
        case "exists":
            test = Test(field, Exists())
        case "is":
            test = equals(field, [value])
        case "is_one_of":
            test = equals(field, (value if isinstance(value, list) else [value])[:_MOST])
        case "matches":
            test = Test(field, Like(_shape(str(value)), fold=True))
        case "between":
            if not isinstance(value, list) or len(value) != 2:
                raise UsageError("`between` needs [low, high]", where=field.name)
            test = Test(field, Range(_bound(field, value[0]), _bound(field, value[1]), True, False))
        case _:
            raise UsageError(f"there is no operator {quoted(operator)}", where=field.name, hint=", ".join(OPERATORS))
    return negate(test) if entry.get("negate") else test


def equals(field: Field, values: Iterable[Any]) -> Predicate:
    """Any of the values, each compared as what the field holds; none that can be: never."""
    texts: list[Scalar] = []
    numbers: list[Scalar] = []
    booleans: list[Scalar] = []
    for value in values:
        if value is None:
            continue
        if field.kind in (Kind.KEYWORD, Kind.TEXT, Kind.IP):
            texts.append(("true" if value else "false") if isinstance(value, bool) else str(value))
        elif isinstance(value, bool):
            booleans.append(value)
        elif field.kind is Kind.BOOLEAN and str(value).lower() in ("true", "false"):
            booleans.append(str(value).lower() == "true")
        elif field.kind is Kind.DATE:
            if (moment := time.read(value)) is not None:
                numbers.append(moment)
        elif field.kind in (Kind.LONG, Kind.DOUBLE):
            number = _number(value)
            (texts if number is None else numbers).append(str(value) if number is None else number)
        else:
            (numbers if isinstance(value, (int, float)) else texts).append(value)
    parts = [Test(field, Equals(tuple(group))) for group in (texts, numbers, booleans) if group]
    return any_of(*parts) if parts else FALSE


def _number(value: Any) -> int | float | None:
    if isinstance(value, (int, float)):
        return value
    for read in (int, float):
        try:
            return read(str(value))
        except ValueError:
            continue
    return None


def _bound(field: Field, value: Any) -> int | float | str | bytes | None:
    if value is None or value == "":
        return None
    if field.kind is Kind.DATE:
        return queries.moment(str(value))
    if field.kind is Kind.IP:
        packed = ip.packed(str(value))
        if packed is None:
            raise UsageError(f"{quoted(value)} is no address", where=field.name)
        return packed
    number = _number(value)
    return number if number is not None and field.kind is not Kind.KEYWORD else str(value)


def _shape(text: str) -> tuple[str | Gap, ...]:
    parts: list[str | Gap] = []
    literal = ""
    for char in text:
        if char not in "*?":
            literal += char
            continue
        if literal:
            parts.append(literal)
        literal = ""
        parts.append(Gap.ANY if char == "*" else Gap.ONE)
    return (*parts, literal) if literal or not parts else tuple(parts)
