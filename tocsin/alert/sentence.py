"""An alert as a sentence: a rule's reason with its fields filled in, in parts that the page makes something to click.

`{field}` is the field's value; `[…]` is left out where a field in it is missing; outside brackets a missing field
reads "unknown …".
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from tocsin.ports import Document

_PIECE: Final = re.compile(r"\{([^{}]+)\}|\[([^\[\]]*)\]")
_LIMIT: Final = 300
DEFAULT: Final = (
    "[{process.name} on ][{host.name}, ][run by {user.name}, ][{source.ip} → {destination.ip}[:{destination.port}], ]"
    "[{event.action}, ]met {kibana.alert.rule.name}"
)


class Part(NamedTuple):
    """A piece of a sentence: plain text, or a value with its field."""

    text: str
    field: str | None = None
    value: Any = None


def parts(template: str, document: Document) -> list[Part]:
    """The template with the document's values. Brackets don't nest: the inner of two is read first and may be empty."""
    text = template
    out: list[Part] = []
    at = 0
    for match in _PIECE.finditer(text):
        if match.start() > at:
            out.append(Part(text[at : match.start()]))
        at = match.end()
        if match[1] is not None:
            out.append(_value(match[1].strip(), document) or Part(f"unknown {match[1].rpartition('.')[2].strip()}"))
            continue
        inner = _optional(match[2], document)
        if inner is not None:
            out.extend(inner)
    if at < len(text):
        out.append(Part(text[at:]))
    return _merged(out)


def text_of(sentence: list[Part]) -> str:
    """The sentence as plain text."""
    return "".join(part.text for part in sentence).strip()


def _optional(text: str, document: Document) -> list[Part] | None:
    out: list[Part] = []
    at = 0
    for match in re.finditer(r"\{([^{}]+)\}", text):
        value = _value(match[1].strip(), document)
        if value is None:
            return None
        out.extend((Part(text[at : match.start()]), value))
        at = match.end()
    out.append(Part(text[at:]))
    return out


def _value(field: str, document: Document) -> Part | None:
    value = document.get(field)
    if isinstance(value, list):
        if not value:
            return None
        shown = ", ".join(str(item) for item in value[:3]) + (" …" if len(value) > 3 else "")
    elif value is None or value == "":
        return None
    else:
        shown = str(value)
    return Part(shown if len(shown) <= _LIMIT else shown[: _LIMIT - 1] + "…", field, value)


def _merged(items: list[Part]) -> list[Part]:
    out: list[Part] = []
    for item in items:
        if not item.text:
            continue
        if out and item.field is None and out[-1].field is None:
            out[-1] = Part(out[-1].text + item.text)
        else:
            out.append(item)
    return out
