"""What is worked out of documents that are ECS already, where they don't say it themselves.

Other products' mappings derive the same, so that one rule sees them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from tocsin.event.batch import BatchBuilder
from tocsin.event.canonical import VERSION, canonical_column
from tocsin.event.community_id import community_ids
from tocsin.event.records import Columns
from tocsin.normalise._url import extension, url
from tocsin.normalise._windows_values import base_name
from tocsin.ports import PROCESS_SCHEMA

_CANONICAL: Final = {
    "process.command_line": "tocsin.canonical.command_line",
    "process.parent.command_line": "tocsin.canonical.parent_command_line",
    "powershell.file.script_block_text": "tocsin.canonical.script_block",
}
_URL: Final = ("scheme", "domain", "port", "path", "query", "extension")
_FLOW: Final = ("source.ip", "source.port", "destination.ip", "destination.port", "network.transport")
PROCESS_COLUMNS: Final = {
    "host": "host.name",
    "entity_id": "process.entity_id",
    "parent": "process.parent.entity_id",
    "start": "@timestamp",
    "pid": "process.pid",
    "name": "process.name",
    "executable": "process.executable",
    "command_line": "process.command_line",
    "canonical": "tocsin.canonical.command_line",
    "user": "user.name",
    "event": "tocsin.id",
    "parent_pid": "process.parent.pid",
    "parent_executable": "process.parent.executable",
}


def canonical_text(builder: BatchBuilder, columns: Columns) -> None:
    """Put the canonical form of command lines and script blocks."""
    held = [(target, _texts(columns[name])) for name, target in _CANONICAL.items() if name in columns]
    for target, texts in held:
        builder.put(target, canonical_column(texts))
    if held:
        builder.put(
            "tocsin.canonical.version",
            [
                VERSION if any(text is not None for text in row) else None
                for row in zip(*(t for _, t in held), strict=True)
            ],
        )


def complete(columns: Columns) -> None:
    """Fill in what follows from a document's own fields: parts of its URL, names of its processes, the flow's id."""
    for name in ("url.original", "url.full"):
        if name in columns:
            parts = [None if text is None else url(text) for text in _texts(columns[name])]
            for part in _URL:
                _fill(columns, f"url.{part}", [None if each is None else getattr(each, part) for each in parts])
    if "url.path" in columns:
        _fill(columns, "url.extension", _mapped(columns["url.path"], extension))
    for side in ("process", "process.parent"):
        if f"{side}.executable" in columns:
            _fill(columns, f"{side}.name", _mapped(columns[f"{side}.executable"], base_name))
    if all(name in columns for name in _FLOW):
        source, sport, destination, dport, transport = (columns[name] for name in _FLOW)
        ids = community_ids(_texts(source), _ports(sport), _texts(destination), _ports(dport), _texts(transport))
        _fill(columns, "network.community_id", list(ids))


def processes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A row (`PROCESS_SCHEMA`) a process that a document says was started; Windows' own events, which have a
    code, are left to their product."""
    nobody = pa.RecordBatch.from_pylist([], schema=PROCESS_SCHEMA)
    entities, datasets = batch.column("process.entity_id"), batch.column("event.dataset")
    if entities.null_count == batch.num_rows:
        return nobody
    others = np.array([not (name or "").startswith("windows.") for name in datasets.dictionary.to_pylist()], dtype=bool)
    uncoded = batch.column("event.code").is_null().to_numpy(zero_copy_only=False)
    codes = datasets.indices.fill_null(len(others)).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(
        (np.append(others, True)[codes] | uncoded) & entities.is_valid().to_numpy(zero_copy_only=False)
    )
    if not len(rows):
        return nobody
    taken = batch.take(pa.array(rows))
    kinds = zip(taken.column("event.category").to_pylist(), taken.column("event.type").to_pylist(), strict=True)
    starts = [
        place
        for place, (category, type_) in enumerate(kinds)
        if "process" in (category or ()) and "start" in (type_ or ())
    ]
    if not starts:
        return nobody
    taken = taken.take(pa.array(starts))
    arrays = [taken.column(PROCESS_COLUMNS[field.name]).cast(field.type) for field in PROCESS_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=PROCESS_SCHEMA)


def _fill(columns: Columns, name: str, values: list[Any]) -> None:
    held = columns.get(name)
    if held is not None:
        columns[name] = [new if old is None or old == [] else old for old, new in zip(held, values, strict=True)]
    elif any(value is not None for value in values):
        columns[name] = values


def _mapped(values: Iterable[Any], by: Callable[[str], str | None]) -> list[str | None]:
    return [by(value) if type(value) is str else None for value in values]


def _texts(values: Sequence[Any]) -> list[str | None]:
    return [value if type(value) is str else None for value in values]


def _ports(values: Sequence[Any]) -> list[int | None]:
    out: list[int | None] = []
    for value in values:
        if type(value) is str and len(value) < 6 and value.isascii() and value.isdigit():
            value = int(value)
        out.append(value if type(value) is int and 0 <= value <= 65535 else None)
    return out
