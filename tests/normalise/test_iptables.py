"""Packet filter logs: what the kernel says of a packet, and the verdict where the administrator's prefix has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tocsin.normalise import Product, iptables

product: Product = iptables.PRODUCT
Read = Callable[..., list[dict[str, Any]]]
PACKET = (
    "IN=eth0 OUT= MAC=52:54:00:12:34:56:52:54:00:65:43:21:08:00 SRC=203.0.113.7 DST=192.0.2.10 LEN=60 TOS=0x10 "
    "PREC=0x00 TTL=52 ID=4711 DF PROTO=TCP SPT=40112 DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0"
)


def line(prefix: str, packet: str = PACKET) -> str:
    return f"Jun 10 06:13:20 gw1 kernel: {prefix}{packet}"


def test_a_blocked_packet(read: Read) -> None:
    (event,) = read(line("[12345.678901] [UFW BLOCK] "))
    assert event["event.dataset"] == "iptables.log"
    assert (event["source.ip"], event["source.port"], event["source.mac"]) == (
        "203.0.113.7",
        40112,
        "52-54-00-65-43-21",
    )
    assert (event["destination.ip"], event["destination.port"]) == ("192.0.2.10", 22)
    assert event["event.action"] == "block"
    assert event["event.type"] == ["denied", "connection"]
    assert (event["network.transport"], event["network.type"]) == ("tcp", "ipv4")
    assert event["network.community_id"].startswith("1:")
    assert event["observer.name"] == event["host.name"] == "gw1"
    assert event["host.os.type"] == "linux"
    assert (event["iptables.tos"], event["iptables.ttl"], event["iptables.tcp.flags"]) == (16, 52, "SYN")


@pytest.mark.parametrize(
    ("prefix", "action", "types"),
    [
        ("DENY: ", "deny", ["denied", "connection"]),
        ("iptables DROP_INPUT: ", "drop_input", ["denied", "connection"]),
        ("FINAL_REJECT: ", "final_reject", ["denied", "connection"]),
        ("nft-accept: ", "accept", ["allowed", "connection"]),
        ("[wan-lan-5-A]", "accept", ["allowed", "connection"]),
        ("[UFW AUDIT] ", None, ["connection"]),
        ("", None, ["connection"]),
    ],
)
def test_the_verdict_is_the_prefixs_own_word(read: Read, prefix: str, action: str | None, types: list[str]) -> None:
    (event,) = read(line(prefix))
    assert (event.get("event.action"), event["event.type"]) == (action, types)


def test_a_prefix_that_looks_like_a_program(read: Read) -> None:
    (event,) = read("Jan  8 03:37:09 DENY: " + PACKET)
    assert event["event.action"] == "deny"
    assert "host.name" not in event


def test_what_an_icmp_error_quotes_is_not_its_own(read: Read) -> None:
    packet = (
        "IN=eth0 OUT= SRC=192.0.2.71 DST=192.0.2.83 LEN=88 TTL=118 ID=2 PROTO=ICMP TYPE=3 CODE=3 [SRC=192.0.2.83 "
        "DST=198.51.100.1 LEN=60 PROTO=UDP SPT=21458 DPT=62936 LEN=40 ]"
    )
    (event,) = read(line("x ", packet))
    assert (event["source.ip"], event["network.transport"]) == ("192.0.2.71", "icmp")
    assert (event["iptables.icmp.type"], event["iptables.icmp.code"]) == (3, 3)
    assert "source.port" not in event


def test_ipv6_and_numbered_protocols(read: Read) -> None:
    packet = (
        "IN= OUT=eth1 SRC=2001:db8::7 DST=2001:db8::10 LEN=64 TC=0 HOPLIMIT=63 FLOWLBL=123 PROTO=ICMPv6 TYPE=128 CODE=0"
    )
    six, igmp = read(line("", packet), line("", PACKET.replace("PROTO=TCP", "PROTO=2")))
    assert (six["network.type"], six["network.transport"]) == ("ipv6", "ipv6-icmp")
    assert six["network.community_id"]
    assert six["observer.egress.interface.name"] == "eth1"
    assert igmp["network.transport"] == "igmp"


@pytest.mark.parametrize(
    "packet", ["IN=eth0 OUT= SRC=x DST=y SPT=z DPT=99999999999999999999", "IN= OUT= " + "A=" * 9999]
)
def test_wrong_values_lose_nothing(read: Read, packet: str) -> None:
    (event,) = read(line("DROP ", packet), as_="iptables.log")
    assert event["event.action"] == "drop"
    assert "source.port" not in event


def test_says_why_it_cannot_read_a_line(read: Read) -> None:
    (event,) = read("Jun 10 06:13:20 gw1 kernel: eth0: link up", as_="iptables.log")
    assert "IN= was expected" in event["error.message"]
