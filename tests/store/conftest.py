"""A store of its own for each test: in chDB, whose tables are made once and copied (220 columns take half a second), or
at a `clickhouse://` address.

TOCSIN_CLICKHOUSE runs all of them on a server: `clickhouse://user:password@host:port`, or `stand-in` for
`tests/store/server.py`, which is ClickHouse's HTTP interface over chDB. Each test gets a database of its own there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tocsin import store
from tocsin.event.batch import BatchBuilder
from tocsin.event.schema import HOT
from tocsin.store import Store
from tocsin.store._engine import Memory, connect

ROOT = Path(__file__).parents[2]
ACCOUNT = "tocsin:it's @ \\ secret"
SPELT = "tocsin:it%27s%20%40%20%5C%20secret"
NOW = 1_700_000_000_000_000
# The engine counts the whole process, and that of a test run has hundreds of megabytes of its own.
ROOMY = Memory(max_server_memory_usage=4 << 30)
Make = Callable[..., pa.RecordBatch]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty store to copy. From here on a store has room if nobody says how much."""
    folder = tmp_path_factory.mktemp("template") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tocsin.store._engine.Memory", lambda: ROOMY)
        store.open(f"chdb://{folder}").close()
        yield folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "store", symlinks=True))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server, up to the database's name."""
    given = os.environ.get("TOCSIN_CLICKHOUSE", "")
    if "://" in given:
        yield given.rstrip("/")
        return
    words = [sys.executable, "-m", "tests.store.server", str(tmp_path_factory.mktemp("server") / "db"), ACCOUNT]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield f"clickhouse://{SPELT}@127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def address(server: str) -> Iterator[str]:
    """The address of an empty database."""
    name = f"tocsin_{secrets.token_hex(6)}"
    with contextlib.closing(connect(f"{server}/default")) as engine:
        engine.command(f"CREATE DATABASE {name}")
        yield f"{server}/{name}"
        engine.command(f"DROP DATABASE {name}")


@pytest.fixture
def held(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store: embedded, or on the server that TOCSIN_CLICKHOUSE names."""
    if not os.environ.get("TOCSIN_CLICKHOUSE"):
        place = f"chdb://{request.getfixturevalue('folder')}"
    elif "folder" in request.fixturenames:
        pytest.skip("of the embedded store")
    else:
        place = request.getfixturevalue("address")
    with store.open(place) as opened:
        yield opened


def make(documents: list[dict[str, Any]], *, seed: str = "", start: int = NOW) -> pa.RecordBatch:
    """A batch of these documents; ids come from `seed` and the row, times are a second apart."""
    n = len(documents)
    builder = BatchBuilder(n)
    given = [{**document} for document in documents]
    for row, document in enumerate(given):
        document.setdefault("tocsin.id", blake2b(f"{seed}{row}".encode(), digest_size=16).hexdigest())
        document.setdefault("@timestamp", start + row * 1_000_000)
        document.setdefault("event.dataset", "test.dataset")
        document.setdefault("tocsin.ingested", start)
        document.update({"tocsin.lane": 0, "tocsin.position": row, "tocsin.record": 0})
    for name in sorted({name for document in given for name in document}):
        column = [document.get(name) for document in given]
        if name in HOT and pa.types.is_timestamp(HOT[name].arrow) and {type(value) for value in column} == {int}:
            builder.put(name, pa.array(column, HOT[name].arrow))
        else:
            builder.put(name, column)
    return builder.finish()


@pytest.fixture
def events() -> Make:
    return make
