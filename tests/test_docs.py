"""The reference that comes out of the code is whole: every setting and every plug-in is on its page."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tocsin import config, registry

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """docs/generate.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_setting_is_in_the_reference(generate: ModuleType) -> None:
    lines = [line.split(" | ") for line in generate.settings() if line.startswith("| `")]
    assert [variable.strip("`") for _, variable, *_ in lines] == [
        f"TOCSIN_{name.replace('.', '_').upper()}" for name in config.names()
    ]
    for cells in lines:
        assert len(cells) == 5, cells
        assert "typing." not in cells[2]
        assert len(cells[4]) > len(" |"), f"{cells[0]} has no meaning"


def test_every_plugin_is_in_the_reference(generate: ModuleType) -> None:
    page = list(generate.plugins())
    for stage in generate.STAGES:
        for name in registry.names(f"tocsin.{stage}"):
            (line,) = [line for line in page if line.startswith(f"- `{name}`:")]
            assert line.rstrip() != f"- `{name}`:"
