"""Live updates: what threads publish, to the connections that listen, each with a bounded queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

import orjson

_QUEUE: Final = 256
_BEAT: Final = 15.0


class Bus:
    """Gives what threads publish to the queues of an event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queues: set[asyncio.Queue[tuple[str, dict[str, Any]]]] = set()

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        """Safe from any thread; nobody listening is nothing done."""
        loop = self._loop
        if loop is not None and self._queues and not loop.is_closed():
            loop.call_soon_threadsafe(self._put, kind, data)

    def _put(self, kind: str, data: dict[str, Any]) -> None:
        for queue in self._queues:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(("status", {"id": "behind"}))  # the page reads everything again
            else:
                queue.put_nowait((kind, data))

    async def listen(self, still: Callable[[], bool] = lambda: True) -> AsyncGenerator[bytes]:
        """Events as text/event-stream, with a comment every 15 seconds to keep the connection; it ends where `still`
        (called about as often, in a thread) says no."""
        self._loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(_QUEUE)
        self._queues.add(queue)
        try:
            yield b": tocsin\n\n"
            asked = time.monotonic()
            while True:
                if time.monotonic() - asked >= _BEAT:
                    if not await asyncio.to_thread(still):
                        return
                    asked = time.monotonic()
                try:
                    kind, data = await asyncio.wait_for(queue.get(), _BEAT)
                except TimeoutError:
                    yield b": beat\n\n"
                    continue
                yield b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"
        finally:
            self._queues.discard(queue)
