"""How fast events go all the way: a real `tocsin serve`, real requests to `_bulk`, until all is stored and looked at.

Requests are made beforehand and lie in a file; a process of its own sends them over kept connections. What is printed:
events a second from the first request until the last event is durable, searchable and matched by all shipped rules;
microseconds by stage and of each process; the memory of the whole group (proportional set size) each second; disk.

Other work on the machine makes the seconds longer, not the processes' time: both are shown.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import queue
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import orjson
import psutil
from rich.console import Console
from rich.table import Table

from tocsin.bench._events import lines
from tocsin.bench._measured import Memory, cpu_of, disk_of, metrics_of, quantile
from tocsin.errors import TocsinError, UsageError

EVENTS_A_REQUEST: Final = 1_000
CONNECTIONS: Final = 4
_ACTION: Final = b'{"create":{"_index":"logs-windows-default"}}\n'
# One event of each request starts an alert, so that alerts are timed: a batch file that starts PowerShell.
_ALARM: Final = {
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "SourceName": "Microsoft-Windows-Sysmon",
    "EventID": 1,
    "@timestamp": "2020-09-14T12:00:00.000Z",
    "UtcTime": "2020-09-14 12:00:00.000",
    "Image": "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
    "CommandLine": "powershell -NoProfile Get-MpComputerStatus",
    "ParentImage": "C:\\Windows\\System32\\cmd.exe",
    "ParentCommandLine": 'C:\\Windows\\System32\\cmd.exe /c ""C:\\Users\\ann\\Downloads\\testing.bat" "',
}
_RECORD: Final = re.compile(rb'("(?:RecordNumber|EventRecordID|record_id)"\s*:\s*"?)(\d+)')
_TIME: Final = re.compile(rb'"@timestamp"\s*:\s*"([^"]{10,40})"')
_SIZE: Final = struct.Struct("<II")  # bytes of a request, events in it
_SENT_AT_MOST: Final = 300.0


def run(
    events: Sequence[Path],
    *,
    seconds: float = 30.0,
    workers: int = 1,
    rate: float = 0.0,
    most: int = 600_000,
    console: Console | None = None,
) -> dict[str, Any]:
    """Send events of files (NDJSON, or zip archives of it; folders are searched) for about so many seconds.

    `rate` is events a second; 0 is as fast as they are taken. `most` bounds what is prepared; where it runs out,
    sending ends sooner. Gives the figures and prints them. Raises `UsageError` where there are no events.
    """
    console = console or Console()
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        made = prepare(lines(events), folder / "requests", most if not rate else int(rate * seconds))
        if not made.events:
            raise UsageError("no events in it", where=", ".join(map(str, events)))
        figures: dict[str, Any] = {"events": made.events, "bytes_an_event": made.bytes / made.events}
        with server(folder / "data", ["--workers", str(workers)]) as running:
            before = metrics_of(running.url)
            figures |= _send(running, folder / "requests", seconds, rate)
            figures["by_stage_us"] = _stages(before, metrics_of(running.url), figures["sent"])
            figures["alert_latency_s"] = _latency(before, metrics_of(running.url))
            figures["disk"] = disk_of(running.data)
        figures["disk_ratio"] = figures["sent_bytes"] / max(1, figures["disk"]["store"])
    _print(figures, console)
    return figures


# ---- what is sent ----


@dataclass(slots=True)
class Prepared:
    """What a file of requests holds."""

    requests: int = 0
    events: int = 0
    bytes: int = 0


def prepare(documents: Iterable[bytes], path: Path, most: int) -> Prepared:
    """Write `_bulk` requests of the documents into a file, again and again until there are `most` events. A pass after
    the first has other record numbers, so that its events are others."""
    made = Prepared()
    held = [line.strip() + b"\n" for line in _within(documents, most)]
    body: list[bytes] = []
    with path.open("wb") as file:
        while held and made.events < most:
            again = made.events // len(held)
            for line in held:
                if made.events >= most:
                    break
                body += (_ACTION, _renumbered(line, again) if again else line)
                made.events += 1
                made.bytes += len(line)
                if len(body) >= 2 * (EVENTS_A_REQUEST - 1):
                    body += (_ACTION, _alarm(made.requests, line))
                    made.events += 1
                    made.bytes += len(body[-1])
                    _write(file, body, made)
        _write(file, body, made)
    return made


def _alarm(number: int, before: bytes) -> bytes:
    """The event that starts an alert, at the time of the event before it; each of a host of its own, or all but the
    first would be suppressed."""
    found = _TIME.search(before)
    when = {"@timestamp": found[1].decode()} if found else {}
    own = {**when, "Hostname": f"bench-{number}.example", "RecordNumber": number + 1}
    return orjson.dumps({**_ALARM, **own, "ProcessGuid": f"{{00000000-0000-0000-0000-{number:012}}}"}) + b"\n"


def _within(documents: Iterable[bytes], most: int) -> Iterator[bytes]:
    for number, line in enumerate(documents):
        if number >= most:
            return
        yield line


def _renumbered(line: bytes, again: int) -> bytes:
    return _RECORD.sub(lambda found: found[1] + b"%d" % (int(found[2]) + again * 10**9), line)


def _write(file: IO[bytes], body: list[bytes], made: Prepared) -> None:
    if body:
        data = b"".join(body)
        file.write(_SIZE.pack(len(data), len(body) // 2) + data)
        made.requests += 1
        body.clear()


def requests(path: Path) -> Iterator[tuple[bytes, int]]:
    """The requests of a file, each with the number of its events."""
    with path.open("rb") as file:
        while head := file.read(_SIZE.size):
            size, count = _SIZE.unpack(head)
            yield file.read(size), count


@dataclass(slots=True)
class _Sending:
    """What the generator tells when it is done."""

    events: int = 0
    bytes: int = 0
    busy: int = 0
    cpu: float = 0.0
    failed: list[str] = field(default_factory=list)


def generate(path: Path, port: int, seconds: float, rate: float, told: Any) -> None:
    """The generator's process: sends what the file holds, for so many seconds at most, and says what it sent."""
    outcome = _Sending()
    guard = threading.Lock()
    waiting: queue.Queue[tuple[bytes, int] | None] = queue.Queue(2 * CONNECTIONS)
    threads = [threading.Thread(target=_connection, args=(port, waiting, outcome, guard)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    given = 0
    for request in requests(path):
        ahead = given / rate - (time.monotonic() - began) if rate else 0.0
        if ahead > 0:
            time.sleep(ahead)
        if time.monotonic() - began >= seconds or outcome.failed:
            break
        waiting.put(request)
        given += request[1]
    for _ in threads:
        waiting.put(None)
    for thread in threads:
        thread.join()
    outcome.cpu = time.process_time()
    told.send(outcome)


def _connection(port: int, waiting: queue.Queue[tuple[bytes, int] | None], outcome: _Sending, guard: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    until = time.monotonic() + _SENT_AT_MOST
    while (request := waiting.get()) is not None:
        body, count = request
        while not outcome.failed:
            connection.request("POST", "/_bulk", body, {"Content-Type": "application/x-ndjson"})
            answer = connection.getresponse()
            text = answer.read()
            with guard:
                if answer.status == 200 and b'"errors":false' in text[:200]:
                    outcome.events += count
                    outcome.bytes += len(body)
                    break
                outcome.busy += 1
                if answer.status != 429 or time.monotonic() > until:
                    outcome.failed.append(f"{answer.status}: {text[:300]!r}")
            time.sleep(0.05)
    connection.close()


# ---- the server ----


@dataclass(slots=True)
class Running:
    """A server of its own process group."""

    process: subprocess.Popen[bytes]
    data: Path
    url: str
    bulk: int
    log: Path

    def processes(self) -> dict[str, psutil.Process]:
        """The group by name: core, collectors, workers."""
        own = psutil.Process(self.process.pid)
        out = {"core": own}
        for child in own.children(recursive=True):
            with suppress(psutil.Error):
                line = " ".join(child.cmdline())
                if "spawn_main" in line:
                    files = {Path(each.path).name for each in child.open_files()}
                    name = "collectors" if "writer.lock" in files else "worker"
                    out[f"{name} {child.pid}" if name in out else name] = child
        return out


@contextmanager
def server(data: Path, flags: Sequence[str] = ()) -> Iterator[Running]:
    """`tocsin serve` on a data folder, in a process group of its own, ended and waited for at the end."""
    port, bulk = _free(), _free()
    log = data.with_suffix(".log")
    command = [sys.executable, "-c", "from tocsin.cli import main; main()", "serve", "--data", str(data), "--no-auth"]
    command += ["--port", str(port), "--bulk-port", str(bulk), *flags]
    with log.open("ab") as errors:
        process = subprocess.Popen(command, stdout=errors, stderr=errors, start_new_session=True)
    running = Running(process, data, f"http://127.0.0.1:{port}", bulk, log)
    try:
        _wait_ready(running)
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(running: Running) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if running.process.poll() is not None:
            break
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    raise TocsinError(f"the server did not start: {running.log.read_text()[-2000:]}")


def _send(running: Running, path: Path, seconds: float, rate: float) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    memory = Memory(running.processes())
    cpu = cpu_of(memory.processes)
    stored = _settled(running.url)
    generator = context.Process(target=generate, args=(path, running.bulk, seconds, rate, theirs))
    memory.start()
    began = time.monotonic()
    generator.start()
    theirs.close()
    try:
        outcome: _Sending = ours.recv()
        sent_for = time.monotonic() - began
        if outcome.failed:
            raise TocsinError(f"the server refused: {outcome.failed[0]}")
        until = time.monotonic() + _SENT_AT_MOST
        while _settled(running.url) - stored < outcome.events:
            if time.monotonic() > until or running.process.poll() is not None:
                raise TocsinError(f"not all was stored: {running.log.read_text()[-2000:]}")
            time.sleep(0.4)
        wall = time.monotonic() - began
    finally:
        memory.stop()
        generator.join(5)
    spent = {name: each - cpu.get(name, 0.0) for name, each in cpu_of(memory.processes).items()}
    spent["generator"] = outcome.cpu
    return {
        "sent": outcome.events,
        "sent_bytes": outcome.bytes,
        "busy_answers": outcome.busy,
        "sending_s": sent_for,
        "wall_s": wall,
        "events_per_second": outcome.events / wall,
        "cpu_s": spent,
        "cpu_us_an_event": {name: each / outcome.events * 1e6 for name, each in spent.items()},
        # What two cores that have nothing else to do would take.
        "events_per_second_by_cpu": outcome.events / max(sum(spent.values()) / 2, max(spent.values())),
        "peak_pss": memory.highest,
        "pss_each_second": memory.seen,
        "pss_by_process": memory.by_process,
    }


def _settled(url: str) -> int:
    found = metrics_of(url)
    return int(sum(found.get(f"tocsin_store_{name}_total", {}).get((), 0.0) for name in ("events", "repeated")))


def _stages(before: Any, after: Any, events: int) -> dict[str, float]:
    name = "tocsin_stage_seconds_total"
    spent = {key: value - before.get(name, {}).get(key, 0.0) for key, value in after.get(name, {}).items()}
    return {dict(key)["stage"]: value / max(1, events) * 1e6 for key, value in spent.items()}


def _latency(before: Any, after: Any) -> dict[str, float]:
    name = "tocsin_alert_latency_seconds_bucket"
    counts = {
        float(dict(key)["le"]): value - before.get(name, {}).get(key, 0.0) for key, value in after.get(name, {}).items()
    }
    return {"count": max(counts.values(), default=0.0), "p50": quantile(counts, 0.5), "p99": quantile(counts, 0.99)}


def _print(figures: dict[str, Any], console: Console) -> None:
    console.print(
        f"{figures['sent']:,} events of {figures['bytes_an_event']:,.0f} bytes in {figures['wall_s']:.1f} s: "
        f"[bold]{figures['events_per_second']:,.0f} events/s[/bold] durable, searchable, looked at "
        f"(sending took {figures['sending_s']:.1f} s, {figures['busy_answers']} answers were 429)"
    )
    console.print(f"two cores of its own would take {figures['events_per_second_by_cpu']:,.0f} events/s")
    table = Table("process", "CPU s", "CPU µs an event", "peak MB")
    for name, spent in figures["cpu_s"].items():
        peak = figures["pss_by_process"].get(name)
        table.add_row(
            name, f"{spent:.1f}", f"{figures['cpu_us_an_event'][name]:.1f}", f"{peak / 1e6:.0f}" if peak else ""
        )
    console.print(table)
    stages = Table("stage", "µs an event")
    for name, spent in figures["by_stage_us"].items():
        stages.add_row(name, f"{spent:.1f}")
    console.print(stages)
    latency, disk = figures["alert_latency_s"], figures["disk"]
    console.print(
        f"alerts: {latency['count']:.0f} timed, {latency['p50']:.2f} s p50, {latency['p99']:.2f} s p99 after arrival"
    )
    console.print(
        f"memory: {figures['peak_pss'] / 1e6:.0f} MB at most; disk: {disk['store'] / 1e6:.1f} MB of "
        f"{figures['sent_bytes'] / 1e6:.1f} MB raw (1/{figures['disk_ratio']:.1f})"
    )


def to_json(figures: dict[str, Any]) -> str:
    """The figures as one line of JSON."""
    return json.dumps(figures, sort_keys=True)
