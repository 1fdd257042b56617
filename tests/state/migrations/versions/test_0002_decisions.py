"""The second step, from the first one's tables and back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from tocsin.state._models import Base
from tocsin.state.migrations.versions import _0001_first as first
from tocsin.state.migrations.versions import _0002_decisions as second


def test_up_from_the_first_and_down_again() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        first.upgrade()
        before = set(sa.inspect(connection).get_table_names())
        second.upgrade()
        assert set(sa.inspect(connection).get_table_names()) == set(Base.metadata.tables)
        second.downgrade()
        assert set(sa.inspect(connection).get_table_names()) == before
