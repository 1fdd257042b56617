"""The matcher, the SQL and a slow interpreter give the same rows: on events made from each rule's tree, and at random.

The interpreter (`tests/lang/interpreter.py`) is written from the words of the contract alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clickhouse_connect
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lang.generate import batch, variants
from tests.lang.interpreter import events, holds
from tocsin.event.schema import COLUMNS
from tocsin.lang import ir, sigma, sql
from tocsin.lang.fields import Alias, Names, scope_of
from tocsin.lang.match import Matcher

ANY, ONE = ir.Gap.ANY, ir.Gap.ONE
NAMES = Names(
    [
        Alias("Image", "process.executable", scope_of(["a.b"], ["1", "4688"])),
        Alias("Port", "destination.port", scope_of(["a.b", "c.d"])),
        Alias("Data", "winlog.event_data.Other", scope_of(["c.d"])),
    ]
)


@dataclass
class Tally:
    """What was compared: rules with events on both sides, and every difference."""

    rules: int = 0
    both: int = 0
    fired: int = 0
    events: int = 0
    one_sided: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def count(self, name: str, met: int, of: int) -> None:
        self.rules += 1
        self.events += of
        self.fired += met > 0
        self.both += 0 < met < of
        if not 0 < met < of:
            self.one_sided.append(f"{name}: {met} of {of}")

    @property
    def share(self) -> float:
        return self.both / max(self.rules, 1)


def compared(predicates: dict[Any, ir.Predicate], events_of: pa.RecordBatch) -> tuple[dict[Any, set[int]], list[str]]:
    """The rows that the interpreter gives for each predicate, and where the matcher gives others."""
    read = events(events_of)
    found = Matcher(predicates).match(events_of)
    wanted: dict[Any, set[int]] = {}
    differences = []
    for key, predicate in predicates.items():
        wanted[key] = {row for row, event in enumerate(read) if holds(predicate, event)}
        got = set(found[key].tolist()) if key in found else set()
        for row in sorted(wanted[key] ^ got):
            side = "the matcher alone" if row in got else "the interpreter alone"
            differences.append(f"{key}, row {row}, {side}: {read[row]} {predicate}")
    return wanted, differences


class Store:
    """A table of events in chDB, emptied for each batch."""

    def __init__(self, folder: Path) -> None:
        settings: dict[str, Any] = {"precise_float_parsing": 1, "max_query_size": 16 << 20, "max_ast_elements": 500_000}
        settings |= {"short_circuit_function_evaluation": "enable", "max_expanded_ast_elements": 2_000_000}
        self.client = clickhouse_connect.get_client(interface="chdb", path=str(folder), settings=settings)
        columns = ", ".join(f"{sql.quote(column.name)} {column.clickhouse}" for column in COLUMNS)
        self.client.command(
            f"CREATE OR REPLACE TABLE agreement ({columns}) ENGINE = MergeTree ORDER BY `tocsin.id` "
            "SETTINGS share_nested_offsets = 0, allow_nullable_key = 1"
        )

    def rows(self, predicates: dict[Any, ir.Predicate], arrow: pa.RecordBatch) -> dict[Any, set[int]]:
        """The rows that the SQL of each predicate finds."""
        self.client.command("TRUNCATE TABLE agreement")
        names = ", ".join(sql.quote(column.name) for column in COLUMNS)
        self.client.command(f"INSERT INTO agreement ({names}) SELECT {names} FROM Python(arrow)")
        parameters: dict[str, Any] = {}
        columns = []
        for number, predicate in enumerate(predicates.values()):
            condition = sql.where(predicate, prefix=f"p{number}_")
            parameters |= condition.parameters
            columns.append(f"groupArrayIf(toUInt32(`tocsin.id`), {condition.settled})")
        query = f"SELECT {', '.join(columns)} FROM agreement"
        (row,) = self.client.query(query, parameters=parameters).result_rows
        return {key: set(found) for key, found in zip(predicates, row, strict=True)}

    def close(self) -> None:
        self.client.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store(tmp_path_factory.mktemp("agreement"))
    yield opened
    opened.close()


# ---- random predicates and events

TEXTS = st.one_of(
    st.sampled_from(
        ["", "a", "A", "ab", "aB", "É", "é", "K", "\u212a", "ſ", "a\nb", "1", "01", "1.0", "1e0", "-1", "true", "True",
         "10.0.0.1", "::ffff:10.0.0.1", "::1", "2024-05-01T12:00:00Z", "18446744073709551615", "9223372036854775807",
         "9007199254740993", "a b", "a-b", "b a", "%_", "\\", "*", "?", "a*", "C:\\a.exe"]
    ),
    st.text(alphabet="abAB 1.É-\n\\%_", max_size=6),
)  # fmt: skip
NUMBERS = st.sampled_from([0, 1, -1, 2, 10, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 1.0, 1.5, 1e3])
SCALARS = st.one_of(TEXTS, NUMBERS, st.booleans())
FIELDS = st.sampled_from(
    [
        "process.name", "process.command_line", "process.args", "source.port", "source.ip", "host.ip", "event.start",
        "dll.code_signature.trusted", "my.own", "my.other", "Image", "Port", "Data", "process.executable", "message",
        "winlog.event_data.Other", "event.code", "destination.port",
    ]
).map(NAMES.field)  # fmt: skip
GAPS = st.sampled_from([ANY, ONE])
PARTS = st.lists(st.one_of(TEXTS, GAPS), max_size=4).map(tuple)
SHORT = st.sampled_from(["a", "b", "é", "1", "10", "aé"])
WORDS = st.lists(st.one_of(SHORT, st.lists(st.one_of(SHORT, GAPS), min_size=1, max_size=3).map(tuple)), min_size=1)
PATTERNS = st.sampled_from(
    ["a", "^a", "b$", "a.b", "[^a]", r"\d+", r"^\S*$", "k", "(?:a|É)b?", r"\ba\b", "^$", "", r"a\s?b", "a{2}", r"\."]
)
BYTES = st.sampled_from(["::", "10.0.0.0", "10.0.0.255", "::1", "ffff::"]).map(lambda text: _packed(text))


def _packed(text: str) -> bytes:
    from tocsin.event.ip import packed

    return packed(text) or b""


def ordered(values: st.SearchStrategy[Any]) -> st.SearchStrategy[ir.Range]:
    open_or = st.one_of(st.none(), values)
    made = st.builds(ir.Range, open_or, open_or, st.booleans(), st.booleans())
    return made.filter(lambda made: (made.low, made.high) != (None, None))


def same_type(values: list[Any]) -> tuple[Any, ...]:
    return tuple(value for value in values if type(value) is type(values[0]))


OPS = st.one_of(
    st.just(ir.Exists()),
    st.builds(ir.Equals, st.lists(SCALARS, min_size=1, max_size=3).map(same_type), st.booleans()),
    st.builds(ir.Like, PARTS, st.booleans()),
    st.builds(ir.Regex, PATTERNS, st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    ordered(NUMBERS),
    ordered(TEXTS),
    ordered(BYTES),
    st.builds(ir.Words, WORDS.map(tuple)),
)
TESTS = st.builds(ir.Test, FIELDS, OPS)
VALUES = FIELDS.map(ir.Value)
CONSTANTS = st.one_of(st.none(), SCALARS).map(ir.Constant)
EXPRESSIONS = st.recursive(
    st.one_of(VALUES, CONSTANTS),
    lambda inner: st.one_of(
        st.builds(ir.Call, st.sampled_from(["length", "string", "number", "-"]), st.tuples(inner)),
        st.builds(ir.Call, st.sampled_from(["+", "-", "*", "/", "%", "==", "<", "concat"]), st.tuples(inner, inner)),
        st.builds(
            ir.Call, st.sampled_from(["startswith", "endswith", "stringcontains", "indexof"]), st.tuples(inner, inner),
            st.booleans(),
        ),
        st.builds(
            ir.Call, st.just("cidrmatch"), st.tuples(inner, st.sampled_from(["10.0.0.0/8", "::/0"]).map(ir.Constant))
        ),
        st.builds(
            ir.Call, st.just("like"), st.tuples(inner, st.sampled_from(["a*", "?", "*É", ""]).map(ir.Constant)),
            st.booleans(),
        ),
        st.builds(ir.Call, st.just("regex"), st.tuples(inner, PATTERNS.map(ir.Constant)), st.booleans()),
        st.builds(ir.Call, st.just("substring"), st.tuples(inner, st.integers(-3, 3).map(ir.Constant))),
        st.builds(ir.Call, st.just("between"), st.tuples(inner, inner, inner), st.booleans()),
    ),
    max_leaves=4,
)  # fmt: skip
LEAVES = st.one_of(
    TESTS,
    TESTS,
    TESTS,
    st.builds(ir.Compare, EXPRESSIONS, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), EXPRESSIONS, st.booleans()),
    st.builds(ir.Truth, EXPRESSIONS),
    st.builds(ir.IsNull, EXPRESSIONS),
)
PREDICATES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(ir.Not, inner),
        st.builds(ir.And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(ir.Or, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


def combined(test: ir.Predicate) -> st.SearchStrategy[ir.Predicate]:
    """A test, its negation, or it with another."""
    return st.one_of(
        st.just(test),
        st.just(ir.Not(test)),
        TESTS.map(lambda other: ir.And((ir.Not(test), other))),
        TESTS.map(lambda other: ir.Not(ir.Or((test, other)))),
    )


CELLS = st.one_of(st.none(), SCALARS, st.lists(SCALARS, max_size=3))
NAMED = st.sampled_from(
    ["process.name", "process.command_line", "process.args", "source.port", "source.ip", "host.ip", "event.start",
     "dll.code_signature.trusted", "my.own", "my.other", "Image", "process.executable", "message", "destination.port",
     "winlog.event_data.Other"]
)  # fmt: skip
WHERE = st.fixed_dictionaries(
    {"event.dataset": st.sampled_from(["a.b", "c.d", "e.f"]), "event.code": st.sampled_from([None, "1", "2", "4688"])}
)
DOCUMENTS = st.lists(
    st.tuples(st.dictionaries(NAMED, CELLS, max_size=6), WHERE).map(lambda both: {**both[0], **both[1]}),
    min_size=1,
    max_size=6,
)


@given(st.lists(PREDICATES, min_size=1, max_size=4), DOCUMENTS)
def test_matcher_and_interpreter_agree_on_anything(predicates: list[ir.Predicate], documents: list[Any]) -> None:
    _, differences = compared(dict(enumerate(predicates)), batch(documents))
    assert not differences, "\n".join(differences)


@given(LEAVES, st.integers(0, 1000))
@settings(max_examples=50)
def test_matcher_and_interpreter_agree_on_events_made_for_a_test(leaf: ir.Predicate, seed: int) -> None:
    _, differences = compared({0: leaf, 1: ir.Not(leaf)}, batch(variants(leaf, seed)))
    assert not differences, "\n".join(differences)


@given(predicates=st.lists(LEAVES.flatmap(combined), min_size=1, max_size=8), documents=DOCUMENTS)
@settings(max_examples=25)
def test_sql_and_interpreter_agree_on_anything(
    store: Store, predicates: list[ir.Predicate], documents: list[Any]
) -> None:
    events_of = batch(documents)
    asked = dict(enumerate(predicates))
    wanted, _ = compared(asked, events_of)
    found = store.rows(asked, events_of)
    read = events(events_of)
    differences = [
        f"row {row}, {'the SQL' if row in found[key] else 'the interpreter'} alone: {read[row]} {asked[key]}"
        for key in asked
        for row in sorted(found[key] ^ wanted[key])
    ]
    assert not differences, "\n".join(differences)


# ---- the public rules


def rules_of(folder: Path, step: int) -> dict[str, ir.Predicate]:
    """Every `step`th rule of the Sigma corpus that can run, by path and id."""
    found: dict[str, ir.Predicate] = {}
    for path in sorted(folder.glob("rules*/**/*.yml"))[::step]:
        for rule in sigma.load(path.read_text(encoding="utf-8"), NAMES, str(path.relative_to(folder))):
            if rule.status == "ok" and isinstance(rule.plan, ir.Query):
                found[f"{rule.path}#{rule.id}"] = rule.plan.where
    return found


def agree(rules: dict[str, ir.Predicate], store: Store, most: int, chunk: int = 25) -> Tally:
    """Compares all three on events made for each rule: the interpreter on the rule's own, the SQL and the matcher on
    all of a chunk."""
    tally = Tally()
    names = list(rules)
    for start in range(0, len(names), chunk):
        asked = {name: rules[name] for name in names[start : start + chunk]}
        documents: list[Any] = []
        own: dict[str, range] = {}
        for name, predicate in asked.items():
            made = variants(predicate, seed=len(name))
            if len(made) > most:
                made = made[:1] + random.Random(name).sample(made[1:], most - 1)
            own[name] = range(len(documents), len(documents) + len(made))
            documents += made
        events_of = batch(documents)
        read = events(events_of)
        matched = Matcher(asked).match(events_of)
        stored = store.rows(asked, events_of)
        for name, predicate in asked.items():
            met = set(matched[name].tolist()) if name in matched else set()
            held = {row for row in own[name] if holds(predicate, read[row])}
            tally.count(name, len(held), len(own[name]))
            tally.differences += [
                f"{name}: matcher and interpreter: {documents[row]}" for row in met & set(own[name]) ^ held
            ]
            tally.differences += [f"{name}: matcher and SQL: {documents[row]}" for row in met ^ stored[name]]
    return tally


def test_all_agree_on_some_sigma_rules(shared: Path, store: Store) -> None:
    tally = agree(rules_of(shared / "corpora" / "sigma", 75), store, most=40)
    assert not tally.differences, "\n".join(tally.differences[:20])
    assert tally.share >= 0.9, "\n".join(tally.one_sided)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_all_agree_on_every_sigma_rule(shared: Path, store: Store) -> None:
    tally = agree(rules_of(shared / "corpora" / "sigma", 1), store, most=80)
    assert not tally.differences, "\n".join(tally.differences[:20])
    assert tally.share >= 0.95, "\n".join(tally.one_sided)
