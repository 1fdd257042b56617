"""`kill -9` at any moment, while three ways in send numbered lines: nothing acknowledged is lost, nothing shows twice,
and what is found is what a calm run finds.

A threshold and a sequence have groups of so many lines that one is always open when something is killed. In turn the
parent, a worker and the whole group are killed, at random times (the seed is printed; `TOCSIN_CRASH_SEED` repeats it).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.serving import TOCSIN, environment, eventually

GROUP = 200
RULES = {
    "threshold.toml": """
[rule]
name = "Crash threshold"
rule_id = "5b1f2a3c-0000-4000-8000-000000000001"
description = "d"
author = ["t"]
risk_score = 21
severity = "low"
type = "threshold"
language = "kuery"
from = "now-24h"
query = 'event.dataset: "crash.bulk" and event.action: (open or probe or close)'
[rule.threshold]
field = ["user.name"]
value = 120
""",
    "sequence.toml": """
[rule]
name = "Crash sequence"
rule_id = "5b1f2a3c-0000-4000-8000-000000000002"
description = "d"
author = ["t"]
risk_score = 21
severity = "low"
type = "eql"
language = "eql"
from = "now-24h"
query = '''
sequence by user.name with maxspan=12h
  [any where event.dataset == "crash.file" and event.action == "open"]
  [any where event.dataset == "crash.file" and event.action == "close"]
'''
""",
}


class Crashing:
    """A server on fixed ports that is started again after each kill, as a service manager would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.logs = folder / "logs"
        self.log = folder / "serve.err"
        rules = folder / "rules"
        for each in (self.logs, rules):
            each.mkdir(parents=True)
        for name, text in RULES.items():
            (rules / name).write_text(text)
        self.port, self.bulk, self.syslog = (_free() for _ in range(3))
        words: list[str | Path] = ["serve", "--data", self.data, "--no-auth", "--rules", rules, "--workers", "2"]
        words += ["--port", str(self.port), "--bulk-port", str(self.bulk), "--syslog-tcp", str(self.syslog)]
        self._command = [*TOCSIN, *map(str, words)]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=environment(TOCSIN_FILES_PATHS=f"{self.logs}/app.log*"),
            )
        eventually(self._ready)

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", trust_env=False, timeout=30).status_code == 200
        return False

    def status(self) -> dict[str, Any]:
        answer = httpx.get(f"http://127.0.0.1:{self.port}/api/v1/status", trust_env=False, timeout=60)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def kill(self, whom: str, chance: random.Random) -> None:
        """Kill, and have it running again."""
        assert self.process is not None
        match whom:
            case "parent":
                orphans = psutil.Process(self.process.pid).children()
                self.process.kill()
                psutil.wait_procs(orphans, timeout=20)  # they end by themselves, and soon
                assert not any(each.is_running() for each in orphans)
            case "group":
                os.killpg(self.process.pid, signal.SIGKILL)
            case _:
                victims = [child for child in psutil.Process(self.process.pid).children() if _is_worker(child)]
                victim = chance.choice(victims)
                victim.kill()
                psutil.wait_procs([victim], timeout=60)  # until its parent has seen it
                assert not victim.is_running()
                eventually(self._ready)
                return
        self.process.wait()
        self.start()

    def stop(self) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def note(text: str) -> None:
    """For whoever reads what a failed test has printed."""
    sys.stdout.write(f"{text}\n")


def _free() -> int:
    """A port that the kernel gives to nobody else meanwhile."""
    for port in random.SystemRandom().sample(range(10_000, 32_768), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def _is_worker(child: psutil.Process) -> bool:
    """Whether it holds lanes of the journal."""
    with contextlib.suppress(psutil.Error):
        return any(each.path.endswith(".lock") and "/lane-" in each.path for each in child.open_files())
    return False


class Lines:
    """The numbered lines of one kind: the same in every run."""

    def __init__(self, kind: str, began: datetime) -> None:
        self.kind = kind
        self._began = began

    def document(self, n: int) -> dict[str, Any]:
        place = n % GROUP
        return {
            "@timestamp": (self._began + timedelta(milliseconds=10 * n)).isoformat(),
            "event": {
                "dataset": f"crash.{self.kind}",
                "action": {0: "open", GROUP - 1: "close"}.get(place, "probe"),
                "sequence": n,
            },
            "user": {"name": f"{self.kind}-{n // GROUP}"},
            "message": f"kind={self.kind} n={n}",
        }

    def text(self, n: int) -> bytes:
        return json.dumps(self.document(n)).encode() + b"\n"


class Sender(threading.Thread):
    """Sends lines until it is told to stop; `sent` lines are acknowledged, or written."""

    def __init__(self, lines: Lines, most: int = 1 << 30) -> None:
        super().__init__(name=lines.kind, daemon=True)
        self.lines = lines
        self.sent = 0
        self.most = most
        self.failed: BaseException | None = None
        self.stopping = threading.Event()

    def run(self) -> None:
        try:
            while not self.stopping.is_set() and self.sent < self.most:
                self.turn()
        except BaseException as error:
            self.failed = error
            raise

    def turn(self) -> None:
        raise NotImplementedError

    def finish(self) -> int:
        self.stopping.set()
        self.join(120)
        assert not self.is_alive()
        assert self.failed is None
        return self.sent


class Bulk(Sender):
    """Repeats an unanswered request byte for byte, as shippers do."""

    def __init__(self, lines: Lines, port: int, most: int = 1 << 30, pause: float = 0.05) -> None:
        super().__init__(lines, most)
        self.port = port
        self.pause = pause
        self.repeated = 0

    def turn(self) -> None:
        count = min(25, self.most - self.sent)
        body = b"".join(b'{"create":{}}\n' + self.lines.text(self.sent + n) for n in range(count))
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            try:
                connection.request("POST", "/logs-crash-default/_bulk", body, {"Content-Type": "application/x-ndjson"})
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                self.repeated += 1
                time.sleep(0.1)
                continue
            finally:
                connection.close()
            if answer.status == 200:
                assert b'"errors":false' in text
                break
            assert answer.status == 429, text
            time.sleep(0.2)
        self.sent += count
        time.sleep(self.pause)


class File(Sender):
    """Writes a log that is rotated by renaming every so many lines."""

    def __init__(self, lines: Lines, folder: Path, most: int = 1 << 30, pause: float = 0.1) -> None:
        super().__init__(lines, most)
        self.folder = folder
        self.pause = pause
        self.files = 0

    def turn(self) -> None:
        path = self.folder / "app.log"
        count = min(20, self.most - self.sent)
        with path.open("ab") as file:
            for n in range(count):
                file.write(self.lines.text(self.sent + n))
        self.sent += count
        if self.sent % 500 == 0:
            self.files += 1
            path.rename(self.folder / f"app.log.{self.files}")
        time.sleep(self.pause)


class Syslog(Sender):
    """Sends over TCP; looks before each line whether the connection still stands, and begins a new one where not."""

    def __init__(self, lines: Lines, port: int) -> None:
        super().__init__(lines)
        self.port = port
        self.times: list[float] = []
        self.wire: socket.socket | None = None

    def turn(self) -> None:
        if self.wire is not None and self._is_over(self.wire):
            self.wire.close()
            self.wire = None
        if self.wire is None:
            try:
                self.wire = socket.create_connection(("127.0.0.1", self.port), timeout=30)
            except OSError:
                time.sleep(0.05)
                return
        stamp = datetime.now(UTC).isoformat()
        line = f"<134>1 {stamp} crash app - - - kind=syslog n={self.sent}\n"
        with contextlib.suppress(OSError):  # the next look finds the connection gone
            self.wire.sendall(line.encode())
        self.times.append(time.monotonic())
        self.sent += 1
        time.sleep(0.005)

    @staticmethod
    def _is_over(wire: socket.socket) -> bool:
        """Whether the other end has hung up: it never says anything else."""
        look = select.poll()  # `select.select` takes no descriptor past 1,023
        look.register(wire, select.POLLIN)
        return bool(look.poll(0))

    def finish(self) -> int:
        super().finish()
        if self.wire is not None:
            self.wire.close()
        return self.sent


def rows(data: Path, of: str) -> Iterator[dict[str, Any]]:
    """Everything that a data folder holds, read by `tocsin search` with no server."""
    done = subprocess.run(
        [*TOCSIN, "search", "", "--of", of, "--data", str(data), "--format", "ndjson"],
        capture_output=True,
        env=environment(),
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    for line in done.stdout.splitlines():
        yield json.loads(line)


def flat(document: Any, name: str) -> Any:
    """A field of a document, nested or dotted."""
    if name in document:
        return document[name]
    for head in (name[:at] for at in range(len(name)) if name[at] == "."):
        if isinstance(document.get(head), dict) and (found := flat(document[head], name[len(head) + 1 :])) is not None:
            return found
    return None


def found_in(data: Path) -> tuple[dict[str, Counter[int]], set[tuple[str, str, frozenset[int]]]]:
    """How often each line of each kind is there; and the alerts by rule, group and line numbers."""
    lines: dict[str, Counter[int]] = {kind: Counter() for kind in ("bulk", "file", "syslog")}
    numbers: dict[str, int] = {}
    for row in rows(data, "events"):
        named = re.search(r"kind=(\w+) n=(\d+)", str(flat(row["event"], "message")))
        assert named, row
        lines[named[1]][int(named[2])] += 1
        numbers[row["id"]] = int(named[2])
    alerts = set()
    for row in rows(data, "alerts"):
        event = row["event"]
        if flat(event, "tocsin.alert.state") != "active":
            continue
        members = flat(event, "tocsin.alert.event_ids")
        group = flat(event, "user.name")
        alerts.add((flat(event, "kibana.alert.rule.name"), str(group), frozenset(numbers[each] for each in members)))
    return lines, alerts


def settled(server: Crashing, wanted: int) -> None:
    """Wait until the journal is empty, as many events are stored, and nothing more comes."""

    def still() -> bool:
        before = server.status()
        if before["journal_lag"] or before["events"] < wanted:
            return False
        time.sleep(3)  # the collectors tell their lag every second; files are looked at more often
        after = server.status()
        return bool(after["events"] == before["events"] and not after["journal_lag"])

    eventually(still, 240)


def crash(folder: Path, kills: int) -> None:
    """The whole test, with so many kills."""
    seed = int(os.environ.get("TOCSIN_CRASH_SEED") or random.SystemRandom().randrange(2**32))
    note(f"TOCSIN_CRASH_SEED={seed}")
    chance = random.Random(seed)
    began = datetime.now(UTC) - timedelta(hours=1)
    server = Crashing(folder / "killed")
    moments: list[tuple[str, float, float]] = []
    try:
        server.start()
        bulk = Bulk(Lines("bulk", began), server.bulk)
        file = File(Lines("file", began), server.logs)
        syslog = Syslog(Lines("syslog", began), server.syslog)
        for sender in (bulk, file, syslog):
            sender.start()
        for number in range(kills):
            time.sleep(chance.uniform(0.3, 3.0))
            whom = ("parent", "worker", "group")[number % 3]
            at = time.monotonic()
            server.kill(whom, chance)
            moments.append((whom, at, time.monotonic()))
        time.sleep(1.0)
        sent = {sender.lines.kind: sender.finish() for sender in (bulk, file, syslog)}
        note(f"{sent}, {bulk.repeated} requests repeated, {file.files} rotations")
        time.sleep(1.0)
        settled(server, sent["bulk"] + sent["file"])
    finally:
        server.stop()
        note(server.log.read_text()[-6000:])
    lines, alerts = found_in(server.data)

    assert not [(kind, n) for kind, seen in lines.items() for n, count in seen.items() if count > 1], "shown twice"
    for kind in ("bulk", "file"):
        assert sorted(lines[kind]) == list(range(sent[kind]))
    lost = [n for n in range(sent["syslog"]) if n not in lines["syslog"]]
    # Those that it did not kill are at fault for nothing.
    # What is sent while the last process of a killed parent ends, and holds the socket, is lost in its buffer.
    windows = [(at - 1.0, at + 1.0) for whom, at, _ in moments if whom != "worker"]
    outside = [n for n in lost if not any(low <= syslog.times[n] <= high for low, high in windows)]
    assert not outside, f"syslog lines lost that were sent at no kill: {outside[:20]} of {len(lost)}"

    calm = Crashing(folder / "calm")
    try:
        calm.start()
        again = (
            Bulk(Lines("bulk", began), calm.bulk, sent["bulk"], 0.0),
            File(Lines("file", began), calm.logs, sent["file"], 0.0),
        )
        for each in again:
            each.start()
        for each in again:
            each.join(240)
            assert each.failed is None
        settled(calm, sent["bulk"] + sent["file"])
    finally:
        calm.stop()
    assert found_in(calm.data)[1] == alerts
    assert {rule for rule, _, _ in alerts} == {"Crash threshold", "Crash sequence"}


@pytest.mark.timeout(600)
def test_three_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    crash(tmp_path, 3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    crash(tmp_path, 20)
