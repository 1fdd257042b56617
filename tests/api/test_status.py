"""The state of the system: counts that agree with searches, addresses that take events, sources."""

from __future__ import annotations

import httpx

from tests.serving import Story


def test_home_counts_what_is_there(story: Story) -> None:
    page = story.get("/status")
    assert page["events"] == story.post("/search", {"size": 0})["total"]
    assert sum(page["open_alerts"].values()) == story.post("/alerts/search", {})["total"]
    assert page["open_incidents"] == story.post("/incidents/search", {})["total"]
    assert page["rules_enabled"] <= page["rules"]
    assert page["bytes_on_disk"] > 0
    assert page["problems"] == []
    (intake,) = [each for each in page["listeners"] if "_bulk" in each["name"]]
    assert intake["address"] == story.server.bulk
    assert httpx.get(intake["address"], trust_env=False).status_code == 200


def test_sources_count_every_event(story: Story) -> None:
    page = story.get("/sources")
    counts: dict[str, int] = {}
    for each in page["sources"]:
        counts[each["dataset"]] = counts.get(each["dataset"], 0) + each["events"]
    # Not those that tests of `ingest` send twice to the same server: a source sent what it sent, and repeats show once.
    for dataset in ("zeek.connection", "iptables.log", "windows.sysmon_operational"):
        found = story.post("/search", {"query": f"event.dataset: {dataset}", "size": 0})["total"]
        assert counts[dataset] == found
    assert all(each["status"] in ("ok", "silent", "failing") for each in page["sources"])


def test_what_could_not_be_read_is_shown_with_its_reason(story: Story) -> None:
    body = b'{"create":{}}\n{"message":"\xff\xfe broken'
    headers = {"Content-Type": "application/x-ndjson"}
    answer = httpx.post(f"{story.server.bulk}/_bulk", content=body + b"\n", headers=headers, trust_env=False)
    assert answer.status_code in (200, 400)
    page = story.get("/sources")
    for each in page["unparsed"]:
        assert each["error.message"]
