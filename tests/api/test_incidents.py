"""Incidents: the order of the list, and one with its story, why its alerts are one, and its score."""

from __future__ import annotations

from tests.serving import Story
from tocsin.api import _context


def test_the_two_stories_are_never_one(story: Story) -> None:
    page = story.post("/incidents/search", {})
    assert page["total"] == 2
    scores = [each["score"] for each in page["incidents"]]
    assert scores == sorted(scores, reverse=True)
    first = story.post("/incidents/search", {"size": 1})
    second = story.post("/incidents/search", {"size": 1, "after": first["next"]})
    assert second["next"] is None
    assert [each["id"] for each in first["incidents"] + second["incidents"]] == [e["id"] for e in page["incidents"]]
    last = story.post("/incidents/search", {"sort": "last", "size": 1})
    assert last["next"]
    assert story.post("/incidents/search", {"query": "host.name: nobody"})["total"] == 0
    assert story.post("/incidents/search", {"statuses": ["closed"]})["incidents"] == []


def test_the_dropper_is_told_in_order_with_the_cause_of_every_join(story: Story) -> None:
    detail = story.get(f"/incidents/{story.incidents['dropper']['id']}")
    assert len(detail["story"]) == len(detail["alerts"]) == 4
    times = [each["document"]["kibana.alert.start"] for each in detail["alerts"]]
    assert times == sorted(times)
    ids = {each["id"] for each in detail["alerts"]}
    assert len(detail["joins"]) == 3, "four alerts are one by three joins"
    for join in detail["joins"]:
        assert {join["first"], join["second"]} <= ids
        assert join["why"]
        assert join["value"]
    assert round(sum(each["points"] for each in detail["score"])) == round(detail["incident"]["score"])
    assert [each["time"] for each in detail["timeline"]] == sorted(each["time"] for each in detail["timeline"])


def test_the_portal_is_told_by_its_legs(story: Story) -> None:
    detail = story.get(f"/incidents/{story.incidents['portal']['id']}")
    assert len(detail["alerts"]) == 1
    assert detail["joins"] == []
    assert {each["kind"] for each in detail["timeline"]} == {"alert", "event"}


def test_triage_of_an_incident_is_its_own(story: Story) -> None:
    incident = story.incidents["portal"]["id"]
    body = {"ids": [incident], "change": {"status": "closed", "verdict": "benign"}}
    done = story.post("/incidents/triage", body, who="analyst")["triage"][incident]
    assert (done["status"], done["verdict"]) == ("closed", "benign")
    assert story.post("/incidents/search", {})["total"] == 1
    found = story.post("/search", {"of": "incidents", "query": "kibana.alert.workflow_status: closed"})
    assert [each["id"] for each in found["documents"]] == [incident]
    undone = story.post("/incidents/triage", {"ids": [incident], "change": {"status": "open"}}, who="analyst")
    assert undone["triage"][incident]["verdict"] is None
    assert story.post("/incidents/search", {})["total"] == 2
    note = story.post(f"/incidents/{incident}/notes", {"text": "ours"}, who="analyst")
    assert note in story.get(f"/incidents/{incident}")["incident"]["triage"]["notes"]


def test_the_context_is_what_routes_are_given() -> None:
    assert callable(_context.context)
