"""EQL's conditions and values as parsed, and their lowering to predicates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Final

from tocsin.errors import SyntaxProblem, quoted
from tocsin.event.ip import bounds
from tocsin.event.schema import Kind
from tocsin.lang import _grammar, _literals, _lucene_regex, functions, ir
from tocsin.lang.fields import Names
from tocsin.lang.ir import FALSE, TRUE, Always, Field, Gap, Predicate, Step, Test, all_of, any_of, negate

_FLIPPED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_REMOVED: Final = {
    "wildcard": "like~",
    "match": "regex~",
    "matchlite": "regex~",
    "arraysearch": "",
    "arraycontains": "",
}


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; `start` and `end` of every node are offsets in the text."""

    value: str | int | float | bool | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Name:
    """A field."""

    name: str
    optional: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Function:
    """A call, also unary minus."""

    name: str
    arguments: tuple[Condition, ...]
    fold: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Binary:
    """A comparison or arithmetic."""

    operator: str
    left: Condition
    right: Condition
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Shape:
    """`:`, `like` and `regex` with their patterns."""

    kind: str
    item: Condition
    patterns: tuple[Literal, ...]
    fold: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Member:
    """`in` and `in~`."""

    item: Condition
    values: tuple[Condition, ...]
    fold: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Negated:
    """`not`."""

    item: Condition
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Many:
    """`and`, `or`."""

    every: bool
    items: tuple[Condition, ...]
    start: int
    end: int


Condition = Literal | Name | Function | Binary | Shape | Member | Negated | Many


@dataclass(frozen=True, slots=True)
class Event:
    """`category where condition`."""

    category: str | None
    condition: Condition
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Term:
    """One step of a sequence or sample as written."""

    event: Event
    keys: list[Name]
    runs: int
    missing: bool


class Lower:
    """Conditions to predicates; gathers what is wrong."""

    def __init__(self, text: str, names: Names, category_field: str, now: int | None) -> None:
        self.text = text
        self.names = names
        self.category = names.field(category_field)
        self.now = now
        self.problems: list[SyntaxProblem] = []

    def wrong(self, what: str, start: int, end: int) -> None:
        """Note a problem with a part of the text."""
        self.problems.append(_grammar.problem(self.text, what, start, end))

    # ---- steps ----

    def event(self, event: Event) -> Predicate:
        """The predicate of one event filter."""
        where = self.holds(event.condition)
        if event.category is None:
            return where
        return all_of(Test(self.category, ir.Equals((event.category,))), where)

    def _step(self, term: Term, keys: list[Name]) -> Step:
        every = [*keys, *term.keys]
        return Step(
            self.event(term.event),
            tuple(self.names.field(key.name) for key in every),
            tuple(key.optional for key in every),
            term.runs,
            term.missing,
        )

    def sequence(
        self, keys: list[Name], span: int | None, terms: list[Term], until: Term | None, start: int, end: int
    ) -> ir.Sequence:
        """A sequence, with the rules that Elasticsearch has for its shape."""
        self._equal_keys([*terms, *([until] if until else [])])
        present = [term for term in terms if not term.missing]
        if not present:
            self.wrong("a sequence needs an event that is there", start, end)
        elif sum(term.runs for term in terms) < 2:
            self.wrong("a sequence has at least two steps", start, end)
        if span is None and len(present) != len(terms):
            self.wrong("a sequence with a missing event (`![…]`) needs `with maxspan=…`", start, end)
        return ir.Sequence(
            tuple(self._step(term, keys) for term in terms), span, self._step(until, keys) if until else None
        )

    def sample(self, keys: list[Name], terms: list[Term], start: int, end: int) -> ir.Sample:
        """A sample; it joins by something."""
        self._equal_keys(terms)
        if not keys and not all(term.keys for term in terms):
            self.wrong("a sample has keys: `sample by …`", start, end)
        if len(terms) < 2:
            self.wrong("a sample has at least two steps", start, end)
        return ir.Sample(tuple(self._step(term, keys) for term in terms))

    def _equal_keys(self, terms: list[Term]) -> None:
        for term in terms[1:]:
            if len(term.keys) != len(terms[0].keys):
                what = f"{len(term.keys)} keys here, {len(terms[0].keys)} in the first step: they must pair"
                self.wrong(what, term.event.start, term.event.end)

    # ---- conditions ----

    def holds(self, node: Condition) -> Predicate:
        """When a condition is true."""
        match node:
            case Many():
                made = [self.holds(item) for item in node.items]
                return all_of(*made) if node.every else any_of(*made)
            case Negated():
                return negate(self.holds(node.item))
            case Shape():
                return self._shape(node)
            case Member():
                return any_of(*self._members(node))
            case Binary() if node.operator in _FLIPPED:
                return self._compare(node)
            case Literal(value=bool(value)):
                return Always(value)
            case Literal(value=None):
                return FALSE
            case Name():
                return self._true_field(node)
            case Function() if functions.FUNCTIONS[node.name].gives == "boolean":
                return self._call(node)
            case _:
                self.wrong("a condition is true or false: compare this with something", node.start, node.end)
                return TRUE

    def _true_field(self, node: Name) -> Predicate:
        field = self.names.field(node.name)
        if field.kind not in (Kind.BOOLEAN, Kind.UNKNOWN):
            self.wrong(f"{node.name} is not true or false: compare it with something", node.start, node.end)
        return Test(field, ir.Equals((True,)))

    def _is_null(self, node: Condition) -> Predicate:
        """When a condition or value is null: where any value that it is computed from is."""
        match node:
            case Name():
                return negate(Test(self.names.field(node.name), ir.Exists()))
            case Literal():
                return Always(node.value is None)
            case Many():
                # Kleene: not true, and not false either.
                false = [all_of(negate(self.holds(item)), negate(self._is_null(item))) for item in node.items]
                is_false = any_of(*false) if node.every else all_of(*false)
                return all_of(negate(self.holds(node)), negate(is_false))
            case Negated():
                return self._is_null(node.item)
            case Shape():
                return self._is_null(node.item)
            case Member():
                return self._is_null(node.item)
            case Binary() if node.operator in _FLIPPED:
                if _is_null_literal(node.left) or _is_null_literal(node.right):
                    return Always(node.operator not in ("==", "!="))  # those ask for null, and are never null
                return any_of(self._is_null(node.left), self._is_null(node.right))
            case _:
                expression = self._value(node)
                if isinstance(expression, ir.Constant):
                    return Always(expression.value is None)
                return ir.IsNull(expression)

    def _compare(self, node: Binary) -> Predicate:
        left, operator, right = self._folded(node.left), node.operator, self._folded(node.right)
        if isinstance(left, Literal) and not isinstance(right, Literal):
            left, operator, right = right, _FLIPPED[operator], left
        if isinstance(right, Literal):
            if right.value is None:
                if operator not in ("==", "!="):
                    return FALSE
                return self._is_null(left) if operator == "==" else negate(self._is_null(left))
            if isinstance(right.value, bool) and _is_condition(left):
                if operator not in ("==", "!="):
                    self.wrong("true and false have no order", node.start, node.end)
                return self.holds(left) if right.value is (operator == "==") else negate(self.holds(left))
            if isinstance(left, Name):
                return self._try(right, lambda: self._field_against(self.names.field(left.name), operator, right.value))
        if operator == "==" and isinstance(left, Name) and isinstance(right, Name) and left.optional and right.optional:
            return any_of(self._compared(left, operator, right), all_of(self._is_null(left), self._is_null(right)))
        return self._compared(left, operator, right)

    def _folded(self, node: Condition) -> Condition:
        """What is computed from constants alone as a literal."""
        computed = isinstance(node, Function) or (isinstance(node, Binary) and node.operator not in _FLIPPED)
        if computed and not _names_in(node):
            value = self._value(node)
            if isinstance(value, ir.Constant):
                return Literal(value.value, node.start, node.end)
        return node

    def _compared(self, left: Condition, operator: str, right: Condition, fold: bool = False) -> Predicate:
        a, b = self._value(left), self._value(right)
        if isinstance(a, ir.Constant) and isinstance(b, ir.Constant):
            return Always(functions.compare(operator, a.value, b.value, fold) is True)
        return ir.Compare(a, operator, b, fold)  # type: ignore[arg-type]

    def _field_against(
        self, field: Field, operator: str, value: str | int | float | bool | None, fold: bool = False
    ) -> Predicate:
        """A field compared with a literal."""
        if operator == "!=":
            return negate(self._field_against(field, "==", value, fold))
        if isinstance(value, bool):
            if operator != "==":
                raise _literals.BadLiteralError("true and false have no order")
            if field.kind in (Kind.BOOLEAN, Kind.UNKNOWN):
                return Test(field, ir.Equals((value,)))
            return Test(field, ir.Equals(("true" if value else "false",), fold))
        if isinstance(value, (int, float)):
            return self._field_against_number(field, operator, value)
        assert isinstance(value, str)
        if operator == "==":
            if field.kind is Kind.UNKNOWN:
                return Test(field, ir.Equals((value,), fold))
            return _literals.equals(field, value, fold=fold, now=self.now)
        if field.kind in (Kind.UNKNOWN, Kind.KEYWORD, Kind.TEXT):
            return _literals.bounded(field, operator, value, value)  # type: ignore[arg-type]
        return _literals.compare(field, operator, value, now=self.now)  # type: ignore[arg-type]

    def _field_against_number(self, field: Field, operator: str, value: int | float) -> Predicate:
        if field.kind in (Kind.DATE, Kind.IP):
            text = str(value)
            if operator == "==":
                return _literals.equals(field, text, fold=False, now=self.now)
            return _literals.compare(field, operator, text, now=self.now)  # type: ignore[arg-type]
        if operator == "==":
            if field.kind in (Kind.KEYWORD, Kind.TEXT) and isinstance(value, int):
                return Test(field, ir.Equals((str(value),)))  # event.code == 4688
            return Test(field, ir.Equals((value,)))
        return _literals.bounded(field, operator, value, value)  # type: ignore[arg-type]

    def _members(self, node: Member) -> list[Predicate]:
        texts: list[str] = []
        numbers: list[int | float] = []
        rest: list[Predicate] = []
        field = self.names.field(node.item.name) if isinstance(node.item, Name) else None
        for value in node.values:
            if isinstance(value, Literal) and value.value is None:
                continue  # nothing is null in a list
            if field is None or not isinstance(value, Literal):
                rest.append(self._compared(node.item, "==", value, node.fold))
            elif isinstance(value.value, str) and field.kind in (Kind.KEYWORD, Kind.TEXT, Kind.UNKNOWN):
                texts.append(value.value)
            elif type(value.value) in (int, float) and field.kind in (Kind.LONG, Kind.DOUBLE, Kind.UNKNOWN):
                numbers.append(value.value)  # type: ignore[arg-type]
            else:
                rest.append(self._try(value, partial(self._field_against, field, "==", value.value, node.fold)))
        if field is not None and texts:
            rest.insert(0, Test(field, ir.Equals(tuple(dict.fromkeys(texts)), node.fold)))
        if field is not None and numbers:
            rest.insert(0, Test(field, ir.Equals(tuple(dict.fromkeys(numbers)))))
        return rest

    def _shape(self, node: Shape) -> Predicate:
        made: list[Predicate] = []
        plain: list[Condition] = []
        for pattern in node.patterns:
            if not isinstance(pattern.value, str):
                if node.kind == "regex" or pattern.value is None:
                    self.wrong("a pattern is a text in quotes", pattern.start, pattern.end)
                else:
                    plain.append(pattern)
            elif node.kind == "like" and not any(sign in pattern.value for sign in "*?"):
                plain.append(pattern)
            else:
                made.append(self._try(pattern, partial(self._pattern, node, pattern.value)))
        if plain:
            made = [*self._members(Member(node.item, tuple(plain), node.fold, node.start, node.end)), *made]
        return any_of(*made)

    def _pattern(self, node: Shape, pattern: str) -> Predicate:
        if node.kind == "regex":
            translated = _lucene_regex.translate(pattern)
            if isinstance(node.item, Name):
                op = ir.Regex(translated, node.fold, whole=True, dotall=True)
                return Test(self.names.field(node.item.name), op)
            return self._truth("regex", (self._value(node.item), ir.Constant(translated)), node.fold)
        if isinstance(node.item, Name):
            return _literals.like(self.names.field(node.item.name), shape_of(pattern), fold=node.fold)
        return self._truth("like", (self._value(node.item), ir.Constant(pattern)), node.fold)

    @staticmethod
    def _truth(name: str, arguments: tuple[ir.Expr, ...], fold: bool) -> Predicate:
        values = [argument.value for argument in arguments if isinstance(argument, ir.Constant)]
        if len(values) == len(arguments):
            return Always(functions.apply(name, values, fold) is True)
        return ir.Truth(ir.Call(name, arguments, fold))

    # ---- values ----

    def _call(self, node: Function) -> Predicate:
        """A boolean function: a plain test where it asks of a field what a test asks."""
        first, *others = node.arguments
        texts = [each.value for each in others if isinstance(each, Literal) and isinstance(each.value, str)]
        if isinstance(first, Name) and len(texts) == len(others):
            field = self.names.field(first.name)
            if node.name == "cidrmatch":
                if field.kind is Kind.IP:
                    blocks = [block for block in map(bounds, texts) if block]
                    return any_of(*(Test(field, ir.Range(*block)) for block in blocks))
            elif field.kind not in (Kind.IP, Kind.DATE):
                gaps: dict[str, tuple[str | Gap, ...]] = {
                    "startswith": (texts[0], Gap.ANY),
                    "endswith": (Gap.ANY, texts[0]),
                    "stringcontains": (Gap.ANY, texts[0], Gap.ANY),
                }
                return _literals.like(field, gaps[node.name], fold=node.fold)
        expression = self._value(node)
        return Always(expression.value is True) if isinstance(expression, ir.Constant) else ir.Truth(expression)

    def _value(self, node: Condition) -> ir.Expr:
        """A value as an expression, with what is constant computed."""
        match node:
            case Literal():
                return ir.Constant(node.value)
            case Name():
                return ir.Value(self.names.field(node.name))
            case Function():
                return self._computed(node.name, [self._value(each) for each in node.arguments], node.fold)
            case Binary():
                return self._computed(node.operator, [self._value(node.left), self._value(node.right)], False)
            case _:
                self.wrong("a condition can't be a value here", node.start, node.end)
                return ir.Constant(None)

    @staticmethod
    def _computed(name: str, arguments: list[ir.Expr], fold: bool) -> ir.Expr:
        if name == "number" and (len(arguments) == 1 or arguments[1] == ir.Constant(None)):
            text = arguments[0].value if isinstance(arguments[0], ir.Constant) else None
            # Without a base a constant says by 0x that it is 16; what fields hold is decimal.
            arguments = [arguments[0], ir.Constant(16 if str(text).lower().startswith("0x") else 10)]
        constants = [argument.value for argument in arguments if isinstance(argument, ir.Constant)]
        if len(constants) == len(arguments):
            return ir.Constant(functions.apply(name, constants, fold))
        if None in constants and name != "number":
            return ir.Constant(None)  # null in, null out
        return ir.Call(name, tuple(arguments), fold)

    def check_function(
        self, name: str, called: str, arguments: Sequence[Condition], fold: bool, start: int, end: int
    ) -> bool:
        """Whether a call can be made; notes why not."""
        if name not in functions.CALLABLE:
            spelt = [functions.FUNCTIONS[each].spelling for each in sorted(functions.CALLABLE)]
            close = get_close_matches(name, [each.lower() for each in spelt], n=1, cutoff=0.6)
            if other := _REMOVED.get(name):
                hint = f"; it was Endgame's, write `{other}`"
            elif close:
                hint = f"; did you mean {functions.FUNCTIONS[close[0]].spelling!r}?"
            else:
                hint = f"; there are {', '.join(spelt)}"
            self.wrong(f"there is no function {quoted(called)}{hint}", start, start + len(called))
            return False
        known = functions.FUNCTIONS[name]
        most = len(known.arguments) if not known.repeats else 255
        if not known.required <= len(arguments) <= most:
            few = f"{known.required}" if most == known.required else f"{known.required} to {most}"
            few = f"at least {known.required}" if known.repeats else few
            self.wrong(f"{known.spelling} takes {few} arguments, not {len(arguments)}", start, end)
            return False
        if fold and not known.folds:
            self.wrong(f"{known.spelling} has no `~`: it does not look at letters", start, start + len(called))
        for at in known.constant:
            if at < len(arguments):
                given = arguments[at]
                if not isinstance(given, Literal) or not isinstance(given.value, str):
                    self.wrong(f"{known.spelling} takes a text in quotes here", given.start, given.end)
                elif name == "cidrmatch" and bounds(given.value) is None:
                    self.wrong(f"{given.value!r} is no network", given.start, given.end)
        return True

    def _try(self, node: Literal, act: Callable[[], Predicate]) -> Predicate:
        made = _grammar.collected(self.text, self.problems, act, node.start, node.end)
        return TRUE if made is None else made


def shape_of(pattern: str) -> _literals.Parts:
    """A pattern with `*` and `?` as texts and gaps."""
    gaps = {"*": Gap.ANY, "?": Gap.ONE}
    return _literals.tidy(tuple(gaps.get(char, char) for char in pattern))


def _names_in(node: Condition) -> bool:
    """Whether a value is computed from a field or a condition."""
    stack = [node]
    while stack:
        each = stack.pop()
        if isinstance(each, Function):
            stack.extend(each.arguments)
        elif isinstance(each, Binary) and each.operator not in _FLIPPED:
            stack.extend((each.left, each.right))
        elif not isinstance(each, Literal):
            return True
    return False


def _is_null_literal(node: Condition) -> bool:
    return isinstance(node, Literal) and node.value is None


def _is_condition(node: Condition) -> bool:
    if isinstance(node, Function):
        return functions.FUNCTIONS[node.name].gives == "boolean"
    if isinstance(node, Binary):
        return node.operator in _FLIPPED
    return isinstance(node, (Shape, Member, Negated, Many))
