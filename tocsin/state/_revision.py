"""A number that grows with every change of something, kept among the settings."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tocsin.event import time
from tocsin.state._models import SettingRow


def next_revision(session: Session, name: str) -> int:
    """Counts one change, within the transaction that makes it; the number now."""
    row = session.get(SettingRow, name, with_for_update=True)
    if row is None:
        row = SettingRow(name=name, value=0, changed=0)
        session.add(row)
    row.value = int(row.value) + 1
    row.changed = time.now()
    return int(row.value)


def revision(session: Session, name: str) -> int:
    """How many changes there have been."""
    row = session.get(SettingRow, name)
    return 0 if row is None else int(row.value)
