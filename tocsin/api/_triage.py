"""What people decide about alerts and incidents: one way for both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tocsin.api.models import Note, NoteRequest, Triage, TriageRequest, TriageResult
from tocsin.event import time
from tocsin.state.triage import Decision, Kind
from tocsin.state.triage import Note as StateNote

if TYPE_CHECKING:
    from tocsin.api._access import Caller
    from tocsin.api._context import Context


def change(here: Context, caller: Caller, kind: Kind, request: TriageRequest) -> TriageResult:
    """Apply a change to each; mirrored for searches. Raises `ConflictError` (409) where a revision is not current."""
    given = request.change
    decisions = here.state.triage.change(
        request.ids,
        kind,
        by=caller.name,
        status=given.status,
        verdict=given.verdict,
        assignee=given.assignee,
        add_tags=given.add_tags,
        remove_tags=given.remove_tags,
        revisions=request.revisions,
    )
    here.store.write_triage([decision.mirrored() for decision in decisions.values()])
    here.audit(caller, "triage", f"{len(request.ids)} {kind}s", given.model_dump(exclude_none=True))
    here.bus.publish(kind, {"id": request.ids[0] if len(request.ids) == 1 else ""})
    return TriageResult(triage={identity: triage_of(decision) for identity, decision in decisions.items()})


def note(here: Context, caller: Caller, kind: Kind, identity: str, request: NoteRequest) -> Note:
    """Write a note."""
    written = here.state.triage.add_note(identity, request.text, by=caller.name)
    here.audit(caller, "note", f"{kind} {identity}")
    return _note(written)


def triage_of(decision: Decision) -> Triage:
    """A decision as the API says it."""
    return Triage(
        status=decision.status,
        verdict=decision.verdict,
        assignee=decision.assignee,
        tags=list(decision.tags),
        notes=[_note(each) for each in decision.notes],
        revision=decision.revision,
        changed=time.iso(decision.changed) if decision.changed is not None else None,
        changed_by=decision.changed_by,
    )


def _note(each: StateNote) -> Note:
    return Note(author=each.author, time=time.iso(each.time), text=each.text)
