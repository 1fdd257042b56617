"""Decisions beyond what the contract allows are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tocsin.api.models._model import Model
from tocsin.api.models.triage import NoteRequest, TriageRequest


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (TriageRequest, {"ids": [], "change": {}}),
        (NoteRequest, {"text": "x" * 10_001}),
    ],
)
def test_bounds_hold(model: type[Model], body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)
