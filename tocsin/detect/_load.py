"""Reads rules from folders: Elastic-shaped TOML and Sigma YAML, each by its own reader; one bad rule never stops the
rest.

A rule that can't run is there all the same, with its status (`invalid`, `unsupported`, `blind`) and the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from tocsin import registry
from tocsin.detect import Lowering, Rule, RuleType, _elastic, _sigma
from tocsin.detect._blind import blind
from tocsin.errors import QueryError, TocsinError, UnsupportedError
from tocsin.event.ids import stable_id
from tocsin.lang import sigma
from tocsin.lang.cache import RuleCache
from tocsin.lang.fields import Names
from tocsin.lang.sigma import SigmaRule
from tocsin.ports import Lists

log = logging.getLogger(__name__)
T = TypeVar("T")
# Larger files are no rules.
MAX_BYTES: Final = 1 << 20


def types() -> dict[str, RuleType]:
    """Every rule type by name."""
    return {name: module.TYPE for name, module in registry.plugins("tocsin.detect").items()}


class Loader:
    """Reads rule files.

    `provided` are the fields that enabled products set and `datasets` theirs: with them, rules that can't see anything
    are `blind`; without (None), none is. `cache` is a file in which lowered Sigma rules are kept.
    """

    def __init__(
        self,
        names: Names,
        lists: Lists,
        *,
        provided: frozenset[str] | None = None,
        datasets: frozenset[str] = frozenset(),
        cache: Path | None = None,
    ) -> None:
        self.names = names
        self.lists = lists
        self.types: Mapping[str, RuleType] = types()
        self.provided = provided
        self.datasets = datasets
        self._cache = RuleCache(cache, names) if cache is not None else None

    def paths(self, paths: Iterable[Path]) -> list[Rule]:
        """All rules of files and folders, in order of path. Two of one id: the first counts, the second is
        `invalid`."""
        rules: dict[str, Rule] = {}
        out: list[Rule] = []
        for path in paths:
            for rule in self._read(self._under(path)):
                if rule.status != "invalid" and rule.id in rules:
                    reason = f"its id is that of {rules[rule.id].path}"
                    out.append(replace(rule, id=stable_id(rule.path), plan=None, status="invalid", reason=reason))
                    continue
                rules.setdefault(rule.id, rule)
                out.append(rule)
        return out

    def text(self, text: str, path: str) -> list[Rule]:
        """The rules of a text as if it stood in the file `path`, whose ending says the format."""
        return self._read([(path, text, "")])

    def _under(self, path: Path) -> Iterator[tuple[str, str, str]]:
        """(path, text, why it can't be read) of each file."""
        if path.is_dir():
            files = sorted(f for f in path.rglob("*") if f.suffix in (".toml", ".yml", ".yaml") and f.is_file())
        elif path.is_file():
            files = [path]
        else:
            raise TocsinError("there is no such file or folder", where=str(path))
        for file in files:
            try:
                if file.stat().st_size > MAX_BYTES:
                    yield str(file), "", f"it is larger than {MAX_BYTES} bytes"
                else:
                    yield str(file), file.read_text("utf-8"), ""
            except (OSError, UnicodeDecodeError) as error:
                yield str(file), "", str(error)

    def _read(self, texts: Iterable[tuple[str, str, str]]) -> list[Rule]:
        """The rules of texts. Sigma's correlations and filters name rules of other files, so they are joined at the
        end."""
        out: list[Rule | tuple[SigmaRule, str]] = []
        for path, text, wrong in texts:
            if wrong:
                out.append(_broken(path, text, "invalid", wrong))
            elif path.endswith(".toml"):
                out.append(self._guarded(path, text, lambda p=path, t=text: self._elastic(p, t)))  # type: ignore[misc]
            else:
                found = self._guarded(path, text, lambda p=path, t=text: self._sigma(p, t))  # type: ignore[misc]
                out.extend((each, text) for each in found) if isinstance(found, list) else out.append(found)
        reads = [each[0] for each in out if isinstance(each, tuple)]
        if not reads:
            return [self._checked(each) for each in out if isinstance(each, Rule)]
        resolved = iter(sigma.resolve(reads, self.names, lists=self._list_names()))
        named = {each.alias: each.id for each in reads if each.alias}
        used = frozenset(
            named.get(rule, rule)
            for each in reads
            if each.kind == "correlation" and each.parsed is not None
            for rule in _referenced(each)
        )
        rules: list[Rule] = []
        for each in out:
            if isinstance(each, Rule):
                rules.append(self._checked(each))
                continue
            if each[0].kind == "filter":
                if each[0].status != "ok":
                    rules.append(_sigma.rule_of(each[0], each[1], self.types))
                continue
            rules.append(self._checked(_sigma.rule_of(next(resolved), each[1], self.types, used)))
        return rules

    def _elastic(self, path: str, text: str) -> Rule:
        return _elastic.read(text, path, self.types, Lowering(self.names, self.lists, path))

    def _sigma(self, path: str, text: str) -> list[SigmaRule]:
        if self._cache is not None:
            return self._cache.load(text, path, lists=self._list_names())
        return sigma.load(text, self.names, path, lists=self._list_names())

    def save(self) -> None:
        """Keep what Sigma rules were lowered to, for the next start. One process of a data folder does so."""
        if self._cache is not None:
            self._cache.save()

    def _list_names(self) -> Iterable[str]:
        names = getattr(self.lists, "names", None)
        return names() if names is not None else ()

    def _guarded(self, path: str, text: str, read: Callable[[], T]) -> T | Rule:
        """What `read` gives, or a rule that says why it can't be read."""
        try:
            return read()
        except UnsupportedError as error:
            return _broken(path, text, "unsupported", _reason(error))
        except QueryError as error:
            return _broken(path, text, "invalid", error.render())
        except TocsinError as error:
            return _broken(path, text, "invalid", str(error))
        except RecursionError:
            return _broken(path, text, "invalid", "it is nested too deep")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # A shape that its reader did not foresee: the rule is disabled, the rest run.
            log.warning("rule %s can't be read: %s: %s", path, type(error).__name__, error)
            return _broken(path, text, "invalid", f"it can't be read: {type(error).__name__}: {error}")

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


def _referenced(read: SigmaRule) -> Iterable[str]:
    """The rules that a correlation names, by id or by name."""
    return [str(reference.reference) for reference in getattr(read.parsed, "rules", None) or ()]
