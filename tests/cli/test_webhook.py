"""The demo's webhook hears what apprise posts, and nothing upsets it."""

from __future__ import annotations

import time

import apprise
import httpx

from tocsin.cli._webhook import Webhook


def test_hears_of_incidents() -> None:
    hook = Webhook()
    try:
        told = apprise.Apprise()
        assert told.add(hook.url)
        assert told.notify(title="Incident: a dropper", body="x")
        assert told.notify(title="Update: a dropper", body="x")
        plain = hook.url.replace("json://", "http://")
        for body in (b"", b"[1]", b"\xff"):
            assert httpx.post(plain, content=body, timeout=5, trust_env=False).status_code == 204
        until = time.monotonic() + 5
        while not hook.incidents() and time.monotonic() < until:
            time.sleep(0.01)
        assert hook.incidents() == ["Incident: a dropper"]
    finally:
        hook.stop()
