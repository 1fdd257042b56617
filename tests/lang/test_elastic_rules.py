"""Elastic's public KQL and EQL rules: matcher, `explain` and the slow interpreter decide alike on events for them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lang.generate import batch, variants
from tests.lang.interpreter import events, holds
from tocsin.errors import QueryError, UnsupportedError
from tocsin.event.document import to_documents
from tocsin.lang import eql, explain, ir, kql
from tocsin.lang.fields import Names
from tocsin.lang.match import Matcher

NAMES = Names()


def predicates(folder: Path, every: int) -> Iterator[tuple[str, ir.Predicate]]:
    for path in sorted(folder.rglob("*.toml"))[::every]:
        rule = tomllib.loads(path.read_text(encoding="utf-8")).get("rule", {})
        try:
            if rule.get("language") == "kuery" and "query" in rule:
                yield path.name, kql.parse(rule["query"], NAMES)
            elif rule.get("type") == "eql":
                plan = eql.parse(rule["query"], NAMES)
                steps = [plan.where] if isinstance(plan, ir.Query) else [step.where for step in plan.steps]
                yield from ((f"{path.name} step {number}", step) for number, step in enumerate(steps))
        except (QueryError, UnsupportedError):
            continue


def differences(folder: Path, every: int) -> tuple[list[str], int, int]:
    """What decides otherwise than the interpreter; how many predicates there were, how many both ways."""
    wrong = []
    count = both = 0
    for name, predicate in predicates(folder, every):
        made = batch(variants(predicate))
        wanted = {row for row, event in enumerate(events(made)) if holds(predicate, event)}
        explained = {
            row for row, document in enumerate(to_documents(made)) if explain.explain(predicate, document).holds
        }
        found = Matcher({name: predicate}).match(made)
        matched = set(found[name].tolist()) if name in found else set()
        wrong += [f"{name}: explain, row {row}" for row in sorted(explained ^ wanted)]
        wrong += [f"{name}: matcher, row {row}" for row in sorted(matched ^ wanted)]
        count += 1
        both += 0 < len(wanted) < made.num_rows
    return wrong, count, both


def test_some_are_decided_alike(shared: Path) -> None:
    wrong, count, both = differences(shared / "corpora/elastic", 70)
    assert wrong == []
    assert count > 20 and both > 0.9 * count


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_all_are_decided_alike(shared: Path) -> None:
    wrong, count, both = differences(shared / "corpora/elastic", 1)
    assert wrong == []
    assert count > 1_900 and both > 0.95 * count
