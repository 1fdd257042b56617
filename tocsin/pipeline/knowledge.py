"""What every process knows alike: the products, the names of fields, the lists and the rules.

`Plan` is what core hands to its children (JSON); each process makes its own `Knowledge` of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from tocsin.detect import Rule
from tocsin.detect._ancestors import RULE_HOT
from tocsin.detect._load import Loader
from tocsin.event.garbage import uncollected
from tocsin.event.schema import ALERT_HOT, HOT
from tocsin.lang import filters, kql, lists
from tocsin.lang.fields import Names
from tocsin.lang.ir import Predicate, all_of
from tocsin.lang.lists import ListTable
from tocsin.normalise._run import Normaliser


@dataclass(slots=True)
class Silence:
    """An exception of a rule ("" or "*" is every rule): what it silences, and the name it is counted under. `query` is
    KQL with exact meaning; `entries` are conditions (`lang.filters`) that must all hold."""

    rule: str
    name: str
    query: str = ""
    entries: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """Which rules there are, and how they are set."""

    folders: list[str] = field(default_factory=list)
    shipped: bool = True
    lists_dir: str | None = None
    own: dict[str, str] = field(default_factory=dict)  # file name as if it stood in a folder → the rule's text
    enabled: dict[str, bool] = field(default_factory=dict)  # rule id → what people set
    exceptions: list[Silence] = field(default_factory=list)
    lists: dict[str, str] = field(default_factory=dict)  # list name → CSV that people edited
    keep_original: bool = True

    def dump(self) -> bytes:
        """As JSON."""
        return orjson.dumps(asdict(self))

    @classmethod
    def load(cls, data: bytes) -> Plan:
        """The inverse of `dump`."""
        raw = orjson.loads(data)
        raw["exceptions"] = [Silence(**entry) for entry in raw["exceptions"]]
        return cls(**raw)


# Lowered Sigma rules, in a process's cache folder: core writes it, workers read it.
SIGMA = "sigma.rules"


def shipped_rules() -> Path:
    """The folder of the rules that come with Tocsin."""
    return Path(str(files("tocsin"))) / "rules"


def shipped_lists() -> Path:
    """The folder of the lists that come with Tocsin."""
    return shipped_rules() / "lists"


class Knowledge:
    """The products, names, lists and rules of one process."""

    def __init__(self, plan: Plan, *, normaliser: Normaliser | None = None, cache: Path | None = None) -> None:
        self.plan = plan
        self.normaliser = normaliser or Normaliser(keep_original=plan.keep_original)
        aliases = self.normaliser.aliases
        self.names = Names(aliases, RULE_HOT)
        self.event_names = Names(aliases, HOT)
        self.alert_names = Names(aliases, ALERT_HOT)
        self.lists = self._lists()
        streams = self.normaliser.streams.values()
        provided = frozenset(name for stream in streams for name in stream.fields)
        self.loader = Loader(
            self.names,
            self.lists,
            provided=provided or None,
            datasets=frozenset(stream.dataset for stream in streams),
            cache=cache / SIGMA if cache is not None else None,
        )
        self.types = self.loader.types
        self.rules: dict[str, Rule] = {}
        self.all_rules: list[Rule] = []
        with uncollected():
            self._rules()

    @property
    def running(self) -> list[Rule]:
        """Rules that are enabled and can run."""
        return [rule for rule in self.rules.values() if rule.enabled and rule.plan is not None]

    def _lists(self) -> ListTable:
        table = lists.load(shipped_lists()) if shipped_lists().is_dir() else ListTable({})
        if self.plan.lists_dir:
            table = table.replaced_by(lists.load(Path(self.plan.lists_dir)))
        own = {name: lists.read(text, name) for name, text in self.plan.lists.items()}
        return table.replaced_by(ListTable(own)) if own else table

    def _rules(self) -> None:
        paths = [shipped_rules()] if self.plan.shipped and shipped_rules().is_dir() else []
        paths += [Path(folder) for folder in self.plan.folders]
        found = self.loader.paths(paths)
        for name, text in self.plan.own.items():
            found += self.loader.text(text, name)
        silences: dict[str, list[tuple[str, Predicate]]] = {}
        for each in self.plan.exceptions:
            parts = [filters.condition(entry, self.names) for entry in each.entries]
            if each.query:
                parts.append(kql.parse(each.query, self.names, case_sensitive=True))
            if parts:
                silences.setdefault(each.rule.strip("*"), []).append((each.name, all_of(*parts)))
        for rule in found:
            enabled = self.plan.enabled.get(rule.id, rule.enabled)
            silencers = (*rule.silencers, *silences.get(rule.id, ()), *silences.get("", ()))
            rule = replace(rule, enabled=enabled and rule.plan is not None, silencers=silencers)
            self.all_rules.append(rule)
            self.rules.setdefault(rule.id, rule)
