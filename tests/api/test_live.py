"""Live updates: what happens reaches who listens; who is slow is told so and takes no memory; who is out, is out."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.serving import Story, eventually
from tocsin.api import _bus
from tocsin.api._bus import Bus
from tocsin.api._context import Context


def listen(story: Story, came: list[str], ready: threading.Event) -> None:
    client = story.server.signed_in("viewer")
    with client.stream("GET", "/live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            ready.set()
            came.append(line)
            if any("second" in each for each in came):
                return


def test_a_decision_reaches_who_listens(story: Story) -> None:
    came: list[str] = []
    ready = threading.Event()
    thread = threading.Thread(target=listen, args=(story, came, ready), daemon=True)
    thread.start()
    assert ready.wait(60)
    alert = story.alerts["Portal Attacked from One Address"]["id"]
    change = {"ids": [alert], "change": {"add_tags": ["live"]}}
    story.post("/alerts/triage", change, who="analyst")
    eventually(lambda: f'data: {{"id":"{alert}"}}' in came)
    assert "event: alert" in came, "a decision is no new alert: it says nothing of shown"
    story.post("/alerts/triage", {"ids": [alert], "change": {"remove_tags": ["live"]}}, who="analyst")


def test_a_new_alert_says_whether_the_list_shows_it() -> None:
    told: list[dict[str, Any]] = []
    context = SimpleNamespace(
        notify=SimpleNamespace(heard=lambda *_: None), bus=SimpleNamespace(publish=lambda _, d: told.append(d))
    )
    alert = {"kibana.alert.uuid": "a", "tocsin.alert.state": "active"}
    for document in (
        alert,
        {**alert, "kibana.alert.building_block_type": "default"},
        {**alert, "tocsin.alert.state": "suppressed"},
    ):
        Context._heard(cast(Context, context), "alert", document)
    Context._heard(cast(Context, context), "incident", {"tocsin.incident.id": "i"})
    assert told == [{"id": "a", "shown": True}, {"id": "a", "shown": False}, {"id": "a", "shown": False}, {"id": "i"}]


async def take(stream: Any, count: int) -> list[bytes]:
    return [await anext(stream) for _ in range(count)]


def test_what_threads_publish_is_heard_by_all() -> None:
    async def both() -> list[list[bytes]]:
        bus = Bus()
        bus.publish("alert", {"id": "nobody listens"})
        streams = [bus.listen(), bus.listen()]
        for each in streams:
            await anext(each)
        pending = [asyncio.create_task(take(each, 1)) for each in streams]
        await asyncio.sleep(0)
        threading.Thread(target=bus.publish, args=("alert", {"id": "a"})).start()
        return list(await asyncio.gather(*pending))

    for heard in asyncio.run(both()):
        assert heard == [b'event: alert\ndata: {"id":"a"}\n\n']


def test_who_is_slow_is_told_to_read_again_and_takes_no_memory() -> None:
    async def slow() -> tuple[int, list[bytes]]:
        bus = Bus()
        stream = bus.listen()
        await anext(stream)
        waiting = asyncio.create_task(take(stream, 1))
        await asyncio.sleep(0)
        for number in range(100_000):
            bus.publish("alert", {"id": str(number)})
            if number % 1000 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        held = max(queue.qsize() for queue in bus._queues)
        first = await waiting
        heard = first + await take(stream, held)
        await stream.aclose()
        assert not bus._queues, "who is gone is forgotten"
        return held, heard

    held, heard = asyncio.run(slow())
    assert held <= _bus._QUEUE
    assert any(b"behind" in each for each in heard)


def test_who_may_no_longer_listen_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bus, "_BEAT", 0.01)

    async def cut() -> list[bytes]:
        until = time.monotonic() + 0.05
        return [each async for each in Bus().listen(lambda: time.monotonic() < until)]

    heard = asyncio.run(cut())
    assert heard[0] == b": tocsin\n\n"
    assert set(heard[1:]) <= {b": beat\n\n"}
