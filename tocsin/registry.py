"""Finds plug-ins: the public files of a stage's folder, and what third parties declare as entry points.

A stage's folder is the list of its plug-ins: `tocsin/normalise/zeek.py` is the plug-in `zeek` of `tocsin.normalise`.
Files that begin with an underscore are the stage's machinery, folders are stages of their own. A third party declares a
module in the entry-point group of the stage's name:

    [project.entry-points."tocsin.normalise"]
    acme = "acme_tocsin.acme"
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from tocsin.errors import PluginError, quoted


def names(package: str) -> tuple[str, ...]:
    """The plug-ins of `package`, sorted, by the names that users type. No plug-in is imported.

    Raises `PluginError` where there is no such package.
    """
    return tuple(sorted({*_own(package), *_foreign(package)}))


def load(package: str, name: str) -> ModuleType:
    """The module of one plug-in, imported when first asked for.

    Raises `PluginError` for a name that nobody has (naming the nearest), for an import that fails whatever it raises,
    and for an entry point that is no module.
    """
    if name in _own(package):
        return _import(f"{package}.{name}", package, name)
    found = _foreign(package).get(name)
    if found is not None:
        return _load_foreign(found)
    known = names(package)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}"
    raise PluginError(f"no plug-in is called {quoted(name)}", where=package, hint=hint)


def plugins(package: str) -> dict[str, ModuleType]:
    """All plug-ins of `package` that can be loaded, by name; call it once and keep what it gives.

    A third party's plug-in that can't be loaded is left out (`failures` tells why); one of Tocsin's own raises
    `PluginError`.
    """
    found = {name: _import(f"{package}.{name}", package, name) for name in _own(package)}
    for name, entry in _foreign(package).items():
        if name in found:
            continue
        try:
            found[name] = _load_foreign(entry)
        except PluginError:
            continue
    return dict(sorted(found.items()))


def failures(package: str) -> dict[str, PluginError]:
    """Why third parties' plug-ins of `package` are not in use, by name: for the log and `tocsin doctor`."""
    own = set(_own(package))
    found: dict[str, PluginError] = {}
    for name, entry in _foreign(package).items():
        if name in own:
            found[name] = PluginError(
                f"the plug-in {quoted(name)} of {quoted(_origin(entry))} has the name of one of Tocsin's own",
                where=package,
                hint="rename its entry point",
            )
            continue
        try:
            _load_foreign(entry)
        except PluginError as error:
            found[name] = error
    return found


def _own(package: str) -> list[str]:
    folder = _import(package, package, "")
    paths = getattr(folder, "__path__", None)
    if paths is None:
        raise PluginError("this is a module, not a folder of plug-ins", where=package)
    return [
        module.name for module in pkgutil.iter_modules(paths) if not module.ispkg and not module.name.startswith("_")
    ]


def _foreign(package: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=package)}


def _load_foreign(entry: EntryPoint) -> ModuleType:
    try:
        module = entry.load()
    except (Exception, SystemExit) as error:  # other people's code may raise anything
        raise PluginError(
            f"the plug-in {quoted(entry.name)} of {quoted(_origin(entry))} can't be loaded: {_reason(error)}",
            where=entry.group,
            hint="update or remove that package",
        ) from error
    if not isinstance(module, ModuleType):
        raise PluginError(
            f"the plug-in {quoted(entry.name)} of {quoted(_origin(entry))} is no module: {quoted(entry.value)}",
            where=entry.group,
            hint="its entry point must name a module, without a colon",
        )
    return module


def _import(path: str, package: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is not None and (path == error.name or path.startswith(f"{error.name}.")):
            raise PluginError("there is no such folder of plug-ins", where=path) from error
        raise PluginError(
            f"{'the plug-in ' + quoted(name) if name else 'it'} needs the Python package {quoted(error.name)}",
            where=package,
            hint="install it: pip install 'tocsin[server]' has all that the server's parts need",
        ) from error
    except Exception as error:
        what = f"the plug-in {quoted(name)} can't be loaded" if name else "it can't be loaded"
        raise PluginError(f"{what}: {_reason(error)}", where=package) from error


def _origin(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {quoted(str(error))}"
