"""The finding of plug-ins, on real packages written to disk and real entry points."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tocsin import registry
from tocsin.errors import PluginError

Write = Callable[[dict[str, str]], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes files below a folder that Python imports from, and forgets their modules afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def files(contents: dict[str, str]) -> None:
        for name, text in contents.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        importlib.invalidate_caches()

    yield files
    for name in set(sys.modules) - before:
        del sys.modules[name]


STAGE = {
    "brew/__init__.py": "",
    "brew/_kettle.py": "raise RuntimeError('machinery is nobody’s plug-in')",
    "brew/tea.py": "colour = 'green'",
    "brew/coffee.py": "colour = 'black'",
    "brew/herbs/__init__.py": "",
    "brew/herbs/mint.py": "",
}


def third_party(**points: str) -> dict[str, str]:
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    return {
        "acme-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n",
        "acme-1.0.dist-info/entry_points.txt": f"[brew]\n{lines}",
    }


def test_public_files_are_plugins_and_machinery_and_folders_are_not(write: Write) -> None:
    write(STAGE)
    assert registry.names("brew") == ("coffee", "tea")
    assert registry.names("brew.herbs") == ("mint",)
    assert {name: module.colour for name, module in registry.plugins("brew").items()} == {
        "coffee": "black",
        "tea": "green",
    }


def test_nothing_is_imported_before_it_is_asked_for(write: Write) -> None:
    write(STAGE)
    registry.names("brew")
    assert "brew.tea" not in sys.modules
    assert registry.load("brew", "tea").colour == "green"
    assert "brew.coffee" not in sys.modules


def test_a_third_party_plugin_stands_beside_our_own(write: Write) -> None:
    write(STAGE | third_party(mate="acme_mate") | {"acme_mate.py": "colour = 'pale'"})
    assert registry.names("brew") == ("coffee", "mate", "tea")
    assert list(registry.plugins("brew")) == ["coffee", "mate", "tea"]
    assert registry.load("brew", "mate").colour == "pale"
    assert registry.failures("brew") == {}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_library", "ModuleNotFoundError.*no_such_library"),
        ("raise ValueError('kettle is dry')", "ValueError.*kettle is dry"),
        ("raise ValueError('\\x1b[31mred\\nline')", r"ValueError.*\\x1b\[31mred\\nline"),
        ("import sys; sys.exit(3)", "SystemExit.*3"),
        ("def (", "SyntaxError"),
    ],
)
def test_a_broken_third_party_plugin_stops_nobody_else(write: Write, source: str, reason: str) -> None:
    write(STAGE | third_party(mate="acme_mate") | {"acme_mate.py": source})
    assert list(registry.plugins("brew")) == ["coffee", "tea"]
    with pytest.raises(PluginError, match=reason) as caught:
        registry.load("brew", "mate")
    assert "acme" in str(caught.value)
    assert str(registry.failures("brew")["mate"]) == str(caught.value)


def test_an_entry_point_must_be_a_module(write: Write) -> None:
    write(STAGE | third_party(mate="acme_mate:colour") | {"acme_mate.py": "colour = 'pale'"})
    assert "mate" not in registry.plugins("brew")
    with pytest.raises(PluginError, match=r"is no module.*without a colon"):
        registry.load("brew", "mate")


def test_a_third_party_takes_no_name_of_ours(write: Write) -> None:
    write(STAGE | third_party(tea="acme_tea") | {"acme_tea.py": "colour = 'red'"})
    assert registry.load("brew", "tea").colour == "green"
    assert registry.plugins("brew")["tea"].colour == "green"
    assert "rename" in str(registry.failures("brew")["tea"])


def test_a_name_that_nobody_has_is_told_the_nearest(write: Write) -> None:
    write(STAGE)
    with pytest.raises(PluginError, match="did you mean 'coffee'"):
        registry.load("brew", "cofee")
    with pytest.raises(PluginError, match="there are: coffee, tea"):
        registry.load("brew", "\x1b[31mwater\n")
    with pytest.raises(PluginError, match="no plug-in"):
        registry.load("brew", "_kettle")


def test_our_own_broken_plugin_is_an_error_that_says_which(write: Write) -> None:
    write(STAGE | {"brew/mud.py": "import no_such_library"})
    with pytest.raises(PluginError, match=r"^brew: the plug-in 'mud' needs the Python package 'no_such_library'"):
        registry.plugins("brew")
    assert registry.load("brew", "tea").colour == "green"


@pytest.mark.parametrize("package", ["no_such_stage", "brew.no_such_stage"])
def test_a_folder_that_is_not_there_is_an_error(write: Write, package: str) -> None:
    write(STAGE)
    with pytest.raises(PluginError, match="no such folder"):
        registry.names(package)


def test_a_module_is_no_folder_of_plugins(write: Write) -> None:
    write(STAGE)
    with pytest.raises(PluginError, match="not a folder"):
        registry.names("brew.tea")
