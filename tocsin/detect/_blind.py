"""Whether a rule can see anything at all: `blind` where no enabled product sets a field that it needs."""

from __future__ import annotations

from collections.abc import Iterable

from tocsin.detect import StepSpec
from tocsin.lang.ir import (
    FALSE,
    Always,
    And,
    Compare,
    Equals,
    Field,
    Like,
    Not,
    Or,
    Predicate,
    Test,
    Truth,
    all_of,
    any_of,
    fields,
    negate,
)

# What every event has.
_ALWAYS = frozenset({"@timestamp", "event.dataset", "event.original", "message"})


def blind(steps: Iterable[StepSpec], provided: frozenset[str], datasets: frozenset[str]) -> str:
    """Why the rule can never fire ("no enabled product sets process.Ext.x"); empty where it can."""
    for step in steps:
        missing: dict[str, None] = {}
        if _without(step.where, provided, datasets, missing) == FALSE:
            named = ", ".join(list(missing)[:5]) or "what it asks for"
            return f"no enabled product sets {named}"
    return ""


def _without(
    node: Predicate, provided: frozenset[str], datasets: frozenset[str], missing: dict[str, None]
) -> Predicate:
    """The predicate with tests that can't hold replaced by false."""
    if isinstance(node, And):
        return all_of(*(_without(item, provided, datasets, missing) for item in node.items))
    if isinstance(node, Or):
        return any_of(*(_without(item, provided, datasets, missing) for item in node.items))
    if isinstance(node, Not):
        inner = _without(node.item, provided, datasets, {})
        return negate(inner) if isinstance(inner, Always) else node
    if isinstance(node, Test):
        if not _set(node.field, provided):
            missing[node.field.name] = None
            return FALSE
        if node.field.name == "event.dataset" and datasets and not _has(node, datasets):
            missing[f"{node.field.name} of {_asked(node)}"] = None
            return FALSE
        return node
    if isinstance(node, (Compare, Truth)):
        named = list(fields(node))
        if named and not any(_set(field, provided) for field in named):
            missing.update((field.name, None) for field in named)
            return FALSE
    return node


def _set(field: Field, provided: frozenset[str]) -> bool:
    if field.name.startswith("tocsin.") or field.name in _ALWAYS:
        return True
    return any(source.name in provided or any(g in provided for g in _groups(source.name)) for source in field.sources)


def _groups(name: str) -> list[str]:
    """`a.*` and `a.b.*` of `a.b.c`: a product that keeps a source's own names declares them as a group."""
    parts = name.split(".")
    return [".".join(parts[:n]) + ".*" for n in range(1, len(parts))]


def _has(node: Test, datasets: frozenset[str]) -> bool:
    if isinstance(node.op, Equals):
        return any(value in datasets for value in node.op.values)
    if isinstance(node.op, Like):
        head = node.op.parts[0]
        return not isinstance(head, str) or any(name.startswith(head) for name in datasets)
    return True


def _asked(node: Test) -> str:
    if isinstance(node.op, Equals):
        return ", ".join(str(value) for value in node.op.values)
    if isinstance(node.op, Like):
        return "".join(part if isinstance(part, str) else part.value for part in node.op.parts)
    return "that kind"
