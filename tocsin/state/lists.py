"""Edited copies of the lists that rules use; those that nobody edited stay as shipped."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select

from tocsin.errors import ConflictError, quoted
from tocsin.event import time
from tocsin.lang import lists
from tocsin.lang.lists import ListTable
from tocsin.state._database import Database
from tocsin.state._models import ListRow
from tocsin.state._revision import next_revision, revision

_VERSION = "lists.version"


class EditedList(NamedTuple):
    """A list's CSV as somebody left it."""

    name: str
    text: str
    revision: int
    changed: int
    changed_by: str


class Lists:
    """Edited lists. `version` grows with every change."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def version(self) -> int:
        """How many changes there have been."""
        with self._database.read() as session:
            return revision(session, _VERSION)

    def table(self, shipped: ListTable) -> ListTable:
        """The lists as they hold: those that somebody edited in place of the shipped ones."""
        edited = {each.name: lists.read(each.text, each.name) for each in self.all()}
        return shipped.replaced_by(ListTable(edited))

    def all(self) -> list[EditedList]:
        """Every edited list, by name."""
        with self._database.read() as session:
            return [_edited(row) for row in session.scalars(select(ListRow).order_by(ListRow.name))]

    def get(self, name: str) -> EditedList | None:
        """One of them."""
        with self._database.read() as session:
            row = session.get(ListRow, name)
            return None if row is None else _edited(row)

    def put(self, name: str, text: str, *, by: str, revision: int | None = None) -> EditedList:
        """Writes a list as CSV. Raises `QueryError` with each wrong line, `ConflictError` where `revision` (that which
        was seen; 0: the shipped list) is no longer the one."""
        lists.read(text, name)
        with self._database.write() as session:
            row = session.get(ListRow, name)
            held = 0 if row is None else row.revision
            if revision is not None and revision != held:
                raise ConflictError(f"the list {quoted(name)} has been changed", current=held)
            if row is None:
                row = ListRow(name=name)
                session.add(row)
            row.text, row.revision, row.changed, row.changed_by = text, held + 1, time.now(), by
            next_revision(session, _VERSION)
            return _edited(row)

    def reset(self, name: str) -> bool:
        """Goes back to the shipped list; whether there was an edited one."""
        with self._database.write() as session:
            row = session.get(ListRow, name)
            if row is None:
                return False
            session.delete(row)
            next_revision(session, _VERSION)
            return True


def _edited(row: ListRow) -> EditedList:
    return EditedList(row.name, row.text, row.revision, row.changed, row.changed_by)
