"""Evidence files: how they are read, what an outcome says, and that results are kept until something changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.detect._ancestors import RULE_HOT
from tocsin.detect._evidence import beside, of_rule, read
from tocsin.detect._load import Loader
from tocsin.errors import QueryError
from tocsin.lang.fields import Names
from tocsin.lang.lists import ListTable
from tocsin.normalise._run import Normaliser

RULE = """
[rule]
name = "Five of a path"
rule_id = "five"
type = "threshold"
query = "event.dataset: nginx.access and url.path: /x"
from = "now-1m"
threshold = {field = ["source.ip"], value = 2}
[[tocsin.list]]
name = "friends"
field = "source.ip"
"""
LINE = '10.0.0.%d - - [24/Nov/2026:10:00:%02d +0000] "GET /x HTTP/1.1" 200 5 "-" "-"'


def entry(record: str, expect: str, case: str = "", more: str = "") -> str:
    named = f'"case": "{case}", ' if case else ""
    text = record.replace('"', '\\"')
    return f'{{"as": "nginx.access", {named}{more}"expect": "{expect}", "record": "{text}"}}'


class Known:
    """What `of_rule` is given."""

    def __init__(self, folder: Path) -> None:
        self.normaliser = Normaliser()
        self.names = Names(self.normaliser.aliases, RULE_HOT)
        self.lists = ListTable({"friends": [{"value": "10.0.0.9"}]})
        loader = Loader(self.names, self.lists)
        self.types = loader.types
        self.rules = {rule.id: rule for rule in loader.paths([folder])}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "five.toml").write_text(RULE)
    return tmp_path


def test_a_case_is_an_ordered_stream_and_its_last_line_speaks(folder: Path) -> None:
    lines = [
        entry(LINE % (1, 1), "quiet", "a"),
        entry(LINE % (1, 2), "fires", "a", '"severity": "medium", '),
        entry(LINE % (1, 1), "quiet"),
        entry(LINE % (9, 1), "quiet", "b"),
        entry(LINE % (9, 2), "quiet", "b", '"why": "a friend", '),
        entry(LINE % (1, 1), "quiet", "c"),
        entry(LINE % (1, 2), "quiet", "c"),
        entry(LINE % (1, 1), "fires"),
    ]
    (folder / "five.test.ndjson").write_text("\n".join(lines))
    known = Known(folder)
    results = {result.name: result for result in of_rule(known.rules["five"], known)}
    assert {name for name, result in results.items() if result.passed} == {"a", "b", "line 3"}
    assert results["a"].severity == "medium"
    assert results["b"].detail == "a friend: quiet, silenced by friends"
    assert results["c"].detail == "it fires and should not"
    assert results["line 8"].detail == "it does not fire and should"


def test_results_are_those_of_the_file_as_it_is(folder: Path) -> None:
    known = Known(folder)
    assert of_rule(known.rules["five"], known) == []
    path = beside(folder / "five.toml")
    path.write_text(entry(LINE % (1, 1), "quiet"))
    first = of_rule(known.rules["five"], known)
    assert of_rule(known.rules["five"], known) is first
    path.write_text(entry(LINE % (1, 1), "quiet") + "\n" + entry(LINE % (2, 1), "quiet"))
    assert len(of_rule(known.rules["five"], known)) == 2


def test_a_record_that_cannot_be_read_is_a_problem(folder: Path) -> None:
    (folder / "five.test.ndjson").write_text(entry("this is no line of an access log", "quiet"))
    known = Known(folder)
    (result,) = of_rule(known.rules["five"], known)
    assert not result.passed
    assert "can't be read" in result.detail


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "no JSON"),
        ("[]", "a line is an object"),
        ('{"as": "zeek.http", "expect": "maybe", "record": {}}', "fires or quiet"),
        ('{"as": "zeek.http", "expect": "fires"}', "needs `as`"),
        ('{"as": "zeek.http", "expect": "fires", "record": {}, "expects": 1}', "no key"),
    ],
)
def test_evidence_that_is_wrong_says_where(line: str, what: str) -> None:
    with pytest.raises(QueryError) as caught:
        read('{"as": "x", "expect": "quiet", "record": ""}\n' + line, "some.test.ndjson")
    assert what in caught.value.render()
    assert "some.test.ndjson:2" in caught.value.render()
