"""Every shipped rule loads, says what it is and what it misses, and does what its evidence says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

from tocsin.detect import Rule
from tocsin.detect._ancestors import RULE_HOT
from tocsin.detect._evidence import Bench, beside, read
from tocsin.detect._load import Loader
from tocsin.event.records import Frame
from tocsin.lang.fields import Names
from tocsin.lang.lists import ListTable, load
from tocsin.normalise._run import Normaliser

ROOT = Path(__file__).parents[2]
RULES = ROOT / "tocsin" / "rules"
FILES = sorted(RULES.rglob("*.toml"))
CONTRACT = (
    "Batch File Downloaded over an Unusual Port",
    "PowerShell Launched from a Batch File",
    "Batch File Downloaded with Invoke-WebRequest",
    "Potential Metasploit PowerShell Payload Observed",
)
LISTS = {
    "authorised_file_servers": {"port"},
    "usual_web_ports": set(),
    "blocked_addresses": set(),
    "approved_scripts": {"user"},
    "admin_hosts": set(),
    "admin_users": set(),
    "sanctioned_scanners": set(),
    "trusted_proxies": set(),
}


@dataclass
class Shipped:
    """All that a rule runs with."""

    normaliser: Normaliser
    names: Names
    lists: ListTable
    loader: Loader
    rules: dict[Path, Rule]

    def normalise(self, frames: Sequence[Frame]) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        result = self.normaliser.run(frames)
        return result.batch, result.processes

    def bench(self, rule: Rule) -> Bench:
        return Bench(rule, self.rules.values(), self.loader.types, self.names, self.lists, self.normalise)


@cache
def shipped() -> Shipped:
    normaliser = Normaliser()
    names = Names(normaliser.aliases, RULE_HOT)
    lists = load(RULES / "lists")
    streams = normaliser.streams.values()
    provided = frozenset(name for stream in streams for name in stream.fields)
    loader = Loader(names, lists, provided=provided, datasets=frozenset(stream.dataset for stream in streams))
    return Shipped(normaliser, names, lists, loader, {Path(rule.path): rule for rule in loader.paths([RULES])})


def name_of(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_rule_runs_and_tells_of_itself(path: Path) -> None:
    rule = shipped().rules[path]
    assert rule.status == "ok", rule.reason
    assert not rule.warnings
    assert rule.description
    assert rule.techniques
    assert all(t.tactic.startswith("TA") and t.technique.startswith("T") and t.name for t in rule.techniques)
    assert rule.reason_text
    assert rule.false_positives
    if not rule.path.endswith("malware_found_by_defender.toml"):  # what Defender misses is Defender's
        assert rule.misses
    if not rule.building_block:
        assert "1." in rule.note


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_rule_does_what_its_evidence_says(path: Path) -> None:
    rule = shipped().rules[path]
    evidence = beside(path)
    cases = read(evidence.read_text("utf-8"), str(evidence))
    assert {case.expect for case in cases} == {"fires", "quiet"}
    outcomes = shipped().bench(rule).run(cases)
    wrong = [f"{evidence.name}:{o.case.line}: {o.problem} ({o.case.why or o.case.name})" for o in outcomes if o.problem]
    assert not wrong, "\n".join(wrong)


def test_the_four_alerts_have_their_names() -> None:
    names = [rule.name for rule in shipped().rules.values()]
    assert all(name in names for name in CONTRACT)


def test_ids_are_one_rules_only() -> None:
    ids = [rule.id for rule in shipped().rules.values()]
    assert len(set(ids)) == len(ids) == len(FILES)


def test_siblings_and_legs_are_rules_that_there_are() -> None:
    rules = {rule.id: rule for rule in shipped().rules.values()}
    for rule in rules.values():
        assert not rule.sibling_of or rule.sibling_of in rules
        assert all(leg in rules for leg in rule.legs)


def test_every_list_is_there_narrowed_as_agreed_and_read_by_a_rule() -> None:
    used = {name for rule in shipped().rules.values() for name in rule.lists} | {"trusted_proxies"}
    for name, narrow in LISTS.items():
        header = (RULES / "lists" / f"{name}.csv").read_text().splitlines()[0].split(",")
        assert header == ["value", *sorted(narrow), "note", "owner", "expires"]
        assert shipped().lists.rows(name)
        assert name in used


def test_no_list_is_there_that_nobody_knows() -> None:
    assert {path.stem for path in (RULES / "lists").glob("*.csv")} == set(LISTS)


def test_an_empty_list_silences_nobody() -> None:
    """The same record that the shipped list silences fires with an empty list, and the list is named otherwise."""
    path = RULES / "network" / "batch_file_over_unusual_port.toml"
    record = (
        '{"as": "zeek.http", "expect": "quiet", "record": {"ts": 1795514400.5, "uid": "C1", "id.orig_h": "10.20.7.1", '
        '"id.orig_p": 5000, "id.resp_h": "10.20.0.15", "id.resp_p": 8080, "method": "GET", "uri": "/x.bat", '
        '"response_body_len": 5, "status_code": 200}}'
    )
    ours = shipped()
    (kept,) = ours.bench(ours.rules[path]).run(read(record, "test"))
    assert (kept.fired, kept.silenced) == (False, "authorised_file_servers")
    empty = ListTable({"usual_web_ports": ours.lists.rows("usual_web_ports")})
    loader = Loader(ours.names, empty)
    (rule,) = loader.paths([path])
    (outcome,) = Bench(rule, [], loader.types, ours.names, empty, ours.normalise).run(read(record, "test"))
    assert outcome.fired
    assert outcome.problem == "it fires and should not"
