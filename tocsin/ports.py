"""What the stages are given: small Protocols and the rows that pass between them. `pipeline` injects what fulfils them.

Stages never import each other; what one needs of another is named here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Protocol

import pyarrow as pa

from tocsin.event.records import Chunk, Frame
from tocsin.lang.ir import Predicate

# ---- journal ----


class JournalWriter(Protocol):
    """What collectors are given. Safe from many threads and tasks of one process."""

    async def append(self, chunks: Sequence[Chunk], *, lane_key: str, request: bytes | None = None) -> Appended:
        """Put chunks into the lane of `lane_key` and return once they are on disk (group commit, at most 20 ms).

        `request` is the raw request that they came by: one byte-identical to an earlier one of the same lane key
        whose answer was never written is not taken again (`Appended.repeated`). Raises `BusyError` when the journal
        is full: nothing was taken.
        """

    def answered(self, appended: Appended, *, delivered: bool = True) -> None:
        """The sender has been sent its answer: an identical later request is a new one.

        Not `delivered`: the answer may still be on its way out of this process, which a crash would stop. Whoever says
        so says it once more when it must have gone out; a process that ends between has abandoned the request."""

    def abandoned(self, appended: Appended) -> None:
        """The answer can't be sent, the connection is gone: an identical later request is this one again.

        Whoever passes `request` to `append` calls one of the two; a process that ends first has abandoned.
        """


class Appended(NamedTuple):
    """Where chunks stand: lane, position of the first frame, and whether it was there already from an unanswered
    request."""

    lane: int
    position: int
    repeated: bool = False


class Stretch(NamedTuple):
    """Frames of one lane that are handled together: `start` <= position < `end`. A replay has the same edges."""

    lane: int
    start: int
    end: int


class JournalReader(Protocol):
    """What a worker is given, for the lanes that it owns."""

    def stretch(self, lane: int, *, max_bytes: int) -> tuple[Stretch, list[Frame]] | None:
        """The next stretch, logged before it is returned, or None when the lane is empty. A stretch logged before a
        crash and not yet passed by the cursor comes again with the same edges."""

    def passed(self, stretch: Stretch) -> None:
        """Everything of the stretch is stored: move the lane's cursor to its end, on disk."""


# ---- hits ----

# A rule's step was met by an event. `key` is the list of group values (nulls kept, exact), `values` what is counted
# distinct or may be new. `dataset` and `host` complete the sort key under which the event is found. `silenced` names
# the list or exception that silences it (counted, can be opened). `generation` is a hash of what the rule matches.
HIT_SCHEMA: Final = pa.schema(
    [
        pa.field("rule", pa.string()),
        pa.field("generation", pa.string()),
        pa.field("step", pa.int16()),
        pa.field("key", pa.list_(pa.string())),
        pa.field("values", pa.list_(pa.string())),
        pa.field("time", pa.timestamp("us", tz="UTC")),
        pa.field("tie", pa.int64()),
        pa.field("id", pa.string()),
        pa.field("dataset", pa.string()),
        pa.field("host", pa.string()),
        pa.field("lane", pa.int32()),
        pa.field("position", pa.int64()),
        pa.field("record", pa.int32()),
        pa.field("arrival", pa.timestamp("us", tz="UTC")),
        pa.field("silenced", pa.string()),
    ]
)


class Hit(NamedTuple):
    """One row of `HIT_SCHEMA`; times in µs. Hits order by (time, tie, id)."""

    rule: str
    generation: str
    step: int
    key: tuple[str | None, ...]
    values: tuple[str | None, ...]
    time: int
    tie: int | None
    id: str
    dataset: str
    host: str | None
    lane: int
    position: int
    record: int
    arrival: int
    silenced: str | None = None


# A process seen: what `tocsin.ancestor.N.*` and the Analyzer join. One row per start (or first sight) of a process.
# `parent` is the parent's entity id; a source that has none (Security 4688) names its pid and executable, by which the
# store finds it when it reads.
PROCESS_SCHEMA: Final = pa.schema(
    [
        pa.field("host", pa.string()),
        pa.field("entity_id", pa.string()),
        pa.field("parent", pa.string()),
        pa.field("start", pa.timestamp("us", tz="UTC")),
        pa.field("pid", pa.int64()),
        pa.field("name", pa.string()),
        pa.field("executable", pa.string()),
        pa.field("command_line", pa.string()),
        pa.field("canonical", pa.string()),
        pa.field("user", pa.string()),
        pa.field("event", pa.string()),
        pa.field("parent_pid", pa.int64()),
        pa.field("parent_executable", pa.string()),
    ]
)

# ---- documents ----

# An event or alert as a flat document: dotted ECS names to values (str, int, float, bool, or a list of them); times
# are RFC 3339 texts in UTC, addresses their usual spelling, missing fields absent. `store` and the matcher's input
# files give the same document.
Document = dict[str, Any]


class Span(NamedTuple):
    """A time range in µs: start <= t < end; None is open."""

    start: int | None = None
    end: int | None = None


ALL_TIME: Final = Span()
Table = Literal["events", "alerts", "incidents"]


class EventReader(Protocol):
    """Searches of the store. All raise `QueryError` for what the store refuses, `BusyError` when it is out of
    memory."""

    def search(
        self,
        where: Predicate,
        span: Span = ALL_TIME,
        *,
        of: Table = "events",
        limit: int = 500,
        newest_first: bool = True,
        after: tuple[int, str] | None = None,
        fields: Sequence[str] | None = None,
    ) -> list[Document]:
        """Documents with `_id` in it, ordered by (time, tie, id); `after` is (time µs, id) of the last one already
        had."""

    def stream(self, where: Predicate, span: Span = ALL_TIME, *, of: Table = "events") -> Iterator[pa.RecordBatch]:
        """All matching rows with every column, in order, batch by batch (backtest, export)."""

    def count(self, where: Predicate, span: Span = ALL_TIME, *, of: Table = "events") -> int:
        """How many match, exactly."""

    def histogram(
        self, where: Predicate, span: Span, *, of: Table = "events", buckets: int = 60, by: str | None = None
    ) -> Histogram:
        """Counts over time, split by the top values of `by` where given."""

    def top(
        self, where: Predicate, field: str, span: Span = ALL_TIME, *, of: Table = "events", limit: int = 10
    ) -> TopValues:
        """The commonest values of a field, exactly counted."""

    def by_ids(self, ids: Sequence[str], *, of: Table = "events") -> dict[str, Document]:
        """Documents by `tocsin.id` (or alert id); absent ids are absent."""

    def present(self, where: Predicate, span: Span = ALL_TIME, *, of: Table = "events") -> dict[str, int]:
        """For each field that has a value among (a bounded sample of) the matches: in how many."""


class Histogram(NamedTuple):
    """`counts[series][bucket]`; bucket i begins at start + i * width (µs). One series, "", without a split."""

    start: int
    width: int
    counts: dict[str, list[int]]


class TopValues(NamedTuple):
    """Values with their counts, most frequent first; `total` events had the field, `missing` had not."""

    values: list[tuple[Any, int]]
    total: int
    missing: int


# ---- alerts ----


@dataclass(slots=True)
class Firing:
    """What a rule found: the state stage's or a single event's, before it is an alert.

    `events` are (id, dataset, host, time µs) in order; `group` the key values with their field names; `born` the
    parts that its id is hashed from (DESIGN section 6, "Alert ids"); `extra` fields set on top of the document (a
    threshold's count …).
    """

    rule: str
    events: list[EventRef]
    group: dict[str, str | None] = field(default_factory=dict)
    born: list[str] = field(default_factory=list)
    extra: Document = field(default_factory=dict)
    lane: int = -1
    position: int = -1
    backfill: bool = False


class EventRef(NamedTuple):
    """Enough of an event to find it by the store's sort key."""

    id: str
    dataset: str
    host: str | None
    time: int


@dataclass(slots=True)
class Withdrawal:
    """An alert (rule, born) that a late event, or an absence that no longer holds, has overturned."""

    rule: str
    born: list[str]
    reason: str


class AlertStore(Protocol):
    """The alerts and incidents of the store, as `alert` writes them and the API reads them (searches go through
    EventReader)."""

    def write_alerts(self, documents: Sequence[Document]) -> None:
        """Insert or replace by `kibana.alert.uuid` (a higher version wins)."""

    def write_incidents(self, documents: Sequence[Document]) -> None:
        """Insert or replace by `tocsin.incident.id`."""

    def alerts_by_join(self, keys: Sequence[str], span: Span) -> list[Document]:
        """Alerts of the span, suppressed ones too and no withdrawn ones, that have any of the join keys."""

    def alerts_by_event(self, ids: Sequence[str]) -> list[Document]:
        """Alerts that contain any of the events."""


class EntityReader(Protocol):
    """Processes and flows, for ancestors, join keys and the Analyzer."""

    def processes(self, host: str, entity_ids: Sequence[str]) -> dict[str, Document]:
        """Rows of table `processes` by entity id."""

    def processes_of(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Document]:
        """Rows of table `processes` by (host, entity id), of any number of hosts."""

    def children(self, host: str, entity_ids: Sequence[str], limit: int = 1000) -> list[Document]:
        """Processes whose parent is one of these, by start."""


class Lists(Protocol):
    """The lists that rules use (SCENARIOS, "Lists")."""

    def rows(self, name: str) -> Sequence[Mapping[str, str]]:
        """The rows of a list that have not expired, by column name; empty for a list nobody has."""

    def version(self) -> str:
        """A hash of all lists' contents."""
