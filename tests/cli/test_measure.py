"""`bench` says what it needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_bench_lists_what_it_measures(run: Run) -> None:
    ran = run("bench", "--help")
    assert ran.code == 0
    for word in ("detect", "ingest"):
        assert word in ran.out


def test_bench_of_nothing_is_exit_2(run: Run, tmp_path: Path) -> None:
    ran = run("bench", "detect", tmp_path / "none", "--rules", tmp_path)
    assert ran.code == 2
    assert "Traceback" not in ran.err
