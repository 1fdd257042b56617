"""Canonical command text, version 2: one spelling for what cmd and PowerShell would run, for rules to look at.

What is undone (SCENARIOS, "Canonical command text"): typographic quotes and dashes (PowerShell takes them for the
plain ones), PowerShell's backticks, cmd's carets outside quotes, the backslash before a quote within an argument,
`[char]` codes, the format operator, `replace` and `-join` with literals, and texts put together with `+`; a PowerShell
variable that holds a literal is that literal where it is used; payloads of `-EncodedCommand` in any of its
abbreviations and literals given to `FromBase64String` are decoded and appended, at most three; white space is
collapsed, where it ends a line to `; ` (which ends a statement as well), A–Z folded. At most 64 KiB are read and
written. Nothing is run, and all steps take time linear in the text.

A stored value stands with `VERSION`; raise it when the same text would become another one.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final

from tocsin.event.text import fold

VERSION: Final = 2
LIMIT: Final = 64 * 1024
MAX_DECODINGS: Final = 3
# Uses of literals that are folded in one text; one that has more is generated, and is left as it is after these.
_MAX_FOLDS: Final = 256
_ROUNDS: Final = 3

_TYPOGRAPHIC: Final = str.maketrans(
    {**dict.fromkeys("‘’‚‛", "'"), **dict.fromkeys("“”„", '"'), **dict.fromkeys("–—―", "-"), "\0": " "}
)
# The switch may be written -, / or a dash; PowerShell takes any beginning of EncodedCommand, and -ec.
_ENCODED: Final = re.compile(
    r"(?:^|[\s\"',;(])[-/](?:ec|e(?:n(?:c(?:o(?:d(?:e(?:d(?:c(?:o(?:m(?:m(?:a(?:nd?)?)?)?)?)?)?)?)?)?)?)?)?)"
    r"(?:\s+|:\s{0,8})[\"']{0,3}([A-Za-z0-9+/]{4,}={0,3})",
    re.IGNORECASE | re.ASCII,
)
_FROM_BASE64: Final = re.compile(
    r"frombase64string\W{0,8}?[\"']([A-Za-z0-9+/\s]{4,}={0,3})[\"']", re.IGNORECASE | re.ASCII
)
_CODE: Final = r"(?:0x[0-9a-f]{1,6}|\d{1,7})"
_CHAR: Final = re.compile(rf"\[char\]\s{{0,8}}\(?\s{{0,8}}({_CODE})\b\s{{0,8}}\)?", re.IGNORECASE | re.ASCII)
_CHARS: Final = re.compile(
    rf"\[char\[\]\]\s{{0,8}}\(?\s{{0,8}}@?\(?\s{{0,8}}({_CODE}(?:\s{{0,8}},\s{{0,8}}{_CODE}){{1,4096}})"
    rf"[\s)]{{0,8}}(?:-join\s{{0,8}}(?:''|\"\"))?",
    re.IGNORECASE | re.ASCII,
)
_CODES: Final = re.compile(_CODE, re.IGNORECASE | re.ASCII)
_SINGLE: Final = re.compile(r"'[^']*'")
_DOUBLE: Final = re.compile(r'"[^"]*"')
_ESCAPED: Final = re.compile(r'\\"[^"]*\\"')
_PLUS: Final = re.compile(r"[\s()]{0,64}\+[\s()]{0,64}\Z")
_MIXED: Final = re.compile(r"(?<=[\w\])])(?:'\s{0,16}\+\s{0,16}\"|\"\s{0,16}\+\s{0,16}')(?=\w)")
_FORMAT: Final = re.compile(
    r"(?:\"((?:[^\"{}]|\{\d{1,3}\}){1,4096})\"|'((?:[^'{}]|\{\d{1,3}\}){1,4096})')\s{0,8}\)?\s{0,8}"
    r"-f\s{0,8}\(?\s{0,8}((?:'[^']*'|\"[^\"]*\")(?:\s{0,8},\s{0,8}(?:'[^']*'|\"[^\"]*\")){0,255})",
    re.IGNORECASE,
)
_PLACE: Final = re.compile(r"\{(\d{1,3})\}")
_LITERAL: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_REPLACE: Final = re.compile(
    r"'([^']*)'[\s)]{0,16}(?:\.\s{0,4}replace\s{0,4}\(|-c?replace)\s{0,8}"
    r"(?:'([^']*)'|\"([^\"]*)\")\s{0,8},\s{0,8}(?:'([^']*)'|\"([^\"]*)\")\s{0,8}\)?",
    re.IGNORECASE,
)
# 'a','b' -join '' and -join('a','b'): the separator may hold anything but quotes.
_LITERALS: Final = r"(?:'[^']*'|\"[^\"]*\")(?:\s{0,8},\s{0,8}(?:'[^']*'|\"[^\"]*\")){1,255}"
_JOIN: Final = re.compile(
    rf"\(?\s{{0,8}}(?P<before>{_LITERALS})\s{{0,8}}\)?\s{{0,8}}-join\s{{0,8}}(?P<by>'[^']{{0,16}}'|\"[^\"]{{0,16}}\")"
    rf"|-join\s{{0,8}}\(\s{{0,8}}(?P<after>{_LITERALS})\s{{0,8}}\)",
    re.IGNORECASE,
)
_CMD_STRING: Final = re.compile(r"(/[ckr]\s{0,8})\"", re.IGNORECASE)
_CARET: Final = re.compile(r'"[^"]*(?:"|\Z)|\^(.?)', re.DOTALL)
_SPACE: Final = re.compile(r"\s+")
_CONTINUED: Final = re.compile(r"`\r?\n")
# A line that ends so goes on in the next one, or has ended its statement already.
_LINE_END: Final = re.compile(r"(?P<open>(?<=[|,(+=;{])\n|\n(?=[|)}]))|\n")
_MAX_USES: Final = 256
# In order: a variable that is given a literal, one that is given anything else, a literal, a quote, a use.
_VARIABLES: Final = re.compile(
    r"\$(?:(?:global|script|local|private):)?(?P<name>\w{1,64})[ \t]{0,8}(?P<how>\+?=)[ \t]{0,8}"
    r"(?:'(?P<one>[^'\n]{0,2048})'|\"(?P<two>[^\"\n]{0,2048})\")(?=[ \t]{0,8}(?:[;\r\n})|]|\Z))"
    r"|\$(?:(?:global|script|local|private):)?(?P<other>\w{1,64})\s{0,8}[-+*/%]?=(?!=)"
    r"|(?P<literal>'[^'\n]*')|(?P<quote>\")"
    r"|\$(?:\{(?P<braced>\w{1,64})\}|(?:(?:global|script|local|private):)?(?P<used>\w{1,64}))",
    re.ASCII,
)


def canonical(text: str) -> str:
    """The canonical form of a command line or script block. Never raises; the empty text stays empty."""
    first = _plain(text[:LIMIT])
    parts = [first]
    waiting = [first]
    left = MAX_DECODINGS
    room = LIMIT - len(first)
    while waiting and left and room > 0:
        found = waiting.pop(0)
        for payload, read in _payloads(found):
            if not left or room <= 0:
                break
            decoded = read(payload)
            if decoded is None:
                continue
            left -= 1
            plain = _plain(decoded[:room])
            # What -EncodedCommand is given stands where a command stands; what a script decodes is text of its own.
            parts.append((" " if read is _utf16 else "\n") + plain)
            waiting.append(plain)
            room -= len(plain) + 1
    text = _SPACE.sub(lambda run: "\n" if "\n" in run[0] else " ", "".join(parts)).strip()
    if "\n" in text:
        text = _LINE_END.sub(lambda end: "; " if end["open"] is None else " ", text)
    return fold(text[:LIMIT])


def _plain(text: str) -> str:
    """`text` without the marks that the shells drop, its literals put together."""
    if not text.isascii():
        text = text.translate(_TYPOGRAPHIC)
    elif "\0" in text:
        text = text.replace("\0", " ")
    if "^" in text:
        # cmd takes the first and last quote of `/c "…"` away before it looks at carets.
        text = _CARET.sub(_without_caret, _CMD_STRING.sub(r"\1 ", text))
    if '\\"' in text:
        # Literals within a quoted argument: once all quotes look alike, nobody can tell which ones belong together.
        text = _merged(_ESCAPED, text, 2).replace('\\"', '"')
    if "`" in text:
        text = _CONTINUED.sub(" ", text).replace("`", "")
    if "'" not in text and '"' not in text and "[" not in text:
        return text
    text = _folded(text)
    if "$" in text and "=" in text and (resolved := _resolved(text)) != text:
        text = _folded(resolved)
    return text


def _folded(text: str) -> str:
    """`text` with what is worked out of literals only."""
    for _ in range(_ROUNDS):
        before = text
        if "[" in text:
            text = _bounded(_CHARS, _chars, text)
            text = _bounded(_CHAR, _chars, text)
        if "+" in text:
            text = _MIXED.sub("", _merged(_DOUBLE, _merged(_SINGLE, text)))
        if "," in text and "-join" in text.lower():
            text = _bounded(_JOIN, _joined, text)
        if "{" in text:
            text = _bounded(_FORMAT, _formatted, text)
        if "'" in text and "eplace" in text.lower():
            text = _bounded(_REPLACE, _replaced, text)
        if text == before:
            break
    return text


def _resolved(text: str) -> str:
    """`text` with the literals in place of the variables that hold them, in the order in which they are given."""
    values: dict[str, str] = {}
    out: list[str] = []
    at = size = uses = 0
    inside = False  # between double quotes, where a value stands as it is
    for match in _VARIABLES.finditer(text):
        kind = match.lastgroup
        if kind == "quote":
            inside = not inside
        elif kind in ("one", "two"):
            value = match[kind]
            if kind == "two" and "$" in value:
                # Cut first: what is put in can be a thousand times as long as its name.
                value = _VARIABLES.sub(
                    lambda use: values.get((use["used"] or use["braced"] or "").lower(), use[0]), value[:2048]
                )
            name = match["name"].lower()
            values[name] = (values.get(name, "") + value if match["how"] == "+=" else value)[:2048]
        elif kind == "other":
            values.pop(match["other"].lower(), None)
        elif kind in ("used", "braced") and (held := values.get(match[kind].lower())) is not None:
            uses += 1
            size += len(held) + 2
            if uses > _MAX_USES or size > LIMIT:
                break
            out += [text[at : match.start()], held if inside else f"'{held}'"]
            at = match.end()
    return "".join([*out, text[at:]])[:LIMIT] if out else text


def _bounded(pattern: re.Pattern[str], by: Callable[[re.Match[str]], str], text: str) -> str:
    """`text` with the pattern's first uses replaced, as it was where that would outgrow the bound."""
    changed = pattern.sub(by, text, count=_MAX_FOLDS)
    return changed if len(changed) <= LIMIT else text


def _without_caret(match: re.Match[str]) -> str:
    return match[0] if match[0].startswith('"') else match[1]


def _chars(match: re.Match[str]) -> str:
    codes = [int(code, 16 if code[:2] in ("0x", "0X") else 10) for code in _CODES.findall(match[1])]
    if any(code > 0x10FFFF or 0xD800 <= code < 0xE000 for code in codes):
        return match[0]
    return "'" + "".join(map(chr, codes)).replace("'", "").replace("`", "").replace("\0", "") + "'"


def _merged(quoted: re.Pattern[str], text: str, width: int = 1) -> str:
    """Neighbouring literals of one kind of quote (`width` characters) with a `+` between them become one."""
    out: list[str] = []
    at = 0
    open_end = -1  # where the literal before ended, if `out` ends with it
    for match in quoted.finditer(text):
        gap = text[at : match.start()]
        if open_end == at and "+" in gap and _PLUS.match(gap):
            out[-1] = out[-1][:-width] if len(out[-1]) > width else ""
            out.append(match[0][width:])
        else:
            out.append(gap)
            out.append(match[0])
        at = open_end = match.end()
    if not out:
        return text
    out.append(text[at:])
    return "".join(out)


def _joined(match: re.Match[str]) -> str:
    values = [one or other for one, other in _LITERAL.findall(match["before"] or match["after"])]
    by = (match["by"] or "''")[1:-1]
    if sum(map(len, values)) + len(by) * len(values) > LIMIT:
        return match[0]
    return "'" + by.join(values) + "'"


def _formatted(match: re.Match[str]) -> str:
    template = match[1] if match[1] is not None else match[2]
    values = [one if one or not other else other for one, other in _LITERAL.findall(match[3])]
    size = sum(len(values[int(place)]) for place in _PLACE.findall(template) if int(place) < len(values))
    if size > LIMIT:
        return match[0]

    def value(place: re.Match[str]) -> str:
        number = int(place[1])
        return values[number] if number < len(values) else place[0]

    return "'" + _PLACE.sub(value, template) + "'"


def _replaced(match: re.Match[str]) -> str:
    subject = match[1]
    old = match[2] if match[2] is not None else match[3]
    new = match[4] if match[4] is not None else match[5]
    if not old or len(subject) + subject.count(old) * len(new) > LIMIT:
        return match[0]
    return "'" + subject.replace(old, new) + "'"


Reader = Callable[[str], "str | None"]


def _payloads(text: str) -> list[tuple[str, Reader]]:
    found: list[tuple[int, str, Reader]] = []
    if "-e" in text or "/e" in text or "-E" in text or "/E" in text:
        found.extend((match.start(), match[1], _utf16) for match in _ENCODED.finditer(text))
    if "ase64" in text or "ASE64" in text.upper():
        found.extend((match.start(), match[1], _bytes) for match in _FROM_BASE64.finditer(text))
    return [(payload, reader) for _, payload, reader in sorted(found, key=lambda item: item[0])[:16]]


def _raw(payload: str) -> bytes | None:
    payload = _SPACE.sub("", payload).rstrip("=")
    if len(payload) % 4 == 1:
        payload = payload[:-1]
    try:
        return b64decode(payload + "=" * (-len(payload) % 4))
    except ValueError:
        return None


def _utf16(payload: str) -> str | None:
    """The payload as the UTF-16LE text that `-EncodedCommand` takes, or None where it looks like no text."""
    raw = _raw(payload)
    if raw is None or len(raw) < 2:
        return None
    text = raw[: len(raw) // 2 * 2].decode("utf-16-le", "replace")
    return text if _readable(text) else None


def _bytes(payload: str) -> str | None:
    """The payload as text (UTF-16LE or UTF-8), unpacked first where it is gzip or deflate."""
    raw = _raw(payload)
    if raw is None:
        return None
    if raw[:2] == b"\x1f\x8b":
        raw = _unpacked(raw, 31)
    elif raw[:1] == b"\x78":
        raw = _unpacked(raw, 15) or raw
    if not raw:
        return None
    if len(raw) >= 2 and raw[1::2].count(0) * 4 >= len(raw):
        text = raw[: len(raw) // 2 * 2].decode("utf-16-le", "replace")
    else:
        text = raw.decode("utf-8", "replace")
    return text if _readable(text) else None


def _unpacked(raw: bytes, window: int) -> bytes:
    try:
        return zlib.decompressobj(window).decompress(raw, LIMIT * 2)
    except zlib.error:
        return b""


def _readable(text: str) -> bool:
    """Whether at least nine characters of ten are ASCII that a script would hold."""
    plain = sum(1 for char in text[:4096] if " " <= char <= "~" or char in "\r\n\t")
    return plain * 10 >= len(text[:4096]) * 9


class CanonicalColumn:
    """Makes columns canonical: each unique value once, and values seen lately not again. Bounded by `size` bytes of
    text; safe from many threads."""

    def __init__(self, size: int = 16 << 20) -> None:
        self._size = size
        self._held: OrderedDict[str, str] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def __call__(self, values: Sequence[str | None]) -> list[str | None]:
        """One canonical text a value; None stays None."""
        made: dict[str | None, str | None] = {None: None}
        held = self._held
        for value in set(values):
            if value is None:
                continue
            text = held.get(value)
            if text is None:
                text = canonical(value)
                self._keep(value, text)
            made[value] = text
        return [made[value] for value in values]

    def _keep(self, value: str, text: str) -> None:
        cost = len(value) + len(text) + 200
        if cost > self._size // 64:
            return
        with self._lock:
            if value in self._held:
                return
            self._held[value] = text
            self._bytes += cost
            while self._bytes > self._size and self._held:
                old, gone = self._held.popitem(last=False)
                self._bytes -= len(old) + len(gone) + 200


canonical_column: Final = CanonicalColumn()
