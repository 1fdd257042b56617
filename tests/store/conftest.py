"""A store of its own for each test, in chDB. The tables are made once and copied: 220 columns take half a second."""

from __future__ import annotations

import shutil
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

NOW = 1_700_000_000_000_000
Make = Callable[..., pa.RecordBatch]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "store"
    store.open(f"chdb://{folder}").close()
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "store", symlinks=True))


@pytest.fixture
def held(folder: Path) -> Iterator[Store]:
    with store.open(f"chdb://{folder}") as opened:
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
