"""The Analyzer: the graph around an alert or event, and the events of its nodes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from tocsin.api import _graph, _graph_nodes
from tocsin.api._access import Caller, reader
from tocsin.api._context import Context, context
from tocsin.api.models.analyzer import Graph
from tocsin.api.models.search import SearchPage
from tocsin.api.search import found as as_found
from tocsin.errors import UsageError
from tocsin.event import time
from tocsin.event.time import DAY
from tocsin.ports import Document, Span

router = APIRouter(tags=["analyzer"])
Here = Annotated[Context, Depends(context)]
Reader = Annotated[Caller, Depends(reader)]


@router.get("/analyzer", response_model=Graph)
def graph(here: Here, caller: Reader, alert: str | None = None, event: str | None = None) -> Response:
    """The graph around an alert or an event."""
    trigger, document = _trigger(here, alert, event)
    here.audit(caller, "analyze", f"alert {alert}" if alert else f"event {event}")
    builder = _graph.Builder(here.store, here.store, here.names("events"), here.names("alerts"))
    made = builder.build(trigger, document)
    if made is None:
        raise here.missing("this event names no process, and no host has reported its connection")
    # Hundreds of nodes: written once by pydantic, not validated and walked again.
    return Response(made.model_dump_json(), media_type="application/json")


@router.get("/analyzer/events")
def events(
    here: Here,
    caller: Reader,
    node: str,
    graph: str,
    category: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> SearchPage:
    """The events of a node (`p:ENTITY`, or a script's or connection's process), of one badge or of all."""
    trigger = here.store.by_ids([graph]).get(graph)
    if trigger is None:
        trigger, _ = _trigger(here, graph, None)
    builder = _graph.Builder(here.store, here.store, here.names("events"), here.names("alerts"))
    host, _ = builder.origin(trigger)
    entity = _graph_nodes.entity_of(node)
    row = here.store.processes(host, [entity]).get(entity) if host else None
    where = _graph_nodes.events_of_node(node, category, here.names("events"), host or "", (row or {}).get("pid"))
    moment = time.read(trigger["@timestamp"]) or 0
    span = Span(moment - 2 * DAY, moment + 2 * DAY)
    if node.startswith("c:"):  # what sensors on the wire say of the same connections
        where = builder.with_flows(where, span)
    documents = here.store.search(where, span, limit=limit, newest_first=False)
    return SearchPage(documents=[as_found(each) for each in documents], total=here.store.count(where, span))


def _trigger(here: Context, alert: str | None, event: str | None) -> tuple[Document, Document | None]:
    """The event that the graph is about, and its alert. Raises 404 where one is not there."""
    if event:
        held = here.store.by_ids([event]).get(event)
        if held is None:
            raise here.missing(f"there is no event {event!r}")
        return held, None
    if not alert:
        raise UsageError("an alert or an event is needed")
    document = here.store.by_ids([alert], of="alerts").get(alert)
    if document is None:
        raise here.missing(f"there is no alert {alert!r}")
    ids = [str(i) for i in document.get("tocsin.alert.event_ids") or ()]
    if document.get("tocsin.alert.legs"):
        legs = here.store.by_ids(ids, of="alerts")
        ids = [str(i) for leg in legs.values() for i in (leg.get("tocsin.alert.event_ids") or ())[:5]]
    held_all = here.store.by_ids(ids[:50])
    found = _graph_nodes.starting_point([held_all[i] for i in ids[:50] if i in held_all])
    if found is None:
        raise here.missing("the alert's events are not stored any more")
    return found, document
