"""The steps lead to what the models say."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from tocsin.state._database import Database, migrate
from tocsin.state._models import Base


def test_the_steps_make_the_tables_of_the_models(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    migrate(database.engine)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    database.close()


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    for _ in range(2):
        migrate(database.engine)
        with database.engine.connect() as connection:
            assert MigrationContext.configure(connection).get_current_revision() == "0002"
    database.close()
