"""What people configure, and what must outlive a restart: users, keys, rules' settings, lists, triage, audit, outbox.

`open(address)` gives a `State`: one small repository a subject, each of whose calls is one transaction. SQLite by
default, PostgreSQL by address; the database is brought up to this version when it is opened.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from tocsin.state._database import Database, migrate
from tocsin.state.audit import Audit
from tocsin.state.cursors import Cursors
from tocsin.state.decisions import Decisions
from tocsin.state.keys import Keys
from tocsin.state.lists import Lists
from tocsin.state.outbox import Outbox
from tocsin.state.rules import Rules
from tocsin.state.searches import Searches
from tocsin.state.sessions import Sessions
from tocsin.state.settings import Settings
from tocsin.state.sources import Sources
from tocsin.state.triage import Triage
from tocsin.state.users import Users

__all__ = ["State", "open"]


class State:
    """All repositories over one database. Safe from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.audit = Audit(database)
        self.cursors = Cursors(database)
        self.decisions = Decisions(database)
        self.keys = Keys(database)
        self.lists = Lists(database)
        self.outbox = Outbox(database)
        self.rules = Rules(database)
        self.searches = Searches(database)
        self.settings = Settings(database)
        self.sessions = Sessions(database)
        self.sources = Sources(database)
        self.triage = Triage(database)
        self.users = Users(database)

    def close(self) -> None:
        """Gives the connections back."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open(address: str) -> State:  # noqa: A001  # it is what one does with it, and it is called as state.open
    """The state at `sqlite:///file` or `postgresql://user:password@host/database`. Raises `ConfigError` where it can't
    be had or a later version made it, `BusyError` where another process holds it."""
    database = Database(address)
    try:
        migrate(database.engine)
    except BaseException:
        database.close()
        raise
    return State(database)
