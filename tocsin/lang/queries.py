"""A query in any of the languages as a plan, and a time that somebody typed."""

from __future__ import annotations

from tocsin.errors import UnsupportedError, UsageError, quoted
from tocsin.lang import _dates, eql, kql, sigma
from tocsin.lang.fields import EVERYWHERE, Names
from tocsin.lang.ir import Plan, Query

__all__ = ["EVERYWHERE", "moment", "parse"]


def parse(text: str, language: str, names: Names) -> Plan:
    """The plan of a query. Raises `QueryError` with every wrong place, `UnsupportedError` where it can't run."""
    if language == "kql":
        return Query(kql.parse(text, names))
    if language == "eql":
        return eql.parse(text, names)
    if language == "sigma":
        rules = sigma.resolve(sigma.load(text, names), names)
        if len(rules) != 1:
            raise UsageError(f"a Sigma query is one rule, this is {len(rules)}")
        (rule,) = rules
        if rule.plan is None:
            raise UnsupportedError(rule.reason or "; ".join(problem.what for problem in rule.problems))
        return rule.plan
    raise UnsupportedError(f"{language} is no language of searches yet", hint="use kql, eql or sigma")


def moment(text: str | None, *, up: bool = False) -> int | None:
    """A time or date math (`now-15m`, `2026-01-31||/d`) in µs: its first, or (`up`) the first after all that it covers.
    None for nothing."""
    if text is None or not text.strip():
        return None
    found = _dates.moment(text)
    if found is None:
        raise UsageError(f"{quoted(text)} is no time", hint="write 2026-01-31T12:00:00Z, or now-15m")
    return found.high + 1 if up else found.low
