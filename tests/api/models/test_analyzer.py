"""Nodes and edges beyond what the contract allows are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tocsin.api.models._model import Model
from tocsin.api.models.analyzer import Edge, Node


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (Node, {"id": "p:1", "kind": "thread", "label": "x", "detail": "", "host": None, "time": None}),
        (Edge, {"id": "1", "source": "a", "target": "b", "kind": "knew"}),
    ],
)
def test_bounds_hold(model: type[Model], body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)
