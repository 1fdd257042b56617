"""Rules: each public file is one rule type; `_load` reads the formats, `_hits` makes hits of a batch, `_state` runs
the stateful ones.

A rule is read from Elastic-shaped TOML or Sigma YAML into a `Rule`. Workers match its steps and write hits;
single-event rules become firings at once, the others through one state machine each, fed with hits (DESIGN section 6).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from tocsin.lang.ir import Field, Plan, Predicate
from tocsin.ports import Firing, Hit, Withdrawal

Severity = Literal["low", "medium", "high", "critical"]
Status = Literal["ok", "blind", "unsupported", "invalid"]
# Elastic's default risk of a severity.
RISK: dict[Severity, int] = {"low": 21, "medium": 47, "high": 73, "critical": 99}


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
    required_fields: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


class Machine(Protocol):
    """The one state machine of a stateful rule and one shard of its keys; the stream and a backtest feed the same."""

    def feed(self, hits: list[Hit], watermark: int) -> list[Firing | Withdrawal]:
        """Hits in any order of arrival (each id and step counts once), then the watermark (µs) up to which absence is
        certain."""
        ...

    def dump(self) -> bytes:
        """Everything needed to go on after a restart, given hits after this checkpoint."""
        ...

    def load(self, state: bytes) -> None:
        """The inverse of `dump`."""
        ...
