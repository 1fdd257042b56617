"""Counters, gauges and histograms, and their text for Prometheus.

A module asks once, at its top, for what it counts:

    RECORDS = counter("tocsin_collect_records", "Records taken.", ["source"])
    RECORDS.labels("syslog").inc(500)

Every process counts for itself; `snapshot` hands its figures to the process that answers `/metrics`, and `render` there
puts them all on one page. All of it may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, Final, Self, TypeVar

import msgspec
import prometheus_client
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = prometheus_client.CONTENT_TYPE_LATEST
"""The media type of what `render` gives."""

MOST_SETS: Final = 1000
"""How many sets of label values a metric keeps apart. Senders choose such values too, and a hostile one would invent
them without end: those that come after are counted together, as `other`."""

LONGEST_VALUE: Final = 200
"""Characters of a label's value; the rest is cut."""

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of a histogram's buckets where nothing else is asked for."""

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every one, which nothing reads
_registry = CollectorRegistry()
_lock = Lock()
_made: dict[str, _Bounded] = {}


class _Bounded(MetricWrapperBase):
    """A metric whose labels can't be made to fill the memory."""

    def labels(self, *labelvalues: object, **labelkwargs: object) -> Self:
        if labelkwargs:
            if sorted(labelkwargs) != sorted(self._labelnames):
                raise ValueError(f"{self._name} has the labels {', '.join(self._labelnames) or 'none'}")
            labelvalues = tuple(labelkwargs[name] for name in self._labelnames)
        values = tuple(str(value)[:LONGEST_VALUE] for value in labelvalues)
        known = getattr(self, "_metrics", {})  # absent where there are no labels; super() says so
        if values not in known and len(known) >= MOST_SETS:
            values = ("other",) * len(values)
        return super().labels(*values)


class Counter(_Bounded, prometheus_client.Counter):
    """What only grows: `inc`."""


class Gauge(_Bounded, prometheus_client.Gauge):
    """What goes up and down: `set`, `inc`, `dec`."""


class Histogram(_Bounded, prometheus_client.Histogram):
    """How often a quantity was how large: `observe`, or `with … .time():`."""


M = TypeVar("M", bound=_Bounded)


def counter(name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
    """The counter `name`, made when first asked for; its series are shown as `name_total`."""
    return _one(Counter, name, meaning, labels)


def gauge(name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
    """The gauge `name`, made when first asked for."""
    return _one(Gauge, name, meaning, labels)


def histogram(name: str, meaning: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = SECONDS) -> Histogram:
    """The histogram `name`, made when first asked for; `buckets` are upper bounds."""
    return _one(Histogram, name, meaning, labels, buckets=tuple(buckets))


def _one(kind: type[M], name: str, meaning: str, labels: Sequence[str], **more: Any) -> M:
    with _lock:
        found = _made.get(name)
        if found is None:
            found = _made[name] = kind(name, meaning, tuple(labels), registry=_registry, **more)
        if not isinstance(found, kind) or found._labelnames != tuple(labels):
            raise ValueError(f"the metric {name} is there already, of another kind or with other labels")
        return found


class _Sample(msgspec.Struct, array_like=True):
    name: str
    labels: dict[str, str]
    value: float


class _Family(msgspec.Struct, array_like=True):
    name: str
    meaning: str
    kind: str
    samples: list[_Sample]


# JSON has no infinity, MessagePack has.
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_Family])


def snapshot() -> bytes:
    """This process's figures, for `render` in another."""
    return _encoder.encode(
        [
            _Family(
                metric.name,
                metric.documentation,
                metric.type,
                [_Sample(sample.name, dict(sample.labels), sample.value) for sample in metric.samples],
            )
            for metric in _registry.collect()
        ]
    )


def render(others: Mapping[str, bytes] | None = None) -> bytes:
    """The page for Prometheus: this process's figures, and of each process in `others` those of its last snapshot.

    Theirs carry the label `process`. Raises `msgspec.DecodeError` for bytes that `snapshot` did not make.
    """
    families: dict[str, Metric] = {metric.name: metric for metric in _registry.collect()}
    for process, data in (others or {}).items():
        for family in _decoder.decode(data):
            metric = families.setdefault(family.name, Metric(family.name, family.meaning, family.kind))
            for sample in family.samples:
                metric.add_sample(sample.name, {**sample.labels, "process": process}, sample.value)
    page = CollectorRegistry()
    page.register(_Page(families.values()))
    return generate_latest(page)


class _Page(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self.metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self.metrics
