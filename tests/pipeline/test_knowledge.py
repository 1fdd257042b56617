"""What every process knows alike, from one plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.conftest import BROKEN, OWN, plan
from tocsin.normalise._run import Normaliser
from tocsin.pipeline.knowledge import Knowledge, Plan, Silence, shipped_lists, shipped_rules


def test_a_plan_comes_back_as_it_was_sent() -> None:
    made = plan(
        folders=["/a"],
        enabled={"query": False},
        exceptions=[Silence("query", "x", "user.name: a", [{"field": "a"}])],
        lists={"l": "value\n1\n"},
    )
    assert Plan.load(made.dump()) == made


def test_a_broken_rule_is_shown_and_the_rest_run(normaliser: Normaliser) -> None:
    known = Knowledge(plan(own={**OWN, "own/broken.toml": BROKEN}), normaliser=normaliser)
    assert sorted(rule.id for rule in known.running) == ["query", "threshold"]
    (broken,) = [rule for rule in known.all_rules if rule.status == "invalid"]
    assert broken.reason


def test_people_turn_rules_off_and_on(normaliser: Normaliser) -> None:
    known = Knowledge(plan(enabled={"query": False}), normaliser=normaliser)
    assert [rule.id for rule in known.running] == ["threshold"]


def test_an_exception_makes_no_other_generation(normaliser: Normaliser) -> None:
    before = Knowledge(plan(), normaliser=normaliser).rules["query"]
    after = Knowledge(plan(exceptions=[Silence("query", "x", 'user.name: "ann"')]), normaliser=normaliser)
    rule = after.rules["query"]
    assert rule.generation == before.generation
    assert [name for name, _ in rule.silencers] == ["x"]
    assert not after.rules["threshold"].silencers
    everywhere = Knowledge(plan(exceptions=[Silence("*", "y", 'user.name: "ann"')]), normaliser=normaliser)
    assert all([name for name, _ in each.silencers] == ["y"] for each in everywhere.rules.values())


def test_lists_that_people_edit_replace_those_shipped(normaliser: Normaliser, tmp_path: Path) -> None:
    name = min(shipped_lists().glob("*.csv")).stem
    (tmp_path / f"{name}.csv").write_text("value\nfrom the folder\n")
    folder = Knowledge(plan(lists_dir=str(tmp_path)), normaliser=normaliser)
    assert [row["value"] for row in folder.lists.rows(name)] == ["from the folder"]
    own = Knowledge(plan(lists_dir=str(tmp_path), lists={name: "value\nof people\n"}), normaliser=normaliser)
    assert [row["value"] for row in own.lists.rows(name)] == ["of people"]


@pytest.mark.parametrize("folder", [shipped_rules(), shipped_lists()])
def test_what_is_shipped_is_there(folder: Path) -> None:
    assert folder.is_dir()


def test_every_shipped_rule_can_run(normaliser: Normaliser) -> None:
    known = Knowledge(Plan(), normaliser=normaliser)
    assert known.running
    assert [(rule.name, rule.reason) for rule in known.all_rules if rule.status == "invalid"] == []
