"""`serve`, `simulate` and `ingest`, and how every command starts and ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Story, eventually, started, tocsin
from tocsin.cli import _client, _sending, _serving
from tocsin.config import Settings
from tocsin.errors import ConfigError

Run = Callable[..., Any]
HEAVY = ("pyarrow", "chdb", "clickhouse_connect", "sqlalchemy", "fastapi", "hyperscan", "sigma", "httpx", "numpy")


def test_help_reads_nothing_heavy() -> None:
    """So that it is there at once; the time itself is not tested."""
    code = "import sys, tocsin.cli; print([m for m in sys.argv[1:] if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_help_tells_every_command(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    for command in ("serve", "demo", "simulate", "ingest", "normalise", "search", "scan", "rules", "bench", "doctor"):
        assert command in ran.out
    assert "\x1b" not in ran.out


@pytest.mark.parametrize(
    "words", [["nothing"], ["search"], ["search", "*", "--lang", "perl"], ["serve", "--port", "x"]]
)
def test_wrong_usage_is_exit_2(run: Run, words: list[str]) -> None:
    ran = run(*words)
    assert ran.code == 2
    assert ran.out == ""
    assert "Traceback" not in ran.err


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = tocsin("serve", "--data", tmp_path / "a", "--port", port, "--bulk-port", "0")
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1
        assert port in refused.stderr
        assert "server.port" in refused.stderr
        with pytest.raises(ConfigError, match=r"server\.port"):
            _serving.Running(Settings.model_validate({"data": tmp_path / "b", "server": {"port": int(port)}}))
        assert not (tmp_path / "b").exists()


@pytest.mark.timeout(900)
def test_a_taken_intake_port_ends_the_server_with_one_reason(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = tocsin("serve", "--data", tmp_path / "a", "--port", "0", "--bulk-port", port)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert "server.bulk_port" in refused.stderr.splitlines()[-1]


def test_one_server_a_folder(story: Story) -> None:
    second = tocsin("serve", "--data", story.server.data, "--port", "0", "--bulk-port", "0")
    assert second.returncode == 2
    assert "another tocsin runs" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.timeout(900)
def test_serve_ends_when_asked_and_leaves_nothing(tmp_path: Path) -> None:
    with started(tmp_path / "data", "--no-auth") as server:
        assert (server.data / _client.SOCKET).is_socket()
        assert (server.data / _client.SOCKET).stat().st_mode & 0o077 == 0
        assert server.data.stat().st_mode & 0o077 == 0
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(100) == 0
        assert not (server.data / _client.SOCKET).exists()
    port = int(server.bulk.rpartition(":")[2])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def test_simulate_writes_files_as_sensors_do(run: Run, tmp_path: Path) -> None:
    first = run("simulate", "dropper", "--to", tmp_path / "a", "--seed", "3")
    assert first.code == 0
    assert first.out == ""
    assert "records" in first.err
    assert list((tmp_path / "a").rglob("http.log"))
    assert run("simulate", "nobody", "--to", tmp_path / "b").code == 2
    assert run("simulate", "dropper", "--to", "http://127.0.0.1:1").code == 2


def test_ingest_into_a_running_server_by_its_folder(story: Story, tmp_path: Path) -> None:
    document = '{"@timestamp":"2026-01-01T00:00:00Z","event":{"dataset":"ingest.probe"},"message":"%d"}\n'
    path = tmp_path / "x.ndjson"
    path.write_text("".join(document % n for n in range(5)))
    for _ in range(2):  # again changes nothing
        sent = tocsin("ingest", path, "--data", story.server.data)
        assert sent.returncode == 0, sent.stderr
        assert sent.stdout == ""
    found = {"query": "event.dataset: ingest.probe", "size": 0}
    eventually(lambda: story.post("/search", found)["total"] == 5)
    eventually(lambda: story.get("/status")["journal_lag"] == 0)
    assert story.post("/search", found)["total"] == 5


ZEEK = """#separator \\x09
#set_separator\t,
#empty_field\t(empty)
#unset_field\t-
#path\thttp
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tmethod\thost\turi\tstatus_code\ttags
#types\ttime\tstring\taddr\tport\taddr\tport\tstring\tstring\tstring\tcount\tset[enum]
1750000000.5\tCsent1\t10.0.0.1\t1024\t10.0.0.2\t80\tGET\tintake.example\t/a b.txt\t200\t(empty)
1750000001.5\tCsent2\t10.0.0.1\t1025\t10.0.0.2\t80\tGET\tintake.example\t/c.txt\t-\t(empty)
broken
"""


def test_rows_under_a_header_go_to_a_running_server_as_what_they_are(story: Story, tmp_path: Path) -> None:
    (tmp_path / "http.log").write_text(ZEEK)
    (tmp_path / "rows.csv").write_text('"@timestamp",event.dataset,user.name\n2026-01-01T00:00:00Z,rows.csv,"a, b"\n')
    for _ in range(2):  # again changes nothing
        sent = tocsin("ingest", tmp_path / "http.log", tmp_path / "rows.csv", "--data", story.server.data)
        assert sent.returncode == 0, sent.stderr
    asked = {"query": "event.dataset: zeek.http and url.domain: intake.example", "size": 10}
    eventually(lambda: story.post("/search", asked)["total"] == 2)
    documents = [each["document"] for each in story.post("/search", asked)["documents"]]
    found = {each["zeek.session_id"]: each for each in documents}
    assert found["Csent1"]["url.path"] == "/a b.txt"
    assert found["Csent1"]["http.response.status_code"] == 200
    assert "http.response.status_code" not in found["Csent2"]
    assert found["Csent2"]["destination.port"] == 80
    rows = eventually(lambda: story.post("/search", {"query": "event.dataset: rows.csv"})["documents"])
    assert [each["document"]["user.name"] for each in rows] == ["a, b"]
    assert story.post("/search", {"query": "message: broken"})["total"] == 1
    eventually(lambda: story.get("/status")["journal_lag"] == 0)
    assert story.post("/search", asked)["total"] == 2


@pytest.mark.parametrize("words", [[], ["--data", "a", "--url", "http://127.0.0.1:1"], ["--url", "http://127.0.0.1:1"]])
def test_ingest_says_where_it_can_not(run: Run, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "x.ndjson").write_text('{"a":1}\n')
    ran = run("ingest", tmp_path / "x.ndjson", *words)
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1


def test_records_are_sent_with_ids_of_their_place(tmp_path: Path) -> None:
    path = tmp_path / "x.ndjson"
    path.write_text('{"a":1}\n{"a":2}\n')
    places = [place for place, _ in _sending._documents(str(path))]
    assert len(set(places)) == 2
    assert places == [place for place, _ in _sending._documents(str(path))]
