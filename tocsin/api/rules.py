"""Rules: the list, one with its evidence, own rules from a search with a preview, exceptions, lists."""

from __future__ import annotations

import csv
import io
import re
import time as clock
import tomllib
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from fastapi import APIRouter, Depends, HTTPException

from tocsin.api import _asked, _rows, _suppress
from tocsin.api._access import Caller, admin, analyst, reader
from tocsin.api._context import Context, context
from tocsin.api._triage import change as change_triage
from tocsin.api.models.rules import (
    EvidenceCase,
    ExceptionDraft,
    ExceptionPreview,
    ListTable,
    RuleChange,
    RuleDetail,
    RuleDraft,
    RuleException,
    RuleFolder,
    RulePreview,
    RulesPage,
)
from tocsin.api.models.search import Filter, HistogramPage
from tocsin.api.models.triage import TriageChange, TriageRequest
from tocsin.api.search import found, page_of
from tocsin.detect import RISK, Rule, _evidence
from tocsin.detect._scope import of_indices
from tocsin.errors import ConflictError, UsageError, quoted
from tocsin.event import time
from tocsin.event.ids import stable_id
from tocsin.event.time import DAY
from tocsin.lang import queries
from tocsin.lang.explain import describe
from tocsin.lang.ir import Equals, Exists, Query, Test, all_of, any_of, negate
from tocsin.lang.lists import expand
from tocsin.lang.lists import read as read_list
from tocsin.pipeline.knowledge import Knowledge
from tocsin.ports import Span

router = APIRouter(tags=["rules"])
Here = Annotated[Context, Depends(context)]
Reader = Annotated[Caller, Depends(reader)]
Analyst = Annotated[Caller, Depends(analyst)]
Admin = Annotated[Caller, Depends(admin)]
_MANY = 100_000
# Seconds that who makes a rule waits for its look-back, which goes on beyond them.
_PATIENCE = 10.0
# Findings of several events that a preview looks at one by one for suppression.
_SUPPRESSED = 2_000


@router.get("/rules")
def rules(here: Here, caller: Reader) -> RulesPage:
    """All rules, and the folders that they came from."""
    counts = _counts(here)
    folders: dict[str, RuleFolder] = {}
    rows = []
    for each in here.service.knowledge.all_rules:
        row = _rows.rule(here, each, counts)
        rows.append(row)
        path = "" if row.own else str(Path(each.path).parent)
        folder = folders.setdefault(
            path,
            RuleFolder(path=path, name=row.folder, total=0, ok=0, blind=0, unsupported=0, invalid=0),
        )
        folder.total += 1
        if each.status in ("ok", "blind", "unsupported", "invalid"):
            setattr(folder, each.status, getattr(folder, each.status) + 1)
    return RulesPage(rules=rows, folders=sorted(folders.values(), key=lambda f: f.path))


def _counts(here: Context) -> dict[str, tuple[int, int, str | None]]:
    names = here.names("alerts")
    now = time.now()
    active = Test(names.field("tocsin.alert.state"), Equals(("active",)))
    still = all_of(
        active,
        Test(names.field("kibana.alert.workflow_status"), Equals(("open",))),
        negate(Test(names.field("kibana.alert.building_block_type"), Exists())),
    )
    day = Span(now - DAY, None)
    recent = dict(here.store.top(active, "kibana.alert.rule.uuid", day, of="alerts", limit=_MANY).values)
    opened = dict(here.store.top(still, "kibana.alert.rule.uuid", of="alerts", limit=_MANY).values)
    last: dict[str, str] = {}
    for alert in here.store.search(
        active, day, of="alerts", limit=1000, fields=["@timestamp", "kibana.alert.rule.uuid"]
    ):
        last.setdefault(str(alert["kibana.alert.rule.uuid"]), str(alert["@timestamp"]))
    return {
        str(rule): (recent.get(rule, 0), opened.get(rule, 0), last.get(str(rule))) for rule in {*recent, *opened, *last}
    }


def _rule(here: Context, identity: str) -> Rule:
    for each in here.service.knowledge.all_rules:
        if each.id == identity:
            return each
    raise here.missing(f"there is no rule {identity!r}")


@router.get("/rules/{id}")
def rule(id: str, here: Here, caller: Reader) -> RuleDetail:  # noqa: A002
    """The page of one rule."""
    return _detail(here, _rule(here, id))


def _detail(here: Context, each: Rule) -> RuleDetail:
    knowledge = here.service.knowledge
    steps = knowledge.types[each.type].steps(each.plan) if each.plan is not None else ()
    readable = "\n".join(describe(step.where) for step in steps)
    cases = _evidence.of_rule(each, knowledge) if each.plan is not None else []
    return RuleDetail(
        rule=_rows.rule(here, each, _counts(here)),
        description=each.description,
        query=each.query,
        language=each.language,
        text=each.text,
        readable=readable,
        scope=_scope(here, each),
        false_positives=list(each.false_positives),
        misses=each.misses,
        note=each.note,
        references=list(each.references),
        author=list(each.author),
        version=each.version,
        warnings=list(each.warnings),
        required_fields=list(each.required_fields),
        exceptions=_exceptions(here, each.id),
        evidence=[
            EvidenceCase(
                name=c.name, expect="fires" if c.expect == "fires" else "quiet", passed=c.passed, detail=c.detail
            )
            for c in cases
        ],
        lists=list(each.lists),
    )


def _scope(here: Context, each: Rule) -> str:
    if each.format != "elastic" or not each.text:
        return ""
    try:
        index = tomllib.loads(each.text).get("rule", {}).get("index", [])
    except tomllib.TOMLDecodeError:
        return ""
    return describe(of_indices(index, here.service.knowledge.names)) if index else "every event"


def _exceptions(here: Context, rule_id: str) -> list[RuleException]:
    return [
        RuleException(
            number=each.id,
            entries=[Filter(**entry) for entry in each.entries],
            comment=each.comment,
            author=each.author,
            created=time.iso(each.created),
            expires=time.iso(each.expires) if each.expires is not None else None,
            hidden=here.silenced(rule_id, f"exception {each.id}"),
        )
        for each in here.state.rules.exceptions(rule_id)
    ]


@router.patch("/rules/{id}")
def change(id: str, request: RuleChange, here: Here, caller: Analyst) -> RuleDetail:  # noqa: A002
    """Switch a rule on or off, or change an own one."""
    held = _rule(here, id)
    if request.draft is not None:
        if held.path not in here.service.plan.own:
            raise UsageError("only own rules can be changed", hint="duplicate it, or add an exception")
        name, text = _text(request.draft, id)
        if _checked(here, request.draft, name, text).id != id:
            raise ConflictError("the text has another id than the rule", where="id", hint=f"write id: {id}")
        here.state.rules.save_custom(id, name.rpartition(".")[2], text, by=caller.name)
    if request.enabled is not None:
        here.state.rules.set_enabled(id, request.enabled, caller.name)
    here.replan()
    here.audit(caller, "change rule", id, request.model_dump(exclude_none=True, exclude={"draft"}))
    return _detail(here, _rule(here, id))


@router.post("/rules", status_code=201)
def create(request: RuleDraft, here: Here, caller: Analyst) -> RuleDetail:
    """A rule of one's own: it goes live, and looks back over its window."""
    identity = stable_id("own", caller.name, request.name, str(time.now()))
    name, text = _text(request, identity)
    made = _checked(here, request, name, text)
    if any(each.id == made.id for each in here.service.knowledge.all_rules):
        raise ConflictError(f"there is a rule with the id {made.id[:100]} already", hint="give yours another id")
    here.state.rules.save_custom(made.id, name.rpartition(".")[2], text, by=caller.name)
    here.state.rules.set_enabled(made.id, request.enabled, caller.name)
    here.replan()
    here.service.look_backs.wait(made.id, _PATIENCE)
    here.audit(caller, "create rule", made.id, {"name": request.name})
    return _detail(here, _rule(here, made.id))


@router.delete("/rules/{id}", status_code=204)
def remove(id: str, here: Here, caller: Analyst) -> None:  # noqa: A002
    """Delete an own rule; its alerts stay."""
    if _rule(here, id).path not in here.service.plan.own:
        raise UsageError("only own rules can be deleted", hint="switch it off instead")
    here.state.rules.delete_custom(id)
    here.replan()
    here.audit(caller, "delete rule", id)


def _text(draft: RuleDraft, identity: str) -> tuple[str, str]:
    """The file name and the text of a draft: Sigma as it is, the others as Elastic's TOML."""
    if draft.language == "sigma":
        return f"own/{identity}.yml", draft.query
    if draft.language == "sql":
        raise UsageError("a rule can't be SQL", hint="use kql, eql or sigma")
    rule: dict[str, Any] = {
        "rule_id": identity,
        "name": draft.name,
        "description": draft.description or draft.name,
        "type": "threshold" if draft.threshold else "eql" if draft.language == "eql" else "query",
        "language": "eql" if draft.language == "eql" else "kuery",
        "query": draft.query,
        "severity": draft.severity,
        "risk_score": draft.risk_score if draft.risk_score is not None else RISK[draft.severity],
        "tags": draft.tags,
        "index": ["logs-*"],
        "version": 1,
    }
    if draft.threshold:
        threshold: dict[str, Any] = {"field": draft.threshold.by, "value": draft.threshold.value}
        if draft.threshold.distinct:
            threshold["cardinality"] = [
                {"field": draft.threshold.distinct, "value": draft.threshold.distinct_value or draft.threshold.value}
            ]
        rule["threshold"] = threshold
        rule["from"] = f"now-{draft.threshold.minutes}m"
    if draft.suppress_by:
        rule["alert_suppression"] = {
            "group_by": draft.suppress_by,
            "duration": {"value": draft.suppress_minutes, "unit": "m"},
            "missing_fields_strategy": "suppress",
        }
    return f"own/{identity}.toml", tomli_w.dumps({"metadata": {"maturity": "production"}, "rule": rule})


def _checked(here: Context, request: RuleDraft, name: str, text: str) -> Rule:
    """The rule of a draft. Raises `QueryError` with the places in its query, or where it can't run the reader's own
    words."""
    knowledge = here.service.knowledge
    queries.parse(request.query, request.language, knowledge.names)
    draft = knowledge.loader.text(text, name)
    if len(draft) != 1:
        raise UsageError(f"one rule is needed, this is {len(draft)}")
    (made,) = draft
    if made.plan is None:
        raise HTTPException(400, made.reason)
    return made


@router.post("/rules/preview")
def preview(request: RuleDraft, here: Here, caller: Analyst) -> RulePreview:
    """What a draft would have found in its range, in one pass."""
    started = clock.perf_counter()
    name, text = _text(request, "preview")
    made = _checked(here, request, name, text)
    span = _asked.span_of(request.start or "now-24h", request.end)
    knowledge = here.service.knowledge
    steps = knowledge.types[made.type].steps(made.plan)
    where = expand(any_of(*(step.where for step in steps)), knowledge.lists)
    events = here.store.count(where, span)
    many = False
    histogram = page_of(here.store.histogram(where, span, buckets=48))
    if isinstance(made.plan, Query):
        samples = here.store.search(where, span, limit=20)
        alerts = events
        if made.suppression is not None:
            listed = _suppress.oldest_first(here.store, where, span, made.suppression.by)
            alerts = sum(1 for _ in _suppress.standing(listed, made.suppression))
            many = events > _suppress.MOST
    else:
        assert made.plan is not None
        size = _SUPPRESSED if made.suppression is not None else 20
        alerts, groups = here.sequences(made.plan, text, span, size)
        samples = [group[-1] for group in groups[:20] if group]
        if made.suppression is not None:
            many = alerts > size
            seen = sorted(map(_suppress.of_events, filter(None, groups)), key=lambda each: str(each["@timestamp"]))
            alerts = sum(1 for _ in _suppress.standing(seen, made.suppression))
    return RulePreview(
        alerts=alerts,
        events=events,
        histogram=HistogramPage.model_validate(histogram),
        samples=[found(sample) for sample in samples],
        milliseconds=round((clock.perf_counter() - started) * 1000, 1),
        warnings=[
            *made.warnings,
            *([made.reason] if made.reason else []),
            *(["there are too many to suppress them all here: the alerts are those of a part"] if many else []),
        ],
    )


@router.post("/rules/{id}/exceptions/preview")
def preview_exception(id: str, request: ExceptionDraft, here: Here, caller: Analyst) -> ExceptionPreview:  # noqa: A002
    """Which alerts of 30 days it would have hidden."""
    _rule(here, id)
    names = here.names("alerts")
    own = Test(names.field("kibana.alert.rule.uuid"), Equals((id,)))
    hidden = all_of(own, *(_asked.of_filter(entry, names) for entry in request.entries))
    span = Span(time.now() - 30 * DAY, None)
    samples = here.store.search(hidden, span, of="alerts", limit=20)
    return ExceptionPreview(
        alerts=here.store.count(hidden, span, of="alerts"),
        total=here.store.count(own, span, of="alerts"),
        samples=_rows.alerts(here, samples),
    )


@router.post("/rules/{id}/exceptions", status_code=201)
def add_exception(id: str, request: ExceptionDraft, here: Here, caller: Analyst) -> RuleDetail:  # noqa: A002
    """Leave something out of a rule: exact, counted, and it can be opened."""
    _rule(here, id)
    names = here.names("events")
    for entry in request.entries:
        _asked.of_filter(entry, names)  # a wrong one is refused now
    expires = _asked.span_of(request.expires, None).start if request.expires else None
    here.state.rules.add_exception(
        id,
        [entry.model_dump() for entry in request.entries],
        by=caller.name,
        comment=request.comment,
        expires=expires,
    )
    here.replan()
    here.audit(caller, "add exception", id, {"entries": [entry.model_dump() for entry in request.entries]})
    if request.close_matching:
        _close(id, request, here, caller)
    return _detail(here, _rule(here, id))


def _close(identity: str, request: ExceptionDraft, here: Context, caller: Caller) -> None:
    names = here.names("alerts")
    own = Test(names.field("kibana.alert.rule.uuid"), Equals((identity,)))
    hidden = all_of(own, *(_asked.of_filter(entry, names) for entry in request.entries))
    ids = [str(a["kibana.alert.uuid"]) for a in here.store.search(hidden, of="alerts", limit=10_000)]
    if ids:
        closing = TriageChange(status="closed", verdict="false_positive")
        change_triage(here, caller, "alert", TriageRequest(ids=ids, change=closing))


@router.delete("/rules/{id}/exceptions/{number}")
def remove_exception(id: str, number: int, here: Here, caller: Analyst) -> RuleDetail:  # noqa: A002
    """Take an exception back."""
    if all(each.id != number for each in here.state.rules.exceptions(id)):
        raise here.missing(f"rule {id!r} has no exception {number}")
    here.state.rules.remove_exception(number)
    here.replan()
    here.audit(caller, "remove exception", id, {"number": number})
    return _detail(here, _rule(here, id))


@router.get("/lists")
def lists(here: Here, caller: Reader) -> list[ListTable]:
    """The lists that rules use."""
    knowledge = here.service.knowledge
    return [_list(here, knowledge, name) for name in sorted(knowledge.lists.names())]


def _list(here: Context, knowledge: Knowledge, name: str) -> ListTable:
    rows = [dict(row) for row in knowledge.lists.rows(name)]
    columns = list(rows[0]) if rows else ["value", "note", "owner", "expires"]
    used = [rule.name for rule in knowledge.all_rules if name in rule.lists]
    return ListTable(name=name, columns=columns, rows=rows, shipped=name not in here.service.plan.lists, used_by=used)


@router.put("/lists/{name}")
def put_list(name: str, request: ListTable, here: Here, caller: Admin) -> ListTable:
    """Replace a list's rows; the next batch of events is judged by them."""
    if request.name != name or not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        raise UsageError(f"{quoted(name)} can't be this list's name", hint="small letters, digits and _")
    text = io.StringIO()
    writer = csv.DictWriter(text, request.columns, lineterminator="\n", extrasaction="raise")
    writer.writeheader()
    try:
        writer.writerows(request.rows)
    except ValueError as error:
        raise UsageError(str(error), where=name) from error
    for number, row in enumerate(request.rows, start=1):  # a CSV takes these for blank lines and comments
        if not row.get("value", "").strip() or row["value"].lstrip().startswith("#"):
            raise UsageError(f"row {number} has no value", where=name)
    read_list(text.getvalue(), name, where=f"list {name}")
    here.state.lists.put(name, text.getvalue(), by=caller.name)
    here.replan()
    here.audit(caller, "change list", name, {"rows": len(request.rows)})
    return _list(here, here.service.knowledge, name)
