"""The predicate tree: what every language becomes, and what SQL and the matcher are made from.

**Meaning** (a contract; both back ends and the slow interpreter of the tests hold it):

- An event gives a field a list of values; missing, null and the empty list are the same: no values.
- A `Test` is two-valued: true if any value of the field satisfies its `Op`; false when there are none (`Exists` too).
`Not` negates
  the whole of what it holds. So `not a: b` is true where `a` is missing.
- A `Field` reads all of its `sources` (its hot column, the map under its own name, aliases within their scope) as one
list.
- Folding (`fold=True`) is ASCII. Inside a `Regex` it is RE2's `(?i)`.
- A value that can't be read as what the literal is (a text for a number …) doesn't satisfy the test and never raises.
- A text reads as a number or a boolean where it is JSON's (`007` and `True` are none; numbers as `_literals.number`
reads
  them), as an address or a time where `event.ip.packed` or `event.time.read` reads it. On an IP field `Equals` of a
  text that is no address compares texts. Tests for texts (`Equals` of texts, `Like`, `Regex`, `Words`, `Range` of
  texts) see an integer, a boolean or an address of a typed column in its usual spelling; a float or a time of a typed
  column never satisfies them.
- `Compare` of two expressions (EQL functions, `fieldref`) is three-valued inside: null in, null out; as a predicate
null is false.

Nodes are frozen and hashable: equal subtrees are one node to the back ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, is_dataclass
from dataclasses import fields as dataclass_fields
from enum import Enum
from functools import lru_cache
from typing import Literal as Choice

from tocsin.event.ids import stable_id
from tocsin.event.schema import Kind

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an alias holds: only in events of these datasets and, where given, of these event codes."""

    datasets: frozenset[str]
    codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Source:
    """One place to read values from: a hot column, or a key of the map `tocsin.fields`, within a scope if there is
    one."""

    name: str
    hot: bool
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A field as a query names it, resolved: `kind` says how literals compare with its values."""

    name: str
    kind: Kind
    sources: tuple[Source, ...]


# ---- what a test asks of one value
# -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exists:
    """There is a value at all."""


@dataclass(frozen=True, slots=True)
class Equals:
    """The value is one of these. Texts compare as texts (folded or not), numbers as numbers exactly to 64 bits,
    booleans as booleans, on columns of that kind and on the map's texts read as that. For an IP field the texts are
    addresses; for a date field they are µs as ints. `values` holds one Python type only; it is never empty."""

    values: tuple[Scalar, ...]
    fold: bool = False

    def __eq__(self, other: object) -> bool:
        # Python takes True for 1; one test must not stand for the other.
        if not isinstance(other, Equals):
            return NotImplemented
        return (self.fold, self.values) == (other.fold, other.values) and _types(self.values) == _types(other.values)

    def __hash__(self) -> int:
        return hash((self.values, _types(self.values), self.fold))


def _types(values: tuple[Scalar, ...]) -> tuple[type, ...]:
    return tuple(map(type, values))


class Gap(Enum):
    """What a wildcard stands for within a `Like`."""

    ANY = "*"  # any run of characters, newlines too, the empty one too
    ONE = "?"  # exactly one character (one code point), a newline too


@dataclass(frozen=True, slots=True)
class Like:
    """The whole value has this shape: texts and gaps in order. "contains x" is (ANY, "x", ANY), "starts with" ("x",
    ANY)."""

    parts: tuple[str | Gap, ...]
    fold: bool = False


@dataclass(frozen=True, slots=True)
class Regex:
    """RE2 finds `pattern` in the value (`whole`: matches the whole value). `(?-s)` stands in front unless `dotall`;
    `fold` is `(?i)`,
    `multiline` `(?m)`. The language that made it has checked that RE2 takes it."""

    pattern: str
    fold: bool = False
    whole: bool = False
    multiline: bool = False
    dotall: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """`low` (<|<=) value (<|<=) `high`; None is open. Numbers compare as numbers; on KEYWORD texts as UTF-8 bytes;
    dates are µs ints; on IP fields bounds are 16 bytes."""

    low: int | float | str | bytes | None
    high: int | float | str | bytes | None
    low_included: bool = True
    high_included: bool = True


@dataclass(frozen=True, slots=True)
class Words:
    """The value's tokens (`event.text.tokens`) contain these, as neighbours in this order. Each is a folded token
    text, or a tuple of texts and gaps that one token matches. Never empty."""

    words: tuple[str | tuple[str | Gap, ...], ...]


Op = Exists | Equals | Like | Regex | Range | Words

# ---- predicates ----


@dataclass(frozen=True, slots=True)
class Always:
    """True or false for every event."""

    value: bool


@dataclass(frozen=True, slots=True)
class Test:
    """Any value of the field satisfies the op."""

    field: Field
    op: Op


@dataclass(frozen=True, slots=True)
class Not:
    """The negation of the whole item."""

    item: Predicate


@dataclass(frozen=True, slots=True)
class And:
    """All items; true when there are none."""

    items: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any item; false when there are none."""

    items: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class InList:
    """A value of the field is in the list `list` (SCENARIOS, "Lists"): exact, or CIDR for addresses. `narrow` gives
    other columns of the list with the fields that must agree with the same row (empty in the row = any). Null is not
    listed."""

    field: Field
    list: str
    narrow: tuple[tuple[str, Field], ...] = ()


# ---- expressions (EQL)
# -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Value:
    """The values of a field. In a scalar function: its only value, or the first."""

    field: Field


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal; None is null."""

    value: Scalar | None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constant):
            return NotImplemented
        return type(self.value) is type(other.value) and self.value == other.value

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the language (`length`, `concat`, `indexOf` …), by its lower-case name; arithmetic is "+", "-",
    "*", "/", "%".
    `fold` is EQL's `fn~`. `lang.functions` lists them with their types."""

    function: str
    arguments: tuple[Expr, ...]
    fold: bool = False


Expr = Value | Constant | Call


@dataclass(frozen=True, slots=True)
class Compare:
    """`left` op `right`, any value of a listed field against the other side. `any_of` is Sigma's `fieldref` on
    lists."""

    left: Expr
    operator: Choice["==", "!=", "<", "<=", ">", ">="]
    right: Expr
    fold: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """An expression used as a predicate: true if it is the boolean true (null is false)."""

    expression: Expr


@dataclass(frozen=True, slots=True)
class IsNull:
    """`expression == null`: true if it has no value."""

    expression: Expr


Predicate = Always | Test | Not | And | Or | InList | Compare | Truth | IsNull

# ---- what a query or rule asks of many events
# --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a sequence or sample: which events, and the values by which they join (one expression a key)."""

    where: Predicate
    by: tuple[Field, ...] = ()
    optional_by: tuple[bool, ...] = ()  # EQL's `?field`: a missing value joins as null
    runs: int = 1
    missing: bool = False  # EQL's `![ … ]`: no such event between its neighbours
    name: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """Events, one by one."""

    where: Predicate


@dataclass(frozen=True, slots=True)
class Sequence:
    """Ordered events, each after the one before (Elasticsearch EQL `sequence`). `maxspan` in µs, None = unbounded."""

    steps: tuple[Step, ...]
    maxspan: int | None = None
    until: Step | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Unordered events with equal keys (EQL `sample by`)."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """So many events of a group within a sliding window (a threshold, Sigma's event_count and value_count).

    Fires while `low <= n <= high` of events, or of distinct values of `distinct` (null is none) among at least `events`
    events, per value of `by` within `window` µs. An event that lacks a field of `by` is in no group, but where
    `optional_by` (a flag a field) says that null is a value.
    """

    where: Predicate
    by: tuple[Field, ...]
    window: int
    low: int | None = 1
    high: int | None = None
    distinct: tuple[Field, ...] = ()
    events: int = 1
    unless: Common | None = None
    optional_by: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Common:
    """A cause that many share: so many distinct values of `distinct` beside the group's own, among events that meet
    `where` and have equal values of `by`, within the window of the count, veto its alert."""

    where: Predicate
    by: tuple[Field, ...]
    distinct: Field
    at_least: int


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a correlation: alerts of any of these rules, joined by the values of `by` in their documents."""

    name: str
    rules: tuple[str, ...]
    by: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Correlation:
    """Alerts of other rules within `window` µs of event time, equal in the first key; a leg whose first key is missing
    joins every group that has its remaining keys.

    Fires from `minimum` legs on (as `partial`), whole with all of them from at least `observers` observers; in the
    order of the legs if `ordered`. `raised`: a later alert of these rules within so many µs gives that severity.
    """

    legs: tuple[Leg, ...]
    window: int
    ordered: bool = False
    minimum: int = 0
    observers: int = 0
    partial: str = "low"
    raised: tuple[tuple[Leg, int, str], ...] = ()


Plan = Query | Sequence | Sample | Count | Correlation

# ---- building and walking
# ----------------------------------------------------------------------------------------------

TRUE = Always(True)
FALSE = Always(False)


def all_of(*items: Predicate) -> Predicate:
    """`And`, flattened and with constants folded."""
    flat: list[Predicate] = []
    for item in items:
        if isinstance(item, And):
            flat.extend(item.items)
        elif item == FALSE:
            return FALSE
        elif item != TRUE:
            flat.append(item)
    flat = list(dict.fromkeys(flat))
    return TRUE if not flat else flat[0] if len(flat) == 1 else And(tuple(flat))


def any_of(*items: Predicate) -> Predicate:
    """`Or`, flattened and with constants folded."""
    flat: list[Predicate] = []
    for item in items:
        if isinstance(item, Or):
            flat.extend(item.items)
        elif item == TRUE:
            return TRUE
        elif item != FALSE:
            flat.append(item)
    flat = list(dict.fromkeys(flat))
    return FALSE if not flat else flat[0] if len(flat) == 1 else Or(tuple(flat))


def negate(item: Predicate) -> Predicate:
    """`Not`, with constants and double negations folded (sound since predicates are two-valued)."""
    if isinstance(item, Always):
        return Always(not item.value)
    return item.item if isinstance(item, Not) else Not(item)


def leaves(item: Predicate) -> Iterator[Predicate]:
    """Every predicate below that holds no other, in order, repeats included."""
    stack: list[Predicate] = [item]
    while stack:
        node = stack.pop()
        if isinstance(node, (And, Or)):
            stack.extend(reversed(node.items))
        elif isinstance(node, Not):
            stack.append(node.item)
        else:
            yield node


def fields(item: Predicate) -> Iterator[Field]:
    """Every field that is read below, repeats included."""
    for leaf in leaves(item):
        if isinstance(leaf, Test):
            yield leaf.field
        elif isinstance(leaf, InList):
            yield leaf.field
            yield from (field for _, field in leaf.narrow)
        elif isinstance(leaf, Compare):
            yield from _read_by(leaf.left)
            yield from _read_by(leaf.right)
        elif isinstance(leaf, (Truth, IsNull)):
            yield from _read_by(leaf.expression)


def _read_by(expression: Expr) -> Iterator[Field]:
    if isinstance(expression, Value):
        yield expression.field
    elif isinstance(expression, Call):
        for argument in expression.arguments:
            yield from _read_by(argument)


def digest(node: object) -> str:
    """A hash of a plan or predicate that is the same in every process (sets are sorted)."""
    return stable_id(_spelled(node))


def _spelled(node: object) -> str:
    kind = type(node)
    if kind is str:
        return repr(node)
    if isinstance(node, tuple):
        return "(" + ",".join(map(_spelled, node)) + ")"
    if isinstance(node, frozenset):
        return "{" + ",".join(sorted(map(_spelled, node))) + "}"
    if isinstance(node, Field):
        return _spelled_field(node)
    if kind not in _MEMBERS:
        _MEMBERS[kind] = tuple(each.name for each in dataclass_fields(kind)) if is_dataclass(kind) else None
    names = _MEMBERS[kind]
    return repr(node) if names is None else _spelled_members(node, names)


def _spelled_members(node: object, names: Iterable[str]) -> str:
    return f"{type(node).__name__}({','.join([_spelled(getattr(node, name)) for name in names])})"


@lru_cache(maxsize=4096)
def _spelled_field(field: Field) -> str:
    """Rules share few fields, each with dozens of sources."""
    return _spelled_members(field, [each.name for each in dataclass_fields(Field)])


_MEMBERS: dict[type, tuple[str, ...] | None] = {}  # of a class its fields, None where it is no dataclass
