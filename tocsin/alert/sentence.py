"""An alert as a sentence: a rule's reason with its fields filled in, in parts that the page makes something to click.

`{field}` is the field's value; `[…]` is left out where a field in it is missing; outside brackets a missing field
reads "unknown …".
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from tocsin.ports import Document

_TOKEN: Final = re.compile(r"\{[^{}\[\]]+\}|[\[\]]|[^{}\[\]]+|[{}]")
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
    """The template with the document's values. Brackets nest: the inner ones go without the outer's going."""
    open_: list[list[Part]] = [[]]
    missing: list[bool] = [False]
    for token in _TOKEN.findall(template):
        if token == "[":
            open_.append([])
            missing.append(False)
        elif token == "]" and len(open_) > 1:
            inner, gone = open_.pop(), missing.pop()
            open_[-1] += [] if gone else inner
        elif token[0] == "{" and len(token) > 2:
            field = token[1:-1].strip()
            value = _value(field, document)
            missing[-1] |= value is None
            open_[-1].append(value or Part(f"unknown {field.rpartition('.')[2]}"))
        else:
            open_[-1].append(Part(token))
    out = open_[0]
    for inner in open_[1:]:  # opened and never closed: a bracket like any other character
        out += [Part("["), *inner]
    return _merged(out)


def text_of(sentence: list[Part]) -> str:
    """The sentence as plain text."""
    return "".join(part.text for part in sentence).strip()


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
