"""Hits of a batch: which step each event meets, under which keys, silenced by what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa

from tests.detect.conftest import NOW, SECOND, TYPES, rule
from tocsin.detect import Rule
from tocsin.detect._ancestors import RULE_HOT
from tocsin.detect._hits import KEYS_A_EVENT, HitMaker, batch_of, hits_of
from tocsin.event.batch import BatchBuilder
from tocsin.lang import kql
from tocsin.lang.fields import Names
from tocsin.lang.ir import Count, Field, Query, Sequence, Step
from tocsin.lang.lists import ListTable
from tocsin.ports import HIT_SCHEMA, Hit

NAMES = Names(hot=RULE_HOT)


def batch(*documents: dict[str, Any]) -> pa.RecordBatch:
    builder = BatchBuilder(len(documents))
    given = [
        {"tocsin.id": f"e{n}", "event.dataset": "d", "tocsin.lane": 1, "tocsin.position": n, "tocsin.record": 0, **each}
        for n, each in enumerate(documents)
    ]
    times = pa.array([NOW + n * SECOND for n in range(len(given))], pa.timestamp("us", tz="UTC"))
    builder.put("@timestamp", times)
    builder.put("tocsin.ingested", times)
    for name in sorted({name for each in given for name in each}):
        builder.put(name, [each.get(name) for each in given])
    return builder.finish()


def field(name: str) -> Field:
    return NAMES.field(name)


def made(given: Rule, *documents: dict[str, Any], lists: ListTable | None = None) -> list[Hit]:
    return hits_of(HitMaker([given], TYPES, NAMES, lists or ListTable({})).run(batch(*documents)))


def counting(*by: str, distinct: tuple[str, ...] = ()) -> Rule:
    where = kql.parse("event.action: login", NAMES)
    return rule(Count(where, tuple(map(field, by)), SECOND, 2, distinct=tuple(map(field, distinct))))


LOGIN = {"event.action": "login"}


def test_a_hit_says_where_its_event_is() -> None:
    (hit,) = made(
        rule(Query(kql.parse("event.action: login", NAMES))), {}, {**LOGIN, "host.name": "h", "event.sequence": 7}
    )
    assert hit == Hit("r", "g", 0, (), (), NOW + SECOND, 7, "e1", "d", "h", 1, 1, 0, NOW + SECOND, None)


def test_several_values_are_several_groups_and_null_is_none() -> None:
    hits = made(
        counting("user.name", "source.ip"),
        {**LOGIN, "user.name": "ann", "source.ip": "10.0.0.1"},
        {**LOGIN, "user.name": "bob"},
    )
    assert [hit.key for hit in hits] == [("ann", "10.0.0.1")]
    hits = made(counting("host.ip"), {**LOGIN, "host.ip": ["10.0.0.1", "10.0.0.2"]})
    assert [hit.key for hit in hits] == [("10.0.0.1",), ("10.0.0.2",)]


def test_counted_values_are_each_a_hit_and_a_missing_one_is_null() -> None:
    hits = made(counting("event.dataset", distinct=("host.ip",)), {**LOGIN, "host.ip": ["10.0.0.1", "::1"]}, LOGIN)
    assert [hit.values for hit in hits] == [("10.0.0.1",), ("::1",), (None,)]


def test_keys_compare_exactly_and_numbers_as_numbers() -> None:
    hits = made(counting("user.name"), *({**LOGIN, "user.name": name} for name in ("Ann", "ann", "É", "")))
    assert [hit.key for hit in hits] == [("Ann",), ("ann",), ("É",), ("",)]
    hits = made(counting("my.port"), {**LOGIN, "my.port": 80}, {**LOGIN, "my.port": "80"})
    assert [hit.key for hit in hits] == [("80",), ("80",)]


def test_an_optional_key_may_be_null() -> None:
    where = kql.parse("event.action: login", NAMES)
    step = Step(where, (field("user.name"),), optional_by=(True,))
    hits = made(rule(Sequence((step, step), SECOND)), LOGIN)
    assert [(hit.step, hit.key) for hit in hits] == [(0, (None,)), (1, (None,))]


def test_an_event_of_very_many_values_is_bounded() -> None:
    many = [f"10.0.{n // 250}.{n % 250}" for n in range(2_000)]
    assert len(made(counting("host.ip"), {**LOGIN, "host.ip": many})) == KEYS_A_EVENT


def test_what_a_list_silences_is_a_hit_that_says_so() -> None:
    silencer = kql.parse("user.name: bob", NAMES)
    given = replace(counting("event.dataset"), silencers=(("approved", silencer), ("other", silencer)))
    hits = made(given, {**LOGIN, "user.name": "bob"}, {**LOGIN, "user.name": "ann"}, {"user.name": "bob"})
    assert [(hit.id, hit.silenced) for hit in hits] == [("e0", "approved"), ("e1", None)]


def test_the_client_is_who_the_proxy_speaks_for() -> None:
    lists = ListTable({"trusted_proxies": [{"value": "10.0.0.1"}]})
    hits = made(
        counting("tocsin.client.ip"),
        {**LOGIN, "source.ip": "10.0.0.1", "network.forwarded_ip": "203.0.113.9"},
        {**LOGIN, "source.ip": "192.0.2.1", "network.forwarded_ip": "203.0.113.9"},
        LOGIN,
        lists=lists,
    )
    assert [hit.key for hit in hits] == [("203.0.113.9",), ("192.0.2.1",)]


def test_rules_without_a_plan_are_passed_over() -> None:
    assert made(replace(counting("user.name"), plan=None), LOGIN) == []


def test_hits_and_their_batch_are_the_same() -> None:
    assert batch_of([]).schema == HIT_SCHEMA
    assert hits_of(batch_of([])) == []
    hits = [Hit("r", "g", 1, ("a", None), (), NOW, None, "é", "d", None, 0, 1 << 60, 2, NOW + 1, "list")]
    assert hits_of(batch_of(hits)) == hits
