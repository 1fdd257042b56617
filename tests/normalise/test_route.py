"""Routes: which stream reads a record, by the strongest evidence that it shows."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.errors import PluginError
from tocsin.event.records import Origin, Records
from tocsin.lang.fields import Alias
from tocsin.normalise import Claim, Normalised, Product, StreamInfo
from tocsin.normalise._route import Router, index_dataset

REST = (Claim(rest="document"), Claim(rest="text"), Claim(rest="syslog"))


class Claiming:
    """A product of one stream a claim: a, b, …"""

    aliases: tuple[Alias, ...] = ()

    def __init__(self, name: str, **streams: tuple[Claim, ...]) -> None:
        self.name: str = name
        self.streams: tuple[StreamInfo, ...] = tuple(
            StreamInfo(stream, f"{name}.{stream}", claims) for stream, claims in streams.items()
        )

    def normalise(self, stream: str, records: Records) -> Normalised:
        raise AssertionError


def router(**products: Product) -> Router:
    return Router({"rest": Claiming("rest", any=REST), **products})


def names(*values: str) -> frozenset[str]:
    return frozenset(values)


ONE = router(
    x=Claiming(
        "x",
        channel=(Claim(channel=names("Security")),),
        channels=(Claim(channel=names("*")),),
        zeek=(Claim(zeek=names("conn")),),
        keys=(Claim(keys=names("ts", "uid")),),
        path=(Claim(path="conn*.log"),),
        folder=(Claim(path="web/*.log"),),
        program=(Claim(program=names("kernel")),),
        firewall=(Claim(program=names("kernel"), first=r".*\bIN="),),
        first=(Claim(first=r"CEF:\d"),),
    )
)


@pytest.mark.parametrize(
    ("document", "origin", "stream"),
    [
        ({"event": {"dataset": "x.zeek"}, "winlog": {"channel": "Security"}}, {}, "x.zeek"),
        ({"event.dataset": "x.zeek"}, {}, "x.zeek"),
        ({"data_stream": {"dataset": "x.zeek"}}, {}, "x.zeek"),
        ({"fileset": {"name": "zeek"}, "event": {"module": "x"}}, {}, "x.zeek"),
        ({"winlog": {"channel": "security"}}, {}, "x.channel"),
        ({"Channel": "Security"}, {}, "x.channel"),
        ({"log_name": "Security"}, {}, "x.channel"),
        ({"Event": {"System": {"Channel": "Security"}}}, {}, "x.channel"),
        ({"Channel": "Acme/Operational"}, {}, "x.channels"),
        ({"_path": "conn", "ts": 1, "uid": 2}, {}, "x.zeek"),
        ({"ts": 1, "uid": 2}, {"path": "/var/web/a.log"}, "x.keys"),
        ({"ts": 1}, {"path": "C:\\logs\\CONN_7.log"}, "x.path"),
        ({"message": "y"}, {"path": "/var/web/a.log"}, "x.folder"),
        ({"message": "Jun  1 00:00:00 h kernel: eth0 up"}, {"path": "conn.log"}, "x.program"),
        ({"message": "Jun  1 00:00:00 h kernel: IN=eth0"}, {}, "x.firewall"),
        ({"message": "<13>Jun  1 00:00:00 h CEF:0|a"}, {}, "x.first"),
        ({"message": "CEF:0|a"}, {}, "x.first"),
        ({"message": "CEF:0|a", "agent": {"type": "filebeat"}, "log": {"offset": 3}}, {}, "x.first"),
        ({"message": "CEF:0|a", "user": "x"}, {}, "rest.any"),
        ({"event": {"dataset": 7}, "winlog": [], "log": "x", "_path": {}}, {}, "rest.any"),
    ],
)
def test_the_strongest_evidence_decides(document: dict[str, Any], origin: dict[str, Any], stream: str) -> None:
    assert [".".join(route) for route in ONE.claimants(document, Origin("file", **origin))] == [stream]
    assert ".".join(ONE.route(document, Origin("file", **origin))) == stream
    assert ".".join(ONE.route(document, Origin("file", **origin))) == stream  # from its cache


def test_an_index_names_a_data_set() -> None:
    assert ".".join(ONE.route({"a": 1}, Origin("bulk"), "logs-x.zeek-default")) == "x.zeek"
    assert index_dataset(".ds-logs-x.zeek-default-2024.06.10-000001") == "x.zeek"
    assert index_dataset("winlogbeat-8.1") is None
    assert index_dataset("logs-x.zeek") is None


def test_two_products_that_claim_a_record_are_both_named() -> None:
    both = router(one=Claiming("one", s=(Claim(keys=names("a")),)), two=Claiming("two", s=(Claim(keys=names("b")),)))
    assert both.claimants({"a": 1, "b": 1}, Origin("file")) == [("one", "s"), ("two", "s")]


def test_the_claim_that_says_more_wins() -> None:
    more = router(one=Claiming("one", s=(Claim(first="a"),)), two=Claiming("two", s=(Claim(first="a", path="b*.log"),)))
    assert more.claimants({"message": "abc"}, Origin("file")) == [("one", "s")]
    assert more.claimants({"message": "abc"}, Origin("file", path="/x/b1.log")) == [("two", "s")]


def test_somebody_must_take_what_nobody_claims() -> None:
    with pytest.raises(PluginError, match="nobody claims"):
        Router({}).route({"a": 1}, Origin("file"))
