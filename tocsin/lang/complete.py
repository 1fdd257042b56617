"""What may stand at the cursor: field names, values, operators, functions, Sigma's words; for the page's query bar.

It looks only at what stands before the cursor, and is right about half a query, where a parser has nothing to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from sigma.modifiers import modifier_mapping

from tocsin.event.schema import Kind
from tocsin.event.text import fold
from tocsin.lang import _sigma_sources, functions
from tocsin.lang.fields import Names

What = Literal["field", "value", "operator", "function", "keyword"]
_LOOKED_AT: Final = 20_000
_TOKEN: Final = re.compile(
    r'"""[\s\S]*?(?:"""|$)|"(?:\\.|[^"\\])*(?:"|$)|(?:\\.|[^\s\\():<>=!"{}\[\],|~])+|==|!=|<=|>=|![\[]|[():<>=!{}\[\],|~]',
    re.DOTALL,
)
_COMPARISONS: Final = frozenset({":", "==", "!=", "<", "<=", ">", ">=", "like", "like~", "regex", "regex~"})
_LOGIC: Final = frozenset({"and", "or", "not", "where"})
# Elastic Common Schema 9.4, "expected values".
_CATEGORIES: Final = """
    api authentication configuration database driver email file host iam intrusion_detection library malware network
    package process registry session threat vulnerability web
"""
_TYPES: Final = """
    access admin allowed change connection creation deletion denied device end error group indicator info installation
    protocol start user
"""
_RULE: Final = """
    title id status description references author date modified tags logsource detection falsepositives level
    correlation filter fields
"""
_EXPECTED: Final[dict[str, tuple[str, ...]]] = {
    "event.kind": ("alert", "asset", "enrichment", "event", "metric", "pipeline_error", "signal", "state"),
    "event.category": tuple(_CATEGORIES.split()),
    "event.type": tuple(_TYPES.split()),
    "event.outcome": ("failure", "success", "unknown"),
    "host.os.type": ("android", "ios", "linux", "macos", "unix", "windows"),
    "network.direction": ("egress", "external", "inbound", "ingress", "internal", "outbound", "unknown"),
}
_OPERATORS: Final = {
    Kind.LONG: (":", ">", ">=", "<", "<="),
    Kind.DOUBLE: (":", ">", ">=", "<", "<="),
    Kind.DATE: (">=", ">", "<", "<=", ":"),
}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`text` may replace what stands from `start` to `end`; `detail` says more of it (a field's kind, a signature)."""

    text: str
    what: What
    start: int
    end: int
    detail: str = ""


def complete(
    text: str,
    cursor: int,
    language: Literal["kql", "eql", "sigma"],
    names: Names,
    *,
    values: Callable[[str], Iterable[str]] = lambda name: (),
    limit: int = 50,
) -> list[Suggestion]:
    """Suggestions at `cursor` (an offset), best first. `values` gives a field's commonest values, where one knows
    them."""
    cursor = max(0, min(cursor, len(text)))
    found = _sigma(text, cursor) if language == "sigma" else _query(text, cursor, language == "eql", names, values)
    return found[:limit]


def _ranked(
    typed: str, offered: Iterable[tuple[str, What, str]], start: int, end: int, *, anywhere: bool = True
) -> list[Suggestion]:
    """Those that begin with what is typed, then (with a letter typed) those that hold it."""
    wanted = fold(typed)
    first, second = [], []
    for text, what, detail in offered:
        folded = fold(text).lstrip('"')
        if folded == wanted and what != "value":
            continue
        if folded.startswith(wanted):
            first.append(Suggestion(text, what, start, end, detail))
        elif anywhere and len(wanted) > 1 and wanted in folded:
            second.append(Suggestion(text, what, start, end, detail))
    return first + second


# ---- KQL, EQL ----


def _query(text: str, cursor: int, eql: bool, names: Names, values: Callable[[str], Iterable[str]]) -> list[Suggestion]:
    offset = max(0, cursor - _LOOKED_AT)
    tokens = [(match[0], match.start() + offset) for match in _TOKEN.finditer(text[offset:cursor])]
    typed, start = "", cursor
    if tokens and tokens[-1][1] + len(tokens[-1][0]) == cursor and _is_open(tokens[-1][0]):
        typed, start = tokens.pop()
    before = [token for token, _ in tokens]
    field = _asked(before, eql)
    if field is not None:
        return _values(typed, field, names, values, start, cursor, eql)
    if typed.startswith('"'):
        return []
    if not before or before[-1] in ("(", "[", "![", "{", ",") or before[-1].lower() in _LOGIC or before[-1] == "by":
        return _ranked(typed, _names(before, eql, names), start, cursor)
    last = before[-1]
    if last.startswith('"') or last in (")", "}") or (len(before) > 1 and before[-2].lower() in _COMPARISONS):
        return _ranked(typed, [("and", "keyword", ""), ("or", "keyword", "")], start, cursor)
    if (eql and len(before) == 1) or before[-2:-1] in (["["], ["!["]):
        return _ranked(typed, [("where", "keyword", "")], start, cursor)
    kind = names.field(last).kind
    offered = _OPERATORS.get(kind, (":",))
    if eql:
        offered = (*offered, "==", "!=", *(("in", "like~", "regex~") if kind is Kind.KEYWORD else ()))
    return _ranked(typed, [(each, "operator", "") for each in offered], start, cursor)


def _is_open(token: str) -> bool:
    """Whether the token before the cursor is still being typed."""
    if token.startswith('"'):
        return len(token) == 1 or not token.endswith('"') or token.endswith('\\"')
    return token not in _COMPARISONS and token not in {"(", ")", "{", "}", "[", "]", "![", ",", "|", "=", "!", "~"}


def _asked(before: list[str], eql: bool) -> str | None:
    """The field whose value the cursor is in, or None."""
    at = len(before) - 1
    while at >= 0 and (before[at] in ("(", ",") or before[at].lower() in ("or", "and", "not") or before[at] == "~"):
        at -= 1
        # A list of values: step back over the values to its bracket.
        while at >= 0 and before[at] not in ("(", ",", ":") and before[at].lower() not in ("or", "and", "in"):
            at -= 1
        if at >= 0 and before[at] in (":", "in"):
            break
    if at < 1:
        return None
    sign = before[at].lower()
    inside = at < len(before) - 1
    if inside and (sign not in (":", "in") or before[at + 1] not in ("(", "~")):
        return None
    if inside and before[at:].count("(") <= before[at:].count(")"):
        return None
    if sign in _COMPARISONS or (eql and sign == "in"):
        name = before[at - 1]
        return before[at - 2] if name == "not" and at > 1 else name
    return None


def _values(
    typed: str,
    field: str,
    names: Names,
    values: Callable[[str], Iterable[str]],
    start: int,
    end: int,
    eql: bool,
) -> list[Suggestion]:
    known = names.field(field)
    offered = list(dict.fromkeys((*values(field), *_EXPECTED.get(field, ()))))
    if known.kind is Kind.BOOLEAN:
        offered = ["true", "false"]
    bare = typed.lstrip('"')
    plain = known.kind in (Kind.LONG, Kind.DOUBLE, Kind.BOOLEAN)
    quoted = [each if plain else _quoted(each, eql or typed.startswith('"')) for each in offered]
    return _ranked(bare, [(each, "value", "") for each in quoted], start, end)


def _quoted(value: str, always: bool) -> str:
    if not always and re.fullmatch(r"[\w.@-]+", value) and value.lower() not in ("and", "or", "not"):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _names(before: list[str], eql: bool, names: Names) -> Iterable[tuple[str, What, str]]:
    category = eql and (not before or before[-1] in ("[", "!["))
    if category:
        yield from ((each, "keyword", "event.category") for each in ("any", *_EXPECTED["event.category"]))
        if not before:
            yield from ((each, "keyword", "") for each in ("sequence by", "sequence", "sample by"))
        return
    hot = sorted(names.all(), key=lambda name: (not names.is_hot(name), name))
    yield from ((name, "field", names.field(name).kind.value) for name in hot)
    if eql and before[-1:] != ["by"]:
        for name in sorted(functions.CALLABLE):
            known = functions.FUNCTIONS[name]
            yield f"{known.spelling}(", "function", f"({', '.join(known.arguments)}) → {known.gives}"
    if before[-1:] != ["not"] and before[-1:] != ["by"]:
        yield "not", "keyword", ""


# ---- Sigma ----

_SIGMA_KEYS: Final = tuple(_RULE.split())
_SIGMA_VALUES: Final[dict[str, tuple[str, ...]]] = {
    "level": ("informational", "low", "medium", "high", "critical"),
    "status": ("stable", "test", "experimental", "deprecated", "unsupported"),
    "product": ("windows", "linux", "macos", "zeek", "aws", "azure", "gcp", "okta", "m365", "github", "kubernetes"),
    "category": tuple(sorted({*_sigma_sources.CATEGORIES, "webserver", "proxy", "dns", "firewall", "database"})),
    "service": tuple(sorted({*_sigma_sources.CHANNELS, "auditd", "auth", "sshd", "sudo", "syslog", "cloudtrail"})),
    "type": ("event_count", "value_count", "temporal", "temporal_ordered"),
}


def _sigma(text: str, cursor: int) -> list[Suggestion]:
    line_start = text.rfind("\n", 0, cursor) + 1
    line = text[line_start:cursor][-_LOOKED_AT:]
    match = re.search(r"[\w*-]*$", line)
    typed = match[0] if match else ""
    start = cursor - len(typed)
    head = line[: len(line) - len(typed)]
    if re.search(r"[\w.-]\|$|\|$", head) and ":" not in head.rpartition("{")[2].rpartition(",")[2]:
        return _ranked(typed, [(each, "keyword", "") for each in sorted(modifier_mapping)], start, cursor)
    key = re.search(r"([\w-]+):\s*(?:[^\s:{},]+\s+)*$", head)
    if key and key[1] == "condition":
        words = [*_selections(text), "and", "or", "not", "1 of", "all of", "them"]
        return _ranked(typed, [(each, "keyword", "") for each in words], start, cursor)
    if key:
        return _ranked(typed, [(each, "value", "") for each in _SIGMA_VALUES.get(key[1], ())], start, cursor)
    if not head.strip():
        offered = _SIGMA_KEYS if not head else ("condition", "product", "category", "service")
        return _ranked(typed, [(f"{each}: ", "keyword", "") for each in offered], start, cursor, anywhere=False)
    return []


def _selections(text: str) -> list[str]:
    """The keys right below `detection`, by their indent."""
    _, found, rest = text[-1_000_000:].partition("\ndetection:")
    names: list[str] = []
    indent = ""
    for line in rest.split("\n")[1:500] if found else ():
        match = re.match(r"(\s+)([\w-]+):", line)
        if line.strip() and not line.startswith((" ", "\t")):
            break
        if match and (not indent or match[1] == indent):
            indent = match[1]
            if match[2] != "condition":
                names.append(match[2])
    return names
