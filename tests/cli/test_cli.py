"""What all commands share: wrong use in one line, and options that take many words."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Run
from tocsin.cli import _query, spread


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["nobody"], "nobody"),
        (["scan"], "INPUT"),
        (["search", "x", "--format", "xml"], "xml"),
        (["search", "x", "--nothing"], "--nothing"),
        (["search", "x", "y", "--data", "."], "y"),
        (["search", "x", "--limit", "many"], "--limit"),
        (["rules", "nobody"], "nobody"),
    ],
)
def test_wrong_use_is_one_line_that_says_what(run: Run, words: list[str], what: str) -> None:
    ran = run(*words)
    assert ran.code == 2
    assert ran.out == ""
    (line,) = ran.err.splitlines()
    assert line.startswith("tocsin")
    assert what in line


def test_help_is_a_result(run: Run) -> None:
    ran = run("search", "--help")
    assert ran.code == 0
    assert "--tiebreaker-field" in ran.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("search q --input a b --as raw", "search q --input a --input b --as raw"),
        ("search q --input a b - c", "search q --input a --input b --input - --input c"),
        ("search q --as raw --input a b", "search q --as raw --input a --input b"),
        ("search --input a q", "search --input a q"),
        ("search q --input=a --format json", "search q --input=a --format json"),
        ("scan a b --rules r.yml s.toml --per-file", "scan a b --rules r.yml --rules s.toml --per-file"),
        ("scan --rules r.yml a.log", "scan --rules r.yml a.log"),
        ("scan a --rules r.yml b.log", "scan a --rules r.yml b.log"),
        ("scan --per-file a --rules r.yml s.YML", "scan --per-file a --rules r.yml --rules s.YML"),
        ("normalise a b", "normalise a b"),
        ("", ""),
    ],
)
def test_an_option_takes_the_words_after_it(words: str, expected: str) -> None:
    assert spread(words.split()) == expected.split()


def test_files_after_one_option_are_all_read(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.ndjson").write_bytes(orjson.dumps({"x": name}))
    ran = run("search", "x: *", "--input", tmp_path / "a.ndjson", tmp_path / "b.ndjson", "--format", "ndjson")
    assert [row["event"]["x"] for row in ran.rows] == ["a", "b"]


def test_a_table_on_a_terminal_is_a_page_and_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"event": {"a": number}} for number in range(150)]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    _query.show(iter(rows), ["a"], "table", "events")
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 101
    assert "100 of 150 shown; --limit 150" in shown.err
    _query.show(iter(rows), ["a"], "table", "events", 150)
    assert len(capsys.readouterr().out.splitlines()) == 151
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    _query.show(iter(rows), ["a"], "table", "events")
    assert len(capsys.readouterr().out.splitlines()) == 151
