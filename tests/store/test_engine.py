"""Addresses, errors and the pool of clients."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.store.conftest import Make
from tocsin import store
from tocsin.errors import BusyError, ConfigError, QueryError
from tocsin.lang.ir import TRUE
from tocsin.store import Store
from tocsin.store._engine import MemoryRefusedError, connect


@pytest.mark.parametrize("address", ["", "nonsense", "mysql://h/d", "chdb:///proc/none/x"])
def test_an_address_that_is_none_is_said_so(address: str) -> None:
    with pytest.raises(ConfigError):
        connect(address)


def test_a_server_that_is_not_there_is_said_so_without_its_password(free_port: int) -> None:
    with pytest.raises(ConfigError) as refused:
        connect(f"clickhouse://user:geheim@127.0.0.1:{free_port}/tocsin")
    assert "geheim" not in str(refused.value)


def test_another_process_is_told_that_the_folder_is_taken(held: Store, folder: Path) -> None:
    code = f"from tocsin import store; store.open('chdb://{folder}')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert "another process has this store open" in found.stderr
    assert held.count(TRUE) == 0


def test_memory_that_is_not_there_is_back_pressure(held: Store) -> None:
    with pytest.raises(MemoryRefusedError):
        held._engine.rows("SELECT groupArray(number) FROM numbers(1000000000)")
    assert held.count(TRUE) == 0


def test_many_threads_search_while_one_writes(held: Store, events: Make) -> None:
    counts: list[int] = []
    failed: list[BaseException] = []

    def search() -> None:
        try:
            counts.extend(held.count(TRUE) for _ in range(5))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=search) for _ in range(12)]
    for thread in threads:
        thread.start()
    for stretch in range(5):
        held.insert(f"0:{stretch}", events([{}] * 20, seed=f"{stretch}."))
    for thread in threads:
        thread.join()
    assert not failed
    assert len(counts) == 60
    assert held.count(TRUE) == 100


def test_a_pool_that_is_used_up_says_so(held: Store) -> None:
    engine = held._engine
    while engine._slots.acquire(blocking=False):  # type: ignore[attr-defined]
        pass
    with pytest.raises(BusyError, match="too many"), engine._client(wait=0.01):  # type: ignore[attr-defined]
        pass


def test_a_closed_store_answers_nobody(folder: Path) -> None:
    opened = store.open(f"chdb://{folder}")
    opened.close()
    with pytest.raises((ConfigError, QueryError, Exception), match=r"clos"):
        opened.count(TRUE)
    with store.open(f"chdb://{folder}") as again:
        assert again.count(TRUE) == 0


def test_parts_with_dictionaries_of_their_own_are_read_as_one(held: Store, events: Make) -> None:
    held._engine.command("SYSTEM STOP MERGES events")
    for part in range(4):
        rows = [{f"own.{part}": [str(part)], "user.name": f"u{part}"}] * 3000
        held.insert(f"0:{part}", events(rows, seed=str(part)))
    found = held._engine.arrow("SELECT `tocsin.fields`, `tocsin.types`, `user.name` FROM events")
    assert found.num_rows == 12_000
    assert {str(row) for row in found.column(0).to_pylist()} == {f"[('own.{part}', ['{part}'])]" for part in range(4)}
    assert set(found.column(2).cast("string").to_pylist()) == {"u0", "u1", "u2", "u3"}
