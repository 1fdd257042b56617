"""Cuts a TCP stream of syslog into messages (RFC 6587), whichever way its sender frames them.

A connection counts octets (`LEN SP MSG`) or ends each message with LF, CRLF, CR or NUL; its first bytes tell. Where a
count turns out to be none, the connection goes on as lines. What ends a message is not part of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

_COUNT: Final = re.compile(rb"([1-9][0-9]{0,8}) ")
_MOST_DIGITS: Final = 9
# A message of a sender that ends with NUL may hold newlines, and CR may end one: then a priority follows.
_NEXT: Final = re.compile(rb"[\r\n]+(?=<[0-9]{1,3}>)")
_ENDS: Final = b"\r\n\0"

Framing = Literal["", "octets", "lines", "nul"]


@dataclass(slots=True)
class Framer:
    """One connection's messages; `limit` bytes of each are kept."""

    limit: int
    framing: Framing = ""
    cut: int = 0
    """Messages that were longer than `limit` and lost their end."""
    _rest: bytes = b""
    _skip: int = 0
    _skipping: bool = False

    @property
    def partial(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole with `data`."""
        if self._skip:
            # What is left of a counted message that was too long.
            taken = min(self._skip, len(data))
            self._skip -= taken
            data = data[taken:]
        data = self._rest + data if self._rest else data
        self._rest = b""
        if not self.framing and data:
            self.framing = _detected(data)
            if not self.framing:
                self._rest = data
                return []
        out: list[bytes] = []
        if self.framing == "octets":
            data = self._counted(data, out)
        if self.framing in {"lines", "nul"} and data:
            self._delimited(data, out)
        return out

    def finish(self) -> list[bytes]:
        """What has begun, where nothing follows or nothing has come for too long."""
        rest, self._rest = self._rest, b""
        if self.framing == "octets":
            rest = rest[found.end() :] if (found := _COUNT.match(rest)) else rest
        messages = [part for part in _NEXT.split(rest.strip(_ENDS)) if part.strip(_ENDS)]
        return [self._short(message) for message in messages]

    def _counted(self, data: bytes, out: list[bytes]) -> bytes:
        """Take counted messages off `data`; what it returns is lines, since no count stands there."""
        at = 0
        while True:
            while at < len(data) and data[at] in b"\r\n\0 ":
                at += 1
            found = _COUNT.match(data, at)
            if found is None:
                if len(data) - at <= _MOST_DIGITS and (data[at:].isdigit() or at == len(data)):
                    self._rest = data[at:]
                    return b""
                self.framing = "lines"
                return data[at:]
            size = int(found[1])
            end = found.end() + size
            if end > len(data):
                if size <= self.limit or len(data) - found.end() <= self.limit:
                    self._rest = data[at:]
                    return b""
                out.append(self._short(data[found.end() :]))
                self._skip = end - len(data)
                return b""
            if message := data[found.end() : end].rstrip(_ENDS):
                out.append(self._short(message))
            at = end

    def _delimited(self, data: bytes, out: list[bytes]) -> None:
        if self.framing == "lines" and b"\0" in data:
            self.framing = "nul"
        ends = b"\0" if self.framing == "nul" else b"\n"
        *parts, rest = data.split(ends)
        if self._skipping and parts:
            parts, self._skipping = parts[1:], False
        if not self._skipping and rest and (ends == b"\0" or b"\r" in rest):
            *more, rest = _NEXT.split(rest)
            parts += more
        for part in parts:
            if b"\r" in part or b"\n" in part:
                out += [self._short(piece) for piece in _NEXT.split(part.strip(_ENDS)) if piece.strip(_ENDS)]
            elif part:
                out.append(self._short(part))
        if self._skipping:
            return
        if len(rest) > self.limit + 1:
            out.append(self._short(rest))
            self._skipping = True
            return
        self._rest = rest

    def _short(self, message: bytes) -> bytes:
        if len(message) <= self.limit:
            return message
        self.cut += 1
        return message[: self.limit]


def _detected(data: bytes) -> Framing:
    """How a connection that begins so is framed; "" while that can't be said."""
    found = _COUNT.match(data)
    if found is None:
        return "" if len(data) <= _MOST_DIGITS and data.isdigit() and data[:1] != b"0" else "lines"
    end = found.end() + int(found[1])
    # A line may begin with a number too; after a counted message comes the next count, or an end of line.
    if end >= len(data) or data[end : end + 1] in b"123456789\r\n\0":
        return "octets"
    return "lines"
