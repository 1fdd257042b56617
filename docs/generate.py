"""Writes the reference pages that come out of the code into docs/reference/: settings, plug-ins, commands, sources,
fields, rules, the HTTP API, and a line a file of the code.

They are made anew each time and not in git, so that adding a plug-in stays two files.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ByteSize
from pydantic.fields import FieldInfo

from tocsin import config, registry
from tocsin.api.app import create
from tocsin.detect import Rule
from tocsin.event import ecs
from tocsin.event.schema import ALERT_HOT, HOT
from tocsin.lang.fields import EVERYWHERE
from tocsin.normalise import Claim
from tocsin.pipeline.knowledge import Knowledge, Plan, shipped_rules

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
STAGES = ("collect", "normalise", "detect", "respond")


PAGES = ("settings", "plugins", "commands", "sources", "fields", "rules", "api", "code")


def main() -> None:
    """Write every page, and say which."""
    REFERENCE.mkdir(exist_ok=True)
    for name in PAGES:
        path = REFERENCE / f"{name}.md"
        path.write_text("\n".join(globals()[name]()).rstrip() + "\n", encoding="utf-8")
        print(path.relative_to(ROOT))
    if (ROOT / "web").is_dir():  # what the page's types are made of: `npm run types`
        path = ROOT / "web" / "openapi.json"
        path.write_text(
            json.dumps(create(None).openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        print(path.relative_to(ROOT))


def row(*cells: object) -> str:
    """A line of a table."""
    return "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in cells) + " |"


def head(*names: str) -> tuple[str, str]:
    """A table's first two lines."""
    return row(*names), "|" + "---|" * len(names)


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
    yield from head("key", "variable", "type", "default", "meaning")
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            continue
        variable = config.PREFIX + (f"{section}_{key}" if section else key).upper()
        yield row(f"`{key}`", f"`{variable}`", kind(field.annotation), default(field), field.description or "")
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
    """The page of the command line, out of each command's own parameters."""
    import typer

    yield from (
        "# Commands",
        "",
        "Exit codes: 0 done; 1 done, and a check failed; 2 wrong usage or input, with one line",
    )
    yield from ("that says what and where. Nothing but results goes to stdout. `NO_COLOR` is honoured.", "")

    def walk(command: Any, name: str) -> Iterator[str]:
        children = getattr(command, "commands", {})
        if not children:
            arguments = [p for p in command.params if not p.opts[0].startswith("-")]
            words = [p.metavar or p.name.upper() for p in arguments]
            yield from (f"## `{' '.join([name, *words])}`", "", " ".join((command.help or "").split()), "")
            yield from head("parameter", "meaning", "default")
            for parameter in command.params:
                flags = ", ".join(f"`{flag}`" for flag in [*parameter.opts, *parameter.secondary_opts])
                shown = f"`{parameter.metavar or parameter.name.upper()}`" if parameter in arguments else flags
                notes = [part for part in (getattr(parameter, "help", None), _variable(parameter)) if part]
                yield row(shown, " ".join(notes), _default(parameter))
            yield ""
        for child in sorted(children):
            if not children[child].hidden:
                yield from walk(children[child], f"{name} {child}")

    yield from walk(typer.main.get_command(importlib.import_module("tocsin.cli").app), "tocsin")


def _variable(parameter: Any) -> str:
    return f"(Also `{parameter.envvar}` in the environment.)" if parameter.envvar else ""


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if value is None or value in ([], False, ""):
        return ""
    return f"`{', '.join(map(str, value)) if isinstance(value, list) else value}`"


def sources() -> Iterator[str]:
    """The page of what is understood: each product's streams, their data sets and how their records are known."""
    knowledge = Knowledge(Plan(shipped=False))
    yield from (
        "# Sources",
        "",
        "A record belongs to the stream that claims it; `--as PRODUCT.STREAM` decides by hand.",
    )
    yield from ("What nobody claims is kept too: text as `generic`, what can't be read as `tocsin.unparsed`.", "")
    product = ""
    for known_as, info in sorted(knowledge.normaliser.streams.items()):
        name, _, stream = known_as.partition(".")
        if name != product:
            product = name
            yield from ("", f"## {name}", "", about(f"tocsin.normalise.{name}"), "")
            yield from head("`--as`", "`event.dataset`", "its records are known by", "ECS fields it can set")
        known = "; ".join(filter(None, map(claim, info.claims)))
        yield row(f"`{name}.{stream}`", f"`{info.dataset}`", known, len(info.fields))


def claim(each: Claim) -> str:
    """How records are known, in words."""
    parts = []
    for words, values in (
        ("data set", each.dataset),
        ("channel", each.channel),
        ("syslog program", each.program),
        ("Zeek's path", each.zeek),
        ("the keys", each.keys),
    ):
        if values:
            shown = sorted(values)
            parts.append(f"{words} {', '.join(f'`{v}`' for v in shown[:8])}{' …' if len(shown) > 8 else ''}")
    if each.path:
        parts.append(f"files `{each.path}`")
    if each.first:
        parts.append("text of its form")
    if each.rest:
        parts.append(f"any other {each.rest}")
    return " and ".join(parts)


def fields() -> Iterator[str]:
    """The page of fields: those that are columns, and the names that mean another."""
    catalogue = ecs.catalogue()
    yield from (
        "# Fields",
        "",
        f"Tocsin knows the {len(catalogue):,} fields of ECS 9 and keeps any other under its own name.",
    )
    yield from (
        "Those below are columns of their own, so searches on them are fastest; all others can be asked the same",
        "way.",
        "",
    )
    for title, columns in (("Events", HOT), ("Alerts", ALERT_HOT)):
        yield from (f"## {title}", "", *head("field", "kept as", "ECS type"))
        for name, column in columns.items():
            known = catalogue.get(name)
            yield row(f"`{name}`", f"`{column.clickhouse}`", known.type if known is not None else "")
        yield ""
    yield from (
        "## Other names",
        "",
        "Each means the same as the field beside it, in any query.",
        "",
        *head("name", "field"),
    )
    yield from (row(f"`{name}`", f"`{target}`") for name, target in EVERYWHERE.items())


def rules() -> Iterator[str]:
    """The page of the rules that come with Tocsin."""
    root = shipped_rules()
    yield from ("# Rules", "", "What comes with Tocsin. Each has its evidence beside it: `NAME.test.ndjson`.", "")
    for rule in sorted(Knowledge(Plan()).all_rules, key=lambda rule: (rule.name, rule.path)):
        path = Path(rule.path)
        where = path.relative_to(root) if path.is_relative_to(root) else path
        marks = [rule.severity, rule.type, *(["building block"] if rule.building_block else []), *_techniques(rule)]
        yield from (
            f"## {rule.name}",
            "",
            f"`{where}` · {' · '.join(marks)}",
            "",
            " ".join(rule.description.split()),
            "",
        )
        if rule.misses:
            yield from (f"**Misses:** {' '.join(rule.misses.split())}", "")


def _techniques(rule: Rule) -> list[str]:
    return sorted({each.technique or each.tactic for each in rule.techniques})


def api() -> Iterator[str]:
    """The page of the HTTP API, out of its own OpenAPI."""
    yield from (
        "# HTTP API",
        "",
        "Programs send `Authorization: ApiKey …` (`tocsin key add NAME --scope read`). Errors are RFC 9457's",
    )
    yield from (
        "`application/problem+json`. The server has the whole description at `/api/v1/openapi.json`. Beside it",
        "there are `/healthz`, `/readyz` and `/metrics` (Prometheus).",
        "",
    )
    yield from head("", "path", "does")
    for path, methods in create(None).openapi()["paths"].items():
        for method, operation in methods.items():
            text = (operation.get("description") or operation.get("summary") or "").partition("\n\n")[0]
            yield row(method.upper(), f"`{path}`", text)


def code() -> Iterator[str]:
    """The page of the source: a line a file, the first sentence of its docstring."""
    package = ROOT / "tocsin"
    yield from ("# The code", "", "Files that begin with an underscore are their folder's machinery.", "")
    for folder in sorted({path.parent for path in package.rglob("*.py") if "migrations" not in path.parts}):
        yield from (f"## `{folder.relative_to(ROOT)}/`", "", *head("file", "does"))
        for path in sorted(folder.glob("*.py")):
            text = (ast.get_docstring(ast.parse(path.read_bytes())) or "").partition("\n\n")[0]
            yield row(f"`{path.name}`", text)
        yield ""


if __name__ == "__main__":
    main()
