"""What is offered at the cursor (marked `|` here) of a half-written query."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.lang.complete import complete
from tocsin.lang.fields import Names

NAMES = Names()
VALUES = {"process.name": ["cmd.exe", "C:\\a b", "powershell.exe"], "destination.port": ["443", "80"]}


def offered(query: str, language: str = "kql") -> list[str]:
    cursor = query.index("|")
    text = query[:cursor] + query[cursor + 1 :]
    found = complete(text, cursor, language, NAMES, values=lambda name: VALUES.get(name, []), limit=10_000)  # type: ignore[arg-type]
    assert all(0 <= one.start <= one.end == cursor for one in found)
    return [one.text for one in found]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("process.na|", "process.name"),
        ("a: b and event.da|", "event.dataset"),
        ("not (user.na|", "user.name"),
        ("process.name |", ":"),
        ("destination.port |", ":"),
        ("@timestamp |", ">="),
        ("process.name: |", "cmd.exe"),
        ("process.name: po|", "powershell.exe"),
        ('process.name: "po|', '"powershell.exe"'),
        ("process.name: C|", "cmd.exe"),
        ("process.name: (cmd.exe or |", "cmd.exe"),
        ("process.name: (cmd.exe or x or po|", "powershell.exe"),
        ("event.category: pr|", "process"),
        ("destination.port > 4|", "443"),
        ("process.code_signature.trusted: |", "true"),
        ("process.name: cmd.exe |", "and"),
        ('process.name: "cmd.exe" o|', "or"),
        ("process.name: (a or b) |", "and"),
        ("process.name: (a or b) and event.ki|", "event.kind"),
    ],
)
def test_kql(query: str, first: str) -> None:
    assert offered(query)[0] == first


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("|", "any"),
        ("proc|", "process"),
        ("seq|", "sequence by"),
        ("process |", "where"),
        ("process where process.na|", "process.name"),
        ("process where len|", "length("),
        ("process where process.name : |", '"cmd.exe"'),
        ('process where process.name in ("x", |', '"cmd.exe"'),
        ("sequence by host.i|", "host.id"),
        ("sequence [fi|", "file"),
        ('process where process.name == "x" |', "and"),
    ],
)
def test_eql(query: str, first: str) -> None:
    assert offered(query, "eql")[0] == first


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("lev|", "level: "),
        ("level: h|", "high"),
        ("logsource:\n  product: w|", "windows"),
        ("logsource:\n  category: proc|", "process_access"),
        ("detection:\n  a:\n    Image|con|", "contains"),
        ("title: x\ndetection:\n  sel_a:\n    F: 1\n  sel_b:\n    F: 2\n  condition: sel_a and s|", "sel_a"),
    ],
)
def test_sigma(query: str, first: str) -> None:
    cursor = query.rindex("|")
    text = query[:cursor] + query[cursor + 1 :]
    assert complete(text, cursor, "sigma", NAMES)[0].text == first


def test_values_that_need_quotes_get_them() -> None:
    assert '"C:\\\\a b"' in offered("process.name: |")


@given(
    st.text(alphabet='ab.:()"\\ and|[{,=~\n', max_size=40),
    st.integers(-5, 50),
    st.sampled_from(["kql", "eql", "sigma"]),
)
def test_never_fails(text: str, cursor: int, language: str) -> None:
    found = complete(text, cursor, language, NAMES)  # type: ignore[arg-type]
    assert len(found) <= 50
