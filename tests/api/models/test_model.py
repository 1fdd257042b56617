"""The contract: what is not known is refused, and every model says what it is."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from tocsin.api import models
from tocsin.api.models._model import Model


def all_models() -> list[type[Model]]:
    """Every model of the package, found as the package is: a new file is held to the contract by itself."""
    for module in pkgutil.iter_modules(models.__path__, f"{models.__name__}."):
        importlib.import_module(module.name)
    found, waiting = set[type[Model]](), [Model]
    while waiting:
        below = waiting.pop().__subclasses__()
        found |= set(below)
        waiting += below
    return sorted(found, key=lambda model: model.__name__)


@pytest.mark.parametrize("model", all_models(), ids=lambda model: model.__name__)
def test_every_model_is_described_and_strict(model: type[Model]) -> None:
    assert "__doc__" in vars(model) and model.__doc__
    assert model.model_config["extra"] == "forbid"


def test_no_two_models_share_a_name() -> None:
    """The OpenAPI page would tell them apart by the names of their files."""
    names = [model.__name__ for model in all_models()]
    assert len(names) == len(set(names))
