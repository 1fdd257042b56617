"""How far stages are: checkpoints that outlive a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from tocsin.event import time
from tocsin.state._database import Database
from tocsin.state._models import CursorRow


class Cursors:
    """JSON values by name, each durable when `put` returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str, default: Any = None) -> Any:
        """Where a stage is, or `default`."""
        with self._database.read() as session:
            row = session.get(CursorRow, name)
            return default if row is None else row.value

    def put(self, values: Mapping[str, Any]) -> None:
        """Moves some, all or none of them."""
        now = time.now()
        with self._database.write() as session:
            for name, value in values.items():
                session.merge(CursorRow(name=name, value=value, changed=now))

    def all(self, prefix: str = "") -> dict[str, Any]:
        """Every one whose name begins so."""
        asked = select(CursorRow).where(CursorRow.name.startswith(prefix, autoescape=True))
        with self._database.read() as session:
            return {row.name: row.value for row in session.scalars(asked)}
