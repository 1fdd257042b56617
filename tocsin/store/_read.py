"""Searches: the `EventReader` of the ports over events, alerts and incidents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from tocsin.event.document import Document, readable, restored, to_documents
from tocsin.event.schema import FIELDS, HOT, OVERFLOW, TYPES, Column, Kind
from tocsin.lang.fields import Alias, Names
from tocsin.lang.ir import And, Equals, Field, Predicate, Source, Test
from tocsin.lang.lists import Rows
from tocsin.lang.sql import Writer, date_text, ip_text, quote
from tocsin.ports import ALL_TIME, Histogram, Span, Table, TopValues
from tocsin.store import _ancestors
from tocsin.store._ddl import FOLDED, HOUR
from tocsin.store._engine import Engine
from tocsin.store._explain import Used, indexes_of
from tocsin.store._names import Known
from tocsin.store._places import ALWAYS, HOURLY, Place, Places, between
from tocsin.store._tables import BLANK, TABLES, TRIAGE_HOT, Readable, with_triage

SLICE: Final = 16_000
SAMPLE: Final = 10_000
MOST_BUCKETS: Final = 2_000
MOST_SERIES: Final = 10
MOST_IDS: Final = 1_000
# Pieces are large: what is in memory at a time is what counts, not how soon the first row comes.
STREAMED: Final = "SETTINGS max_threads = 1, output_format_arrow_compression_method = 'lz4_frame'"
MAP: Final = (FIELDS, TYPES, OVERFLOW)
_KEPT: Final = " (kept)"


class Reader:
    """Searches the store. Safe from many threads.

    `aliases` are all products' aliases; `lists` gives the rows of a list that a predicate asks.
    """

    def __init__(self, engine: Engine, known: Known, aliases: Iterable[Alias] = (), lists: Rows | None = None) -> None:
        self._engine = engine
        self._known = known
        self._lists = lists
        self._places = Places(engine, known, TABLES["events"].tie)
        held = tuple(aliases)
        self.names: dict[Table, Names] = {
            "events": Names(held, {**HOT, **_ancestors.NAMES}),
            "alerts": Names(held, TABLES["alerts"].columns),
            "incidents": Names((), TABLES["incidents"].columns),
        }

    def columns(self, of: Table = "events") -> Mapping[str, Column]:
        """The hot columns that a search over a table has, those of triage too."""
        return TABLES[of].columns

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
        """See `ports.EventReader`. With `fields` a document has these names only, aliases as they were asked for."""
        table = TABLES[of]
        asked = self._asked(table, where, span)
        limit = max(0, int(limit))
        edge = (None if span.end is None else span.end - 1) if newest_first else span.start
        if after is not None:
            asked.also(self._after(asked, after, newest_first))
            edge = after[0]
        wanted = None if fields is None else [self.names[of].field(name) for name in fields]
        if of == "events":
            return self._events(asked, wanted, limit, newest_first, edge)
        columns = self._listed(of, datasets_of(where)) if wanted is None else self._selected(asked, wanted)
        return documents_of(self._ordered(asked, columns, asked.where, limit, newest_first), table, wanted)

    def _events(
        self, asked: _Asked, wanted: Sequence[Field] | None, limit: int, newest_first: bool, edge: int | None
    ) -> list[Document]:
        if wanted is None:
            places = self._places.first(asked.where, asked.parameters, limit, newest_first=newest_first, edge=edge)
            held = {document["_id"]: document for document in self._at(places)}
            return [held[place.id] for place in places if place.id in held]
        columns = self._selected(asked, wanted)
        found: list[Document] = []
        for window in self._places.windows(limit, newest_first=newest_first, edge=edge):
            rows = self._ordered(asked, columns, f"{window} AND {asked.where}", limit - len(found), newest_first)
            found += documents_of(rows, asked.table, wanted)
            if len(found) >= limit:
                break
        return found

    def _ordered(self, asked: _Asked, columns: str, where: str, limit: int, newest_first: bool) -> pa.Table:
        table, way = asked.table, "DESC" if newest_first else "ASC"
        order = f"`@timestamp` {way}, {table.tie} {way}, {quote(table.id)} {way}"
        found = self._engine.arrow(
            f"SELECT {columns} FROM {table.source} WHERE {where} ORDER BY {order} LIMIT {limit}", asked.parameters
        )
        return found.rename_columns([name.removesuffix(_KEPT) for name in found.schema.names])

    def stream(
        self, where: Predicate, span: Span = ALL_TIME, *, of: Table = "events", rows: int = SLICE
    ) -> Iterator[pa.RecordBatch]:
        """See `ports.EventReader`: time is cut into pieces of about so many rows, each ordered by itself."""
        table = TABLES[of]
        columns = self._listed(of, datasets_of(where))
        order = f"ORDER BY `@timestamp`, {table.tie}, {quote(table.id)} {STREAMED}"
        for piece in self._pieces(table, where, span, rows):
            asked = self._asked(table, where, piece)
            found = self._engine.arrow(
                f"SELECT {columns} FROM {table.source} WHERE {asked.where} {order}", asked.parameters
            )
            yield from _cast(found, table).to_batches(max_chunksize=rows)

    def count(self, where: Predicate, span: Span = ALL_TIME, *, of: Table = "events") -> int:
        """See `ports.EventReader`."""
        asked = self._asked(TABLES[of], where, span)
        sql = f"SELECT count() FROM {asked.table.source} WHERE {asked.where}"
        return int(self._engine.rows(sql, asked.parameters)[0][0])

    def histogram(
        self, where: Predicate, span: Span, *, of: Table = "events", buckets: int = 60, by: str | None = None
    ) -> Histogram:
        """See `ports.EventReader`. With `by`, series "" counts what has none of the ten commonest values."""
        table = TABLES[of]
        start, end = self._bounds(table, where, span)
        buckets = min(max(1, buckets), MOST_BUCKETS)
        width = max(1, -(-(end - start) // buckets))
        buckets = max(1, -(-(end - start) // width))
        asked = self._asked(table, where, Span(start, max(end, start + 1)))
        origin = asked.writer.parameter("Int64", start)
        bucket = f"intDiv(toUnixTimestamp64Micro(`@timestamp`) - {origin}, {asked.writer.parameter('Int64', width)})"
        series, values = "''", []
        if by is not None:
            values = [_spelt(value) for value, _ in self.top(where, by, span, of=of, limit=MOST_SERIES).values]
            read = self.names[of].field(by)
            column = self._only_column(asked, read)
            if column is not None and not column.many and column.kind is Kind.KEYWORD:
                first = f"ifNull({quote(column.name)}, '')"
            else:
                first = f"arrayElement({self._texts(asked, read)}, 1)"
            kept = asked.writer.parameter("Array(String)", values)
            series = f"if({first} IN {kept}, {first}, '')"
        rows = self._engine.rows(
            f"SELECT {series} AS series, {bucket} AS bucket, count() FROM {table.source} WHERE {asked.where}"
            " GROUP BY series, bucket",
            asked.parameters,
        )
        counts: dict[str, list[int]] = {value: [0] * buckets for value in values} or {"": [0] * buckets}
        for name, place, number in rows:
            line = counts.setdefault(str(name), [0] * buckets)
            line[min(int(place), buckets - 1)] += int(number)
        return Histogram(start, width, counts)

    def top(
        self, where: Predicate, field: str, span: Span = ALL_TIME, *, of: Table = "events", limit: int = 10
    ) -> TopValues:
        """See `ports.EventReader`. An event with several values counts for each of them, once."""
        table = TABLES[of]
        asked = self._asked(table, where, span)
        read = self.names[of].field(field)
        limit = max(0, int(limit))
        column = self._only_column(asked, read)
        if column is not None:
            name = quote(column.name)
            present = f"notEmpty({name})" if column.many else f"isNotNull({name})"
            value = f"arrayJoin(arrayDistinct({name}))" if column.many else name
            found = self._engine.arrow(
                f"SELECT {value} AS value, count() AS number FROM {table.source} WHERE {asked.where} AND {present}"
                f" GROUP BY value ORDER BY number DESC, value LIMIT {limit}",
                asked.parameters,
            )
            values = readable(_plain(found.column("value")))
        else:
            texts = self._texts(asked, read)
            found = self._engine.arrow(
                f"SELECT arrayJoin({texts}) AS value, count() AS number FROM {table.source} WHERE {asked.where}"
                f" GROUP BY value ORDER BY number DESC, value LIMIT {limit}",
                asked.parameters,
            )
            values = [_typed(text, read.kind) for text in found.column("value").to_pylist()]
            present = f"notEmpty({texts})"
        total, every = self._engine.rows(
            f"SELECT countIf({present}), count() FROM {table.source} WHERE {asked.where}", asked.parameters
        )[0]
        counts = [int(number) for number in found.column("number").to_pylist()]
        return TopValues(list(zip(values, counts, strict=True)), int(total), int(every) - int(total))

    def by_ids(self, ids: Sequence[str], *, of: Table = "events") -> dict[str, Document]:
        """See `ports.EventReader`."""
        out: dict[str, Document] = {}
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), MOST_IDS):
            part = wanted[start : start + MOST_IDS]
            found = self._at(self._places.of_ids(part)) if of == "events" else self._others_of(part, TABLES[of])
            for document in found:
                out[document["_id"]] = document
        return out

    def _at(self, places: Sequence[Place]) -> list[Document]:
        """The events at these places, in any order."""
        if not places:
            return []
        return documents_of(self._places.rows(places, list(TABLES["events"].columns)), TABLES["events"])

    def _others_of(self, ids: list[str], table: Readable) -> list[Document]:
        names = self._filled(table)
        rows = f"{quote(table.id)} IN {{ids:Array(String)}}"
        own = [name for name in names if name not in TRIAGE_HOT]
        source = with_triage(table.name, own, table.id, rows)
        found = self._engine.arrow(f"SELECT {', '.join(map(quote, names))} FROM {source}", {"ids": ids})
        return documents_of(found, table)

    def _filled(self, table: Readable, datasets: Iterable[str] | None = None) -> list[str]:
        """The columns that a document of these data sets may have."""
        filled = self._known.filled(table.name, datasets)
        always = {table.id, *ALWAYS, *TRIAGE_HOT}
        return [name for name in table.columns if name in filled or name in always]

    def _listed(self, of: Table, datasets: Iterable[str] | None = None) -> str:
        return ", ".join(map(quote, self._filled(TABLES[of], datasets)))

    def present(self, where: Predicate, span: Span = ALL_TIME, *, of: Table = "events") -> dict[str, int]:
        """See `ports.EventReader`: among the newest 10,000 matches."""
        table = TABLES[of]
        asked = self._asked(table, where, span)
        if of == "events":
            edge = None if span.end is None else span.end - 1
            since = self._places.newest_since(asked.where, asked.parameters, SAMPLE, edge=edge)
            if since is not None:
                asked.also(between(since, None))
        # Not out of a subquery: of most columns only what says that there is a value is read.
        names = [name for name in self._filled(table, datasets_of(where)) if name not in MAP]
        counts = ", ".join(
            f"countIf({'notEmpty' if table.columns[name].many else 'isNotNull'}({quote(name)}))" for name in names
        )
        source = f"FROM {table.source} WHERE {asked.where}"
        row = self._engine.rows(f"SELECT {counts} {source}", asked.parameters)[0]
        out = {name: int(number) for name, number in zip(names, row, strict=True) if number}
        keys = self._engine.rows(
            f"SELECT arrayJoin(mapKeys(`{FIELDS}`)) AS name, count() {source} GROUP BY name ORDER BY name",
            asked.parameters,
        )
        for name, number in keys:
            out[str(name)] = out.get(str(name), 0) + int(number)
        return out

    def indexes(self, where: Predicate, span: Span = ALL_TIME, *, of: Table = "events") -> list[Used]:
        """Which indexes a search uses, and how much each leaves to be read."""
        asked = self._asked(TABLES[of], where, span)
        statement = f"SELECT `@timestamp` FROM {asked.table.source} WHERE {asked.where}"
        return indexes_of(self._engine, statement, asked.parameters)

    # ---- within ----

    def _asked(self, table: Readable, where: Predicate, span: Span) -> _Asked:
        sets = self._known.datasets(table.name) if table.name == "events" else None
        spellings = {} if sets is None else {"event.dataset": sets}
        writer = Writer("p", table.columns, self._known.names(table.name), self._lists, FOLDED, spellings)
        if table.name == "events":
            writer.made = _ancestors.MADE
        parts = list(span_condition(writer, span, hours=table.name == "events"))
        parts.append(writer.condition(where))
        return _Asked(table, writer, parts)

    def _after(self, asked: _Asked, after: tuple[int, str], newest_first: bool) -> str:
        table, (moment, last) = asked.table, after
        when = "`@timestamp` = fromUnixTimestamp64Micro({t:Int64}, 'UTC')"
        if table.name == "events":
            when += f" AND {HOUR} = intDiv({{t:Int64}}, {HOURLY})"
        found = self._engine.rows(
            f"SELECT {table.tie} FROM {table.source} WHERE {when} AND {quote(table.id)} = {{i:String}} LIMIT 1",
            {"t": moment, "i": last},
        )
        tie = int(found[0][0]) if found else -1
        sign = "<" if newest_first else ">"
        moment_ = f"fromUnixTimestamp64Micro({asked.writer.parameter('Int64', moment)}, 'UTC')"
        given = asked.writer.parameter
        behind = f"({table.tie}, {quote(table.id)}) {sign} ({given('Int64', tie)}, {given('String', last)})"
        return f"(`@timestamp` {sign} {moment_} OR (`@timestamp` = {moment_} AND {behind}))"

    def _selected(self, asked: _Asked, wanted: Sequence[Field]) -> str:
        columns = asked.table.columns
        needed = {asked.table.id: None, "@timestamp": None}
        keys: dict[str, None] = {}
        for field in wanted:
            for source in field.sources:
                if source.scope is not None:
                    needed.update(dict.fromkeys(name for name in ("event.dataset", "event.code") if name in columns))
                if source.name in columns:
                    needed[source.name] = None
                if not source.hot and asked.writer.readable(source):
                    keys[source.name] = None
        listed = [quote(name) for name in needed if name not in MAP]
        if keys:
            given = asked.writer.parameter("Array(String)", list(keys))
            # Under another name: WHERE would take an alias for the column, and test what is left of the map.
            listed += [f"mapFilter((k, v) -> k IN {given}, `{name}`) AS `{name}{_KEPT}`" for name in (FIELDS, TYPES)]
        return ", ".join(listed)

    def _only_column(self, asked: _Asked, field: Field) -> Column | None:
        """The one hot column that has all values of a field, if that is so."""
        sources = [source for source in asked.writer.sources(field) if asked.writer.readable(source)]
        if len(sources) != 1 or not sources[0].hot or sources[0].scope is not None:
            return None
        column = asked.table.columns[sources[0].name]
        return None if column.name in MAP else column

    def _texts(self, asked: _Asked, field: Field) -> str:
        """All values of a field as texts, each once, in SQL."""
        parts = []
        for source in asked.writer.sources(field):
            if not asked.writer.readable(source):
                continue
            if source.hot:
                column = asked.table.columns[source.name]
                values = _texts_of(column)
            else:
                values = asked.writer.map_values(source.name)
            scope = asked.writer.scope(source.scope)
            parts.append(values if scope is None else f"if({scope}, {values}, CAST([], 'Array(String)'))")
        if not parts:
            return "CAST([], 'Array(String)')"
        return f"arrayDistinct(arrayConcat({', '.join(parts)}))"

    def _bounds(self, table: Readable, where: Predicate, span: Span) -> tuple[int, int]:
        """The span with its open ends closed by the first and the last match."""
        start, end = span
        if start is None or end is None:
            asked = self._asked(table, where, span)
            low, high, number = self._engine.rows(
                "SELECT toUnixTimestamp64Micro(min(`@timestamp`)), toUnixTimestamp64Micro(max(`@timestamp`)), count()"
                f" FROM {table.source} WHERE {asked.where}",
                asked.parameters,
            )[0]
            if not number:
                low, high = (start or (end or 1) - 1), (end or (start or 0) + 1) - 1
            start = int(low) if start is None else start
            end = int(high) + 1 if end is None else end
        return start, max(end, start + 1)

    def _pieces(self, table: Readable, where: Predicate, span: Span, rows: int) -> Iterator[Span]:
        """The span in pieces of about so many matches, in order; one is larger only where a single µs is."""
        found = self.histogram(where, span, of=table.name, buckets=1024)
        counts = found.counts[""]
        low = held = 0
        for place, number in enumerate([*counts, 0]):
            last = place == len(counts)
            if held and (last or held + number > rows):
                piece = Span(found.start + low * found.width, found.start + place * found.width)
                if held > rows and found.width > 1:
                    yield from self._pieces(table, where, piece, rows)  # one bucket: at most six deep, from years to µs
                else:
                    yield piece
                held = 0
            if not held:
                low = place
            held += number


@dataclass(slots=True)
class _Asked:
    """The condition of one search, with the writer that has its parameters."""

    table: Readable
    writer: Writer
    parts: list[str]

    def also(self, condition: str) -> None:
        self.parts.append(condition)

    @property
    def where(self) -> str:
        return " AND ".join(f"({part})" for part in self.parts) or "1"

    @property
    def parameters(self) -> dict[str, Any]:
        return self.writer.parameters


def span_condition(writer: Writer, span: Span, *, hours: bool) -> Iterator[str]:
    """A span on `@timestamp`, and on the hour that the sort key has."""
    for bound, sign in ((span.start, ">="), (span.end, "<")):
        if bound is None:
            continue
        micros = min(max(bound, -(2**62)), 2**62)
        yield f"`@timestamp` {sign} fromUnixTimestamp64Micro({writer.parameter('Int64', micros)}, 'UTC')"
        if hours:
            # -1: an intDiv of a time before 1970 cuts towards zero.
            hour = micros // HOURLY - 1 if sign == ">=" else -(-micros // HOURLY)
            yield f"{HOUR} {'>=' if sign == '>=' else '<='} {writer.parameter('Int64', hour)}"


def datasets_of(where: Predicate) -> set[str] | None:
    """The data sets, in whatever case, that a match must be of, where the predicate says so; None: any."""
    for item in where.items if isinstance(where, And) else (where,):
        if isinstance(item, Test) and isinstance(item.op, Equals):
            sources = item.field.sources
            if len(sources) == 1 and sources[0] == Source("event.dataset", True):
                return {str(value) for value in item.op.values}
    return None


def documents_of(found: pa.Table, table: Readable, wanted: Sequence[Field] | None = None) -> list[Document]:
    """Rows as documents with their `_id`; of `wanted` fields only, under the names that were asked for."""
    documents = to_documents(found)
    for document in documents:
        document["_id"] = document[table.id]
        if table.name != "events":
            for name, blank in BLANK.items():
                if document.get(name) == blank:
                    del document[name]
    if wanted is None:
        return documents
    return [_projected(document, table, wanted) for document in documents]


def _projected(document: Document, table: Readable, wanted: Sequence[Field]) -> Document:
    out: Document = {"_id": document["_id"]}
    for field in wanted:
        for source in field.sources:
            value = document.get(source.name)
            if value is None or not _within(document, source):
                continue
            held = out.setdefault(field.name, value)
            if held != value:
                known = held if isinstance(held, list) else [held]
                out[field.name] = known + [v for v in (value if isinstance(value, list) else [value]) if v not in known]
    return out


def _within(document: Document, source: Source) -> bool:
    scope = source.scope
    if scope is None:
        return True
    if scope.datasets and document.get("event.dataset") not in scope.datasets:
        return False
    return not scope.codes or document.get("event.code") in scope.codes


def _cast(found: pa.Table, table: Readable) -> pa.Table:
    """All columns, those that weren't read being empty, as the batch's own types: the store has dictionaries and
    not-null lists of its own."""
    schema = pa.schema([pa.field(name, column.arrow) for name, column in table.columns.items()])
    read = set(found.schema.names)
    columns = []
    for field in schema:
        if field.name not in read:
            columns.append(pa.nulls(found.num_rows, field.type))
            continue
        column = found.column(field.name)
        if column.type != field.type:
            if pa.types.is_dictionary(column.type) and not pa.types.is_dictionary(field.type):
                column = column.cast(field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
            elif pa.types.is_dictionary(field.type) and not pa.types.is_dictionary(column.type):
                column = column.cast(pa.string()).dictionary_encode()
            column = column.cast(field.type)
        columns.append(column)
    return pa.table(columns, schema=schema)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _texts_of(column: Column) -> str:
    name = quote(column.name)
    one = "x" if column.many else name
    match column.kind:
        case Kind.IP:
            text = ip_text(one)
        case Kind.DATE:
            text = date_text(one)
        case Kind.KEYWORD | Kind.TEXT:
            text = f"CAST({one}, '{'String' if column.many else 'Nullable(String)'}')"
        case _:
            text = f"toString({one})"
    if column.many:
        return f"arrayMap(x -> {text}, {name})"
    return f"if(isNull({name}), CAST([], 'Array(String)'), [ifNull({text}, '')])"


def _typed(text: str, kind: Kind) -> Any:
    match kind:
        case Kind.LONG | Kind.DOUBLE:
            return restored(text, "number")
        case Kind.BOOLEAN:
            return restored(text, "boolean")
    return text


def _spelt(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
