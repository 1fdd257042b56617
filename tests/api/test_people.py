"""Sign-in, users, notifications and the audit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest

from tests.serving import PASSWORD, Story, started


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[bytes]]]:
    """A real receiver of notifications: its address, and what came."""
    came: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://secret:word@127.0.0.1:{server.server_port}/hook", came
    server.shutdown()
    server.server_close()


@pytest.mark.timeout(900)
def test_the_first_admin_is_made_once_with_the_token_that_serve_printed(tmp_path: Path) -> None:
    with started(tmp_path / "data") as server:
        client = server.client()
        assert client.get("/setup").json() == {"needed": True}
        wanted = {"token": server.token, "username": "ada", "password": PASSWORD}
        for wrong in ({"token": "x"}, {"username": "../x"}, {"password": "short"}):
            assert client.post("/setup", json={**wanted, **wrong}).status_code in (400, 422)
        made = client.post("/setup", json=wanted)
        assert made.json()["role"] == "admin"
        assert client.get("/me").json()["username"] == "ada"
        assert client.get("/setup").json() == {"needed": False}
        assert server.client().post("/setup", json=wanted).status_code == 400
        # Failed sign-ins are slowed down, the right password too, and the audit has them.
        other = server.client()
        wrong_password = {"username": "ada", "password": "not the password"}
        answers = [other.post("/session", json=wrong_password) for _ in range(8)]
        assert {answer.status_code for answer in answers} == {401, 429}
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert other.post("/session", json={"username": "ada", "password": PASSWORD}).status_code == 429
        actions = [each["action"] for each in client.get("/audit").json()]
        assert actions.count("sign-in refused") >= 8


def test_wrong_names_and_passwords_are_told_alike(story: Story) -> None:
    nobody = story.server.client().post("/session", json={"username": "nobody", "password": PASSWORD})
    wrong = story.server.client().post("/session", json={"username": "viewer", "password": "wrong wrong"})
    assert nobody.status_code == wrong.status_code == 401
    assert nobody.json()["title"] == wrong.json()["title"]


def test_signing_out_ends_the_session(story: Story) -> None:
    client = story.server.signed_in("viewer")
    cookie = client.cookies["tocsin_session"]
    assert client.delete("/session").status_code == 204
    client.cookies.set("tocsin_session", cookie)
    assert client.get("/me").status_code == 401


def test_users_are_made_changed_and_shut_out(story: Story) -> None:
    draft = {"username": "grace", "password": PASSWORD, "role": "viewer"}
    assert story.admin.post("/users", json=draft).status_code == 201
    assert story.admin.post("/users", json=draft).status_code == 400
    client = story.server.signed_in("grace")
    assert client.get("/me").json()["role"] == "viewer"
    assert story.admin.patch("/users/grace", json={"role": "analyst"}).json()["role"] == "analyst"
    assert client.get("/me").status_code == 401, "another role takes another sign-in"
    client = story.server.signed_in("grace")
    assert story.admin.patch("/users/grace", json={"disabled": True}).json()["disabled"]
    assert client.get("/me").status_code == 401
    refused = story.server.client().post("/session", json={"username": "grace", "password": PASSWORD})
    assert refused.status_code == 401
    last = story.admin.patch("/users/admin", json={"role": "viewer"})
    assert last.status_code == 400
    assert "last admin" in last.json()["title"]
    assert story.admin.patch("/users/nobody", json={"role": "viewer"}).status_code == 400
    assert "password" not in story.viewer.get("/users").text


def test_notifications_reach_a_webhook_and_hide_their_secrets(story: Story, webhook: tuple[str, list[bytes]]) -> None:
    url, came = webhook
    body = {"channels": [{"name": "hook", "url": url, "incidents": True}]}
    saved = story.admin.put("/notifications", json=body)
    assert saved.status_code == 200, saved.text
    try:
        (channel,) = saved.json()["channels"]
        assert "secret" not in saved.text
        assert "word" not in channel["url"]
        (sent,) = story.admin.post("/notifications/test").json()
        assert sent["state"] == "sent", sent
        assert orjson.loads(came[-1])["title"] == "Tocsin: a test"
        # Saved again with the masked address, it still is the one that was there.
        again = story.admin.put("/notifications", json={"channels": [{**channel, "name": "renamed"}]})
        assert again.status_code == 200
        (sent,) = story.admin.post("/notifications/test").json()
        assert (sent["state"], sent["channel"]) == ("sent", "renamed")
        wrong = story.admin.put("/notifications", json={"channels": [{"name": "x", "url": "nothing://"}]})
        assert wrong.status_code == 400
    finally:
        assert story.admin.put("/notifications", json={"channels": []}).json()["channels"] == []


def test_the_audit_has_who_did_what_and_no_secret(story: Story) -> None:
    story.post("/search", {"query": "event.dataset: audit.probe"})
    story.admin.post("/users", json={"username": "x", "password": PASSWORD, "role": "viewer"})
    entries = story.admin.get("/audit", params={"limit": 1000}).json()
    assert [each["id"] for each in entries] == sorted((each["id"] for each in entries), reverse=True)
    deeds = {(each["who"], each["action"]) for each in entries}
    assert {("admin", "setup"), ("admin", "sign-in"), ("admin", "add user"), ("viewer", "search")} <= deeds
    (probe,) = [each for each in entries if each["detail"].get("query") == "event.dataset: audit.probe"]
    assert probe["peer"] == "127.0.0.1"
    assert PASSWORD not in str(entries)
    older = story.admin.get("/audit", params={"before": entries[0]["id"], "limit": 1}).json()
    assert older[0]["id"] == entries[1]["id"]
    assert story.admin.get("/audit", params={"limit": 0}).status_code == 422
