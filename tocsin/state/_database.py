"""The database of the state: SQLite in a file, or PostgreSQL; brought up to this version when it is opened."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from tocsin.errors import BusyError, ConfigError, ConflictError

# Two processes that start at once must not both make the tables.
_LOCK = 0x70C51


class Database:
    """Transactions of one database. Safe from many threads."""

    def __init__(self, address: str) -> None:
        self.engine = _engine(address)
        # SQLite has one writer: those of this process queue here instead of running into each other's locks.
        self._writing = threading.RLock() if self.engine.dialect.name == "sqlite" else contextlib.nullcontext()

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that reads."""
        with _busy(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that writes: all of it or, where something raises, nothing. Raises `ConflictError` where
        another made the same row at the same moment."""
        with self._writing, _busy(), self.engine.connect().execution_options(writes=True) as connection:
            with Session(connection, expire_on_commit=False) as session, session.begin():
                yield session
            connection.commit()

    def close(self) -> None:
        """Gives the connections back."""
        self.engine.dispose()


def migrate(engine: Engine, revision: str = "head") -> None:
    """Brings the database up to this version. Raises `ConfigError` where a later Tocsin has made it."""
    with as_file(files("tocsin.state") / "migrations") as folder, engine.connect() as connection:
        config = Config()
        # Alembic reads % as its own sign.
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_lock(_LOCK)))
            connection.commit()
        try:
            held = MigrationContext.configure(connection).get_current_revision()
            connection.rollback()
            if held is not None and not _knows(ScriptDirectory.from_config(config), held):
                raise ConfigError(
                    f"the state was made by a later version (step {held} is not known here)",
                    where="state",
                    hint="install that version again, or restore a backup",
                )
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            connection.commit()
        finally:
            if engine.dialect.name == "postgresql":
                connection.rollback()
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_LOCK)))
                connection.commit()


def _knows(scripts: ScriptDirectory, revision: str) -> bool:
    try:
        return scripts.get_revision(revision) is not None
    except CommandError:
        return False


def _engine(address: str) -> Engine:
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise ConfigError("the state's address is none", hint="use sqlite:///file or postgresql://…") from error
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    try:
        if url.get_backend_name() != "sqlite":
            return sa.create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=5)
        if url.database and url.database != ":memory:":
            path = Path(url.database)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)  # password hashes are in it
        engine = sa.create_engine(url, connect_args={"check_same_thread": False})
    except (OSError, ImportError, SQLAlchemyError) as error:
        raise ConfigError(f"the state can't be opened: {str(error).splitlines()[0]}", where="state") from error
    event.listen(engine, "connect", _prepared)
    event.listen(engine, "begin", _begun)
    return engine


def _prepared(connection: Any, entry: ConnectionPoolEntry) -> None:
    """SQLite: readers beside a writer, durable at commit, foreign keys held; transactions are begun by `_begun`."""
    del entry
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begun(connection: Connection) -> None:
    # A transaction that reads and then writes can't wait for another writer: take the lock at its beginning.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextlib.contextmanager
def _busy() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        # Two made the same row at one moment, each having seen none: the later one looks again.
        raise ConflictError("somebody else has made it at the same moment", where="state") from error
    except OperationalError as error:
        text = str(error.orig)
        raise BusyError(f"the state can't be used now: {text.splitlines()[0] if text else error}") from error
