"""Counting, and what Prometheus reads of it: parsed by Prometheus' own client."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from tocsin import metrics


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test counts from nothing, and leaves the real figures alone."""
    monkeypatch.setattr(metrics, "_registry", CollectorRegistry())
    monkeypatch.setattr(metrics, "_made", {})
    yield


def series(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_a_page_has_every_kind_of_metric() -> None:
    metrics.counter("tocsin_records", "Records taken.", ["source"]).labels("syslog").inc(5)
    metrics.gauge("tocsin_lag_seconds", "How late.").set(-1.5)
    metrics.histogram("tocsin_search_seconds", "How long.", buckets=(0.1, 1)).observe(0.5)
    assert series(metrics.render()) == {
        ("tocsin_records_total", (("source", "syslog"),)): 5,
        ("tocsin_lag_seconds", ()): -1.5,
        ("tocsin_search_seconds_bucket", (("le", "0.1"),)): 0,
        ("tocsin_search_seconds_bucket", (("le", "1.0"),)): 1,
        ("tocsin_search_seconds_bucket", (("le", "+Inf"),)): 1,
        ("tocsin_search_seconds_count", ()): 1,
        ("tocsin_search_seconds_sum", ()): 0.5,
    }


def test_asking_again_gives_the_same_metric() -> None:
    assert metrics.counter("tocsin_a", "A.", ["x"]) is metrics.counter("tocsin_a", "A.", ("x",))


def test_one_name_is_one_metric() -> None:
    metrics.counter("tocsin_a", "A.", ["x"])
    with pytest.raises(ValueError, match="tocsin_a is there already"):
        metrics.gauge("tocsin_a", "A.", ["x"])
    with pytest.raises(ValueError, match="tocsin_a is there already"):
        metrics.counter("tocsin_a", "A.", ["y"])


def test_labels_by_name_are_labels_by_place() -> None:
    records = metrics.counter("tocsin_records", "Records.", ["source", "why"])
    records.labels("syslog", "cut").inc()
    records.labels(why="cut", source="syslog").inc()
    assert series(metrics.render()) == {("tocsin_records_total", (("source", "syslog"), ("why", "cut"))): 2}
    with pytest.raises(ValueError, match="source, why"):
        records.labels(source="syslog")
    with pytest.raises(ValueError, match="label"):
        records.labels("syslog")
    with pytest.raises(ValueError, match="label"):
        metrics.gauge("tocsin_plain", "No labels.").labels("x")


def test_a_value_from_outside_breaks_no_line() -> None:
    records = metrics.counter("tocsin_records", "Records.", ["source"])
    for value in ['a"} 1\ntocsin_admin 1', "back\\slash", "é\x1b[31m", ""]:
        records.labels(value).inc()
    assert {dict(labels)["source"] for _, labels in series(metrics.render())} == {
        'a"} 1\ntocsin_admin 1',
        "back\\slash",
        "é\x1b[31m",
        "",
    }


def test_labels_invented_without_end_are_counted_together() -> None:
    records = metrics.counter("tocsin_records", "Records.", ["source"])
    for number in range(metrics.MOST_SETS + 500):
        records.labels(f"host-{number}").inc()
    records.labels("host-0").inc()
    found = {dict(labels)["source"]: value for (_, labels), value in series(metrics.render()).items()}
    assert len(found) == metrics.MOST_SETS + 1
    assert found["other"] == 500
    assert found["host-0"] == 2


def test_a_long_value_is_cut() -> None:
    metrics.counter("tocsin_records", "Records.", ["source"]).labels("x" * 1_000_000).inc()
    assert len(metrics.render()) < 1000


def test_threads_lose_no_count() -> None:
    def count(_: int) -> None:
        for number in range(1000):
            metrics.counter("tocsin_records", "Records.", ["source"]).labels(number % 7).inc()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(8)))
    assert sum(series(metrics.render()).values()) == 8000


def test_other_processes_figures_stand_beside_ours() -> None:
    metrics.counter("tocsin_records", "Records.", ["source"]).labels("file").inc(2)
    metrics.gauge("tocsin_bound", "Endless.").set(math.inf)
    theirs = metrics.snapshot()
    page = metrics.render({"worker-1": theirs, "worker-2": theirs})
    assert page.count(b"# TYPE tocsin_records_total counter") == 1
    found = series(page)
    assert found["tocsin_records_total", (("source", "file"),)] == 2
    assert found["tocsin_records_total", (("process", "worker-1"), ("source", "file"))] == 2
    assert found["tocsin_bound", (("process", "worker-2"),)] == math.inf


def test_a_metric_that_only_another_process_has_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics.counter("tocsin_matched", "Events matched.").inc()
    theirs = metrics.snapshot()
    monkeypatch.setattr(metrics, "_registry", CollectorRegistry())
    assert series(metrics.render({"worker-1": theirs})) == {("tocsin_matched_total", (("process", "worker-1"),)): 1}


@pytest.mark.parametrize("data", [b"", b"\xc1", b"[]", msgspec.msgpack.encode({"a": 1})])
def test_bytes_that_are_no_snapshot_are_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        metrics.render({"worker-1": data})
