"""A rule over stored events finds what it would have found in the stream."""

from __future__ import annotations

from tests.pipeline.conftest import Leave, event
from tocsin.lang.ir import TRUE, Equals, Test, all_of
from tocsin.pipeline.core import Core
from tocsin.pipeline.history import candidates, firings_in, hits_in
from tocsin.pipeline.knowledge import Knowledge
from tocsin.ports import Span
from tocsin.store import Store


def test_hindsight_finds_what_the_stream_found(core: Core, held: Store, leave: Leave, knowledge: Knowledge) -> None:
    core.take(*leave([event("alarm"), event("alarm", "bob"), *(event("probe") for _ in range(4)), event("other")]))
    stored = held.search(TRUE, of="alerts", limit=10)
    for name, count in (("query", 2), ("threshold", 1)):
        rule = knowledge.rules[name]
        given = (held, rule, knowledge.types, knowledge.names, knowledge.lists, Span())
        found = firings_in(*given)
        in_stream = [each for each in stored if each["kibana.alert.rule.uuid"] == name]
        assert len(found) == len(in_stream) == count
        assert {e.id for firing in found for e in firing.events} == {
            e for alert in in_stream for e in alert["tocsin.alert.event_ids"]
        }
    assert len(hits_in(held, knowledge.rules["threshold"], *given[2:])) == 4


def test_a_span_bounds_what_is_looked_at(core: Core, held: Store, leave: Leave, knowledge: Knowledge) -> None:
    core.take(*leave([event("alarm")]))
    rule = knowledge.rules["query"]
    assert firings_in(held, rule, knowledge.types, knowledge.names, knowledge.lists, Span(0, 1)) == []


def test_what_only_the_matcher_knows_is_taken_for_met(knowledge: Knowledge) -> None:
    stored = Test(knowledge.names.field("event.action"), Equals(("a",)))
    made = Test(knowledge.names.field("tocsin.ancestor.1.name"), Equals(("cmd.exe",)))
    assert candidates(stored) == stored
    assert candidates(made) == TRUE
    assert candidates(all_of(stored, made)) == stored
