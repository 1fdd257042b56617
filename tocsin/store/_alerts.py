"""Alerts, incidents and what people decided about them: the `AlertStore` of the ports."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson
import pyarrow as pa

from tocsin.event import time
from tocsin.event.batch import BatchBuilder
from tocsin.event.document import Document
from tocsin.event.schema import ALERT_HOT, Column, Kind
from tocsin.lang.sql import Writer, quote
from tocsin.ports import Span
from tocsin.store._engine import Engine
from tocsin.store._names import Known
from tocsin.store._read import MAP, documents_of, span_condition
from tocsin.store._tables import BLANK, INCIDENT_HOT, TABLES, TRIAGE_HOT

VERSION: Final = "tocsin.row.version"
_BLOCK: Final = 2_000


class Alerts:
    """Writes alerts and incidents, and finds alerts by what they share. Safe from many threads."""

    def __init__(self, engine: Engine, known: Known) -> None:
        self._engine = engine
        self._known = known
        self._lock = threading.Lock()

    def write_alerts(self, documents: Sequence[Document]) -> None:
        """See `ports.AlertStore`. Of one alert's rows the one with most in (`tocsin.alert.version_members`,
        `tocsin.alert.version_position`) stays, of equal ones the last written."""

        def version(document: Document) -> int:
            members = int(document.get("tocsin.alert.version_members") or 0)
            position = int(document.get("tocsin.alert.version_position") or 0)
            return min(max(members, 0), 2**20 - 1) << 44 | min(max(position, 0), 2**44 - 1)

        needed = {"tocsin.alert.version_members": 0, "tocsin.alert.version_position": 0}
        self._write("alerts", "kibana.alert.uuid", ALERT_HOT, documents, version, needed)

    def write_incidents(self, documents: Sequence[Document]) -> None:
        """See `ports.AlertStore`. The last written stays."""
        named = [{**document, "tocsin.id": document["tocsin.incident.id"]} for document in documents]
        clock = time.now()
        self._write("incidents", "tocsin.id", INCIDENT_HOT, named, lambda _: clock, {})

    def alerts_by_join(self, keys: Sequence[str], span: Span) -> list[Document]:
        """See `ports.AlertStore`."""
        return self._found("tocsin.alert.join", keys, span)

    def alerts_by_event(self, ids: Sequence[str]) -> list[Document]:
        """See `ports.AlertStore`."""
        return self._found("tocsin.alert.event_ids", ids, Span())

    def write_triage(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Mirrors decisions for searches: `id`, `status` ("open", "acknowledged", "closed"), `reason`, `assignees`,
        `tags`, `changed` (µs), `by`, `revision`; the highest revision stays."""
        if not rows:
            return
        batch = pa.record_batch(
            {
                "id": pa.array([row["id"] for row in rows], pa.string()),
                "status": pa.array([row["status"] for row in rows], pa.string()),
                "reason": pa.array([row.get("reason") for row in rows], pa.string()),
                "assignees": pa.array([list(row.get("assignees") or ()) for row in rows], pa.list_(pa.string())),
                "tags": pa.array([list(row.get("tags") or ()) for row in rows], pa.list_(pa.string())),
                "changed": pa.array([row.get("changed") for row in rows], pa.timestamp("us", tz="UTC")),
                "by": pa.array([row.get("by") for row in rows], pa.string()),
                "revision": pa.array([row["revision"] for row in rows], pa.uint64()),
            }
        )
        self._engine.insert("alert_triage", batch)

    def _write(
        self,
        table: str,
        id_: str,
        hot: Mapping[str, Column],
        documents: Sequence[Document],
        version: Callable[[Document], int],
        needed: Mapping[str, Any],
    ) -> None:
        last = {document[id_]: document for document in documents}  # within one call the last wins too
        held = list(last.values())
        with self._lock:
            for start in range(0, len(held), _BLOCK):
                part = held[start : start + _BLOCK]
                batch = _batch(part, hot, needed)
                self._known.add(table, batch)
                versions = pa.array([version(document) for document in part], pa.uint64())
                self._engine.insert(table, batch.append_column(VERSION, versions))

    def _found(self, column: str, values: Sequence[str], span: Span) -> list[Document]:
        if not values:
            return []
        writer = Writer("p", ALERT_HOT)
        conditions = [f"hasAny({quote(column)}, {writer.parameter('Array(String)', list(dict.fromkeys(values)))})"]
        conditions += span_condition(writer, span, hours=False)
        conditions.append("ifNull(`tocsin.alert.state`, '') != 'withdrawn'")
        filled = self._known.filled("alerts") | {"kibana.alert.uuid", "@timestamp", "event.dataset", *MAP}
        columns = ", ".join(quote(name) for name in ALERT_HOT if name in filled)
        found = self._engine.arrow(
            f"SELECT {columns} FROM alerts FINAL WHERE {' AND '.join(conditions)}"
            " ORDER BY `@timestamp`, `kibana.alert.uuid`",
            writer.parameters,
        )
        return documents_of(found, TABLES["alerts"])


def _batch(documents: Sequence[Document], hot: Mapping[str, Column], needed: Mapping[str, Any]) -> pa.RecordBatch:
    builder = BatchBuilder(len(documents), hot)
    names = dict.fromkeys(name for document in documents for name in document)
    clock = time.now()
    defaults = {**BLANK, **needed, "tocsin.ingested": clock, "@timestamp": clock}
    names.update(dict.fromkeys(name for name in defaults if name in hot))
    for name in names:
        if name.startswith("_") or name in TRIAGE_HOT or name in ("tocsin.overflow", VERSION):
            continue  # what reading added
        column = hot.get(name)
        values = [document.get(name, defaults.get(name)) for document in documents]
        if column is not None and column.kind is Kind.KEYWORD and not column.many:
            values = [_json(v) if isinstance(v, (dict, list)) else v for v in values]
        builder.put(name, values)
    return builder.finish()


def _json(value: Any) -> str:
    """As JSON; numbers past 64 bits, which orjson refuses, occur in what senders make up."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
