"""Sending a story: into files as sensors write them, or to a server as shippers do."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tocsin.errors import TocsinError, UsageError
from tocsin.simulate import generate
from tocsin.simulate._send import send

START = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def test_a_folder_gets_a_file_a_sensor(tmp_path: Path) -> None:
    emissions = list(generate("dropper", seed=1, start=START)) + list(generate("portal", seed=1, start=START))
    assert send(emissions, str(tmp_path / "out")) == len(emissions)
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {"zeek/http.log", "zeek/conn.log", "syslog/fw01-kern.log", "portal/auth.ndjson"} <= files
    lines = sum(len((tmp_path / "out" / name).read_bytes().splitlines()) for name in files)
    assert lines == len(emissions)
    first = (tmp_path / "out" / "syslog" / "fw01-kern.log").read_text().splitlines()[0]
    assert first.startswith("Nov 24 ")
    assert "fw01 kernel:" in first


class Bulk(BaseHTTPRequestHandler):
    """Enough of `_bulk` to be sent to; `busy` answers come first."""

    taken: list[tuple[dict[str, Any], dict[str, Any]]]
    busy: list[int]
    refuse = False
    authorization = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        type(self).authorization = self.headers.get("Authorization", "")
        if self.busy:
            self.send_response(self.busy.pop())
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        lines = [json.loads(line) for line in body.splitlines()]
        items: list[dict[str, Any]] = []
        for number, (action, document) in enumerate(zip(lines[::2], lines[1::2], strict=True)):
            if self.refuse:
                items.append({"create": {"status": 400, "error": {"type": "no", "reason": "wrong"}}})
            elif number == 0 and len(lines) > 2 and not self.taken:
                items.append({"create": {"status": 429, "error": {"type": "busy", "reason": "later"}}})
            else:
                self.taken.append((action, document))
                items.append({"create": {"status": 201}})
        answer = json.dumps(
            {"took": 1, "errors": any("error" in i["create"] for i in items), "items": items}, separators=(",", ":")
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[tuple[str, type[Bulk]]]:
    handler = type("Handler", (Bulk,), {"taken": [], "busy": []})
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}", handler
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_a_server_gets_every_record_once_under_its_shippers_index(server: tuple[str, type[Bulk]]) -> None:
    url, handler = server
    handler.busy.append(429)
    emissions = list(generate("portal", seed=1, start=START))
    assert send(emissions, url, key="id:key") == len(emissions)
    assert len(handler.taken) == len(emissions)
    indexes = {action["create"]["_index"] for action, _ in handler.taken}
    assert indexes == {"filebeat-8.19.2", "logs-portal.auth-default"}
    assert handler.authorization == "ApiKey aWQ6a2V5"
    lines = [document for _, document in handler.taken if document.get("event", {}).get("module") == "iptables"]
    assert lines
    assert all("fw01 kernel:" in document["message"] for document in lines)


def test_text_goes_by_syslog_where_there_is_an_address(server: tuple[str, type[Bulk]]) -> None:
    url, handler = server
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        got = bytearray()

        def receive() -> None:
            connection, _ = listener.accept()
            while part := connection.recv(65536):
                got.extend(part)
            connection.close()

        thread = threading.Thread(target=receive)
        thread.start()
        emissions = list(generate("portal", seed=1, start=START))
        send(emissions, url, syslog=f"127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    texts = [emission.raw for emission in emissions if emission.format == "syslog"]
    assert bytes(got) == b"".join(b"%d " % len(text) + text for text in texts)
    assert len(handler.taken) == len(emissions) - len(texts)


def test_a_refusal_and_an_absent_server_are_told(server: tuple[str, type[Bulk]], free_port: int) -> None:
    url, handler = server
    handler.refuse = True
    with pytest.raises(TocsinError, match="refused"):
        send(generate("portal", seed=1, start=START), url)
    with pytest.raises(TocsinError, match="no answer"):
        send(generate("portal", seed=1, start=START), f"http://127.0.0.1:{free_port}")
    with pytest.raises(UsageError):
        send([], "ftp://somewhere")


def test_a_pace_waits_as_long_as_the_story_took(tmp_path: Path) -> None:
    emissions = list(generate("dropper", seed=1, start=START))
    waited: list[float] = []
    send(emissions, str(tmp_path), speed=10, sleep=waited.append)
    length = (emissions[-1].time - emissions[0].time).total_seconds()
    assert sum(waited) == pytest.approx(length / 10, abs=1)
