"""Hostile input, through a real server's ways in and through `normalise` and `scan`: everything is kept and counted, or
refused with a reason; nothing of it runs, the server lives, and memory stays bounded."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import zstandard

from tests.serving import TOCSIN, Server, environment, eventually, started, tocsin

MEMORY = 1_500_000_000
ESCAPE = "\x1b]0;owned\x07\x1b[31m"
HTML = "<img src=x onerror=alert(1)><script>alert(1)</script>"

FIELDS = [
    "host.name",
    "user.name",
    "process.name",
    "process.command_line",
    "file.path",
    "url.full",
    "url.path",
    "user_agent.original",
    "rule.name",
    "event.action",
    "event.category",
    "event.dataset",
    "event.module",
    "log.file.path",
    "error.message",
    "tags",
    "labels.x",
    "winlog.channel",
    "winlog.event_data.Image",
    "http.request.method",
    "dns.question.name",
]

# Documents as they stand on the wire: each is an event.
KEPT: dict[str, bytes] = {
    "every field says HTML": json.dumps(dict.fromkeys(FIELDS, HTML)).encode(),
    "every field moves the cursor": json.dumps(dict.fromkeys(FIELDS, ESCAPE)).encode(),
    "HTML in what no product claims": json.dumps(dict.fromkeys(FIELDS[:-5], HTML)).encode(),
    "escapes in what no product claims": json.dumps(dict.fromkeys(FIELDS[:-5], ESCAPE)).encode(),
    "wrong types": b'{"@timestamp":{"a":1},"source.ip":5,"source.port":"x","host.name":[1,{"b":[]}],"event.kind":{}}',
    "a list where one is expected": b'{"user.name":["a","b"],"source.ip":["1.2.3.4","::1"],"event.severity":[1,2]}',
    "null everywhere": b'{"@timestamp":null,"host":null,"event":{"dataset":null},"source":{"ip":null}}',
    "the year 1601": b'{"@timestamp":"1601-01-01T00:00:00Z","event.dataset":"hostile"}',
    "the year 2099": b'{"@timestamp":"2099-12-31T23:59:59Z","event.dataset":"hostile"}',
    "the year 99999": b'{"@timestamp":"99999-12-31T23:59:59Z"}',
    "a time before all": b'{"@timestamp":-99999999999999999}',
    "a time beyond floats": b'{"@timestamp":1e300}',
    "a number beyond floats": b'{"n":1e999999,"event.severity":123456789012345678901234567890}',
    "names of nothing": b'{"":{"":1},".":2,"..":3,"a..b":4,".a":5,"a.":6}',
    "ours": b'{"tocsin.id":"0","tocsin.lane":9999,"tocsin.position":-1,"tocsin.overflow":["a"],"tocsin.peer":"x"}',
    "ours again": b'{"tocsin.id":"0","kibana.alert.uuid":"1","tocsin.alert.join":["x"],"n":2}',
    "SQL": json.dumps({"host.name": "'; DROP TABLE events; --", "a`b": "{x:String}", "a'b\\": 1}).encode(),
    "many fields": json.dumps({f"field{n}.a": n for n in range(3_000)}).encode(),
    "half a surrogate": b'{"message":"\\ud800 \\udc00"}',
    "a zero byte": b'{"message":"a\\u0000b","host.name":"\\u0000"}',
    "a name of a megabyte": b'{"' + b"x" * 900_000 + b'":1}',
    "bytes that are no UTF-8": b'{"message":"\xff\xfe\x80 caf\xe9"}',
    "broken JSON": b'{"message": "no end',
    "no object": b'"text"',
    "a number": b"17",
    "deeper than anyone reads": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "brackets without end": b'{"a":' + b"[" * 100_000,
    "deep but whole": b'{"a":' * 40 + b"1" + b"}" * 40,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "logs").mkdir()
    with started(
        folder / "data", "--no-auth", "--syslog-tcp", "0", TOCSIN_FILES_PATHS=str(folder / "logs" / "*")
    ) as running:
        yield running


def group_memory(server: Server) -> int:
    """Proportional set size of the server and all its children."""
    own = psutil.Process(server.process.pid)
    return sum(each.memory_full_info().pss for each in (own, *own.children(recursive=True)))


@pytest.fixture(autouse=True)
def _it_lives(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "server" in request.fixturenames:
        server: Server = request.getfixturevalue("server")
        assert server.process.poll() is None
        with server.client() as client:
            status = client.get("/status")
            assert status.status_code == 200
            assert not [problem for problem in status.json()["problems"] if "not running" in problem]
        assert group_memory(server) < MEMORY


def post(server: Server, body: bytes, **headers: str) -> httpx.Response:
    sent = {"Content-Type": "application/x-ndjson", **headers}
    return httpx.post(f"{server.bulk}/_bulk", content=body, headers=sent, timeout=120, trust_env=False)


def search(server: Server, query: str, size: int = 200) -> list[dict[str, Any]]:
    with server.client() as client:
        answer = client.post("/search", json={"query": query, "size": size})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["documents"])


def events(server: Server) -> int:
    with server.client() as client:
        return int(client.get("/status").json()["events"])


def test_every_document_is_kept(server: Server) -> None:
    before = events(server)
    body = b"".join(b'{"create":{"_index":"logs-hostile-default"}}\n' + each + b"\n" for each in KEPT.values())
    answer = post(server, body)
    assert answer.status_code == 200, answer.text
    items = [item["create"] for item in answer.json()["items"]]
    assert len(items) == len(KEPT)
    refused = {name: item["error"]["reason"] for name, item in zip(KEPT, items, strict=True) if item["status"] >= 300}
    assert all(refused.values())
    eventually(lambda: events(server) == before + len(KEPT) - len(refused))
    stored = search(server, "")
    texts = [json.dumps(each) for each in stored]
    assert any("<script>" in text for text in texts)
    unread = [each for each in texts if "tocsin.unparsed" in each]
    assert unread
    assert all("error" in each for each in unread)


def test_the_api_hands_out_text_as_data(server: Server) -> None:
    with server.client() as client:
        answer = client.post("/search", json={"query": "", "size": 10})
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers.get("x-content-type-options") == "nosniff"


def test_no_table_colours_a_terminal(server: Server) -> None:
    found = tocsin("search", "", "--data", server.data, "--fields", "@timestamp,host.name,user.name,event.action")
    assert found.returncode == 0, found.stderr
    assert "owned" in found.stdout
    assert "\x1b" not in found.stdout
    assert "\x07" not in found.stdout


def test_a_line_of_ten_megabytes_is_refused_and_its_neighbours_are_taken(server: Server) -> None:
    before = events(server)
    small = b'{"create":{}}\n{"message":"a neighbour"}\n'
    answer = post(server, small + b'{"create":{}}\n{"message":"' + b"x" * 10_000_000 + b'"}\n' + small)
    assert answer.status_code == 200, answer.text
    first, long, last = (item["create"] for item in answer.json()["items"])
    assert (first["status"], last["status"]) == (201, 201)
    assert long["status"] >= 400
    assert long["error"]["reason"]
    eventually(lambda: events(server) == before + 2)


@pytest.mark.parametrize(
    ("body", "coding", "status"),
    [
        (gzip.compress(bytes(1_000_000_000), 9), "gzip", 413),
        (gzip.compress(b'{"create":{}}\n{"a":1}\n')[:-9], "gzip", 400),
        (b"no gzip at all", "gzip", 400),
        (zlib.compress(bytes(500_000_000), 9), "deflate", 413),
        (b"x", "br", 415),
        (b'{"create":{}}\n', "identity", 400),
        (b'{"crate":{}}\n{"a":1}\n', "identity", 400),
        (b"\xff\xff\xff\n\xff\n", "identity", 400),
        (b'{"delete":{"_id":"1","_index":"a"}}\n', "identity", 200),
    ],
    ids=["bomb", "cut off", "no gzip", "deflate bomb", "brotli", "no document", "no action", "no text", "delete"],
)
def test_a_request_that_cannot_be_is_refused_with_a_reason(
    server: Server, body: bytes, coding: str, status: int
) -> None:
    answer = post(server, body, **{"Content-Encoding": coding})
    assert answer.status_code == status, answer.text
    assert answer.json().get("error") or answer.json()["errors"] is True


def test_syslog_of_any_bytes_is_kept(server: Server) -> None:
    with server.client() as client:
        listeners = {each["name"]: each["address"] for each in client.get("/status").json()["listeners"]}
    port = int(listeners["Syslog over TCP"].rpartition(":")[2])
    before = events(server)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        lines = [b"<34>1 - - - - - - hostile", b"<999>x", b"\xff\xfe\x01", b"<34>" + HTML.encode(), b"x" * 300_000]
        wire.sendall(b"".join(line + b"\n" for line in lines))
    # A line longer than the limit is kept without its end; how many pieces that makes is the framing's to say.
    eventually(lambda: events(server) >= before + len(lines))


def test_files_of_any_bytes_are_kept(server: Server) -> None:
    before = events(server)
    logs = server.data.parent / "logs"
    (logs / "a.log").write_bytes(b"".join(each + b"\n" for each in KEPT.values()) + b"z" * 10_000_000 + b"\n")
    (logs / "b.log").write_bytes(b"\x1f\x8b" + b"no gzip" * 1000)
    eventually(lambda: events(server) >= before + len(KEPT))


# ---- without a server ----


def run(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    """A command, whose output may be anything."""
    return subprocess.run([*TOCSIN, *map(str, words)], capture_output=True, timeout=300, env=environment(), check=False)


RULE = """title: Hostile
id: 6d1f3cbe-5ac8-4f5a-9d0e-3e2e5ed4c0aa
logsource: {category: process_creation, product: windows}
detection:
  selection: {CommandLine|contains: hostile}
  condition: selection
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "rule.yml").write_text(RULE)
    (folder / "kept.ndjson").write_bytes(b"".join(each + b"\n" for each in KEPT.values()))
    (folder / "long.ndjson").write_bytes(b'{"a":1}\n{"message":"' + b"x" * 10_000_000 + b'"}\n{"a":2}\n')
    (folder / "bomb.ndjson.gz").write_bytes(gzip.compress(bytes(2_000_000_000), 9))
    (folder / "bomb.ndjson.zst").write_bytes(zstandard.compress(bytes(2_000_000_000), 19))
    (folder / "cut.ndjson.gz").write_bytes(gzip.compress(b'{"a":1}\n' * 1000)[:-20])
    return folder


def test_normalise_gives_one_line_a_record(files: Path) -> None:
    done = run("normalise", files / "kept.ndjson", "--as", "ecs.document", "--format", "ndjson")
    assert b"Traceback" not in done.stderr
    assert done.returncode == 1, done.stderr
    out = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(out) == len(KEPT)
    assert b"\x1b" not in done.stdout


def test_a_long_line_is_kept_without_its_end(files: Path) -> None:
    done = run("normalise", files / "long.ndjson", "--as", "ecs.document", "--format", "ndjson")
    assert done.returncode == 1, done.stderr  # done, and something could not be read
    assert b"tocsin.unparsed" in done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert len(done.stdout) < 5_000_000


@pytest.mark.parametrize("name", ["bomb.ndjson.gz", "bomb.ndjson.zst", "cut.ndjson.gz"])
def test_what_cannot_be_unpacked_is_told_in_a_line(files: Path, name: str) -> None:
    done = run("scan", files / name, "--rules", files / "rule.yml", "--format", "ndjson")
    assert done.returncode in (1, 2), done.stderr
    assert b"Traceback" not in done.stderr
    assert name.encode() in done.stderr
    assert len(done.stderr.splitlines()) <= 3


def test_evtx_that_is_cut_off_gives_what_there_is(files: Path, shared: Path) -> None:
    whole = max((shared / "corpora" / "evtx").rglob("*.evtx"), key=lambda path: path.stat().st_size)
    data = whole.read_bytes()
    for name, part in {
        "cut.evtx": data[: len(data) // 2 + 777],
        "head.evtx": data[:4096],
        "none.evtx": data[:100],
        "torn.evtx": data[:70_000] + bytes(1000) + data[71_000:200_000],
    }.items():
        (files / name).write_bytes(part)
        done = run("scan", files / name, "--rules", files / "rule.yml", "--format", "ndjson")
        assert done.returncode in (0, 1, 2), (name, done.stderr)
        assert b"Traceback" not in done.stderr, (name, done.stderr)
        assert b"panicked" not in done.stderr, (name, done.stderr)
