"""What all models share: strictness, the words that many fields take, and how a failure is told."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Document = dict[str, Any]
Severity = Literal["low", "medium", "high", "critical"]
Role = Literal["admin", "analyst", "viewer"]
Language = Literal["kql", "eql", "sigma", "sql"]
Of = Literal["events", "alerts", "incidents"]
TriageStatus = Literal["open", "acknowledged", "closed"]
Verdict = Literal["true_positive", "false_positive", "benign", "duplicate"]


class Model(BaseModel):
    """An unknown key is an error, never silence."""

    model_config = ConfigDict(extra="forbid")


class QueryProblem(Model):
    """One wrong place in a query; lines and columns count from 1."""

    what: str
    line: int
    column: int
    length: int
    hint: str = ""


class Problem(Model):
    """RFC 9457. `problems` is there when a query or rule can't be read."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    hint: str = ""
    problems: list[QueryProblem] = []
