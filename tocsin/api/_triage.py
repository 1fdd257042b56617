"""What people decide about alerts and incidents: one way for both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tocsin.api.models._model import Of
from tocsin.api.models.triage import Note, NoteRequest, Triage, TriageRequest, TriageResult
from tocsin.event import time
from tocsin.lang.ir import Equals, Test
from tocsin.state.triage import Decision, Kind
from tocsin.state.triage import Note as StateNote

_TABLES: Final[dict[Kind, tuple[Of, str]]] = {
    "alert": ("alerts", "kibana.alert.uuid"),
    "incident": ("incidents", "tocsin.incident.id"),
}

if TYPE_CHECKING:
    from tocsin.api._access import Caller
    from tocsin.api._context import Context


def change(here: Context, caller: Caller, kind: Kind, request: TriageRequest) -> TriageResult:
    """Apply a change to each; mirrored for searches. Raises `ConflictError` (409) where a revision is not current."""
    _known(here, kind, request.ids)
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
    _known(here, kind, [identity])
    written = here.state.triage.add_note(identity, request.text, by=caller.name)
    here.audit(caller, "note", f"{kind} {identity}")
    return _note(written)


def _known(here: Context, kind: Kind, ids: list[str]) -> None:
    """404 for what is not there: a decision about nothing would wait for an alert that may come to have its id."""
    of, field = _TABLES[kind]
    wanted = list(dict.fromkeys(ids))
    where = Test(here.names(of).field(field), Equals(tuple(wanted)))
    found = here.store.search(where, of=of, limit=len(wanted), fields=[field])
    missing = set(wanted) - {str(document["_id"]) for document in found}
    if missing:
        raise here.missing(f"there is no {kind} {min(missing)[:200]!r}")


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
