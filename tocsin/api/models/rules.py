"""Rules, their drafts, previews and exceptions, and the lists that they use."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tocsin.api.models._model import Language, Model, Severity
from tocsin.api.models.rows import AlertRow, RuleRow
from tocsin.api.models.search import Filter, Found, HistogramPage


class RuleFolder(Model):
    """Where rules were read from, and what came of them."""

    path: str
    name: str
    total: int
    ok: int
    blind: int
    unsupported: int
    invalid: int


class RulesPage(Model):
    """All rules (the page filters), and the folders that they came from."""

    rules: list[RuleRow]
    folders: list[RuleFolder]


class RuleException(Model):
    """What is left out of a rule."""

    number: int
    entries: list[Filter]
    comment: str
    author: str
    created: str
    expires: str | None
    hidden: int


class EvidenceCase(Model):
    """One case of the rule's test file and whether it does as it says."""

    name: str
    expect: Literal["fires", "quiet"]
    passed: bool
    detail: str


class RuleDetail(Model):
    """The page of one rule."""

    rule: RuleRow
    description: str
    query: str
    language: str
    text: str
    readable: str
    scope: str
    false_positives: list[str]
    misses: str
    note: str
    references: list[str]
    author: list[str]
    version: int
    warnings: list[str]
    required_fields: list[str]
    exceptions: list[RuleException]
    evidence: list[EvidenceCase]
    lists: list[str]


class ThresholdDraft(Model):
    """So many events of a group within a window."""

    by: list[str]
    value: Annotated[int, Field(ge=1)]
    minutes: Annotated[int, Field(ge=1)]
    distinct: str | None = None
    distinct_value: int | None = None


class RuleDraft(Model):
    """A rule made on the page: KQL, EQL (sequences too), a Sigma YAML text, or a threshold over KQL."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: str = ""
    language: Language = "kql"
    query: str = ""
    severity: Severity = "medium"
    risk_score: float | None = None
    tags: list[str] = []
    enabled: bool = True
    threshold: ThresholdDraft | None = None
    suppress_by: list[str] = []
    suppress_minutes: int = 60
    start: str | None = None
    end: str | None = None


class RuleChange(Model):
    """What is given changes; a draft replaces the text of an own rule."""

    enabled: bool | None = None
    draft: RuleDraft | None = None


class RulePreview(Model):
    """What the rule would have found in the range of the draft."""

    alerts: int
    events: int
    histogram: HistogramPage
    samples: list[Found]
    milliseconds: float
    warnings: list[str] = []


class ExceptionDraft(Model):
    """All entries must hold (AND)."""

    entries: Annotated[list[Filter], Field(min_length=1)]
    comment: str = ""
    expires: str | None = None
    close_matching: bool = False


class ExceptionPreview(Model):
    """What it would have hidden in 30 days."""

    alerts: int
    total: int
    samples: list[AlertRow]


class ListTable(Model):
    """A list that rules use; every row has `columns`' names."""

    name: str
    columns: list[str]
    rows: list[dict[str, str]]
    shipped: bool = True
    used_by: list[str] = []
