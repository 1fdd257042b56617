"""Query rules: KQL and EQL, each event an alert of its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.detect.conftest import Stored, rule
from tocsin.detect import Lowering
from tocsin.detect.query import TYPE
from tocsin.errors import UnsupportedError
from tocsin.lang.explain import explain
from tocsin.lang.fields import Names
from tocsin.lang.ir import Plan, Query
from tocsin.lang.lists import ListTable


def lowered(**given: Any) -> Plan | None:
    return TYPE.lower(given, {}, Lowering(Names(), ListTable({}), "r.toml"))


@pytest.mark.parametrize(
    "given",
    [
        {"type": "query", "query": "process.name: EVIL.exe"},
        {"type": "query", "language": "kuery", "query": "process.name: evil*"},
        {"type": "eql", "language": "eql", "query": 'process where process.name == "evil.exe"'},
        {"type": "eql", "query": 'any where process.name : "EVIL.*"'},
    ],
)
def test_reads_kql_and_eql(given: dict[str, Any]) -> None:
    plan = lowered(**given)
    assert isinstance(plan, Query)
    assert explain(plan.where, {"process.name": "evil.exe", "event.category": ["process"]}).holds
    assert not explain(plan.where, {"process.name": "good.exe", "event.category": ["process"]}).holds


def test_a_sequence_is_another_types() -> None:
    assert lowered(type="eql", query="sequence [process where true] [file where true]") is None


def test_other_languages_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="lucene"):
        lowered(type="query", language="lucene", query="a:b")


def test_every_hit_is_an_alert_of_its_own() -> None:
    plan = lowered(type="query", query="*")
    assert isinstance(plan, Query)
    assert TYPE.machine(rule(plan), Stored()) is None
    (step,) = TYPE.steps(plan)
    assert (step.where, step.key, step.values) == (plan.where, (), ())
