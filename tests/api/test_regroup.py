"""Merges and splits by hand, on a server that restarts, and what people did as a timeline tells it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.serving import Server, eventually, started
from tocsin.api._regroup import _words
from tocsin.cli._webhook import Webhook


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a server whose incidents are merged and split."""
    return tmp_path_factory.mktemp("regroup") / "data"


RULE = """[rule]
name = "{name}"
rule_id = "{name}"
type = "query"
language = "kuery"
query = 'event.action: "{name}"'
severity = "high"
risk_score = 73
"""


def test_people_merge_and_split_and_it_outlives_a_restart(own: Path) -> None:
    """Two incidents of two alerts each; by hand one, then without one alert of it; told by updates, not by pages."""
    webhook = Webhook()
    rules = own.parent / "rules"
    rules.mkdir(parents=True)
    for name in ("first", "second"):
        (rules / f"{name}.toml").write_text(RULE.format(name=name))
    words = ("--no-auth", "--rules", str(rules))
    serve = partial(started, own, *words, TOCSIN_NOTIFY_URLS=webhook.url, TOCSIN_RULES_SHIPPED="false")
    try:
        with serve() as server, server.client() as client:
            tell(server)

            def found() -> list[dict[str, Any]]:
                rows: list[dict[str, Any]] = client.post("/incidents/search", json={}).json()["incidents"]
                return rows

            eventually(lambda: sorted(each["alerts"] for each in found()) == [2, 2])
            eventually(lambda: len(webhook.incidents()) == 2)
            older, newer = sorted((each["id"] for each in found()), key=lambda each: age(client, each))
            assert client.post(f"/incidents/{newer}/merge", json={"incidents": [newer]}).status_code == 400
            assert client.post(f"/incidents/{newer}/merge", json={"incidents": ["none"]}).status_code == 404
            merged = client.post(f"/incidents/{newer}/merge", json={"incidents": [older]})
            assert merged.status_code == 200, merged.text
            (one,) = merged.json()["incidents"]
            assert (one["id"], one["alerts"], merged.json()["alone"]) == (older, 4, [])
            assert [each["id"] for each in found()] == [older]
            detail = client.get(f"/incidents/{newer}").json()
            assert detail["incident"]["id"] == older, "the other is an alias"
            assert any(join["why"].endswith(" were joined by hand") for join in detail["joins"])
            change = {"assignee": "ann", "status": "acknowledged"}
            assert client.post("/incidents/triage", json={"ids": [older], "change": change}).status_code == 200
            leaving = [each["id"] for each in detail["alerts"] if each["rule"] == "second"]
            assert client.post(f"/incidents/{older}/split", json={"alerts": ["none"]}).status_code == 409
            everyone = [each["id"] for each in detail["alerts"]]
            assert client.post(f"/incidents/{older}/split", json={"alerts": everyone}).status_code == 400
            parted = client.post(f"/incidents/{older}/split", json={"alerts": leaving[:1]}).json()
            assert [each["alerts"] for each in parted["incidents"]] == [3]
            assert parted["alone"] == leaving[:1]
            timeline = client.get(f"/incidents/{older}").json()["timeline"]
            told = [said(each) for each in timeline if each["kind"] == "triage"]
            title = "first on h2" if "h2" in told[0] else "first on h1"
            assert told == [
                f"local merged it with {title}",
                "local acknowledged it",
                "local assigned it to ann",
                "local split an alert off",
            ]
            actions = [each["action"] for each in client.get("/audit").json()]
            assert {"merge incidents", "split incidents"} <= set(actions)
        with serve() as server, server.client() as client:
            tell(server, "h2")  # more of it: the decisions hold
            eventually(lambda: client.get("/status").json()["events"] == 6)
            search = partial(client.post, "/incidents/search", json={"statuses": ["acknowledged"]})
            eventually(lambda: [each["alerts"] for each in search().json()["incidents"]] == [5])
            alone = client.get(f"/alerts/{leaving[0]}").json()
            assert alone["incident"] is None
        assert len(webhook.incidents()) == 2
        assert any(title.startswith("Update: ") for title in webhook._titles)
    finally:
        webhook.stop()


def age(client: httpx.Client, incident: str) -> str:
    return str(client.get(f"/incidents/{incident}").json()["incident"]["first"])


def said(moment: dict[str, Any]) -> str:
    return "".join(part["text"] for part in moment["title"])


def tell(server: Server, *hosts: str) -> None:
    """On each host a process does what two rules look for."""
    body = b""
    for host in hosts or ("h1", "h2"):
        for action in ("first", "second"):
            document = {
                "@timestamp": f"2026-01-0{host[1]}T00:00:00Z",
                "event": {"dataset": "t", "action": action, "id": str(len(hosts))},
                "network": {"community_id": f"1:{host}"},
                "host": {"name": host},
            }
            body += b'{"create":{}}\n' + orjson.dumps(document) + b"\n"
    kind = {"Content-Type": "application/x-ndjson"}
    sent = httpx.post(f"{server.bulk}/logs-t-t/_bulk", content=body, headers=kind, trust_env=False, timeout=60)
    assert sent.status_code == 200


@pytest.mark.parametrize(
    ("what", "value", "words"),
    [
        ("status", "open", "opened it again"),
        ("verdict", "false_positive", "called it a false positive"),
        ("verdict", "", "took the verdict back"),
        ("assignee", "", "took it from whom it was assigned to"),
        ("nothing", "known", ""),
    ],
)
def test_deeds_are_told_in_words(what: str, value: str, words: str) -> None:
    assert _words(what, value) == words
