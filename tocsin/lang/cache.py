"""Lowered Sigma rules kept between runs, by the hash of what they were made from: a restart reads them in a second.

One file of JSON, zstd-compressed; nothing in it is executed. An entry holds for one text, one set of names, lists and
one version of this package's code; whatever can't be read is made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
import zstandard

from tocsin.event import schema
from tocsin.lang import ir, sigma
from tocsin.lang.fields import Names
from tocsin.lang.sigma import SigmaRule

_MOST: Final = 512 * 1024 * 1024
_PLAIN: Final = (str, int, float, bool, type(None))


class RuleCache:
    """Reads Sigma texts as `sigma.load` does, from the file where it has them. One process writes it."""

    def __init__(self, path: Path, names: Names) -> None:
        self.path = path
        self.names = names
        self._version = f"{_code()}{names.digest()}"
        self._codec = _Codec()
        self._held = self._read()
        self._used: dict[str, Any] = {}

    def load(self, text: str, path: str = "", *, lists: Iterable[str] = ()) -> list[SigmaRule]:
        """As `sigma.load(text, names, path, lists=lists)`."""
        key = hashlib.sha256(repr((sorted(lists), text)).encode("utf-8", "replace")).hexdigest()[:32]
        held = self._held.get(key)
        if held is not None:
            try:
                rules = [replace(self._codec.decode(each), path=path) for each in held]
            except (AttributeError, IndexError, KeyError, TypeError, ValueError):
                rules = []
            if rules:
                self._used[key] = held
                return rules
        rules = sigma.load(text, self.names, path, lists=lists)
        if all(rule.kind == "rule" and not rule.problems for rule in rules):
            try:
                self._used[key] = [self._codec.encode(rule) for rule in rules]
            except TypeError:
                self._used.pop(key, None)  # a value of YAML's that JSON has not
        return rules

    def save(self) -> None:
        """Write what this run has used, all of it in one piece."""
        if self._used == self._held:
            return
        whole = {"version": self._version, "fields": self._codec.packed(), "rules": self._used}
        packed = zstandard.ZstdCompressor(level=3).compress(orjson.dumps(whole))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".new")
        beside.write_bytes(packed)
        beside.replace(self.path)
        self._held = dict(self._used)

    def _read(self) -> dict[str, Any]:
        try:
            packed = self.path.read_bytes()
            if zstandard.frame_content_size(packed) > _MOST:
                return {}
            whole = orjson.loads(zstandard.ZstdDecompressor().decompress(packed, max_output_size=_MOST))
            if whole["version"] != self._version or not isinstance(whole["rules"], dict):
                return {}
            self._codec.unpack(whole["fields"])
        except (OSError, AttributeError, IndexError, KeyError, TypeError, ValueError, zstandard.ZstdError):
            return {}
        return dict(whole["rules"])


@cache
def _code() -> str:
    """A hash of the code that lowering is made of."""
    hashed = hashlib.sha256()
    folders = (Path(__file__).parent, Path(schema.__file__).parent)
    for path in sorted(path for folder in folders for path in folder.iterdir() if path.suffix in (".py", ".csv")):
        hashed.update(path.read_bytes())
    return hashed.hexdigest()


# ---- nodes as JSON: a list begins with what it is ----

_CLASSES: Final[dict[str, Any]] = {
    each.__name__: each
    for each in (
        *(value for value in vars(ir).values() if isinstance(value, type) and is_dataclass(value)),
        SigmaRule,
    )
}
_FIELDS: Final = {name: tuple(field.name for field in dataclass_fields(each)) for name, each in _CLASSES.items()}


class _Codec:
    """Nodes to JSON and back. Few fields stand in many rules: each is written once, and made once."""

    def __init__(self) -> None:
        self.fields: list[ir.Field] = []
        self.places: dict[ir.Field, int] = {}

    def packed(self) -> list[Any]:
        """The table of fields, as JSON."""
        return [[field.name, field.kind.value, self.encode(field.sources)] for field in self.fields]

    def unpack(self, packed: list[Any]) -> None:
        """Take a table that `packed` gave."""
        fields = [ir.Field(name, schema.Kind(kind), self.decode(sources)) for name, kind, sources in packed]
        self.fields, self.places = fields, {field: place for place, field in enumerate(fields)}

    def encode(self, value: Any) -> Any:
        """A node, or what a node holds. Raises `TypeError` for what is neither."""
        if isinstance(value, ir.Field):
            place = self.places.get(value)
            if place is None:
                place = self.places[value] = len(self.fields)
                self.fields.append(value)
            return ["field", place]
        if isinstance(value, ir.Gap):
            return ["gap", value.value]
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, bytes):
            return ["bytes", value.hex()]
        if isinstance(value, (tuple, list)):
            return ["tuple" if isinstance(value, tuple) else "list", *map(self.encode, value)]
        if isinstance(value, frozenset):
            return ["set", *sorted(map(self.encode, value))]
        if isinstance(value, Mapping):
            if not all(isinstance(key, str) for key in value):
                raise TypeError("a key that is no text")
            return {key: self.encode(each) for key, each in value.items()}
        name = type(value).__name__
        if _CLASSES.get(name) is not type(value):
            raise TypeError(f"{name} has no place in the cache")
        return [name, *(self.encode(getattr(value, field)) for field in _FIELDS[name])]

    def decode(self, value: Any) -> Any:
        """What `encode` was given."""
        if isinstance(value, list):
            match value[0]:
                case "field":
                    return self.fields[value[1]]
                case "tuple":
                    return tuple(map(self.decode, value[1:]))
                case "gap":
                    return ir.Gap(value[1])
                case "list":
                    return list(map(self.decode, value[1:]))
                case "set":
                    return frozenset(map(self.decode, value[1:]))
                case "bytes":
                    return bytes.fromhex(value[1])
                case name:
                    return _CLASSES[name](*map(self.decode, value[1:]))
        if isinstance(value, dict):
            return {key: self.decode(each) for key, each in value.items()}
        return value
