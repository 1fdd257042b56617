"""EQL, Elasticsearch's event query language: `parse(text, names)` gives a query, a sequence or a sample.

As Elasticsearch 8 has it (Elastic docs, "EQL syntax reference"; its own specification tests decide). As a filter it is
two-valued: a test on a missing field is false and its negation true, so `a != "x"` holds where `a` is missing. Null
lives inside functions, and in `== null`. `==` heeds letter case, `:` does not and takes wildcards (`*`, `?`), `like`
and `regex` heed it, `like~`, `regex~`, `in~` and `function~` do not. A list meets a test if any of its values does.

`?field` is a field that may exist nowhere: here no field needs to exist, so it matters only as a key of a sequence
(missing values join) and in `?a == ?b` (both missing are equal).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from lark import Lark, Token, Transformer, v_args

from tocsin.errors import QueryError, SyntaxProblem, UnsupportedError, quoted
from tocsin.lang import _eql_lower, _grammar
from tocsin.lang._eql_lower import Binary, Condition, Event, Function, Literal, Many, Member, Name, Negated, Shape
from tocsin.lang.fields import Names
from tocsin.lang.ir import Query, Sample, Sequence

_GRAMMAR: Final = r"""
start: (sequence | sample | query) pipe*
query: event
event: category WHERE condition
category: ANY | NAME | QUOTED_NAME | STRING | keyword
!keyword: SAMPLE | BY | WITH | MAXSPAN | RUNS | UNTIL
sequence: SEQUENCE [keys] [span] term+ [until]
        | SEQUENCE span keys term+ [until] -> span_first
sample: SAMPLE [keys] sampled+
sampled: "[" event "]" [keys]
keys: BY key ("," key)*
?key: sum
span: WITH MAXSPAN "=" DURATION
term: "[" event "]" [keys] [runs] -> present
    | MISSING event "]" [keys] [runs] -> missing
runs: WITH RUNS "=" INTEGER
until: UNTIL "[" event "]" [keys]
pipe: "|" NAME [pipe_arguments]
pipe_arguments: sum ("," sum)*

?condition: conjunction (OR conjunction)* -> any
?conjunction: inversion (AND inversion)* -> every
?inversion: NOT+ comparison -> negation
    | comparison
?comparison: sum
    | sum COMPARISON sum -> compare
    | sum ":" patterns -> seq
    | sum SHAPE patterns -> shape
    | sum IN listed -> member
    | sum NOT IN listed -> not_member
listed: "(" condition ("," condition)* ")"
patterns: constant
    | "(" constant ("," constant)* ")"
?sum: product
    | sum (PLUS | MINUS) product -> binary
?product: unary
    | product (STAR | SLASH | PERCENT) unary -> binary
?unary: primary
    | MINUS unary -> minus
    | PLUS unary -> plus
?primary: constant
    | FUNCTION [condition ("," condition)*] ")" -> function
    | field
    | "(" condition ")" -> grouped
field: (NAME | QUOTED_NAME | MAXSPAN | RUNS)
    | OPTIONAL (NAME | QUOTED_NAME | MAXSPAN | RUNS) -> optional
constant: INTEGER | DECIMAL | STRING | RAW | TRUE | FALSE | NULL

AND.3: /and(?![\w.])/
OR.3: /or(?![\w.])/
NOT.3: /not(?![\w.])/
ANY.3: /any(?![\w.])/
WHERE.3: /where(?![\w.])/
SEQUENCE.3: /sequence(?![\w.])/
SAMPLE.3: /sample(?![\w.])/
BY.3: /by(?![\w.])/
WITH.3: /with(?![\w.])/
MAXSPAN.3: /maxspan(?![\w.])/
RUNS.3: /runs(?![\w.])/
UNTIL.3: /until(?![\w.])/
TRUE.3: /true(?![\w.])/
FALSE.3: /false(?![\w.])/
NULL.3: /null(?![\w.])/
IN.3: /in(~|(?![\w.]))/
SHAPE.3: /(like|regex)(~|(?![\w.]))/
FUNCTION.2: /(?!(and|any|by|in|like|not|or|regex|until|where|with)\b)[A-Za-z_]\w*~?\s*\(/
COMPARISON: "==" | "!=" | "<=" | ">=" | "<" | ">"
MISSING: "!["
OPTIONAL: "?"
PLUS: "+"
MINUS: "-"
STAR: "*"
SLASH: "/"
PERCENT: "%"
DURATION.4: /\d+(\.\d+)?[A-Za-z]+/
DECIMAL.2: /(\d+\.\d*|\.\d+)([eE][+-]?\d+)?|\d+[eE][+-]?\d+/
INTEGER: /\d+/
RAW.3: /\"{3}[\s\S]*?\"{3}\"{0,2}/
STRING.2: /"(?:\\.|[^"\\\r\n])*"/
QUOTED_NAME: /`(?:[^`]|``)+`/
NAME: /[A-Za-z_@][\w@-]*(\.[A-Za-z0-9_@-]+|\.`[^`]+`)*/
%ignore /\s+/
%ignore /\/\/[^\n]*/
%ignore /\/\*([^*]|\*+[^*\/])*\*+\//
"""
_WORDS: Final = {
    "AND": "'and'",
    "OR": "'or'",
    "WHERE": "'where'",
    "RPAR": "')'",
    "RSQB": "']'",
    "LSQB": "'['",
    "LPAR": "'('",
    "COMPARISON": "a comparison",
    "COLON": "':'",
    "STRING": "a text in quotes",
    "INTEGER": "a number",
    "DURATION": "a time such as 5m",
    "NAME": "a name",
    "EQUAL": "'='",
    "MAXSPAN": "'maxspan'",
    "RUNS": "'runs'",
}
_ESCAPES: Final = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "'": "'", "\\": "\\"}
_ESCAPE: Final = re.compile(r"\\(u\{([0-9a-fA-F]{1,8})\}|.)", re.DOTALL)
_UNITS: Final = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_PIPES: Final = ("head", "tail")


def parse(
    text: str,
    names: Names,
    *,
    category_field: str = "event.category",
    now: int | None = None,
    pipes: list[tuple[str, int]] | None = None,
) -> Query | Sequence | Sample:
    """What `text` asks for.

    `category_field` is the field that stands before `where`; `now` (µs) what `now` means in dates. Pipes (`| head 5`,
    `| tail 5`) are put into `pipes` for the caller to apply; without it, as in a rule, they are refused.
    Raises `QueryError` with every problem found, `UnsupportedError` for what Elasticsearch has and Tocsin has not.
    """
    build = _Build(text, _eql_lower.Lower(text, names, category_field, now))
    try:
        made, piped = _grammar.run(_parser(), build, text, _WORDS)
    except RecursionError:
        raise QueryError([SyntaxProblem("nested too deeply", text=text)]) from None
    if build.lower.problems:
        raise QueryError(sorted(build.lower.problems, key=lambda problem: (problem.line, problem.column)))
    if piped and pipes is None:
        raise UnsupportedError(
            f"the pipe `{piped[0][0]}` has no meaning in a rule, and searches have a limit of their own",
            hint="leave it out",
        )
    if pipes is not None:
        pipes.extend(piped)
    assert isinstance(made, (Query, Sequence, Sample))
    return made


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", propagate_positions=True, maybe_placeholders=True)


@v_args(meta=True)
class _Build(Transformer[Token, Any]):
    """Reduces the parse to nodes and, event by event, to predicates."""

    def __init__(self, text: str, lower: _eql_lower.Lower) -> None:
        super().__init__(visit_tokens=False)
        self.text = text
        self.lower = lower

    def _wrong(self, what: str, start: int, end: int) -> None:
        self.lower.wrong(what, start, end)

    # ---- events, sequences ----

    def start(self, meta: Any, items: list[Any]) -> tuple[Any, list[tuple[str, int]]]:
        return items[0], [pipe for pipe in items[1:] if pipe]

    def query(self, meta: Any, items: list[Any]) -> Query:
        return Query(self.lower.event(items[0]))

    def event(self, meta: Any, items: list[Any]) -> Event:
        return Event(items[0], items[2], meta.start_pos, meta.end_pos)

    def category(self, meta: Any, items: list[Token]) -> str | None:
        token = items[0]
        if token.type == "ANY":
            return None
        if token.type == "STRING":
            return self._string(token)
        return _plain_name(str(token))

    def keyword(self, meta: Any, items: list[Token]) -> Token:
        return items[0]

    def keys(self, meta: Any, items: list[Any]) -> list[Name]:
        found = []
        for item in items[1:]:
            if isinstance(item, Name):
                found.append(item)
            else:
                self._wrong("a key of a sequence or sample is a field", item.start, item.end)
        return found

    def span(self, meta: Any, items: list[Token]) -> int:
        token = items[-1]
        match = re.fullmatch(r"(\d+)([a-z]+)", str(token))
        if match is None or match[2] not in _UNITS:
            self._wrong(f"a time is a whole number with ms, s, m, h or d, not {quoted(str(token))}", *_extent(token))
            return 1
        value = int(match[1]) * _UNITS[match[2]]
        if not 0 < value < 2**62:
            self._wrong("a time span is positive, and shorter than an age", *_extent(token))
        return value

    def runs(self, meta: Any, items: list[Token]) -> int:
        value = int(str(items[-1])[:9])
        if not 1 <= value <= 100:
            self._wrong("`runs` is a number from 1 to 100", *_extent(items[-1]))
        return value

    def present(self, meta: Any, items: list[Any]) -> _eql_lower.Term:
        return _eql_lower.Term(items[0], items[1] or [], items[2] or 1, False)

    def missing(self, meta: Any, items: list[Any]) -> _eql_lower.Term:
        return _eql_lower.Term(items[1], items[2] or [], items[3] or 1, True)

    def sampled(self, meta: Any, items: list[Any]) -> _eql_lower.Term:
        return _eql_lower.Term(items[0], items[1] or [], 1, False)

    def until(self, meta: Any, items: list[Any]) -> _eql_lower.Term:
        return _eql_lower.Term(items[1], items[2] or [], 1, False)

    def sequence(self, meta: Any, items: list[Any]) -> Sequence:
        _, keys, span, *terms, until = items
        return self.lower.sequence(keys or [], span, terms, until, meta.start_pos, meta.end_pos)

    def span_first(self, meta: Any, items: list[Any]) -> Sequence:
        sequence, span, keys, *terms, until = items
        what = "`by` stands before `with maxspan` in a sequence"
        self._wrong(what, *_extent(sequence))
        return self.lower.sequence(keys, span, terms, until, meta.start_pos, meta.end_pos)

    def sample(self, meta: Any, items: list[Any]) -> Sample:
        _, keys, *terms = items
        return self.lower.sample(keys or [], terms, meta.start_pos, meta.end_pos)

    def pipe(self, meta: Any, items: list[Any]) -> tuple[str, int] | None:
        name, arguments = str(items[0]), items[1] or []
        if name not in _PIPES:
            raise UnsupportedError(f"Elasticsearch's EQL has no pipe {quoted(name)}, only head and tail")
        if len(arguments) != 1 or not isinstance(arguments[0], Literal) or type(arguments[0].value) is not int:
            self._wrong(f"`{name}` takes one whole number", meta.start_pos, meta.end_pos)
            return None
        return name, arguments[0].value

    def pipe_arguments(self, meta: Any, items: list[Any]) -> list[Any]:
        return items

    # ---- conditions ----

    def any(self, meta: Any, items: list[Any]) -> Condition:
        return items[0] if len(items) == 1 else Many(False, tuple(items[::2]), meta.start_pos, meta.end_pos)

    def every(self, meta: Any, items: list[Any]) -> Condition:
        return items[0] if len(items) == 1 else Many(True, tuple(items[::2]), meta.start_pos, meta.end_pos)

    def negation(self, meta: Any, items: list[Any]) -> Condition:
        item: Condition = items[-1]
        return item if len(items) % 2 else Negated(item, meta.start_pos, meta.end_pos)

    def grouped(self, meta: Any, items: list[Any]) -> Condition:
        item: Condition = items[0]
        return item

    def compare(self, meta: Any, items: list[Any]) -> Condition:
        return Binary(str(items[1]), items[0], items[2], meta.start_pos, meta.end_pos)

    def seq(self, meta: Any, items: list[Any]) -> Condition:
        return Shape("like", items[0], tuple(items[1]), True, meta.start_pos, meta.end_pos)

    def shape(self, meta: Any, items: list[Any]) -> Condition:
        word = str(items[1])
        kind = word.rstrip("~")
        return Shape(kind, items[0], tuple(items[2]), word.endswith("~"), meta.start_pos, meta.end_pos)

    def member(self, meta: Any, items: list[Any]) -> Condition:
        fold = str(items[1]).endswith("~")
        return Member(items[0], tuple(items[2]), fold, meta.start_pos, meta.end_pos)

    def not_member(self, meta: Any, items: list[Any]) -> Condition:
        fold = str(items[2]).endswith("~")
        inner = Member(items[0], tuple(items[3]), fold, meta.start_pos, meta.end_pos)
        return Negated(inner, meta.start_pos, meta.end_pos)

    def listed(self, meta: Any, items: list[Any]) -> list[Any]:
        return items

    def patterns(self, meta: Any, items: list[Any]) -> list[Any]:
        return items

    # ---- values ----

    def binary(self, meta: Any, items: list[Any]) -> Condition:
        return Binary(str(items[1]), items[0], items[2], meta.start_pos, meta.end_pos)

    def minus(self, meta: Any, items: list[Any]) -> Condition:
        item = items[1]
        if isinstance(item, Literal) and type(item.value) in (int, float):
            return Literal(-item.value, meta.start_pos, meta.end_pos)  # type: ignore[operator]
        return Function("-", (item,), False, meta.start_pos, meta.end_pos)

    def plus(self, meta: Any, items: list[Any]) -> Condition:
        item: Condition = items[1]
        return item

    def function(self, meta: Any, items: list[Any]) -> Condition:
        called = str(items[0])[:-1].rstrip()
        arguments = tuple(item for item in items[1:] if item is not None)
        fold = called.endswith("~")
        name = called.rstrip("~").lower()
        known = self.lower.check_function(name, called, arguments, fold, meta.start_pos, meta.end_pos)
        return Function(name, arguments, fold, meta.start_pos, meta.end_pos) if known else _nothing(meta)

    def field(self, meta: Any, items: list[Any]) -> Condition:
        return Name(_plain_name(str(items[0])), False, meta.start_pos, meta.end_pos)

    def optional(self, meta: Any, items: list[Any]) -> Condition:
        return Name(_plain_name(str(items[1])), True, meta.start_pos, meta.end_pos)

    def constant(self, meta: Any, items: list[Token]) -> Condition:
        token = items[0]
        value: str | int | float | bool | None
        match token.type:
            case "INTEGER":
                value = self._whole(token)
            case "DECIMAL":
                value = float(str(token))
                if value == float("inf"):
                    self._wrong("a number out of range", *_extent(token))
                    value = 0.0
            case "STRING":
                value = self._string(token)
            case "RAW":
                value = str(token)[3:-3]
            case "NULL":
                value = None
            case _:
                value = token.type == "TRUE"
        return Literal(value, meta.start_pos, meta.end_pos)

    def _whole(self, token: Token) -> int:
        if len(token) <= 20 and int(token) < 2**64:
            return int(token)
        self._wrong("a whole number of more than 64 bits", *_extent(token))
        return 0

    def _string(self, token: Token) -> str:
        def unescape(match: re.Match[str]) -> str:
            if match[2]:
                code = int(match[2], 16)
                if code < 0x110000 and not 0xD800 <= code < 0xE000:
                    return chr(code)
            elif match[1] in _ESCAPES:
                return _ESCAPES[match[1]]
            start = (token.start_pos or 0) + 1 + match.start()
            what = rf'there is no escape {match[0]}: write \\ for a backslash, or put the text in """…"""'
            self._wrong(what, start, start + len(match[0]))
            return ""

        return _ESCAPE.sub(unescape, str(token)[1:-1])


def _nothing(meta: Any) -> Condition:
    return Literal(None, meta.start_pos, meta.end_pos)


def _plain_name(text: str) -> str:
    return re.sub(r"`((?:[^`]|``)+)`", lambda match: match[1].replace("``", "`"), text)


def _extent(token: Token) -> tuple[int, int]:
    return token.start_pos or 0, token.end_pos or 0
