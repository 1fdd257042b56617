"""Who did what, when and from where. Rows are added and read, never changed or taken away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import select

from tocsin.event import time
from tocsin.state._database import Database
from tocsin.state._models import AuditRow

MOST: Final = 1_000


class Entry(NamedTuple):
    """One deed. `action` is a word such as "sign-in", "search", "triage"; `what` it was done to."""

    id: int
    time: int
    who: str
    action: str
    what: str
    peer: str | None
    detail: dict[str, Any]


class Audit:
    """The record, as the API layer writes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, who: str, action: str, what: str = "", *, peer: str | None = None, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Puts a deed on record; durable on return."""
        row = AuditRow(
            time=time.now(), who=who[:128], action=action[:64], what=what[:10_000], detail=dict(detail or {})
        )
        row.peer = None if peer is None else peer[:64]
        with self._database.write() as session:
            session.add(row)

    def page(
        self, *, before: int | None = None, limit: int = 100, who: str | None = None, action: str | None = None
    ) -> list[Entry]:
        """The newest entries first; `before` is the id of the last one already had."""
        asked = select(AuditRow).order_by(AuditRow.id.desc()).limit(min(max(1, limit), MOST))
        if before is not None:
            asked = asked.where(AuditRow.id < before)
        if who is not None:
            asked = asked.where(AuditRow.who == who)
        if action is not None:
            asked = asked.where(AuditRow.action == action)
        with self._database.read() as session:
            return [
                Entry(row.id, row.time, row.who, row.action, row.what, row.peer, row.detail)
                for row in session.scalars(asked)
            ]
