"""Evidence beside a rule: cases that must fire and near ones that must not, with every mistake told by its line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.detect.conftest import TYPES
from tocsin.detect import Rule
from tocsin.detect._ancestors import RULE_HOT
from tocsin.detect._evidence import Bench, beside, read
from tocsin.detect._load import Loader
from tocsin.errors import QueryError
from tocsin.lang.fields import Names
from tocsin.lang.lists import ListTable
from tocsin.normalise._run import Normaliser

RULE = """
[rule]
name = "N"
rule_id = "id-1"
type = "threshold"
language = "kuery"
query = "http.response.status_code >= 500"
severity = "high"
[rule.threshold]
field = ["source.ip"]
value = 2
"""
ZEEK = {
    "ts": 1700000000.0,
    "uid": "C1",
    "id.orig_h": "10.0.0.1",
    "id.orig_p": 1,
    "id.resp_h": "10.0.0.2",
    "id.resp_p": 80,
}


def line(expect: str, status: int = 500, **more: Any) -> str:
    record = {**ZEEK, "status_code": status, "uri": f"/{more.pop('uri', 'a')}"}
    return json.dumps({"as": "zeek.http", "expect": expect, "record": record, **more})


def outcomes(text: str) -> list[tuple[str, bool, str]]:
    normaliser = Normaliser()
    names = Names(normaliser.aliases, RULE_HOT)
    (rule,) = Loader(names, ListTable({})).text(RULE, "r.toml")
    assert isinstance(rule, Rule)

    def normalise(frames: Any) -> Any:
        result = normaliser.run(frames)
        return result.batch, result.processes

    bench = Bench(replace(rule), [], TYPES, names, ListTable({}), normalise)
    return [(each.case.name, each.passed, each.problem) for each in bench.run(read(text, "r.test.ndjson"))]


def test_lines_of_a_case_are_one_stream_and_the_last_speaks() -> None:
    text = "\n".join(
        [
            line("quiet", case="two", uri="a"),
            line("fires", case="two", uri="b"),
            "",
            line("quiet", case="one"),
            line("quiet", case="other", status=404),
        ]
    )
    assert outcomes(text) == [("two", True, ""), ("one", True, ""), ("other", True, "")]


def test_says_what_differs() -> None:
    ((name, passed, problem),) = outcomes(line("fires"))
    assert (name, passed) == ("line 1", False)
    assert problem


def test_tells_all_that_is_wrong_in_one_run() -> None:
    text = "\n".join(["{", line("maybe"), json.dumps({"as": "zeek.http", "expect": "fires"}), line("fires"), "[]"])
    with pytest.raises(QueryError) as told:
        read(text, "r.test.ndjson")
    rendered = told.value.render()
    for number in (1, 2, 3, 5):
        assert f"r.test.ndjson:{number}" in rendered
    assert "r.test.ndjson:4" not in rendered


def test_it_lies_beside_its_rule() -> None:
    assert beside("rules/a/web_shell.yml") == Path("rules/a/web_shell.test.ndjson")
