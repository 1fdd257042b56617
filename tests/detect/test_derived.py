"""Columns worked out of an event's own: the client behind trusted proxies, the server that a URL names."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from tocsin.detect._client import Clients
from tocsin.detect._derived import COLUMNS, Derived, server_of
from tocsin.event import ip
from tocsin.event.batch import BatchBuilder
from tocsin.event.document import readable
from tocsin.lang.lists import ListTable


def widened(n: int, **columns: list[Any]) -> pa.RecordBatch:
    builder = BatchBuilder(n)
    for name, values in columns.items():
        dotted = name.replace("__", ".")
        (builder.put if dotted.startswith("tocsin.") else builder.source)(dotted, values)
    derived = Derived(Clients(ListTable({"trusted_proxies": [{"value": "10.20.1.10"}, {"value": "127.0.0.0/8"}]})))
    return derived.widen(builder.finish())


def told(batch: pa.RecordBatch, name: str) -> list[Any]:
    return readable(batch.column(name))


@pytest.mark.parametrize(
    ("text", "address", "domain", "port"),
    [
        ("iwr http://10.20.0.15:8080/x.bat", "10.20.0.15", None, 8080),
        ("http://10.20.0.15:8080@evil.example/x", None, "evil.example", 80),
        ("http://a.example/x https://a.example:80/y", None, "a.example", 80),
        ("http://a.example/x http://b.example/y", None, None, None),
        ("http://a.example/x http://a.example:81/y", None, None, None),
        ("https://[2001:db8::1]/", "2001:db8::1", None, 443),
        ("HTTPS://A.Example./", None, "a.example", 443),
        ("xhttp://10.0.0.1/", "10.0.0.1", None, 80),
        ("gopher://10.0.0.1/", None, None, None),
        ("http://", None, None, None),
        ("no url", None, None, None),
    ],
)
def test_the_server_is_the_parsed_host(text: str, address: str | None, domain: str | None, port: int | None) -> None:
    server = server_of(text)
    assert (ip.text(server.address) if server.address else None, server.domain, server.port) == (address, domain, port)


def test_servers_come_from_requests_to_proxies_command_lines_and_script_blocks() -> None:
    batch = widened(
        4,
        url__original=["http://10.0.0.1:81/x", None, "/plain", None],
        tocsin__canonical__command_line=[None, "iwr http://é.example/", None, None],
        tocsin__canonical__script_block=[None, None, None, "http:/" + "/"],
    )
    assert told(batch, "tocsin.url.ip") == ["10.0.0.1", None, None, None]
    assert told(batch, "tocsin.url.domain") == [None, "é.example", None, None]
    assert told(batch, "tocsin.url.port") == [81, 80, None, None]


def test_what_lies_across_two_texts_is_no_url() -> None:
    batch = widened(2, tocsin__canonical__command_line=["http:", "//10.0.0.1/"])
    assert told(batch, "tocsin.url.ip") == [None, None]


def test_the_client_is_what_a_trusted_proxy_says() -> None:
    header = "http__request__headers__x-forwarded-for"
    batch = widened(
        6,
        source__ip=["10.20.1.10", "10.20.1.10", "203.0.113.9", "10.20.1.10", None, "10.20.1.10"],
        **{header: ["203.0.113.7", "1.2.3.4, 203.0.113.8", "10.0.0.1", None, "203.0.113.7", "203.0.113.7, 127.0.0.1"]},
    )
    assert told(batch, "tocsin.client.ip") == [
        "203.0.113.7",
        "203.0.113.8",
        "203.0.113.9",
        "10.20.1.10",
        None,
        "203.0.113.7",
    ]


def test_behind_a_trusted_proxy_the_documents_own_client_counts() -> None:
    batch = widened(
        5,
        source__ip=["10.20.1.10", "203.0.113.9", None, "10.20.1.10", "10.20.1.10"],
        client__ip=["203.0.113.7", "1.1.1.1", "203.0.113.7", "203.0.113.7", None],
        network__forwarded_ip=[None, None, None, "203.0.113.8", None],
    )
    assert told(batch, "tocsin.client.ip") == [
        "203.0.113.7",
        "203.0.113.9",
        "203.0.113.7",
        "203.0.113.8",
        "10.20.1.10",
    ]


def test_a_hop_may_have_a_port() -> None:
    header = "http__request__headers__x-forwarded-for"
    given = {header: ["203.0.113.7:4711", "[2001:db8::7]:80, 127.0.0.1:81", "2001:db8::8"]}
    assert told(widened(3, source__ip=["10.20.1.10"] * 3, **given), "tocsin.client.ip") == [
        "203.0.113.7",
        "2001:db8::7",
        "2001:db8::8",
    ]


def test_without_anything_to_work_out_all_are_missing() -> None:
    batch = widened(2)
    assert all(told(batch, name) == [None, None] for name in COLUMNS)
    assert widened(0).num_rows == 0


def test_a_slice_of_a_batch_is_read_from_its_place() -> None:
    builder = BatchBuilder(3)
    builder.put("tocsin.canonical.command_line", ["http://10.0.0.1/", "http://10.0.0.2/", "http://10.0.0.3/"])
    derived = Derived(Clients(ListTable({})))
    assert told(derived.widen(builder.finish().slice(1, 2)), "tocsin.url.ip") == ["10.0.0.2", "10.0.0.3"]
