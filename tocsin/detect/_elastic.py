"""Elastic's detection-rules TOML as rules, unmodified; what is ours stands in its table `tocsin`.

Format: https://github.com/elastic/detection-rules (`rule`, `metadata`, `transform`). Our table:

    [tocsin]
    misses = "…"                 what the rule can't see
    incident = true              one alert of it is an incident
    sibling_of = "rule id"       a building block where that rule fires on the same event
    reason = "{process.name} on {host.name} …"
    join = ["field", …]          further fields that join its alerts into incidents
    [[tocsin.list]]              name, field, narrow = {port = "destination.port"}, use = "require" | "exclude" |
                                 "silence"; query (KQL): the list counts for these events only; beaten_by: not for
                                 values of that other list
    [[tocsin.severity]]          severity, query (KQL): the first that holds overrides
    optional_by = ["host.name"] fields of a threshold's group that may be missing (null is a group then)
    [tocsin.unless_common]       query (KQL), by, distinct, at_least: a threshold's veto
    [tocsin.correlation]         window, minimum, observers; [[tocsin.correlation.leg]] name, rules, by;
                                 [[tocsin.correlation.raise]] rules, by, within, severity

Unknown keys of others' tables are kept with a warning; unknown keys of `tocsin` are errors.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from tocsin.detect import LOOK_BACK, RISK, Lowering, Rule, RuleType, Severity, Suppression, Technique, _filters
from tocsin.detect._scope import is_alerts, of_indices
from tocsin.errors import QueryError, SyntaxProblem, TocsinError, UnsupportedError, quoted
from tocsin.event.time import SECOND
from tocsin.lang import kql
from tocsin.lang.ir import Count, InList, Plan, Predicate, Query, Sequence, all_of, any_of, digest, negate

_OURS: Final = frozenset(
    {"misses", "incident", "sibling_of", "reason", "join", "list", "severity", "unless_common", "optional_by"}
    | {"correlation"}
)
_KNOWN: Final = frozenset(
    [
        "actions",
        "alert_suppression",
        "anomaly_threshold",
        "author",
        "building_block_type",
        "description",
        "enabled",
        "exceptions_list",
        "false_positives",
        "filters",
        "from",
        "history_window_start",
        "index",
        "interval",
        "investigation_fields",
        "items_per_search",
        "language",
        "license",
        "machine_learning_job_id",
        "max_signals",
        "meta",
        "name",
        "new_terms",
        "new_terms_fields",
        "note",
        "output_index",
        "query",
        "references",
        "related_integrations",
        "required_fields",
        "response_actions",
        "risk_score",
        "risk_score_mapping",
        "rule_id",
        "rule_name_override",
        "setup",
        "severity",
        "severity_mapping",
        "tags",
        "threat",
        "threat_filters",
        "threat_index",
        "threat_indicator_path",
        "threat_language",
        "threat_mapping",
        "threat_query",
        "threshold",
        "throttle",
        "timeline_id",
        "timeline_title",
        "timestamp_override",
        "to",
        "type",
        "version",
        "data_view_id",
        "tiebreaker_field",
        "event_category_override",
        "timestamp_field",
        "concurrent_searches",
        "timestamp_override_fallback_disabled",
        "correlation",
    ]
)
_DURATION: Final = re.compile(r"(\d+)\s*(ms|s|m|h|d|w)\Z")
_UNIT: Final = {
    "ms": 1000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 86400 * SECOND,
    "w": 604800 * SECOND,
}


def duration(text: str, where: str = "") -> int:
    """`10m`, `1h`, `now-9m` … in µs."""
    match = _DURATION.match(str(text).removeprefix("now-").strip())
    if not match:
        raise TocsinError(f"{quoted(text)} is no duration", where=where, hint="write a number and ms, s, m, h, d or w")
    return int(match[1]) * _UNIT[match[2]]


def _look_back(begin: object) -> int:
    """The rule's `from` as µs before now; one that can't be read is no reason not to run the rule."""
    try:
        return duration(str(begin)) if begin is not None else LOOK_BACK
    except TocsinError:
        return LOOK_BACK


def read(text: str, path: str, types: Mapping[str, RuleType], given: Lowering) -> Rule:
    """One TOML file as a rule. Raises `QueryError` or another `TocsinError` that says where it is invalid;
    `UnsupportedError` where it is right and can't run here."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _toml_problem(error, text, path) from error
    rule = document.get("rule")
    if not isinstance(rule, dict):
        raise TocsinError("there is no table [rule]", where=path, hint="an Elastic rule has its fields in [rule]")
    extension = document.get("tocsin", {})
    if unknown := sorted(set(extension) - _OURS):
        raise TocsinError(
            f"[tocsin] has no key {quoted(unknown[0])}", where=path, hint=f"it has {', '.join(sorted(_OURS))}"
        )
    for key in ("name", "rule_id", "type"):
        if not isinstance(rule.get(key), str) or not rule[key]:
            raise TocsinError(f"[rule] needs {key}", where=path)
    severity = rule.get("severity", "medium")
    if severity not in RISK:
        raise TocsinError(f"severity {quoted(severity)} is none of {', '.join(RISK)}", where=path)
    warnings = tuple(f"unknown key {key!r} is kept and has no effect" for key in sorted(set(rule) - _KNOWN))
    if rule.get("exceptions_list"):
        names = ", ".join(str(each.get("list_id", each.get("id", "?"))) for each in rule["exceptions_list"])
        warnings += (f"its exceptions stand in Kibana's lists ({names}), not in the rule: they are not applied",)
    shell = _shell(rule, extension, severity, text, path, warnings, document.get("metadata", {}))
    return _lowered(shell, rule, extension, types, given)


def _shell(
    rule: Mapping[str, Any],
    extension: Mapping[str, Any],
    severity: Severity,
    text: str,
    path: str,
    warnings: tuple[str, ...],
    metadata: Mapping[str, Any],
) -> Rule:
    return Rule(
        id=rule["rule_id"],
        name=rule["name"],
        type=rule["type"],
        plan=None,
        severity=severity,
        risk_score=float(rule.get("risk_score", RISK[severity])),
        path=path,
        format="elastic",
        text=text,
        query=str(rule.get("query", "")),
        language={"kuery": "kql"}.get(str(rule.get("language", "")), str(rule.get("language", ""))),
        description=str(rule.get("description", "")),
        enabled=bool(rule.get("enabled", True)) and metadata.get("maturity") != "deprecated",
        tags=_texts(rule.get("tags")),
        techniques=tuple(_techniques(rule.get("threat", ()))),
        references=_texts(rule.get("references")),
        false_positives=_texts(rule.get("false_positives")),
        misses=str(extension.get("misses", "")),
        author=_texts(rule.get("author")),
        note=str(rule.get("note", "")),
        version=int(rule.get("version", 1)),
        look_back=_look_back(rule.get("from")),
        building_block=bool(rule.get("building_block_type")),
        sibling_of=str(extension.get("sibling_of", "")),
        incident=bool(extension.get("incident", False)),
        suppression=_suppression(rule.get("alert_suppression"), path),
        reason_text=str(extension.get("reason", "")),
        required_fields=tuple(str(f.get("name", "")) for f in rule.get("required_fields", ())),
        warnings=warnings,
    )


def _lowered(
    shell: Rule, rule: Mapping[str, Any], extension: Mapping[str, Any], types: Mapping[str, RuleType], given: Lowering
) -> Rule:
    if is_alerts(rule.get("index", ())):
        raise UnsupportedError("it reads alerts, not events", where=shell.path, hint="write it as a correlation")
    for name, each in types.items():
        if shell.type not in each.takes:
            continue
        plan = each.lower(rule, extension, given)
        if plan is None:
            continue
        scope = of_indices(rule.get("index", ()), given.names)
        required, silencers, lists = _lists(extension.get("list", ()), given, shell.path)
        plan = narrowed(plan, all_of(scope, _filters.read(rule.get("filters", ()), given.names, shell.path), *required))
        return replace(
            shell,
            type=name,
            plan=plan,
            generation=digest(plan),
            silencers=silencers,
            severity_when=_severities(extension.get("severity", ()), given, shell.path),
            join=tuple(given.names.field(field) for field in extension.get("join", ())),
            lists=lists,
            legs=tuple(extension.get("correlation", {}) and _leg_rules(extension["correlation"])),
        )
    if shell.type == "machine_learning":
        jobs = ", ".join(_texts(rule.get("machine_learning_job_id"))) or "a job"
        raise UnsupportedError(f"it needs Elastic's learned job {jobs}, which is not in the rule", where=shell.path)
    raise UnsupportedError(f"rules of type {shell.type} don't run yet", where=shell.path)


def narrowed(plan: Plan, scope: Predicate) -> Plan:
    """The plan with `scope` anded to each of its steps."""
    if isinstance(plan, (Query, Count)):
        unless = getattr(plan, "unless", None)
        if isinstance(plan, Count) and unless is not None:
            plan = replace(plan, unless=replace(unless, where=all_of(scope, unless.where)))
        return replace(plan, where=all_of(scope, plan.where))
    if isinstance(plan, Sequence):
        steps = tuple(replace(step, where=all_of(scope, step.where)) for step in plan.steps)
        until = replace(plan.until, where=all_of(scope, plan.until.where)) if plan.until else None
        return replace(plan, steps=steps, until=until)
    return plan


def _lists(
    entries: Iterable[Mapping[str, Any]], given: Lowering, path: str
) -> tuple[list[Predicate], tuple[tuple[str, Predicate], ...], tuple[str, ...]]:
    required: list[Predicate] = []
    silencers: list[tuple[str, Predicate]] = []
    names: list[str] = []
    for entry in entries:
        if unknown := sorted(set(entry) - {"name", "field", "narrow", "use", "query", "beaten_by"}):
            raise TocsinError(f"[[tocsin.list]] has no key {quoted(unknown[0])}", where=path)
        narrow = tuple((column, given.names.field(field)) for column, field in entry.get("narrow", {}).items())
        field = given.names.field(entry["field"])
        item: Predicate = InList(field, entry["name"], narrow)
        names.append(entry["name"])
        if "query" in entry:  # only for events of this kind
            item = all_of(item, kql.parse(str(entry["query"]), given.names))
        if "beaten_by" in entry:
            item = all_of(item, negate(InList(field, entry["beaten_by"])))
            names.append(entry["beaten_by"])
        match entry.get("use", "silence"):
            case "require":
                required.append(item)
            case "exclude":
                required.append(negate(item))
            case "silence":
                silencers.append((entry["name"], item))
            case other:
                raise TocsinError(f"use = {quoted(other)} is none of require, exclude, silence", where=path)
    # A list that silences by several fields is one silencer: counted, and opened, by its name.
    merged = {name: any_of(*(item for other, item in silencers if other == name)) for name, _ in silencers}
    return required, tuple(merged.items()), tuple(dict.fromkeys(names))


def _severities(
    entries: Iterable[Mapping[str, Any]], given: Lowering, path: str
) -> tuple[tuple[Severity, Predicate], ...]:
    out = []
    for entry in entries:
        if entry.get("severity") not in RISK:
            raise TocsinError(f"[[tocsin.severity]] severity is none of {', '.join(RISK)}", where=path)
        out.append((entry["severity"], kql.parse(entry["query"], given.names)))
    return tuple(out)


def _leg_rules(correlation: Mapping[str, Any]) -> list[str]:
    return [rule for leg in correlation.get("leg", ()) for rule in leg.get("rules", ())]


def _suppression(entry: Mapping[str, Any] | None, path: str) -> Suppression | None:
    if not entry:
        return None
    span = entry.get("duration", {"value": 1, "unit": "h"})
    missing: Literal["suppress", "separate"] = (
        "separate" if entry.get("missing_fields_strategy") == "doNotSuppress" else "suppress"
    )
    return Suppression(tuple(entry.get("group_by", ())), duration(f"{span['value']}{span['unit']}", path), missing)


def _techniques(threats: Iterable[Mapping[str, Any]]) -> Iterable[Technique]:
    for threat in threats:
        tactic = threat.get("tactic", {})
        head = (str(tactic.get("id", "")), str(tactic.get("name", "")))
        techniques = threat.get("technique", ())
        if not techniques:
            yield Technique(*head)
        for technique in techniques:
            subs = technique.get("subtechnique", ())
            if not subs:
                yield Technique(*head, str(technique.get("id", "")), str(technique.get("name", "")))
            for sub in subs:
                yield Technique(*head, str(sub.get("id", "")), str(sub.get("name", "")))


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)


def _toml_problem(error: tomllib.TOMLDecodeError, text: str, path: str) -> QueryError:
    match = re.search(r"line (\d+), column (\d+)", str(error))
    line, column = (int(match[1]), int(match[2])) if match else (max(1, text.count("\n")), 1)
    what = re.sub(r" \(at .*\)", "", str(error))
    return QueryError([SyntaxProblem(f"this is no TOML: {what}", text=text, line=line, column=column)], where=path)


def head(text: str) -> dict[str, str]:
    """Id, name and type of a rule that can't be lowered, as far as they can be read."""
    try:
        rule = tomllib.loads(text).get("rule", {})
    except tomllib.TOMLDecodeError:
        return {}
    keys = {"id": "rule_id", "name": "name", "type": "type"}
    return {ours: rule[key] for ours, key in keys.items() if isinstance(rule.get(key), str)}
