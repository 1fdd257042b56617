"""Alerts: the table, the trend, one alert with its evidence, triage and notes."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends

from tocsin.alert.sentence import DEFAULT, parts
from tocsin.api import _asked, _graph, _graph_nodes, _ranked, _rows
from tocsin.api._access import Caller, analyst, reader
from tocsin.api._context import Context, context
from tocsin.api._triage import change, note
from tocsin.api.models.alerts import AlertDetail, AlertPage, AlertSearch, Evidence, RelatedAlert
from tocsin.api.models.rows import Part
from tocsin.api.models.search import HistogramPage
from tocsin.api.models.triage import Note, NoteRequest, TriageRequest, TriageResult
from tocsin.api.search import _after, _mark, found, page_of
from tocsin.errors import UsageError, quoted
from tocsin.event import time
from tocsin.event.time import DAY
from tocsin.lang import kql
from tocsin.lang.explain import Explained, explain
from tocsin.lang.ir import Equals, Exists, Predicate, Query, Test, all_of, any_of, negate
from tocsin.lang.lists import expand
from tocsin.pipeline.history import seen_by_rules
from tocsin.ports import Document, Span

router = APIRouter(tags=["alerts"])
Here = Annotated[Context, Depends(context)]
Reader = Annotated[Caller, Depends(reader)]
Analyst = Annotated[Caller, Depends(analyst)]


@router.post("/alerts/search")
def search(request: AlertSearch, here: Here, caller: Reader) -> AlertPage:
    """Alerts as the controls say, newest first or by risk."""
    here.audit(caller, "search", "alerts", {"query": request.query})
    where, span = _wanted(request, here)
    documents, after = _page(request, where, span, here)
    by_severity = here.store.top(where, "kibana.alert.severity", span, of="alerts", limit=10)
    return AlertPage(
        alerts=_rows.alerts(here, documents),
        total=by_severity.total + by_severity.missing,
        next=after,
        by_severity={str(value): count for value, count in by_severity.values},
    )


_SORTS: Final = {
    "risk_score": "kibana.alert.risk_score",
    "severity": "kibana.alert.severity",
    "rule": "kibana.alert.rule.name",
}


def _page(request: AlertSearch, where: Predicate, span: Span, here: Context) -> tuple[list[Document], str | None]:
    field = _SORTS.get(request.sort, request.sort)
    if field == "@timestamp":
        documents = here.store.search(
            where,
            span,
            of="alerts",
            limit=request.size + 1,
            newest_first=request.descending,
            after=_after(request.after),
        )
        more = len(documents) > request.size
        documents = documents[: request.size]
        return documents, _mark(documents[-1]) if more and documents else None
    if field not in here.store.columns("alerts"):
        hint = "@timestamp, kibana.alert.risk_score, kibana.alert.severity, kibana.alert.rule.name or another field"
        raise UsageError(f"alerts can't be sorted by {quoted(request.sort)}", hint=hint)
    levels = {"low": 0, "medium": 1, "high": 2, "critical": 3}
    return _ranked.page(
        here.store,
        where,
        span,
        of="alerts",
        field=field,
        size=request.size,
        after=request.after,
        descending=request.descending,
        value=(lambda held: levels.get(held, -1)) if field == "kibana.alert.severity" else (lambda held: held),
    )


@router.post("/alerts/trend")
def trend(request: AlertSearch, here: Here, caller: Reader) -> HistogramPage:
    """Alerts over time by severity."""
    where, span = _wanted(request, here)
    return page_of(here.store.histogram(where, span, of="alerts", buckets=48, by="kibana.alert.severity"))


def _wanted(request: AlertSearch, here: Context) -> tuple[Predicate, Span]:
    names = here.names("alerts")

    def among(field: str, values: list[Any]) -> list[Predicate]:
        return [Test(names.field(field), Equals(tuple(values)))] if values else []

    items: list[Predicate] = [kql.parse(request.query, names)]
    items += among("kibana.alert.workflow_status", list(request.statuses))
    items += among("kibana.alert.severity", list(request.severities))
    items += among("host.name", request.hosts)
    items += among("user.name", request.users)
    items += among("kibana.alert.rule.uuid", request.rules)
    items += [_asked.of_filter(pill, names) for pill in request.filters if not pill.disabled]
    if request.incident:
        items += among("tocsin.alert.incident", [request.incident])
    states = ["active", "withdrawn"] if request.withdrawn else ["active"]
    items += among("tocsin.alert.state", states)
    if not request.building_blocks:
        items.append(negate(Test(names.field("kibana.alert.building_block_type"), Exists())))
    return all_of(*items), _asked.span_of(request.start, request.end)


@router.get("/alerts/{id}")
def alert(id: str, here: Here, caller: Reader) -> AlertDetail:  # noqa: A002
    """Everything of one alert: the sentence, why it fired, its events, what is near it."""
    document = here.store.by_ids([id], of="alerts").get(id)
    if document is None:
        raise here.missing(f"there is no alert {id!r}")
    here.audit(caller, "view", f"alert {id}")
    rule = here.service.knowledge.rules.get(str(document["kibana.alert.rule.uuid"]))
    events = _events(here, document)
    (row,) = _rows.alerts(here, [document])
    names = here.names("alerts")
    suppressed = here.store.search(
        Test(names.field("tocsin.alert.suppressed_by"), Equals((id,))), of="alerts", limit=100
    )
    incident_id = document.get("tocsin.alert.incident")
    incident = here.store.by_ids([str(incident_id)], of="incidents").get(str(incident_id)) if incident_id else None
    first = events[0] if events else document
    template = (rule.reason_text if rule else "") or DEFAULT
    return AlertDetail(
        alert=row,
        sentence=[Part(**part._asdict()) for part in parts(template, {**first, **document})],
        rule=_rows.rule(here, rule) if rule else _rows.gone_rule(document),
        note=rule.note if rule else "",
        false_positives=list(rule.false_positives) if rule else [],
        misses=rule.misses if rule else "",
        evidence=_evidence(here, rule, first),
        highlighted=_highlighted(first),
        events=[found(event) for event in events],
        suppressed=[found(each) for each in suppressed],
        related=_related(here, document),
        incident=_rows.incidents(here, [incident])[0] if incident else None,
        can_analyze=_can_analyze(here, events),
    )


def _can_analyze(here: Context, events: list[Document]) -> bool:
    """Whether there is a graph: it is a process's event, or one of a connection that a process opened."""
    start = _graph_nodes.starting_point(events)
    if start is None:
        return False
    builder = _graph.Builder(here.store, here.store, here.names("events"), here.names("alerts"))
    return builder.origin(start)[1] is not None


def _events(here: Context, document: Document) -> list[Document]:
    ids = [str(each) for each in document.get("tocsin.alert.event_ids") or ()][:100]
    of = "alerts" if document.get("tocsin.alert.legs") else "events"
    held = here.store.by_ids(ids, of=of)  # type: ignore[arg-type]
    if of == "alerts":  # a correlation's members are alerts: their events are what an analyst wants to see
        inner = [str(i) for each in held.values() for i in (each.get("tocsin.alert.event_ids") or ())[:20]]
        held = here.store.by_ids(inner[:100])
        return sorted(held.values(), key=lambda d: str(d["@timestamp"]))
    return [held[each] for each in ids if each in held]


def _evidence(here: Context, rule: Any, event: Document) -> list[Evidence]:
    if rule is None or not isinstance(rule.plan, Query):
        return []
    lists = here.service.knowledge.lists
    tree = explain(expand(rule.plan.where, lists), seen_by_rules(here.store, event, lists))
    out: list[Evidence] = []

    def walk(node: Explained) -> None:
        if not node.holds:
            return
        if not node.items:
            for field, value in node.found[:3] or (("", None),):
                out.append(Evidence(clause=node.text, field=field or None, value=value))
        elif node.text != "not":
            for item in node.items:
                walk(item)

    walk(tree)
    return out[:50]


_HIGHLIGHTED = (
    "process.command_line",
    "process.parent.command_line",
    "process.executable",
    "powershell.file.script_block_text",
    "file.path",
    "url.full",
    "url.path",
    "source.ip",
    "destination.ip",
    "destination.port",
    "user.name",
    "host.name",
    "process.hash.sha256",
)


def _highlighted(event: Document) -> list[Part]:
    return [Part(text=name, field=name, value=event[name]) for name in _HIGHLIGHTED if name in event]


def _related(here: Context, document: Document) -> list[RelatedAlert]:
    names = here.names("alerts")
    identity = str(document["kibana.alert.uuid"])
    moment = time.read(document["@timestamp"]) or 0
    keys = [k for k in document.get("tocsin.alert.join") or () if not str(k).startswith("suppress:")]
    ids = document.get("tocsin.alert.event_ids") or []
    tests: list[Predicate] = []
    if keys:
        tests.append(Test(names.field("tocsin.alert.join"), Equals(tuple(keys[:200]))))
    if ids:
        tests.append(Test(names.field("tocsin.alert.event_ids"), Equals(tuple(ids[:200]))))
    if document.get("tocsin.alert.legs"):
        tests.append(Test(names.field("kibana.alert.uuid"), Equals(tuple(ids[:200]) or ("",))))
    if not tests:
        return []
    state = Test(names.field("tocsin.alert.state"), Equals(("active",)))
    near = here.store.search(all_of(any_of(*tests), state), Span(moment - DAY, moment + DAY), of="alerts", limit=50)
    near = [each for each in near if each["kibana.alert.uuid"] != identity]
    out: list[RelatedAlert] = []
    for row, other in zip(_rows.alerts(here, near), near, strict=True):
        shared_events = set(ids) & set(other.get("tocsin.alert.event_ids") or ())
        shared = [k for k in keys if k in set(other.get("tocsin.alert.join") or ())]
        if document.get("tocsin.alert.legs") and row.id in ids:
            why = "a leg of this correlation"
        elif shared_events:
            why = "the same event"
        else:
            why = _rows.why(str(shared[0])) if shared else "near in time"
        out.append(RelatedAlert(alert=row, why=why))
    return out


@router.post("/alerts/triage")
def triage(request: TriageRequest, here: Here, caller: Analyst) -> TriageResult:
    """One change to many alerts; 409 where somebody else was faster."""
    return change(here, caller, "alert", request)


@router.post("/alerts/{id}/notes")
def add_note(id: str, request: NoteRequest, here: Here, caller: Analyst) -> Note:  # noqa: A002
    """Write a note on an alert."""
    return note(here, caller, "alert", id, request)
