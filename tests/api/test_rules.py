"""Rules on the page: from a search to a rule that fires, exceptions that hide and count, lists that take effect."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import orjson
import pytest

from tests.serving import Story, eventually


def send(story: Story, *documents: dict[str, Any]) -> None:
    """Events as they are, through the intake."""
    lines = [b'{"create":{}}\n' + orjson.dumps(each) + b"\n" for each in documents]
    answer = httpx.post(
        f"{story.server.bulk}/logs-app.tests-default/_bulk",
        content=b"".join(lines),
        headers={"Content-Type": "application/x-ndjson"},
        trust_env=False,
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    assert not answer.json()["errors"], answer.text


def event(word: str, **more: Any) -> dict[str, Any]:
    from datetime import UTC, datetime

    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    base = {"@timestamp": now, "event": {"dataset": "app.tests", "action": word}, "host": {"name": "t-01"}}
    return {**base, **more, "message": f"{word} {uuid.uuid4()}"}


def alerts_of(story: Story, rule: str, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = story.post("/alerts/search", {"rules": [rule], **more})["alerts"]
    return found


def test_the_list_counts_by_folder(story: Story) -> None:
    page = story.get("/rules")
    assert len(page["rules"]) == sum(folder["total"] for folder in page["folders"])
    assert all(rule["status"] == "ok" for rule in page["rules"]), [r for r in page["rules"] if r["status"] != "ok"]
    fired = {rule["name"]: rule for rule in page["rules"] if rule["alerts_open"]}
    blocks = [rule for rule in page["rules"] if rule["building_block"]]
    assert any(rule["alerts_24h"] for rule in blocks)
    assert not any(rule["alerts_open"] for rule in blocks), "nobody is asked to look at a building block"
    assert fired["Potential Metasploit PowerShell Payload Observed"]["alerts_24h"] >= 1


def test_a_rule_s_page_has_its_evidence(story: Story) -> None:
    detail = story.get(f"/rules/{story.alerts['PowerShell Launched from a Batch File']['rule_id']}")
    assert detail["evidence"]
    assert [case for case in detail["evidence"] if not case["passed"]] == []
    assert detail["misses"]
    assert "approved_scripts" in detail["lists"]
    assert detail["readable"]


def test_from_a_search_to_a_rule_that_fires_and_back(story: Story) -> None:
    word = f"w{uuid.uuid4().hex[:12]}"
    draft = {"name": f"Test {word}", "query": f"event.action: {word}", "severity": "low"}
    send(story, event(word))
    eventually(lambda: story.post("/search", {"query": draft["query"], "size": 0})["total"] == 1)
    preview = story.post("/rules/preview", draft, who="analyst")
    assert (preview["alerts"], preview["events"], preview["histogram"]["total"]) == (1, 1, 1)
    assert preview["samples"][0]["document"]["event.action"] == word
    made = story.post("/rules", draft, who="analyst", status=201)["rule"]
    try:
        assert (made["own"], made["enabled"], made["status"]) == (True, True, "ok")
        # It has looked back over its window, and it looks at what comes.
        assert len(eventually(lambda: alerts_of(story, made["id"]))) == 1
        send(story, event(word))
        eventually(lambda: len(alerts_of(story, made["id"])) == 2)
        # An exception: first what it would hide, then it hides and is counted.
        entry = {"field": "host.name", "value": "t-02"}
        exceptions = f"/rules/{made['id']}/exceptions"
        shown = story.post(f"{exceptions}/preview", {"entries": [entry]}, who="analyst")
        assert (shown["alerts"], shown["total"]) == (0, 2)
        detail = story.post(exceptions, {"entries": [entry], "comment": "ours"}, who="analyst", status=201)
        (exception,) = detail["exceptions"]
        assert (exception["author"], exception["comment"], exception["hidden"]) == ("analyst", "ours", 0)
        quiet = event(word, host={"name": "t-02"})
        loud = event(word, host={"name": "t-03"})
        eventually(lambda: story.viewer.get(f"{story.server.url}/readyz").status_code == 200)
        send(story, quiet, loud)
        eventually(lambda: len(alerts_of(story, made["id"])) == 3)
        hosts = {each["document"]["host.name"] for each in alerts_of(story, made["id"])}
        assert hosts == {"t-01", "t-03"}
        detail = eventually(lambda: (d := story.get(f"/rules/{made['id']}"))["exceptions"][0]["hidden"] == 1 and d)
        number = detail["exceptions"][0]["number"]
        assert story.analyst.delete(f"/rules/nobody/exceptions/{number}").status_code == 404
        assert story.analyst.delete(f"{exceptions}/{number}").json()["exceptions"] == []
        assert story.analyst.delete(f"{exceptions}/{number}").status_code == 404
        # Off: nothing new.
        off = story.analyst.patch(f"/rules/{made['id']}", json={"enabled": False}).json()
        assert not off["rule"]["enabled"]
        eventually(lambda: story.viewer.get(f"{story.server.url}/readyz").status_code == 200)
        send(story, event(word), event(f"after-{word}"))
        eventually(lambda: story.post("/search", {"query": f"event.action: after-{word}", "size": 0})["total"] == 1)
        assert len(alerts_of(story, made["id"])) == 3
    finally:
        close(story, made["id"])
        assert story.analyst.delete(f"/rules/{made['id']}").status_code == 204
    assert story.viewer.get(f"/rules/{made['id']}").status_code == 404


def close(story: Story, rule: str) -> None:
    """Leave the dashboard as it was."""
    ids = [each["id"] for each in alerts_of(story, rule)]
    if ids:
        story.post("/alerts/triage", {"ids": ids, "change": {"status": "closed"}}, who="analyst")


def test_a_threshold_and_a_sequence_are_previewed(story: Story) -> None:
    draft = {
        "name": "Many denials",
        "query": "event.dataset: iptables.log",
        "threshold": {"by": ["source.ip"], "value": 3, "minutes": 5},
    }
    preview = story.post("/rules/preview", draft, who="analyst")
    assert preview["events"] == story.post("/search", {"query": draft["query"], "size": 0})["total"]
    assert 0 < preview["alerts"] < preview["events"]
    sequence = {
        "name": "Start and connect",
        "language": "eql",
        "query": "sequence by process.entity_id [process where true] [network where true]",
    }
    assert story.post("/rules/preview", sequence, who="analyst")["alerts"] > 0


@pytest.mark.parametrize(
    ("draft", "what"),
    [
        ({"query": "event.dataset: ("}, "ends too early"),
        ({"query": "process where x ==", "language": "eql"}, "ends too early"),
        ({"query": "SELECT 1", "language": "sql"}, "sql"),
        ({"query": "title: x", "language": "sigma"}, "detection"),
        ({"query": "- a\n- b", "language": "sigma"}, "mapping"),
    ],
)
def test_a_draft_that_can_not_run_says_where(story: Story, draft: dict[str, Any], what: str) -> None:
    for path in ("/rules", "/rules/preview"):
        problem = story.post(path, {"name": "x", **draft}, who="analyst", status=400)
        assert what in problem["title"].lower(), problem
        if draft.get("language", "kql") in ("kql", "eql"):
            assert problem["problems"][0]["column"] > 1


def test_shipped_rules_are_switched_not_changed(story: Story) -> None:
    shipped = story.alerts["Portal Attacked from One Address"]["rule_id"]
    draft = {"name": "x", "query": "*"}
    assert story.analyst.patch(f"/rules/{shipped}", json={"draft": draft}).status_code == 400
    assert story.analyst.delete(f"/rules/{shipped}").status_code == 400
    sigma = "title: x\nlogsource: {category: process_creation, product: windows}\n"
    sigma += f"detection: {{a: {{CommandLine: c}}, condition: a}}\nid: {shipped}\n"
    if len(shipped) == 36:
        story.post("/rules", {"name": "x", "language": "sigma", "query": sigma}, who="analyst", status=409)


def test_a_list_that_is_edited_takes_effect(story: Story) -> None:
    held = {each["name"]: each for each in story.get("/lists")}
    ports = held["usual_web_ports"]
    assert [row["value"] for row in ports["rows"]] == ["80", "443"]
    assert ports["used_by"]
    for row in ({"value": ""}, {"value": "# 8080"}, {"note": "x"}, {"value": "80", "nobody": "x"}):
        wrong = {**ports, "rows": [row]}
        assert story.admin.put("/lists/usual_web_ports", json=wrong).status_code == 400
    assert story.admin.put("/lists/other", json=ports).status_code == 400
    assert story.admin.put("/lists/..%2fx", json={**ports, "name": "../x"}).status_code in (400, 404, 405)
    assert story.analyst.put("/lists/usual_web_ports", json=ports).status_code == 403
    port = story.alerts["Batch File Downloaded over an Unusual Port"]["document"]["destination.port"]
    alert = story.alerts["Batch File Downloaded over an Unusual Port"]["id"]
    assert story.get(f"/alerts/{alert}")["evidence"]
    more = {**ports, "rows": [*ports["rows"], {**ports["rows"][0], "value": str(port), "note": "a test"}]}
    try:
        changed = story.admin.put("/lists/usual_web_ports", json=more).json()
        assert not changed["shipped"]
        # The port is usual now: the rule's clauses no longer hold of its event.
        clauses = story.get(f"/alerts/{alert}")["evidence"]
        assert clauses == []
    finally:
        back = story.admin.put("/lists/usual_web_ports", json=ports)
        assert back.status_code == 200
