"""Rules from files: Elastic's and Sigma's unmodified, with a status and a reason for what can't run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tocsin.detect import Rule
from tocsin.detect import _load as module
from tocsin.detect._ancestors import RULE_HOT
from tocsin.detect._elastic import duration
from tocsin.detect._load import MAX_BYTES, Loader
from tocsin.detect._sigma import head
from tocsin.errors import TocsinError
from tocsin.event.time import SECOND
from tocsin.lang.explain import explain
from tocsin.lang.fields import Names
from tocsin.lang.ir import Count, Query
from tocsin.lang.lists import ListTable

QUERY = """
[rule]
name = "N"
rule_id = "id-1"
type = "query"
language = "kuery"
query = "process.name: evil.exe"
severity = "high"
risk_score = 73
"""
SIGMA = """
title: S
id: 0f9b3c52-7d1e-4b60-9a55-3f2f6c1f8a11
logsource: {category: process_creation, product: windows}
detection: {s: {Image|endswith: \\evil.exe}, condition: s}
level: informational
tags: [attack.execution, attack.t1059.001]
"""


def loader(**more: Any) -> Loader:
    return Loader(Names(hot=RULE_HOT), ListTable({}), **more)


def read(text: str, path: str = "r.toml", **more: Any) -> Rule:
    (rule,) = loader(**more).text(text, path)
    return rule


def holds(rule: Rule, document: dict[str, Any]) -> bool:
    assert isinstance(rule.plan, Query)
    return explain(rule.plan.where, document).holds


def test_a_rule_is_what_its_file_says() -> None:
    rule = read(QUERY)
    assert (rule.id, rule.name, rule.type, rule.severity, rule.risk_score) == ("id-1", "N", "query", "high", 73.0)
    assert (rule.status, rule.enabled, rule.format, rule.language) == ("ok", True, "elastic", "kql")
    assert holds(rule, {"process.name": "EVIL.exe"})
    assert not holds(rule, {"process.name": "good.exe"})


def test_the_generation_is_of_what_it_matches_and_of_no_words() -> None:
    assert read(QUERY).generation == read(QUERY.replace('"N"', '"M"')).generation
    assert read(QUERY).generation != read(QUERY.replace("evil", "other")).generation


def test_filters_narrow_it() -> None:
    rule = read(
        QUERY + '[[rule.filters]]\n[rule.filters.meta]\nnegate = true\n[rule.filters.query.term]\n"user.name" = "bob"\n'
    )
    assert holds(rule, {"process.name": "evil.exe"})
    assert not holds(rule, {"process.name": "evil.exe", "user.name": "bob"})
    odd = read(QUERY + "[[rule.filters]]\n[rule.filters.query.script]\nscript = 'true'\n")
    assert (odd.status, odd.enabled) == ("unsupported", False)
    assert "'script'" in odd.reason


def test_exceptions_that_stand_elsewhere_are_said() -> None:
    rule = read(QUERY + '[[rule.exceptions_list]]\nlist_id = "endpoint_list"\n')
    assert rule.status == "ok"
    assert "endpoint_list" in rule.warnings[0]


@pytest.mark.parametrize(
    ("index", "yes", "no"),
    [
        ("logs-windows.sysmon_operational-*", "windows.sysmon_operational", "windows.powershell"),
        ("winlogbeat-*", "windows.anything", "zeek.http"),
        ("filebeat-*", "zeek.http", "windows.sysmon_operational"),
        ("logs-*", "zeek.http", None),
        ("remote:logs-zeek.*", "zeek.http", "nginx.access"),
        ("logs-endpoint.events.process-*", "endpoint.events.process", "windows.sysmon_operational"),
    ],
)
def test_its_index_is_its_scope(index: str, yes: str, no: str | None) -> None:
    rule = read(QUERY.replace("severity", f'index = ["{index}"]\nseverity', 1))
    assert holds(rule, {"process.name": "evil.exe", "event.dataset": yes})
    assert no is None or not holds(rule, {"process.name": "evil.exe", "event.dataset": no})


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("x = ", "invalid", "no TOML"),
        ("[other]\n", "invalid", r"no table \[rule\]"),
        (QUERY.replace('name = "N"', ""), "invalid", "needs name"),
        (QUERY.replace('"high"', '"severe"'), "invalid", "'severe' is none of"),
        (QUERY.replace("process.name:", "process.name: ("), "invalid", "expected"),
        (QUERY + "[tocsin]\nmiss = 1\n", "invalid", "no key 'miss'"),
        (QUERY.replace('"query"\n', '"esql"\n', 1), "unsupported", "type esql don't run yet"),
        (QUERY.replace('"query"\n', '"new_terms"\n', 1), "unsupported", "type new_terms don't run yet"),
        (QUERY.replace('"query"\n', '"threat_match"\n', 1), "unsupported", "type threat_match don't run yet"),
        (QUERY.replace('"query"\n', '"machine_learning"\nmachine_learning_job_id = "j"\n', 1), "unsupported", "job j"),
        (QUERY.replace("kuery", "lucene"), "unsupported", "lucene"),
        (QUERY.replace("severity", 'index = [".alerts-security.*"]\nseverity', 1), "unsupported", "reads alerts"),
    ],
)
def test_what_cannot_run_is_there_and_says_why(text: str, status: str, reason: str) -> None:
    rule = read(text)
    assert rule.status == status
    assert rule.plan is None
    assert not rule.enabled
    assert re.search(reason, rule.reason), rule.reason


def test_one_bad_rule_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(QUERY)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "c.toml").write_text(QUERY)
    (tmp_path / "d.toml").write_text(" " * (MAX_BYTES + 1))
    (tmp_path / "e.yml").write_text("title: [")
    (tmp_path / "f.yml").write_text(SIGMA)
    (tmp_path / "g.txt").write_text("no rule")
    (tmp_path / "h.toml").write_text(QUERY.replace("id-1", "id-2").replace('"query"', "{a = 1}"))
    rules = loader().paths([tmp_path])
    assert {Path(rule.path).name: rule.status for rule in rules} == {
        "a.toml": "ok",
        "b.toml": "invalid",
        "c.toml": "invalid",
        "d.toml": "invalid",
        "e.yml": "invalid",
        "f.yml": "ok",
        "h.toml": "invalid",
    }
    (again,) = [rule for rule in rules if rule.path.endswith("c.toml")]
    assert "a.toml" in again.reason
    assert len({rule.id for rule in rules}) == len(rules)
    with pytest.raises(TocsinError, match="no such file"):
        loader().paths([tmp_path / "nowhere"])


def test_a_rule_that_sees_nothing_is_blind() -> None:
    fields, datasets = frozenset({"process.name", "winlog.event_data.*"}), frozenset({"windows.security"})
    assert read(QUERY, provided=fields, datasets=datasets).status == "ok"
    blind = read(QUERY.replace("process.name", "process.Ext.x"), provided=fields, datasets=datasets)
    assert (blind.status, blind.reason) == ("blind", "no enabled product sets process.Ext.x")
    either = QUERY.replace("process.name: evil.exe", "process.Ext.x: 1 or winlog.event_data.Y: 2")
    assert read(either, provided=fields, datasets=datasets).status == "ok"
    absent = QUERY.replace("process.name: evil.exe", "not process.Ext.x: 1")
    assert read(absent, provided=fields, datasets=datasets).status == "ok"
    scoped = QUERY.replace("severity", 'index = ["logs-endpoint.*"]\nseverity', 1)
    assert "event.dataset of endpoint." in read(scoped, provided=fields, datasets=datasets).reason


def test_sigmas_levels_tactics_and_ids() -> None:
    rule = read(SIGMA, "s.yml")
    assert (rule.severity, rule.format, rule.language) == ("low", "sigma", "sigma")
    assert [(t.tactic, t.tactic_name, t.technique) for t in rule.techniques] == [("TA0002", "Execution", "T1059.001")]
    unnamed = [
        read(SIGMA.replace("id: 0f9b3c52-7d1e-4b60-9a55-3f2f6c1f8a11\n", ""), path) for path in ("a.yml", "b.yml")
    ]
    assert unnamed[0].id != unnamed[1].id


def test_sigmas_correlation_makes_its_rules_building_blocks() -> None:
    text = SIGMA.replace("title: S", "title: S\nname: evil") + (
        "---\ntitle: many\nid: 5d4b0c1e-1b0f-4d43-9d0c-5f4d4d8f1b11\n"
        "correlation: {type: event_count, rules: [evil], group-by: [User], timespan: 5m, condition: {gte: 4}}\n"
        "level: high\n"
    )
    single, many = loader().text(text, "s.yml")
    assert single.building_block
    assert isinstance(many.plan, Count)
    assert (many.type, many.plan.low, many.plan.window) == ("threshold", 4, 300 * SECOND)


def test_what_can_be_seen_of_a_broken_one() -> None:
    assert head("title: T\nid: 'x'\n") == {"id": "x", "name": "T"}
    assert read("title: T\nid: x\ndetection: [", "s.yml").name == "T"


@pytest.mark.parametrize(
    ("text", "micros"), [("10m", 600 * SECOND), ("now-9m", 540 * SECOND), ("1 h", 3600 * SECOND), ("5ms", 5000)]
)
def test_durations(text: str, micros: int) -> None:
    assert duration(text) == micros


@pytest.mark.parametrize("text", ["", "m", "-5m", "5y", "now", "5.5m", "now-5m/m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(TocsinError, match="no duration"):
        duration(text)


def _counts(rules: Sequence[Rule]) -> Counter[str]:
    return Counter(rule.status for rule in rules)


@pytest.mark.slow
def test_all_of_elastics_rules_load(shared: Path) -> None:
    rules = loader().paths([shared / "corpora/elastic/rules", shared / "corpora/elastic/rules_building_block"])
    counts = _counts(rules)
    assert counts["invalid"] == 0, [(rule.path, rule.reason) for rule in rules if rule.status == "invalid"][:10]
    assert len(rules) == 2192
    assert counts["ok"] > 1600
    assert all(rule.reason for rule in rules if rule.status == "unsupported")


@pytest.mark.slow
def test_all_of_sigmas_rules_load(shared: Path) -> None:
    folders = ["rules", "rules-compliance", "rules-emerging-threats", "rules-threat-hunting"]
    rules = loader().paths([shared / "corpora/sigma" / name for name in folders])
    counts = _counts(rules)
    assert counts["invalid"] == 0, [(rule.path, rule.reason) for rule in rules if rule.status == "invalid"][:10]
    assert counts["ok"] > 3700
    assert all(rule.reason for rule in rules if rule.status == "unsupported")


def test_every_rule_type_names_its_plan() -> None:
    assert {"query", "threshold", "sequence", "correlation"} <= set(module.types())
