"""Settings made in the page."""

from __future__ import annotations

from typing import Any

from tocsin.state import State


def test_a_value_is_what_was_put_last(opened: State) -> None:
    assert opened.settings.get("a", 5) == 5
    values: list[Any] = [{"x": [1, "é"]}, [], "", 0, False]
    for value in values:
        opened.settings.put("a", value)
        assert opened.settings.get("a") == value
    opened.settings.put("a", None)
    assert opened.settings.get("a") is None
