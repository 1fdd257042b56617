"""`tocsin rules check|test|explain|convert|coverage`: what rules are, whether they do as their evidence says, and
why."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
import typer

from tocsin.cli import _inputs, _output
from tocsin.errors import UsageError

if TYPE_CHECKING:
    from tocsin.detect import Rule, StepSpec
    from tocsin.lang.explain import Explained
    from tocsin.pipeline.knowledge import Knowledge

Paths = Annotated[list[Path], typer.Argument(metavar="PATH…", help="Rule files and folders; Tocsin's own without.")]
commands = typer.Typer(help="Check, test and explain detection rules.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands, name="rules")


def _known(paths: list[Path], lists_dir: Path | None = None) -> Knowledge:
    from tocsin.pipeline.knowledge import Knowledge, Plan

    lists = str(lists_dir) if lists_dir else None
    return Knowledge(Plan(folders=[str(path) for path in paths], shipped=not paths, lists_dir=lists))


@commands.command()
def check(
    paths: Paths = [],
    format: Annotated[Literal["table", "ndjson"], typer.Option(help="How rules are printed.")] = "table",
) -> None:
    """Say of every rule whether it can run, and why not. Exit code 1 where one is invalid."""
    knowledge = _known(paths)
    counts: Counter[str] = Counter()
    rows = []
    for rule in knowledge.all_rules:
        counts[rule.status] += 1
        if format == "ndjson":
            names = ("path", "id", "name", "type", "status", "reason")
            _output.line({name: getattr(rule, name) for name in names})
        elif rule.status != "ok" or len(knowledge.all_rules) <= 50:
            rows.append(
                [rule.status, rule.type, rule.name, rule.path, rule.reason.splitlines()[0] if rule.reason else ""]
            )
    if format == "table":
        _output.table(["status", "type", "rule", "path", "reason"], rows)
        _output.note(", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "no rules")
    if counts["invalid"]:
        raise typer.Exit(1)


@commands.command()
def test(
    paths: Paths = [],
    format: Annotated[Literal["table", "ndjson"], typer.Option(help="How cases are printed.")] = "table",
) -> None:
    """Run each rule's evidence (NAME.test.ndjson beside it) through the normaliser and the rule. Exit code 1 where a
    case does not do as it says."""
    from tocsin.detect import _evidence

    knowledge = _known(paths)
    failed = total = without = 0
    rows = []
    for rule in knowledge.all_rules:
        if rule.plan is None:
            continue
        results = _evidence.of_rule(rule, knowledge)
        without += not results
        for result in results:
            total += 1
            failed += not result.passed
            if format == "ndjson":
                _output.line({"rule": rule.id, "name": rule.name, "path": rule.path, **result._asdict()})
            elif not result.passed:
                rows.append([rule.name, result.name, result.expect, result.detail])
    if format == "table":
        if rows:
            _output.table(["rule", "case", "expect", "what happened"], rows)
        _output.note(f"{total} cases, {failed} failed; {without} rules have no evidence")
    if failed:
        raise typer.Exit(1)


@commands.command(name="explain")
def explain_(
    rule: Annotated[Path, typer.Argument(help="The rule's file.")],
    event: Annotated[str, typer.Argument(help="A file of raw records, or - for standard input.")],
    as_: Annotated[str | None, typer.Option("--as", help="What the records are; recognised without.")] = None,
) -> None:
    """Say of each event which clauses of the rule hold, and by which values."""
    from tocsin.detect._ancestors import Ancestors
    from tocsin.lang.explain import explain
    from tocsin.lang.lists import expand
    from tocsin.pipeline.history import widened

    knowledge = _known([rule])
    steps = [(each, step) for each in knowledge.all_rules for step in _steps(knowledge, each)]
    if not steps:
        raise UsageError("no rule of it can run", where=str(rule), hint="tocsin rules check says why")
    fired = False
    ancestors = Ancestors()
    for batch in _inputs.batches([event], knowledge.normaliser, way="scan", as_=as_):
        ancestors.add(knowledge.normaliser.processes(batch.batch))
        for record, document in zip(batch.records, widened(batch.batch, ancestors, knowledge.lists), strict=True):
            for number, (each, step) in enumerate(steps):
                tree = explain(expand(step.where, knowledge.lists), document)
                fired = fired or tree.holds
                verdict = "holds" if tree.holds else "does not hold"
                _output.say(f"{batch.path}:{record}: {each.name}, step {number + 1}: {verdict}")
                _tree(tree, 1)
    if not fired:
        raise typer.Exit(1)


@commands.command()
def convert(
    rule: Annotated[Path, typer.Argument(help="The rule's file.")],
    to: Annotated[Literal["sql", "text"], typer.Option(help="ClickHouse SQL, or the tree in words.")] = "sql",
) -> None:
    """Print what a rule asks, as SQL of the store or in words."""
    from tocsin.lang import sql
    from tocsin.lang.explain import describe
    from tocsin.lang.lists import expand

    knowledge = _known([rule])
    for each in knowledge.all_rules:
        if each.plan is None:
            raise UsageError(each.reason, where=each.path)
        for number, step in enumerate(_steps(knowledge, each), start=1):
            where = expand(step.where, knowledge.lists)
            _output.say(f"-- {each.name}, step {number}")
            if to == "text":
                _output.say(describe(where))
                continue
            asked = sql.where(where)
            _output.say("SELECT * FROM events WHERE " + asked.text)  # noqa: S608  # printed, not run
            for name, value in asked.parameters.items():
                _output.say(f"-- {name} = {orjson.dumps(value, default=str).decode()}")


@commands.command()
def coverage(paths: Paths = []) -> None:
    """Count the rules that can run by ATT&CK tactic and technique."""
    knowledge = _known(paths)
    counts: Counter[tuple[str, str, str]] = Counter()
    for rule in knowledge.all_rules:
        if rule.status == "ok":
            counts.update({(t.tactic_name, t.technique, t.name) for t in rule.techniques})
    _output.table(["tactic", "technique", "name", "rules"], ([*key, count] for key, count in sorted(counts.items())))


def _steps(knowledge: Knowledge, rule: Rule) -> tuple[StepSpec, ...]:
    return knowledge.types[rule.type].steps(rule.plan) if rule.plan is not None else ()


def _tree(node: Explained, depth: int) -> None:
    found = ", ".join(f"{name}={_output.printable(value, 120)}" for name, value in node.found[:6])
    mark: Any = "✓" if node.holds else "✗"
    _output.say(f"{'  ' * depth}{mark} {_output.printable(node.text, 200)}{'  (' + found + ')' if found else ''}")
    for item in node.items:
        _tree(item, depth + 1)
