"""Nobody gets in unasked: every route asks who calls, and each role may what it may and nothing more."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from tests.serving import PASSWORD, ROLES, Story, started, tocsin
from tocsin.api import _access
from tocsin.api.app import create

# Routes that answer before anybody is signed in, and why.
OPEN = {
    ("GET", "/api/v1/setup"): "says only whether the first admin is still to be made",
    ("POST", "/api/v1/setup"): "takes the token that serve printed",
    ("POST", "/api/v1/session"): "is the sign-in",
    ("GET", "/healthz"): "says ok",
    ("GET", "/readyz"): "says ready",
    ("GET", "/{path:path}"): "is the page's build",
}
# Changes that take more than reading; all others of the API take the role viewer.
LEAST = {
    "analyst": {
        ("POST", "/alerts/triage"),
        ("POST", "/alerts/{id}/notes"),
        ("POST", "/incidents/triage"),
        ("POST", "/incidents/{id}/notes"),
        ("POST", "/incidents/{id}/merge"),
        ("POST", "/incidents/{id}/split"),
        ("POST", "/rules"),
        ("PATCH", "/rules/{id}"),
        ("DELETE", "/rules/{id}"),
        ("POST", "/rules/preview"),
        ("POST", "/rules/{id}/exceptions"),
        ("POST", "/rules/{id}/exceptions/preview"),
        ("DELETE", "/rules/{id}/exceptions/{number}"),
    },
    "admin": {
        ("PUT", "/lists/{name}"),
        ("POST", "/users"),
        ("PATCH", "/users/{name}"),
        ("GET", "/keys"),
        ("POST", "/keys"),
        ("DELETE", "/keys/{id}"),
        ("GET", "/notifications"),
        ("PUT", "/notifications"),
        ("POST", "/notifications/test"),
        ("GET", "/audit"),
    },
}
BODIES: dict[str, Any] = {
    "/alerts/triage": {"ids": ["x"], "change": {}},
    "/incidents/triage": {"ids": ["x"], "change": {}},
}


def routes() -> list[tuple[str, str]]:
    """Every method and path of the application, the included routers' too."""

    def walk(given: Any, prefix: str) -> list[tuple[str, str]]:
        out = []
        for route in given:
            if hasattr(route, "original_router"):
                out += walk(route.original_router.routes, prefix + route.include_context.prefix)
            elif isinstance(route, APIRoute):
                out += [(method, prefix + route.path) for method in sorted((route.methods or set()) - {"HEAD"})]
        return out

    return walk(create(None).routes, "")


def least(method: str, path: str) -> str:
    inside = (method, path.removeprefix("/api/v1"))
    return next((role for role, those in LEAST.items() if inside in those), "viewer")


def test_the_walk_finds_every_route_of_the_openapi() -> None:
    told = create(None).openapi()["paths"]
    described = {(method.upper(), path) for path, methods in told.items() for method in methods}
    assert described <= set(routes())
    assert len(described) > 40
    named = {(method, f"/api/v1{path}") for those in LEAST.values() for method, path in those}
    assert named <= described


@pytest.mark.parametrize(("method", "path"), routes())
def test_every_route_asks_who_calls(story: Story, method: str, path: str) -> None:
    if (method, path) in OPEN:
        return
    target = f"{story.server.url}{path.format(of='events', id='x', name='x', number=1)}"
    nobody = story.server.client().request(method, target, json={})
    assert nobody.status_code == 401, f"{method} {path} answered {nobody.status_code} to nobody"
    forged = story.server.client(cookies={"tocsin_session": "x" * 43}).request(method, target, json={})
    assert forged.status_code == 401
    wrong = story.server.with_key("abc:def").request(method, target, json={})
    assert wrong.status_code == 401


@pytest.mark.parametrize(("method", "path"), [each for each in routes() if each not in OPEN and "/api/v1/" in each[1]])
def test_each_role_may_what_it_may(story: Story, method: str, path: str) -> None:
    if path.endswith(("/live", "/session", "/notifications/test")):
        return  # a stream; it signs out; it sends
    target = f"{story.server.url}{path.format(of='events', id='nobody', name='Nobody', number=999)}"
    body = BODIES.get(path.removeprefix("/api/v1"), {})
    for role in ROLES:
        answer = story.clients[role].request(method, target, json=body)
        may = ROLES.index(role) <= ROLES.index(least(method, path))
        assert (answer.status_code != 403) == may, f"{role} {method} {path}: {answer.status_code} {answer.text[:200]}"


def test_a_change_needs_the_session_s_token(story: Story) -> None:
    client = story.server.signed_in("analyst")
    good = client.headers.pop("X-CSRF")
    body = {"name": "x", "query": "*"}
    assert client.post("/rules/preview", json=body).status_code == 403
    assert client.post("/rules/preview", json=body, headers={"X-CSRF": "x" + good[1:]}).status_code == 403
    assert client.post("/rules/preview", json=body, headers={"X-CSRF": good}).status_code == 200
    cookie = client.post("/session", json={"username": "viewer", "password": PASSWORD}).headers["set-cookie"]
    for flag in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert flag.lower() in cookie.lower()


def test_keys_do_what_their_scopes_say(story: Story) -> None:
    made = {}
    for scope in ("ingest", "read", "write"):
        answer = story.admin.post("/keys", json={"name": f"a {scope} key", "scopes": [scope]})
        assert answer.status_code == 201
        made[scope] = answer.json()
    asked = {"size": 1}
    assert story.server.with_key(made["ingest"]["encoded"]).post("/search", json=asked).status_code == 403
    reading = story.server.with_key(made["read"]["encoded"])
    assert reading.post("/search", json=asked).status_code == 200
    assert reading.get("/me").json()["role"] == "viewer"
    assert reading.post("/alerts/triage", json={"ids": ["x"], "change": {}}).status_code == 403
    writing = story.server.with_key(made["write"]["beats"])
    assert writing.get("/me").json()["role"] == "analyst"
    assert writing.post("/rules/preview", json={"name": "x", "query": "*"}).status_code == 200
    assert writing.get("/keys").status_code == 403
    listed = story.admin.get("/keys").json()
    assert {each["name"] for each in listed} >= {"a read key", "a write key"}
    assert made["read"]["secret"] not in str(listed)
    for each in made.values():
        assert story.admin.delete(f"/keys/{each['key']['id']}").status_code == 204
    assert reading.post("/search", json=asked).status_code == 401
    assert story.admin.delete("/keys/nobody").status_code == 404


@pytest.mark.parametrize("text", ["", ":", "a:", ":b", "%%%", "YTpi", "a:b", "é", "=" * 1000])
def test_split_key_takes_both_spellings(text: str) -> None:
    found = _access.split_key(text)
    assert found == (("a", "b") if text in ("YTpi", "a:b") else None)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of one's own for localhost, and its key."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_path, key_path


@pytest.mark.timeout(900)
def test_off_loopback_with_tls_nothing_answers_without_sign_in_or_key(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    settings = {"TOCSIN_SERVER_TLS_CERT": str(cert), "TOCSIN_SERVER_TLS_KEY": str(key)}
    with started(tmp_path / "data", "--host", "0.0.0.0", **settings) as server:  # type: ignore[arg-type]
        assert server.url.startswith("https://")
        trust = ssl.create_default_context(cafile=str(cert))
        with httpx.Client(verify=trust, trust_env=False, timeout=60) as client:
            answer = client.get(f"{server.url}/api/v1/status")
            assert answer.status_code == 401
            assert "max-age" in answer.headers["strict-transport-security"]
            port = server.bulk.rpartition(":")[2]
            intake = f"https://127.0.0.1:{port}"
            event = b'{"create":{}}\n{"message":"x"}\n'
            lines = {"Content-Type": "application/x-ndjson"}
            assert client.post(f"{intake}/_bulk", content=event, headers=lines).status_code == 401
            assert client.get(intake).status_code == 401
            made = tocsin("key", "add", "a shipper", "--data", server.data)
            assert made.returncode == 0, made.stderr
            beats, encoded = made.stdout.split()
            for spelled in (beats, encoded):
                lines["Authorization"] = f"ApiKey {spelled}"
                sent = client.post(f"{intake}/logs-x-default/_bulk", content=event, headers=lines)
                assert sent.status_code == 200, sent.text
            # The first sign-in's cookie is for HTTPS only.
            answer = client.post(
                f"{server.url}/api/v1/setup",
                json={"token": server.token, "username": "admin", "password": PASSWORD},
            )
            assert "secure" in answer.headers["set-cookie"].lower()
        plain = server.url.replace("https", "http")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{plain}/healthz", trust_env=False)


@pytest.mark.timeout(900)
def test_without_sign_in_only_this_machine_s_names_and_pages_count(tmp_path: Path) -> None:
    with started(tmp_path / "data", "--no-auth") as server, server.client() as client:
        assert client.get("/me").json()["role"] == "admin"
        assert client.get("/status", headers={"Host": "evil.example"}).status_code == 403
        assert client.get("/status", headers={"Host": "127.0.0.1.evil.example:80"}).status_code == 403
        assert client.get("/status", headers={"Host": "localhost:1"}).status_code == 200
        test = "/notifications/test"
        assert client.post(test, headers={"Origin": "https://evil.example"}).status_code == 403
        assert client.post(test, headers={"Origin": "null"}).status_code == 403
        assert client.post(test, headers={"Origin": server.url}).status_code == 200
        assert client.get("/setup").json() == {"needed": False}


def test_without_sign_in_is_refused_off_loopback(tmp_path: Path) -> None:
    for words in (["--host", "0.0.0.0"], ["--host", "::"]):
        refused = tocsin("serve", "--data", tmp_path / "x", "--no-auth", *words)
        assert refused.returncode == 2
        assert "loopback" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "x").exists()
