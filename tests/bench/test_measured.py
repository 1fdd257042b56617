"""What a benchmark reads of processes."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from tocsin.bench._measured import Memory, costs, cpu_of, disk_of, pss_of, quantile, share_of


def test_memory_and_time_of_this_process() -> None:
    memory = Memory({"me": psutil.Process()})
    memory.stop()
    assert memory.highest == memory.by_process["me"] > 1_000_000
    assert cpu_of({"me": psutil.Process()})["me"] > 0


def test_a_process_that_is_gone_takes_nothing() -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    assert pss_of(pid) == 0


def test_disk_by_folder(tmp_path: Path) -> None:
    (tmp_path / "store" / "deep").mkdir(parents=True)
    (tmp_path / "store" / "deep" / "a").write_bytes(b"12345")
    (tmp_path / "file").write_bytes(b"1")
    assert disk_of(tmp_path) == {"store": 5}


def test_quantiles_lie_between_bounds() -> None:
    counts = {0.1: 50.0, 1.0: 100.0, float("inf"): 100.0}
    assert quantile(counts, 0.25) == 0.05
    assert quantile(counts, 0.5) == 0.1
    assert abs(quantile(counts, 0.75) - 0.55) < 1e-9
    assert quantile({}, 0.5) == 0.0
    assert quantile({0.1: 0.0, float("inf"): 10.0}, 0.99) == 0.1


def test_costs_are_of_each_run_but_the_first() -> None:
    runs: list[int] = []
    found = costs(lambda: runs.append(1), 3)
    assert len(runs) == 4 and len(found) == 3
    assert all(cost.cpu >= 0 and cost.wall > 0 for cost in found)


def test_a_share_lies_at_or_under_its_value() -> None:
    assert [share_of([3, 1, 2, 4], share) for share in (0.0, 0.5, 0.75, 0.95, 1.0)] == [1, 2, 3, 4, 4]


def test_memory_that_is_no_files_is_less() -> None:
    own = psutil.Process().pid
    assert 0 < pss_of(own, "Anonymous") < pss_of(own, "Rss")
