"""`rules check|test|explain|convert|coverage`: the shapes that scripts rely on, and the places of what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
GOOD = """title: A user is made
id: 6d1f3cbe-5ac8-4f5a-9d0e-3e2e5ed4c001
status: test
description: Somebody makes a user.
logsource: {category: process_creation, product: windows}
detection:
  selection: {CommandLine|contains: ' /add'}
  condition: selection
level: low
"""
RECORD = (
    '{"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1, "Image": "C:\\\\x\\\\net.exe",'
    ' "CommandLine": "net user a /add"}'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.yml").write_text(GOOD)
    (tmp_path / "wrong.yml").write_text(GOOD.replace("condition: selection", "condition: sel"))
    return tmp_path


def test_check_says_one_line_a_rule(run: Run, folder: Path) -> None:
    ran = run("rules", "check", folder, "--format", "ndjson")
    assert ran.code == 1
    rows = {Path(row["path"]).stem: row for row in ran.rows}
    for row in rows.values():
        assert set(row) == {"path", "id", "name", "type", "status", "reason"}
    assert rows["good"]["status"] == "ok"
    assert rows["wrong"]["status"] == "invalid"
    assert rows["wrong"]["reason"].startswith("8:")
    assert "selection" in rows["wrong"]["reason"]
    assert run("rules", "check", folder / "good.yml").code == 0


def test_our_own_rules_are_all_in_order(run: Run) -> None:
    ran = run("rules", "check", "--format", "ndjson")
    assert ran.code == 0
    assert {row["status"] for row in ran.rows} == {"ok"}
    covered = run("rules", "coverage")
    assert "T1059.001" in covered.out


def test_evidence_decides_the_exit_code(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(GOOD)
    case = f'{{"as": "windows.sysmon_operational", "expect": "fires", "record": {RECORD}}}\n'
    (tmp_path / "good.test.ndjson").write_text(case)
    ran = run("rules", "test", tmp_path, "--format", "ndjson")
    assert ran.code == 0, ran
    assert [row["passed"] for row in ran.rows] == [True]
    (tmp_path / "good.test.ndjson").write_text(case.replace("/add", "/del"))
    ran = run("rules", "test", tmp_path)
    assert ran.code == 1
    assert "1 failed" in ran.err


def test_explain_shows_which_clause_holds(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(GOOD)
    event = tmp_path / "event.json"
    event.write_text(RECORD + "\n")
    ran = run("rules", "explain", tmp_path / "good.yml", event, "--as", "windows.sysmon_operational")
    assert ran.code == 0, ran
    assert "holds" in ran.out
    assert "net user a /add" in ran.out
    event.write_text(RECORD.replace(" /add", "") + "\n")
    ran = run("rules", "explain", tmp_path / "good.yml", event, "--as", "windows.sysmon_operational")
    assert ran.code == 1
    assert "does not hold" in ran.out


def test_explain_knows_ancestors(run: Run, dropper: Path) -> None:
    from tocsin.pipeline.knowledge import shipped_rules

    rule = shipped_rules() / "windows" / "powershell_from_batch_file.toml"
    (events,) = (dropper / "winlogbeat").glob("*.ndjson")
    ran = run("rules", "explain", rule, events)
    assert ran.code == 0, ran.err
    assert "tocsin.ancestor" in ran.out


def test_convert_gives_sql_or_words(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(GOOD)
    sql = run("rules", "convert", tmp_path / "good.yml")
    assert sql.code == 0
    assert "SELECT * FROM events WHERE" in sql.out
    words = run("rules", "convert", tmp_path / "good.yml", "--to", "text")
    assert "/add" in words.out
    (tmp_path / "good.yml").write_text("title: [")
    wrong = run("rules", "convert", tmp_path / "good.yml")
    assert wrong.code == 2
    assert "Traceback" not in wrong.err
