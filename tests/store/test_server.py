"""The store at a `clickhouse://` address: over HTTP, through the client that a server gets (see `conftest`)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.serving import Story, started
from tests.store.conftest import NOW, Make
from tests.store.test_alerts import alert, decided
from tests.store.test_entities import processes
from tests.store.test_hits import batch as hits
from tests.store.test_hits import hit
from tocsin import store
from tocsin.errors import ConfigError, QueryError
from tocsin.lang.ir import TRUE, Equals, Test
from tocsin.ports import Span
from tocsin.store import Store
from tocsin.store._engine import MemoryRefusedError, ServerEngine, connect


@pytest.fixture
def held(address: str) -> Iterator[Store]:
    with store.open(address) as opened:
        yield opened


def test_tables_are_made_once_and_a_second_opening_changes_nothing(held: Store, address: str) -> None:
    steps = held._engine.rows("SELECT number FROM migrations ORDER BY number")
    with store.open(address) as again:
        assert isinstance(again._engine, ServerEngine)
        assert steps
        assert again._engine.rows("SELECT number FROM migrations ORDER BY number") == steps


def test_a_stretch_that_comes_twice_counts_once(held: Store, events: Make) -> None:
    batch = events([{"host.name": "h", "host.ip": ["10.1.1.1", "fe80::1"], "own": ["a", "b"]}] * 3)
    assert held.insert("0:0", batch) == (3, 0)
    assert held.insert("0:0", batch) == (0, 3)
    held._engine.insert("events", batch, "0:0:events:0")  # the token alone decides, without the look-up before
    assert held.count(TRUE) == 3
    held._engine.insert("events", batch, "0:1:events:0")
    assert held.count(TRUE) == 6
    found = held.search(TRUE, limit=1)[0]
    assert (found["host.ip"], found["own"]) == (["10.1.1.1", "fe80::1"], ["a", "b"])


def test_events_are_found_counted_and_streamed(held: Store, events: Make) -> None:
    rows = [{"user.name": f"u{n % 3}", "tocsin.id": f"it's \\ {n}", "event.dataset": f"d.{n % 2}"} for n in range(9)]
    batch = events(rows)
    held.insert("0:0", batch)
    where = Test(held.names["events"].field("user.name"), Equals(("U1",), fold=True))
    assert [row["_id"] for row in held.search(where)] == ["it's \\ 7", "it's \\ 4", "it's \\ 1"]
    assert set(held.by_ids(["it's \\ 1", "it's \\ 8", "nobody"])) == {"it's \\ 1", "it's \\ 8"}
    assert held.count(where, Span(NOW, NOW + 2_000_000)) == 1
    assert held.top(TRUE, "user.name").values == [("u0", 3), ("u1", 3), ("u2", 3)]
    assert held.histogram(TRUE, Span(NOW, NOW + 9_000_000), buckets=3).counts == {"": [3, 3, 3]}
    (streamed,) = held.stream(where)
    assert streamed.column("tocsin.id").to_pylist() == ["it's \\ 1", "it's \\ 4", "it's \\ 7"]


def test_more_ids_than_an_address_has_room_for(held: Store, events: Make) -> None:
    held.insert("0:0", events([{}] * 7_000))
    assert held.insert("0:1", events([{}] * 7_000)) == (0, 7_000)
    ids = [row["_id"] for row in held.search(TRUE, limit=900, fields=["host.name"])]
    assert len(held.by_ids(ids)) == 900


def test_alerts_processes_and_hits(held: Store) -> None:
    held.write_alerts([alert("a", kibana__alert__reason="it's")])
    held.write_triage([decided("a", "closed", 1)])
    (found,) = held.search(TRUE, of="alerts")
    assert (found["kibana.alert.reason"], found["kibana.alert.workflow_status"]) == ("it's", "closed")
    held.insert("0:0", None, hits(hit(1), hit(2)), processes({"host": "h", "entity_id": "p", "start": NOW}))
    assert held.processes("h", ["p"])["p"]["start"] == "2023-11-14T22:13:20.000Z"
    assert held.size()["hits"].rows == 2


def test_what_another_process_wrote_is_known_at_the_next_search(held: Store, address: str, events: Make) -> None:
    with store.open(address) as other:
        other.insert("0:0", events([{"own.name": ["v"]}]))
    assert "own.name" in held.known_names()
    assert held.search(Test(held.names["events"].field("own.name"), Equals(("v",))))[0]["own.name"] == "v"


def test_many_threads(held: Store, events: Make) -> None:
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(held.count(TRUE))) for _ in range(12)]
    for thread in threads:
        thread.start()
    held.insert("0:0", events([{}] * 20))
    for thread in threads:
        thread.join()
    assert len(counts) == 12
    assert set(counts) <= {0, 20}


def test_what_a_server_refuses_has_its_own_error(held: Store, address: str) -> None:
    with pytest.raises(QueryError, match="Unknown"):
        held._engine.rows("SELECT nobody FROM events")
    with pytest.raises(MemoryRefusedError):
        held._engine.rows("SELECT groupArray(number) FROM numbers(1000000000)")
    parts = urlsplit(address)
    with pytest.raises(ConfigError) as refused:
        connect(f"clickhouse://tocsin:geheim@{parts.hostname}:{parts.port}/default")
    assert "geheim" not in str(refused.value)


@pytest.mark.slow
def test_the_whole_program_over_an_address(address: str, tmp_path: Path) -> None:
    with started(tmp_path / "data", TOCSIN_STORE_ADDRESS=address) as server:
        story = Story(server)
        assert len(story.alerts) == 5
        assert set(story.incidents) == {"dropper", "portal"}
    assert not (tmp_path / "data" / "store").exists()
