"""What every way in must be; none of them is named here."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest
from pydantic import BaseModel

from tocsin import registry

COLLECTORS = registry.plugins("tocsin.collect")


@pytest.fixture(params=sorted(COLLECTORS))
def module(request: pytest.FixtureRequest) -> ModuleType:
    return COLLECTORS[request.param]


def test_has_settings_that_say_what_they_are(module: ModuleType) -> None:
    assert issubclass(module.Settings, BaseModel)
    assert module.Settings.model_config["extra"] == "forbid"
    silent = [name for name, field in module.Settings.model_fields.items() if not field.description]
    assert not silent, f"without a docstring: {silent}"


def test_is_made_of_its_settings(module: ModuleType) -> None:
    assert next(iter(inspect.signature(module.collector).parameters)) == "settings"


def test_is_called_as_its_file(module: ModuleType) -> None:
    made = [
        thing
        for _, thing in inspect.getmembers(module, inspect.isclass)
        if thing.__module__ == module.__name__ and hasattr(thing, "run") and hasattr(thing, "health")
    ]
    (collector,) = made
    assert vars(collector)["name"] == module.__name__.rsplit(".", 1)[1]
    assert inspect.iscoroutinefunction(vars(collector)["run"])
