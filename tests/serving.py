"""A real `tocsin serve` for tests: started as a user starts it, on free ports of loopback, ended by its process id.

`story` is one server with sign-in, three people and the demo's story in it; whoever changes something there puts it
back. `started` gives a server of one's own.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

TOCSIN = [sys.executable, "-c", "from tocsin.cli import main; main()"]
PASSWORD = "correct horse battery"
ROLES = ("admin", "analyst", "viewer")
SEED = 7
# Starting takes seconds on a quiet machine; nothing is measured here.
PATIENCE = 300.0


def environment(**more: str) -> dict[str, str]:
    """The environment without anybody's own settings, and no colours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return {**kept, "NO_COLOR": "1", **more}


def tocsin(*words: str | Path, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [*TOCSIN, *map(str, words)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(**more),
        check=False,
    )


def eventually(what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first answer of `what` that is true. Fails after a long while."""
    until = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < until, f"it never came to be: {found!r}"
        time.sleep(0.2)


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], data: Path, greeting: str, tls: bool) -> None:
        self.process = process
        self.data = data
        self.greeting = greeting
        self._tls = tls
        found = re.search(r"Tocsin is up: (\S+)", greeting)
        sends = re.search(r"Shippers send to: (\S+)", greeting)
        token = re.search(r"token(?:: |=)(\S+)", greeting)
        assert found, greeting
        assert sends, greeting
        self.url = found[1]
        self.bulk = sends[1]
        self.token = token[1] if token else ""

    def client(self, **more: Any) -> httpx.Client:
        """A client of the API that is nobody yet."""
        return httpx.Client(
            base_url=f"{self.url}/api/v1", timeout=60, trust_env=False, verify=not self._tls, **more
        )  # under TLS the certificate is the test's own

    def signed_in(self, name: str, password: str = PASSWORD) -> httpx.Client:
        """A client signed in as somebody."""
        client = self.client()
        answer = client.post("/session", json={"username": name, "password": password})
        assert answer.status_code == 200, answer.text
        client.headers["X-CSRF"] = answer.json()["csrf"]
        return client

    def with_key(self, key: str) -> httpx.Client:
        """A client with an API key."""
        return self.client(headers={"Authorization": f"ApiKey {key}"})


def set_up(server: Server) -> dict[str, httpx.Client]:
    """The first admin by the token, then one of each other role; each signed in."""
    first = server.client()
    answer = first.post("/setup", json={"token": server.token, "username": "admin", "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    first.headers["X-CSRF"] = answer.json()["csrf"]
    clients = {"admin": first}
    for role in ROLES[1:]:
        made = first.post("/users", json={"username": role, "password": PASSWORD, "role": role})
        assert made.status_code == 201, made.text
        clients[role] = server.signed_in(role)
    return clients


def _end_with_parent() -> None:
    """Linux: a test run that is killed leaves no server behind (prctl(2), PR_SET_PDEATHSIG)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@contextlib.contextmanager
def started(data: Path, *words: str, tls: bool = False, **more: str) -> Iterator[Server]:
    """`tocsin serve --data DATA WORDS…`, up; ended by SIGTERM."""
    data.parent.mkdir(parents=True, exist_ok=True)
    out, err = data.parent / f"{data.name}.out", data.parent / f"{data.name}.err"
    command = [*TOCSIN, "serve", "--data", str(data), "--port", "0", "--bulk-port", "0", *words]
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=environment(**more),
            preexec_fn=_end_with_parent,
        )
    try:

        def greeted() -> str:
            text = out.read_text()
            assert process.poll() is None, f"it ended with {process.returncode}: {err.read_text()[-2000:]}"
            return text if "Rules: " in text and text.endswith("\n") else ""  # it is written at once

        yield Server(process, data, eventually(greeted), tls)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def tell_story(server: Server, key: str = "") -> None:
    """The demo's story, until all of it is found."""
    told = tocsin("simulate", "demo", "--seed", str(SEED), "--to", server.bulk, **({"TOCSIN_KEY": key} if key else {}))
    assert told.returncode == 0, told.stderr


class Story:
    """A server with the demo's story: `admin`, `analyst` and `viewer` are clients of the three roles."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.clients = set_up(server)
        self.admin = self.clients["admin"]
        self.analyst = self.clients["analyst"]
        self.viewer = self.clients["viewer"]
        tell_story(server)
        self.alerts: dict[str, dict[str, Any]] = eventually(self._found)
        self.incidents: dict[str, dict[str, Any]] = eventually(self._grouped)
        eventually(lambda: self.get("/status")["journal_lag"] == 0)

    def _found(self) -> dict[str, dict[str, Any]]:
        found = {each["rule"]: each for each in self.post("/alerts/search", {})["alerts"]}
        return found if len(found) == 5 and all(each["incident"] for each in found.values()) else {}

    def _grouped(self) -> dict[str, dict[str, Any]]:
        found = self.post("/incidents/search", {})["incidents"]
        right = sorted(each["alerts"] for each in found) == [1, 4]
        return {"dropper" if each["alerts"] == 4 else "portal": each for each in found} if right else {}

    def get(self, path: str, **query: Any) -> Any:
        """GET as a viewer."""
        answer = self.viewer.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any, *, who: str = "viewer", status: int = 200) -> Any:
        """POST as somebody, as a viewer without."""
        answer = self.clients[who].post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()
