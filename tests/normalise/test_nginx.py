"""nginx: access lines with what is added to them, and errors with their pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tocsin.normalise import Product, nginx

product: Product = nginx.PRODUCT
Read = Callable[..., list[dict[str, Any]]]
LINE = '203.0.113.7 - bob [10/Jun/2024:08:13:20 +0200] "GET /a/b.PHP?q=1 HTTP/1.1" 502 17 "http://r/" "UA \\"x\\""'


def test_a_combined_line(read: Read) -> None:
    (event,) = read(LINE, as_="nginx.access")
    assert event["@timestamp"] == "2024-06-10T06:13:20.000Z"
    assert event["source.ip"] == event["client.ip"] == "203.0.113.7"
    assert event["user.name"] == "bob"
    assert (event["http.request.method"], event["http.version"]) == ("GET", "1.1")
    assert (event["http.response.status_code"], event["http.response.body.bytes"]) == (502, 17)
    assert (event["url.original"], event["url.path"], event["url.query"], event["url.extension"]) == (
        "/a/b.PHP?q=1",
        "/a/b.PHP",
        "q=1",
        "php",
    )
    assert event["http.request.referrer"] == "http://r/"
    assert event["user_agent.original"] == 'UA "x"'
    assert event["event.outcome"] == "failure"
    assert event["related.ip"] == ["203.0.113.7"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('::1 - - [10/Jun/2024:08:13:20 +0200] "GET / HTTP/1.0" 200 -', {"source.ip": "::1", "user.name": None}),
        (LINE + ' "198.51.100.7, 203.0.113.8"', {"network.forwarded_ip": "203.0.113.8"}),
        (LINE + ' "-"', {"network.forwarded_ip": None}),
        (
            "www.example.org:443 " + LINE,
            {"nginx.access.virtual_host": "www.example.org:443", "source.ip": "203.0.113.7"},
        ),
        (
            "10.0.0.2, 10.0.0.1, " + LINE,
            {"source.ip": "203.0.113.7", "nginx.access.remote_ip_list": ["10.0.0.2", "10.0.0.1", "203.0.113.7"]},
        ),
        ("client.example.org" + LINE[11:], {"source.ip": None, "source.domain": "client.example.org"}),
        (
            LINE.replace("GET /a/b.PHP?q=1 HTTP/1.1", "\\x16\\x03\\x01"),
            {"http.request.method": None, "nginx.access.request": "\\x16\\x03\\x01"},
        ),
        (LINE.replace("GET /a/b.PHP?q=1 HTTP/1.1", "GET /a b HTTP/1.1"), {"url.original": "/a b"}),
        (LINE.replace("GET /a/b.PHP?q=1 HTTP/1.1", "-"), {"url.original": None, "http.response.status_code": 502}),
        ("<190>Jun 10 08:13:20 web1 nginx: " + LINE, {"host.name": "web1", "source.ip": "203.0.113.7"}),
    ],
)
def test_variants(read: Read, line: str, expected: dict[str, Any]) -> None:
    (event,) = read(line, as_="nginx.access")
    assert {name: event.get(name) for name in expected} == expected


def test_an_error_with_its_request(read: Read) -> None:
    line = (
        "2024/06/10 06:13:20 [crit] 811#7: *42 connect() failed (111: Connection refused), client: 203.0.113.7, "
        'server: www.example.org, request: "POST /api?x=1 HTTP/2.0", upstream: "http://127.0.0.1:9000/api", '
        'host: "www.example.org:8443", referrer: "https://r/"'
    )
    (event,) = read(line)
    assert event["event.dataset"] == "nginx.error"
    assert (event["log.level"], event["process.pid"], event["process.thread.id"]) == ("crit", 811, 7)
    assert event["nginx.error.connection_id"] == 42
    assert event["source.ip"] == event["client.ip"] == "203.0.113.7"
    assert (event["url.domain"], event["url.port"], event["url.path"], event["url.query"]) == (
        "www.example.org",
        8443,
        "/api",
        "x=1",
    )
    assert event["server.domain"] == "www.example.org"
    assert event["nginx.error.upstream"] == "http://127.0.0.1:9000/api"
    assert event["event.type"] == ["error"]


def test_an_error_without_a_client(read: Read) -> None:
    (event,) = read("2024/06/10 06:13:20 [emerg] 811#811: bind() to 0.0.0.0:80 failed (98: Address already in use)")
    assert event["message"].startswith("bind() to")
    assert "source.ip" not in event


def test_a_time_without_zone_takes_the_sources(read: Read) -> None:
    (event,) = read("2024/06/10 06:13:20 [error] 1#1: x", zone="America/New_York")
    assert event["@timestamp"] == "2024-06-10T10:13:20.000Z"


@pytest.mark.parametrize("stream", ["access", "error"])
def test_says_why_it_cannot_read_a_line(read: Read, stream: str) -> None:
    (event,) = read("hello \x1b[31m", as_=f"nginx.{stream}")
    assert event["event.dataset"] == "tocsin.unparsed"
    assert "the text is no line of" in event["error.message"]
    assert event["event.original"] == "hello \x1b[31m"


def test_filebeats_envelope_keeps_its_host(read: Read) -> None:
    (event,) = read(
        {"message": LINE, "fileset": {"name": "access"}, "event": {"module": "nginx"}, "host": {"name": "web9"}}
    )
    assert event["event.dataset"] == "nginx.access"
    assert event["host.name"] == "web9"
    assert event["source.ip"] == "203.0.113.7"
