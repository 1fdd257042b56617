"""Notifications that are to be sent: written down first, tried until they are sent or given up."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, cast

from sqlalchemy import func, select

from tocsin.event import time
from tocsin.state._database import Database
from tocsin.state._models import MessageRow

Outcome = Literal["pending", "sent", "failed"]
MOST_ATTEMPTS: Final = 12
# After the first failure 10 s, then twice as long each time, at most an hour: about five hours in all.
FIRST_WAIT: Final = 10 * time.SECOND
LONGEST_WAIT: Final = 3600 * time.SECOND
LEASE: Final = 120 * time.SECOND


class Message(NamedTuple):
    """One message to one channel. Times in µs."""

    id: int
    key: str
    kind: str
    channel: str
    title: str
    body: str
    state: Outcome
    attempts: int
    next_try: int
    created: int
    error: str


class Outbox:
    """Messages to be sent. A message may be sent twice where a process dies while it sends, never not at all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self,
        key: str,
        title: str,
        body: str,
        *,
        kind: str,
        channel: str = "",
        told: bool = False,
        now: int | None = None,
    ) -> bool:
        """Writes a message down; the same key is taken once. Whether it was new. `told`: another message says it
        already, so it is not to be sent."""
        moment = time.now() if now is None else now
        with self._database.write() as session:
            if session.scalar(select(func.count()).select_from(MessageRow).where(MessageRow.key == key[:200])):
                return False
            row = MessageRow(key=key[:200], kind=kind, channel=channel, title=title, body=body)
            row.state = "sent" if told else "pending"
            row.attempts, row.next_try, row.created, row.error = 0, moment, moment, ""
            session.add(row)
            return True

    def holds(self, key: str) -> bool:
        """Whether a message of this key was written down."""
        with self._database.read() as session:
            return session.scalar(select(MessageRow.id).where(MessageRow.key == key[:200])) is not None

    def take(self, limit: int = 20, *, now: int | None = None) -> list[Message]:
        """Messages that are due, oldest first; nobody else is given them for two minutes."""
        moment = time.now() if now is None else now
        due = (MessageRow.state == "pending", MessageRow.next_try <= moment)
        asked = select(MessageRow).where(*due).order_by(MessageRow.next_try, MessageRow.id).limit(limit)
        with self._database.write() as session:
            rows = list(session.scalars(asked.with_for_update(skip_locked=True)))
            for row in rows:
                row.next_try = moment + LEASE
            return [_message(row) for row in rows]

    def sent(self, id_: int) -> None:
        """It is out."""
        with self._database.write() as session:
            row = session.get(MessageRow, id_)
            if row is not None:
                row.state, row.attempts, row.error = "sent", row.attempts + 1, ""

    def failed(self, id_: int, error: str, *, now: int | None = None) -> Outcome:
        """It could not be sent: it is tried again later, or given up after twelve attempts."""
        moment = time.now() if now is None else now
        with self._database.write() as session:
            row = session.get(MessageRow, id_)
            if row is None:
                return "failed"
            row.attempts += 1
            row.error = error[:1000]
            row.state = "failed" if row.attempts >= MOST_ATTEMPTS else "pending"
            row.next_try = moment + min(FIRST_WAIT << min(row.attempts - 1, 20), LONGEST_WAIT)
            return cast(Outcome, row.state)

    def sent_at(self, key_begins: str) -> int | None:
        """When the first message whose key begins so was written down, if one of them is out."""
        where = (MessageRow.key.startswith(key_begins, autoescape=True), MessageRow.state == "sent")
        with self._database.read() as session:
            return session.scalar(select(func.min(MessageRow.created)).where(*where))

    def last(self, limit: int = 50) -> list[Message]:
        """The latest messages, newest first."""
        with self._database.read() as session:
            return [
                _message(row) for row in session.scalars(select(MessageRow).order_by(MessageRow.id.desc()).limit(limit))
            ]

    def counts(self) -> dict[str, int]:
        """How many are pending, sent and failed."""
        asked = select(MessageRow.state, func.count()).group_by(MessageRow.state)
        with self._database.read() as session:
            return {state: int(number) for state, number in session.execute(asked)}


def _message(row: MessageRow) -> Message:
    return Message(
        row.id,
        row.key,
        row.kind,
        row.channel,
        row.title,
        row.body,
        cast(Outcome, row.state),
        row.attempts,
        row.next_try,
        row.created,
        row.error,
    )
