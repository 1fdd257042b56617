"""IP addresses as 16 bytes, IPv4 in ::ffff:0:0/96, so that one column and one comparison serve both.

A network is a pair of bounds: `low <= address <= high`, in SQL and in the matcher.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

_MAPPED: Final = b"\0" * 10 + b"\xff\xff"


@lru_cache(maxsize=65536)
def packed(text: str) -> bytes | None:
    """The 16 bytes of an address as a source writes it (zone dropped, brackets allowed), or None."""
    if len(text) > 64:
        return None
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return _MAPPED + address.packed if address.version == 4 else address.packed


@lru_cache(maxsize=65536)
def text(address: bytes) -> str:
    """The usual spelling of 16 bytes; IPv4 without its prefix."""
    if address.startswith(_MAPPED):
        return str(ipaddress.IPv4Address(address[12:]))
    return str(ipaddress.IPv6Address(address))


def bounds(network: str) -> tuple[bytes, bytes] | None:
    """First and last address of a CIDR block (host bits allowed), or None where it is none."""
    try:
        block = ipaddress.ip_network(network.strip(), strict=False)
    except ValueError:
        return None
    first, last = block.network_address.packed, block.broadcast_address.packed
    return (_MAPPED + first, _MAPPED + last) if block.version == 4 else (first, last)
