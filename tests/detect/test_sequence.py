"""Sequences: Elasticsearch's own cases through the real matcher of events, and any order of arrival."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detect.conftest import ALWAYS, NOW, SECOND, TYPES, field, hit, machine, rule, run, standing
from tocsin.detect._hits import HitMaker, hits_of
from tocsin.detect._keys import order
from tocsin.detect.sequence import Matcher
from tocsin.event import time
from tocsin.event.batch import BatchBuilder
from tocsin.lang import eql, ir
from tocsin.lang.fields import Names
from tocsin.lang.lists import ListTable
from tocsin.ports import Firing, Hit, Withdrawal

BY = (field("host.name"),)
A, B, C = (ir.Step(ALWAYS, BY) for _ in range(3))
PAIR = ir.Sequence((A, B), 10 * SECOND)
NO_C = replace(C, missing=True)
EVENTS = {
    "test_queries": ("../test_data.json", "serial_event_id", "timestamp"),
    "additional_test_queries": ("../test_data.json", "serial_event_id", "timestamp"),
    "test_extra": ("extra.data", "sequence", "@timestamp"),
    "test_missing_events": ("missing-events.data", "sequence", "@timestamp"),
}
MAPPING = {"sequenceWithVersionRangeCheck"}  # asks of an index's mapping: a field of type version


def members(found: Sequence[Firing | Withdrawal]) -> list[list[str]]:
    return [[event.id for event in item.events] for item in found if isinstance(item, Firing)]


# ---- Elasticsearch's cases ----


def series(text: str) -> list[tuple[str, list[Hit], list[list[str]]]]:
    """Name, events and results of each case of `sequences.series-spec` (its head explains the notation)."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("//")]
    parts = "\n".join(lines).split("\n;")
    cases = []
    for head, results in zip(parts[::2], parts[1::2], strict=False):
        name, _, events = head.strip("\n").partition("\n")
        hits = []
        for step, line in enumerate(line for line in events.splitlines() if line.strip()):
            for token in line.split():
                key, _, event = token.rpartition("|")
                if not event.endswith("99"):
                    hits.append(hit(int(event[1:]), event, key=(key,), step=step))
        wanted = [[t.rpartition("|")[2] for t in line.split()] for line in results.strip().splitlines()]
        cases.append((name, sorted(hits, key=order), wanted))
    return cases


def test_elasticsearchs_series(shared: Path) -> None:
    wrong = []
    cases = series((shared / "corpora/eql/elasticsearch/sequences_public.series-spec").read_text(encoding="utf-8"))
    for name, hits, wanted in cases:
        steps = max(each.step for each in hits) + 1
        matcher = Matcher(ir.Sequence((A,) * steps))
        keys = dict.fromkeys(each.key for each in hits)
        found = [match.hits for key in keys for match in matcher.run(h for h in hits if h.key == key)]
        told = sorted(([each.id for each in match] for match in found), key=lambda ids: int(ids[-1][1:]))
        if told != wanted:
            wrong.append((name, told, wanted))
    assert len(cases) == 15
    assert wrong == []


def batch(path: Path, id_: str, moment: str) -> tuple[list[dict[str, Any]], pa.RecordBatch]:
    events = json.loads(re.sub(r"(?m)^\s*//.*$", "", path.read_text(encoding="utf-8")).strip())
    flat = [dict(_flat(event)) for event in events]
    builder = BatchBuilder(len(flat))
    builder.put("tocsin.id", [f"{number:06}" for number in range(len(flat))])
    builder.put("@timestamp", pa.array([_time(event[moment]) for event in flat], pa.timestamp("us", tz="UTC")))
    builder.put("event.sequence", [event.get(id_) for event in flat])
    builder.put("tocsin.ingested", pa.array([NOW] * len(flat), pa.timestamp("us", tz="UTC")))
    for name in ("tocsin.lane", "tocsin.position", "tocsin.record"):
        builder.put(name, [0] * len(flat))
    for name in sorted({name for event in flat for name in event} - {"@timestamp"}):
        builder.put(name, [event.get(name) for event in flat])
    return flat, builder.finish()


def _flat(value: dict[str, Any], prefix: str = "") -> Any:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, inner


def _time(value: Any) -> int | None:
    return int(value) * 1000 if isinstance(value, str) and len(value) < 6 else time.read(value)


def test_elasticsearchs_sequences(shared: Path) -> None:
    """From the query and the events, through the matcher of events and the hits' keys, to what is found."""
    folder = shared / "corpora/eql/elasticsearch"
    wrong, count = [], 0
    for name, (data, id_, moment) in EVENTS.items():
        events, made = batch(folder / data, id_, moment)
        for case in tomllib.loads((folder / f"{name}_public.toml").read_text(encoding="utf-8"))["queries"]:
            pipes: list[tuple[str, int]] = []
            plan = eql.parse(case["query"], Names(), category_field="event_type", pipes=pipes)
            if not isinstance(plan, ir.Sequence) or case["name"] in MAPPING:
                continue
            count += 1
            maker = HitMaker([rule(plan)], TYPES, Names(), ListTable({}))
            found, _ = run(rule(plan), [hits_of(maker.run(made))])
            # Ends in order, those of equal ends by their beginnings.
            ids = sorted(members(found), key=lambda each: (each[-1], each))
            for pipe, number in pipes:
                ids = ids[:number] if pipe == "head" else ids[-number:]
            told = [events[int(each)][id_] for match in ids for each in match]
            wanted = case["expected_event_ids"]
            some = wanted if wanted and isinstance(wanted[0], list) else [wanted]
            if told not in [[each for each in one if each != -1] for one in some]:
                wrong.append((case["name"], told, wanted))
    assert wrong == []
    assert count == 69


# ---- what it means ----


def test_keys_do_not_mix_and_an_optional_one_may_be_null() -> None:
    hits = [hit(0, key=("a",)), hit(1, key=("b",), step=1), hit(2, key=(None,)), hit(3, key=(None,), step=1)]
    assert members(run(rule(PAIR), [hits])[0]) == [["e2", "e3"]]


def test_the_span_includes_its_end() -> None:
    assert members(run(rule(PAIR), [[hit(0), hit(10, step=1)]])[0]) == [["e0", "e10"]]
    assert members(run(rule(PAIR), [[hit(0), hit(10.001, step=1)]])[0]) == []


def test_one_event_cannot_follow_itself() -> None:
    both = [hit(1, "one"), hit(1, "one", step=1)]
    assert members(run(rule(PAIR), [both])[0]) == []
    # Of equal times the tie decides.
    ties = [hit(1, "late", tie=1), hit(1, "early", tie=2, step=1)]
    assert members(run(rule(PAIR), [ties])[0]) == [["late", "early"]]
    assert members(run(rule(PAIR), [[ties[0]._replace(tie=2), ties[1]._replace(tie=1)]])[0]) == []


def test_overlapping_sequences_are_each_their_own() -> None:
    plan = ir.Sequence((A, A, A), 100 * SECOND)
    hits = [hit(n, step=step) for n in range(4) for step in range(3)]
    assert sorted(members(run(rule(plan), [hits])[0])) == [["e0", "e1", "e2"], ["e1", "e2", "e3"]]


def test_runs_are_so_many_events() -> None:
    plan = ir.Sequence((A, replace(B, runs=3)), 100 * SECOND)
    hits = [hit(0), *(hit(n, step=1) for n in (1, 2, 3))]
    assert members(run(rule(plan), [hits[:3]])[0]) == []
    assert members(run(rule(plan), [hits])[0]) == [["e0", "e1", "e2", "e3"]]


def test_until_ends_what_has_begun() -> None:
    plan = replace(PAIR, until=C)
    assert members(run(rule(plan), [[hit(0), hit(1, step=2), hit(2, step=1)]])[0]) == []
    assert members(run(rule(plan), [[hit(0, step=2), hit(1), hit(2, step=1), hit(3, step=2)]])[0]) == [["e1", "e2"]]


def test_an_absence_between() -> None:
    plan = ir.Sequence((A, NO_C, B), 10 * SECOND)
    assert members(run(rule(plan), [[hit(0), hit(2, step=2)]])[0]) == [["e0", "e2"]]
    assert members(run(rule(plan), [[hit(0), hit(1, step=1), hit(2, step=2)]])[0]) == []


def test_an_absence_after_counts_once_the_watermark_has_passed() -> None:
    plan = ir.Sequence((A, B, NO_C), 10 * SECOND)
    made = machine(rule(plan))
    assert made.feed([hit(0), hit(1, step=1)], NOW + 10 * SECOND) == []
    assert members(made.feed((), NOW + 10 * SECOND + 1)) == [["e0", "e1"]]
    (gone,) = made.feed([hit(5, step=2)], NOW + 60 * SECOND)
    assert isinstance(gone, Withdrawal)
    assert gone.born == ["e0", "e1"]


def test_what_waits_and_is_answered_is_none() -> None:
    plan = ir.Sequence((A, B, NO_C), 10 * SECOND)
    made = machine(rule(plan))
    made.feed([hit(0), hit(1, step=1)], NOW)
    assert made.feed([hit(9, step=2)], NOW + 9 * SECOND) == []
    assert made.feed((), NOW + 900 * SECOND) == []


def test_what_waited_at_a_restart_is_found_after_it() -> None:
    plan = ir.Sequence((A, B, NO_C), 10 * SECOND)
    feeds = [[hit(0), hit(1, step=1)], [hit(1, step=1)]]
    found, _ = run(rule(plan), feeds, watermark=NOW + 11 * SECOND, restart_before=[1])
    assert {tuple(each) for each in members(found)} == {("e0", "e1")}


def test_a_withdrawal_after_a_restart() -> None:
    plan = ir.Sequence((A, NO_C, B), 10 * SECOND)
    found, _ = run(rule(plan), [[hit(0), hit(2, step=2)], [hit(1, step=1)]], restart_before=[1])
    assert members(found) == [["e0", "e2"]]
    assert isinstance(found[-1], Withdrawal)
    assert standing(found) == set()


def test_an_absence_before_looks_back_past_the_first_event() -> None:
    plan = ir.Sequence((replace(C, missing=True), A, B), 10 * SECOND)
    before, first, second = hit(0), hit(5, step=1), hit(6, step=2)
    assert members(run(rule(plan), [[first, second]])[0]) == [["e5", "e6"]]
    found, _ = run(rule(plan), [[before], [hit(100, step=1)], [second], [first]], restart_before=[1, 3])
    assert standing(found) == set()


def test_without_a_span_the_first_event_may_be_any_time_ago() -> None:
    plan = ir.Sequence((A, B))
    found, _ = run(rule(plan), [[hit(0)], [hit(10**7, "last", step=1)]], restart_before=[1])
    assert members(found) == [["e0", "last"]]


@pytest.mark.parametrize("query", ["sample by a [process where true] [file where true]"])
def test_samples_say_that_they_do_not_run(query: str) -> None:
    from tocsin.detect import Lowering
    from tocsin.detect.sequence import TYPE
    from tocsin.errors import UnsupportedError

    with pytest.raises(UnsupportedError, match="samples"):
        TYPE.lower({"query": query}, {}, Lowering(Names(), ListTable({}), "r.toml"))


PLANS = {
    "pair": PAIR,
    "three": ir.Sequence((A, B, C), 15 * SECOND),
    "until": ir.Sequence((A, B), 15 * SECOND, until=C),
    "between": ir.Sequence((A, replace(B, missing=True), C), 15 * SECOND),
    "before": ir.Sequence((replace(A, missing=True), B, C), 15 * SECOND),
    "after": ir.Sequence((A, B, NO_C), 15 * SECOND),
    "around": ir.Sequence((replace(A, missing=True), B, NO_C), 15 * SECOND),
    "unbounded": ir.Sequence((A, B, C)),
}


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Hit], list[list[Hit]], list[int]]:
    count = draw(st.integers(1, 25))
    hits = [
        hit(draw(st.integers(0, 90)), f"i{n:02}", key=(draw(st.sampled_from("ab")),), step=draw(st.integers(0, 2)))
        for n in range(count)
    ]
    feeds: list[list[Hit]] = [[]]
    for place, each in enumerate(draw(st.permutations(hits))):
        if draw(st.booleans()):
            feeds.append([])
        feeds[-1].append(each._replace(arrival=NOW + place * SECOND, position=place))
    return hits, feeds, draw(st.lists(st.integers(0, len(feeds)), max_size=3))


@settings(max_examples=100)
@given(arrivals(), st.sampled_from(sorted(PLANS)))
def test_any_order_any_split_and_any_restart_finds_the_same(
    case: tuple[list[Hit], list[list[Hit]], list[int]], name: str
) -> None:
    hits, feeds, restarts = case
    made = rule(PLANS[name])
    calm = {
        (repr([("host.name", key[0])]), frozenset(each.id for each in match.hits))
        for key in {each.key for each in hits}
        for match in Matcher(PLANS[name]).run(sorted((h for h in hits if h.key == key), key=order))
    }
    found, _ = run(made, feeds, restart_before=restarts)
    assert standing(found) == calm


# ---- many ----


def test_a_hot_key_is_a_step_a_hit() -> None:
    """100,000 hits of one key within the span, in small feeds: each is looked at once, not all at each feed."""
    plan = ir.Sequence((A, B), 86_400 * SECOND)
    made = machine(rule(plan))
    found = 0
    for start in range(0, 100_000, 100):
        found += len(made.feed([hit(n / 10, f"i{n:06}", step=n % 2) for n in range(start, start + 100)], 0))
    assert found == 50_000


def test_a_hot_key_forgets_what_is_too_old() -> None:
    made = machine(rule(PAIR))
    for start in range(0, 30_000, 100):
        made.feed([hit(n, f"i{n}", step=n % 2) for n in range(start, start + 100)], 0)
    assert made.size() < 10_000
