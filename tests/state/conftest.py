"""A state of its own for each test: SQLite in a file, or the database that TOCSIN_TEST_STATE names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tocsin import state
from tocsin.state import State
from tocsin.state._database import Database
from tocsin.state._models import Base
from tocsin.state.users import Users


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty state, made once."""
    path = tmp_path_factory.mktemp("template") / "state.db"
    state.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def address(tmp_path: Path, template: Path) -> str:
    given = os.environ.get("TOCSIN_TEST_STATE")
    if not given:
        shutil.copy(template, tmp_path / "state.db")
        return f"sqlite:///{tmp_path / 'state.db'}"
    database = Database(given)
    with database.engine.begin() as connection:
        Base.metadata.drop_all(connection)
        connection.execute(sa.schema.DropTable(sa.table("alembic_version"), if_exists=True))  # type: ignore[arg-type]
    database.close()
    return given


@pytest.fixture
def opened(address: str) -> Iterator[State]:
    with state.open(address) as held:
        held.users = Users(held._database, cost=1)  # argon2 as it should be takes too long for a test
        yield held
