"""Who is told, of what, how often: through apprise to a real mail server and a real web server, from the outbox."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tocsin import state
from tocsin.errors import ConfigError
from tocsin.event import time
from tocsin.ports import Document
from tocsin.respond.notify import Channel, Notifications, check, send
from tocsin.state import State


class Mailbox:
    """What the mail server was given."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.port = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 taken"


class Unbound(Controller):
    """A controller on a port that the kernel chooses."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        super()._trigger_server()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    controller = Unbound(box, hostname="127.0.0.1", port=0)
    controller.start()
    box.port = controller.port
    yield box
    controller.stop()


class Hook:
    """A web server that takes webhooks, once it is willing."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.refuse = 0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.refuse:
                    hook.refuse -= 1
                    self.send_response(503)
                else:
                    hook.got.append(json.loads(body))
                    self.send_response(200)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def channel(self, **more: Any) -> Channel:
        return Channel(name="hook", url=f"json://ann:s3cret@127.0.0.1:{self.port}/t0ken", **more)


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[State]:
    with state.open(f"sqlite:///{tmp_path / 'state.db'}") as opened:
        yield opened


def incident(**more: Any) -> Document:
    return {
        "tocsin.incident.id": "i1",
        "tocsin.incident.title": "Portal Attacked from One Address on 203.0.113.9",
        "tocsin.incident.summary": "203.0.113.9 attacked the portal",
        "tocsin.incident.severity": "high",
        "tocsin.incident.score": 71.5,
        "tocsin.incident.rules": ["Portal Attacked from One Address"],
        "tocsin.incident.state": "active",
        "host.name": ["portal"],
        **{name.replace("__", "."): value for name, value in more.items()},
    }


def alert(**more: Any) -> Document:
    return {
        "kibana.alert.uuid": "a1",
        "kibana.alert.rule.name": "R",
        "kibana.alert.severity": "high",
        "kibana.alert.reason": "something happened",
        "tocsin.alert.state": "active",
        **{name.replace("__", "."): value for name, value in more.items()},
    }


def deliver(notifications: Notifications) -> None:
    while notifications._deliver():
        pass


Make = Callable[..., Notifications]


@pytest.fixture
def told(held: State) -> Make:
    return lambda *channels: Notifications(held.outbox, lambda: channels, "https://tocsin.example")


def test_a_mail_arrives(mailbox: Mailbox, told: Make) -> None:
    url = f"mailto://127.0.0.1:{mailbox.port}?from=tocsin@example.org&to=soc@example.org&mode=insecure"
    notifications = told(Channel(name="mail", url=url))
    notifications.heard("incident", incident())
    deliver(notifications)
    (mail,) = mailbox.mails
    assert mail["Subject"] == "Incident: Portal Attacked from One Address on 203.0.113.9"
    assert "soc@example.org" in mail["To"]
    text = mail.as_string()
    assert "203.0.113.9 attacked the portal" in text
    assert "https://tocsin.example/incidents/i1" in text


def test_what_stands_in_a_log_adds_no_header_and_no_markup(mailbox: Mailbox) -> None:
    url = f"mailto://127.0.0.1:{mailbox.port}?from=tocsin@example.org&to=soc@example.org&mode=insecure"
    send(Channel(name="mail", url=url), "one\r\nBcc: evil@example.org", "<b>bold</b>\n\x1b[31mred", "incident")
    (mail,) = mailbox.mails
    assert mail["Bcc"] is None
    assert mail["Subject"] == "one Bcc: evil@example.org"
    for part in mail.walk():
        if part.get_content_type() == "text/html":
            assert "<b>bold" not in str(part.get_payload(decode=True))
    assert "\x1b" not in str(mail.get_payload())


def test_a_webhook_arrives_once_and_a_change_is_an_update(hook: Hook, told: Make) -> None:
    notifications = told(hook.channel())
    for _ in range(3):
        notifications.heard("incident", incident())
    deliver(notifications)
    assert [got["title"] for got in hook.got] == ["Incident: Portal Attacked from One Address on 203.0.113.9"]
    notifications.heard("incident", incident(tocsin__incident__severity="critical"))
    notifications.heard("incident", incident(tocsin__incident__severity="critical"))
    notifications.heard("incident", incident(tocsin__incident__score=72.0))
    deliver(notifications)
    assert [got["title"].partition(":")[0] for got in hook.got] == ["Incident", "Update"]
    assert "critical" in hook.got[1]["message"]


def test_backfill_and_what_is_withdrawn_tell_nobody(hook: Hook, told: Make) -> None:
    notifications = told(hook.channel(minimum_severity="low"))
    notifications.heard("incident", incident(tocsin__incident__backfill=True))
    notifications.heard("incident", incident(tocsin__incident__state="withdrawn"))
    notifications.heard("alert", alert(tocsin__alert__backfill=True))
    notifications.heard("alert", alert(tocsin__alert__state="suppressed"))
    notifications.heard("alert", alert(kibana__alert__building_block_type="default"))
    deliver(notifications)
    assert hook.got == []


def test_who_was_told_is_told_of_the_end_and_nobody_else(hook: Hook, told: Make) -> None:
    notifications = told(hook.channel())
    notifications.heard("incident", incident(tocsin__incident__id="untold", tocsin__incident__state="withdrawn"))
    notifications.heard("incident", incident())
    gone = incident(tocsin__incident__state="withdrawn", tocsin__incident__version=2)
    notifications.heard("incident", gone)
    notifications.heard("incident", gone)
    deliver(notifications)
    title = "Portal Attacked from One Address on 203.0.113.9"
    assert [got["title"] for got in hook.got] == [f"Incident: {title}", f"Withdrawn: {title}"]


def test_a_merge_and_a_split_are_updates_and_no_second_page(hook: Hook, told: Make) -> None:
    notifications = told(hook.channel())
    notifications.heard("incident", incident())
    deliver(notifications)
    hook.got.clear()
    taken_in = incident(tocsin__incident__state="merged", tocsin__incident__into="i0", tocsin__incident__version=2)
    notifications.heard("incident", taken_in)
    older = incident(tocsin__incident__id="i0", tocsin__incident__aliases=["i1"], tocsin__incident__decisions=1)
    notifications.heard("incident", older)
    notifications.heard("incident", older)
    deliver(notifications)
    (merged,) = hook.got
    assert merged["title"].startswith("Update: ")
    assert "It has taken in 1 other incident." in merged["message"]
    hook.got.clear()
    notifications.heard("incident", {**older, "tocsin.incident.decisions": 2})
    notifications.heard("incident", incident(tocsin__incident__id="i2", tocsin__incident__split_from="i0"))
    deliver(notifications)
    assert [got["title"][:7] for got in hook.got] == ["Update:", "Update:"]


def test_alerts_go_where_they_are_wanted_from_a_severity_on(hook: Hook, told: Make) -> None:
    notifications = told(hook.channel(incidents=False, minimum_severity="high"))
    notifications.heard("alert", alert(kibana__alert__severity="medium"))
    notifications.heard("alert", alert())
    notifications.heard("alert", alert())
    notifications.heard("incident", incident())
    deliver(notifications)
    assert [(got["title"], got["message"]) for got in hook.got] == [
        ("High: R", "something happened\nhttps://tocsin.example/alerts?alert=a1")
    ]


def test_a_channel_without_a_severity_gets_incidents_only(hook: Hook, told: Make) -> None:
    notifications = told(hook.channel())
    notifications.heard("alert", alert(kibana__alert__severity="critical"))
    deliver(notifications)
    assert hook.got == []


def test_what_was_refused_is_tried_again_and_no_secret_is_told(
    hook: Hook, told: Make, held: State, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    hook.refuse = 1
    notifications = told(hook.channel())
    notifications.heard("incident", incident())
    deliver(notifications)
    assert hook.got == []
    now = time.now()
    assert held.outbox.take(now=now) == []
    monkeypatch.setattr(time, "now", lambda: now + 11_000_000)
    deliver(notifications)
    assert len(hook.got) == 1
    assert "hook was not sent" in caplog.text
    ours = "".join(record.getMessage() for record in caplog.records if record.name.startswith(("tocsin", "apprise")))
    assert "s3cret" not in ours
    assert "t0ken" not in ours


def test_what_was_not_sent_outlives_the_process(hook: Hook, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'again.db'}"
    with state.open(address) as first:
        Notifications(first.outbox, lambda: [hook.channel()]).heard("incident", incident())
    with state.open(address) as second:
        notifications = Notifications(second.outbox, lambda: [hook.channel()])
        notifications.heard("incident", incident())
        notifications.start()
        notifications.stop()
        deliver(notifications)
    assert len(hook.got) == 1


def test_one_channel_that_fails_does_not_keep_the_others(hook: Hook, told: Make) -> None:
    gone = Channel(name="gone", url="json://127.0.0.1:9/")
    notifications = told(gone, hook.channel())
    notifications.heard("incident", incident())
    deliver(notifications)
    assert len(hook.got) == 1


def test_a_message_to_a_channel_that_is_gone_is_given_up_in_the_end(hook: Hook, held: State) -> None:
    channels = [hook.channel()]
    notifications = Notifications(held.outbox, lambda: channels)
    notifications.heard("incident", incident())
    channels.clear()
    deliver(notifications)
    assert hook.got == []


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("mailto://ann:s3cret@mail.example:587?to=x@y.z", "mailto://…@mail.example:587"),
        ("json://hook.example/t0ken?a=b", "json://hook.example/…"),
        ("jsons://[::1]:8080/", "jsons://::1:8080"),
        ("tgram://123456:ABC-t0ken/chat", "tgram://…"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "slack://…"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "discord://…"),
        ("s3cret", "…://…"),
        ("json://[s3cret", "json://…"),
    ],
)
def test_masks_what_may_be_secret(url: str, masked: str) -> None:
    assert Channel(name="c", url=url).masked() == masked


def test_a_url_that_apprise_cannot_use_is_refused_without_telling_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    channel = Channel(name="c", url="nothing://s3cret")
    with pytest.raises(ConfigError) as refused:
        check(channel)
    with pytest.raises(ConfigError):
        send(channel, "t", "b", "test")
    assert "s3cret" not in str(refused.value) + caplog.text
