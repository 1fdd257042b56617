"""KQL, Kibana's query language: `parse(text, names)` gives the predicate.

As Kibana has it (Elastic docs, "Kibana Query Language"; grammar kuery.peg): `field: value`, `field: (a or b)`, ranges,
`field: *`, wildcards in values and field names, `"quoted"` phrases, `and`/`or`/`not` in any case, `not` before `and`
before `or`. Depart: letter case is ignored in values unless `case_sensitive`; a bare word looks in `message`,
`event.original` and the command lines; `field: { a: 1 and b: 2 }` asks for fields `field.a` and `field.b`, each of
which may be met by another element, since our arrays of objects are flattened.

Text fields are searched by token: several bare words mean any of them, quotes mean neighbours in order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Final

import re2
from lark import Lark, Token, Transformer, v_args

from tocsin.errors import QueryError, SyntaxProblem, quoted
from tocsin.event.schema import Kind
from tocsin.lang import _grammar, _literals
from tocsin.lang._literals import Operator, Parts
from tocsin.lang.fields import Names
from tocsin.lang.ir import TRUE, Field, Gap, Predicate, all_of, any_of, negate

# Where a bare word looks (DESIGN section 3).
ANYWHERE: Final = ("message", "event.original", "process.command_line", "process.parent.command_line")

_GRAMMAR: Final = r"""
start: [any]
?any: every (OR every)*
?every: one (AND one)*
?one: NOT+ plain -> negation
    | plain
?plain: "(" any ")"
    | leaf
leaf: literal ":" values -> pair
    | literal ":" LBRACE any RBRACE -> nested
    | literal RELATION literal -> relation
    | literal -> bare
?values: literal -> value
    | "(" either ")"
?either: both (OR both)* -> any
?both: single (AND single)* -> every
?single: NOT+ simple -> negation
    | simple
?simple: "(" either ")"
    | literal -> value
literal: WORD+ | QUOTED

OR.3: /or(?=[\s()":<>{}]|$)/i
AND.3: /and(?=[\s()":<>{}]|$)/i
NOT.3: /not(?=[\s()":<>{}]|$)/i
RELATION: "<=" | ">=" | "<" | ">"
LBRACE: "{"
RBRACE: "}"
QUOTED: /"(?:\\.|[^"\\])*"/s
WORD: /(?:\\[\s\S]|[^\s\\():<>"{}])+/
%ignore /\s+/
"""
_WORDS: Final = {
    "OR": "'or'",
    "AND": "'and'",
    "NOT": "",
    "COLON": "':'",
    "RPAR": "')'",
    "RBRACE": "'}'",
    "WORD": "a word",
    "QUOTED": "a quoted text",
    "LPAR": "'('",
}
_ESCAPED: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|(?i:and|or|not)|.)|(\*)|([^\\*]+)|(\\)", re.DOTALL)
_QUOTED: Final = re.compile(r'\\(u[0-9a-fA-F]{4}|[\\"trn])', re.DOTALL)
_BLANK: Final = {"t": "\t", "r": "\r", "n": "\n"}


@dataclass(frozen=True, slots=True)
class _Literal:
    """What stands in quotes, or words up to the next sign; `parts` has gaps for unescaped `*`."""

    parts: Parts
    quoted: bool
    start: int
    end: int

    @property
    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.value for part in self.parts)

    @property
    def wild(self) -> bool:
        return any(isinstance(part, Gap) for part in self.parts)


@dataclass(frozen=True, slots=True)
class _Value:
    literal: _Literal


@dataclass(frozen=True, slots=True)
class _Pair:
    field: _Literal
    values: _Node


@dataclass(frozen=True, slots=True)
class _Relation:
    field: _Literal
    operator: Operator
    literal: _Literal


@dataclass(frozen=True, slots=True)
class _Nested:
    field: _Literal
    item: _Node


@dataclass(frozen=True, slots=True)
class _Bare:
    literal: _Literal


@dataclass(frozen=True, slots=True)
class _Not:
    item: _Node


@dataclass(frozen=True, slots=True)
class _Many:
    every: bool
    items: tuple[_Node, ...]


_Node = _Value | _Pair | _Relation | _Nested | _Bare | _Not | _Many


def parse(
    text: str, names: Names, *, case_sensitive: bool = False, now: int | None = None, prefix: str = ""
) -> Predicate:
    """The predicate that `text` asks for; nothing asks for everything.

    `now` (µs) is what `now` means in date math, else the clock; `prefix` stands before every field name. Raises
    `QueryError` with every problem found.
    """
    tree = _grammar.run(_parser(), _Build(text), text, _WORDS)
    if tree is None:
        return TRUE
    lower = _Lower(text, names, not case_sensitive, now)
    predicate = lower.node(tree, prefix)
    if lower.problems:
        raise QueryError(lower.problems)
    return predicate


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="basic", propagate_positions=False, maybe_placeholders=True)


@v_args(inline=True)
class _Build(Transformer[Token, Any]):
    """Reduces the parse to nodes, bottom up."""

    def __init__(self, text: str) -> None:
        super().__init__(visit_tokens=False)
        self.text = text

    def start(self, item: _Node | None) -> _Node | None:
        return item

    def any(self, *items: Any) -> _Node:
        return self._many(False, items)

    def every(self, *items: Any) -> _Node:
        return self._many(True, items)

    def negation(self, *items: Any) -> _Node:
        item: _Node = items[-1]
        return item if len(items) % 2 else _Not(item)

    def pair(self, field: _Literal, values: _Node) -> _Node:
        return _Pair(field, values)

    def nested(self, field: _Literal, _open: Token, item: _Node, _close: Token) -> _Node:
        return _Nested(field, item)

    def relation(self, field: _Literal, operator: Token, literal: _Literal) -> _Node:
        signs: dict[str, Operator] = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
        return _Relation(field, signs[str(operator)], literal)

    def bare(self, literal: _Literal) -> _Node:
        return _Bare(literal)

    def value(self, literal: _Literal) -> _Node:
        return _Value(literal)

    def literal(self, *tokens: Token) -> _Literal:
        start, end = tokens[0].start_pos or 0, tokens[-1].end_pos or 0
        raw = self.text[start:end]
        if tokens[0].type == "QUOTED":
            plain = _QUOTED.sub(lambda match: _unescaped(match[1]), raw[1:-1])
            return _Literal((plain,), True, start, end)
        return _Literal(_literals.tidy(self._parts(raw, start)), False, start, end)

    def _parts(self, raw: str, start: int) -> Parts:
        parts: list[str | Gap] = []
        for match in _ESCAPED.finditer(raw):
            escaped, gap, plain, _lone = match.groups()
            if gap:
                parts.append(Gap.ANY)
            elif plain is not None:
                parts.append(plain)
            elif escaped is not None and (escaped in '\\():<>"*{} trn' or len(escaped) > 1):
                parts.append(_unescaped(escaped))
            else:
                at = start + match.start()
                what = r"a lone backslash: write \\ for one, or put the value in quotes"
                raise QueryError([_grammar.problem(self.text, what, at, at + len(match[0]))])
        return tuple(parts)

    @staticmethod
    def _many(every: bool, items: tuple[Any, ...]) -> _Node:
        nodes = tuple(item for item in items if not isinstance(item, Token))
        return nodes[0] if len(nodes) == 1 else _Many(every, nodes)


def _unescaped(escaped: str) -> str:
    if len(escaped) == 5 and escaped[0] == "u":
        return chr(int(escaped[1:], 16))
    return _BLANK.get(escaped, escaped)


class _Lower:
    """Nodes to predicates; gathers what is wrong. Depth is bounded by `_grammar.check_size`."""

    def __init__(self, text: str, names: Names, fold: bool, now: int | None) -> None:
        self.text = text
        self.names = names
        self.fold = fold
        self.now = now
        self.problems: list[SyntaxProblem] = []

    def node(self, node: _Node, prefix: str) -> Predicate:
        match node:
            case _Many():
                made = [self.node(item, prefix) for item in node.items]
                return all_of(*made) if node.every else any_of(*made)
            case _Not():
                return negate(self.node(node.item, prefix))
            case _Nested():
                return any_of(*(self.node(node.item, f"{name}.") for name in self._names(node.field, prefix, True)))
            case _Pair():
                if node.field.wild and set(node.field.parts) == {Gap.ANY} and not prefix:
                    return self._anywhere(node.values)
                return any_of(*(self._values(self.names.field(name), node.values) for name in self._of(node, prefix)))
            case _Relation():
                return any_of(*(self._relation(self.names.field(name), node) for name in self._of(node, prefix)))
            case _Bare():
                return self._anywhere(_Value(node.literal))
            case _Value():  # pragma: no cover  # the grammar has values only within a pair
                return TRUE

    def _of(self, node: _Pair | _Relation, prefix: str) -> list[str]:
        return self._names(node.field, prefix, False)

    def _names(self, literal: _Literal, prefix: str, nested: bool) -> list[str]:
        """The names that a (perhaps wild) name stands for."""
        name = prefix + literal.text
        if not literal.wild:
            if re.search(r"\s", name):
                self._wrong(f"a field's name has no blanks: is 'and' or 'or' missing in {quoted(name, 60)}?", literal)
            return [name]
        shape = "".join(".*" if isinstance(part, Gap) else re2.escape(part) for part in literal.parts)
        known = self.names.like(re2.compile(f"(?s){re2.escape(prefix)}{shape}").fullmatch)
        if nested:
            known = sorted({name.rpartition(".")[0] for name in known if "." in name})
        if not known and not nested:
            known = _indexed(name)
        if not known:
            self._wrong(f"no known field is named like {quoted(name, 60)}", literal)
        return known

    def _values(self, field: Field, node: _Node) -> Predicate:
        match node:
            case _Many():
                plain = self._plain(field, node)
                if plain is not None:
                    return plain
                made = [self._values(field, item) for item in node.items]
                return all_of(*made) if node.every else any_of(*made)
            case _Not():
                return negate(self._values(field, node.item))
            case _Value(literal=literal):
                return self._try(literal, lambda: self._value(field, literal))
            case _:  # pragma: no cover
                return TRUE

    def _plain(self, field: Field, node: _Many) -> Predicate | None:
        """`field: (a or b or …)` of whole values as one test."""
        if node.every or field.kind not in (Kind.KEYWORD, Kind.LONG, Kind.IP, Kind.UNKNOWN):
            return None
        texts = [item.literal for item in node.items if isinstance(item, _Value) and not item.literal.wild]
        if len(texts) != len(node.items):
            return None
        if field.kind is Kind.UNKNOWN and any(_literals.number(literal.text) is not None for literal in texts):
            return None
        try:
            return _literals.any_equal(field, [literal.text for literal in texts], fold=self.fold)
        except ValueError:
            return None  # told one by one, each at its place

    def _value(self, field: Field, literal: _Literal) -> Predicate:
        if literal.parts == (Gap.ANY,):
            return _literals.exists(field)
        if field.kind is Kind.TEXT:
            return self._words(field, literal)
        if literal.wild:
            return _literals.like(field, literal.parts, fold=self.fold)
        if field.kind is Kind.UNKNOWN and not literal.quoted:
            # An untyped field holds the number 4625 or the text "4625": both are what was asked for.
            value = _literals.number(literal.text)
            if value is not None:
                return any_of(
                    _literals.equals(field, literal.text, fold=self.fold), _literals.equal_number(field, value)
                )
        return _literals.equals(field, literal.text, fold=self.fold, now=self.now)

    def _words(self, field: Field, literal: _Literal) -> Predicate:
        if literal.quoted:
            return _literals.phrase(field, literal.text)
        return any_of(*(_literals.words(field, parts) for parts in _chunks(literal.parts)))

    def _anywhere(self, node: _Node) -> Predicate:
        """Values without a field: by token, in the places where people look for a word."""
        match node:
            case _Many():
                made = [self._anywhere(item) for item in node.items]
                return all_of(*made) if node.every else any_of(*made)
            case _Not():
                return negate(self._anywhere(node.item))
            case _Value(literal=literal):
                if literal.parts == (Gap.ANY,):
                    return TRUE
                return any_of(*(self._words(self.names.field(name), literal) for name in ANYWHERE))
            case _:  # pragma: no cover
                return TRUE

    def _relation(self, field: Field, node: _Relation) -> Predicate:
        if node.literal.wild:
            self._wrong(f"a wildcard has no place after {node.operator}", node.literal)
            return TRUE
        literal = node.literal
        return self._try(literal, lambda: _literals.compare(field, node.operator, literal.text, now=self.now))

    def _try(self, literal: _Literal, act: Any) -> Predicate:
        made = _grammar.collected(self.text, self.problems, act, literal.start, literal.end)
        return TRUE if made is None else made

    def _wrong(self, what: str, literal: _Literal) -> None:
        self.problems.append(_grammar.problem(self.text, what, literal.start, literal.end))


def _indexed(name: str) -> list[str]:
    """`a.*.b`, where nothing so named is known: b of any element of the array a, flattened or numbered by its shipper
    (Elastic's Azure integration names its first elements `a.0.b`, `a.1.b` …)."""
    segments = name.split(".")
    stars = segments.count("*")
    if "*" in (segments[0], segments[-1]) or name.count("*") != stars or not 1 <= stars <= 2:
        return []
    choices = [
        ("", *map(str, range(10 if stars == 1 else 4))) if segment == "*" else (segment,) for segment in segments
    ]
    return [".".join(part for part in parts if part) for parts in product(*choices)]


def _chunks(parts: Parts) -> list[Parts]:
    """A literal cut at its blanks."""
    out: list[list[str | Gap]] = [[]]
    for part in parts:
        if isinstance(part, Gap):
            out[-1].append(part)
            continue
        for at, piece in enumerate(re.split(r"\s+", part)):
            if at:
                out.append([])
            if piece:
                out[-1].append(piece)
    return [tuple(chunk) for chunk in out if chunk]
