"""The whole way: one batch in input order, nothing lost whatever a product does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from tocsin.errors import PluginError, UsageError
from tocsin.event import records as event_records
from tocsin.event.batch import BatchBuilder
from tocsin.event.document import to_documents
from tocsin.event.records import Chunk, Format, Frame, Origin, Records, Rejected
from tocsin.event.schema import SCHEMA
from tocsin.lang.fields import Alias
from tocsin.normalise import Claim, Normalised, Product, StreamInfo
from tocsin.normalise import _run as run
from tocsin.normalise._run import Normaliser, normalise_file
from tocsin.ports import PROCESS_SCHEMA

ARRIVAL = 1_718_100_000_000_000


class Letters:
    """Takes documents; refuses {"n": "bad"}, fails on {"n": "bug"}, knows {"n": "own"} by an id of its own."""

    name: str = "letters"
    aliases: tuple[Alias, ...] = (Alias("n", "event.action"),)
    streams: tuple[StreamInfo, ...] = (
        StreamInfo("one", "letters.one", (Claim(rest="document"), Claim(rest="text"))),
        StreamInfo("two", "letters.two", (Claim(keys=frozenset({"two"})),)),
    )

    def normalise(self, stream: str, records: Records) -> Normalised:
        names = [document.get("n") for document in records.documents]
        if "bug" in names:
            raise RuntimeError("\x1b[31mbug")
        kept = [row for row, name in enumerate(names) if name != "bad"]
        builder = BatchBuilder(len(kept))
        builder.put("event.action", [names[row] for row in kept])
        builder.constant("event.dataset", f"letters.{stream}")
        builder.put("tocsin.id", ["mine" if names[row] == "own" else None for row in kept])
        rejected = [Rejected(row, "it is bad: x") for row, name in enumerate(names) if name == "bad"]
        return Normalised(builder.finish(), rejected)

    def processes(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        events = batch.column("tocsin.id").to_pylist()
        return pa.RecordBatch.from_pylist([{"event": event} for event in events], schema=PROCESS_SCHEMA)


product: Product = Letters()


def frames(*payloads: bytes, format_: Format = "ndjson", **origin: str) -> list[Frame]:
    return [
        Frame(3, place, ARRIVAL + place, Chunk(format_, payload, Origin("bulk", **origin)))  # type: ignore[arg-type]
        for place, payload in enumerate(payloads)
    ]


@pytest.fixture
def normaliser() -> Normaliser:
    return Normaliser({"letters": product})


def test_events_of_all_streams_stand_in_input_order(normaliser: Normaliser) -> None:
    result = normaliser.run(
        frames(b'{"n":"a"}\n{"n":"b","two":1}\n{\n{"n":"bad"}\n', b'{"n":"c"}\n', b'{"n":"d","two":1}')
    )
    batch = result.batch
    assert batch.column("event.action").to_pylist() == ["a", "b", None, None, "c", "d"]
    assert batch.column("tocsin.position").to_pylist() == [0, 0, 0, 0, 1, 2]
    assert batch.column("tocsin.record").to_pylist() == [0, 1, 2, 3, 0, 0]
    assert batch.column("event.dataset").to_pylist() == [
        "letters.one",
        "letters.two",
        "tocsin.unparsed",
        "tocsin.unparsed",
        "letters.one",
        "letters.two",
    ]
    assert batch.column("error.message").to_pylist()[3] == "it is bad: x"
    assert set(batch.column("tocsin.lane").to_pylist()) == {3}
    assert batch.column("@timestamp").null_count == 0
    assert result.processes.column("event").to_pylist() != []
    assert set(result.processes.column("event").to_pylist()) <= set(batch.column("tocsin.id").to_pylist())


def test_the_same_frames_give_the_same_batch(normaliser: Normaliser) -> None:
    sent = frames(b'{"n":"a"}\n{"n":"bad"}', b'{"n":"b","two":1}')
    assert normaliser.run(sent).batch.equals(normaliser.run(sent).batch)


def test_a_product_may_know_a_record_by_what_it_is(normaliser: Normaliser) -> None:
    ids = normaliser.run(frames(b'{"n":"own"}\n{"n":"x"}')).batch.column("tocsin.id").to_pylist()
    assert ids[0] == "mine"
    assert len(ids[1]) == 32


def test_a_product_that_fails_loses_the_one_record(normaliser: Normaliser, caplog: pytest.LogCaptureFixture) -> None:
    lines = [b'{"n":"%d"}' % i for i in range(9)]
    lines[5] = b'{"n":"bug"}'
    batch = normaliser.run(frames(b"\n".join(lines))).batch
    assert batch.column("event.action").to_pylist() == ["0", "1", "2", "3", "4", None, "6", "7", "8"]
    reason = batch.column("error.message").to_pylist()[5]
    assert reason == "letters.one failed: RuntimeError: '\\x1b[31mbug'"
    assert caplog.records


def test_documents_of_too_many_names_are_read_in_smaller_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_records, "MAX_CELLS", 200)
    lines = [b'{"n%d":1,"m%d":2,"k%d":3}' % (i, i, i) for i in range(40)]
    batch = Normaliser().run(frames(b"\n".join(lines))).batch
    assert batch.num_rows == 40
    assert "tocsin.unparsed" not in batch.column("event.dataset").to_pylist()
    assert batch.column("tocsin.record").to_pylist() == list(range(40))


def test_originals_are_kept_or_not_and_always_for_the_unparsed() -> None:
    sent = frames(b'{"n":"a"}\n{"n":"bad"}')
    kept = Normaliser({"letters": product}).run(sent).batch.column("event.original").to_pylist()
    left = Normaliser({"letters": product}, keep_original=False).run(sent).batch.column("event.original").to_pylist()
    assert kept == ['{"n":"a"}', '{"n":"bad"}']
    assert left == [None, '{"n":"bad"}']


def test_health_counts_by_data_set_and_sender(normaliser: Normaliser) -> None:
    sent = frames(b'{"n":"a"}\n{"n":"bad"}\n{"n":"bad"}', key="k1") + frames(b'{"n":"c"}', peer="10.0.0.1")
    health = normaliser.run(sent).health
    assert {pair: each.events for pair, each in health.items()} == {
        ("letters.one", "k1"): 1,
        ("letters.one", "10.0.0.1"): 1,
        ("tocsin.unparsed", "k1"): 2,
    }
    assert health["tocsin.unparsed", "k1"].unparsed == {"it is bad": 2}
    assert health["letters.one", "k1"].bytes == len('{"n":"a"}')


def test_health_counts_what_comes_late_by_its_own_source(normaliser: Normaliser) -> None:
    normaliser.run(frames(b'{"n":"a"}', key="k1") + frames(b'{"n":"a"}', key="k2"))
    marks = normaliser._marks
    assert marks.late(("letters.one", "k1"), np.array([0]), 0) == 1
    assert marks.late(("letters.one", "k3"), np.array([0]), 0) == 0


def test_bytes_that_were_replaced_are_tagged() -> None:
    batch = Normaliser().run(frames(b"caf\xe9\ncaf\xc3\xa9", format_="lines")).batch
    assert batch.column("tags").to_pylist() == [["invalid_utf8"], []]


def test_nothing_in_gives_nothing_out(normaliser: Normaliser) -> None:
    for sent in ([], frames(b""), frames(b"\n \n")):
        result = normaliser.run(sent)
        assert result.batch.num_rows == result.processes.num_rows == 0
        assert result.batch.schema.equals(SCHEMA)


def test_records_of_files_are_numbered_through_all_chunks(normaliser: Normaliser) -> None:
    def chunk(path: str, *lines: str, record: int | None = None) -> Chunk:
        return Chunk("ndjson", "\n".join(lines).encode(), Origin("file", path=path, record=record))

    chunks: Sequence[Chunk] = [
        chunk("a", '{"n":"1"}', "{", '{"n":"2"}'),
        chunk("a", "", '{"n":"3"}'),
        chunk("b", '{"n":"bad"}'),
        chunk("a", '{"n":"9"}', record=9),
    ]
    found = list(normalise_file(chunks, normaliser=normaliser, arrival=ARRIVAL))
    assert [(each.path, each.records) for each in found] == [("a", [0, 1, 2]), ("a", [3]), ("b", [0]), ("a", [9])]
    assert [document.get("event.action") for each in found for document in to_documents(each.batch)] == [
        "1",
        None,
        "2",
        "3",
        None,
        "9",
    ]
    (named,) = normalise_file(chunks[:1], "letters.two", normaliser=normaliser)
    assert named.batch.column("event.dataset").to_pylist() == ["letters.two", "tocsin.unparsed", "letters.two"]
    with pytest.raises(UsageError):
        list(normalise_file(chunks, "nosuch.stream", normaliser=normaliser))


def test_a_file_without_a_product_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.registry.plugins", lambda package: {"empty": run})
    with pytest.raises(PluginError, match="it has no PRODUCT"):
        run.products()


def test_all_products_aliases_and_streams_are_told() -> None:
    everything = Normaliser()
    assert everything.aliases
    assert all("." in name for name in everything.streams)


@pytest.mark.parametrize(
    "dataset", ["zeek.http", "nginx.access", "iptables.log", "windows.sysmon_operational", "nginx.error"]
)
def test_a_document_that_was_mapped_before_keeps_its_data_set(dataset: str) -> None:
    normaliser = Normaliser()

    def read(document: dict[str, Any], product: str | None = None) -> list[str]:
        line = Chunk("ndjson", orjson.dumps(document), Origin("scan", product=product))
        return list(
            normaliser.run([Frame(0, 0, 1_718_100_000_000_000, line)]).batch.column("event.dataset").to_pylist()
        )

    named = {
        "event.dataset": dataset,
        "@timestamp": "2026-01-01T00:00:00Z",
        "message": "of no format",
        "host.name": "h",
    }
    assert read({**named, "source": {"ip": "10.0.0.1"}}) == [dataset]
    assert read({**named, "event.outcome": "failure"}) == [dataset]
    assert read({**named, "log": {"level": "error"}}) == [dataset]
    assert read(named) == ["tocsin.unparsed"]
    assert read({**named, "source": {"ip": "10.0.0.1"}}, "zeek.http") == ["tocsin.unparsed"]
