"""Searching alerts, and everything of one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from tocsin.api.models._model import Model, Severity, TriageStatus
from tocsin.api.models.rows import AlertRow, IncidentRow, Part, RuleRow
from tocsin.api.models.search import Filter, Found


class AlertSearch(Model):
    """The controls of Security Alerts; empty lists mean any. `query` is KQL over alerts."""

    query: str = ""
    start: str | None = None
    end: str | None = None
    statuses: list[TriageStatus] = ["open"]
    severities: list[Severity] = []
    hosts: list[str] = []
    users: list[str] = []
    rules: list[str] = []
    incident: str | None = None
    building_blocks: bool = False
    withdrawn: bool = False
    filters: list[Filter] = []
    sort: str = "@timestamp"
    descending: bool = True
    size: Annotated[int, Field(ge=0, le=10_000)] = 100
    after: str | None = None


class AlertPage(Model):
    """`total` is exact; `by_severity` counts all that match, not the page."""

    alerts: list[AlertRow]
    total: int
    next: str | None
    by_severity: dict[str, int]


class Evidence(Model):
    """A clause of the rule that held, with the value that made it hold."""

    clause: str
    field: str | None = None
    value: Any = None
    held: bool = True


class RelatedAlert(Model):
    """An alert beside this one, and why."""

    alert: AlertRow
    why: str


class AlertDetail(Model):
    """Everything of the flyout: sentence first, evidence under it, raw last."""

    alert: AlertRow
    sentence: list[Part]
    rule: RuleRow
    note: str
    false_positives: list[str]
    misses: str
    evidence: list[Evidence]
    highlighted: list[Part]
    events: list[Found]
    suppressed: list[Found]
    related: list[RelatedAlert]
    incident: IncidentRow | None
    can_analyze: bool
