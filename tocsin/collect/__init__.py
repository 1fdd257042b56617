"""The ways in: each public file is one, and hands chunks of raw bytes to the journal; it never parses more than it
must to cut records.

A collector is acknowledged by its sender only after `JournalWriter.append` has returned. `BusyError` becomes the
protocol's own "try again": 429, a paused socket, a file not read on.
"""

from __future__ import annotations

from typing import Protocol

from tocsin.ports import JournalWriter


class Collector(Protocol):
    """A way in that runs until it is cancelled.

    Each public file has `Settings` (pydantic) and `collector(settings, …)`; what else it needs, such as who may send,
    is injected there.
    """

    name: str

    async def run(self, journal: JournalWriter) -> None:
        """Serve until cancelled; on cancellation stop taking, finish what is being written, return."""
        ...

    def health(self) -> dict[str, object]:
        """Counters for `/metrics` and the page Sources: connections, records, bytes, drops."""
        ...
