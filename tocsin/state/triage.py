"""What people decided about alerts and incidents: status, verdict, assignee, tags and notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, cast

from sqlalchemy import func, select

from tocsin.errors import ConflictError, UsageError, quoted
from tocsin.event import time
from tocsin.state._database import Database
from tocsin.state._models import DeedRow, NoteRow, TriageRow

Status = Literal["open", "acknowledged", "closed"]
Verdict = Literal["true_positive", "false_positive", "benign", "duplicate"]
Kind = Literal["alert", "incident"]
STATUSES: Final[tuple[Status, ...]] = ("open", "acknowledged", "closed")
VERDICTS: Final[tuple[Verdict, ...]] = ("true_positive", "false_positive", "benign", "duplicate")
MOST_TAGS: Final = 100
_PART: Final = 500
_TOLD: Final = ("status", "verdict", "assignee")


class Note(NamedTuple):
    """What somebody wrote."""

    author: str
    time: int
    text: str


class Deed(NamedTuple):
    """What somebody did: `what` is status, verdict, assignee, merge or split; `value` what it became ("" is none)."""

    time: int
    by: str
    what: str
    value: str


class Decision(NamedTuple):
    """What people decided about one alert or incident; revision 0: nobody has yet."""

    id: str
    status: Status = "open"
    verdict: Verdict | None = None
    assignee: str | None = None
    tags: tuple[str, ...] = ()
    revision: int = 0
    changed: int | None = None
    changed_by: str | None = None
    notes: tuple[Note, ...] = ()

    def mirrored(self) -> dict[str, Any]:
        """The row of the store's mirror (`store.Store.write_triage`), by which searches ask."""
        return {
            "id": self.id,
            "status": self.status,
            "reason": self.verdict,
            "assignees": [self.assignee] if self.assignee else [],
            "tags": list(self.tags),
            "changed": self.changed,
            "by": self.changed_by,
            "revision": self.revision,
        }


class Triage:
    """Decisions. Each change is compare-and-set where the caller says what it saw."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, ids: Iterable[str]) -> dict[str, Decision]:
        """The decisions about each, with notes; one that nobody decided about is open."""
        wanted = list(dict.fromkeys(ids))
        rows: dict[str, TriageRow] = {}
        notes: dict[str, list[Note]] = {}
        with self._database.read() as session:
            for start in range(0, len(wanted), _PART):
                part = wanted[start : start + _PART]
                rows.update((row.id, row) for row in session.scalars(select(TriageRow).where(TriageRow.id.in_(part))))
                asked = select(NoteRow).where(NoteRow.subject.in_(part)).order_by(NoteRow.id)
                for note in session.scalars(asked):
                    notes.setdefault(note.subject, []).append(Note(note.author, note.time, note.text))
        return {id_: _decision(id_, rows.get(id_), notes.get(id_, ())) for id_ in wanted}

    def change(
        self,
        ids: Sequence[str],
        kind: Kind,
        *,
        by: str,
        status: Status | None = None,
        verdict: Verdict | None = None,
        assignee: str | None = None,
        add_tags: Sequence[str] = (),
        remove_tags: Sequence[str] = (),
        revisions: Mapping[str, int] | None = None,
    ) -> dict[str, Decision]:
        """Changes what is given about all of them, or about none: `revisions` are those that were seen, and where one
        no longer holds it raises `ConflictError`. An empty `assignee` takes it away, and so does opening a verdict."""
        if status is not None and status not in STATUSES:
            raise UsageError(f"there is no status {quoted(status)}", where="status", hint=", ".join(STATUSES))
        if verdict is not None and verdict not in VERDICTS:
            raise UsageError(f"there is no verdict {quoted(verdict)}", where="verdict", hint=", ".join(VERDICTS))
        added = [tag[:200] for tag in add_tags if tag]
        now = time.now()
        out: dict[str, Decision] = {}
        with self._database.write() as session:
            for id_ in dict.fromkeys(ids):
                row = session.get(TriageRow, id_, with_for_update=True)
                held = 0 if row is None else row.revision
                if revisions and id_ in revisions and revisions[id_] != held:
                    raise ConflictError("somebody else has changed it", where=quoted(id_), current=held)
                if row is None:
                    row = TriageRow(id=id_, kind=kind, status="open", verdict=None, assignee=None, tags=[], revision=0)
                    session.add(row)
                before = (row.status, row.verdict, row.assignee)
                row.status = status or row.status
                row.verdict = verdict or (None if status in ("open", "acknowledged") else row.verdict)
                row.assignee = row.assignee if assignee is None else assignee or None
                kept = [tag for tag in row.tags if tag not in remove_tags]
                row.tags = list(dict.fromkeys([*kept, *added]))[:MOST_TAGS]
                row.revision, row.changed, row.changed_by = held + 1, now, by
                for what, old, new in zip(_TOLD, before, (row.status, row.verdict, row.assignee), strict=True):
                    if old != new:
                        session.add(DeedRow(subject=id_, time=now, by=by[:64], what=what, value=new or ""))
                out[id_] = _decision(id_, row, ())
            session.flush()
        notes = self.get(out)
        return {id_: decision._replace(notes=notes[id_].notes) for id_, decision in out.items()}

    def add_note(self, id_: str, text: str, *, by: str) -> Note:
        """Writes something down about an alert or incident."""
        if not text.strip():
            raise UsageError("a note needs a text", where="text")
        note = Note(by, time.now(), text[:10_000])
        with self._database.write() as session:
            session.add(NoteRow(subject=id_, author=note.author, time=note.time, text=note.text))
        return note

    def history(self, id_: str) -> list[Deed]:
        """What people did to an alert or incident, oldest first."""
        asked = select(DeedRow).where(DeedRow.subject == id_).order_by(DeedRow.id)
        with self._database.read() as session:
            return [Deed(row.time, row.by, row.what, row.value) for row in session.scalars(asked)]

    def changed_since(self, moment: int, limit: int = 10_000) -> list[Decision]:
        """Decisions changed at or after a moment (µs), oldest first, without notes: what the store's mirror may lack
        after a crash."""
        asked = select(TriageRow).where(TriageRow.changed >= moment).order_by(TriageRow.changed, TriageRow.id)
        with self._database.read() as session:
            return [_decision(row.id, row, ()) for row in session.scalars(asked.limit(limit))]

    def closed(self, kind: Kind = "alert") -> int:
        """How many are closed."""
        where = (TriageRow.kind == kind, TriageRow.status == "closed")
        with self._database.read() as session:
            return session.scalar(select(func.count()).select_from(TriageRow).where(*where)) or 0


def _decision(id_: str, row: TriageRow | None, notes: Iterable[Note]) -> Decision:
    if row is None:
        return Decision(id_, notes=tuple(notes))
    return Decision(
        id_,
        cast(Status, row.status),
        cast("Verdict | None", row.verdict),
        row.assignee,
        tuple(row.tags),
        row.revision,
        row.changed,
        row.changed_by,
        tuple(notes),
    )
