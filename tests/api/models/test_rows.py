"""Rows and pieces of sentences beyond what the contract allows are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tocsin.api.models._model import Model
from tocsin.api.models.rows import Part, TechniqueRef


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (Part, {"text": None}),
        (Part, {"text": "x", "html": "<b>"}),
        (TechniqueRef, {"tactic": "TA0002"}),
    ],
)
def test_bounds_hold(model: type[Model], body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)
