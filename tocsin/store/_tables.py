"""What a search may read: the three tables as one shape, with their columns, times, ids and tie order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from tocsin.event.schema import ALERT_HOT, FIELDS, HOT, OVERFLOW, TYPES, Column, Kind
from tocsin.lang.sql import quote
from tocsin.ports import Table

_LIST: Final = pa.list_(pa.string())
_TIME: Final = pa.timestamp("us", tz="UTC")
# What people decided about an alert or incident, under the names that analysts type; joined from `alert_triage`.
TRIAGE_HOT: Final[dict[str, Column]] = {
    column.name: column
    for column in (
        Column("kibana.alert.workflow_status", Kind.KEYWORD, False, pa.string(), "String"),
        Column("kibana.alert.workflow_reason", Kind.KEYWORD, False, pa.string(), "Nullable(String)"),
        Column("kibana.alert.workflow_assignee_ids", Kind.KEYWORD, True, _LIST, "Array(String)"),
        Column("kibana.alert.workflow_tags", Kind.KEYWORD, True, _LIST, "Array(String)"),
        Column("kibana.alert.workflow_status_updated_at", Kind.DATE, False, _TIME, "Nullable(DateTime64(6, 'UTC'))"),
        Column("kibana.alert.workflow_user", Kind.KEYWORD, False, pa.string(), "Nullable(String)"),
    )
}
INCIDENT_HOT: Final[dict[str, Column]] = {
    name: HOT[name] for name in ("tocsin.id", "@timestamp", "event.dataset", OVERFLOW, TYPES, FIELDS)
}
_TRIAGE: Final = """SELECT id AS `triage id`, if(status = '', 'open', status) AS `triage status`,
 reason AS `kibana.alert.workflow_reason`, assignees AS `kibana.alert.workflow_assignee_ids`,
 tags AS `kibana.alert.workflow_tags`, changed AS `kibana.alert.workflow_status_updated_at`,
 `by` AS `kibana.alert.workflow_user` FROM alert_triage FINAL"""


# Columns that are never null, with what stands where an alert or incident has no such thing.
BLANK: Final[dict[str, object]] = {
    "tocsin.id": "",
    "event.dataset": "",
    "tocsin.lane": -1,
    "tocsin.position": -1,
    "tocsin.record": -1,
    "kibana.alert.rule.uuid": "",
}


@dataclass(frozen=True, slots=True)
class Readable:
    """One table as a search reads it."""

    name: Table
    source: str
    columns: Mapping[str, Column]
    id: str
    tie: str


def with_triage(table: str, columns: Iterable[str], id_: str, rows: str = "") -> str:
    """Alerts or incidents (those that meet `rows`, a condition on their own columns) with what people decided."""
    kept = ", ".join(f"a.{quote(name)} AS {quote(name)}" for name in columns)
    more = ", ".join(quote(name) for name in TRIAGE_HOT if name != "kibana.alert.workflow_status")
    # No row means that nobody has decided anything: the alert is open.
    status = "if(t.`triage status` = '', 'open', t.`triage status`) AS `kibana.alert.workflow_status`"
    source = f"{table} AS a FINAL"
    if rows:
        source = f"(SELECT {', '.join(map(quote, columns))} FROM {table} FINAL WHERE {rows}) AS a"
    return (
        f"(SELECT {kept}, {status}, {more} FROM {source} LEFT JOIN ({_TRIAGE}) AS t ON t.`triage id` = a.{quote(id_)})"
    )


# Order within equal times: the source's own sequence, else its record number, then the id.
_TIE: Final = "ifNull(coalesce(`event.sequence`, `winlog.record_id`), -1)"
TABLES: Final[dict[Table, Readable]] = {
    "events": Readable("events", "events", HOT, "tocsin.id", _TIE),
    "alerts": Readable(
        "alerts",
        with_triage("alerts", ALERT_HOT, "kibana.alert.uuid"),
        {**ALERT_HOT, **TRIAGE_HOT},
        "kibana.alert.uuid",
        _TIE,
    ),
    "incidents": Readable(
        "incidents",
        with_triage("incidents", INCIDENT_HOT, "tocsin.id"),
        {**INCIDENT_HOT, **TRIAGE_HOT},
        "tocsin.id",
        "toInt64(-1)",
    ),
}
