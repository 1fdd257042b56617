"""Windows values read into what ECS wants: each function takes one value, and is run once a unique value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from tocsin.event.records import Columns
from tocsin.normalise._windows_codes import KEYWORDS

Values = list[Any]
NOTHING: Final = frozenset({"", "-"})  # how Windows writes that it has no value
_GUID: Final = re.compile(r"\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?\Z", re.ASCII)
_MAX_COMMAND: Final = 32 * 1024  # what CreateProcess takes


def mapped(values: Sequence[Any], read: Callable[[Any], Any]) -> Values:
    """`read` of every text, once a unique one; None and lists give None."""
    try:
        unique = set(values)
    except TypeError:
        values = [value if type(value) is str else None for value in values]
        unique = set(values)
    table = {value: read(value) for value in unique if value is not None}
    return list(map(table.get, values))


def present(value: str) -> str | None:
    """The value, or None where it stands for nothing."""
    return None if value in NOTHING else value


def integer(value: str) -> int | None:
    """A decimal or 0x number."""
    if len(value) > 20:
        return None
    try:
        return int(value, 16) if value[:2] in ("0x", "0X") else int(value)
    except ValueError:
        return None


def guid(value: str) -> str | None:
    """`{…}` in lower case, as Windows renders it; the EVTX parser gives capitals without braces."""
    match = _GUID.match(value)
    if match is None:
        return present(value)
    return None if value.count("0") == 32 else "{" + match[1].lower() + "}"


def rendered_guid(value: Any) -> Any:
    """A GUID of the EVTX parser as Windows renders it; anything else as it is."""
    return "{" + value.lower() + "}" if type(value) is str and len(value) == 36 and _GUID.match(value) else value


@lru_cache(maxsize=65536)
def base_name(path: str) -> str | None:
    """The last part of a path."""
    return path.rpartition("\\")[2] or None if "\\" in path else path.rpartition("/")[2] or None


def directory(path: str) -> str | None:
    """A path without its last part."""
    return path.rpartition("\\" if "\\" in path else "/")[0] or None


def extension(path: str) -> str | None:
    """What follows the last dot of the last part, without it."""
    stem, dot, end = (base_name(path) or "").rpartition(".")
    return end or None if dot and stem else None


def domain(user: str) -> str | None:
    """DOMAIN of DOMAIN\\name."""
    return user.partition("\\")[0] or None if "\\" in user else None


def account(user: str) -> str | None:
    """name of DOMAIN\\name, or of a bare name."""
    return present(user.partition("\\")[2] if "\\" in user else user)


@lru_cache(maxsize=16384)
def hashes(value: str) -> dict[str, str]:
    """`SHA1=…,IMPHASH=…` by lower-case name, values in lower case; those of zeros only are none."""
    out: dict[str, str] = {}
    for part in value[:1024].split(","):
        name, _, digest = part.partition("=")
        if digest.strip("0"):
            out[name.strip().lower()] = digest.strip().lower()
    return out


@lru_cache(maxsize=16384)
def arguments(line: str) -> tuple[str, ...]:
    """A command line as the C runtime splits it (CommandLineToArgvW): 2n backslashes before a quote are n, and one
    more makes the quote a character; two quotes within quotes are one and end them."""
    line = line[:_MAX_COMMAND]
    if '"' not in line:
        return tuple(line.split())
    out: list[str] = []
    current: list[str] = []
    quoted = started = False
    at, end = 0, len(line)
    while at < end:
        char = line[at]
        if char == "\\":
            stop = at
            while stop < end and line[stop] == "\\":
                stop += 1
            count = stop - at
            started = True
            if stop < end and line[stop] == '"':
                current.append("\\" * (count // 2))
                if count % 2:
                    current.append('"')
                    stop += 1
            else:
                current.append("\\" * count)
            at = stop
        elif char == '"':
            started = True
            if quoted and at + 1 < end and line[at + 1] == '"':
                current.append('"')
                at += 1
            quoted = not quoted
            at += 1
        elif char in " \t\r\n" and not quoted:
            if started:
                out.append("".join(current))
                current, started = [], False
            at += 1
        else:
            match = _RUN_QUOTED.match(line, at) if quoted else _RUN.match(line, at)
            piece = match[0] if match else char
            current.append(piece)
            started = True
            at += len(piece)
    if started:
        out.append("".join(current))
    return tuple(out)


_RUN: Final = re.compile(r'[^\s"\\]+')
_RUN_QUOTED: Final = re.compile(r'[^"\\]+')

_RECORD_TYPES: Final = {
    "1": "A",
    "2": "NS",
    "5": "CNAME",
    "6": "SOA",
    "12": "PTR",
    "13": "HINFO",
    "15": "MX",
    "16": "TXT",
    "28": "AAAA",
    "29": "LOC",
    "33": "SRV",
    "35": "NAPTR",
    "37": "CERT",
    "39": "DNAME",
    "43": "DS",
    "46": "RRSIG",
    "47": "NSEC",
    "48": "DNSKEY",
    "64": "SVCB",
    "65": "HTTPS",
    "255": "ANY",
}


@lru_cache(maxsize=8192)
def answers(value: str) -> tuple[tuple[dict[str, str], ...], tuple[str, ...]]:
    """Sysmon's QueryResults (`type:  5 name;::ffff:1.2.3.4;`): the answers, and the addresses among them."""
    out: list[dict[str, str]] = []
    found: list[str] = []
    for part in value[:16384].split(";")[:512]:
        part = part.strip()
        if part.startswith("type:"):
            number, _, data = part[5:].strip().partition(" ")
            answer = {"type": _RECORD_TYPES.get(number, number)}
            if data.strip():
                answer["data"] = data.strip()
            out.append(answer)
        elif part and part != "-":
            address = part[7:] if part.startswith("::ffff:") and "." in part else part
            found.append(address)
            out.append({"type": "AAAA" if ":" in address else "A", "data": address})
    return tuple(out), tuple(found)


_HIVES: Final = {
    "\\registry\\machine": "HKLM",
    "\\registry\\user": "HKU",
    "hkey_local_machine": "HKLM",
    "hkey_users": "HKU",
    "hkey_current_user": "HKCU",
    "hkey_classes_root": "HKCR",
    "hkey_current_config": "HKCC",
    **{name.lower(): name for name in ("HKLM", "HKU", "HKCU", "HKCR", "HKCC")},
}


def hive(path: str) -> str | None:
    """The abbreviation of a registry path's hive."""
    return _hive(path)[0]


def registry_key(path: str) -> str | None:
    """What follows the hive."""
    return _hive(path)[1] or None


@lru_cache(maxsize=16384)
def _hive(path: str) -> tuple[str | None, str]:
    folded = path.lower()
    if folded.startswith("\\registry\\"):
        first = "\\".join(folded.split("\\", 3)[:3])
    else:
        first = folded.partition("\\")[0]
    short = _HIVES.get(first)
    return (short, path[len(first) + 1 :]) if short else (None, path)


def registry_type(details: str) -> str | None:
    """The type that Sysmon's Details name: numbers and binary data are told apart from texts only."""
    if details.startswith("DWORD ("):
        return "REG_DWORD"
    if details.startswith("QWORD ("):
        return "REG_QWORD"
    return "REG_BINARY" if details == "Binary Data" else "REG_SZ" if details else None


def registry_strings(details: str) -> list[str] | None:
    """The data as ECS wants it: numbers in decimal, texts as they are; binary data isn't shown."""
    if details.startswith(("DWORD (", "QWORD (")) and details.endswith(")"):
        try:
            high, dash, low = details[7:-1].partition("-")
            return [str((int(high, 16) << 32) + int(low, 16)) if dash else str(int(high, 16))]
        except ValueError:
            return [details]
    return None if details in ("", "Binary Data") else [details]


@lru_cache(maxsize=4096)
def context(value: str, names: tuple[str, ...]) -> dict[str, str]:
    """The values of those names in the `\\tName=value` (400 to 800) or `        Name = value` (4103) lines of a
    PowerShell event; the first counts."""
    out: dict[str, str] = {}
    value = "\n" + value[:65536]
    for name in names:
        at = value.find(name)
        if at >= 0:
            at += len(name)
            end = value.find("\n", at)
            text = value[at : end if end >= 0 else None].strip()
            if text:
                out[name] = text
    return out


def joined(*columns: Iterable[Any]) -> Values:
    """Row by row the distinct values of all columns, in order; None where there is none."""
    out: Values = []
    for row in zip(*columns, strict=True):
        values: dict[Any, None] = {}
        for value in row:
            if type(value) is list or type(value) is tuple:
                values.update(dict.fromkeys(value))
            elif value is not None:
                values[value] = None
        out.append(list(values) or None)
    return out


def fill(ecs: Columns, name: str, values: Values) -> None:
    """Set a column; values already there stay, new ones fill the gaps."""
    held = ecs.get(name)
    if held is None:
        ecs[name] = values
    elif None in held:
        ecs[name] = [b if a is None else a for a, b in zip(held, values, strict=True)]


def keywords(value: Any) -> list[str] | None:
    """The names of the bits that the event system defines; a text that is no number is a name already."""
    if type(value) is str:
        return _keywords_of_text(value)
    return _keywords_of_number(value) if type(value) is int else None


@lru_cache(maxsize=4096)
def _keywords_of_text(value: str) -> list[str] | None:
    number = integer(value)
    if number is None:
        return [value] if value else None
    return _keywords_of_number(number)


@lru_cache(maxsize=4096)
def _keywords_of_number(number: int) -> list[str] | None:
    return [name for bit, name in KEYWORDS if number & bit] or None
