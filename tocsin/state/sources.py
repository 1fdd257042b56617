"""What each sender of each data set has sent: the figures behind the health of sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import select

from tocsin.event import time
from tocsin.state._database import Database
from tocsin.state._models import SourceRow

MOST_REASONS: Final = 20


@dataclass(slots=True)
class Source:
    """Figures of one (data set, sender), since it was first seen; what `add` takes are differences. Times in µs:
    `first` and `last` arrival, `newest` time of an event."""

    dataset: str
    sender: str
    host: str | None = None
    events: int = 0
    bytes: int = 0
    late: int = 0
    unparsed: int = 0
    overflowed: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    first: int = 0
    last: int = 0
    newest: int | None = None


class Sources:
    """Figures by data set and sender."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, changes: Sequence[Source]) -> None:
        """Adds what came since the last call; call it every few seconds, not for every batch."""
        now = time.now()
        with self._database.write() as session:
            for change in changes:
                row = session.get(SourceRow, (change.dataset[:200], change.sender[:200]), with_for_update=True)
                if row is None:
                    row = SourceRow(dataset=change.dataset[:200], sender=change.sender[:200], reasons={})
                    row.events = row.bytes = row.late = row.unparsed = row.overflowed = 0
                    row.host, row.newest, row.first = None, None, change.first or now
                    session.add(row)
                row.host = change.host or row.host
                row.events += change.events
                row.bytes += change.bytes
                row.late += change.late
                row.unparsed += change.unparsed
                row.overflowed += change.overflowed
                row.reasons = _added(row.reasons, change.reasons)
                row.last = max(row.last or 0, change.last or now)
                if change.newest is not None:
                    row.newest = max(row.newest or change.newest, change.newest)

    def all(self) -> list[Source]:
        """Every source, the one that sent last first."""
        with self._database.read() as session:
            return [
                Source(
                    row.dataset,
                    row.sender,
                    row.host,
                    row.events,
                    row.bytes,
                    row.late,
                    row.unparsed,
                    row.overflowed,
                    {reason: int(number) for reason, number in row.reasons.items()},
                    row.first,
                    row.last,
                    row.newest,
                )
                for row in session.scalars(select(SourceRow).order_by(SourceRow.last.desc()))
            ]


def _added(held: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Counts of both, the commonest only: reasons come from outside."""
    out = {str(reason): int(number) for reason, number in held.items()}
    for reason, number in more.items():
        out[reason[:200]] = out.get(reason[:200], 0) + number
    return dict(sorted(out.items(), key=lambda item: -item[1])[:MOST_REASONS])
