"""A data folder while no server runs on it: the same way as in a server, in one process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.pipeline.conftest import event
from tocsin.errors import ConfigError, UsageError
from tocsin.pipeline.at_rest import ingest, search
from tocsin.pipeline.service import exclusive
from tocsin.ports import Span

INGEST = """
import sys
from pathlib import Path
from tocsin.pipeline.at_rest import ingest
print(ingest(Path(sys.argv[1]), [sys.argv[2]], "ecs.document", lambda more: None))
"""


def test_what_is_read_in_is_found_once(tmp_path: Path) -> None:
    """Twice in processes of their own: a process has one store."""
    lines = tmp_path / "lines.ndjson"
    lines.write_bytes(b"".join(orjson.dumps(event("alarm", f"u{n}")) + b"\n" for n in range(50)))
    data = tmp_path / "data"
    counts = [
        subprocess.run([sys.executable, "-c", INGEST, data, lines], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert counts == ["50\n", "0\n"]
    found = list(search(data, "event.action: alarm", "kql", "events", Span(), None))
    assert {row["event"]["user.name"] for row in found} == {f"u{n}" for n in range(50)}
    assert len(found) == 50
    assert len(list(search(data, "user.name: u7", "kql", "events", Span(), 10))) == 1


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        list(search(tmp_path / "none", "", "kql", "events", Span(), None))
    with pytest.raises(UsageError):
        list(search(tmp_path, "", "kql", "events", Span(), None))


def test_two_of_a_folder_cannot_be(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(ConfigError):
        ingest(tmp_path, [], None, lambda more: None)
