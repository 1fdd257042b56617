"""The contract: what is not known is refused, and every model says what it is."""

from __future__ import annotations

import inspect

import pytest
from pydantic import BaseModel, ValidationError

from tocsin.api import models

MODELS = [
    each
    for _, each in inspect.getmembers(models, inspect.isclass)
    if issubclass(each, BaseModel) and each.__module__ == models.__name__
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_is_described_and_strict(model: type[BaseModel]) -> None:
    assert model.__doc__
    assert model.model_config["extra"] == "forbid"


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (models.SearchRequest, {"size": 10_001}),
        (models.SearchRequest, {"language": "perl"}),
        (models.SearchRequest, {"nobody": 1}),
        (models.HistogramRequest, {"buckets": 0}),
        (models.TopRequest, {"field": "x", "limit": 10**6}),
        (models.TriageRequest, {"ids": [], "change": {}}),
        (models.NoteRequest, {"text": "x" * 10_001}),
        (models.RuleDraft, {"name": ""}),
        (models.ExceptionDraft, {"entries": []}),
        (models.UserDraft, {"username": "x", "password": "short", "role": "admin"}),
    ],
)
def test_bounds_hold(model: type[BaseModel], body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)
