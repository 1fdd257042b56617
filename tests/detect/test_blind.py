"""Whether a rule can see anything: what no enabled product sets can't hold."""

from __future__ import annotations

import pytest

from tocsin.detect import StepSpec
from tocsin.detect._blind import blind
from tocsin.lang import eql, kql
from tocsin.lang.fields import Names
from tocsin.lang.ir import Query

FIELDS = frozenset({"process.name", "user.name", "winlog.event_data.*"})
DATASETS = frozenset({"windows.security", "zeek.http"})


def why(query: str) -> str:
    return blind([StepSpec(kql.parse(query, Names()))], FIELDS, DATASETS)


@pytest.mark.parametrize(
    "query",
    [
        "process.name: x",
        "winlog.event_data.Anything: x",
        "process.Ext.a: x or user.name: y",
        "not process.Ext.a: x",
        "message: x and event.original: y",
        "tocsin.ancestor.1.name: x",
        "event.dataset: zeek.http",
        "event.dataset: windows.*",
        "*",
    ],
)
def test_sees(query: str) -> None:
    assert why(query) == ""


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("process.Ext.a: x", "no enabled product sets process.Ext.a"),
        ("process.name: x and process.Ext.a: *", "no enabled product sets process.Ext.a"),
        ("process.Ext.a: 1 or process.Ext.b: 2", "no enabled product sets process.Ext.a, process.Ext.b"),
        (
            "process.name: x and event.dataset: aws.cloudtrail",
            "no enabled product sets event.dataset of aws.cloudtrail",
        ),
        ("event.dataset: aws.*", "no enabled product sets event.dataset of aws.*"),
    ],
)
def test_is_blind(query: str, reason: str) -> None:
    assert why(query) == reason


def test_one_blind_step_blinds_a_sequence() -> None:
    seen, unseen = (StepSpec(kql.parse(query, Names())) for query in ("process.name: x", "file.Ext.a: y"))
    assert blind([seen], FIELDS, DATASETS) == ""
    assert "file.Ext.a" in blind([seen, unseen], FIELDS, DATASETS)


def test_functions_read_fields_too() -> None:
    plan = eql.parse("any where length(process.Ext.a) > 3", Names())
    assert isinstance(plan, Query)
    assert "process.Ext.a" in blind([StepSpec(plan.where)], FIELDS, DATASETS)
