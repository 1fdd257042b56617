"""A rule's evidence: raw records beside it that fire it, and near ones that must not (DESIGN section 5).

`NAME.test.ndjson` has a record a line: `as` (the product that reads it), `record` (an object, or the text as sent),
`expect` (`fires` or `quiet`), and where wanted `case` (lines of one case are one ordered stream, and the last one's
`expect` speaks for it), `severity` (of the alert, where it fires) and `why` (for the reader). Records go through the
normaliser and then through what the stream uses: hits, state machines, correlations.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol

import orjson
import pyarrow as pa

from tocsin.detect import Rule, RuleType
from tocsin.detect._ancestors import Ancestors
from tocsin.detect._hits import HitMaker, hits_of
from tocsin.detect._state import StateStage
from tocsin.errors import QueryError, SyntaxProblem, quoted
from tocsin.event import time
from tocsin.event.document import to_documents
from tocsin.event.ids import stable_id
from tocsin.event.records import Chunk, Frame, Origin
from tocsin.event.time import SECOND
from tocsin.lang.explain import explain
from tocsin.lang.fields import Names
from tocsin.lang.ir import Correlation
from tocsin.ports import Document, Firing, Hit, Lists, Span, Withdrawal

# Frames of records to a batch of events and their processes: the pipeline's normaliser.
Normalise = Callable[[Sequence[Frame]], tuple[pa.RecordBatch, pa.RecordBatch]]
_KEYS: Final = frozenset({"as", "record", "expect", "case", "severity", "why"})
_LATER: Final = 2 * 3600 * SECOND  # longer than any absence is waited for


@dataclass(slots=True)
class Case:
    """Records that are looked at together. `line` is the last one's, from 1."""

    name: str
    expect: Literal["fires", "quiet"]
    line: int
    records: list[tuple[str, bytes, bool]] = field(default_factory=list)  # (as, record, whether it is a document)
    severity: str = ""
    why: str = ""


class Outcome(NamedTuple):
    """What came of a case."""

    case: Case
    fired: bool
    severity: str  # of the last alert; empty where none fired
    silenced: str  # the list or exception that silenced it; empty where none did
    unparsed: int  # records that nobody could read
    problem: str  # what differs from what was expected; empty where all is well

    @property
    def passed(self) -> bool:
        """Whether it is as expected."""
        return not self.problem


class Result(NamedTuple):
    """An outcome as the page and the command line tell it."""

    name: str
    expect: str
    passed: bool
    detail: str
    line: int
    severity: str
    silenced: str


class Known(Protocol):
    """What a process knows of rules (`pipeline` has it)."""

    @property
    def normaliser(self) -> Any:
        """What `pipeline` normalises with: `run(frames)` gives `batch` and `processes`."""

    @property
    def rules(self) -> Mapping[str, Rule]:
        """Every rule by id."""

    @property
    def types(self) -> Mapping[str, RuleType]:
        """Every rule type by name."""

    @property
    def names(self) -> Names:
        """The names that rules are resolved with."""

    @property
    def lists(self) -> Any:
        """The lists in force, with `version()`."""


def beside(rule: str | Path) -> Path:
    """The file of a rule's evidence."""
    path = Path(rule)
    return path.with_name(path.stem + ".test.ndjson")


def read(text: str, where: str) -> list[Case]:
    """The cases of an evidence file, in the order in which they end. Raises `QueryError` with every problem."""
    problems: list[SyntaxProblem] = []
    cases: dict[str, Case] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            problems.append(SyntaxProblem(f"no JSON: {error}", text=text, line=number))
            continue
        if what := _wrong(entry):
            problems.append(SyntaxProblem(what, text=text, line=number))
            continue
        name = str(entry.get("case", "")) or f"line {number}"
        case = cases.pop(name, None) or Case(name, entry["expect"], number)
        case.expect, case.line = entry["expect"], number
        case.severity, case.why = entry.get("severity", ""), entry.get("why", case.why)
        record = entry["record"]
        document = not isinstance(record, str)
        case.records.append((entry["as"], orjson.dumps(record) if document else record.encode(), document))
        cases[name] = case
    if problems:
        raise QueryError(problems, where=where)
    return list(cases.values())


def _wrong(entry: Any) -> str:
    if not isinstance(entry, dict):
        return "a line is an object"
    if unknown := sorted(set(entry) - _KEYS):
        return f"there is no key {quoted(unknown[0])}; there are {', '.join(sorted(_KEYS))}"
    if entry.get("expect") not in ("fires", "quiet"):
        return "`expect` is fires or quiet"
    if not isinstance(entry.get("as"), str) or not isinstance(entry.get("record"), (dict, str)):
        return "it needs `as` (a product) and `record` (an object or a text)"
    return ""


_HELD: Final = 64
_held: OrderedDict[tuple[str, ...], list[Result]] = OrderedDict()


def of_rule(rule: Rule, known: Known) -> list[Result]:
    """What came of a rule's evidence; empty where it has none. The last rules' results are kept as long as neither
    rule, evidence nor lists change. Raises `QueryError` for an evidence file that can't be read."""
    path = beside(rule.path)
    if not path.is_file() or rule.plan is None:
        return []
    key = (str(path), rule.generation, stable_id(rule.text), known.lists.version(), str(path.stat().st_mtime_ns))
    if (results := _held.get(key)) is not None:
        return results

    def normalise(frames: Sequence[Frame]) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        made = known.normaliser.run(frames)
        return made.batch, made.processes

    bench = Bench(rule, known.rules.values(), known.types, known.names, known.lists, normalise)
    outcomes = bench.run(read(path.read_text("utf-8"), str(path)))
    _held[key] = [_result(outcome) for outcome in outcomes]
    while len(_held) > _HELD:
        _held.popitem(last=False)
    return _held[key]


def _result(outcome: Outcome) -> Result:
    case = outcome.case
    said = f"{outcome.problem}" if outcome.problem else "fires" if outcome.fired else "quiet"
    if outcome.silenced and not outcome.problem:
        said += f", silenced by {outcome.silenced}"
    detail = f"{case.why}: {said}" if case.why else said
    return Result(case.name, case.expect, outcome.passed, detail, case.line, outcome.severity, outcome.silenced)


class _NoHits:
    """A reader of hits where none are stored: all of a case are in memory."""

    def hits(self, rule: str, generation: str, keys: Sequence[tuple[str | None, ...]], span: Span) -> list[Hit]:
        """None."""
        del rule, generation, keys, span
        return []


class Bench:
    """Runs one rule over its cases. `others` are all rules, of which a correlation's legs are taken."""

    def __init__(
        self,
        rule: Rule,
        others: Iterable[Rule],
        types: Mapping[str, RuleType],
        names: Names,
        lists: Lists,
        normalise: Normalise,
    ) -> None:
        self.rule, self._types, self._lists, self._normalise = rule, types, lists, normalise
        wanted = {rule.id}
        if isinstance(rule.plan, Correlation):
            legs = [*rule.plan.legs, *(leg for leg, _, _ in rule.plan.raised)]
            wanted.update(name for leg in legs for name in leg.rules)
        self._rules = [each for each in {r.id: r for r in (*others, rule)}.values() if each.id in wanted]
        self._maker = HitMaker(self._rules, types, names, lists)

    def run(self, cases: Iterable[Case]) -> list[Outcome]:
        """Each case by itself."""
        return [self._case(case) for case in cases]

    def _case(self, case: Case) -> Outcome:
        arrival = time.now()
        frames = [Frame(0, place, arrival, _chunk(*record)) for place, record in enumerate(case.records)]
        batch, processes = self._normalise(frames)
        documents = {str(document["tocsin.id"]): document for document in to_documents(batch)}
        self._maker.ancestors = Ancestors()
        hits = hits_of(self._maker.run(batch, processes))
        clock = [arrival]
        stage = StateStage(self._rules, self._types, _NoHits(), self._lists, now=lambda: clock[0])
        found: list[Firing | Withdrawal] = stage.take(hits)
        clock[0] += _LATER
        found += stage.tick()
        alerts = self._alerts(found, documents)
        if isinstance(self.rule.plan, Correlation):
            made = stage.take_alerts([alert for each in alerts.values() for alert in each])
            alerts = self._alerts(made, {})
        mine = alerts.get(self.rule.id, [])
        silenced = next((hit.silenced for hit in hits if hit.rule == self.rule.id and hit.silenced), "")
        unparsed = sum(d.get("event.dataset") == "tocsin.unparsed" for d in documents.values())
        severity = str(mine[-1]["kibana.alert.severity"]) if mine else ""
        problem = _problem(case, bool(mine), severity, unparsed)
        return Outcome(case, bool(mine), severity, silenced, unparsed, problem)

    def _alerts(
        self, found: Iterable[Firing | Withdrawal], documents: Mapping[str, Document]
    ) -> dict[str, list[Document]]:
        """The alerts that stand at the end, by rule, as far as correlations and this report look at them."""
        rules = {rule.id: rule for rule in self._rules}
        standing: dict[tuple[str, ...], Document] = {}
        for item in found:
            key = (item.rule, *item.born)
            standing.pop(key, None)
            if isinstance(item, Withdrawal):
                continue
            rule = rules[item.rule]
            members = [documents[event.id] for event in item.events if event.id in documents]
            shared = {k: v for k, v in members[0].items() if all(m.get(k) == v for m in members)} if members else {}
            severity: str = rule.severity
            if members:
                severity = next((s for s, where in rule.severity_when if explain(where, members[-1]).holds), severity)
            standing[key] = {
                **shared,
                **{name: value for name, value in item.group.items() if value is not None},
                "@timestamp": time.iso(max(event.time for event in item.events)),
                "kibana.alert.uuid": stable_id("alert", *key),
                "kibana.alert.rule.uuid": rule.id,
                "kibana.alert.severity": severity,
                **item.extra,
            }
        out: dict[str, list[Document]] = {}
        for (rule_id, *_), alert in standing.items():
            out.setdefault(rule_id, []).append(alert)
        return out


def _chunk(product: str, raw: bytes, document: bool) -> Chunk:
    origin = Origin("test", product=product)
    return Chunk("ndjson", raw, origin) if document else Chunk("syslog", len(raw).to_bytes(4, "big") + raw, origin)


def _problem(case: Case, fired: bool, severity: str, unparsed: int) -> str:
    if unparsed:
        return f"{unparsed} of its records can't be read"
    if fired != (case.expect == "fires"):
        return "it fires and should not" if fired else "it does not fire and should"
    if fired and case.severity and severity != case.severity:
        return f"its severity is {severity}, not {case.severity}"
    return ""
