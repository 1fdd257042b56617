"""Folding and tokens: ASCII only, the same for the index, the SQL and the matcher."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.event.text import fold, tokens


def test_folds_ascii_letters_only() -> None:
    assert fold("PowerShell ÉCOLE İ") == "powershell École İ"
    assert fold("\u212a") == "\u212a"  # the Kelvin sign is no K


def test_a_token_is_a_run_of_letters_digits_and_other_scripts() -> None:
    assert tokens("C:\\Temp\\Setup-1.EXE /x=münchen") == ["c", "temp", "setup", "1", "exe", "x", "münchen"]
    assert tokens("") == tokens(" _-\0") == []


@given(st.text())
def test_folding_keeps_length_and_is_done_once(text: str) -> None:
    assert len(fold(text)) == len(text)
    assert fold(fold(text)) == fold(text)
    assert fold(text).encode("utf-8", "surrogatepass") == text.encode("utf-8", "surrogatepass").lower()
