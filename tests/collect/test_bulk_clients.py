"""The Elasticsearch-compatible intake on a real socket over a real journal: the clients that really send, hang-ups and
kills."""

from __future__ import annotations

import asyncio
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.collect.counterparts import rsyslog, syslog_ng
from tests.conftest import ROOT
from tocsin.collect.bulk import Bulk, Settings
from tocsin.errors import ConfigError
from tocsin.journal.file import FileWriter, open_reader, open_writer
from tocsin.ports import Appended

Ask = Callable[..., httpx.Response]
Program = Callable[[str], str]


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, FileWriter]]:
    """A real server over a real journal, on a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    up = threading.Event()
    bulk: Bulk | None = None
    task: asyncio.Task[None] | None = None
    writer = open_writer(folder)

    async def go() -> None:
        nonlocal bulk, task
        bulk = Bulk(Settings(port=0), lambda *_: "")
        task = asyncio.create_task(bulk.run(writer))
        await bulk.listening.wait()
        up.set()
        with suppress(asyncio.CancelledError):
            await task

    thread = threading.Thread(target=loop.run_until_complete, args=(go(),))
    thread.start()
    try:
        assert up.wait(20)
        assert bulk is not None and task is not None
        yield bulk.port, writer
    finally:
        if task is not None:
            loop.call_soon_threadsafe(task.cancel)
        thread.join(20)
        loop.close()
        writer.close()


def documents(folder: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(action, document) of everything in a journal."""
    out = []
    with open_reader(folder) as reader:
        for lane in reader.lanes:
            while (found := reader.stretch(lane, max_bytes=1 << 24)) is not None:
                for frame in found[1]:
                    lines = frame.chunk.payload.split(b"\n")
                    out += [(orjson.loads(a), orjson.loads(d)) for a, d in zip(lines[::2], lines[1::2], strict=False)]
    return out


def until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def frames_in(writer: FileWriter) -> int:
    return sum(lane["next"] for lane in writer.health()["lanes"])


def test_the_official_python_client(tmp_path: Path) -> None:
    elasticsearch = pytest.importorskip("elasticsearch")
    from elasticsearch import helpers

    with served(tmp_path / "journal") as (port, _):
        client = elasticsearch.Elasticsearch(f"http://127.0.0.1:{port}", http_compress=True)
        assert client.info()["version"]["number"].startswith("8.")
        assert client.cluster.health()["status"] == "green"
        actions = ({"_index": "logs", "_op_type": "create", "n": n, "text": "ä" * 100} for n in range(3000))
        assert helpers.bulk(client, actions, chunk_size=1000) == (3000, [])
        done, failed = helpers.bulk(
            client, [{"_op_type": "delete", "_index": "a", "_id": "1"}, {"_index": "a", "n": 1}], raise_on_error=False
        )
        assert isinstance(failed, list)
        assert (done, len(failed)) == (1, 1)
        assert client.index(index="single", document={"n": 1}, id="x")["result"] == "created"
        client.close()
    found = documents(tmp_path / "journal")
    assert len(found) == 3002
    assert sorted(document["n"] for action, document in found if "create" in action) == list(range(3000))


def test_a_retry_after_the_answer_was_lost_shows_once(tmp_path: Path) -> None:
    body = b'{"index":{"_index":"a"}}\n{"n":1}\n'
    request = b"POST /_bulk HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with served(tmp_path / "journal") as (port, writer):
        gate = threading.Event()
        real = writer.append

        async def slow(*args: Any, **more: Any) -> Appended:
            appended = await real(*args, **more)
            await asyncio.to_thread(gate.wait)
            return appended

        writer.append = slow  # type: ignore[method-assign]
        with socket.create_connection(("127.0.0.1", port)) as lost:
            lost.sendall(request)
            assert until(lambda: frames_in(writer) == 1)
        time.sleep(0.2)  # the server sees the hang-up
        gate.set()
        for expected in (1, 2):
            with socket.create_connection(("127.0.0.1", port)) as again:
                again.sendall(request)
                assert b"200 OK" in again.recv(4096)
            assert frames_in(writer) == expected, "a lost request and its retry are one, an answered one stands alone"


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, open_writer(tmp_path / "journal") as writer:
        bulk = Bulk(Settings(port=taken.getsockname()[1]), lambda *_: "")
        with pytest.raises(ConfigError, match=r"bulk_port.*in use"):
            asyncio.run(bulk.run(writer))


def test_chunked_requests(tmp_path: Path) -> None:
    with served(tmp_path / "journal") as (port, _):
        lines = (line for number in range(100) for line in (b'{"index":{}}\n', b'{"n":%d}\n' % number))
        answer = httpx.post(f"http://127.0.0.1:{port}/a/_bulk", content=lines)
        assert answer.json()["errors"] is False
    assert len(documents(tmp_path / "journal")) == 100


@pytest.mark.parametrize("bulkmode", ["on", "off"])
def test_rsyslog_omelasticsearch(program: Program, tmp_path: Path, bulkmode: str) -> None:
    folder = tmp_path / "journal"
    with served(folder) as (port, writer):
        action = (
            f'action(type="omelasticsearch" server="127.0.0.1" serverport="{port}" bulkmode="{bulkmode}" '
            f'errorFile="{tmp_path}/errors" action.resumeRetryCount="-1")'
        )
        with rsyslog(program("rsyslogd"), tmp_path, action, ("omelasticsearch",)) as send:
            for number in range(20):
                send(f"message {number}")
            assert until(lambda: frames_in(writer) >= (1 if bulkmode == "on" else 20))
            assert until(lambda: len(documents(folder)) >= 20), (tmp_path / "errors").read_text()
    found = documents(folder)
    assert sorted(document["message"].strip() for _, document in found) == sorted(f"message {n}" for n in range(20))
    assert {next(iter(action.values()))["_index"] for action, _ in found} == {"system"}
    assert not (tmp_path / "errors").exists()


def test_syslog_ng_elasticsearch_http(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    with served(folder) as (port, _):
        destination = (
            f'elasticsearch-http(url("http://127.0.0.1:{port}/_bulk") index("ng") type("")'
            ' batch-lines(5) batch-timeout(100) template("$(format-json --scope rfc5424 --exclude DATE)"))'
        )
        with syslog_ng(program("syslog-ng"), tmp_path, destination) as send:
            for number in range(20):
                send(f"message {number}")
            assert until(lambda: len(documents(folder)) >= 20)
    assert sorted(document["MESSAGE"] for _, document in documents(folder)) == sorted(f"message {n}" for n in range(20))


def test_curl(program: Program, tmp_path: Path) -> None:
    with served(tmp_path / "journal") as (port, _):
        (tmp_path / "body").write_bytes(b'{"index":{}}\n{"n":1}\n' * 50_000)
        out = subprocess.run(
            [program("curl"), "-sS", "-H", "Content-Type: application/x-ndjson", "--data-binary", f"@{tmp_path}/body",
             f"http://127.0.0.1:{port}/a/_bulk?filter_path=errors"],
            capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        assert out.stdout == b'{"errors":false}'
    assert len(documents(tmp_path / "journal")) == 50_000


def test_an_answer_is_marked_when_it_must_have_gone_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server hands answers to a thread of its own: a kill before it writes leaves the request unanswered."""
    monkeypatch.setattr("tocsin.collect.bulk.ON_ITS_WAY", 30.0)
    said: list[bool] = []
    body = b'{"index":{}}\n{"n":1}\n'
    with served(tmp_path / "journal") as (port, writer):
        answered = writer.answered

        def heard(appended: Appended, *, delivered: bool = True) -> None:
            said.append(delivered)
            answered(appended, delivered=delivered)

        monkeypatch.setattr(writer, "answered", heard)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            for _ in range(2):  # the second is another one, though the first is not marked yet
                assert client.post("/a/_bulk", content=body).status_code == 200
    assert said == [False, False, True, True]  # what was still to be marked is, when the server ends
    assert len(documents(tmp_path / "journal")) == 2


KILLED = """
import asyncio, sys
from pathlib import Path
from tocsin.collect.bulk import Bulk, Settings
from tocsin.journal.file import open_writer

async def go() -> None:
    with open_writer(Path(sys.argv[1]), segment_bytes=200_000) as writer:
        bulk = Bulk(Settings(port=0), lambda *_: "")
        task = asyncio.create_task(bulk.run(writer))
        await bulk.listening.wait()
        print(bulk.port, flush=True)
        await task

asyncio.run(go())
"""


def test_kill_9_loses_nothing_acknowledged_and_retries_show_once(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    acknowledged: list[int] = []
    number = 0
    for round_ in range(5):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout
        port = int(process.stdout.readline())
        until_killed = 4 + 3 * round_
        timer = threading.Timer(random.uniform(0, 0.03), process.kill)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                while True:
                    pad = "x" * (number % 7 * 300)
                    items = b"".join(b'{"index":{}}\n{"n":%d,"pad":"%s"}\n' % (number, pad.encode()) for _ in range(2))
                    if client.post("/a/_bulk", content=items).status_code == 200:
                        acknowledged.append(number)
                        number += 1
                        until_killed -= 1
                        if until_killed == 0:
                            timer.start()
        except httpx.TransportError:
            pass  # killed; the same request is sent again to the next process
        timer.join()
        process.wait()
        process.stdout.close()
    open_writer(folder).close()  # cuts what is torn
    counts: dict[int, int] = {}
    for _, document in documents(folder):
        counts[document["n"]] = counts.get(document["n"], 0) + 1
    assert len(acknowledged) > 5
    assert {counts.get(n) for n in acknowledged} == {2}
    assert set(counts) - set(acknowledged) <= {number}
