"""Searches that people kept."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import or_, select

from tocsin.errors import UsageError
from tocsin.event import time
from tocsin.state._database import Database
from tocsin.state._models import SearchRow


class SavedSearch(NamedTuple):
    """A query with its controls; `shared` ones are everybody's to read."""

    id: int
    owner: str
    name: str
    shared: bool
    search: dict[str, Any]
    changed: int


class Searches:
    """Saved searches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, user: str) -> list[SavedSearch]:
        """One's own and those that others share, by name."""
        asked = select(SearchRow).where(or_(SearchRow.owner == user, SearchRow.shared.is_(True)))
        with self._database.read() as session:
            return [_saved(row) for row in session.scalars(asked.order_by(SearchRow.name, SearchRow.id))]

    def save(
        self, user: str, name: str, search: dict[str, Any], *, shared: bool = False, id_: int | None = None
    ) -> SavedSearch:
        """Keeps a search, new or over one's own of that id. Raises `UsageError` where that is somebody else's."""
        with self._database.write() as session:
            row = SearchRow(owner=user) if id_ is None else session.get(SearchRow, id_)
            if row is None or row.owner != user:
                raise UsageError("there is no such search of yours", where="id")
            row.name, row.shared, row.search, row.changed = name[:200], shared, dict(search), time.now()
            session.add(row)
            session.flush()
            return _saved(row)

    def delete(self, user: str, id_: int) -> bool:
        """Takes one's own search away; whether there was one."""
        with self._database.write() as session:
            row = session.get(SearchRow, id_)
            if row is None or row.owner != user:
                return False
            session.delete(row)
            return True


def _saved(row: SearchRow) -> SavedSearch:
    return SavedSearch(row.id, row.owner, row.name, row.shared, row.search, row.changed)
