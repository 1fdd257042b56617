"""Zeek's TSV logs: the `#` lines say separators, field names and types; a line becomes a document with those types.

Format: Zeek documentation, "Zeek TSV Format Logs". An unset field (`-`) is absent, as Zeek's JSON writer has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

_ESCAPE: Final = re.compile(r"\\x([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Header:
    """What the `#` lines of a log have said so far."""

    separator: str = "\t"
    set_separator: str = ","
    empty: str = "(empty)"
    unset: str = "-"
    path: str = ""
    fields: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    @staticmethod
    @lru_cache(maxsize=256)
    def of(text: str) -> Header:
        """The header from its lines, as `Origin.header` holds them."""
        header = Header()
        for line in text.splitlines():
            header = header.with_line(line)
        return header

    def with_line(self, line: str) -> Header:
        """This header with one more `#` line."""
        line = line.rstrip("\r\n")
        if line.startswith("#separator"):
            return replace(self, separator=_unescaped(line[len("#separator") :].strip(" ")) or "\t")
        name, _, rest = line.partition(self.separator)
        if name == "#set_separator":
            return replace(self, set_separator=_unescaped(rest) or ",")
        if name == "#empty_field":
            return replace(self, empty=_unescaped(rest))
        if name == "#unset_field":
            return replace(self, unset=_unescaped(rest))
        if name == "#path":
            return replace(self, path=rest)
        if name == "#fields":
            return replace(self, fields=tuple(rest.split(self.separator)))
        if name == "#types":
            return replace(self, types=tuple(rest.split(self.separator)))
        return self

    def read(self, line: str) -> dict[str, Any] | str:
        """One line as a document, or why it is none."""
        if not self.fields:
            return "a Zeek TSV line without a #fields line before it"
        cells = line.split(self.separator)
        if len(cells) != len(self.fields):
            return f"{len(cells)} cells under {len(self.fields)} #fields"
        readers = _readers(self)
        out: dict[str, Any] = {}
        for name, cell, reader in zip(self.fields, cells, readers, strict=True):
            if cell != self.unset:
                out[name] = reader(cell)
        return out or "no field is set"


@lru_cache(maxsize=256)
def _readers(header: Header) -> tuple[Callable[[str], Any], ...]:
    types = header.types if len(header.types) == len(header.fields) else ("string",) * len(header.fields)
    return tuple(_reader(kind, header) for kind in types)


def _reader(kind: str, header: Header) -> Callable[[str], Any]:
    match = re.fullmatch(r"(?:set|vector|table)\[(.*)\]", kind)
    if match is None:
        scalar = _SCALAR.get(kind, _text)
        if scalar is _text:
            return lambda cell: "" if cell == header.empty else _text(cell)
        return scalar
    item = _SCALAR.get(match[1], _text)
    return lambda cell: (
        []
        if cell == header.empty
        else [item(part) for part in cell.split(header.set_separator) if part != header.unset]
    )


def _text(cell: str) -> str:
    return _unescaped(cell) if "\\x" in cell else cell


def _unescaped(text: str) -> str:
    """`\\x09` and the like as the characters that they stand for; runs of bytes >= 0x80 are UTF-8."""
    if "\\x" not in text:
        return text
    parts = bytearray()
    last = 0
    for match in _ESCAPE.finditer(text):
        parts += text[last : match.start()].encode("utf-8", "replace") + bytes([int(match[1], 16)])
        last = match.end()
    parts += text[last:].encode("utf-8", "replace")
    return parts.decode("utf-8", "replace")


def _whole(cell: str) -> Any:
    try:
        return int(cell) if len(cell) < 20 else cell
    except ValueError:
        return cell


def _real(cell: str) -> Any:
    try:
        value = float(cell)
    except ValueError:
        return cell
    return value if abs(value) < 1e300 else cell


def _truth(cell: str) -> Any:
    return {"T": True, "F": False}.get(cell, cell)


_SCALAR: Final[dict[str, Callable[[str], Any]]] = {
    "count": _whole,
    "int": _whole,
    "port": _whole,
    "double": _real,
    "interval": _real,
    "time": _real,
    "bool": _truth,
}
