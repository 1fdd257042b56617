"""Reads rules from folders: Elastic-shaped TOML and Sigma YAML, each by its own reader; one bad rule never stops the
rest.

A rule that can't run is there all the same, with its status (`invalid`, `unsupported`, `blind`) and the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from tocsin import registry
from tocsin.detect import Lowering, Rule, RuleType, _elastic, _sigma
from tocsin.detect._blind import blind
from tocsin.errors import QueryError, TocsinError, UnsupportedError
from tocsin.event.ids import stable_id
from tocsin.lang.fields import Names
from tocsin.ports import Lists

log = logging.getLogger(__name__)
# Larger files are no rules.
MAX_BYTES: Final = 1 << 20


def types() -> dict[str, RuleType]:
    """Every rule type by name."""
    return {name: module.TYPE for name, module in registry.plugins("tocsin.detect").items()}


class Loader:
    """Reads rule files.

    `provided` are the fields that enabled products set and `datasets` theirs: with them, rules that can't see anything
    are `blind`; without (None), none is.
    """

    def __init__(
        self,
        names: Names,
        lists: Lists,
        *,
        provided: frozenset[str] | None = None,
        datasets: frozenset[str] = frozenset(),
    ) -> None:
        self.names = names
        self.lists = lists
        self.types: Mapping[str, RuleType] = types()
        self.provided = provided
        self.datasets = datasets

    def paths(self, paths: Iterable[Path]) -> list[Rule]:
        """All rules of files and folders, in order of path. Two of one id: the first counts, the second is
        `invalid`."""
        rules: dict[str, Rule] = {}
        out: list[Rule] = []
        for path in paths:
            for rule in self._under(path):
                if rule.status != "invalid" and rule.id in rules:
                    reason = f"its id is that of {rules[rule.id].path}"
                    out.append(replace(rule, id=stable_id(rule.path), plan=None, status="invalid", reason=reason))
                    continue
                rules.setdefault(rule.id, rule)
                out.append(rule)
        return out

    def _under(self, path: Path) -> Iterator[Rule]:
        if path.is_dir():
            files = sorted(f for f in path.rglob("*") if f.suffix in (".toml", ".yml", ".yaml") and f.is_file())
        elif path.is_file():
            files = [path]
        else:
            raise TocsinError("there is no such file or folder", where=str(path))
        for file in files:
            yield from self.file(file)

    def file(self, path: Path) -> list[Rule]:
        """The rules of one file."""
        try:
            if path.stat().st_size > MAX_BYTES:
                return [_broken(str(path), "", "invalid", f"it is larger than {MAX_BYTES} bytes")]
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            return [_broken(str(path), "", "invalid", str(error))]
        return self.text(text, str(path))

    def text(self, text: str, path: str) -> list[Rule]:
        """The rules of a text as if it stood in the file `path`, whose ending says the format."""
        given = Lowering(self.names, self.lists, path)
        try:
            if path.endswith(".toml"):
                found = [_elastic.read(text, path, self.types, given)]
            else:
                found = _sigma.read(text, path, self.types, given)
        except UnsupportedError as error:
            found = [_broken(path, text, "unsupported", _reason(error))]
        except QueryError as error:
            found = [_broken(path, text, "invalid", error.render())]
        except TocsinError as error:
            found = [_broken(path, text, "invalid", str(error))]
        except RecursionError:
            found = [_broken(path, text, "invalid", "it is nested too deep")]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # A shape that its reader did not foresee: the rule is disabled, the rest run.
            log.warning("rule %s can't be read: %s: %s", path, type(error).__name__, error)
            found = [_broken(path, text, "invalid", f"it can't be read: {type(error).__name__}: {error}")]
        return [self._checked(rule) for rule in found]

    def _checked(self, rule: Rule) -> Rule:
        if rule.status != "ok" or rule.plan is None or self.provided is None:
            return rule
        missing = blind(self.types[rule.type].steps(rule.plan), self.provided, self.datasets)
        return replace(rule, status="blind", reason=missing) if missing else rule


def _reason(error: TocsinError) -> str:
    return f"{error.what}; {error.hint}" if error.hint else error.what


def _broken(path: str, text: str, status: str, reason: str) -> Rule:
    """A rule that can't run. What can be read of it (id, name, severity) is kept."""
    head = _elastic.head(text) if path.endswith(".toml") else _sigma.head(text)
    rule = Rule(
        id=head.get("id") or stable_id(path),
        name=head.get("name") or Path(path).stem,
        type=head.get("type") or "query",
        plan=None,
        severity="medium",
        risk_score=47,
        path=path,
        format="elastic" if path.endswith(".toml") else "sigma",
        text=text,
        enabled=False,
        reason=reason,
    )
    return replace(rule, status="unsupported" if status == "unsupported" else "invalid")
