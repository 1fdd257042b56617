"""Query rules: each event that matches is an alert (KQL, and EQL without a sequence)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tocsin.detect import HitReader, Lowering, Machine, Rule, RuleType, StepSpec
from tocsin.errors import UnsupportedError
from tocsin.lang import eql, kql
from tocsin.lang.ir import Plan, Query


class _Query:
    takes = frozenset({"query", "eql", "saved_query"})
    plans: tuple[type, ...] = (Query,)

    def lower(self, rule: Mapping[str, Any], extension: Mapping[str, Any], given: Lowering) -> Plan | None:
        language = rule.get("language", "eql" if rule["type"] == "eql" else "kuery")
        text = str(rule.get("query", ""))
        if language == "kuery":
            return Query(kql.parse(text, given.names))
        if language == "eql":
            plan = eql.parse(text, given.names)
            return plan if isinstance(plan, Query) else None
        raise UnsupportedError(f"queries in {language} don't run yet", where=given.where)

    def steps(self, plan: Query) -> tuple[StepSpec, ...]:
        return (StepSpec(plan.where),)

    def machine(self, rule: Rule, reader: HitReader) -> Machine | None:
        return None


TYPE: Final[RuleType] = _Query()
