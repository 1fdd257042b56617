"""Where somebody is told, and what became of it."""

from __future__ import annotations

from typing import Literal

from tocsin.api.models._model import Model, Severity


class Channel(Model):
    """An apprise URL (secrets are shown masked) and what goes there."""

    id: str = ""
    name: str
    url: str
    incidents: bool = True
    minimum_severity: Severity | None = None
    fixed: bool = False  # of the settings file: it can't be changed here


class Delivery(Model):
    """One message and what became of it."""

    time: str
    channel: str
    title: str
    state: Literal["sent", "pending", "failed"]
    attempts: int
    error: str = ""


class Notifications(Model):
    """Where somebody is told."""

    channels: list[Channel]
    last: list[Delivery] = []
