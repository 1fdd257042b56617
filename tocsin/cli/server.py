"""`tocsin serve`, `demo`, `simulate` and `ingest`: the server, the worked example against it, and ways to fill it."""

from __future__ import annotations

import datetime
import logging
import os
import secrets
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.cli import _inputs, _output
from tocsin.cli._client import Client
from tocsin.cli._webhook import Webhook
from tocsin.errors import UsageError

if TYPE_CHECKING:
    from tocsin.cli._serving import Running

Config = Annotated[Path | None, typer.Option("--config", help="A tocsin.toml.")]
Data = Annotated[Path | None, typer.Option("--data", help="The folder that keeps everything.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)
    app.command()(demo)
    app.command()(simulate)
    app.command()(ingest)


def serve(
    config_file: Config = None,
    data: Data = None,
    host: Annotated[str | None, typer.Option(help="Address of page and API.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of page and API.")] = None,
    bulk_port: Annotated[int | None, typer.Option(help="Port of the Elasticsearch-compatible intake.")] = None,
    rules: Annotated[list[Path], typer.Option(help="A folder of Sigma or Elastic rules; again for more.")] = [],
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Nobody signs in; only on loopback.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes that normalise and match.")] = None,
    syslog_udp: Annotated[int | None, typer.Option(help="UDP port for syslog.")] = None,
    syslog_tcp: Annotated[int | None, typer.Option(help="TCP port for syslog.")] = None,
    syslog_tls: Annotated[int | None, typer.Option(help="Port for syslog over TLS.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
) -> None:
    """Run the SIEM: everything in one process group, until Ctrl-C."""
    from tocsin import config
    from tocsin.cli._serving import Running, logging_to_stderr

    logging_to_stderr(verbose)
    flags: dict[str, object] = {
        "data": data,
        "server.host": host,
        "server.port": port,
        "server.bulk_port": bulk_port,
        "server.no_auth": no_auth or None,
        "workers": workers,
        "syslog.udp": syslog_udp,
        "syslog.tcp": syslog_tcp,
        "syslog.tls": syslog_tls,
        "rules.dirs": [str(folder) for folder in rules] or None,
    }
    settings = config.load(config_file, flags={name: value for name, value in flags.items() if value is not None})
    running = Running(settings)
    try:
        running.start()
        running.serve(lambda: _greet(running))
    finally:
        running.stop()


def _greet(running: Running) -> None:
    knowledge = running.service.knowledge
    bulk = running.service.collected.get("bulk")
    server = running.settings.server
    scheme = "https" if server.tls_cert else "http"
    lines = [
        f"Tocsin is up: {running.url}",
        f"Shippers send to: {scheme}://{server.bulk_host or server.host}:{bulk}",
        f"Rules: {len(knowledge.running)} run of {len(knowledge.all_rules)}",
    ]
    if not server.no_auth and running.state.users.setup_needed():
        token = running.state.users.setup_token()
        lines.append(f"First sign-in: open {running.url}/set-up?token={token}")
    _output.say("\n".join(lines))  # at once, so that a program which waits for it has all of it
    sys.stdout.flush()


def simulate(
    name: Annotated[str, typer.Argument(help="dropper, portal or noise; demo for all three.")],
    to: Annotated[str, typer.Option(help="The address of a server's intake, or a folder for files.")],
    speed: Annotated[float, typer.Option(help="Times as fast as it happened; 0 sends at once.")] = 0.0,
    seed: Annotated[int | None, typer.Option(help="The same seed and start give the same ids.")] = None,
    key: Annotated[str | None, typer.Option(help="An API key for a server.", envvar="TOCSIN_KEY")] = None,
) -> None:
    """Play an attack story, shaped as the real sensors write; times are relative to now."""
    count = play(name, to, speed, seed, key)
    _output.note(f"{count} records sent to {to}")


def play(name: str, to: str, speed: float, seed: int | None, key: str | None = None) -> int:
    """Send a story; how many records it had."""
    from tocsin import simulate as stories
    from tocsin.simulate._send import send

    chosen = seed if seed is not None else int.from_bytes(os.urandom(4), "big")
    start = datetime.datetime.now(datetime.UTC) - stories.SPAN
    return send(stories.generate(name, seed=chosen, start=start), to, speed=speed, key=key)


def ingest(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT…", help="Files, folders, globs, or - for standard input.")
    ],
    data: Data = None,
    url: Annotated[str | None, typer.Option(help="The address of a server's intake.", envvar="TOCSIN_URL")] = None,
    key: Annotated[str | None, typer.Option(help="An API key for --url.", envvar="TOCSIN_KEY")] = None,
    as_: Annotated[str | None, typer.Option("--as", help="What the input is: PRODUCT.STREAM.")] = None,
) -> None:
    """Read files into a store: of a server that runs (--url, or --data of a running serve) or of a data folder."""
    from tocsin.cli._sending import send_files
    from tocsin.pipeline.at_rest import ingest as into_store

    if (data is None) == (url is None):
        raise UsageError("say where to: --data DIR or --url URL")
    files = _inputs.paths(inputs)
    with _output.progress("records") as more:
        if url is None:
            client = Client.find(data, None, None)
            if client is not None:
                listeners = client.get("/status")["listeners"]
                url = next(each["address"] for each in listeners if each["name"].startswith("Elasticsearch"))
        if url is not None:
            count = send_files(files, url, key=key, product=as_, progress=more)
        else:
            assert data is not None
            count = into_store(data, files, as_, more)
    _output.note(f"{count} records")


def demo(
    headless: Annotated[bool, typer.Option("--headless", help="Find everything, print it, and end.")] = False,
    data: Data = None,
    seed: Annotated[int | None, typer.Option(help="The stories' seed; random without.")] = None,
    port: Annotated[int, typer.Option(help="Port of page and API; a free one without.")] = 0,
) -> None:
    """Start the SIEM, run the worked example against it, say what was found."""
    # A small machine's demo: fewer heaps of threads, here and in the children; read when pyarrow is first imported.
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from tocsin import config
    from tocsin.cli._serving import Running, logging_to_stderr

    logging_to_stderr(verbose=False)
    folder = data or Path(tempfile.mkdtemp(prefix="tocsin-demo-"))
    own = data is None
    flags: dict[str, object] = {
        "data": str(folder),
        "server.port": port or _free_port(8686),
        "server.bulk_port": _free_port(9200),
    }
    code = 1
    running: Running | None = None
    told = Webhook()
    flags["notify.urls"] = [told.url]
    settings = config.load(None, flags=flags)
    try:
        began = time.monotonic()
        running = Running(settings)
        running.context.demo = True
        password = _demo_user(running)
        running.start()
        started = time.monotonic() - began
        _output.say(f"Tocsin is up after {started:.1f} s: {running.url}")
        result: dict[str, int] = {}
        done = threading.Event()

        def act() -> None:
            assert running is not None
            try:
                result["code"] = _worked_example(running, settings.demo.seed if seed is None else seed, told)
                _output.say(f"Sign in as demo with the password {password}")
                sys.stdout.flush()
            except Exception as error:
                logging.getLogger(__name__).exception("the worked example failed")
                _output.note(f"tocsin: {error}")
                result["code"] = 1
            finally:
                done.set()
                if headless:
                    os.kill(os.getpid(), 2)

        running.serve(lambda: threading.Thread(target=act, name="demo", daemon=True).start())
        code = result.get("code", 1)
    finally:
        told.stop()
        if running is not None:
            running.stop()
        if own and headless:
            shutil.rmtree(folder, ignore_errors=True)
    if headless:
        raise typer.Exit(code)


EXPECTED = (
    "Batch File Downloaded over an Unusual Port",
    "PowerShell Launched from a Batch File",
    "Batch File Downloaded with Invoke-WebRequest",
    "Potential Metasploit PowerShell Payload Observed",
)


def _demo_user(running: Running) -> str:
    """The account `demo`, with a new password."""
    password = secrets.token_urlsafe(9)
    if running.state.users.get("demo") is None:
        running.state.users.create("demo", password, "admin")
    else:
        running.state.users.change("demo", password=password)
    return password


def _worked_example(running: Running, seed: int | None, told: Webhook) -> int:
    """Send the stories, ask the API until everything is found, follow it to stored events, print it. 0 where it is."""
    peak = _Peak(running)
    peak.start()
    key = running.state.keys.create("demo", ["read"], "demo")
    client = Client(running.url, key=key.encoded)
    bulk = f"http://127.0.0.1:{running.service.collected['bulk']}"
    began = time.monotonic()
    sent = play("demo", bulk, 0.0, seed)
    _output.say(f"{sent} records sent in {time.monotonic() - began:.1f} s")
    first: float | None = None
    alerts: list[dict[str, Any]] = []
    incidents: list[dict[str, Any]] = []
    until = began + 120
    steady = 0
    while time.monotonic() < until and steady < 8:
        alerts = client.post("/alerts/search", {"size": 100})["alerts"]
        incidents = client.post("/incidents/search", {})["incidents"]
        if alerts and first is None:
            first = time.monotonic() - began
        right = not _wrong(alerts, incidents)
        steady = steady + 1 if right and client.get("/status")["events"] >= sent else 0
        time.sleep(0.25)
    wrong = _wrong(alerts, incidents)
    _output.table(
        ["severity", "alert", "reason"], ([each["severity"], each["rule"], each["reason"]] for each in alerts)
    )
    _output.table(
        ["score", "incident", "alerts", "summary"],
        ([each["score"], each["title"], each["alerts"], each["summary"]] for each in incidents),
    )
    for each in alerts:
        detail = client.get(f"/alerts/{each['id']}")
        if not detail["events"]:
            wrong.append(f"the events of {each['rule']} are not stored")
    waited = time.monotonic() + 20
    while len(told.incidents()) < 2 and time.monotonic() < waited:
        time.sleep(0.1)
    if len(told.incidents()) != 2:
        wrong.append(f"somebody was told of {len(told.incidents())} incidents")
    for title in told.incidents():
        _output.say(f"Told a webhook: {title}")
    peak.stop()
    _output.say(f"First alert after {first:.1f} s" if first is not None else "No alert")
    _output.say(f"Peak memory {peak.highest / 1e6:.0f} MB (proportional set size of the whole group)")
    for problem in wrong:
        _output.say(f"WRONG: {problem}")
    if not wrong:
        _output.say("Found: four alerts on the dropper, one on the portal, two incidents.")
        _output.say(f"Look at it: {running.url}/alerts")
    sys.stdout.flush()
    return 1 if wrong else 0


def _wrong(alerts: list[dict[str, Any]], incidents: list[dict[str, Any]]) -> list[str]:
    """What is not as the worked example must end."""
    wrong = []
    rules = sorted(each["rule"] for each in alerts)
    wrong += [f"{rules.count(name)} open alerts of {name}" for name in EXPECTED if rules.count(name) != 1]
    others = [name for name in rules if name not in EXPECTED]
    if len(others) != 1:
        wrong.append(f"{len(others)} other open alerts, one is right: {', '.join(others)}")
    if len(incidents) != 2:
        wrong.append(f"{len(incidents)} incidents, two are right")
    elif sorted(each["alerts"] for each in incidents) != [1, 4]:
        wrong.append("the incidents have not four alerts and one")
    return wrong


class _Peak(threading.Thread):
    """Watches the memory of the whole group, each quarter of a second."""

    def __init__(self, running: Running) -> None:
        super().__init__(name="peak", daemon=True)
        self._running = running
        self._stopping = threading.Event()
        self.highest = 0

    def run(self) -> None:
        """See `threading.Thread.run`."""
        from tocsin.cli._serving import memory_of, pids_of

        while not self._stopping.wait(0.25):
            self.highest = max(self.highest, memory_of(pids_of(self._running.service)))
        self.highest = max(self.highest, memory_of(pids_of(self._running.service)))

    def stop(self) -> None:
        """End, with a last look."""
        self._stopping.set()
        self.join()


def _free_port(wanted: int) -> int:
    """The port itself if it is free, else any other."""
    import socket

    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise UsageError("no port is free")
