"""Events made from a predicate: one that should meet it, and near ones for every clause, field, list and letter case.

Nobody's word is taken for which is which: the interpreter says. A document is a dict of field name to value, as a
source would send it; `batch` makes them into an event batch.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from tocsin.event import ip
from tocsin.event.batch import BatchBuilder
from tocsin.event.schema import HOT, Kind
from tocsin.lang import ir

Document = dict[str, Any]
NOW = 1_700_000_000_000_000
_DECOY: dict[Kind, Any] = {Kind.LONG: 77_777, Kind.DOUBLE: 7.25, Kind.BOOLEAN: False, Kind.IP: "198.51.100.77"}


def batch(documents: Sequence[Document]) -> pa.RecordBatch:
    """Documents as a batch, in order, with what every event must have."""
    n = len(documents)
    builder = BatchBuilder(n)
    names = {name for document in documents for name in document}
    builder.put("tocsin.id", [f"{row:08}" for row in range(n)])
    builder.put("tocsin.ingested", pa.array([NOW] * n, HOT["tocsin.ingested"].arrow))
    for name in ("tocsin.lane", "tocsin.position", "tocsin.record"):
        builder.put(name, list(range(n)))
    if "@timestamp" not in names:
        builder.put("@timestamp", pa.array([NOW + row for row in range(n)], HOT["@timestamp"].arrow))
    for name in sorted(names | {"event.dataset"}):
        column = [document.get(name) for document in documents]
        if name == "event.dataset":
            column = [value if isinstance(value, str) else "test.dataset" for value in column]
        elif name == "@timestamp":
            column = [value if isinstance(value, (str, int)) else NOW for value in column]
        builder.put(name, column)
    return builder.finish()


def variants(predicate: ir.Predicate, seed: int = 0) -> list[Document]:
    """Documents about a predicate, the likely match first, each different."""
    maker = _Maker(random.Random(seed))
    out: list[Document] = []
    for _ in range(3):
        whole = maker.document(predicate)
        out.append(whole)
        out += near(whole, predicate, maker)
    out.append({})
    out.append(maker.document(ir.Not(predicate)))
    return _different(out)


def near(whole: Document, predicate: ir.Predicate, maker: _Maker) -> Iterator[Document]:
    """A document with each clause flipped, each field missing, listed, cased, in the map."""
    for leaf in dict.fromkeys(ir.leaves(predicate)):
        if isinstance(leaf, ir.Test):
            yield {**whole, **maker.document(ir.Not(leaf), whole)}
            yield {**whole, **maker.document(leaf, whole)}
    for name, value in whole.items():
        decoy = _DECOY.get(HOT[name].kind if name in HOT else Kind.UNKNOWN, "decoy")
        yield {key: held for key, held in whole.items() if key != name}
        yield {**whole, name: None}
        yield {**whole, name: []}
        yield {**whole, name: decoy}
        yield {**whole, name: [decoy, value]}
        yield {**whole, name: [value]}
        if isinstance(value, str):
            yield {**whole, name: value.swapcase()}
            yield {**whole, name: value.upper()}
            yield {**whole, name: value.lower()}
            yield {**whole, name: value.replace("k", "\u212a").replace("s", "ſ")}
            yield {**whole, name: value + "\n"}
            yield {**whole, name: "É" + value}
            yield {**whole, name: value[:-1]}
            yield {**whole, name: value[1:]}
            yield {**whole, name: ""}
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield {**whole, name: str(value)}
            yield {**whole, name: f"00{value}"}
            yield {**whole, name: f"x{value}"}


def _different(documents: Sequence[Document]) -> list[Document]:
    return list({repr(sorted(document.items(), key=str)): document for document in documents}.values())


class _Maker:
    """Makes documents that meet a predicate, as far as it goes: contradictions and odd regular expressions may fail."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def document(self, predicate: ir.Predicate, held: Document | None = None) -> Document:
        asked: dict[ir.Field, list[ir.Op]] = {}
        avoided: dict[ir.Field, list[ir.Op]] = {}
        self._ask(predicate, True, asked, avoided)
        out: Document = {}
        for field, ops in asked.items():
            name = self._place(field, out)
            out[name] = self._value(field, ops)
        for field, ops in avoided.items():
            if field not in asked and any(not isinstance(op, ir.Exists) for op in ops) and self.chance.random() < 0.5:
                out.setdefault(self._place(field, out), _DECOY.get(field.kind, "decoy"))
        return out

    def _ask(
        self,
        node: ir.Predicate,
        wanted: bool,
        asked: dict[ir.Field, list[ir.Op]],
        avoided: dict[ir.Field, list[ir.Op]],
    ) -> None:
        match node:
            case ir.Not(item):
                self._ask(item, not wanted, asked, avoided)
            case ir.And(items) | ir.Or(items) if items:
                every = isinstance(node, ir.And) == wanted
                for item in items if every else [self.chance.choice(items)]:
                    self._ask(item, wanted, asked, avoided)
            case ir.Test(field, op):
                (asked if wanted else avoided).setdefault(field, []).append(op)
            case ir.Compare(left, operator, right):
                equal = (operator in ("==", "<=", ">=")) == wanted
                for side in (left, right):
                    if isinstance(side, ir.Value):
                        literal = right.value if isinstance(right, ir.Constant) else None
                        text = "same" if equal else self.chance.choice(["one", "other"])
                        op = ir.Equals((literal if literal is not None and equal else text,))
                        asked.setdefault(side.field, []).append(op)
            case ir.Truth() | ir.IsNull():
                for field in ir.fields(node):
                    asked.setdefault(field, []).append(ir.Exists())

    def _place(self, field: ir.Field, out: Document) -> str:
        """Where to put the field's value: mostly where it stands by itself, sometimes under an alias in its scope."""
        source = field.sources[0]
        if len(field.sources) > 1 and self.chance.random() < 0.3:
            source = self.chance.choice(field.sources)
        if source.scope is not None:
            out["event.dataset"] = self.chance.choice(sorted(source.scope.datasets))
            if source.scope.codes:
                out["event.code"] = self.chance.choice(sorted(source.scope.codes))
        return source.name

    def _value(self, field: ir.Field, ops: list[ir.Op]) -> Any:
        typed = [op for op in ops if isinstance(op, (ir.Equals, ir.Range))]
        if typed:
            values = [self._typed(op, field.kind) for op in typed]
            if len(ops) == 1 or all(value == values[0] for value in values):
                return values[0]
            shaped = [op for op in ops if op not in typed]
            return [*values, self._text(shaped)] if shaped else values
        if all(isinstance(op, ir.Exists) for op in ops):
            return _DECOY.get(field.kind, "present")
        return self._text(ops)

    def _typed(self, op: ir.Equals | ir.Range, kind: Kind) -> Any:
        if isinstance(op, ir.Equals):
            return self.chance.choice(op.values)
        bounds = [bound for bound in (op.low, op.high) if bound is not None]
        if not bounds:
            return "anything"
        bound = self.chance.choice(bounds)
        if isinstance(bound, bytes):
            return ip.text(bound)
        if isinstance(bound, str):
            return bound + ("a" if bound is op.low else "")
        if op.low is not None and op.high is not None:
            return (op.low + op.high) // 2 if isinstance(op.low, int) else op.low  # type: ignore[operator]
        included = op.low_included if bound is op.low else op.high_included
        return bound if included else bound + 1 if bound is op.low else bound - 1

    def _text(self, ops: list[ir.Op]) -> str:
        """One text that meets all shapes: what begins, what is within, what ends."""
        begin, within, end = "", [], ""
        for op in ops:
            match op:
                case ir.Like(parts):
                    text = self._filled(parts)
                    if parts and parts[0] is not ir.Gap.ANY:
                        begin = max(begin, text, key=len)
                    elif parts and parts[-1] is not ir.Gap.ANY:
                        end = max(end, text, key=len)
                    else:
                        within.append(text)
                case ir.Words(words):
                    filled = [word if isinstance(word, str) else self._filled(word, "") for word in words]
                    within.append(f" {' '.join(filled)} ")
                case ir.Regex(pattern):
                    text = sample(pattern, self.chance)
                    if op.whole or pattern.startswith("^"):
                        begin += text
                    elif pattern.endswith("$"):
                        end = text
                    else:
                        within.append(text)
        return begin + "".join(within) + end

    def _filled(self, parts: Sequence[str | ir.Gap], gap: str = "~") -> str:
        edges = (0, len(parts) - 1)
        return "".join(
            part
            if isinstance(part, str)
            else self.chance.choice("zé1")
            if part is ir.Gap.ONE
            else ""
            if at in edges
            else self.chance.choice(["", gap])
            for at, part in enumerate(parts)
        )


# ---- a text that a regular expression finds


def sample(pattern: str, chance: random.Random) -> str:
    """Some text in which `pattern` is found, as far as Python's reading of it goes."""
    try:
        parsed = re._parser.parse(re.sub(r"\\z", r"\\Z", pattern))
    except (re.error, OverflowError):
        return ""
    return _sampled(parsed, chance, {})


def _sampled(items: Any, chance: random.Random, groups: dict[int, str]) -> str:
    out = ""
    for name, argument in items:
        what = str(name)
        if what == "LITERAL":
            out += chr(argument)
        elif what == "NOT_LITERAL":
            out += "b" if argument == ord("a") else "a"
        elif what == "ANY":
            out += "a"
        elif what == "IN":
            out += _member(argument, chance)
        elif what == "BRANCH":
            out += _sampled(chance.choice(argument[1]), chance, groups)
        elif what in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, inner = argument
            times = low if low > 3 else chance.randint(low, min(int(high), low + 2))
            out += "".join(_sampled(inner, chance, groups) for _ in range(times))
        elif what == "SUBPATTERN":
            out += _sampled(argument[3], chance, groups)
        elif what == "CATEGORY":
            out += _category(str(argument))
    return out


def _member(items: Any, chance: random.Random) -> str:
    if str(items[0][0]) == "NEGATE":
        return next(c for c in "aZ0 -%\u0100" if not _in_class(c, items[1:]))
    name, argument = chance.choice(items)
    what = str(name)
    if what == "LITERAL":
        return chr(argument)
    if what == "RANGE":
        return chr(chance.randint(*argument))
    return _category(str(argument))


def _category(name: str) -> str:
    negated = "_NOT_" in name
    if "DIGIT" in name:
        return "x" if negated else "5"
    if "SPACE" in name:
        return "x" if negated else " "
    return "-" if negated else "w"


def _in_class(c: str, items: Any) -> bool:
    for name, argument in items:
        what = str(name)
        if (what == "LITERAL" and ord(c) == argument) or (what == "RANGE" and argument[0] <= ord(c) <= argument[1]):
            return True
        if what == "CATEGORY":
            letter = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[str(argument).rsplit("_", 1)[1]]
            if re.match(f"[\\{letter.upper() if '_NOT_' in str(argument) else letter}]", c):
                return True
    return False
