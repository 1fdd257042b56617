"""What people decide of alerts and incidents."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tocsin.api.models._model import Model, TriageStatus, Verdict


class Note(Model):
    """What somebody wrote."""

    author: str
    time: str
    text: str


class NoteRequest(Model):
    """A new note."""

    text: Annotated[str, Field(min_length=1, max_length=10_000)]


class Triage(Model):
    """What people decided; `revision` 0 means nobody has yet."""

    status: TriageStatus = "open"
    verdict: Verdict | None = None
    assignee: str | None = None
    tags: list[str] = []
    notes: list[Note] = []
    revision: int = 0
    changed: str | None = None
    changed_by: str | None = None


class TriageChange(Model):
    """What is given changes; an empty assignee takes it away."""

    status: TriageStatus | None = None
    verdict: Verdict | None = None
    assignee: str | None = None
    add_tags: list[str] = []
    remove_tags: list[str] = []


class TriageRequest(Model):
    """One change to many; `revisions` (id → revision seen) makes it compare-and-set."""

    ids: Annotated[list[str], Field(min_length=1, max_length=10_000)]
    change: TriageChange
    revisions: dict[str, int] = {}


class TriageResult(Model):
    """The new state of each."""

    triage: dict[str, Triage]
