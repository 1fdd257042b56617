"""Alerts as the page asks for them: every control, exact counts, one with all that explains it, and triage."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving import Story
from tocsin.api import _rows, _triage

DROPPER = {
    "Batch File Downloaded over an Unusual Port",
    "PowerShell Launched from a Batch File",
    "Batch File Downloaded with Invoke-WebRequest",
    "Potential Metasploit PowerShell Payload Observed",
}
PORTAL = "Portal Attacked from One Address"


def names(page: dict[str, Any]) -> set[str]:
    return {each["rule"] for each in page["alerts"]}


def test_the_story_has_its_four_alerts_and_one(story: Story) -> None:
    page = story.post("/alerts/search", {})
    assert names(page) == {*DROPPER, PORTAL}
    assert page["total"] == len(page["alerts"]) == 5
    assert sum(page["by_severity"].values()) == 5
    times = [each["time"] for each in page["alerts"]]
    assert times == sorted(times, reverse=True)


def test_each_control_narrows(story: Story) -> None:
    payload = story.alerts["Potential Metasploit PowerShell Payload Observed"]
    host = payload["document"]["host.name"]
    user = payload["document"]["user.name"]
    asked: list[tuple[dict[str, Any], set[str]]] = [
        ({"severities": ["critical"]}, {payload["rule"]}),
        ({"rules": [payload["rule_id"]]}, {payload["rule"]}),
        ({"incident": payload["incident"]}, DROPPER),
        ({"query": "kibana.alert.rule.name: portal*"}, {PORTAL}),
        ({"filters": [{"field": "kibana.alert.severity", "value": "critical"}]}, {payload["rule"]}),
        ({"statuses": ["closed"]}, set()),
        ({"statuses": []}, {*DROPPER, PORTAL}),
        ({"end": "2001-01-01T00:00:00Z"}, set()),
        ({"start": "now-1d", "end": "now+1d"}, {*DROPPER, PORTAL}),
    ]
    for body, expected in asked:
        assert names(story.post("/alerts/search", body)) == expected, body
    assert names(story.post("/alerts/search", {"hosts": [host]})) >= {payload["rule"]}
    assert PORTAL not in names(story.post("/alerts/search", {"hosts": [host]}))
    assert payload["rule"] in names(story.post("/alerts/search", {"users": [user]}))
    blocks = story.post("/alerts/search", {"building_blocks": True, "size": 10_000})
    assert blocks["total"] > 5
    assert {each["building_block"] for each in blocks["alerts"]} == {True, False}
    whole = story.post("/alerts/search", {"building_blocks": True, "withdrawn": True})
    assert whole["total"] >= blocks["total"]


@pytest.mark.parametrize("sort", ["@timestamp", "kibana.alert.risk_score", "severity", "kibana.alert.rule.name"])
@pytest.mark.parametrize("descending", [True, False])
def test_sorted_pages_are_the_whole_in_order(story: Story, sort: str, descending: bool) -> None:
    body = {"sort": sort, "descending": descending, "building_blocks": True}
    whole = story.post("/alerts/search", {**body, "size": 10_000})["alerts"]
    paged = []
    after = None
    while True:
        page = story.post("/alerts/search", {**body, "size": 40, "after": after})
        paged += page["alerts"]
        after = page["next"]
        if after is None:
            break
    assert [each["id"] for each in paged] == [each["id"] for each in whole]
    levels = ["low", "medium", "high", "critical"]
    key = {
        "@timestamp": lambda a: a["time"],
        "kibana.alert.risk_score": lambda a: a["risk_score"],
        "severity": lambda a: levels.index(a["severity"]),
        "kibana.alert.rule.name": lambda a: a["rule"],
    }[sort]
    values = [key(each) for each in whole]
    assert values == sorted(values, reverse=descending)


def test_a_sort_that_is_none_is_said(story: Story) -> None:
    assert "nobody" in story.post("/alerts/search", {"sort": "nobody"}, status=400)["title"]


def test_the_trend_counts_the_same_alerts(story: Story) -> None:
    page = story.post("/alerts/trend", {})
    assert page["total"] == 5
    assert {name: sum(counts) for name, counts in page["counts"].items()} == story.post("/alerts/search", {})[
        "by_severity"
    ]


@pytest.mark.parametrize("rule", sorted(DROPPER))
def test_an_alert_explains_itself(story: Story, rule: str) -> None:
    alert = story.alerts[rule]
    detail = story.get(f"/alerts/{alert['id']}")
    assert "".join(part["text"] for part in detail["sentence"]) == alert["reason"]
    assert any(part["field"] for part in detail["sentence"])
    assert detail["evidence"], "no clause is shown"
    assert all(each["held"] and each["clause"] for each in detail["evidence"])
    for each in detail["events"]:
        assert story.get(f"/documents/events/{each['id']}")["document"] == each["document"]
    assert detail["events"]
    assert len(detail["suppressed"]) == alert["suppressed"]
    assert {each["alert"]["rule"] for each in detail["related"]} >= DROPPER - {rule}
    assert all(each["why"] for each in detail["related"])
    assert detail["incident"]["id"] == story.incidents["dropper"]["id"]
    assert detail["misses"]
    assert detail["can_analyze"]


def test_a_rule_on_ancestors_shows_them(story: Story) -> None:
    detail = story.get(f"/alerts/{story.alerts['PowerShell Launched from a Batch File']['id']}")
    assert any("ancestor" in each["clause"] or "parent" in each["clause"] for each in detail["evidence"])


def test_a_correlation_is_told_by_its_legs(story: Story) -> None:
    detail = story.get(f"/alerts/{story.alerts[PORTAL]['id']}")
    datasets = {each["document"]["event.dataset"] for each in detail["events"]}
    assert {"iptables.log", "portal.auth"} <= datasets
    assert "a leg of this correlation" in {each["why"] for each in detail["related"]}
    assert not detail["can_analyze"], "no process is in it"


def test_triage_is_compare_and_set_and_seen_by_searches(story: Story) -> None:
    alert = story.alerts["PowerShell Launched from a Batch File"]["id"]
    before = story.get(f"/alerts/{alert}")["alert"]["triage"]["revision"]
    change = {"status": "acknowledged", "assignee": "analyst", "add_tags": ["looked at"]}
    body = {"ids": [alert], "change": change, "revisions": {alert: before}}
    done = story.post("/alerts/triage", body, who="analyst")["triage"][alert]
    assert (done["status"], done["assignee"], done["tags"]) == ("acknowledged", "analyst", ["looked at"])
    assert done["revision"] == before + 1
    assert done["changed_by"] == "analyst"
    conflict = story.post("/alerts/triage", body, who="admin", status=409)
    assert "somebody else" in conflict["title"]
    for query in (
        "kibana.alert.workflow_status: acknowledged",
        "kibana.alert.workflow_assignee_ids: analyst",
        'kibana.alert.workflow_tags: "looked at"',
    ):
        found = story.post("/search", {"of": "alerts", "query": query})
        assert [each["id"] for each in found["documents"]] == [alert], query
    assert story.post("/alerts/search", {})["total"] == 4
    assert story.post("/alerts/search", {"statuses": ["acknowledged"]})["total"] == 1
    back = {"status": "open", "assignee": "", "remove_tags": ["looked at"]}
    undone = story.post("/alerts/triage", {"ids": [alert], "change": back}, who="analyst")["triage"][alert]
    assert (undone["status"], undone["assignee"], undone["tags"]) == ("open", None, [])
    assert story.post("/alerts/search", {})["total"] == 5


def test_one_conflict_changes_nothing(story: Story) -> None:
    first, second = (story.alerts[rule]["id"] for rule in sorted(DROPPER)[:2])
    held = story.get(f"/alerts/{first}")["alert"]["triage"]
    body = {"ids": [first, second], "change": {"status": "closed"}, "revisions": {first: held["revision"], second: 999}}
    story.post("/alerts/triage", body, who="analyst", status=409)
    assert story.get(f"/alerts/{first}")["alert"]["triage"] == held


def test_what_is_not_there_can_not_be_decided(story: Story) -> None:
    for path in ("/alerts/triage", "/incidents/triage"):
        story.post(path, {"ids": ["nobody"], "change": {"status": "closed"}}, who="analyst", status=404)
    for path in ("/alerts/nobody/notes", "/incidents/nobody/notes"):
        story.post(path, {"text": "x"}, who="analyst", status=404)


def test_notes_stay(story: Story) -> None:
    alert = story.alerts[PORTAL]["id"]
    text = "<script>alert(1)</script> \x1b[31m é 💣"
    note = story.post(f"/alerts/{alert}/notes", {"text": text}, who="analyst")
    assert (note["author"], note["text"]) == ("analyst", text)
    assert note in story.get(f"/alerts/{alert}")["alert"]["triage"]["notes"]
    story.post(f"/alerts/{alert}/notes", {"text": ""}, who="analyst", status=422)
    story.post(f"/alerts/{alert}/notes", {"text": "  "}, who="analyst", status=400)


def test_a_rule_that_is_gone_is_still_named() -> None:
    document = {"kibana.alert.rule.uuid": "a", "kibana.alert.rule.name": "b", "kibana.alert.severity": "low"}
    row = _rows.gone_rule(document)
    assert (row.id, row.name, row.enabled, row.status) == ("a", "b", False, "invalid")
    assert _rows.texts(None) == []
    assert _rows.texts(["a", 1]) == ["a", "1"]
    assert set(_triage._TABLES) == {"alert", "incident"}
