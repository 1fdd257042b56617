"""`normalise`, `scan` and `search`: the shapes that scripts rely on, over files and over stores."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Story, tocsin
from tocsin.cli import _inputs, _output, _query
from tocsin.errors import UsageError

Run = Callable[..., Any]
FOUR = {
    "Batch File Downloaded over an Unusual Port",
    "PowerShell Launched from a Batch File",
    "Batch File Downloaded with Invoke-WebRequest",
    "Potential Metasploit PowerShell Payload Observed",
}


def test_normalise_gives_nested_documents_in_input_order(run: Run, dropper: Path) -> None:
    ran = run("normalise", dropper / "zeek" / "http.log", "--as", "zeek.http")
    assert ran.code == 0, ran.err
    assert [row["event"]["dataset"] for row in ran.rows] == ["zeek.http"] * len(ran.rows)
    assert ran.rows[0]["http"]["request"]["method"] == "GET"
    assert not any("tocsin" in row for row in ran.rows)
    lines = [line for line in (dropper / "zeek/http.log").read_text().splitlines() if line[0] != "#"]
    assert len(lines) == len(ran.rows)
    for line, row in zip(lines, ran.rows, strict=True):
        assert row["url"]["path"] in line
        assert row["source"]["ip"] in line


def test_normalise_says_what_it_could_not_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text('{"ts": "noon"}\n')
    ran = run("normalise", tmp_path / "x.log", "--as", "zeek.http")
    assert ran.code == 1
    assert ran.rows[0]["event"]["dataset"] == "tocsin.unparsed"
    assert ran.rows[0]["error"]["message"]


def test_scan_writes_one_line_a_match(run: Run, dropper: Path) -> None:
    ran = run("scan", dropper, "--format", "ndjson")
    assert ran.code == 0, ran.err
    assert {row["rule"]["name"] for row in ran.rows} >= FOUR
    for row in ran.rows:
        assert set(row) == {"rule", "severity", "timestamp", "events", "matched"}
        assert set(row["rule"]) == {"id", "name", "source"}
        assert Path(row["rule"]["source"]).is_file()
        assert isinstance(row["matched"], dict)
        for event in row["events"]:
            assert set(event) == {"file", "record"}
            assert Path(event["file"]).is_file()
    times = [row["timestamp"] for row in ran.rows]
    assert times == sorted(times)


def test_scan_counts_records_from_0_without_headers(run: Run, dropper: Path) -> None:
    ran = run("scan", dropper / "zeek", "--format", "ndjson")
    (first, *_) = [row for row in ran.rows if row["rule"]["name"] == "Batch File Downloaded over an Unusual Port"]
    (event,) = first["events"]
    lines = [line for line in Path(event["file"]).read_text().splitlines() if not line.startswith("#")]
    assert ".bat" in lines[event["record"]]


def test_lists_and_exceptions_silence(run: Run, dropper: Path, tmp_path: Path) -> None:
    name = "Batch File Downloaded over an Unusual Port"
    whole = run("scan", dropper / "zeek", "--format", "ndjson").rows
    (match, *_) = [row for row in whole if row["rule"]["name"] == name]
    ports = tmp_path / "lists"
    ports.mkdir()
    (ports / "usual_web_ports.csv").write_text(
        f"value,note\n80,\n443,\n{match['matched']['destination.port'][0]},here\n"
    )
    listed = run("scan", dropper / "zeek", "--lists", ports, "--format", "ndjson").rows
    assert name not in {row["rule"]["name"] for row in listed}
    exceptions = tmp_path / "exceptions.ndjson"
    exceptions.write_text(json.dumps({"rule": match["rule"]["id"], "query": "url.extension: bat"}) + "\n\n")
    excepted = run("scan", dropper / "zeek", "--exceptions", exceptions, "--format", "ndjson").rows
    assert match["rule"]["id"] not in {row["rule"]["id"] for row in excepted}
    assert len(excepted) < len(whole)
    exceptions.write_text("{}\n")
    wrong = run("scan", dropper / "zeek", "--exceptions", exceptions)
    assert wrong.code == 2
    assert "exceptions.ndjson:1" in wrong.err


def test_files_are_one_stream_or_each_its_own(run: Run, tmp_path: Path) -> None:
    """A sequence over two files is found in one stream, and not where files are kept apart."""
    for number in (1, 2):
        at = f"2026-01-01T00:00:0{number}Z"
        document = {"@timestamp": at, "event": {"dataset": "app.x", "action": f"a{number}"}, "host": {"name": "h"}}
        (tmp_path / f"{number}.ndjson").write_text(json.dumps(document) + "\n")
    rule = tmp_path / "rule.toml"
    rule.write_text(
        '[rule]\nrule_id = "r"\nname = "Two steps"\ndescription = "x"\nseverity = "low"\nrisk_score = 21\n'
        'type = "eql"\nlanguage = "eql"\nindex = ["*"]\n'
        'query = \'sequence by host.name [any where event.action == "a1"] [any where event.action == "a2"]\'\n'
    )
    files = (tmp_path / "1.ndjson", tmp_path / "2.ndjson")
    (found,) = run("scan", *files, "--rules", rule, "--format", "ndjson").rows
    assert [(Path(each["file"]).name, each["record"]) for each in found["events"]] == [("1.ndjson", 0), ("2.ndjson", 0)]
    apart = run("scan", *files, "--rules", rule, "--per-file", "--format", "ndjson")
    assert (apart.code, apart.out) == (0, "")


QUERIES = [
    ("kql", "event.dataset: zeek.http and http.response.code: 200"),
    ("kql", "process.name: powershell.exe"),
    ("eql", 'process where process.name : "powershell.exe"'),
    ("eql", "sequence by process.entity_id [process where true] [network where true]"),
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("lang", "query"), QUERIES)
def test_files_and_a_store_at_rest_find_the_same(
    run: Run, dropper: Path, tmp_path_factory: pytest.TempPathFactory, lang: str, query: str
) -> None:
    store = tmp_path_factory.getbasetemp() / "at-rest"
    if not store.exists():
        ran = run("ingest", dropper, "--data", store)
        assert ran.code == 0, ran.err
        assert ran.out == ""
    in_files = run("search", query, "--lang", lang, "--input", dropper, "--format", "ndjson")
    at_rest = run("search", query, "--lang", lang, "--data", store, "--format", "ndjson")
    assert (in_files.code, at_rest.code) == (0, 0), in_files.err + at_rest.err

    def ids(row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(each["event"]["tocsin"]["id"] for each in row.get("events", [row]))

    assert in_files.rows
    assert sorted(map(ids, in_files.rows)) == sorted(map(ids, at_rest.rows))
    for row in in_files.rows:
        assert all(set(each) == {"file", "record", "event"} for each in row.get("events", [row]))
    for row in at_rest.rows:
        assert all(set(each) == {"id", "event"} for each in row.get("events", [row]))


def test_a_running_server_answers_by_its_folder_and_by_its_address(story: Story) -> None:
    query = "event.dataset: zeek.http and url.extension: bat"
    words = ("search", query, "--fields", "url.path,http.response.code", "--format", "ndjson")
    by_folder = tocsin(*words, "--data", story.server.data)
    assert by_folder.returncode == 0, by_folder.stderr
    key = story.admin.post("/keys", json={"name": "reads", "scopes": ["read"]}).json()["encoded"]
    by_address = tocsin(*words, "--url", story.server.url, TOCSIN_KEY=key)
    assert by_address.returncode == 0, by_address.stderr
    assert by_folder.stdout == by_address.stdout
    rows = [json.loads(line) for line in by_folder.stdout.splitlines()]
    assert len(rows) == story.post("/search", {"query": query, "size": 0})["total"] > 0
    assert all(set(row["event"]) == {"url.path", "http.response.code"} for row in rows)
    nobody = tocsin(*words, "--url", story.server.url)
    assert nobody.returncode == 2
    assert "--key" in nobody.stderr
    assert len(nobody.stderr.splitlines()) == 1
    alerts = tocsin("search", "", "--of", "alerts", "--format", "csv", "--data", story.server.data)
    table = list(csv.reader(io.StringIO(alerts.stdout)))
    assert table[0][0] == "@timestamp"
    assert len(table) - 1 == story.post("/search", {"of": "alerts", "size": 0})["total"]


def test_formats(run: Run, dropper: Path) -> None:
    words = ("search", "event.dataset: zeek.http", "--input", dropper / "zeek", "--fields", "@timestamp,url.path")
    as_json = run(*words, "--format", "json")
    assert [set(row["event"]) for row in json.loads(as_json.out)] == [{"@timestamp", "url.path"}] * len(
        json.loads(as_json.out)
    )
    as_csv = list(csv.DictReader(io.StringIO(run(*words, "--format", "csv").out)))
    assert [row["url.path"] for row in as_csv] == [row["event"]["url.path"] for row in json.loads(as_json.out)]
    as_table = run(*words)
    assert "\x1b" not in as_table.out
    assert "url.path" in as_table.out.splitlines()[0]
    assert "found" in as_table.err
    assert len(run(*words, "--format", "ndjson", "--limit", "1").rows) == 1


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["search", "a: ("], "1:5"),
        (["search", "x ==", "--lang", "eql"], "1:"),
        (["search", "x", "--lang", "sql"], "sql"),
        (["search", "*", "--from", "yesterday"], "yesterday"),
    ],
)
def test_a_wrong_query_is_exit_2_with_its_place(run: Run, dropper: Path, words: list[str], what: str) -> None:
    ran = run(*words, "--input", dropper)
    assert ran.code == 2
    assert ran.out == ""
    assert what in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ["search", "*"],
        ["search", "*", "--input", "/nobody/here"],
        ["search", "*", "--data", "/nobody/here"],
        ["search", "*", "--url", "http://127.0.0.1:1"],
        ["search", "*", "--url", "nothing"],
        ["scan", "/nobody/here"],
        ["scan", "/nobody/*.evtx"],
        ["scan", "/dev/null", "--rules", "/nobody"],
        ["scan", "/dev/null", "--lists", "/nobody"],
        ["normalise", __file__, "--as", "nobody.nothing"],
    ],
)
def test_wrong_input_is_exit_2_in_one_line(run: Run, words: list[str]) -> None:
    ran = run(*words)
    assert ran.code == 2, ran
    assert ran.out == ""
    assert len(ran.err.splitlines()) == 1, ran.err
    assert ran.err.startswith("tocsin: ")


def test_a_folder_without_a_store_is_left_as_it_was(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    ran = run("search", "*", "--data", tmp_path / "mine")
    assert ran.code == 2
    assert "no store" in ran.err
    assert list((tmp_path / "mine").iterdir()) == []


def test_inputs_are_files_globs_and_folders(tmp_path: Path, dropper: Path) -> None:
    shutil.copytree(dropper, tmp_path / "d")
    (tmp_path / "d" / "notes.bin").write_bytes(b"x")
    found = _inputs.paths([str(tmp_path / "d")])
    assert found == sorted(found)
    assert not any(each.endswith(".bin") for each in found)
    assert _inputs.paths(["-"]) == ["-"]
    assert len(_inputs.paths([str(tmp_path / "d" / "**" / "*.log")])) == 4
    with pytest.raises(UsageError):
        _inputs.paths([str(tmp_path / "none")])


def test_nothing_controls_a_terminal_or_a_spreadsheet() -> None:
    assert "\x1b" not in _output.printable("\x1b[31mred\x07")
    assert _output.printable(["a", 1]) == "a, 1"
    assert _output.printable("x" * 5000).endswith("…")
    assert _output._cell("=1+1") == "'=1+1"
    assert _output._cell("-5") == "-5"
    assert _output._cell(["a", "b"]) == "a; b"
    assert _query.named({"http.response.status_code": 200}, "http.response.code") == 200
