"""Documents that are ECS already, nested or dotted: an application's own JSON log, a shipper's events; and plain text.

`host.os.type` is what the document says. Records that no other product claims come here too, under the data set that
they or their index name, else `generic`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from tocsin.event import time
from tocsin.event.batch import BatchBuilder
from tocsin.event.records import Columns, Records, explode
from tocsin.lang.fields import Alias
from tocsin.normalise import Claim, Normalised, Product, StreamInfo, _derived
from tocsin.normalise._columns import first, joined, moments_of, related_ips
from tocsin.normalise._route import index_dataset

GENERIC = "generic"
# What `data_stream.dataset`, an index or nothing at all says where `event.dataset` is missing.
_DROPPED = frozenset({"data_stream.dataset", "data_stream.type", "data_stream.namespace", "@metadata"})
_RELATED = {
    "user": ("user.name", "user.target.name", "source.user.name"),
    "hosts": ("host.name", "host.hostname", "observer.name"),
    "hash": ("file.hash.md5", "file.hash.sha1", "file.hash.sha256", "process.hash.sha256"),
}
_ADDRESSES = ("source.ip", "destination.ip", "client.ip", "server.ip", "host.ip")


class Ecs:
    """`ecs.document` and `ecs.text`."""

    name: str = "ecs"
    aliases: tuple[Alias, ...] = ()
    streams: tuple[StreamInfo, ...] = (
        StreamInfo("document", GENERIC, (Claim(rest="document"),), frozenset({"@timestamp", "event.dataset"})),
        StreamInfo("text", "generic.text", (Claim(rest="text"),), frozenset({"@timestamp", "message"})),
    )

    def normalise(self, stream: str, records: Records) -> Normalised:
        """Every record is an event: nothing is refused for its shape."""
        columns = explode(records.documents)
        n = len(records)
        builder = BatchBuilder(n)
        sent = columns.pop("@timestamp", None)
        if sent is not None:
            micros = [time.read(_one(v), arrival) for v, arrival in zip(sent, records.arrivals, strict=True)]
            stamps, beyond = moments_of(micros, sent)
            builder.put("@timestamp", stamps)
            if beyond is not None:
                builder.overflow("@timestamp", beyond)
        named = first(
            _texts(columns.pop("event.dataset", None), n),
            _texts(columns.get("data_stream.dataset"), n),
            [index_dataset(index) if index else None for index in records.indexes] or [None] * n,
            [GENERIC if stream == "document" else "generic.text"] * n,
        )
        builder.put("event.dataset", named)
        module = _texts(columns.pop("event.module", None), n)
        builder.put("event.module", first(module, [name.partition(".")[0] or None for name in named]))
        builder.put("event.kind", first(_texts(columns.pop("event.kind", None), n), ["event"] * n))
        _derived.complete(columns)
        _derived.canonical_text(builder, columns)
        _relate(builder, columns)
        for name, values in columns.items():
            if name not in _DROPPED:
                builder.source(name, values)
        return Normalised(builder.finish(), [])

    def processes(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The processes that documents say were started, as rows of `PROCESS_SCHEMA`."""
        return _derived.processes(batch)


def _one(value: Any) -> Any:
    return value[0] if type(value) is list and len(value) == 1 else value


def _texts(values: Sequence[Any] | None, n: int) -> list[Any]:
    return [None] * n if values is None else [v if type(v) is str and v else None for v in values]


def _relate(builder: BatchBuilder, columns: Columns) -> None:
    """`related.*`, where the document has none."""
    there = [columns[name] for name in _ADDRESSES if name in columns]
    if there and "related.ip" not in columns:
        builder.put("related.ip", related_ips(*there))
    for kind, names in _RELATED.items():
        held = [columns[name] for name in names if name in columns]
        if held and f"related.{kind}" not in columns:
            builder.put(f"related.{kind}", joined(*held))


PRODUCT: Product = Ecs()
