"""Listeners and sources beyond what the contract allows are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tocsin.api.models._model import Model
from tocsin.api.models.status import Listener, SourcesPage


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (Listener, {"name": "bulk"}),
        (SourcesPage, {"sources": [{}], "unparsed": [], "drops": {}}),
    ],
)
def test_bounds_hold(model: type[Model], body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)
