"""Incidents beyond what the contract allows are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tocsin.api.models._model import Model
from tocsin.api.models.incidents import IncidentMerge, IncidentSearch, IncidentSplit


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (IncidentSearch, {"size": 1001}),
        (IncidentSearch, {"sort": "name"}),
        (IncidentMerge, {"incidents": ["x"] * 101}),
        (IncidentSplit, {"alerts": []}),
        (IncidentSplit, {"alerts": ["x"] * 501}),
    ],
)
def test_bounds_hold(model: type[Model], body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)
