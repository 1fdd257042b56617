"""Documents and rules as rows of the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.alert.incidents import why
from tocsin.api.models.rows import AlertRow, IncidentRow, RuleRow, TechniqueRef
from tocsin.api.models.triage import Triage
from tocsin.detect import Rule
from tocsin.ports import Document

if TYPE_CHECKING:
    from tocsin.api._context import Context

__all__ = ["alerts", "gone_rule", "incidents", "rule", "why"]
# Not shown in tables: raw and long.
_LONG = ("event.original", "tocsin.alert.events", "message", "powershell.file.script_block_text")


def alerts(here: Context, documents: Sequence[Document]) -> list[AlertRow]:
    """Alerts with what people decided about them."""
    triage = here.triage("alert", [str(d["kibana.alert.uuid"]) for d in documents])
    return [
        AlertRow(
            id=str(d["kibana.alert.uuid"]),
            time=str(d["@timestamp"]),
            rule_id=str(d["kibana.alert.rule.uuid"]),
            rule=str(d["kibana.alert.rule.name"]),
            severity=d["kibana.alert.severity"],
            risk_score=float(d.get("kibana.alert.risk_score") or 0),
            reason=str(d.get("kibana.alert.reason") or ""),
            state="withdrawn" if d.get("tocsin.alert.state") == "withdrawn" else "active",
            building_block=bool(d.get("kibana.alert.building_block_type")),
            suppressed=int(d.get("kibana.alert.suppression.docs_count") or 0),
            incident=d.get("tocsin.alert.incident"),
            triage=triage.get(str(d["kibana.alert.uuid"]), Triage()),
            document={k: v for k, v in d.items() if k not in _LONG and not k.startswith("_")},
        )
        for d in documents
    ]


def incidents(here: Context, documents: Sequence[Document]) -> list[IncidentRow]:
    """Incidents with what people decided about them."""
    triage = here.triage("incident", [str(d["tocsin.incident.id"]) for d in documents])
    return [
        IncidentRow(
            id=str(d["tocsin.incident.id"]),
            title=str(d["tocsin.incident.title"]),
            summary=str(d.get("tocsin.incident.summary") or ""),
            severity=d["tocsin.incident.severity"],
            score=float(d.get("tocsin.incident.score") or 0),
            first=str(d.get("event.start") or d["@timestamp"]),
            last=str(d.get("event.end") or d["@timestamp"]),
            alerts=len(texts(d.get("tocsin.incident.alerts"))),
            rules=texts(d.get("tocsin.incident.rules")),
            hosts=texts(d.get("host.name")),
            users=texts(d.get("user.name")),
            addresses=texts(d.get("related.ip")),
            techniques=texts(d.get("threat.technique.id")),
            notified=here.notified(str(d["tocsin.incident.id"])),
            triage=triage.get(str(d["tocsin.incident.id"]), Triage()),
        )
        for d in documents
    ]


def rule(here: Context, each: Rule, counts: Mapping[str, tuple[int, int, str | None]] | None = None) -> RuleRow:
    """A rule; `counts` are (alerts of 24 hours, open alerts, the last) by rule id."""
    recent, still_open, last = (counts or {}).get(each.id, (0, 0, None))
    own = each.path in here.service.plan.own
    return RuleRow(
        id=each.id,
        name=each.name,
        type=each.type,
        severity=each.severity,
        risk_score=each.risk_score,
        enabled=each.enabled,
        status=each.status,
        reason=each.reason,
        folder="own" if own else str(Path(each.path).parent.name),
        format=each.format,
        tags=list(each.tags),
        techniques=[
            TechniqueRef(tactic=t.tactic, tactic_name=t.tactic_name, technique=t.technique, name=t.name)
            for t in each.techniques
        ],
        building_block=each.building_block or bool(each.sibling_of) or each.id in here.service.core.stage.legs(),
        own=own,
        alerts_24h=recent,
        alerts_open=still_open,
        last_alert=last,
        exceptions=sum(1 for e in here.service.plan.exceptions if e.rule == each.id),
    )


def gone_rule(document: Document) -> RuleRow:
    """A rule that is not there any more, as its alert remembers it."""
    return RuleRow(
        id=str(document["kibana.alert.rule.uuid"]),
        name=str(document["kibana.alert.rule.name"]),
        type=str(document.get("kibana.alert.rule.type") or "query"),
        severity=document["kibana.alert.severity"],
        risk_score=float(document.get("kibana.alert.risk_score") or 0),
        enabled=False,
        status="invalid",
        reason="the rule is not there any more",
        folder="",
        format="elastic",
        tags=[],
        techniques=[],
        building_block=False,
        own=False,
        alerts_24h=0,
        alerts_open=0,
        last_alert=None,
        exceptions=0,
    )


def texts(value: Any) -> list[str]:
    """A field's values as texts."""
    return [str(item) for item in value] if isinstance(value, list) else [] if value is None else [str(value)]
