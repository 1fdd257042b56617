"""The state of the system: what is running, what sends, what is wrong."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from tocsin import __version__
from tocsin.api._access import Caller, reader
from tocsin.api._context import Context, context
from tocsin.api.models.status import Listener, Source, SourcesPage, StatusPage
from tocsin.event import time
from tocsin.event.time import DAY, SECOND
from tocsin.lang.ir import TRUE, Equals, Test
from tocsin.ports import Span

router = APIRouter(tags=["status"])
Here = Annotated[Context, Depends(context)]
Reader = Annotated[Caller, Depends(reader)]
_SILENT = 600 * SECOND


@router.get("/status")
def status(here: Here, caller: Reader) -> StatusPage:
    """What Home and the top bar show."""
    service = here.service
    size = here.store.size()
    rules = service.knowledge.all_rules
    newest = here.store.search(TRUE, Span(None, time.now() + DAY), limit=1, fields=["@timestamp"])
    problems = [f"{name} is not running" for name in ("collectors",) if not service.collected.get("ready")]
    problems += [f"rule {rule.name}: {rule.reason.splitlines()[0]}" for rule in rules if rule.status == "invalid"][:5]
    problems += service.problems()[-5:]
    return StatusPage(
        version=__version__,
        started=time.iso(service.started),
        events=size["events"].rows if "events" in size else 0,
        events_per_second=round(service.sources.rate(), 1),
        bytes_on_disk=sum(each.bytes for each in size.values()),
        journal_lag=service.lag(),
        open_alerts=here.open_alerts(),
        open_incidents=here.open_incidents(),
        rules=len(rules),
        rules_enabled=len(service.knowledge.running),
        rules_looking_back=service.look_backs.waiting(),
        listeners=listeners(here),
        last_event=str(newest[0]["@timestamp"]) if newest else None,
        problems=problems,
        demo=here.demo,
    )


def listeners(here: Context) -> list[Listener]:
    """Where shippers can send."""
    server = here.settings.server
    host = server.bulk_host or server.host
    scheme = "https" if server.tls_cert else "http"
    port = here.service.collected.get("bulk") or server.bulk_port
    base = f"{scheme}://{host}:{port}"
    out = [
        Listener(
            name="Elasticsearch _bulk",
            address=base,
            example=f"curl -H 'Content-Type: application/x-ndjson' {base}/logs-ecs-default/_bulk"
            " --data-binary @events.ndjson",
        )
    ]
    for kind in ("udp", "tcp", "tls"):
        port = here.service.collected.get(f"syslog_{kind}")
        if port:
            flag = "" if kind == "udp" else "--tcp "
            example = f"logger {flag}--server {here.settings.syslog.host} --port {port} --rfc5424 'hello'"
            if kind == "tls":  # logger has no TLS
                address = f"{here.settings.syslog.host}:{port}"
                example = f"echo '<13>1 - - app - - - hello' | openssl s_client -quiet -connect {address}"
            address = f"{kind}://{here.settings.syslog.host}:{port}"
            out.append(Listener(name=f"Syslog over {kind.upper()}", address=address, example=example))
    return out


@router.get("/sources")
def sources(here: Here, caller: Reader) -> SourcesPage:
    """What sends, how much, how late, and what could not be read."""
    now = time.now()
    rows = []
    for (dataset, sender), seen in sorted(here.service.sources.all().items()):
        silent = now - seen.last_seen > _SILENT
        failing = bool(seen.unparsed) and sum(seen.unparsed.values()) * 2 > seen.events
        rows.append(
            Source(
                dataset=dataset,
                sender=sender,
                host=None,
                events=seen.events,
                events_per_second=round(seen.rate(now), 2),
                bytes=seen.bytes,
                first=time.iso(seen.first_seen),
                last=time.iso(seen.last_seen),
                lag_seconds=round(max(0, seen.last_seen - seen.last) / SECOND, 1) if seen.last else 0.0,
                late=seen.late,
                unparsed=sum(seen.unparsed.values()),
                overflowed=seen.overflowed,
                reasons=seen.unparsed,
                histogram=seen.histogram(now),
                status="failing" if failing else "silent" if silent else "ok",
            )
        )
    where = Test(here.names("events").field("event.dataset"), Equals(("tocsin.unparsed",)))
    unparsed = here.store.search(where, Span(now - 7 * DAY, None), limit=50)
    drops = {
        name: value
        for name, value in here.service.collected.items()
        if isinstance(value, int) and name.endswith("drops")
    }
    return SourcesPage(sources=rows, unparsed=unparsed, drops=drops)
