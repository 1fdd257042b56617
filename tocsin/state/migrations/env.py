"""What Alembic runs for each upgrade; the connection is given by whoever opens the state."""

from __future__ import annotations

from alembic import context

from tocsin.state._models import Base


def run() -> None:
    """Run the steps in one transaction on the connection that was given."""
    connection = context.config.attributes["connection"]
    # SQLite changes a table by copying it.
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


# Alembic runs this file; a test that looks at it doesn't.
if getattr(context, "_proxy", None) is not None:
    run()
