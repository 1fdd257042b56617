"""Channels beyond what the contract allows are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tocsin.api.models._model import Model
from tocsin.api.models.notifications import Channel, Notifications


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (Channel, {"name": "x", "url": "json://localhost", "minimum_severity": "none"}),
        (Notifications, {}),
    ],
)
def test_bounds_hold(model: type[Model], body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)
