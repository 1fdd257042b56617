"""The documentation is true: what comes out of the code is whole, and what is written by hand names what there is."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from tocsin import config, registry
from tocsin.event.schema import HOT
from tocsin.pipeline.knowledge import shipped_rules

ROOT = Path(__file__).parents[1]
# Written by hand. Decisions tell what was true on their day.
PAGES = [
    path
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if "decisions" not in path.parts and not path.is_relative_to(ROOT / "docs" / "reference")
]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """docs/generate.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands() -> dict[str, Any]:
    """Every command by its words: `rules check` → the command."""
    found: dict[str, Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        children = getattr(command, "commands", {})
        if not children:
            found[" ".join(words)] = command
        for name, child in children.items():
            walk(child, (*words, name))

    walk(typer.main.get_command(importlib.import_module("tocsin.cli").app), ())
    return found


def blocks(path: Path, *languages: str) -> Iterator[str]:
    """The code blocks of a page in one of these languages."""
    for language, text in re.findall(
        r"^```(\w*)\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        if language in languages:
            yield text


def test_every_page_is_made(generate: ModuleType) -> None:
    for name in generate.PAGES:
        lines = list(getattr(generate, name)())
        assert lines[0].startswith("# "), name
        assert len(lines) > 10, name
        width = 0
        for line in lines:
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            assert not (width and cells) or cells == width, f"{name}: {line}"
            width = cells


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


def test_every_command_is_in_the_reference_with_its_flags(generate: ModuleType) -> None:
    page = "\n".join(generate.commands())
    for words, command in commands().items():
        assert f"## `tocsin {words}" in page
        assert command.help, words
        for parameter in command.params:
            assert getattr(parameter, "help", None) or not parameter.opts[0].startswith("-"), (
                f"{words}: {parameter.name}"
            )
            assert all(flag in page for flag in parameter.opts if flag.startswith("-")), words


def test_every_stream_is_in_the_reference(generate: ModuleType) -> None:
    page = "\n".join(generate.sources())
    for product in registry.names("tocsin.normalise"):
        assert f"| `{product}." in page, product


def test_every_hot_field_and_rule_is_in_the_reference(generate: ModuleType) -> None:
    page = "\n".join(generate.fields())
    assert [name for name in HOT if f"| `{name}` |" not in page] == []
    page = "\n".join(generate.rules())
    files = [path.relative_to(shipped_rules()) for path in shipped_rules().rglob("*.toml")]
    assert [str(path) for path in files if f"`{path}`" not in page] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path, generate: ModuleType) -> None:
    made = {ROOT / "docs" / "reference" / f"{name}.md" for name in generate.PAGES}
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        place = (path.parent / target).resolve()
        assert place.exists() or place in made, target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_are_shown_exist(path: Path) -> None:
    known = commands()
    for text in blocks(path, "sh"):
        for line in re.sub(r"\\\n\s*", " ", text).splitlines():
            found = re.match(r"(?:.*\| )?(?:\.venv/bin/)?tocsin (.+)", line.partition(" #")[0])
            if not found:
                continue
            words = re.sub(r"'[^']*'?|\"[^\"]*\"?", "X", re.split(r" [|>] ", found[1])[0]).split()
            name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
            assert name in known, line
            flags = {flag for parameter in known[name].params for flag in [*parameter.opts, *parameter.secondary_opts]}
            unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in flags]
            assert unknown == [], line


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_settings_that_are_shown_are_taken(path: Path, tmp_path: Path) -> None:
    for number, text in enumerate(blocks(path, "toml")):
        if "[rule]" in text or "[project." in text or "[tocsin]" in text or "[[tocsin." in text:
            continue
        file = tmp_path / f"{number}.toml"
        file.write_text(text, encoding="utf-8")
        config.load(file)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_that_are_shown_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    shown = re.findall(r"\bmake ([a-z-]+)(?=[\s`])", "\n".join(blocks(path, "sh")))
    shown += re.findall(r"`make ([a-z-]+)", path.read_text(encoding="utf-8"))
    assert sorted(set(shown) - targets) == []
