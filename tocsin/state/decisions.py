"""What people decided about which alerts belong together: merged by hand, or split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, cast

from sqlalchemy import select

from tocsin.errors import UsageError
from tocsin.event import time
from tocsin.state._database import Database
from tocsin.state._models import DecisionRow, DeedRow

Kind = Literal["merge", "split"]
# Alerts of one side: what is split is held as every pair of the two.
MOST: Final = 500


class Decision(NamedTuple):
    """Two sets of alerts that must be in one incident (merge) or must not (split). `applied`: incidents are so."""

    id: int
    kind: Kind
    left: tuple[str, ...]
    right: tuple[str, ...]
    time: int
    by: str
    applied: bool


class Decisions:
    """All decisions, oldest first: of two that speak of the same alerts the later holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, kind: Kind, left: Sequence[str], right: Sequence[str], *, by: str, told: Sequence[tuple[str, str]] = ()
    ) -> Decision:
        """Write one down; `told` are (incident, words) for the history of incidents. Raises `UsageError` for a side
        without alerts or with more than 500, and for an alert on both."""
        for side in (left, right):
            if not 0 < len(side) <= MOST:
                raise UsageError(f"each side needs 1 to {MOST} alerts", where="alerts")
        if set(left) & set(right):
            raise UsageError("an alert can't be on both sides", where="alerts")
        now = time.now()
        row = DecisionRow(kind=kind, left=list(left), right=list(right), time=now, by=by[:64], applied=False)
        with self._database.write() as session:
            session.add(row)
            session.add_all(DeedRow(subject=id_, time=now, by=by[:64], what=kind, value=value) for id_, value in told)
            session.flush()
            return _decision(row)

    def applied(self, id_: int) -> None:
        """Incidents are as it says."""
        with self._database.write() as session:
            row = session.get(DecisionRow, id_)
            if row is not None:
                row.applied = True

    def all(self) -> list[Decision]:
        """Every one, oldest first."""
        with self._database.read() as session:
            return [_decision(row) for row in session.scalars(select(DecisionRow).order_by(DecisionRow.id))]


def _decision(row: DecisionRow) -> Decision:
    return Decision(row.id, cast(Kind, row.kind), tuple(row.left), tuple(row.right), row.time, row.by, row.applied)
