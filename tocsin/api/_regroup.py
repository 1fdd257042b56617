"""People's merges and splits of incidents, and what they did, as an incident's timeline tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tocsin.api import _rows
from tocsin.api.models.incidents import IncidentMerge, IncidentSplit, Moment, Regrouped
from tocsin.api.models.rows import Part
from tocsin.errors import ConflictError, UsageError, quoted
from tocsin.event import time
from tocsin.lang.ir import Equals, Test
from tocsin.ports import Document
from tocsin.state.decisions import MOST, Kind

if TYPE_CHECKING:
    from tocsin.api._access import Caller
    from tocsin.api._context import Context

_VERDICTS: Final = {
    "true_positive": "a true positive",
    "false_positive": "a false positive",
    "benign": "benign",
    "duplicate": "a duplicate",
}
_STATUSES: Final = {"open": "opened it again", "acknowledged": "acknowledged it", "closed": "closed it"}


def found(here: Context, identity: str) -> Document:
    """An incident by its id, or by one that was merged into it. 404 where there is none."""
    document = here.store.by_ids([identity], of="incidents").get(identity)
    if document is None or document.get("tocsin.incident.state") == "merged":
        where = Test(here.names("incidents").field("tocsin.incident.aliases"), Equals((identity,)))
        document = next(iter(here.store.search(where, of="incidents", limit=1)), document)
    if document is None:
        raise here.missing(f"there is no incident {identity[:200]!r}")
    return document


def merge(here: Context, caller: Caller, identity: str, request: IncidentMerge) -> Regrouped:
    """Make incidents and alerts one with an incident. 409 where one of them is none any more."""
    with here.deciding:
        target = _active(here, identity)
        others = [_active(here, each) for each in request.incidents]
        own = _members(target)
        more = [uuid for other in others for uuid in _members(other)] + _alerts(here, request.alerts)
        more = [uuid for uuid in dict.fromkeys(more) if uuid not in set(own)]
        if not more:
            raise UsageError("nothing here is another incident's", where="incidents", hint="name other incidents")
        named = [_title(other) for other in others if other["_id"] != target["_id"]]
        named += [_alerts_word(len(request.alerts))] if request.alerts else []
        return _decide(here, caller, "merge", target, (own[:MOST], more[:MOST]), ", ".join(named))


def split(here: Context, caller: Caller, identity: str, request: IncidentSplit) -> Regrouped:
    """Take alerts out of an incident. 409 where it has one of them no more."""
    with here.deciding:
        target = _active(here, identity)
        members = _members(target)
        leaving = list(dict.fromkeys(request.alerts))
        if strangers := sorted(set(leaving) - set(members)):
            raise ConflictError(f"the incident has no alert {quoted(strangers[0])}", where="alerts")
        staying = [uuid for uuid in members if uuid not in set(leaving)]
        if not staying:
            raise UsageError("one alert must stay", where="alerts", hint="name fewer alerts")
        if len(staying) > MOST:
            raise UsageError(f"more than {MOST} alerts would stay", where="alerts", hint="split off the larger part")
        return _decide(here, caller, "split", target, (leaving, staying), _alerts_word(len(leaving)))


def _decide(
    here: Context,
    caller: Caller,
    kind: Kind,
    target: Document,
    sides: tuple[Sequence[str], Sequence[str]],
    what: str,
) -> Regrouped:
    here.state.decisions.add(kind, *sides, by=caller.name, told=[(str(target["_id"]), what)])
    here.regroup()
    detail = {"what": what, "alerts": [list(side) for side in sides]}
    here.audit(caller, f"{kind} incidents", f"incident {target['_id']}", detail)
    alerts = here.store.by_ids([*sides[0], *sides[1]], of="alerts")
    ids = [str(alert.get("tocsin.alert.incident") or "") for alert in alerts.values()]
    incidents = here.store.by_ids([each for each in dict.fromkeys(ids) if each], of="incidents")
    rows = sorted(incidents.values(), key=lambda each: (each["_id"] != target["_id"], str(each["@timestamp"])))
    alone = [uuid for uuid, alert in alerts.items() if not alert.get("tocsin.alert.incident")]
    return Regrouped(incidents=_rows.incidents(here, rows), alone=alone)


def _active(here: Context, identity: str) -> Document:
    document = found(here, identity)
    if document.get("tocsin.incident.state") != "active":
        raise ConflictError(f"the incident {quoted(identity)} is {document.get('tocsin.incident.state')}")
    return document


def _alerts(here: Context, uuids: Sequence[str]) -> list[str]:
    """Alerts that can join: those that people see."""
    held = here.store.by_ids(list(uuids), of="alerts")
    for uuid in uuids:
        alert = held.get(uuid)
        if alert is None:
            raise here.missing(f"there is no alert {uuid[:200]!r}")
        if alert.get("tocsin.alert.state") != "active" or alert.get("kibana.alert.building_block_type"):
            raise UsageError(f"the alert {quoted(uuid)} stands for nothing by itself", where="alerts")
    return list(uuids)


def _members(incident: Document) -> list[str]:
    return _rows.texts(incident.get("tocsin.incident.alerts"))


def _title(incident: Document) -> str:
    return str(incident.get("tocsin.incident.title") or "an incident")[:200]


def _alerts_word(count: int) -> str:
    return "an alert" if count == 1 else f"{count} alerts"


def told(here: Context, incident: Document) -> list[Moment]:
    """What people did to an incident, and to those that became a part of it."""
    out = []
    for identity in (str(incident["_id"]), *_rows.texts(incident.get("tocsin.incident.aliases"))):
        for deed in here.state.triage.history(identity):
            words = _words(deed.what, deed.value)
            if words:
                out.append(Moment(time=time.iso(deed.time), kind="triage", title=[Part(text=f"{deed.by} {words}")]))
    return out


def _words(what: str, value: str) -> str:
    match what:
        case "status":
            return _STATUSES.get(value, "")
        case "verdict":
            return f"called it {_VERDICTS.get(value, value)}" if value else "took the verdict back"
        case "assignee":
            return f"assigned it to {value}" if value else "took it from whom it was assigned to"
        case "merge":
            return f"merged it with {value}"
        case "split":
            return f"split {value} off"
    return ""
