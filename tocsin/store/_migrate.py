"""Numbered steps from an empty database, or one of an older Tocsin, to the tables of this one.

Each step runs once and is written down in table `migrations`. Steps are made from the same tables for the embedded
store, a server and a cluster; a hot column that a version adds needs no step of its own: `add_columns` compares.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pyarrow as pa

from tocsin.errors import ConfigError
from tocsin.event.schema import FIELDS, OVERFLOW, TYPES
from tocsin.lang.sql import quote
from tocsin.store._ddl import ALERTS, EVENTS, INCIDENTS, TABLES, Table, create
from tocsin.store._engine import Engine
from tocsin.store._names import place_of

Step = Callable[[Engine], None]
ADDED_SETTINGS: Final = ("max_parts_to_merge_at_once", "merge_selector_base", "skip_empty_columns_on_insert")
_LEDGER: Final = (
    "CREATE TABLE IF NOT EXISTS migrations (number UInt32, name String, at DateTime64(3, 'UTC'))"
    " ENGINE = MergeTree ORDER BY number"
)


def make_tables(engine: Engine) -> None:
    """Every table, as it is today."""
    for table in TABLES:
        engine.command(create(table))


def note_filled(engine: Engine) -> None:
    """Which columns have values, for rows that were stored before that was written down."""
    for table in (EVENTS, ALERTS, INCIDENTS):
        if not engine.rows(f"SELECT 1 FROM {quote(table.name)} LIMIT 1"):
            continue
        held = _columns(engine, table)
        kinds = {name: kind for name, kind in table.columns if name in held and name not in (FIELDS, TYPES, OVERFLOW)}
        names = list(kinds)
        counts = [
            f"countIf({'notEmpty' if kind.startswith('Array') else 'isNotNull'}({quote(name)}))"
            for name, kind in kinds.items()
        ]
        code = "`event.code`" if "event.code" in held else "NULL"
        grouped = f"SELECT `event.dataset`, {code} AS code, {', '.join(counts)} FROM {quote(table.name)}"
        for dataset, each, *numbers in engine.rows(f"{grouped} GROUP BY `event.dataset`, code"):
            filled = [name for name, number in zip(names, numbers, strict=True) if number]
            place = place_of(table.name, (dataset or "", each or ""))
            engine.insert("names", pa.record_batch({"table": [place] * len(filled), "name": filled}))


def note_filled_by_code(engine: Engine) -> None:
    """Which columns have values by event code too, in place of what was written down by data set alone."""
    engine.command("ALTER TABLE names DELETE WHERE position(`table`, '/') > 0 SETTINGS mutations_sync = 2")
    note_filled(engine)


def bound_merges(engine: Engine) -> None:
    """The settings of tables that were made without them."""
    for table in (EVENTS, ALERTS):
        listed = ", ".join(f"{name} = {(table.settings or {})[name]}" for name in ADDED_SETTINGS)
        engine.command(f"ALTER TABLE {quote(table.name)} MODIFY SETTING {listed}")


def _columns(engine: Engine, table: Table) -> set[str]:
    sql = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
    return {str(name) for (name,) in engine.rows(sql, {"table": table.name})}


STEPS: Final[tuple[tuple[int, str, Step], ...]] = (
    (1, "make the tables", make_tables),
    (2, "write down which columns have values", note_filled),
    (3, "bound merges", bound_merges),
    (4, "write down which columns have values by event code", note_filled_by_code),
    (5, "merge by eights", bound_merges),
)


def migrate(engine: Engine) -> list[str]:
    """Brings the database up to this version; the names of what was done. Raises `ConfigError` where a later Tocsin
    has made it."""
    engine.command(_LEDGER)
    done = {int(number) for (number,) in engine.rows("SELECT number FROM migrations")}
    newest = max((number for number, _, _ in STEPS), default=0)
    if done and max(done) > newest:
        raise ConfigError(
            f"the store was made by a later version (step {max(done)}, this one knows {newest})",
            where="store",
            hint="install that version again, or restore a backup",
        )
    names = []
    for number, name, step in STEPS:
        if number not in done:
            step(engine)
            engine.command(
                "INSERT INTO migrations SELECT {number:UInt32}, {name:String}, now64(3)",
                {"number": number, "name": name},
            )
            names.append(name)
    for table in TABLES:
        names += add_columns(engine, table)
    return names


def add_columns(engine: Engine, table: Table) -> list[str]:
    """Adds the columns that the table lacks: hot ones that this version has and the one that made the table had not.
    Older rows keep such values in the map, where a search looks too."""
    held = _columns(engine, table)
    missing = [(name, kind) for name, kind in table.columns if name not in held]
    if not missing:
        return []
    added = ", ".join(f"ADD COLUMN IF NOT EXISTS {quote(name)} {kind}" for name, kind in missing)
    engine.command(f"ALTER TABLE {quote(table.name)} {added}")
    return [f"add column {name} to {table.name}" for name, _ in missing]
