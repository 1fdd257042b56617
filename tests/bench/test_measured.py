"""What a benchmark reads of processes."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from tocsin.bench._measured import Memory, cpu_of, disk_of, pss_of, quantile


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
