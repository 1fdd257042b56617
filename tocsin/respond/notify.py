"""Tells somebody: through apprise (mail, webhooks, chat …), from an outbox that tries again until it is sent.

A channel is an apprise URL (https://github.com/caronc/apprise/wiki). What goes out is plain text; log content in it
can't be markup. URLs hold secrets: they are never logged, and shown masked.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import apprise
from pydantic import BaseModel, ConfigDict

from tocsin.errors import ConfigError
from tocsin.event.ids import stable_id
from tocsin.ports import Document

log = logging.getLogger(__name__)
LEVELS: Final = {"low": 0, "medium": 1, "high": 2, "critical": 3}
_LONGEST: Final = 4_000
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CONTROL_BUT_LINES: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")
# Services whose URL names a host; elsewhere that place may hold a token.
_HOSTED: Final = frozenset(
    {
        "mailto", "mailtos", "json", "jsons", "form", "forms", "xml", "xmls", "syslog", "gotify", "gotifys", "matrix",
        "matrixs", "mmost", "mmosts", "rocket", "rockets",
    }
)  # fmt: skip
# It tells whole URLs when one can't be read, and hosts that may be tokens when one can't be reached.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


class Channel(BaseModel):
    """An apprise URL and what goes there: incidents, and alerts from a severity on."""

    model_config = ConfigDict(extra="forbid")

    name: str
    url: str
    incidents: bool = True
    minimum_severity: str | None = None

    @property
    def id(self) -> str:
        """Known by its URL."""
        return stable_id("channel", self.url)[:16]

    def masked(self) -> str:
        """The URL without what may be secret: tokens stand anywhere in it, in many services in the host's place."""
        scheme, _, rest = self.url.partition("://")
        scheme = scheme.lower() if _SCHEME.fullmatch(scheme) and rest else "…"
        if scheme not in _HOSTED:
            return f"{scheme}://…"
        try:
            parts = urlsplit(self.url)
            host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
        except ValueError:
            return f"{scheme}://…"
        return f"{scheme}://{'…@' if '@' in parts.netloc else ''}{host}{'/…' if parts.path.strip('/') else ''}"


class Pending(Protocol):
    """A message of the outbox."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def channel(self) -> str:
        """The channel's id."""

    @property
    def title(self) -> str:
        """One line."""

    @property
    def body(self) -> str:
        """Plain text."""

    @property
    def kind(self) -> str:
        """incident, update or alert."""


class Box(Protocol):
    """The outbox (`state.outbox`)."""

    def put(self, key: str, title: str, body: str, *, kind: str, channel: str = "", told: bool = False) -> bool:
        """Write a message down; the same key once. `told`: it is said already, and not to be sent."""

    def holds(self, key: str) -> bool:
        """Whether a message of this key was written down."""

    def take(self, limit: int = 20) -> Sequence[Pending]:
        """Messages that are due."""

    def sent(self, id_: int) -> None:
        """It is out."""

    def failed(self, id_: int, error: str) -> object:
        """It is not."""


def check(channel: Channel) -> None:
    """Raises `ConfigError` for a URL that apprise can't use."""
    if not apprise.Apprise().add(channel.url):
        raise ConfigError("apprise can't use this URL", where=channel.name, hint="for instance mailto://… or json://…")


def send(channel: Channel, title: str, body: str, kind: str) -> None:
    """Send one message. Raises `ConfigError` where it could not be sent: it should be tried again."""
    told = apprise.Apprise()
    if not told.add(channel.url):
        raise ConfigError("apprise can't use this URL", where=channel.name)
    how = apprise.NotifyType.WARNING if kind != "test" else apprise.NotifyType.INFO
    line = _CONTROL.sub(" ", title)[:200]  # a title is one line: what stands in a log can't add a header to a mail
    text = _CONTROL_BUT_LINES.sub(" ", body)[:_LONGEST]
    if not told.notify(body=text, title=line, notify_type=how, body_format=apprise.NotifyFormat.TEXT):
        raise ConfigError("the message could not be sent", where=channel.name)


class Notifications:
    """What is to be told, and the thread that tells it."""

    def __init__(self, box: Box, channels: Callable[[], Iterable[Channel]], link: str = "") -> None:
        self._box = box
        self._channels = channels
        self._link = link
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is not sent stays in the outbox."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:  # it may not have come so far
            self._thread.join(10)

    def heard(self, kind: str, document: Document) -> None:
        """An alert or incident is new or changed: write down what is to be told. Backfill tells nobody; a change of
        what was told already is an update, not a second page."""
        for channel in self._channels():
            if kind == "incident" and channel.incidents:
                self._incident(channel, document)
            elif kind == "alert" and channel.minimum_severity:
                self._alert(channel, document)

    def _incident(self, channel: Channel, document: Document) -> None:
        if document.get("tocsin.incident.backfill"):
            return
        identity = str(document["tocsin.incident.id"])
        key = f"incident:{identity}:{channel.id}"
        if document.get("tocsin.incident.state") != "active":
            self._ended(channel, document, key)
            return
        severity = str(document["tocsin.incident.severity"])
        aliases = _listed(document.get("tocsin.incident.aliases"))
        lines = [
            str(document.get("tocsin.incident.summary") or ""),
            f"Severity {severity}, score {document.get('tocsin.incident.score')}.",
            f"Rules: {', '.join(_listed(document.get('tocsin.incident.rules')))}",
            f"Hosts: {', '.join(_listed(document.get('host.name'))) or 'none named'}",
        ]
        if aliases:
            lines.append(f"It has taken in {len(aliases)} other incident{'s' if len(aliases) > 1 else ''}.")
        if self._link:
            lines.append(f"{self._link}/incidents/{identity}")
        body = "\n".join(line for line in lines if line)
        title = str(document["tocsin.incident.title"])
        mark = f"update:{identity}:{channel.id}:{severity}:{len(_listed(document.get('tocsin.incident.rules')))}"
        decided = int(document.get("tocsin.incident.decisions") or 0)
        mark += f":{decided}:{len(aliases)}" if decided or aliases else ""
        # What was told under another id, before a merge or a split, is told already.
        before = [*aliases, *_listed(document.get("tocsin.incident.split_from"))]
        if not self._box.holds(key) and any(self._box.holds(f"incident:{each}:{channel.id}") for each in before):
            self._box.put(key, "", "", kind="incident", channel=channel.id, told=True)
        if self._box.put(key, f"Incident: {title}", body, kind="incident", channel=channel.id):
            self._box.put(mark, "", "", kind="update", channel=channel.id, told=True)
            self._wake.set()
        elif self._box.put(mark, f"Update: {title}", body, kind="update", channel=channel.id):
            self._wake.set()

    def _ended(self, channel: Channel, document: Document, key: str) -> None:
        """An incident is none any more: who was told of it is told so. One that was merged is told by the one that
        took it in."""
        if document.get("tocsin.incident.state") != "withdrawn" or not self._box.holds(key):
            return
        identity = str(document["tocsin.incident.id"])
        mark = f"update:{identity}:{channel.id}:withdrawn:{document.get('tocsin.incident.version')}"
        body = "Its alerts were withdrawn or taken out of it: nothing of it is left."
        title = f"Withdrawn: {document['tocsin.incident.title']}"
        if self._box.put(mark, title, body, kind="update", channel=channel.id):
            self._wake.set()

    def _alert(self, channel: Channel, document: Document) -> None:
        severity = str(document["kibana.alert.severity"])
        quiet = (
            document.get("tocsin.alert.backfill")
            or document.get("tocsin.alert.state") != "active"
            or document.get("kibana.alert.building_block_type")
        )
        if quiet or LEVELS[severity] < LEVELS[channel.minimum_severity or "critical"]:
            return
        identity = str(document["kibana.alert.uuid"])
        body = str(document.get("kibana.alert.reason") or "")
        if self._link:
            body += f"\n{self._link}/alerts?alert={identity}"
        title = f"{severity.capitalize()}: {document['kibana.alert.rule.name']}"
        if self._box.put(f"alert:{identity}:{channel.id}", title, body, kind="alert", channel=channel.id):
            self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                busy = self._deliver()
            except Exception:
                log.exception("the outbox could not be read")
                busy = False
            if not busy:
                self._wake.wait(2.0)
                self._wake.clear()

    def _deliver(self) -> bool:
        messages = self._box.take(20)
        known = {channel.id: channel for channel in self._channels()} if messages else {}
        for message in messages:
            channel = known.get(message.channel)
            if channel is None:
                self._box.failed(message.id, "the channel is not there any more")
                continue
            try:
                send(channel, message.title, message.body, message.kind)
            except Exception as error:
                what = error.what if isinstance(error, ConfigError) else type(error).__name__
                log.warning("a message to %s was not sent: %s", channel.name, what)
                self._box.failed(message.id, what)
            else:
                self._box.sent(message.id)
        return bool(messages)


def _listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [] if value is None else [str(value)]
