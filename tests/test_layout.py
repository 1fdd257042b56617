"""The house rules that no linter knows, held over the tree as it is; no plug-in is named here.

A plug-in folder is one whose `__init__.py` is a contract: it declares a Protocol or says "each public file". Each test
gathers everything that is amiss and tells it at once.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import tocsin

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tocsin"
TESTS = ROOT / "tests"

# Modules without a test of their own; each with the reason.
UNTESTED: dict[str, str] = {"ports.py": "Protocols and rows; mypy holds those that fulfil them to it"}

# Names that say nothing about what a file is for.
NAMELESS = {"base", "common", "helper", "helpers", "main", "manager", "managers", "misc", "util", "utils"}


def modules() -> Iterator[Path]:
    """Every Python file of the package."""
    yield from sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def is_public(path: Path) -> bool:
    return not path.stem.startswith("_")


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def is_contract(path: Path) -> bool:
    module = tree(path)
    return "each public file" in " ".join((ast.get_docstring(module) or "").lower().split()) or any(
        isinstance(node, ast.ClassDef) and any(ast.unparse(base).split("[")[0] == "Protocol" for base in node.bases)
        for node in module.body
    )


def plugin_folders() -> list[Path]:
    return [path.parent for path in modules() if path.name == "__init__.py" and is_contract(path)]


def plugins(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if is_public(path))


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """What a file imports, anywhere in it: names with lines; `from a import b` may mean `a` and may mean `a.b`."""
    package = path.parent.relative_to(ROOT).parts
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield origin, node.lineno
            yield from ((f"{origin}.{alias.name}", node.lineno) for alias in node.names)


def told(complaints: list[str]) -> None:
    if complaints:
        pytest.fail("\n".join(sorted(set(complaints))), pytrace=False)


def test_there_are_plugin_folders() -> None:
    """Otherwise the tests below would hold for want of anything to look at."""
    assert plugin_folders()


def test_plugins_of_a_folder_do_not_import_each_other() -> None:
    told(
        [
            f"{path.relative_to(ROOT)}:{line}: a plug-in imports its neighbour {name}; what both need goes into _x.py"
            for folder in plugin_folders()
            for path in plugins(folder)
            for name, line in imported(path)
            if name != dotted(path) and name in {dotted(other) for other in plugins(folder)}
        ]
    )


def test_a_contract_and_its_machinery_name_no_plugin() -> None:
    told(
        [
            f"{path.relative_to(ROOT)}:{line}: it imports the plug-in {name}; tocsin.registry finds plug-ins"
            for folder in plugin_folders()
            for path in folder.glob("_*.py")
            for name, line in imported(path)
            if name in {dotted(plugin) for plugin in plugins(folder)}
        ]
    )


def test_every_module_says_what_it_is() -> None:
    """A plug-in's first line is its entry in the reference, so it is one whole sentence or phrase."""
    complaints = []
    for path in modules():
        first = (ast.get_docstring(tree(path)) or "").partition("\n")[0]
        if not first:
            complaints.append(f"{path.relative_to(ROOT)}:1: no docstring")
        elif path.parent in plugin_folders() and is_public(path) and not first.endswith("."):
            complaints.append(f"{path.relative_to(ROOT)}:1: the docstring's first line is no sentence: {first!r}")
    told(complaints)


def test_every_module_has_its_test() -> None:
    """`tocsin/event/time.py` has `tests/event/test_time.py`; machinery may be tested by another file of its folder."""
    complaints = []
    for path in modules():
        place = path.relative_to(PACKAGE)
        if path.name == "__init__.py" or place.as_posix() in UNTESTED:
            continue
        folder = TESTS / place.parent
        if (folder / f"test_{path.stem.lstrip('_')}.py").is_file():
            continue
        if not is_public(path) and any(
            name == dotted(path) for test in folder.rglob("test_*.py") for name, _ in imported(test)
        ):
            continue
        wanted = (folder / f"test_{path.stem.lstrip('_')}.py").relative_to(ROOT)
        complaints.append(f"{path.relative_to(ROOT)}: no {wanted}")
    told(complaints)


def test_every_exception_from_a_test_is_still_there() -> None:
    told([f"UNTESTED names {name}, which is gone" for name in UNTESTED if not (PACKAGE / name).is_file()])


def test_every_name_says_something() -> None:
    told(
        [
            f"{path.relative_to(ROOT)}: the name {path.stem!r} says nothing about what is in it"
            for folder in (PACKAGE, TESTS)
            for path in folder.rglob("*")
            if "__pycache__" not in path.parts
            and (path.is_dir() or path.suffix == ".py")
            and re.sub(r"^(test)?_+", "", path.stem.lower()) in NAMELESS
        ]
    )


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.search(r"^## (\S+)", text, re.MULTILINE)
    assert heading
    assert heading[1] == tocsin.__version__


def test_docs_architecture_has_a_line_a_folder() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    files = [
        path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    names = {f"{path.parts[0]}/" if len(path.parts) > 1 else path.name for path in files} - {"__init__.py", "py.typed"}
    told([f"docs/architecture.md: no line for {name}" for name in names if f"`{name}`" not in text])


def test_dependencies_are_locked_without_an_address() -> None:
    """Whoever installs has an index of their own; the hashes say that it serves the same files."""
    complaints = []
    for number, line in enumerate((ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines(), 1):
        if "://" in line or line.lstrip().startswith(("-i", "--index", "--extra-index", "--find-links")):
            complaints.append(f"requirements.lock:{number}: {line.strip()}")
    lock = ROOT / "web" / "package-lock.json"
    if lock.is_file():
        packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
        complaints += [
            f"{lock.relative_to(ROOT)}: {name} has `resolved`" for name in packages if "resolved" in packages[name]
        ]
    told(complaints)


def test_every_dependency_is_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {canonical(line.split("==")[0]) for line in lock.splitlines() if "==" in line and not line.startswith(" ")}
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    told(
        [
            f"pyproject.toml: {canonical(name)} is not in requirements.lock; run `make lock`"
            for name in wanted
            if canonical(name) not in locked
        ]
    )


def canonical(requirement: str) -> str:
    """The name in a requirement, as PEP 503 spells it."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()
