"""What a field name in a query means: its kind and every place where its values may stand.

A name reads its hot column (if it is one), the map under the same name (values that overflowed, or all of a field
that isn't hot), and what the aliases of the products add, each within its scope. `pipeline` hands over the products'
table: `Names(aliases)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from tocsin.event import ecs
from tocsin.event.schema import HOT, Column, Kind
from tocsin.lang.ir import Field, Predicate, Scope, Source, digest, fields

# Names that mean another everywhere, whatever the product.
EVERYWHERE: Final[dict[str, str]] = {
    "http.response.code": "http.response.status_code",
    "data_stream.dataset": "event.dataset",
    "winlog.event_id": "event.code",
    "_id": "tocsin.id",
}


@dataclass(frozen=True, slots=True)
class Alias:
    """`name` has the values of `target` in events of `scope`: declared by a product where both are identical there."""

    name: str
    target: str
    scope: Scope | None = None


class Names:
    """Resolves field names. `aliases` are all products'; `hot` the columns of the table that is asked (`ALERT_HOT`
    for alerts)."""

    def __init__(self, aliases: Iterable[Alias] = (), hot: Mapping[str, Column] = HOT) -> None:
        self._hot = hot
        self._aliases: dict[str, list[Alias]] = {}
        for alias in aliases:
            self._aliases.setdefault(alias.name, []).append(alias)
        self._fields: dict[str, Field] = {}

    def field(self, name: str) -> Field:
        """The field of that name. Any name is allowed: one that nobody sets has no values."""
        held = self._fields.get(name)
        if held is None:
            if len(self._fields) > 65536:
                self._fields.clear()
            held = self._fields[name] = self._resolve(name)
        return held

    def known(self, name: str) -> bool:
        """Whether the catalogue, a hot column or an alias has the name."""
        return name in self._hot or name in ecs.catalogue() or name in self._aliases or name in EVERYWHERE

    def nearest(self, name: str) -> str | None:
        """A known name that is spelt much like it."""
        close = get_close_matches(name, [*self._hot, *ecs.catalogue(), *self._aliases, *EVERYWHERE], n=1, cutoff=0.75)
        return close[0] if close else None

    def unknown(self, predicate: Predicate) -> dict[str, str | None]:
        """The names in a predicate that nobody here sets, each with a known one that is spelt much like it: worth a
        word, not an error, since a source may send any name."""
        asked = dict.fromkeys(field.name for field in fields(predicate))
        return {name: self.nearest(name) for name in asked if not self.known(name.removesuffix(".text"))}

    def like(self, matches: Callable[[str], object]) -> list[str]:
        """The known names that `matches` (such as the `fullmatch` of an RE2 pattern) finds good, sorted."""
        return sorted(name for name in self.all() if matches(name))

    def digest(self) -> str:
        """A hash of everything that resolution depends on: equal digests resolve every name alike."""
        return digest(
            (
                tuple(sorted((name, str(column.kind)) for name, column in self._hot.items())),
                frozenset(alias for each in self._aliases.values() for alias in each),
            )
        )

    def is_hot(self, name: str) -> bool:
        """Whether a column holds it."""
        return name in self._hot

    def all(self) -> set[str]:
        """Every known name: hot columns, the catalogue, aliases."""
        return {*self._hot, *ecs.catalogue(), *self._aliases, *EVERYWHERE}

    def _resolve(self, name: str) -> Field:
        plain = name
        kind = self._kind(name)
        if (
            name.endswith(".text")
            and name not in self._hot
            and (name[:-5] in self._hot or name[:-5] in ecs.catalogue())
        ):
            plain, kind = name[:-5], Kind.TEXT  # ECS's multi-field: the same values, searched by token
        target = EVERYWHERE.get(plain, plain)
        if target != plain:
            kind = self._kind(target)
        sources: dict[Source, None] = {}
        for each in dict.fromkeys((target, plain)):
            if each in self._hot:
                sources[Source(each, True)] = None
            sources[Source(each, False)] = None
        for alias in self._aliases.get(plain, ()):
            if kind is Kind.UNKNOWN:
                kind = self._kind(alias.target)
            if alias.target in self._hot:
                sources[Source(alias.target, True, alias.scope)] = None
            sources[Source(alias.target, False, alias.scope)] = None
        return Field(name, kind, tuple(sources))

    def _kind(self, name: str) -> Kind:
        column = self._hot.get(name)
        return column.kind if column else ecs.kind_of(name)


def scope_of(datasets: Iterable[str], codes: Iterable[str] = ()) -> Scope:
    """A scope from plain iterables."""
    return Scope(frozenset(datasets), frozenset(codes))
