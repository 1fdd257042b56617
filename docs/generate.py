"""Writes the reference pages that come out of the code into docs/reference/: settings, plug-ins, commands.

They are made anew each time and not in git, so that adding a plug-in stays two files.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ByteSize
from pydantic.fields import FieldInfo

from tocsin import config, registry

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
STAGES = ("collect", "normalise", "detect", "respond")


def main() -> None:
    """Write every page, and say which."""
    REFERENCE.mkdir(exist_ok=True)
    for name, lines in (("settings", settings()), ("plugins", plugins()), ("commands", commands())):
        path = REFERENCE / f"{name}.md"
        path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
        print(path.relative_to(ROOT))


def settings() -> Iterator[str]:
    """The page of `tocsin.toml`, out of the fields of `tocsin.config.Settings`."""
    yield from (
        "# Settings",
        "",
        f"In `{config.FILE_NAME}`, or in the environment (which is over the file), or as a flag (over both). A size",
        "may be `700 MB` or `1 GiB`. In the environment a list of addresses has blanks between, networks have commas,",
        "folders have colons.",
        "",
    )
    yield from table("", config.Settings)
    for name, field in config.Settings.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from (f"## `[{name}]`", "", inspect.getdoc(model) or "", "")
            yield from table(name, model)


def table(section: str, model: type[BaseModel]) -> Iterator[str]:
    """One section's keys."""
    yield from ("| key | variable | type | default | meaning |", "|---|---|---|---|---|")
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            continue
        variable = config.PREFIX + (f"{section}_{key}" if section else key).upper()
        cells = [f"`{key}`", f"`{variable}`", kind(field.annotation), default(field), field.description or ""]
        yield "| " + " | ".join(cell.replace("\n", " ").replace("|", "\\|") for cell in cells) + " |"
    yield ""


def kind(annotation: Any) -> str:
    """A type in words."""
    words = {bool: "true or false", int: "number", str: "text", Path: "path", ByteSize: "size"}
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in words:
        return words[annotation]
    if origin is list:
        return f"list of {kind(inner[0])}"
    if hasattr(annotation, "__metadata__"):
        return kind(inner[0])
    if origin in (Union, UnionType):
        return " or ".join(kind(part) for part in inner if part is not NoneType)
    if inner:
        return ", ".join(f"`{part}`" for part in inner)
    return "network" if "Network" in str(annotation) else "text"


def default(field: FieldInfo) -> str:
    """A default as one would write it in the file."""
    value = field.default
    if value is None or value in ("", []):
        return ""
    if isinstance(value, ByteSize):
        exact = value % 2**20 == 0
        return value.human_readable(decimal=not exact, separator=" ").replace(".0 ", " ")
    if isinstance(value, bool):
        return str(value).lower()
    return "`" + (", ".join(map(str, value)) if isinstance(value, list) else str(value)) + "`"


def plugins() -> Iterator[str]:
    """The page of plug-ins: of each the first line of its docstring. None is imported."""
    yield from ("# Plug-ins", "")
    for stage in STAGES:
        package = f"tocsin.{stage}"
        yield from (f"## {stage}", "", about(package), "")
        yield from (f"- `{name}`: {about(f'{package}.{name}')}" for name in registry.names(package))
        yield ""


def about(module: str) -> str:
    """The first sentence of a module's docstring."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return ""  # a third party's entry point, whose module has another name
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_bytes())) or ""
    return " ".join(text.partition("\n\n")[0].split())


def commands() -> Iterator[str]:
    """The page of the command line, out of each command's own help."""
    import click
    import typer

    yield from ("# Commands", "")
    app = importlib.import_module("tocsin.cli").app
    root = typer.main.get_command(app)

    def walk(command: Any, name: str) -> Iterator[str]:
        context = click.Context(command, info_name=name)
        yield from (f"## `{name}`", "", "```text", command.get_help(context).strip(), "```", "")
        for child in sorted(getattr(command, "commands", {})):
            if not command.commands[child].hidden:
                yield from walk(command.commands[child], f"{name} {child}")

    yield from walk(root, "tocsin")


if __name__ == "__main__":
    main()
