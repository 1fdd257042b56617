"""Sigma: `load(text, names, path)` reads a file's rules, correlations and filters; `resolve(rules, names)` joins them.

The meaning is the Sigma specification's as pySigma reads it (sigmahq.io, specification 2.1). A rule tests what its
source wrote, under the source's own names (`_sigma_sources`). Letter case is ignored except in `re` and `cased`. A
keyword, a value without a field, is a text within `message`, `event.original` or a command line. `null` is a missing
value, `''` an empty one.

A rule that can't run is returned with its reason, not raised: one bad rule of a file or folder stops no other.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, Literal, cast

import re2
import sigma.exceptions
from sigma import types
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.correlations import SigmaCorrelationConditionOperator, SigmaCorrelationRule, SigmaCorrelationType
from sigma.filters import SigmaFilter
from sigma.rule import SigmaDetections
from sigma.rule import SigmaRule as PySigmaRule

from tocsin.errors import SyntaxProblem, UnsupportedError, quoted
from tocsin.event.ip import bounds
from tocsin.event.schema import Kind
from tocsin.lang import _literals, _sigma_text
from tocsin.lang._sigma_sources import View, merged, views
from tocsin.lang.fields import Names
from tocsin.lang.ir import (
    Call,
    Compare,
    Constant,
    Correlation,
    Count,
    Equals,
    Exists,
    Field,
    Gap,
    InList,
    Leg,
    Like,
    Plan,
    Predicate,
    Query,
    Range,
    Regex,
    Test,
    Truth,
    Value,
    all_of,
    any_of,
    negate,
)

# Where a keyword looks (DESIGN section 3).
ANYWHERE: Final = ("message", "event.original", "process.command_line", "process.parent.command_line")
Logsource = tuple[str | None, str | None, str | None]  # product, category, service
_SECOND: Final = 1_000_000
_LOOK_AROUND: Final = re2.compile(r"\(\?(?:=|!|<=|<!)")
_MOST_PATTERN: Final = 20_000


@dataclass(frozen=True, slots=True)
class SigmaRule:
    """One document of a Sigma file, lowered.

    `plan` is None where it can't run (`status`, `reason`, and `problems` with their places) or is a filter, and for a
    correlation until `resolve`. `references` are the ids or names of the rules that a correlation or filter is about;
    with `generate` unset, those of a correlation raise no alerts of their own.
    """

    id: str
    name: str
    kind: Literal["rule", "correlation", "filter"]
    path: str
    plan: Plan | None = None
    status: Literal["ok", "unsupported", "invalid"] = "ok"
    reason: str = ""
    problems: tuple[SyntaxProblem, ...] = ()
    warnings: tuple[str, ...] = ()
    level: str = ""
    maturity: str = ""  # Sigma's `status`: stable, test, experimental …
    description: str = ""
    author: str = ""
    date: str = ""
    modified: str = ""
    tags: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    false_positives: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    logsource: Logsource = (None, None, None)
    alias: str = ""  # Sigma's `name`, by which others refer to it
    generate: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False)  # keys that Sigma doesn't know, as they are
    parsed: Any = field(default=None, compare=False, repr=False)  # pySigma's correlation or filter, until `resolve`


def load(text: str, names: Names, path: str = "", *, lists: Iterable[str] = ()) -> list[SigmaRule]:
    """Every document of a Sigma file. `lists` are names of lists that a placeholder (`%name%|expand`) may mean: it
    becomes an `InList`, to be expanded by the caller.

    Raises `QueryError` where the file is no YAML of mappings; what is wrong with one rule stands in the rule.
    """
    return [_document(each, text, names, path, frozenset(lists)) for each in _sigma_text.documents(text, path)]


def resolve(rules: Sequence[SigmaRule], names: Names, *, lists: Iterable[str] = ()) -> list[SigmaRule]:
    """The same rules with filters applied and correlations lowered; filters themselves are left out.

    A correlation that refers to what is not among `rules` is `invalid`, one over a rule that can't run has its reason.
    """
    lowering = _Lowering(names, frozenset(lists))
    filters = [rule for rule in rules if rule.kind == "filter" and rule.status == "ok"]
    out = [
        rule if rule.kind != "rule" else _filtered(rule, filters, lowering) for rule in rules if rule.kind != "filter"
    ]
    by_name = {key: rule for rule in out for key in (rule.id, rule.alias) if key}
    joined = [
        _correlated(rule, by_name, lowering) if rule.kind == "correlation" and rule.status == "ok" else rule
        for rule in out
    ]
    return [replace(rule, parsed=None) for rule in joined]


# ---- one document ----


def _document(document: dict[str, Any], text: str, names: Names, path: str, lists: frozenset[str]) -> SigmaRule:
    kind: Literal["rule", "correlation", "filter"] = (
        "correlation" if "correlation" in document else "filter" if "filter" in document else "rule"
    )
    rule = _described(document, kind, path)
    problems = _sigma_text.check(document, kind, text)
    if problems:
        return replace(rule, status="invalid", reason=problems[0].what, problems=tuple(problems))
    try:
        parsed = _CLASSES[kind].from_dict(document, collect_errors=True)
        _give_back(getattr(parsed, "detection", None), document.get("detection"))
        rule = replace(rule, parsed=parsed, warnings=(*rule.warnings, *_minor(parsed.errors, kind)))
        if kind == "rule":
            plan = Query(_Lowering(names, lists).detections(parsed.detection, rule.logsource))
            return replace(rule, plan=plan, parsed=None)
        if kind == "filter":
            return replace(rule, references=_filter_rules(parsed))
        return replace(rule, references=tuple(ref.reference for ref in parsed.rules), generate=bool(parsed.generate))
    except UnsupportedError as error:
        return replace(rule, status="unsupported", reason=error.what)
    except (sigma.exceptions.SigmaError, _literals.BadLiteralError) as error:
        what = _sigma_text.message(error)
        problem = _sigma_text.locate(document, text, what)
        return replace(rule, status="invalid", reason=what, problems=(problem,))
    except RecursionError:
        what = "nested too deeply"
        return replace(rule, status="invalid", reason=what, problems=(SyntaxProblem(what, text=text),))
    except Exception as error:  # pySigma trusts the shapes of some values; a rule with others must not stop the rest
        what = f"pySigma can't read it: {type(error).__name__}: {quoted(str(error))}"
        return replace(rule, status="invalid", reason=what, problems=(SyntaxProblem(what, text=text),))


_CLASSES: Final[dict[str, Any]] = {"rule": PySigmaRule, "correlation": SigmaCorrelationRule, "filter": SigmaFilter}
# Errors in words about a rule, not in what it matches.
_MINOR: Final = (
    sigma.exceptions.SigmaAuthorError,
    sigma.exceptions.SigmaDateError,
    sigma.exceptions.SigmaDescriptionError,
    sigma.exceptions.SigmaFalsePositivesError,
    sigma.exceptions.SigmaFieldsError,
    sigma.exceptions.SigmaIdentifierError,
    sigma.exceptions.SigmaLevelError,
    sigma.exceptions.SigmaLicenseError,
    sigma.exceptions.SigmaModifiedError,
    sigma.exceptions.SigmaNameError,
    sigma.exceptions.SigmaReferencesError,
    sigma.exceptions.SigmaRelatedError,
    sigma.exceptions.SigmaScopeError,
    sigma.exceptions.SigmaStatusError,
    sigma.exceptions.SigmaTagError,
    sigma.exceptions.SigmaTaxonomyError,
    sigma.exceptions.SigmaTitleError,
)


def _give_back(detections: SigmaDetections | None, written: Any) -> None:
    """Whole numbers past 2^53 as the rule has them: pySigma makes them the nearest float."""
    exact: dict[float, int] = {}
    waiting = [written]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)
        elif type(value) is int and abs(value) > 2**53 and value.bit_length() <= 64:
            exact[float(value)] = value
    nodes: list[Any] = list(detections.detections.values()) if detections is not None and exact else []
    while nodes:
        node = nodes.pop()
        if isinstance(node, types.SigmaNumber):
            if isinstance(node.number, float):
                node.number = exact.get(node.number, node.number)
        elif isinstance(node, types.SigmaCompareExpression):
            nodes.append(node.number)
        else:
            nodes.extend(getattr(node, "detection_items", None) or getattr(node, "value", None) or ())


def _minor(errors: list[Any], kind: str) -> list[str]:
    for error in errors:
        if not isinstance(error, _MINOR):
            raise error
    return [_sigma_text.message(error) for error in errors]


def _described(document: Mapping[str, Any], kind: Any, path: str) -> SigmaRule:
    source = document.get("logsource")
    logsource = source if isinstance(source, Mapping) else {}
    unknown = {key: value for key, value in document.items() if key not in _sigma_text.KNOWN_KEYS}
    return SigmaRule(
        id=_one(document, "id") or _one(document, "name"),
        name=_one(document, "title") or _one(document, "name") or _one(document, "id"),
        kind=kind,
        path=path,
        warnings=tuple(f"the key {quoted(key)} is not Sigma's; it is kept" for key in unknown),
        level=_one(document, "level").lower(),
        maturity=_one(document, "status").lower(),
        description=_one(document, "description"),
        author=_one(document, "author"),
        date=_one(document, "date"),
        modified=_one(document, "modified"),
        tags=_many(document, "tags"),
        links=_many(document, "references"),
        false_positives=_many(document, "falsepositives"),
        fields=_many(document, "fields"),
        logsource=cast(
            Logsource,
            tuple(_one(logsource, key).lower() or None for key in ("product", "category", "service")),
        ),
        alias=_one(document, "name"),
        extra=unknown,
    )


def _one(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return str(value) if isinstance(value, (str, int, float)) else ""


def _many(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = document.get(key)
    items = value if isinstance(value, list) else [value]
    return tuple(str(item) for item in items if isinstance(item, (str, int, float)))


def _filter_rules(parsed: SigmaFilter) -> tuple[str, ...]:
    rules = parsed.filter.rules
    return () if isinstance(rules, str) else tuple(ref.reference for ref in rules)


def _views(logsource: Logsource) -> list[View]:
    found = views(*logsource)
    if found:
        return found
    named = zip(("product", "category", "service"), logsource, strict=True)
    shown = ", ".join(f"{key} {quoted(value)}" for key, value in named if value)
    raise UnsupportedError(f"no source is known for the logsource {shown or 'that is empty'}")


# ---- conditions and values ----


class _Lowering:
    """pySigma's trees to predicates."""

    def __init__(self, names: Names, lists: frozenset[str]) -> None:
        self.names = names
        self.lists = lists

    def detections(self, detections: SigmaDetections, logsource: Logsource) -> Predicate:
        """What the conditions ask (any of them, where there are several), in each place where the events are."""
        made = []
        for view in _views(logsource):
            asked = [self._condition(condition.parsed, view) for condition in detections.parsed_condition]
            made.append(all_of(view.scope(self.names), any_of(*asked)))
        return any_of(*made)

    def _condition(self, node: Any, view: View) -> Predicate:
        match node:
            case ConditionAND():
                return all_of(*(self._condition(each, view) for each in node.args if each is not None))
            case ConditionOR():
                return _joined([self._condition(each, view) for each in node.args if each is not None])
            case ConditionNOT():
                return negate(self._condition(node.args[0], view))
            case ConditionFieldEqualsValueExpression():
                target = view.field(node.field, self.names)
                if type(node.value) is types.SigmaNumber:
                    spelt = view.spellings(node.field, str(node.value))
                    return _joined([self._equals(target, each, True) for each in spelt])
                return self._value(target, node.value, view)
            case ConditionValueExpression():
                return self._keyword(node.value)
            case None:
                raise sigma.exceptions.SigmaConditionError("the condition asks for nothing")
            case _:
                raise UnsupportedError(f"conditions of type {type(node).__name__} are not known")

    def _value(self, target: Field, value: Any, view: View) -> Predicate:
        match value:
            case types.SigmaString():
                return self._text(target, value)
            case types.SigmaBool():
                return self._equals(target, "true" if value.boolean else "false", True)
            case types.SigmaTimestampPart():
                raise UnsupportedError("parts of times (minute, hour, day …) are not compared yet")
            case types.SigmaNumber():
                return self._equals(target, str(value), True)
            case types.SigmaRegularExpression():
                return Test(target, _regex(value))
            case types.SigmaCIDRExpression():
                return _network(target, value.cidr)
            case types.SigmaCompareExpression():
                return _compared(target, value)
            case types.SigmaFieldReference():
                return self._reference(target, value, view)
            case types.SigmaExists():
                present = Test(target, Exists())
                return present if value.exists else negate(present)
            case types.SigmaNull():
                return negate(Test(target, Exists()))
            case types.SigmaExpansion():
                return any_of(*(self._value(target, each, view) for each in value.values))
            case _:
                raise UnsupportedError(f"values of type {type(value).__name__} are not known")

    def _text(self, target: Field, value: types.SigmaString) -> Predicate:
        fold = not isinstance(value, types.SigmaCasedString)
        placeholders = [part for part in value.s if isinstance(part, types.Placeholder)]
        if placeholders:
            name = placeholders[0].name
            if len(value.s) > 1 or name not in self.lists:
                raise UnsupportedError(f"the placeholder %{name}% stands for no list", hint="make a list of that name")
            return InList(target, name)
        parts = _parts(value)
        if parts == (Gap.ANY,):
            return Test(target, Exists())
        if any(isinstance(part, Gap) for part in parts):
            if target.kind is Kind.IP:
                try:
                    return _literals.like(target, parts, fold=fold)  # 10.1.* is a network
                except _literals.BadLiteralError:
                    return Test(target, Like(parts, fold))
            return Test(target, Like(parts, fold))
        return self._equals(target, "".join(map(str, parts)), fold)

    @staticmethod
    def _equals(target: Field, text: str, fold: bool) -> Predicate:
        try:
            return _literals.equals(target, text, fold=fold)
        except _literals.BadLiteralError:
            return Test(target, Equals((text,), fold))

    def _reference(self, target: Field, value: types.SigmaFieldReference, view: View) -> Predicate:
        other = view.field(value.field, self.names)
        if value.starts_with and value.ends_with:
            return Truth(Call("stringcontains", (Value(target), Value(other)), True))
        if value.starts_with or value.ends_with:
            return Truth(Call("startswith" if value.starts_with else "endswith", (Value(target), Value(other)), True))
        return Compare(Value(target), "==", Value(other), True)

    def _keyword(self, value: Any) -> Predicate:
        match value:
            case types.SigmaExpansion():
                return any_of(*(self._keyword(each) for each in value.values))
            case types.SigmaRegularExpression():
                op: Any = _regex(value)
            case types.SigmaString() | types.SigmaNumber():
                text = value if isinstance(value, types.SigmaString) else types.SigmaString(str(value))
                if any(isinstance(part, types.Placeholder) for part in text.s):
                    raise UnsupportedError("placeholders in keywords are not known")
                parts = _literals.tidy((Gap.ANY, *_parts(text), Gap.ANY))
                if parts == (Gap.ANY,):
                    raise sigma.exceptions.SigmaValueError("an empty keyword means everything")
                op = Like(parts, not isinstance(text, types.SigmaCasedString))
            case _:
                raise UnsupportedError(f"keywords of type {type(value).__name__} are not known")
        return any_of(*(Test(self.names.field(name), op) for name in ANYWHERE))


def _joined(items: list[Predicate]) -> Predicate:
    """`any_of`, with whole values of one field as one test."""
    out: dict[object, Predicate] = {}
    for number, item in enumerate(items):
        if isinstance(item, Test) and isinstance(item.op, Equals):
            key = (item.field, item.op.fold, type(item.op.values[0]))
            other = out.get(key)
            if isinstance(other, Test) and isinstance(other.op, Equals):
                values = tuple(dict.fromkeys((*other.op.values, *item.op.values)))
                item = Test(item.field, Equals(values, item.op.fold))
            out[key] = item
        else:
            out[number] = item
    return any_of(*out.values())


def _parts(value: types.SigmaString) -> _literals.Parts:
    gaps = {types.SpecialChars.WILDCARD_MULTI: Gap.ANY, types.SpecialChars.WILDCARD_SINGLE: Gap.ONE}
    return _literals.tidy(tuple(part if isinstance(part, str) else gaps[cast(Any, part)] for part in value.s))


def _regex(value: types.SigmaRegularExpression) -> Regex:
    pattern = str(value.regexp)
    flags = {flag.name for flag in value.flags}
    check_regex(pattern)
    return Regex(pattern, fold="IGNORECASE" in flags, multiline="MULTILINE" in flags, dotall="DOTALL" in flags)


@lru_cache(maxsize=4096)
def _refused(pattern: str) -> str:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        return str(error.args[0] if error.args else error) or "invalid"
    return ""


def check_regex(pattern: str) -> None:
    """Raise `UnsupportedError` where RE2 does not take `pattern`, with the reason."""
    if len(pattern) > _MOST_PATTERN:
        raise UnsupportedError(f"a regular expression longer than {_MOST_PATTERN} characters")
    refused = _refused(pattern)
    if not refused:
        return
    if _LOOK_AROUND.search(pattern):
        raise UnsupportedError(f"look-around in the regular expression {quoted(pattern)}, which RE2 does not have")
    raise UnsupportedError(f"RE2 does not take the regular expression {quoted(pattern)}: {quoted(refused, 80)}")


def _network(target: Field, cidr: str) -> Predicate:
    block = bounds(cidr)
    if block is None:
        raise sigma.exceptions.SigmaTypeError(f"{cidr!r} is no network")
    if target.kind is Kind.IP:
        return Test(target, Range(*block))
    # A text that is an address: Windows writes them so.
    return Truth(Call("cidrmatch", (Value(target), Constant(cidr))))


def _compared(target: Field, value: types.SigmaCompareExpression) -> Predicate:
    number = value.number.number
    match value.op:
        case types.CompareOperators.LT:
            return Test(target, Range(None, number, high_included=False))
        case types.CompareOperators.LTE:
            return Test(target, Range(None, number))
        case types.CompareOperators.GT:
            return Test(target, Range(number, None, low_included=False))
        case types.CompareOperators.GTE:
            return Test(target, Range(number, None))
        case _:
            return negate(Test(target, Equals((number,))))


# ---- filters and correlations ----


def _filtered(rule: SigmaRule, filters: list[SigmaRule], lowering: _Lowering) -> SigmaRule:
    if rule.status != "ok" or not isinstance(rule.plan, Query):
        return rule
    where = rule.plan.where
    for each in filters:
        mine = not each.references or rule.id in each.references or (rule.alias and rule.alias in each.references)
        if mine and all(wanted in (None, has) for wanted, has in zip(each.logsource, rule.logsource, strict=True)):
            try:
                where = all_of(where, lowering.detections(each.parsed.filter, rule.logsource))
            except (UnsupportedError, sigma.exceptions.SigmaError) as error:
                reason = f"its filter {quoted(each.name)} can't run: {_sigma_text.message(error)}"
                return replace(rule, plan=None, status="unsupported", reason=reason)
    return rule if where is rule.plan.where else replace(rule, plan=Query(where))


_KNOWN_TYPES: Final = {
    SigmaCorrelationType.EVENT_COUNT,
    SigmaCorrelationType.VALUE_COUNT,
    SigmaCorrelationType.TEMPORAL,
    SigmaCorrelationType.TEMPORAL_ORDERED,
}


def _correlated(rule: SigmaRule, by_name: Mapping[str, SigmaRule], lowering: _Lowering) -> SigmaRule:
    parsed: SigmaCorrelationRule = rule.parsed
    members = []
    for reference in rule.references:
        member = by_name.get(reference)
        if member is None:
            return replace(rule, status="invalid", reason=f"there is no rule {quoted(reference)}")
        if member.status != "ok":
            return replace(rule, status="unsupported", reason=f"its rule {quoted(reference)}: {member.reason}")
        members.append((reference, member))
    try:
        if parsed.type in (SigmaCorrelationType.TEMPORAL, SigmaCorrelationType.TEMPORAL_ORDERED):
            return replace(rule, plan=_temporal(parsed, members, lowering))
        if parsed.type in _KNOWN_TYPES:
            return replace(rule, plan=_counted(parsed, members, lowering))
        raise UnsupportedError(f"correlations of type {parsed.type.name.lower()} are not evaluated yet")
    except (UnsupportedError, sigma.exceptions.SigmaError) as error:
        return replace(rule, status="unsupported", reason=_sigma_text.message(error))


def _counted(parsed: SigmaCorrelationRule, members: list[tuple[str, SigmaRule]], lowering: _Lowering) -> Count:
    wheres = []
    for reference, member in members:
        if not isinstance(member.plan, Query):
            raise UnsupportedError(f"a count over the correlation {quoted(reference)} is not evaluated yet")
        wheres.append(member.plan.where)
    distinct: tuple[Field, ...] = ()
    condition: Any = parsed.condition
    if not hasattr(condition, "op"):
        raise UnsupportedError("a count takes a condition such as `gte: 10`")
    if parsed.type is SigmaCorrelationType.VALUE_COUNT:
        wanted = condition.fieldref if isinstance(condition.fieldref, list) else [condition.fieldref]
        distinct = tuple(_shared_field(str(name), parsed, members, lowering) for name in wanted)
    low, high = _limits(condition.op, condition.count)
    by = tuple(_shared_field(name, parsed, members, lowering) for name in parsed.group_by or ())
    return Count(any_of(*wheres), by, parsed.timespan.seconds * _SECOND, low, high, distinct)


def _limits(op: SigmaCorrelationConditionOperator, count: int) -> tuple[int | None, int | None]:
    match op:
        case SigmaCorrelationConditionOperator.GT:
            return count + 1, None
        case SigmaCorrelationConditionOperator.GTE:
            return max(1, count), None
        case SigmaCorrelationConditionOperator.LT:
            return 1, count - 1
        case SigmaCorrelationConditionOperator.LTE:
            return 1, count
        case SigmaCorrelationConditionOperator.EQ:
            return count, count
        case _:
            raise UnsupportedError("a count that is not some number (`neq`) is not evaluated yet")


def _temporal(parsed: SigmaCorrelationRule, members: list[tuple[str, SigmaRule]], lowering: _Lowering) -> Correlation:
    condition: Any = parsed.condition
    minimum = len(members)
    if condition is not None:
        if not hasattr(condition, "op"):
            raise UnsupportedError("conditions in words (`a and not b`) over correlated rules are not evaluated yet")
        low, high = _limits(condition.op, condition.count)
        if high is not None and high < len(members):
            raise UnsupportedError("a temporal correlation with an upper bound is not evaluated yet")
        minimum = min(len(members), low or 1)
    legs = []
    for reference, member in members:
        by = tuple(_shared_field(name, parsed, [(reference, member)], lowering) for name in parsed.group_by or ())
        legs.append(Leg(reference, (member.id or reference,), by))
    return Correlation(
        tuple(legs),
        parsed.timespan.seconds * _SECOND,
        ordered=parsed.type is SigmaCorrelationType.TEMPORAL_ORDERED,
        minimum=minimum,
    )


def _shared_field(
    name: str, parsed: SigmaCorrelationRule, members: list[tuple[str, SigmaRule]], lowering: _Lowering
) -> Field:
    """A field that a correlation groups or counts by, as each member's source calls it."""
    alias = parsed.aliases.aliases.get(name)
    called = {ref.reference: each for ref, each in alias.mapping.items()} if alias else {}
    found: list[Field] = []
    for reference, member in members:
        theirs = called.get(reference) or called.get(member.id) or called.get(member.alias) or name
        if member.kind == "rule":
            found += [view.field(theirs, lowering.names) for view in _views(member.logsource)]
        else:
            found.append(lowering.names.field(theirs))
    same = len({each.name for each in found}) == 1
    return merged(found) if same else replace(merged(found), name=name)
