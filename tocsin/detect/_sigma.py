"""Sigma rules as rules: `lang.sigma` reads and lowers them, this gives them what a rule has beside its plan.

Levels: informational and low are low; the others are what they say. A rule without an id is known by its file and
title.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from tocsin.detect import RISK, Rule, RuleType, Severity, Technique
from tocsin.event.ids import stable_id
from tocsin.lang.ir import Correlation, Plan, digest
from tocsin.lang.sigma import SigmaRule

_LEVELS: Final[dict[str, Severity]] = {
    "informational": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "critical": "critical",
}
_TACTICS: Final = {
    "reconnaissance": ("TA0043", "Reconnaissance"),
    "resource-development": ("TA0042", "Resource Development"),
    "initial-access": ("TA0001", "Initial Access"),
    "execution": ("TA0002", "Execution"),
    "persistence": ("TA0003", "Persistence"),
    "privilege-escalation": ("TA0004", "Privilege Escalation"),
    "defense-evasion": ("TA0005", "Defense Evasion"),
    "stealth": ("TA0005", "Defense Evasion"),
    "credential-access": ("TA0006", "Credential Access"),
    "discovery": ("TA0007", "Discovery"),
    "lateral-movement": ("TA0008", "Lateral Movement"),
    "collection": ("TA0009", "Collection"),
    "exfiltration": ("TA0010", "Exfiltration"),
    "command-and-control": ("TA0011", "Command and Control"),
    "impact": ("TA0040", "Impact"),
}
_TECHNIQUE: Final = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)\Z", re.IGNORECASE)
_HEAD: Final = re.compile(r"^(id|title):\s*(.+?)\s*$", re.MULTILINE)


def rule_of(read: SigmaRule, text: str, types: Mapping[str, RuleType], used: frozenset[str] = frozenset()) -> Rule:
    """The rule of a resolved Sigma rule or correlation; `used` are rules that correlations take and that don't ask to
    be alerts of their own: they are building blocks."""
    severity = _LEVELS.get(read.level, "medium")
    rule_id = read.id or stable_id("sigma", read.path, read.name)
    reason = "; ".join(f"{p.line}:{p.column}: {p.what}" for p in read.problems) or read.reason
    plan = read.plan if read.status == "ok" else None
    return Rule(
        id=rule_id,
        name=read.name,
        type=_type(plan, types),
        plan=plan,
        severity=severity,
        risk_score=RISK[severity],
        path=read.path,
        format="sigma",
        text=text,
        language="sigma",
        description=read.description,
        enabled=plan is not None and read.maturity not in ("deprecated", "unsupported"),
        status=read.status if plan is not None or read.status != "ok" else "unsupported",
        reason=reason,
        generation=digest(plan) if plan is not None else "",
        tags=read.tags,
        techniques=_techniques(read.tags),
        references=read.references,
        false_positives=read.false_positives,
        misses=str(read.extra.get("misses", "")),
        author=(read.author,) if read.author else (),
        building_block=read.id in used and not read.generate,
        required_fields=read.fields,
        legs=tuple(rule for leg in plan.legs for rule in leg.rules) if isinstance(plan, Correlation) else (),
        warnings=read.warnings,
    )


def _type(plan: Plan | None, types: Mapping[str, RuleType]) -> str:
    for name, each in types.items():
        if plan is not None and isinstance(plan, each.plans):
            return name
    return "query"


def _techniques(tags: Sequence[str]) -> tuple[Technique, ...]:
    tactics = [_TACTICS[t] for tag in tags if (t := tag.lower().removeprefix("attack.").replace("_", "-")) in _TACTICS]
    techniques = [match[1].upper() for tag in tags if (match := _TECHNIQUE.match(tag))]
    tactic = tactics[0] if tactics else ("", "")
    out = [Technique(*tactic, technique) for technique in techniques]
    return tuple(out) or tuple(Technique(*each) for each in tactics)


def head(text: str) -> dict[str, str]:
    """Id and title of a text that can't be read, as far as they can be seen."""
    names = {"id": "id", "title": "name"}
    return {names[match[1]]: match[2].strip("'\"") for match in _HEAD.finditer(text[:65536])}
