"""From an empty database, an older one, and none of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.conftest import Make
from tocsin import store
from tocsin.errors import ConfigError
from tocsin.lang.ir import TRUE, Equals, Test
from tocsin.lang.sql import quote
from tocsin.store._ddl import TABLES
from tocsin.store._engine import connect
from tocsin.store._migrate import STEPS, migrate

Test.__test__ = False  # type: ignore[attr-defined]


def test_an_empty_database_gets_every_table_once(tmp_path: Path) -> None:
    engine = connect(f"chdb://{tmp_path / 'new'}")
    assert migrate(engine) == [name for _, name, _ in STEPS]
    assert migrate(engine) == []
    assert {name for (name,) in engine.rows("SHOW TABLES")} == {*(table.name for table in TABLES), "migrations"}
    engine.close()


def test_an_older_database_gets_new_columns_and_its_rows_are_still_found(folder: Path, events: Make) -> None:
    with store.open(f"chdb://{folder}") as opened:
        for table in ("events", "alerts"):
            opened._engine.command(f"ALTER TABLE {table} DROP COLUMN {quote('zeek.session_id')}")
        batch = events([{"message": "old"}])
        at = batch.schema.get_field_index("zeek.session_id")
        opened._known.add("events", events([{"own": 1}]))
        opened._engine.insert("events", batch.remove_column(at))
    with store.open(f"chdb://{folder}") as again:
        again.insert("0:0", events([{"zeek.session_id": "C1"}], seed="new"))
        assert again.count(TRUE) == 2
        field = again.names["events"].field("zeek.session_id")
        assert again.count(Test(field, Equals(("C1",)))) == 1


def test_a_database_that_did_not_know_its_filled_columns_finds_them(folder: Path, events: Make) -> None:
    with store.open(f"chdb://{folder}") as opened:
        opened.insert("0:0", events([{"url.path": "/a", "host.ip": ["10.0.0.1"]}]))
        opened._engine.command("TRUNCATE TABLE names")
        opened._engine.command("ALTER TABLE migrations DELETE WHERE number > 1 SETTINGS mutations_sync = 1")
    with store.open(f"chdb://{folder}") as again:
        (document,) = again.search(TRUE)
        assert document["url.path"] == "/a" and document["host.ip"] == ["10.0.0.1"]
        assert again.by_ids([document["_id"]]) == {document["_id"]: document}


def test_columns_that_were_known_by_data_set_alone_are_known_by_code(folder: Path, events: Make) -> None:
    with store.open(f"chdb://{folder}") as opened:
        opened.insert("0:0", events([{"event.code": "1", "url.path": "/a"}, {"event.code": "2", "user.name": "u"}]))
        opened._engine.command("TRUNCATE TABLE names")
        opened._engine.command("INSERT INTO names VALUES ('events', 'my.own'), ('events/test.dataset', 'url.path')")
        opened._engine.command("ALTER TABLE migrations DELETE WHERE number > 3 SETTINGS mutations_sync = 1")
    with store.open(f"chdb://{folder}") as again:
        assert again.known_names() == ["my.own"]
        assert "url.path" in again._known.filled_of("events", [("test.dataset", "1")])
        assert "url.path" not in again._known.filled_of("events", [("test.dataset", "2")])
        assert len(again.search(TRUE)) == 2


def test_what_a_later_version_made_is_left_alone(folder: Path) -> None:
    with store.open(f"chdb://{folder}") as opened:
        opened._engine.command("INSERT INTO migrations SELECT 999, 'from the future', now64(3)")
    with pytest.raises(ConfigError, match="later version"):
        store.open(f"chdb://{folder}")
