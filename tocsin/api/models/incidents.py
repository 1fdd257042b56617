"""Searching incidents, the story of one, and people's merges and splits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tocsin.api.models._model import Model, Severity, TriageStatus
from tocsin.api.models.rows import AlertRow, IncidentRow, Part


class IncidentSearch(Model):
    """Incidents by last change, newest first, or by score."""

    query: str = ""
    start: str | None = None
    end: str | None = None
    statuses: list[TriageStatus] = ["open"]
    sort: Literal["score", "last"] = "score"
    size: Annotated[int, Field(ge=0, le=1000)] = 50
    after: str | None = None


class IncidentPage(Model):
    """`total` is exact."""

    incidents: list[IncidentRow]
    total: int
    next: str | None


class Join(Model):
    """Why two alerts are in one incident."""

    first: str
    second: str
    key: str
    value: str
    why: str


class Moment(Model):
    """One line of an incident's timeline."""

    time: str
    kind: Literal["alert", "event", "notification", "triage"]
    title: list[Part]
    severity: Severity | None = None
    alert: str | None = None
    event: str | None = None
    node: str | None = None  # of the Analyzer's graph


class IncidentMerge(Model):
    """What becomes one with an incident: other incidents, and single alerts."""

    incidents: Annotated[list[str], Field(max_length=100)] = []
    alerts: Annotated[list[str], Field(max_length=500)] = []


class IncidentSplit(Model):
    """The alerts that leave an incident."""

    alerts: Annotated[list[str], Field(min_length=1, max_length=500)]


class Regrouped(Model):
    """Where the alerts are after a merge or split: the incidents, the asked one's first, and those in none."""

    incidents: list[IncidentRow]
    alone: list[str]


class Scored(Model):
    """One reason of a score, with its points."""

    why: str
    points: float


class IncidentDetail(Model):
    """The story: what happened in order, why the alerts belong together, why it ranks where it does."""

    incident: IncidentRow
    story: list[list[Part]]
    timeline: list[Moment]
    alerts: list[AlertRow]
    joins: list[Join]
    score: list[Scored]
