"""URLs and request targets as ECS's `url.*`, one look at each distinct text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from tocsin.normalise._columns import Table

# RFC 3986, appendix B: every text matches.
_PARTS: Final = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]{0,30}):(?=//))?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?\Z", re.DOTALL
)
_AUTHORITY: Final = re.compile(r"(?:([^@:]*)(?::([^@]*))?@)?(\[[^\]]*\]|[^:@]*)(?::(\d{1,5}))?\Z")
_PORTS: Final = {"http": 80, "https": 443, "ftp": 21}
_EXTENSION: Final = re.compile(r"[^./\\]\.([^./\\\s]{1,32})\Z")


class Url(NamedTuple):
    """The parts that a URL has; None where it lacks one."""

    scheme: str | None
    username: str | None
    password: str | None
    domain: str | None
    port: int | None
    path: str | None
    query: str | None
    fragment: str | None
    extension: str | None


@lru_cache(maxsize=16384)
def url(text: str) -> Url:
    """The parts of a URL or of a request target (`/path?query`); the path percent-decoded once. Nothing is refused."""
    match = _PARTS.match(text)
    scheme, authority, path, query, fragment = match.groups() if match else (None, None, text, None, None)
    username = password = domain = port = None
    if authority and (found := _AUTHORITY.match(authority)):
        username, password, domain, port = found.groups()
    number = int(port) if port is not None and int(port) < 65536 else None
    return Url(
        scheme.lower() if scheme else None,
        username,
        password,
        domain.strip("[]") if domain else None,
        number,
        unquote(path, errors="replace") if path and "%" in path else path or None,
        query,
        fragment,
        extension(path) if path else None,
    )


def extension(path: str) -> str | None:
    """The extension of the path's last segment, as a server would serve it: percent-decoding repeated (three times),
    path parameters, NTFS stream names and trailing dots and spaces cut off, in lower case."""
    segment = path
    for _ in range(3):
        if "%" not in segment:
            break
        segment = unquote(segment, errors="replace")
    segment = segment.replace("\\", "/").rpartition("/")[2].partition("\0")[0].partition(";")[0].partition(":")[0]
    match = _EXTENSION.search(segment[-64:].rstrip(". \t"))
    return match[1].lower() if match else None


def authority(host: str) -> tuple[str | None, int | None]:
    """Name and port of a Host header."""
    match = _AUTHORITY.match(host)
    if match is None:
        return host or None, None
    port = int(match[4]) if match[4] and int(match[4]) < 65536 else None
    return match[3].strip("[]") or None, port


def urls(table: Table, targets: Sequence[Any]) -> list[Url | None]:
    """Set `url.*` from request targets or URLs; gives their parts for what depends on more."""
    parts = [url(target) if type(target) is str and target else None for target in targets]
    for name in ("scheme", "username", "password", "domain", "port", "path", "query", "fragment", "extension"):
        values = [None if part is None else getattr(part, name) for part in parts]
        if any(value is not None for value in values):
            table.set(f"url.{name}", values)
    return parts


def default_port(scheme: str | None) -> int | None:
    """The port of a scheme without one."""
    return _PORTS.get(scheme or "")
