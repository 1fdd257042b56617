"""What routes work with: the service (store, rules, sources), what people decide (state), and the settings."""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

from fastapi import HTTPException, Request

from tocsin.alert.incidents import Decisions
from tocsin.api._access import Caller
from tocsin.api._bus import Bus
from tocsin.api._triage import triage_of
from tocsin.api.models._model import Of
from tocsin.api.models.notifications import Channel, Delivery, Notifications
from tocsin.api.models.triage import Triage
from tocsin.config import Settings
from tocsin.errors import TocsinError
from tocsin.event import time
from tocsin.lang import ir
from tocsin.lang.fields import Names
from tocsin.lang.ir import Equals, Exists, Test, all_of, negate
from tocsin.pipeline.history import events_of, firings_in, in_order
from tocsin.pipeline.knowledge import Plan
from tocsin.pipeline.offline import as_rule
from tocsin.pipeline.plans import plan_of
from tocsin.pipeline.service import Service
from tocsin.ports import Document, Span
from tocsin.respond import notify
from tocsin.state import State
from tocsin.store import Store

log = logging.getLogger(__name__)
_CHANNELS: Final = "notify.channels"
# Seconds between two looks for exceptions and rows of lists that have expired.
_EXPIRY: Final = 20.0


class Context:
    """One running server, as its routes see it."""

    def __init__(self, service: Service, state: State, settings: Settings) -> None:
        self.service = service
        self.state = state
        self.settings = settings
        self.bus = Bus()
        self.demo = False
        self._planning = threading.Lock()
        self.deciding = threading.RLock()
        self._lists = service.knowledge.lists.version()
        self._stopping = threading.Event()
        self._expiring = threading.Thread(target=self._expire, name="expiry", daemon=True)
        server = settings.server
        link = server.public_url or f"{'https' if server.tls_cert else 'http'}://{server.host}:{server.port}"
        self.notify = notify.Notifications(state.outbox, self.channels, link)
        service.core.listeners.append(self._heard)

    def start(self) -> None:
        """Begin to notify, and to look whether something that people set has expired."""
        self.notify.start()
        self._expiring.start()

    def stop(self) -> None:
        """End both."""
        self._stopping.set()
        self.notify.stop()
        if self._expiring.ident is not None:
            self._expiring.join(10)

    def _expire(self) -> None:
        while not self._stopping.wait(_EXPIRY):
            try:
                self.expire()
                self.regroup()  # where the store was busy
            except TocsinError as error:
                log.warning("what has expired could not be looked for: %s", error)

    def expire(self) -> None:
        """Replan where an exception or a row of a list has run out."""
        with self._planning:
            plan = plan_of(self.settings, self.state)
            if plan.dump() != self.service.plan.dump() or self.service.knowledge.lists.version() != self._lists:
                self._replan(plan)

    def _replan(self, plan: Plan) -> None:
        self.service.replan(plan)
        self._lists = self.service.knowledge.lists.version()

    def _heard(self, kind: str, document: Document) -> None:
        self.notify.heard(kind, document)
        identity = document.get("tocsin.incident.id") if kind == "incident" else document.get("kibana.alert.uuid")
        data: dict[str, Any] = {"id": identity}
        if kind == "alert":  # whether it stands in the list as the page opens it
            shown = document.get("tocsin.alert.state") == "active"
            data["shown"] = shown and not document.get("kibana.alert.building_block_type")
        self.bus.publish(kind, data)

    @property
    def store(self) -> Store:
        """Events, alerts, incidents."""
        return self.service.store

    def names(self, of: Of) -> Names:
        """How field names of a table are read."""
        return self.store.names[of]

    def audit(self, caller: Caller, action: str, what: str, detail: dict[str, Any] | None = None) -> None:
        """Put on record who did what."""
        self.state.audit.add(caller.name, action, what, peer=caller.peer, detail=detail)

    @staticmethod
    def missing(what: str) -> HTTPException:
        """404 with a reason."""
        return HTTPException(404, what)

    # ---- rules ----

    def replan(self) -> None:
        """Bring every process to the rules, lists and exceptions as people have set them now."""
        with self._planning:
            self._replan(plan_of(self.settings, self.state))

    def sequences(
        self, plan: ir.Plan, text: str, span: Span, limit: int, *, skip: int = 0, oldest_first: bool = False
    ) -> tuple[int, list[list[Document]]]:
        """What a query of several events finds in stored events: how many in all, and the events of a page of them."""
        knowledge = self.service.knowledge
        rule = as_rule(plan, text, knowledge.types)
        lists = knowledge.lists
        firings = firings_in(self.store, rule, knowledge.types, knowledge.names, lists, span)
        chosen = in_order(firings, oldest_first)[skip : skip + limit]
        return len(firings), events_of(self.store, chosen)

    def silenced(self, rule_id: str, name: str) -> int:
        """How many hits of a rule an exception or list has silenced."""
        return self.store.hits.silenced(rule_id, name)

    # ---- which alerts belong together ----

    def regroup(self) -> None:
        """Bring incidents to what people have decided: what is not yet applied, oldest first."""
        with self.deciding:
            taken = self.state.decisions.all()
            decisions = Decisions.of(taken)
            for each in taken:
                if not each.applied:
                    self.service.core.decide(decisions, [*each.left, *each.right])
                    self.state.decisions.applied(each.id)

    # ---- triage, counts ----

    def triage(self, kind: str, ids: list[str]) -> dict[str, Triage]:
        """What people decided about each."""
        del kind
        return {identity: triage_of(decision) for identity, decision in self.state.triage.get(ids).items()}

    def open_alerts(self) -> dict[str, int]:
        """Open alerts by severity, building blocks left out."""
        names = self.names("alerts")
        where = all_of(
            Test(names.field("tocsin.alert.state"), Equals(("active",))),
            Test(names.field("kibana.alert.workflow_status"), Equals(("open",))),
            negate(Test(names.field("kibana.alert.building_block_type"), Exists())),
        )
        found = self.store.top(where, "kibana.alert.severity", of="alerts", limit=10)
        return {str(value): count for value, count in found.values}

    def open_incidents(self) -> int:
        """Open incidents."""
        names = self.names("incidents")
        where = all_of(
            Test(names.field("tocsin.incident.state"), Equals(("active",))),
            Test(names.field("kibana.alert.workflow_status"), Equals(("open",))),
        )
        return self.store.count(where, of="incidents")

    # ---- notifications ----

    def channels(self) -> list[notify.Channel]:
        """Channels of the settings file and those made on the page."""
        least = self.settings.notify.min_severity
        out = [
            notify.Channel(name=f"settings {number}", url=url, incidents=True, minimum_severity=least)
            for number, url in enumerate(self.settings.notify.urls, start=1)
        ]
        out += [notify.Channel.model_validate(entry) for entry in self.state.settings.get(_CHANNELS, [])]
        return out

    def notifications(self) -> Notifications:
        """Channels, their URLs masked, and the last messages."""
        channels = self.channels()
        by_id = {channel.id: channel.name for channel in channels}
        fixed = set(self.settings.notify.urls)
        return Notifications(
            channels=[
                Channel(
                    id=channel.id,
                    name=channel.name,
                    url=channel.masked(),
                    incidents=channel.incidents,
                    minimum_severity=channel.minimum_severity,  # type: ignore[arg-type]
                    fixed=channel.url in fixed,
                )
                for channel in channels
            ],
            last=[
                Delivery(
                    time=time.iso(each.created),
                    channel=by_id.get(each.channel, "gone"),
                    title=each.title,
                    state=each.state,
                    attempts=each.attempts,
                    error=each.error,
                )
                for each in self.state.outbox.last(50)
                if each.title  # without one it is a mark that somebody was told, no message
            ],
        )

    def set_notifications(self, wanted: Notifications) -> None:
        """Other channels of the page; those of the settings file stay. A masked URL keeps what it stands for."""
        held = {channel.id: channel for channel in self.channels()}
        fixed = set(self.settings.notify.urls)
        out = []
        for each in wanted.channels:
            before = held.get(each.id)
            url = before.url if before is not None and each.url == before.masked() else each.url
            if url in fixed:
                continue
            channel = notify.Channel(
                name=each.name, url=url, incidents=each.incidents, minimum_severity=each.minimum_severity
            )
            notify.check(channel)
            out.append(channel.model_dump())
        self.state.settings.put(_CHANNELS, out)

    def test_notifications(self) -> list[Delivery]:
        """Send a test message to each channel now."""
        out = []
        for channel in self.channels():
            error = ""
            try:
                notify.send(channel, "Tocsin: a test", "This channel works.", "test")
            except TocsinError as problem:
                error = problem.what
            state: Any = "failed" if error else "sent"
            out.append(
                Delivery(
                    time=time.iso(time.now()),
                    channel=channel.name,
                    title="Tocsin: a test",
                    state=state,
                    attempts=1,
                    error=error,
                )
            )
        return out

    def notified(self, incident: str) -> str | None:
        """When somebody was told of an incident."""
        moment = self.state.outbox.sent_at(f"incident:{incident}:")
        return time.iso(moment) if moment is not None else None


def context(request: Request) -> Context:
    """The context of this server."""
    held = request.app.state.context
    assert isinstance(held, Context)
    return held
