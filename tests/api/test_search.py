"""Searching answers exactly what is stored: pages, counts, filters, sequences, completion."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving import Story
from tocsin.api import _asked
from tocsin.api.models.search import Filter, SearchRequest
from tocsin.errors import UnsupportedError, UsageError
from tocsin.event.schema import HOT
from tocsin.lang.fields import Names

NAMES = Names((), HOT)


def everything(story: Story, size: int, **more: Any) -> list[dict[str, Any]]:
    """All documents of a query, page by page."""
    out: list[dict[str, Any]] = []
    after = None
    while True:
        page = story.post("/search", {"size": size, "after": after, **more})
        out += page["documents"]
        after = page["next"]
        if after is None:
            return out
        assert len(page["documents"]) == size


@pytest.mark.parametrize("oldest_first", [False, True])
def test_pages_hold_each_document_once_though_times_tie(story: Story, oldest_first: bool) -> None:
    query = {"query": "event.dataset: iptables.log", "oldest_first": oldest_first}
    whole = story.post("/search", {"size": 10_000, **query})
    paged = everything(story, 7, **query)
    times = [each["time"] for each in paged]
    assert len(set(times)) < len(times), "no two have the same time, so this shows nothing"
    assert [each["id"] for each in paged] == [each["id"] for each in whole["documents"]]
    assert len({each["id"] for each in paged}) == whole["total"] == len(paged)
    assert times == sorted(times, reverse=not oldest_first)


def test_a_page_of_nothing_still_counts(story: Story) -> None:
    page = story.post("/search", {"size": 0})
    assert page["documents"] == []
    assert page["total"] == story.get("/status")["events"]
    assert page["next"] is None


def test_fields_keep_the_names_that_were_asked_for(story: Story) -> None:
    fields = ["http.response.code", "url.path", "event.action"]
    page = story.post("/search", {"query": "event.dataset: zeek.http", "fields": fields, "size": 3})
    assert page["next"], "the next page can be asked for though no time was"
    for each in page["documents"]:
        assert set(each["document"]) <= set(fields)
        assert isinstance(each["document"]["http.response.code"], int)


def test_histogram_top_and_present_count_the_same(story: Story) -> None:
    total = story.post("/search", {"size": 0})["total"]
    for by in (None, "event.dataset"):
        page = story.post("/histogram", {"by": by, "buckets": 50})
        assert page["total"] == total == sum(map(sum, page["counts"].values()))
    top = story.post("/top", {"field": "event.dataset", "limit": 100})
    assert sum(each["count"] for each in top["values"]) == top["total"] == total
    assert top["missing"] == 0
    counts = [each["count"] for each in top["values"]]
    assert counts == sorted(counts, reverse=True)
    for each in top["values"][:3]:
        found = story.post("/search", {"query": f'event.dataset: "{each["value"]}"', "size": 0})
        assert found["total"] == each["count"]
    assert story.post("/present", {"query": "event.dataset: zeek.http"})["url.path"] > 0
    assert "url.path" not in story.post("/present", {"query": "event.dataset: iptables.log"})
    nobody = story.post("/top", {"field": "nobody.set.this"})
    assert (nobody["values"], nobody["total"], nobody["missing"]) == ([], 0, total)


def test_a_bucket_s_events_are_those_of_its_time(story: Story) -> None:
    newest = story.post("/search", {"size": 1})["documents"][0]["time"]
    page = story.post("/histogram", {"start": f"{newest}||-5m", "end": newest, "buckets": 5})
    found = story.post("/search", {"start": f"{newest}||-5m", "end": newest, "size": 0})
    assert page["total"] == found["total"] > 0


FILTERS = [
    ({"field": "event.dataset", "value": "zeek.http"}, "event.dataset: zeek.http"),
    ({"field": "event.dataset", "value": "zeek.http", "negate": True}, "not event.dataset: zeek.http"),
    (
        {"field": "event.dataset", "operator": "is_one_of", "value": ["zeek.http", "zeek.dns"]},
        "event.dataset: (zeek.http or zeek.dns)",
    ),
    ({"field": "url.path", "operator": "exists"}, "url.path: *"),
    ({"field": "destination.port", "operator": "between", "value": [80, 81]}, "destination.port: 80"),
    ({"field": "destination.port", "value": "53"}, "destination.port: 53"),
    (
        {"field": "source.ip", "operator": "between", "value": ["10.0.0.0", "11.0.0.0"]},
        "source.ip: 10.0.0.0/8",
    ),
    ({"field": "http.response.code", "value": 200}, "http.response.status_code: 200"),
    ({"field": "process.name", "operator": "matches", "value": "POWER*.exe"}, "process.name: power*.exe"),
    ({"field": "process.name", "value": "nobody", "disabled": True}, ""),
]


@pytest.mark.parametrize(("pill", "query"), FILTERS)
def test_a_filter_finds_what_the_query_finds(story: Story, pill: dict[str, Any], query: str) -> None:
    by_filter = story.post("/search", {"filters": [pill], "size": 0})["total"]
    by_query = story.post("/search", {"query": query, "size": 0})["total"]
    assert by_filter == by_query > 0


def test_sequences_come_in_order_and_in_pages(story: Story) -> None:
    query = (
        "sequence by process.entity_id with maxspan=1m"
        ' [process where event.type == "start" and process.name : "powershell.exe"]'
        " [network where destination.port != null]"
    )
    whole = story.post("/search", {"query": query, "language": "eql", "size": 100})
    assert whole["total"] == len(whole["sequences"]) >= 2
    for first, second in whole["sequences"]:
        assert first["document"]["process.entity_id"] == second["document"]["process.entity_id"]
        assert first["time"] <= second["time"]
    pages = []
    after = None
    while True:
        page = story.post("/search", {"query": query, "language": "eql", "size": 1, "after": after})
        pages += page["sequences"]
        after = page["next"]
        if after is None:
            break
    assert pages == whole["sequences"]
    oldest = story.post("/search", {"query": query, "language": "eql", "size": 100, "oldest_first": True})
    assert oldest["sequences"] == whole["sequences"][::-1]
    refused = story.post(
        "/search", {"query": query, "language": "eql", "filters": [{"field": "x", "operator": "exists"}]}, status=400
    )
    assert "filters" in refused["title"]


SIGMA = """
title: A batch file runs
logsource: {category: process_creation, product: windows}
detection:
  selection: {CommandLine|contains: testing.bat}
  condition: selection
"""


def test_sigma_searches_events(story: Story) -> None:
    found = story.post("/search", {"query": SIGMA, "language": "sigma"})
    assert found["total"] == len(found["documents"]) >= 1
    assert all("testing.bat" in each["document"]["process.command_line"] for each in found["documents"])


def test_sql_is_not_there_yet_and_says_so(story: Story) -> None:
    problem = story.post("/search", {"query": "SELECT 1", "language": "sql"}, who="admin", status=400)
    assert "sql" in problem["title"]


def test_a_search_of_fields_tests_all_of_the_map(story: Story) -> None:
    """Fields that no column has stand in the map; asking for others must not hide them from the query."""
    query = "tocsin.incident.state: active"
    found = story.post("/search", {"of": "incidents", "query": query, "fields": ["tocsin.incident.title"]})
    assert len(found["documents"]) == found["total"] == 2


def test_completion_counts_as_browsers_do(story: Story) -> None:
    text = 'message: "💣" and event.datas'
    units = len(text.encode("utf-16-le")) // 2
    (first, *_) = story.post("/complete", {"text": text, "cursor": units})
    assert first["insert"].startswith("event.dataset")
    assert first["kind"] == "field"
    encoded = text.encode("utf-16-le")
    assert encoded[first["start"] * 2 : first["end"] * 2].decode("utf-16-le") == "event.datas"
    values = story.post("/complete", {"text": "event.dataset: zeek.h", "cursor": 21})
    assert any("zeek.http" in each["insert"] for each in values)
    for cursor in (-5, 10**9):
        story.post("/complete", {"text": "a", "cursor": cursor})


def test_fields_say_their_kind_and_alias(story: Story) -> None:
    found = {each["name"]: each for each in story.get("/fields", q="response code")}
    assert found["http.response.code"]["alias_of"] == "http.response.status_code"
    assert found["http.response.status_code"]["kind"] == "long"
    assert all("response" in name and "code" in name for name in found)


def test_a_document_is_found_by_its_id(story: Story) -> None:
    (one,) = story.post("/search", {"size": 1})["documents"]
    assert story.get(f"/documents/events/{one['id']}") == one


def test_what_is_asked_is_one_predicate() -> None:
    request = SearchRequest(query="sequence [any where true] [any where true]", language="eql")
    with pytest.raises(UnsupportedError):
        _asked.where(request, NAMES)
    with pytest.raises(UsageError):
        _asked.span_of("yesterday", None)
    with pytest.raises(UsageError):
        _asked.of_filter(Filter(field="destination.port", operator="between", value=1), NAMES)
