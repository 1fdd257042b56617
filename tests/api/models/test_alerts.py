"""Searches for alerts beyond what the contract allows are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tocsin.api.models._model import Model
from tocsin.api.models.alerts import AlertSearch


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (AlertSearch, {"size": 10_001}),
        (AlertSearch, {"statuses": ["gone"]}),
        (AlertSearch, {"severities": ["none"]}),
    ],
)
def test_bounds_hold(model: type[Model], body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)
