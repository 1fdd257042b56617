"""Which events an Elastic rule's index patterns mean."""

from __future__ import annotations

import pytest

from tocsin.detect._scope import is_alerts, of_indices
from tocsin.lang.explain import explain
from tocsin.lang.fields import Names
from tocsin.lang.ir import TRUE


def means(pattern: str, dataset: str) -> bool:
    return explain(of_indices([pattern], Names()), {"event.dataset": dataset}).holds


@pytest.mark.parametrize("pattern", ["*", "logs-*", "logs-*-*", "remote:logs-*", "*:*"])
def test_everything_is_no_condition(pattern: str) -> None:
    assert of_indices([pattern, "logs-zeek.http-*"], Names()) == TRUE
    assert of_indices([], Names()) == TRUE


@pytest.mark.parametrize(
    ("pattern", "dataset", "expected"),
    [
        ("logs-zeek.http-*", "zeek.http", True),
        ("logs-zeek.http-*", "zeek.https", False),
        ("logs-zeek.*", "zeek.http", True),
        ("logs-endpoint.events.*", "endpoint.events.network", True),
        ("logs-endpoint.events.*", "windows.sysmon_operational", False),
        ("winlogbeat-*", "system.security", True),
        ("winlogbeat-*", "zeek.http", False),
        ("filebeat-*", "zeek.http", True),
        ("filebeat-*", "windows.powershell_operational", False),
        ("endgame-*", "endgame.process", True),
        ("endgame-*", "zeek.http", False),
        ("my-own", "my-own", True),
    ],
)
def test_a_pattern_means_datasets(pattern: str, dataset: str, expected: bool) -> None:
    assert means(pattern, dataset) is expected


def test_several_are_any_of_them() -> None:
    scope = of_indices(["logs-a.*", "logs-b.c-*"], Names())
    assert [explain(scope, {"event.dataset": d}).holds for d in ("a.x", "b.c", "b.d")] == [True, True, False]
    assert not explain(scope, {}).holds


def test_alerts_are_no_events() -> None:
    assert is_alerts([".alerts-security.*"])
    assert is_alerts(["logs-*", "*:.alerts-security.alerts-default"])
    assert not is_alerts(["logs-endpoint.alerts-*"])
