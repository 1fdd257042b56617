"""A preview counts what suppression leaves, as the alert engine would."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from tests.api.test_rules import event, send
from tests.serving import Story, eventually
from tocsin.api._suppress import of_events, standing
from tocsin.detect import Suppression
from tocsin.event import time
from tocsin.event.time import SECOND


def at(second: int, user: str | None = "ann") -> dict[str, Any]:
    document: dict[str, Any] = {"@timestamp": time.iso(second * SECOND)}
    return document if user is None else {**document, "user.name": user}


def left(documents: list[dict[str, Any]], missing: Literal["suppress", "separate"] = "suppress") -> list[int]:
    found = standing(documents, Suppression(("user.name",), 60 * SECOND, missing))
    return [(time.read(each["@timestamp"]) or 0) // SECOND for each in found]


def test_the_first_of_a_group_stands_until_a_window_has_passed() -> None:
    assert left([at(0), at(10), at(20, "bob"), at(59), at(60), at(100), at(120)]) == [0, 20, 60, 120]


def test_a_missing_value_is_a_group_or_suppresses_nothing() -> None:
    documents = [at(0, None), at(1, None), at(2)]
    assert left(documents) == [0, 2]
    assert left(documents, "separate") == [0, 1, 2]


def test_several_events_are_what_they_have_in_common() -> None:
    assert of_events([{**at(0), "a": 1}, {**at(5), "a": 2}]) == at(5)


def test_a_preview_counts_what_stands(story: Story) -> None:
    word = f"w{uuid.uuid4().hex[:12]}"
    send(story, *(event(word) for _ in range(4)), event(word, host={"name": "t-02"}))
    draft = {"name": word, "query": f"event.action: {word}", "severity": "low"}
    eventually(lambda: story.post("/search", {"query": draft["query"], "size": 0})["total"] == 5)
    plain = story.post("/rules/preview", draft, who="analyst")
    assert (plain["alerts"], plain["events"]) == (5, 5)
    quiet = story.post("/rules/preview", {**draft, "suppress_by": ["host.name"], "suppress_minutes": 60}, who="analyst")
    assert (quiet["alerts"], quiet["events"]) == (2, 5)
    counted = {"by": ["host.name"], "value": 2, "minutes": 10, "distinct": None, "distinct_value": None}
    both = {**draft, "threshold": counted, "suppress_by": ["event.action"], "suppress_minutes": 60}
    assert story.post("/rules/preview", both, who="analyst")["alerts"] == 1
