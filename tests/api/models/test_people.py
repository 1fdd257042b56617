"""Accounts and keys beyond what the contract allows are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tocsin.api.models._model import Model
from tocsin.api.models.people import KeyDraft, UserChange, UserDraft


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (UserDraft, {"username": "x", "password": "short", "role": "admin"}),
        (UserChange, {"role": "root"}),
        (KeyDraft, {"name": "x", "scopes": ["all"]}),
    ],
)
def test_bounds_hold(model: type[Model], body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)
