"""What every log of Zeek has: the connection that it is of, and how it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tocsin.normalise import Claim
from tocsin.normalise._columns import (
    Derive,
    From,
    Stream,
    Table,
    addressed,
    community,
    epoch,
    fields,
    integer,
    ip,
    related,
    text,
)

# Corelight and ROCK write the dots of record fields as underscores.
FLOW: Final[Mapping[str, From]] = {
    "@timestamp": epoch("ts"),
    "source.ip": ip("id.orig_h", "id_orig_h"),
    "source.port": integer("id.orig_p", "id_orig_p"),
    "destination.ip": ip("id.resp_h", "id_resp_h"),
    "destination.port": integer("id.resp_p", "id_resp_p"),
    "network.transport": text("proto"),
    "network.community_id": text("community_id"),
    "zeek.session_id": text("uid"),
    "observer.name": text("_system_name", "@system"),
}


def path_dropped(table: Table) -> None:
    """The log's own name is the data set."""
    for name in ("_path", "@stream", "@proc"):
        table.take(name)


def _identity(table: Table) -> None:
    table.set("event.id", table.ecs("zeek.session_id"))


def flow(table: Table) -> None:
    """What every log of a connection has."""
    _identity(table)
    addressed(table)
    community(table)
    _RELATED(table)


_RELATED: Final = related(ips=("source.ip", "destination.ip"))
FLOW_SETS: Final = frozenset(
    {"event.id", "source.address", "destination.address", "network.community_id", "related.ip"}
)


def stream(
    name: str,
    path: str,
    columns: Mapping[str, From],
    *derive: Derive,
    types: Sequence[str] = ("connection", "protocol", "info"),
    category: Sequence[str] = ("network",),
    sets: Sequence[str] = (),
    keys: str = "",
    **constants: Any,
) -> Stream:
    """One log; constants are given with `__` for the dots of their names. `keys` are names that no other log has
    together: how a record is known that says nothing of its path."""
    return Stream(
        name=name,
        dataset=f"zeek.{name}",
        prefix=f"zeek.{name}",
        inner="ts",
        before=(path_dropped,),
        columns={**FLOW, **columns},
        constants={
            "event.category": list(category),
            "event.type": list(types),
            **{key.replace("__", "."): value for key, value in constants.items()},
        },
        derive=(*derive, flow),
        sets=FLOW_SETS | frozenset(sets),
        claims=claims(path, keys),
    )


def claims(path: str, keys: str = "") -> tuple[Claim, ...]:
    named = (Claim(zeek=frozenset({path})), Claim(path=f"{path}.*log*", keys=frozenset({"ts"})))
    return (*named, Claim(keys=fields(keys))) if keys else named
