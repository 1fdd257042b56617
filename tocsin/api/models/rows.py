"""An alert, an incident and a rule as they stand in a list, and the pieces of a sentence."""

from __future__ import annotations

from typing import Any, Literal

from tocsin.api.models._model import Document, Model, Severity
from tocsin.api.models.triage import Triage


class Part(Model):
    """A piece of a sentence: plain text, or a value with its field, which the page makes something to click."""

    text: str
    field: str | None = None
    value: Any = None


class AlertRow(Model):
    """One alert in a table; `document` has the fields of the event (or what its events share) and `kibana.alert.*`."""

    id: str
    time: str
    rule_id: str
    rule: str
    severity: Severity
    risk_score: float
    reason: str
    state: Literal["active", "withdrawn"]
    building_block: bool
    suppressed: int
    incident: str | None
    triage: Triage
    document: Document


class IncidentRow(Model):
    """One incident in a list."""

    id: str
    title: str
    summary: str
    severity: Severity
    score: float
    first: str
    last: str
    alerts: int
    rules: list[str]
    hosts: list[str]
    users: list[str]
    addresses: list[str]
    techniques: list[str]
    notified: str | None
    triage: Triage


class TechniqueRef(Model):
    """ATT&CK ids and names."""

    tactic: str
    tactic_name: str
    technique: str = ""
    name: str = ""


class RuleRow(Model):
    """One rule in the list."""

    id: str
    name: str
    type: str
    severity: Severity
    risk_score: float
    enabled: bool
    status: Literal["ok", "blind", "unsupported", "invalid", "learning"]
    reason: str
    folder: str
    format: Literal["elastic", "sigma"]
    tags: list[str]
    techniques: list[TechniqueRef]
    building_block: bool
    own: bool
    alerts_24h: int
    alerts_open: int
    last_alert: str | None
    exceptions: int
