"""The application: one shape of errors, strict headers, nothing outside the page's build."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import Story
from tocsin.api.app import create


def test_openapi_needs_no_server() -> None:
    told = create(None).openapi()
    assert told["info"]["title"] == "Tocsin"
    assert "/api/v1/alerts/search" in told["paths"]
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary"), f"{method} {path}"
            assert operation.get("description"), f"{method} {path} says nothing of itself"


def test_the_page_s_types_are_made_of_this_openapi() -> None:
    held = Path(__file__).parents[2] / "web" / "openapi.json"
    if not held.is_file():
        pytest.skip("there is no page here")
    assert json.loads(held.read_text()) == create(None).openapi(), "run make docs, then npm --prefix web run types"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("PUT", "/search", None, 405),
        ("DELETE", "/nothing/at/all", None, 405),
        ("POST", "/search", b"{", 422),
        ("POST", "/search", b"\x80", 400),
        ("POST", "/search", b'{"size": -1}', 422),
        ("POST", "/search", b'{"nobody": 1}', 422),
        ("POST", "/search", b'{"start": "yesterday"}', 400),
        ("POST", "/search", b'{"after": "x"}', 400),
        ("POST", "/search", b'{"query": "event.dataset: ("}', 400),
        ("POST", "/search", b"[" * 100_000, 400),
        ("GET", "/documents/foo/x", None, 422),
        ("GET", "/documents/events/x", None, 404),
        ("GET", "/alerts/x", None, 404),
        ("GET", "/incidents/x", None, 404),
        ("GET", "/rules/x", None, 404),
        ("GET", "/analyzer?alert=x", None, 404),
        ("GET", "/analyzer", None, 400),
    ],
)
def test_every_error_is_a_problem(story: Story, method: str, path: str, body: bytes | None, status: int) -> None:
    answer = story.admin.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert set(problem) == {"type", "title", "status", "detail", "hint", "problems"}
    for leak in ("Traceback", "DB::Exception", "site-packages", str(story.server.data)):
        assert leak not in answer.text


def test_a_query_error_says_its_places(story: Story) -> None:
    problem = story.post("/search", {"query": "foo: bar and\n and x"}, status=400)
    (place,) = problem["problems"]
    assert (place["line"], place["column"], place["length"]) == (2, 2, 3)
    assert "'and'" in place["what"]


def test_a_wrong_password_is_not_repeated(story: Story) -> None:
    answer = story.admin.post("/users", json={"username": "x", "password": "hunter2", "role": "viewer"})
    assert answer.status_code == 422
    assert "password" in answer.json()["title"]
    assert "hunter2" not in answer.text


def test_headers_are_strict(story: Story) -> None:
    for path in ("/api/v1/status", "/api/v1/nothing", "/healthz", "/", "/alerts"):
        answer = story.viewer.get(f"{story.server.url}{path}")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
    assert story.viewer.get("/status").headers["cache-control"] == "no-store"


def test_a_request_too_large_is_refused_before_it_is_read(story: Story) -> None:
    large = b'{"query": "' + b"x" * (5 << 20) + b'"}'
    answer = story.admin.post("/search", content=large, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"

    def chunks() -> Iterator[bytes]:
        yield from (large[at : at + 65536] for at in range(0, len(large), 65536))

    answer = story.admin.post("/search", content=chunks(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/../app.py",
        "/%2e%2e/app.py",
        "/..%2fapp.py",
        "/assets/../../app.py",
        "/assets/..%2f..%2fapp.py",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/..\\app.py",
        "/%00",
        "/" + "a" * 5000,
    ],
)
def test_no_path_leads_out_of_the_page(story: Story, path: str) -> None:
    """Over a socket: clients tidy paths up."""
    host, _, port = story.server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := raw.recv(65536):
            answer += piece
    assert answer.split(b" ", 2)[1] in (b"200", b"400", b"404", b"414", b"503"), answer[:200]
    assert b"Permissions-Policy" not in answer.partition(b"\r\n\r\n")[2]  # app.py's own text
    assert b"root:" not in answer


def test_health_is_open_and_figures_are_not(story: Story) -> None:
    nobody = story.server.client()
    assert nobody.get(f"{story.server.url}/healthz").text == "ok\n"
    assert nobody.get(f"{story.server.url}/readyz").status_code == 200
    assert nobody.get(f"{story.server.url}/metrics").status_code == 401
    assert nobody.get("/openapi.json").status_code == 401
    figures = story.viewer.get(f"{story.server.url}/metrics").text
    assert "tocsin_alerts_total" in figures
    assert story.viewer.get("/openapi.json").json()["openapi"]
