"""Rules: each public file is one rule type; `_load` reads the formats, `_hits` makes hits of a batch, `_state` runs
the stateful ones.

A rule is read from Elastic-shaped TOML or Sigma YAML into a `Rule`. Workers match its steps and write hits;
single-event rules become firings at once, the others through one state machine each, fed with hits (DESIGN section 6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Protocol

from tocsin.event.time import SECOND
from tocsin.lang.fields import Names
from tocsin.lang.ir import Field, Plan, Predicate
from tocsin.ports import Firing, Hit, Lists, Span, Withdrawal

Severity = Literal["low", "medium", "high", "critical"]
Status = Literal["ok", "blind", "unsupported", "invalid"]
# Elastic's default risk of a severity.
RISK: dict[Severity, int] = {"low": 21, "medium": 47, "high": 73, "critical": 99}
# Of a rule that doesn't say: what most of Elastic's say (`from = "now-9m"`).
LOOK_BACK: Final = 540 * SECOND


@dataclass(frozen=True, slots=True)
class Technique:
    """One ATT&CK technique (or tactic, where `technique` is empty) that a rule is about: ids and names as the rule
    gives them."""

    tactic: str
    tactic_name: str
    technique: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Suppression:
    """Alerts of equal `by` values within `window` µs of the first are counted on it instead of shown. `missing` keeps
    nulls apart."""

    by: tuple[str, ...]
    window: int
    missing: Literal["suppress", "separate"] = "suppress"


@dataclass(frozen=True, slots=True)
class Rule:
    """One detection rule, read and lowered. `plan` already holds the rule's index scope, filters and exceptions."""

    id: str
    name: str
    type: str  # the file of its rule type: query, threshold, sequence, correlation …
    plan: Plan | None  # None where it takes other rules' alerts (correlation) or can't run (status says why)
    severity: Severity
    risk_score: float
    path: str
    format: Literal["elastic", "sigma"]
    text: str  # the file as it is, for the page and `rules explain`
    query: str = ""  # the rule's own query text, where it has one
    language: str = ""
    description: str = ""
    enabled: bool = True
    status: Status = "ok"
    reason: str = ""  # why it is blind, unsupported or invalid
    generation: str = ""  # a hash of what it matches (plan, keys, scope), nothing of its words
    look_back: int = LOOK_BACK  # how far (µs) it looks back over stored events when it is new: its `from`
    tags: tuple[str, ...] = ()
    techniques: tuple[Technique, ...] = ()
    references: tuple[str, ...] = ()
    false_positives: tuple[str, ...] = ()
    misses: str = ""
    author: tuple[str, ...] = ()
    note: str = ""
    version: int = 1
    building_block: bool = False
    sibling_of: str = ""  # a building block where the rule of this id fires on the same event
    incident: bool = False  # one alert of it is an incident
    suppression: Suppression | None = None
    reason_text: str = ""  # a sentence with {field} places; a generated one where empty
    severity_when: tuple[tuple[Severity, Predicate], ...] = ()  # overrides; the first that holds
    join: tuple[Field, ...] = ()  # fields whose values join its alerts into incidents, beside the usual keys
    legs: tuple[str, ...] = ()  # the rules that a correlation takes
    silencers: tuple[tuple[str, Predicate], ...] = ()  # (list or exception, what it silences): counted, can be opened
    required_fields: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()  # the lists that it reads
    warnings: tuple[str, ...] = field(default=())


class Lowering(NamedTuple):
    """What a rule type is given to lower a rule: names, the lists, and the file for errors."""

    names: Names
    lists: Lists
    where: str


class HitReader(Protocol):
    """Stored hits, for keys that are not in memory."""

    def hits(self, rule: str, generation: str, keys: Sequence[tuple[str | None, ...]], span: Span) -> list[Hit]:
        """The hits of these keys within the span."""
        ...


class RuleType(Protocol):
    """What a plug-in of this folder holds as `TYPE`."""

    takes: frozenset[str]  # Elastic's `rule.type`s
    plans: tuple[type, ...]  # the plans that it runs

    def lower(self, rule: Mapping[str, Any], extension: Mapping[str, Any], given: Lowering) -> Plan | None:
        """The plan of an Elastic-shaped rule (`extension` is its table `tocsin`), or None: try the next type."""
        ...

    def steps(self, plan: Any) -> tuple[StepSpec, ...]:
        """What workers must match for it, and which values make a hit's key."""
        ...

    def machine(self, rule: Rule, reader: HitReader) -> Machine | None:
        """Its state machine; None where every hit is an alert of its own."""
        ...


class StepSpec(NamedTuple):
    """One step: which events, the fields of the key, the fields whose values are counted, whether a null key counts."""

    where: Predicate
    key: tuple[Field, ...] = ()
    values: tuple[Field, ...] = ()
    nullable: tuple[bool, ...] = ()


class Machine(Protocol):
    """The one state machine of a stateful rule; the stream and a backtest feed the same.

    It is a pure function of the rule's hits: what it holds in memory is a cache, reloaded from the hits through
    `HitReader`.
    """

    def feed(self, hits: Sequence[Hit], watermark: int) -> list[Firing | Withdrawal]:
        """Hits in any order of arrival (each id and step counts once), then the watermark (µs) up to which absence is
        certain. Gives what is new, changed (the same `born` again) or overturned."""
        ...

    def size(self) -> int:
        """Hits held in memory."""
        ...
