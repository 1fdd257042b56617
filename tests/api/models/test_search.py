"""Searches beyond what the contract allows are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tocsin.api.models._model import Model
from tocsin.api.models.search import HistogramRequest, SearchRequest, TopRequest


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (SearchRequest, {"size": 10_001}),
        (SearchRequest, {"language": "perl"}),
        (SearchRequest, {"nobody": 1}),
        (HistogramRequest, {"buckets": 0}),
        (TopRequest, {"field": "x", "limit": 10**6}),
    ],
)
def test_bounds_hold(model: type[Model], body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)
