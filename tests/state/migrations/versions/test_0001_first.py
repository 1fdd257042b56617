"""The first step, from an empty database and back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from tocsin.state._models import Base
from tocsin.state.migrations.versions import _0001_first as first


def test_up_and_down_again_leaves_nothing() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        first.upgrade()
        made = set(sa.inspect(connection).get_table_names())
        assert made
        assert made <= set(Base.metadata.tables)
        first.downgrade()
        assert sa.inspect(connection).get_table_names() == []
