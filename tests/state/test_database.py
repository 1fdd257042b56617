"""Transactions, and what can't be opened."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from tocsin import state
from tocsin.errors import ConfigError
from tocsin.state import State
from tocsin.state._database import Database
from tocsin.state._models import SettingRow


def test_a_transaction_that_raises_leaves_nothing(opened: State) -> None:
    with pytest.raises(RuntimeError), opened._database.write() as session:
        session.add(SettingRow(name="a", value=1, changed=0))
        session.flush()
        raise RuntimeError
    assert opened.settings.get("a") is None


def test_writers_of_many_threads_wait_for_each_other(opened: State) -> None:
    opened.settings.put("n", 0)

    def count() -> None:
        for _ in range(20):
            with opened._database.write() as session:
                row = session.get(SettingRow, "n", with_for_update=True)
                assert row is not None
                row.value = int(row.value) + 1

    threads = [threading.Thread(target=count) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened.settings.get("n") == 100


def test_two_processes_may_open_it_at_once(address: str) -> None:
    opened = [state.open(address) for _ in range(3)]
    opened[0].settings.put("a", 1)
    opened[1].settings.put("b", 2)
    assert [opened[2].settings.get(name) for name in "ab"] == [1, 2]
    for each in opened:
        each.close()


def test_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.db"
    state.open(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("address", ["", "nonsense", "oracle://x/y", "sqlite:////proc/none/state.db"])
def test_an_address_that_is_none_is_said_so(address: str) -> None:
    with pytest.raises(ConfigError):
        state.open(address)


def test_what_a_later_version_made_is_left_alone(address: str) -> None:
    state.open(address).close()
    database = Database(address)
    with database.engine.begin() as connection:
        connection.execute(sa.update(sa.table("alembic_version", sa.column("version_num"))).values(version_num="9999"))
    database.close()
    with pytest.raises(ConfigError, match="later version"):
        state.open(address)
