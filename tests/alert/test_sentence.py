"""An alert as a sentence, in parts that a page can make something to click."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tocsin.alert.sentence import DEFAULT, Part, parts, text_of
from tocsin.pipeline.knowledge import shipped_rules

MAY_LACK = ("host.", "observer.", "destination.")
DOCUMENT: dict[str, Any] = {"host.name": "ws1", "user.name": ["ann", "bob"], "empty": "", "none": [], "source.port": 0}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("on {host.name}", "on ws1"),
        ("by {user.name}", "by ann, bob"),
        ("by {process.name}", "by unknown name"),
        ("a[ on {host.name}][ by {process.name}] b", "a on ws1 b"),
        ("[{host.name} {process.name}]x", "x"),
        ("{empty}{none}", "unknown emptyunknown none"),
        ("port {source.port}", "port 0"),
        ("no places", "no places"),
        ("", ""),
        ("{ host.name }", "ws1"),
        ("{}", "{}"),
        ("[plain]", "plain"),
        ("[{host.name}[:{source.port}][/{process.name}] ]end", "ws1:0 end"),
        ("[{process.name}[:{source.port}] ]end", "end"),
        ("a]b[c{host.name}", "a]b[cws1"),
        ("{{host.name}", "{ws1"),
    ],
)
def test_fills_its_places(template: str, expected: str) -> None:
    assert text_of(parts(template, DOCUMENT)) == expected


def test_values_keep_their_fields() -> None:
    assert parts("on {host.name} by {user.name}.", DOCUMENT) == [
        Part("on "),
        Part("ws1", "host.name", "ws1"),
        Part(" by "),
        Part("ann, bob", "user.name", ["ann", "bob"]),
        Part("."),
    ]


def test_what_a_log_says_is_no_template() -> None:
    """Values are put in once, whatever they hold, and cut."""
    hostile = {"host.name": "{user.name}[{x}]", "user.name": "u" * 10_000}
    assert text_of(parts("{host.name}", hostile)) == "{user.name}[{x}]"
    assert len(text_of(parts("{user.name}", hostile))) == 300


def test_the_default_says_what_there_is() -> None:
    document = {"kibana.alert.rule.name": "R", "source.ip": "10.0.0.1", "destination.ip": "10.0.0.2"}
    assert text_of(parts(DEFAULT, document)) == "10.0.0.1 → 10.0.0.2, met R"
    for missing in ("source.ip", "destination.ip"):
        rest = {name: value for name, value in document.items() if name != missing}
        assert text_of(parts(DEFAULT, rest)) == "met R"


@pytest.mark.parametrize("path", sorted(shipped_rules().rglob("*.toml")), ids=lambda path: path.stem)
def test_no_shipped_sentence_names_what_its_events_may_lack(path: Path) -> None:
    """Hosts, observers and the other end of a connection are missing in some logs: their clause is left out."""
    reason = tomllib.loads(path.read_text())["tocsin"]["reason"]
    there = {name: "x" for name in re.findall(r"\{([^{}]+)\}", reason) if not name.startswith(MAY_LACK)}
    assert "unknown" not in text_of(parts(reason, there))
