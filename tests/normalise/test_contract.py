"""What every product must do, over the folder as it is: none is named here.

A product's samples lie in `samples/PRODUCT.STREAM.ndjson` (or `.log` for lines), as its source writes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow.compute as pc
import pytest

from tocsin.errors import PluginError, UsageError
from tocsin.event.records import Chunk, Format, Frame, Origin, Records
from tocsin.event.schema import SCHEMA
from tocsin.lang.fields import Alias
from tocsin.normalise import Claim, Normalised, Product, StreamInfo
from tocsin.normalise._frames import read as read_frames
from tocsin.normalise._route import Router
from tocsin.normalise._run import Normaliser, products

ARRIVAL = 1_718_100_000_000_000
SAMPLES = sorted((Path(__file__).parent / "samples").iterdir())
PRODUCTS = products()
STREAMS = [(name, info) for name, product in PRODUCTS.items() for info in product.streams]

HOSTILE: list[bytes] = [
    b"",
    b"[]",
    b"null",
    b'"text"',
    b"{}",
    b'{"ts": "noon"}',
    b'{"ts": 1e300}',
    b'{"@timestamp": -1e308, "a": NaN}',
    b'{"ts": true, "uid": []}',
    b"[" * 100_000,
    b'{"a":' * 5_000,
    b'{"a":' * 100 + b"1" + b"}" * 100,
    b'{"ts":1718000000,"id.orig_h":["10.0.0.1",null,{"x":[]}],"id.orig_p":{"a":1},"uid":[[]],"method":1,"uri":["/a"]}',
    b'{"message": null}',
    b'{"message": {"a": 1}}',
    b'{"message": ["a", "b"], "log": 3, "host": "x", "event": "y", "winlog": 3}',
    b'{"message": "\\u0000\\u001b[31mred\\u0007"}',
    b'{"k\xff\xfe": "v\xc3("}',
    b'{"a": "\\ud800", "\\udfff": 1}',
    b'{"a": 123456789012345678901234567890, "b": [{"c": 123456789012345678901234567890}]}',
    b'{"winlog": {"channel": "Security", "event_data": []}, "@timestamp": []}',
    b'{"Channel": "Security", "EventID": {"#text": "x"}}',
    b'{"Event": {"System": null, "EventData": 1}}',
    b'{"event": {"dataset": "zeek.http", "kind": ["a", "b"]}, "zeek": 1}',
    b'{"tocsin.id": "forged", "tocsin": {"alert": {"x": 1}, "id": "y"}}',
    b'{"source": {"ip": "' + b"9" * 70_000 + b'"}}',
    b"\xff\xfe\x00<\x00E\x00",
    b"\x1b]0;owned\x07" + b"A" * 70_000,
    b"<191>1 - - - - - - ",
    b"<999>x",
    b'<13>1 2024-06-10T06:13:20Z h a p m [x y="' + b"\\" * 20_000,
    b"Feb 30 25:61:61 host sshd[x]: Failed password for " + b" from " * 10_000,
    b'1.2.3.4 - - [10/Jun/2024:06:13:20 +0000] "' + b'\\"' * 30_000,
    b"kernel: IN=" + b"IN= OUT= SRC=" * 5_000,
    b"2024/06/10 06:13:20 [error] 1#1: *1 x" + b', client: "' * 5_000,
]


def frames(payloads: list[bytes], format_: Format, product: str | None = None) -> list[Frame]:
    return [
        Frame(0, place, ARRIVAL, Chunk(format_, payload, Origin(way="ingest", product=product)))
        for place, payload in enumerate(payloads)
    ]


@pytest.fixture(scope="module")
def normaliser() -> Normaliser:
    return Normaliser(PRODUCTS)


@pytest.mark.parametrize(("name", "info"), STREAMS, ids=lambda value: value if isinstance(value, str) else value.name)
@pytest.mark.parametrize("format_", ["ndjson", "lines"])
def test_every_record_is_in_the_batch_once_and_in_order(
    normaliser: Normaliser, name: str, info: StreamInfo, format_: Format, caplog: pytest.LogCaptureFixture
) -> None:
    sent = frames(HOSTILE, format_, f"{name}.{info.name}")
    parsed = read_frames(sent)
    result = normaliser.run(sent)
    batch = result.batch
    assert not caplog.records, "a product raised for a record"
    assert batch.schema.equals(SCHEMA)
    batch.validate(full=True)
    assert batch.num_rows == len(parsed)
    positions = list(
        zip(batch.column("tocsin.position").to_pylist(), batch.column("tocsin.record").to_pylist(), strict=True)
    )
    assert positions == sorted(positions)
    for column in ("@timestamp", "tocsin.id", "tocsin.ingested", "tocsin.way"):
        assert batch.column(column).null_count == 0, column
    assert len(set(batch.column("tocsin.id").to_pylist())) == batch.num_rows
    assert batch.column("event.original").to_pylist() == parsed.originals
    assert sum(health.events for health in result.health.values()) == batch.num_rows


@pytest.mark.parametrize("format_", ["ndjson", "lines", "syslog", "bulk", "zeek", "csv", "xml", "evtx"])
def test_hostile_records_are_kept_whatever_they_claim(
    normaliser: Normaliser, format_: Format, caplog: pytest.LogCaptureFixture
) -> None:
    sent = frames(HOSTILE, format_)
    result = normaliser.run(sent)
    assert not caplog.records
    assert result.batch.num_rows == len(read_frames(sent))
    unparsed = result.batch.filter(pc.equal(result.batch.column("event.dataset").cast("string"), "tocsin.unparsed"))
    assert unparsed.column("error.message").null_count == 0
    assert unparsed.column("event.original").null_count == 0


def sample(path: Path) -> tuple[str, Format, list[bytes]]:
    kind: Format = "ndjson" if path.suffix == ".ndjson" else "lines"
    return path.stem, kind, path.read_bytes().splitlines()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_claimed_by_its_stream_alone(normaliser: Normaliser, path: Path) -> None:
    """Two claims on one record: which product reads it would be chance."""
    stream, format_, lines = sample(path)
    for line in lines:
        document: dict[str, Any] = orjson.loads(line) if format_ == "ndjson" else {"message": line.decode()}
        claimants = [".".join(route) for route in normaliser.router.claimants(document, Origin(way="ingest"))]
        assert claimants == [stream], line


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_read_and_says_what_it_is(normaliser: Normaliser, path: Path) -> None:
    stream, format_, lines = sample(path)
    info = normaliser.streams[stream]
    by_itself = normaliser.run(frames(lines, format_)).batch
    named = normaliser.run(frames(lines, format_, stream)).batch
    assert by_itself.equals(named)
    assert by_itself.num_rows == len(lines)
    if not any(claim.rest or "*" in claim.zeek | claim.channel for claim in info.claims):
        assert set(by_itself.column("event.dataset").to_pylist()) == {info.dataset}
    for column in ("event.dataset", "event.module", "event.kind"):
        assert by_itself.column(column).null_count == 0
    assert "tocsin.unparsed" not in by_itself.column("event.dataset").to_pylist()


def test_datasets_and_names_are_unique() -> None:
    names = [f"{name}.{info.name}" for name, info in STREAMS]
    datasets = [info.dataset for _, info in STREAMS]
    assert len(set(names)) == len(names)
    assert len(set(datasets)) == len(datasets)


class Other:
    """A product that claims what it is given."""

    name: str = "other"
    aliases: tuple[Alias, ...] = ()

    def __init__(self, claim: Claim, dataset: str = "other.log") -> None:
        self.streams: tuple[StreamInfo, ...] = (StreamInfo("log", dataset, (claim,)),)

    def normalise(self, stream: str, records: Records) -> Normalised:
        raise AssertionError


X = frozenset({"x"})


@pytest.mark.parametrize("claim", [Claim(dataset=X), Claim(channel=X), Claim(program=X), Claim(zeek=X)])
def test_two_products_that_claim_one_name_are_refused(claim: Claim) -> None:
    one: Product = Other(claim, "one.log")
    two: Product = Other(claim, "two.log")
    with pytest.raises(PluginError, match=r"one\.log and two\.log both claim 'x'"):
        Router({"one": one, "two": two})


def test_an_unknown_name_says_what_there_is(normaliser: Normaliser) -> None:
    with pytest.raises(UsageError, match="no product is called 'nosuch'"):
        normaliser.router.named("nosuch.log")
    name, info = STREAMS[0]
    with pytest.raises(UsageError, match=f"it has .*{info.name}"):
        normaliser.router.named(f"{name}.nosuch")
