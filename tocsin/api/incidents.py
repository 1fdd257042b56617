"""Incidents: the list, and one with its story, its timeline, why its alerts are one, and why it ranks where it does."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from tocsin.alert.incidents import scored, why
from tocsin.alert.sentence import DEFAULT, parts
from tocsin.api import _asked, _ranked, _regroup, _rows
from tocsin.api._access import Caller, analyst, reader
from tocsin.api._context import Context, context
from tocsin.api._triage import change, note
from tocsin.api.models.incidents import (
    IncidentDetail,
    IncidentMerge,
    IncidentPage,
    IncidentSearch,
    IncidentSplit,
    Join,
    Moment,
    Regrouped,
    Scored,
)
from tocsin.api.models.rows import Part
from tocsin.api.models.triage import Note, NoteRequest, TriageRequest, TriageResult
from tocsin.api.search import _after, _mark
from tocsin.lang import kql
from tocsin.lang.ir import Equals, Predicate, Test, all_of
from tocsin.ports import Document

router = APIRouter(tags=["incidents"])
Here = Annotated[Context, Depends(context)]
Reader = Annotated[Caller, Depends(reader)]
Analyst = Annotated[Caller, Depends(analyst)]


@router.post("/incidents/search")
def search(request: IncidentSearch, here: Here, caller: Reader) -> IncidentPage:
    """Incidents, those that matter most first."""
    here.audit(caller, "search", "incidents", {"query": request.query})
    names = here.names("incidents")
    items: list[Predicate] = [kql.parse(request.query, names)]
    items.append(Test(names.field("tocsin.incident.state"), Equals(("active",))))
    if request.statuses:
        items.append(Test(names.field("kibana.alert.workflow_status"), Equals(tuple(request.statuses))))
    where, span = all_of(*items), _asked.span_of(request.start, request.end)
    after: str | None
    if request.sort == "score":
        field = "tocsin.incident.score"
        documents, after = _ranked.page(
            here.store, where, span, of="incidents", field=field, size=request.size, after=request.after
        )
    else:
        documents = here.store.search(where, span, of="incidents", limit=request.size + 1, after=_after(request.after))
        more = len(documents) > request.size
        documents = documents[: request.size]
        after = _mark(documents[-1]) if more and documents else None
    return IncidentPage(
        incidents=_rows.incidents(here, documents),
        total=here.store.count(where, span, of="incidents"),
        next=after,
    )


@router.get("/incidents/{id}")
def incident(id: str, here: Here, caller: Reader) -> IncidentDetail:  # noqa: A002
    """One incident; an id that was merged into another leads there."""
    document = _regroup.found(here, id)
    here.audit(caller, "view", f"incident {id}")
    (row,) = _rows.incidents(here, [document])
    held = here.store.by_ids(_rows.texts(document.get("tocsin.incident.alerts")), of="alerts")
    alerts = sorted(held.values(), key=lambda a: (str(a["kibana.alert.start"]), str(a["kibana.alert.uuid"])))
    names_of = {str(a["kibana.alert.uuid"]): str(a["kibana.alert.rule.name"]) for a in alerts}
    joins = []
    for text in _rows.texts(document.get("tocsin.incident.joins")):
        first, second, key = text.split("|", 2)
        joins.append(
            Join(
                first=first,
                second=second,
                key=key.partition(":")[0],
                value=key.partition(":")[2],
                why=f"{names_of.get(first, first)} and {names_of.get(second, second)} {_joined(key)}",
            )
        )
    reasons, _ = scored(alerts) if alerts else ([], 0.0)
    return IncidentDetail(
        incident=row,
        story=[_sentence(here, alert) for alert in alerts],
        timeline=_timeline(here, document, alerts),
        alerts=_rows.alerts(here, alerts),
        joins=joins,
        score=[Scored(why=reason, points=round(points, 1)) for reason, points in reasons],
    )


def _joined(key: str) -> str:
    return f"were {why(key)}" if key.startswith("merged:") else f"share {why(key)}"


def _sentence(here: Context, alert: Document) -> list[Part]:
    rule = here.service.knowledge.rules.get(str(alert["kibana.alert.rule.uuid"]))
    template = (rule.reason_text if rule else "") or DEFAULT
    made = parts(template, alert)
    return [Part(**part._asdict()) for part in made]


def _timeline(here: Context, incident: Document, alerts: list[Document]) -> list[Moment]:
    moments = [
        Moment(
            time=str(alert["kibana.alert.start"]),
            kind="alert",
            title=_sentence(here, alert),
            severity=alert["kibana.alert.severity"],
            alert=str(alert["kibana.alert.uuid"]),
        )
        for alert in alerts
    ]
    legs = [str(i) for a in alerts if a.get("tocsin.alert.legs") for i in _rows.texts(a.get("tocsin.alert.event_ids"))]
    for leg in here.store.by_ids(legs[:200], of="alerts").values():  # a correlation is told by its legs
        begun = str(leg["kibana.alert.start"])
        leg_id, severity = str(leg["kibana.alert.uuid"]), leg["kibana.alert.severity"]
        moments += [Moment(time=begun, kind="event", title=_sentence(here, leg), severity=severity, alert=leg_id)]
    sent = here.notified(str(incident["tocsin.incident.id"]))
    if sent:
        moments.append(Moment(time=sent, kind="notification", title=[Part(text="Somebody was notified")]))
    moments += _regroup.told(here, incident)
    return sorted(moments, key=lambda moment: moment.time)


@router.post("/incidents/triage")
def triage(request: TriageRequest, here: Here, caller: Analyst) -> TriageResult:
    """One change to many incidents; 409 where somebody else was faster."""
    return change(here, caller, "incident", request)


@router.post("/incidents/{id}/merge")
def merge(id: str, request: IncidentMerge, here: Here, caller: Analyst) -> Regrouped:  # noqa: A002
    """Make other incidents, or single alerts, one with this: the oldest goes on, the others lead to it."""
    return _regroup.merge(here, caller, id, request)


@router.post("/incidents/{id}/split")
def split(id: str, request: IncidentSplit, here: Here, caller: Analyst) -> Regrouped:  # noqa: A002
    """Take alerts out of an incident: they and what stays are never joined again, unless somebody merges them."""
    return _regroup.split(here, caller, id, request)


@router.post("/incidents/{id}/notes")
def add_note(id: str, request: NoteRequest, here: Here, caller: Analyst) -> Note:  # noqa: A002
    """Write a note on an incident."""
    return note(here, caller, "incident", id, request)
