"""Windows Event XML as the documents that the EVTX parser gives, so that one mapping reads both.

The schema is Microsoft's `Event` (MS-EVEN6, section 2.2.13). A document type declaration is refused before anything is
parsed, so there are no entities but XML's own five and nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError, XMLParser

MAX_XML: Final = 4 << 20
MAX_FIELDS: Final = 2048
_DEPTH: Final = 12
# What XML 1.0 can't hold; Windows writes it all the same where a program logged it.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCE: Final = re.compile(r"&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01])|[xX]0*(?:[0-8bBcCeEfF]|1[0-9a-fA-F]));")


def looks_like_xml(text: str) -> bool:
    """Whether a text begins as a Windows event in XML does."""
    start = text[:256].lstrip("\ufeff \t\r\n")
    if start.startswith("<?xml"):
        start = start.partition("?>")[2].lstrip()
    return start.startswith("<Event") and start[6:7] in (" ", ">", "\n", "\r", "\t")


def document(text: str) -> dict[str, Any] | str:
    """The event as `{"Event": {"System": …, "EventData": …}}`, or the reason why it is none. Never raises."""
    if len(text) > MAX_XML:
        return f"XML of {len(text)} characters; at most {MAX_XML} are read"
    if "<!DOCTYPE" in text:
        return "XML with a document type declaration"
    text = text.strip("\ufeff \t\r\n\0")
    # Parsers make a line feed of carriage return and line feed; the event had both.
    root = _parsed(text.replace("\r", "&#13;")) if "\r" in text else None
    if root is None:
        root = _parsed(text)
    if root is None:
        root = _parsed(_REFERENCE.sub("\ufffd", _FORBIDDEN.sub("\ufffd", text)))
    if root is None:
        return "broken XML"
    if _name(root.tag) != "Event":
        return "XML that is no Windows event"
    event: dict[str, Any] = {}
    for child in root:
        name = _name(child.tag)
        if name == "EventData":
            event[name] = _data(child)
        else:
            event[name] = _tree(child, _DEPTH)
    if not isinstance(event.get("System"), dict):
        return "a Windows event without System"
    return {"Event": event}


def _parsed(text: str) -> Element | None:
    parser = XMLParser()  # noqa: S314  # its input has no declarations by now
    try:
        parser.feed(text)
        return parser.close()
    except (ParseError, ValueError, UnicodeEncodeError):
        return None


def _name(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _data(element: Element) -> dict[str, Any]:
    """`<Data Name='X'>` under X, unnamed ones in order under Data, as the EVTX parser has them."""
    out: dict[str, Any] = {}
    unnamed: list[str] = []
    for child in list(element)[:MAX_FIELDS]:
        name = child.get("Name")
        if name is None and _name(child.tag) == "Data":
            unnamed.append(child.text or "")
            continue
        name = name or _name(child.tag)
        value: Any = _tree(child, _DEPTH) if len(child) else child.text or ""
        held = out.get(name)
        out[name] = value if held is None else [*(held if isinstance(held, list) else [held]), value]
    if unnamed:
        out["Data"] = {"#text": unnamed}
    return out


def _tree(element: Element, depth: int) -> Any:
    """Children by name, attributes under `#attributes`, text under `#text` where there is more than it."""
    attributes = {_name(name): value for name, value in element.attrib.items()}
    if not len(element):
        if not attributes:
            return element.text or None
        return {"#attributes": attributes, "#text": element.text} if element.text else {"#attributes": attributes}
    out: dict[str, Any] = {"#attributes": attributes} if attributes else {}
    if depth <= 0:
        out["#text"] = "".join(_texts(element))
        return out
    for child in list(element)[:MAX_FIELDS]:
        name = _name(child.tag)
        value = _tree(child, depth - 1)
        held = out.get(name)
        out[name] = value if held is None else [*(held if isinstance(held, list) else [held]), value]
    return out


def _texts(element: Element) -> Iterator[str]:
    for count, text in enumerate(element.itertext()):
        if count >= MAX_FIELDS:
            return
        yield text
