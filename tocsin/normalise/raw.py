"""Documents as they are: dotted or nested names, no mapping; only canonical command text is added, which rules look at.

`--timestamp-field`, `--event-category-field` and `--tiebreaker-field` name what EQL needs where a document calls it
otherwise (`configured`). No record comes here by itself, only by `--as raw`.
"""

from __future__ import annotations

from tocsin.event import time
from tocsin.event.batch import BatchBuilder
from tocsin.event.records import Columns, Records, explode
from tocsin.lang.fields import Alias
from tocsin.normalise import Normalised, Product, StreamInfo, _derived
from tocsin.normalise._columns import moments_of


class Raw:
    """The product `raw`; `timestamp`, `category` and `tiebreaker` are the documents' own names."""

    name: str = "raw"
    aliases: tuple[Alias, ...] = ()
    streams: tuple[StreamInfo, ...] = (StreamInfo("document", "raw", (), frozenset({"@timestamp"})),)

    def __init__(self, timestamp: str = "@timestamp", category: str = "event.category", tiebreaker: str = "") -> None:
        self._timestamp = timestamp
        self._copies = {"event.category": category, "event.sequence": tiebreaker}

    def normalise(self, stream: str, records: Records) -> Normalised:
        """Every document is an event. One without a time has that of its arrival."""
        columns = explode(records.documents)
        builder = BatchBuilder(len(records))
        sent = columns.get(self._timestamp)
        if sent is not None:
            micros = [time.read(value, arrival) for value, arrival in zip(sent, records.arrivals, strict=True)]
            stamps, beyond = moments_of(micros, sent)
            builder.put("@timestamp", stamps)
            if beyond is not None:
                builder.overflow("@timestamp", beyond)
        _derived.canonical_text(builder, columns)
        for name, values in self._renamed(columns).items():
            if name != "@timestamp" or self._timestamp != "@timestamp":
                builder.source(name, values)
        return Normalised(builder.finish(), [])

    def _renamed(self, columns: Columns) -> Columns:
        """The columns with those that EQL needs also under ECS's names, where the documents lack these."""
        out = dict(columns)
        for ecs, own in self._copies.items():
            if own and own != ecs and own in columns and ecs not in columns:
                out[ecs] = columns[own]
        if self._timestamp != "@timestamp":
            out.pop("@timestamp", None)
        return out


def configured(timestamp: str = "@timestamp", category: str = "event.category", tiebreaker: str = "") -> Product:
    """The product with the documents' own names for time, category and tie-breaker."""
    return Raw(timestamp, category, tiebreaker)


PRODUCT: Product = Raw()
