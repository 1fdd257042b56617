"""The rules, lists and exceptions as settings and people say: what every process is told."""

from __future__ import annotations

from tocsin.config import Settings
from tocsin.pipeline.knowledge import Plan, Silence
from tocsin.state import State


def plan_of(settings: Settings, state: State) -> Plan:
    """The plan of a data folder."""
    custom = state.rules.custom()
    enabled = {rule.id: rule.enabled for rule in custom} | state.rules.enabled()
    return Plan(
        folders=[str(folder) for folder in settings.rules.dirs],
        shipped=settings.rules.shipped,
        lists_dir=str(settings.lists.dir) if settings.lists.dir else None,
        own={f"own/{rule.id}.{'toml' if rule.format == 'toml' else 'yml'}": rule.text for rule in custom},
        enabled=enabled,
        exceptions=[
            Silence(rule=each.rule, name=f"exception {each.id}", entries=each.entries)
            for each in state.rules.exceptions()
        ],
        lists={each.name: each.text for each in state.lists.all()},
        keep_original=settings.normalise.keep_original,
    )
