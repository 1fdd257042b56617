"""Sends a story as its sensors and shippers would: into a folder, or to a running server.

To a server, documents go to the `_bulk` port under the index that their shipper names; text lines go over syslog where
an address is given, else as Filebeat's module sends them.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tocsin.errors import BusyError, TocsinError, UsageError, quoted
from tocsin.simulate import Emission

_BATCH: Final = 500
_PAUSE: Final = 0.5  # seconds between batches of a story told at a pace
_TRIES: Final = 8


def send(
    emissions: Iterable[Emission],
    to: str,
    *,
    speed: float = 0.0,
    key: str | None = None,
    syslog: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Send records to a folder or to `http(s)://host:port` (the `_bulk` port); gives how many.

    `speed` 1 tells the story as slowly as it happened, 10 ten times as fast, 0 at once. `key` is an API key
    (`id:key`, or already in base 64), `syslog` the `host:port` of a TCP listener. Raises `UsageError` for a target that
    is neither, `BusyError` when the server stays too busy, `TocsinError` where it refuses a record or isn't there.
    """
    if to.startswith(("http://", "https://")):
        target: _Folder | _Server = _Server(to, key, syslog)
    elif "://" in to:
        raise UsageError(f"{quoted(to)} is neither a folder nor http://host:port", where="--to")
    else:
        target = _Folder(Path(to))
    count = 0
    try:
        for batch in _paced(emissions, speed, sleep):
            target.take(batch)
            count += len(batch)
    finally:
        target.close()
    return count


def _paced(emissions: Iterable[Emission], speed: float, sleep: Callable[[float], None]) -> Iterator[list[Emission]]:
    """Batches; at a pace, each when its first record is due."""
    waiting = iter(emissions)
    if speed <= 0:
        while batch := list(islice(waiting, _BATCH)):
            yield batch
        return
    batch = []
    begun = told = None
    for emission in waiting:
        begun = begun or emission.time
        due = (emission.time - begun).total_seconds() / speed
        told = due if told is None else told
        if batch and (due - told >= _PAUSE or len(batch) >= _BATCH):
            yield batch
            sleep(max(0.0, due - told))
            batch, told = [], due
        batch.append(emission)
    if batch:
        yield batch


class _Folder:
    """A file a sensor and host, as the sensor writes it."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"can't make the folder: {error.strerror}", where=str(folder)) from error
        self._folder = folder

    def take(self, batch: list[Emission]) -> None:
        files: dict[str, list[bytes]] = {}
        for emission in batch:
            # A file of syslog lines has no priority: that is the transport's.
            raw = emission.raw.partition(b">")[2] if emission.format == "syslog" else emission.raw
            files.setdefault(emission.file, []).append(raw)
        for name, lines in files.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(b"\n".join(lines) + b"\n")

    def close(self) -> None:
        """Nothing is held open."""


class _Server:
    def __init__(self, url: str, key: str | None, syslog: str | None) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise UsageError(f"{quoted(url)} names no host", where="--to")
        make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = make(parts.hostname, parts.port or 9200, timeout=60)
        self._path = parts.path.rstrip("/") + "/_bulk"
        self._headers = {"Content-Type": "application/x-ndjson", "User-Agent": "tocsin-simulate"}
        if key:
            self._headers["Authorization"] = "ApiKey " + _encoded(key)
        self._url = url
        self._syslog = _connect(syslog) if syslog else None

    def take(self, batch: list[Emission]) -> None:
        pairs: list[bytes] = []
        for emission in batch:
            if emission.format == "syslog" and self._syslog is not None:
                # RFC 6587, octet counting.
                self._syslog.sendall(b"%d " % len(emission.raw) + emission.raw)
                continue
            action = json.dumps({"create": {"_index": emission.index}}).encode()
            pairs.append(action + b"\n" + (emission.envelope or emission.raw) + b"\n")
        wait = 0.2
        for _ in range(_TRIES):
            pairs = self._post(pairs)
            if not pairs:
                return
            time.sleep(wait)
            wait = min(wait * 2, 5)
        raise BusyError("the server stayed too busy", where=self._url)

    def _post(self, pairs: list[bytes]) -> list[bytes]:
        """Send documents; gives those that the server is too busy for now."""
        if not pairs:
            return []
        try:
            self._connection.request("POST", self._path, b"".join(pairs), self._headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise TocsinError(f"no answer: {error}", where=self._url, hint="is the server up?") from error
        if response.status == 429 or response.status >= 500:
            return pairs
        if response.status >= 400:
            raise TocsinError(f"HTTP {response.status}: {answer[:300]!r}", where=self._url)
        try:
            found = json.loads(answer)
        except ValueError as error:
            raise TocsinError(f"the answer is no JSON: {answer[:200]!r}", where=self._url) from error
        if not found.get("errors"):
            return []
        results = [result for item in found.get("items", ()) for result in item.values()]
        refused = [result for result in results if result.get("error") and result.get("status") not in (409, 429)]
        if refused:
            raise TocsinError(f"{len(refused)} records were refused: {str(refused[0]['error'])[:300]}", where=self._url)
        return [pair for pair, result in zip(pairs, results, strict=False) if result.get("status") == 429]

    def close(self) -> None:
        """Close both connections; syslog's only after what was sent has gone."""
        self._connection.close()
        if self._syslog is not None:
            self._syslog.shutdown(socket.SHUT_WR)
            self._syslog.close()


def _encoded(key: str) -> str:
    from base64 import b64encode

    return b64encode(key.encode()).decode() if ":" in key else key


def _connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"{quoted(address)} is no host:port", where="--syslog")
    try:
        return socket.create_connection((host.strip("[]"), int(port)), timeout=30)
    except OSError as error:
        raise TocsinError(f"no connection: {error}", where=address) from error
