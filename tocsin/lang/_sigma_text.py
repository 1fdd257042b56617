"""The YAML of Sigma files: bounded reading, checks that pySigma leaves out, and the place of what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from sigma.correlations import SigmaCorrelationType
from sigma.modifiers import modifier_mapping

from tocsin.errors import QueryError, SyntaxProblem, quoted

_MAX_LENGTH: Final = 1024 * 1024
_MAX_NODES: Final = 100_000
_MAX_DEPTH: Final = 32
# The specification's keys of a rule, a correlation and a filter.
KNOWN_KEYS: Final = frozenset(
    [
        "title",
        "id",
        "related",
        "name",
        "taxonomy",
        "status",
        "description",
        "license",
        "author",
        "references",
        "date",
        "modified",
        "logsource",
        "detection",
        "correlation",
        "filter",
        "fields",
        "falsepositives",
        "level",
        "tags",
        "scope",
        "generate",
        "regression_tests_path",
        "simulation",
    ]
)
_CORRELATIONS: Final = tuple(kind.name.lower() for kind in SigmaCorrelationType)
_CONDITION_WORDS: Final = frozenset({"and", "or", "not", "of", "all", "any", "them", "1"})
_TOKEN: Final = re.compile(r"[A-Za-z0-9_*-]+")
_PYPARSING: Final = re.compile(r"Expected .*, found (.*?) +\(at char \d+\)")
_DEEP: Final = re.compile(r"[\[{(]")


class _Loader(yaml.CSafeLoader):
    """libyaml with YAML 1.1's values, as pySigma reads them, that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                    what = f"the key {quoted(key.value)} is there twice"
                    raise yaml.MarkedYAMLError(problem=what, problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


# SafeConstructor's own builder of mappings goes around construct_mapping's checks otherwise.
def _mapping(loader: _Loader, node: yaml.MappingNode) -> Iterator[dict[Any, Any]]:
    data: dict[Any, Any] = {}
    yield data
    data.update(loader.construct_mapping(node))


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def documents(text: str, path: str) -> list[dict[str, Any]]:
    """The mappings of a YAML file. Raises `QueryError` with the place of what is no YAML, or too large."""
    if len(text) > _MAX_LENGTH:
        raise QueryError([SyntaxProblem(f"a rule file longer than {_MAX_LENGTH} characters")], where=path)
    try:
        _shallow(text)
        found = list(yaml.load_all(text, _Loader))  # it is a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        told = (str(error.problem or error.context or "").strip().splitlines() or ["it can't be read"])[0]
        problem = SyntaxProblem(f"no YAML: {told}", text=text, line=line, column=column)
        raise QueryError([problem], where=path) from None
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError, AttributeError, TypeError, KeyError) as error:
        what = f"no YAML: {quoted(' '.join(str(error).split()) or type(error).__name__)}"
        raise QueryError([SyntaxProblem(what, text=text)], where=path) from None
    out = []
    for number, document in enumerate(found, start=1):
        if document is None:
            continue
        if not isinstance(document, dict):
            raise QueryError(
                [SyntaxProblem(f"document {number} is no mapping of keys to values", text=text)], where=path
            )
        _bounded(document, text, path)
        out.append(document)
    if not out:
        raise QueryError([SyntaxProblem("there is no rule in it", text=text)], where=path)
    return out


def _shallow(text: str) -> None:
    """Depth is checked on the flat stream of events: libyaml's composer recurses in C."""
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                mark: Any = event.start_mark
                raise yaml.MarkedYAMLError(problem=f"nested deeper than {_MAX_DEPTH}", problem_mark=mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _bounded(document: Any, text: str, path: str) -> None:
    """Anchors can make a small file mean a huge one: count what is meant."""
    nodes = 0
    stack = [(document, 0)]
    while stack:
        node, depth = stack.pop()
        nodes += 1
        if nodes > _MAX_NODES or depth > _MAX_DEPTH:
            what = f"nested deeper than {_MAX_DEPTH}" if depth > _MAX_DEPTH else f"more than {_MAX_NODES} values"
            raise QueryError([SyntaxProblem(what, text=text)], where=path)
        if isinstance(node, dict):
            stack.extend((each, depth + 1) for each in node.values())
        elif isinstance(node, (list, set, tuple)):
            stack.extend((each, depth + 1) for each in node)


def check(document: Mapping[str, Any], kind: str, text: str) -> list[SyntaxProblem]:
    """What is wrong in what a rule matches: unknown modifiers, unknown selections, shapes that mean nothing."""
    found: list[tuple[str, tuple[str, ...], str]] = []
    if kind == "correlation":
        correlation = document["correlation"]
        if not isinstance(correlation, Mapping):
            found.append(("`correlation` is no mapping", ("correlation",), ""))
        elif (wanted := correlation.get("type")) not in _CORRELATIONS:
            close = get_close_matches(str(wanted), _CORRELATIONS, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(_CORRELATIONS)}"
            found.append((f"{quoted(wanted)} is no type of correlation{hint}", ("correlation", "type"), ""))
    else:
        key = "detection" if kind == "rule" else "filter"
        detection = document.get(key)
        if not isinstance(detection, Mapping):
            found.append((f"a {kind} has a mapping `{key}`", (key,), ""))
        else:
            if not isinstance(document.get("logsource"), Mapping):
                found.append(
                    ("a rule says where it looks: `logsource` with product, category or service", ("logsource",), "")
                )
            found += _detection(detection, key)
    if not found:
        return []
    positions = _Positions(text, document)
    return [positions.problem(what, path, word) for what, path, word in found]


def _detection(detection: Mapping[Any, Any], key: str) -> Iterator[tuple[str, tuple[str, ...], str]]:
    selections = [
        name for name in detection if isinstance(name, str) and name not in ("condition", "rules", "timeframe")
    ]
    if "timeframe" in detection:
        yield "`timeframe` belongs to correlations: `correlation: {timespan: …}`", (key, "timeframe"), ""
    for name in detection:
        if not isinstance(name, str):
            yield f"a selection's name is a text, not {quoted(name)}", (key,), ""
        elif len(name) > 100:
            yield "a selection's name is longer than 100 letters", (key,), ""
    if len(selections) > 1_000:
        yield "more than 1,000 selections", (key,), ""
        return
    for name in selections:
        yield from _modifiers(detection[name], (key, name))
    condition = detection.get("condition")
    if condition is None:
        yield "there is no `condition`", (key,), ""
        return
    conditions = condition if isinstance(condition, list) else [condition]
    for each in conditions:
        if not isinstance(each, str):
            yield f"a condition is a text, not {quoted(each)}", (key, "condition"), ""
        elif len(each) > 10_000 or len(_DEEP.findall(each)) > 200 or len(_TOKEN.findall(each)) > 1_000:
            yield "a condition of that length is no condition", (key, "condition"), ""
        else:
            yield from _names(each, selections, key)


def _names(condition: str, selections: list[str], key: str) -> Iterator[tuple[str, tuple[str, ...], str]]:
    if "|" in condition:
        yield "pipes in conditions are no longer Sigma's: write a correlation", (key, "condition"), "|"
        return
    tokens = _TOKEN.findall(condition)
    for at, token in enumerate(tokens):
        after_of = at > 0 and tokens[at - 1] == "of"
        if "*" in token or after_of:
            if token == "them":
                continue
            if token.count("*") > 3:  # pySigma tries it by backtracking
                yield f"a pattern of selections has at most three stars, not {quoted(token)}", (key, "condition"), token
                continue
            pattern = re.compile(re.sub(r"\\\*(\\\*)*", ".*", re.escape(token)))
            if not any(pattern.fullmatch(name) for name in selections):
                yield f"no selection of this rule is named like {quoted(token)}", (key, "condition"), token
        elif token not in selections and token.lower() not in _CONDITION_WORDS:
            close = get_close_matches(token, selections, n=1, cutoff=0.6)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            yield f"{quoted(token)} is not a selection of this rule{hint}", (key, "condition"), token


def _modifiers(item: Any, path: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    if isinstance(item, Mapping):
        if not item:
            yield "an empty selection means nothing", path, ""
        for key, value in item.items():
            if not isinstance(key, str):
                yield f"a field's name is a text, not {quoted(key)}", path, ""
                continue
            for modifier in key.split("|")[1:]:
                if modifier not in modifier_mapping:
                    close = get_close_matches(modifier, list(modifier_mapping), n=1, cutoff=0.5)
                    hint = f"; did you mean {close[0]!r}?" if close else ""
                    yield f"{quoted(modifier)} is no modifier{hint}", (*path, key), modifier
            if isinstance(value, Mapping) or (
                isinstance(value, list) and any(isinstance(each, (Mapping, list)) for each in value)
            ):
                yield f"the value of {quoted(key)} is a value or a list of values", (*path, key), ""
    elif isinstance(item, list):
        if not item:
            yield "an empty selection means nothing", path, ""
        for each in item:
            if isinstance(each, (Mapping, list)):
                yield from _modifiers(each, path)


class _Positions:
    """Lines and columns of keys, by a second, slower reading that keeps them; only made where there is a problem."""

    def __init__(self, text: str, document: Mapping[str, Any]) -> None:
        self.text = text
        self.root: Any = None
        try:
            for each in YAML(typ="rt").load_all(text):
                if isinstance(each, Mapping) and all(each.get(key) == document.get(key) for key in ("title", "id")):
                    self.root = each
                    break
        except (YAMLError, RecursionError, ValueError, AttributeError, TypeError):
            self.root = None

    def problem(self, what: str, path: tuple[str, ...], word: str) -> SyntaxProblem:
        """The problem at the deepest key of `path` that is there, or at `word` from there on."""
        line, column, length = 0, 0, 1
        node = self.root
        for key in path:
            place = self._key(node, key)
            if place is None:
                break
            line, column, length = *place, len(key)
            node = node.get(key) if isinstance(node, Mapping) else node
        lines = self.text.splitlines()
        if word:
            for at in range(line, min(len(lines), line + 50)):
                match = re.compile(rf"(?<![\w*-]){re.escape(word)}(?![\w*-])").search(
                    lines[at], column if at == line else 0
                )
                if match:
                    return SyntaxProblem(what, text=self.text, line=at + 1, column=match.start() + 1, length=len(word))
        return SyntaxProblem(what, text=self.text, line=line + 1, column=column + 1, length=length)

    def _key(self, node: Any, key: str) -> tuple[int, int] | None:
        if isinstance(node, list):
            for each in node:
                if (found := self._key(each, key)) is not None:
                    return found
            return None
        try:
            line, column = node.lc.key(key)
        except (AttributeError, KeyError, TypeError):
            return None
        return int(line), int(column)


def locate(document: Mapping[str, Any], text: str, what: str) -> SyntaxProblem:
    """The likeliest place of an error that pySigma told without one."""
    positions = _Positions(text, document)
    path: tuple[str, ...] = ("correlation",) if "correlation" in document else ("detection",)
    if "condition" in what.lower() and path == ("detection",):
        path = ("detection", "condition")
    elif "logsource" in what.lower() or "log source" in what.lower():
        path = ("logsource",)
    return positions.problem(what, path, "")


def message(error: Exception) -> str:
    """pySigma's words for an error, on one line."""
    told = " ".join(str(error.args[0] if error.args else error).split())[:500] or type(error).__name__
    if match := _PYPARSING.search(told):
        found = match[1]
        return (
            "the condition ends too early" if found == "end of text" else f"the condition can't be read from {found} on"
        )
    return told
