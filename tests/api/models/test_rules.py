"""Drafts of rules and exceptions beyond what the contract allows are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tocsin.api.models._model import Model
from tocsin.api.models.rules import ExceptionDraft, RuleDraft, ThresholdDraft


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (RuleDraft, {"name": ""}),
        (ExceptionDraft, {"entries": []}),
        (ThresholdDraft, {"by": [], "value": 0, "minutes": 5}),
    ],
)
def test_bounds_hold(model: type[Model], body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)
