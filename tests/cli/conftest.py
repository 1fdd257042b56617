"""What the tests of commands share: a way to run one as a user does, and the dropper's files."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from tests.serving import SEED


class Ran(NamedTuple):
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list:
        """stdout as NDJSON: nothing else may be on it."""
        return [orjson.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `tocsin WORDS…` in this process, which has read the libraries already."""
    from tocsin.cli import main

    for name in ("TOCSIN_URL", "TOCSIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")

    def ran(*words: str | Path, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["tocsin", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        sys.stdout.flush()
        sys.stderr.flush()
        out, err = capfd.readouterr()
        return Ran(code, out, err)

    return ran


@pytest.fixture(scope="session")
def dropper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the dropper's story as its sensors' files."""
    from tocsin.cli.server import play

    folder = tmp_path_factory.mktemp("dropper")
    assert play("dropper", str(folder), 0.0, SEED) > 0
    return folder
