"""Settings that are made in the page: channels of notifications and the like."""

from __future__ import annotations

from typing import Any

from tocsin.event import time
from tocsin.state._database import Database
from tocsin.state._models import SettingRow


class Settings:
    """JSON values by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default`."""
        with self._database.read() as session:
            row = session.get(SettingRow, name)
            return default if row is None else row.value

    def put(self, name: str, value: Any) -> None:
        """Sets a value; None takes it away."""
        with self._database.write() as session:
            row = session.get(SettingRow, name)
            if value is None:
                if row is not None:
                    session.delete(row)
                return
            session.merge(SettingRow(name=name, value=value, changed=time.now()))
