"""Community IDs against the published baseline of the specification (default seed)."""

import pytest

from tocsin.event import ip
from tocsin.event.community_id import community_id, community_ids


@pytest.mark.parametrize(
    ("src", "sport", "dst", "dport", "transport", "expected"),
    [
        ("128.232.110.120", 34855, "66.35.250.204", 80, "tcp", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        ("66.35.250.204", 80, "128.232.110.120", 34855, "tcp", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        ("192.168.1.52", 54585, "8.8.8.8", 53, "udp", "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
        ("8.8.8.8", 53, "192.168.1.52", 54585, 17, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
        ("192.168.0.89", 8, "192.168.0.1", 0, "icmp", "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
        ("192.168.0.1", 0, "192.168.0.89", 8, "icmp", "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
        (
            "fe80::200:86ff:fe05:80da",
            135,
            "fe80::260:97ff:fe07:69ea",
            0,
            "ipv6-icmp",
            "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=",
        ),
        ("192.168.170.8", 7, "192.168.170.56", 7, "sctp", "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="),
    ],
)
def test_gives_the_published_ids(
    src: str, sport: int, dst: str, dport: int, transport: str | int, expected: str
) -> None:
    assert community_id(src, sport, dst, dport, transport) == expected


def test_an_icmp_type_without_an_answer_is_not_reordered() -> None:
    there = community_id("192.168.0.89", 3, "192.168.0.1", 1, "icmp")
    back = community_id("192.168.0.1", 3, "192.168.0.89", 1, "icmp")
    assert there and back and there != back


def test_mapped_ipv4_and_packed_addresses_are_the_same_flow() -> None:
    expected = community_id("10.0.0.1", 1, "10.0.0.2", 2, "tcp")
    assert community_id("::ffff:10.0.0.1", 1, ip.packed("10.0.0.2"), 2, "TCP") == expected


def test_a_transport_without_ports_needs_none() -> None:
    assert community_id("10.0.0.1", None, "10.0.0.2", None, 47) == community_id("10.0.0.2", None, "10.0.0.1", None, 47)


@pytest.mark.parametrize(
    "row",
    [
        (None, 1, "10.0.0.2", 2, "tcp"),
        ("10.0.0.1", None, "10.0.0.2", 2, "tcp"),
        ("10.0.0.1", 1, "10.0.0.2", 70000, "tcp"),
        ("10.0.0.1", 1, "fe80::1", 2, "tcp"),
        ("noon", 1, "10.0.0.2", 2, "tcp"),
        ("10.0.0.1", 1, "10.0.0.2", 2, "quic"),
        ("10.0.0.1", 1, "10.0.0.2", 2, None),
        ("10.0.0.1", 1, "10.0.0.2", 2, 999),
    ],
)
def test_what_is_no_flow_has_no_id(row: tuple[str | None, int | None, str, int, str | int | None]) -> None:
    src, sport, dst, dport, transport = row
    assert community_ids([src], [sport], [dst], [dport], [transport]) == [None]
