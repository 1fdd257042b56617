"""The state of the system and of its sources."""

from __future__ import annotations

from typing import Literal

from tocsin.api.models._model import Document, Model


class Listener(Model):
    """An address that shippers can send to, and how to try it."""

    name: str
    address: str
    example: str


class StatusPage(Model):
    """What Home and the top bar show."""

    version: str
    started: str
    events: int
    events_per_second: float
    bytes_on_disk: int
    journal_lag: int
    open_alerts: dict[str, int]
    open_incidents: int
    rules: int
    rules_enabled: int
    rules_looking_back: int = 0  # rules that are new and have yet to look back over stored events
    listeners: list[Listener]
    last_event: str | None
    problems: list[str]
    demo: bool = False


class Source(Model):
    """One sender of one dataset."""

    dataset: str
    sender: str
    host: str | None
    events: int
    events_per_second: float
    bytes: int
    first: str
    last: str
    lag_seconds: float
    late: int
    unparsed: int
    overflowed: int
    reasons: dict[str, int]
    histogram: list[int]
    status: Literal["ok", "silent", "failing"]


class SourcesPage(Model):
    """All sources, and the last of what could not be read."""

    sources: list[Source]
    unparsed: list[Document]
    drops: dict[str, int]
