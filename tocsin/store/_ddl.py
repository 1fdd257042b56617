"""The tables, written from one source: `hot.csv` and `alert.csv`. For the embedded store and one server as they are,
for a cluster as replicated tables with a `Distributed` one before them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.event.schema import ALERT_COLUMNS, COLUMNS, Column
from tocsin.lang.sql import quote

# A time outside [2000, arrival + 1 day] is kept apart and expires by arrival.
ODD: Final = "odd"
HOUR: Final = "intDiv(toUnixTimestamp64Micro(`@timestamp`), 3600000000)"
_MONTH: Final = (
    "if(`@timestamp` >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC')"
    " AND `@timestamp` <= `tocsin.ingested` + INTERVAL 1 DAY,"
    f" toString(toYYYYMM(`@timestamp`, 'UTC')), concat('{ODD}', toString(toYYYYMM(`tocsin.ingested`, 'UTC'))))"
)
# What analysts pivot on. Texts are indexed folded: most languages fold, and an exact test asks both.
_ADDRESSES: Final = ("source.ip", "destination.ip", "host.ip", "related.ip")
FOLDED: Final = frozenset(
    {
        "user.name",
        "process.hash.sha256",
        "file.hash.sha256",
        "process.entity_id",
        "process.parent.entity_id",
        "network.community_id",
        "dns.question.name",
        "url.domain",
    }
)
_TOKENS: Final = ("message", "process.command_line")
# Repeated texts compress twice as well this way, for a tenth more of an insert's CPU.
_PLAIN: Final = "CODEC(ZSTD(1))"
_TIMES: Final = "CODEC(Delta, ZSTD(1))"


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns and constraints, how rows are ordered and split, and what replaces what."""

    name: str
    columns: tuple[tuple[str, str], ...]
    order: str
    partition: str = ""
    indexes: tuple[str, ...] = ()
    version: str = ""  # rows of equal order: the highest of this column stays
    shard: str = "rand()"
    settings: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a cluster's tables go."""

    name: str
    database: str = "tocsin"
    path: str = "/clickhouse/tables/{shard}"


def create(table: Table) -> str:
    """The statement that makes the table in one engine."""
    engine = f"ReplacingMergeTree({table.version})" if table.version else "MergeTree"
    settings = {"non_replicated_deduplication_window": "10000", **_SETTINGS, **(table.settings or {})}
    return f"CREATE TABLE IF NOT EXISTS {quote(table.name)} (\n{_body(table)}\n)\n" + _tail(table, engine, settings)


def create_on(table: Table, cluster: Cluster) -> list[str]:
    """The statements that make the table on every node of a cluster: `NAME_local`, replicated, and `NAME` before
    it."""
    local = quote(f"{table.name}_local")
    base = f"'{cluster.path}/{cluster.database}/{table.name}', '{{replica}}'"
    engine = (
        f"ReplicatedReplacingMergeTree({base}, {table.version})" if table.version else f"ReplicatedMergeTree({base})"
    )
    settings = {"replicated_deduplication_window": "10000", **_SETTINGS, **(table.settings or {})}
    database = quote(cluster.database)
    head = f"CREATE TABLE IF NOT EXISTS {database}"
    on = f"ON CLUSTER {quote(cluster.name)}"
    before = f"ENGINE = Distributed({quote(cluster.name)}, {database}, {local}, {table.shard})"
    return [
        f"{head}.{local} {on} (\n{_body(table)}\n)\n" + _tail(table, engine, settings),
        f"{head}.{quote(table.name)} {on} AS {database}.{local}\n{before}",
    ]


_SETTINGS: Final[dict[str, str]] = {
    "allow_nullable_key": "1",
    # `host.ip` and `host.mac` would otherwise be taken for one Nested column and have to be of one length.
    "share_nested_offsets": "0",
}
_WIDE: Final[dict[str, str]] = {
    # Compact parts: wide ones cost twice as much with merges at 220 columns.
    "min_bytes_for_wide_part": "1073741824",
    "min_columns_to_activate_adaptive_write_buffer": "1",
    # A merge holds a granule (10 MB of events) of each part that it reads: by dozens they took what inserts need.
    "max_parts_to_merge_at_once": "8",
    # A merge costs a row as much as its insert: by eights and not by fives it is merged less often.
    "merge_selector_base": "8",
    # A part has the columns that its events fill, about half.
    "skip_empty_columns_on_insert": "1",
}


def _body(table: Table) -> str:
    lines = [f"    {quote(name)} {kind}" for name, kind in table.columns]
    lines += [f"    {index}" for index in table.indexes]
    return ",\n".join(lines)


def _tail(table: Table, engine: str, settings: Mapping[str, str]) -> str:
    partition = f"PARTITION BY {table.partition}\n" if table.partition else ""
    listed = ", ".join(f"{name} = {value}" for name, value in settings.items())
    return f"ENGINE = {engine}\n{partition}ORDER BY {table.order}\nSETTINGS {listed}"


def _typed(columns: Iterable[Column]) -> tuple[tuple[str, str], ...]:
    out = []
    for column in columns:
        codec = _TIMES if column.clickhouse.startswith("DateTime64") else _PLAIN
        out.append((column.name, f"{column.clickhouse} {codec}"))
    return tuple(out)


def _index(name: str, expression: str, kind: str) -> str:
    return f"INDEX {quote('by ' + name)} {expression} TYPE {kind}"


EVENTS: Final = Table(
    name="events",
    columns=_typed(COLUMNS),
    partition=_MONTH,
    order=f"(`event.dataset`, {HOUR}, `host.name`, `@timestamp`, `tocsin.id`)",
    indexes=(
        _index("@timestamp", "`@timestamp`", "minmax GRANULARITY 1"),
        _index("tocsin.id", "`tocsin.id`", "bloom_filter(0.001) GRANULARITY 1"),
        *(_index(name, quote(name), "bloom_filter(0.01) GRANULARITY 1") for name in _ADDRESSES),
        *(_index(name, f"lower({quote(name)})", "bloom_filter(0.01) GRANULARITY 1") for name in sorted(FOLDED)),
        *(_index(f"{name} token", f"lower({quote(name)})", "text(tokenizer = 'splitByNonAlpha')") for name in _TOKENS),
    ),
    shard="cityHash64(`tocsin.lane`)",
    settings=_WIDE,
)
HITS: Final = Table(
    name="hits",
    columns=(
        ("rule", "LowCardinality(String)"),
        ("generation", "LowCardinality(String)"),
        ("step", "Int16"),
        ("key", "Array(Nullable(String))"),
        ("values", "Array(Nullable(String))"),
        ("time", "DateTime64(6, 'UTC')"),
        ("tie", "Nullable(Int64)"),
        ("id", "String"),
        ("dataset", "LowCardinality(String)"),
        ("host", "LowCardinality(Nullable(String))"),
        ("lane", "Int32"),
        ("position", "Int64"),
        ("record", "Int32"),
        ("arrival", "DateTime64(6, 'UTC')"),
        ("silenced", "LowCardinality(Nullable(String))"),
    ),
    partition="toYYYYMM(arrival, 'UTC')",
    order="(rule, generation, time, id)",
    indexes=(
        _index("position", "position", "minmax GRANULARITY 1"),
        _index("lane", "lane", "set(16) GRANULARITY 1"),
    ),
    shard="cityHash64(rule)",
)
ALERTS: Final = Table(
    name="alerts",
    columns=(*_typed(ALERT_COLUMNS), ("tocsin.row.version", "UInt64")),
    partition="",
    order="`kibana.alert.uuid`",
    version="`tocsin.row.version`",
    indexes=(
        _index("@timestamp", "`@timestamp`", "minmax GRANULARITY 1"),
        _index("join", "`tocsin.alert.join`", "bloom_filter(0.01) GRANULARITY 1"),
        _index("event", "`tocsin.alert.event_ids`", "bloom_filter(0.01) GRANULARITY 1"),
    ),
    shard="cityHash64(`kibana.alert.uuid`)",
    settings=_WIDE,
)
INCIDENTS: Final = Table(
    name="incidents",
    columns=(
        ("tocsin.id", "String"),
        ("@timestamp", "DateTime64(6, 'UTC')"),
        ("event.dataset", "LowCardinality(String)"),
        ("tocsin.overflow", "Array(LowCardinality(String))"),
        ("tocsin.types", "Map(LowCardinality(String), LowCardinality(String))"),
        ("tocsin.fields", "Map(LowCardinality(String), Array(String))"),
        ("tocsin.row.version", "UInt64"),
    ),
    order="`tocsin.id`",
    version="`tocsin.row.version`",
    shard="cityHash64(`tocsin.id`)",
)
PROCESSES: Final = Table(
    name="processes",
    columns=(
        ("host", "LowCardinality(String)"),
        ("entity_id", "String"),
        ("parent", "Nullable(String)"),
        ("start", "Nullable(DateTime64(6, 'UTC'))"),
        ("pid", "Nullable(Int64)"),
        ("name", "LowCardinality(Nullable(String))"),
        ("executable", "LowCardinality(Nullable(String))"),
        ("command_line", "Nullable(String)"),
        ("canonical", "Nullable(String)"),
        ("user", "LowCardinality(Nullable(String))"),
        ("event", "Nullable(String)"),
        ("parent_pid", "Nullable(Int64)"),
        ("parent_executable", "LowCardinality(Nullable(String))"),
    ),
    order="(host, entity_id)",
    # A row per start or first sight: reading takes one an entity, which is why none replaces another here.
    indexes=(_index("parent", "parent", "bloom_filter(0.01) GRANULARITY 1"),),
    shard="cityHash64(host)",
)
TRIAGE: Final = Table(
    name="alert_triage",
    columns=(
        ("id", "String"),
        ("status", "LowCardinality(String)"),
        ("reason", "Nullable(String)"),
        ("assignees", "Array(String)"),
        ("tags", "Array(String)"),
        ("changed", "Nullable(DateTime64(6, 'UTC'))"),
        ("by", "Nullable(String)"),
        ("revision", "UInt64"),
    ),
    order="id",
    version="revision",
    shard="cityHash64(id)",
)
# Every name that the map of any row has had: what a search needn't read, and what a person may be offered.
NAMES: Final = Table(
    name="names",
    columns=(("table", "LowCardinality(String)"), ("name", "String")),
    order="(`table`, name)",
    version="",
    shard="cityHash64(name)",
)
TABLES: Final = (EVENTS, HITS, ALERTS, INCIDENTS, PROCESSES, TRIAGE, NAMES)
