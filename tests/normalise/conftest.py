"""Frames and records for the tests of products."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.event.document import to_documents
from tocsin.event.records import Chunk, Format, Frame, Origin
from tocsin.normalise._run import Normaliser

ARRIVAL = 1_718_100_000_000_000  # 2024-06-11T10:00:00Z
SAMPLES = Path(__file__).parent / "samples"

Documents = list[dict[str, Any]]


def frame(payload: bytes, format_: Format = "ndjson", *, position: int = 0, **origin: Any) -> Frame:
    """One frame of lane 0, come by `way` (ingest, unless said otherwise)."""
    return Frame(0, position, ARRIVAL, Chunk(format_, payload, Origin(**{"way": "ingest", **origin})))


@pytest.fixture(scope="session")
def normaliser() -> Normaliser:
    """All products of the folder."""
    return Normaliser()


@pytest.fixture
def read(normaliser: Normaliser) -> Callable[..., Documents]:
    """Flat documents of some records, as `--as` or recognised: dicts are sent as NDJSON, texts as lines."""

    def documents(*records: dict[str, Any] | str | bytes, as_: str | None = None, **origin: Any) -> Documents:
        lines = [r if isinstance(r, bytes) else r.encode() if isinstance(r, str) else orjson.dumps(r) for r in records]
        format_: Format = "lines" if isinstance(records[0], str) else "ndjson"
        result = normaliser.run([frame(b"\n".join(lines), format_, product=as_, **origin)])
        return to_documents(result.batch)

    return documents


@pytest.fixture
def send(normaliser: Normaliser) -> Callable[..., Documents]:
    """Flat documents of whole frames."""
    return lambda *frames: to_documents(normaliser.run(frames).batch)
