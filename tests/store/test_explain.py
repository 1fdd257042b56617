"""Searches use the indexes that the tables have: the engine's own word, not a time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.conftest import NOW, Make
from tocsin.lang.fields import Names
from tocsin.lang.ir import And, Equals, Gap, Like, Not, Or, Predicate, Range, Test, Words
from tocsin.ports import Span
from tocsin.store import Store

Test.__test__ = False  # type: ignore[attr-defined]
NAMES = Names()
HASH = "A" * 63


def asked(name: str, op: Any) -> Predicate:
    return Test(NAMES.field(name), op)


@pytest.fixture
def granules(held: Store, events: Make) -> Store:
    """Eight parts, of which a search for one row's values needs one."""
    held._engine.command("SYSTEM STOP MERGES events")
    for part in range(8):
        rows = [
            {
                "message": f"user number{part} signed in",
                "process.command_line": f"tool.exe --Name part{part} /quiet",
                "source.ip": f"10.0.{part}.{row}",
                "host.ip": [f"10.1.{part}.{row}", "::1"],
                "user.name": f"User{part}",
                "file.hash.sha256": f"{HASH}{part}",
                "process.entity_id": f"entity-{part}",
                "network.community_id": f"1:abc{part}=",
                "dns.question.name": f"Host{part}.example",
            }
            for row in range(3)
        ]
        held.insert(f"0:{part}", events(rows, seed=str(part), start=NOW + part * 86_400_000_000))
    return held


@pytest.mark.parametrize(
    ("index", "where"),
    [
        ("by message token", asked("message", Words(("number3",)))),
        ("by message token", asked("message", Words(("number3", "signed")))),
        ("by process.command_line token", asked("process.command_line.text", Words(("part3",)))),
        ("by source.ip", asked("source.ip", Equals(("10.0.3.1",)))),
        ("by source.ip", Or((asked("source.ip", Equals(("10.0.3.1",))), asked("source.ip", Equals(("10.0.3.2",)))))),
        ("by host.ip", asked("host.ip", Equals(("10.1.3.1",)))),
        ("by file.hash.sha256", asked("file.hash.sha256", Equals((f"{HASH}3",)))),
        ("by file.hash.sha256", asked("file.hash.sha256", Equals((f"{HASH}3",), fold=True))),
        ("by user.name", asked("user.name", Equals(("uSER3",), fold=True))),
        ("by process.entity_id", asked("process.entity_id", Equals(("entity-3",)))),
        ("by network.community_id", asked("network.community_id", Equals(("1:abc3=",)))),
        ("by dns.question.name", asked("dns.question.name", Equals(("host3.EXAMPLE",), fold=True))),
        ("by tocsin.id", asked("tocsin.id", Equals(("nobody's",)))),
    ],
)
def test_a_value_is_found_through_its_index(granules: Store, index: str, where: Predicate) -> None:
    used = {each.name: each for each in granules.indexes(where)}
    assert used[index].granules == 8 and used[index].left <= 2
    assert granules.count(where) == (
        0 if index == "by tocsin.id" else 3 if index not in ("by source.ip", "by host.ip") else granules.count(where)
    )
    assert granules.count(where) in (0, 1, 2, 3)


def test_a_span_is_found_through_time(granules: Store) -> None:
    used = granules.indexes(And(()), Span(NOW + 3 * 86_400_000_000, NOW + 4 * 86_400_000_000))
    assert used[-1].left <= 2
    assert granules.count(And(()), Span(NOW + 3 * 86_400_000_000, NOW + 4 * 86_400_000_000)) == 3


def test_a_data_set_is_found_through_the_key(granules: Store) -> None:
    used = granules.indexes(asked("event.dataset", Equals(("another",))))
    assert (used[0].name, used[0].left) == ("PrimaryKey", 0)


def test_a_data_set_in_any_case_is_found_through_the_key(held: Store, events: Make) -> None:
    held._engine.command("SYSTEM STOP MERGES events")
    for part, name in enumerate(["a.b", "A.B", "c.d", "e.f"]):
        held.insert(f"0:{part}", events([{"event.dataset": name}], seed=name))
    where = asked("event.dataset", Equals(("A.b",), fold=True))
    used = held.indexes(where)[0]
    assert (used.name, used.granules, used.left) == ("PrimaryKey", 4, 2)
    assert (held.count(where), held.count(Not(where))) == (2, 2)
    assert held.count(asked("event.dataset", Equals(("nobody",), fold=True))) == 0


def test_what_no_index_can_say_is_read(granules: Store) -> None:
    where = asked("process.command_line", Like((Gap.ANY, "art3 /q", Gap.ANY), fold=True))
    assert granules.count(where) == 3
    assert granules.count(asked("source.ip", Range(b"\0" * 16, None))) == 24
