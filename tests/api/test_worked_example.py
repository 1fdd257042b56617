"""The worked example in a real browser: from the sign-in to the Analyzer, against a server that asks who calls."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serving import PASSWORD, Story, environment, started

WEB = Path(__file__).parents[2] / "web"
CI = os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.mark.timeout(900)
def test_an_analyst_sees_the_worked_example(tmp_path: Path, free_port: int, program: Callable[[str], str]) -> None:
    chromium = program("chromium")
    playwright = WEB / "node_modules" / ".bin" / "playwright"
    if not playwright.exists() or not (Path(__file__).parents[2] / "tocsin/api/ui/index.html").exists():
        reason = "the page is not built: make ui"
        if CI:
            pytest.fail(reason)
        pytest.skip(reason)
    with started(tmp_path / "data") as server:
        Story(server)
        variables = environment(
            TOCSIN_URL=server.url,
            TOCSIN_USER="analyst",
            TOCSIN_PASSWORD=PASSWORD,
            TOCSIN_E2E_PORT=str(free_port),
            CHROMIUM=chromium,
        )
        ran = subprocess.run(
            [str(playwright), "test", "e2e/worked-example.spec.ts", "--reporter=line", "--retries=1"],
            cwd=WEB,
            env=variables,
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert "passed" in ran.stdout
