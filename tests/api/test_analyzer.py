"""What the Analyzer's routes refuse; what they answer is in test_graph."""

from __future__ import annotations

import pytest

from tests.serving import Story


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"alert": "nobody"}, 404),
        ({"event": "nobody"}, 404),
        ({"alert": ""}, 400),
    ],
)
def test_a_graph_needs_something_to_begin_at(story: Story, query: dict[str, str], status: int) -> None:
    assert story.viewer.get("/analyzer", params=query).status_code == status


@pytest.mark.parametrize(
    "node", ["p:nobody", "s:nobody:x.bat", "c:nobody:192.0.2.1:80", "c:nobody:2001:db8::1:80", "", "x"]
)
def test_a_node_that_is_none_has_no_events(story: Story, node: str) -> None:
    alert = story.alerts["Potential Metasploit PowerShell Payload Observed"]["id"]
    answer = story.viewer.get("/analyzer/events", params={"node": node, "graph": alert})
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 200:
        assert answer.json()["total"] == 0
    assert story.viewer.get("/analyzer/events", params={"node": node, "graph": "nobody"}).status_code == 404
    assert story.viewer.get("/analyzer/events", params={"node": node, "graph": alert, "limit": 0}).status_code == 422
