"""Addresses as 16 bytes: one form for both families, and nothing that isn't an address."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event import ip


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        (" 10.0.0.1 ", "10.0.0.1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::", "::"),
        ("0.0.0.0", "0.0.0.0"),
    ],
)
def test_reads_addresses_as_sources_write_them(text: str, usual: str) -> None:
    packed = ip.packed(text)
    assert packed is not None
    assert len(packed) == 16
    assert ip.text(packed) == usual


@pytest.mark.parametrize(
    "text", ["", "localhost", "256.1.1.1", "1.2.3", "01.2.3.4", "10.0.0.1:80", "1" * 100, "٣.1.1.1"]
)
def test_refuses_what_is_no_address(text: str) -> None:
    assert ip.packed(text) is None


@given(st.ip_addresses())
def test_what_it_packs_it_writes(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    packed = ip.packed(str(address))
    assert packed is not None
    assert ip.packed(ip.text(packed)) == packed


@given(st.text(max_size=100))
def test_never_raises(text: str) -> None:
    ip.packed(text)
    ip.bounds(text)


def test_a_network_is_two_bounds_in_the_same_form() -> None:
    low, high = ip.bounds("10.1.1.1/8") or (b"", b"")
    assert low == ip.packed("10.0.0.0")
    assert high == ip.packed("10.255.255.255")
    assert low <= (ip.packed("::ffff:10.9.9.9") or b"") <= high
    assert ip.bounds("2001:db8::/129") is None
