"""The noise: nothing in it is an alert, and what looks like an attack is silenced by the list that says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize("seed", range(3))
def test_nothing_in_it_is_an_alert(told: Callable[..., Any], seed: int) -> None:
    found = told("noise", seed=seed)
    assert not found.on_view()
    assert not found.correlations


def test_it_holds_what_must_stay_silent(told: Callable[..., Any]) -> None:
    documents = list(told("noise", seed=1).documents.values())
    lines = [str(document.get("process.command_line", "")) for document in documents]
    paths = [document for document in documents if document.get("url.extension") == "bat"]
    assert any("inventory.bat" in line for line in lines)
    assert any("TcpClient" in line and "GetStream" not in line for line in lines)
    assert any("Invoke-WebRequest" in line and "status.html" in line for line in lines)
    assert any("Invoke-WebRequest" in line and "10.20.0.15:8080" in line for line in lines)
    assert {document["http.request.method"] for document in paths} == {"GET", "HEAD"}
    assert {document["http.response.status_code"] for document in paths} >= {200, 304, 404}
    assert any(document.get("source.ip") == "198.51.100.200" for document in documents)
    assert sum(document.get("http.response.status_code") in (502, 503) for document in documents) > 50
