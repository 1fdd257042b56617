"""The comparison with RSigma: what it reads of the two programs.

RSigma itself takes a quarter of an hour to build: a program stands in for it that writes what RSigma 0.23 wrote.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.conftest import line
from tests.bench.test_detect import RULE
from tocsin.bench import rsigma
from tocsin.errors import TocsinError, UsageError

SECOND = RULE.replace("c001", "c002").replace("A shell that makes a user", "Never").replace("/add", "/never")
STAND_IN = """import json, sys
assert sys.argv[1:3] == ["engine", "eval"] and sys.argv[sys.argv.index("-p") + 1] == "sysmon"
for number, line in enumerate(open(sys.argv[-1].removeprefix("@"))):
    event = json.loads(line)
    if "/add" in event["CommandLine"] or number == 1:
        one = number == 1
        print(json.dumps({
            "rule_title": "Never" if one else "A shell that makes a user",
            "rule_id": f"6d1f3cbe-5ac8-4f5a-9d0e-3e2e5ed4c00{2 if one else 1}",
            "level": "medium", "tags": [], "matched_selections": ["selection"],
            "matched_fields": [{"field": "CommandLine", "value": event["CommandLine"]}],
            "event": event,
        }))
"""


def events(path: Path, count: int) -> Path:
    """So many processes, each hundredth of which makes a user."""
    lines = [
        line(number, **({} if number % 100 else {"CommandLine": f"net user x{number} /add"})) for number in range(count)
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "add.yml").write_text(RULE)
    (folder / "never.yml").write_text(SECOND)
    return folder


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o700)
    return path


def test_both_programs_matches_are_set_side_by_side(tmp_path: Path, rules: Path) -> None:
    out = io.StringIO()
    figures = rsigma.run(
        [events(tmp_path / "events.ndjson", 1200)],
        rules,
        program(tmp_path / "rsigma", STAND_IN),
        console=Console(file=out, width=140),
    )
    assert figures["both"] == 12
    assert (figures["only_tocsin"], figures["only_rsigma"]) == ({}, {"Never": 1})
    assert figures["tocsin"]["matches"] == 12
    assert figures["rsigma"]["matches"] == 13
    assert figures["tocsin"]["us"] > 0
    assert "rsigma only: 1 of Never" in out.getvalue()


def test_what_cannot_be_compared_is_said(tmp_path: Path, rules: Path) -> None:
    path = events(tmp_path / "events.ndjson", 1)
    with pytest.raises(UsageError, match="no such program"):
        rsigma.run([path], rules, tmp_path / "nothing")
    with pytest.raises(UsageError, match="fewer than"):
        rsigma.run([path], rules, program(tmp_path / "rsigma", STAND_IN))
    events(path, 1100)
    with pytest.raises(TocsinError, match="rsigma ended with 3: no"):
        failing = program(tmp_path / "rsigma", "import sys\nprint('no', file=sys.stderr)\nsys.exit(3)\n")
        rsigma.run([path], rules, failing)
