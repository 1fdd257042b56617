"""Community ID version 1: the same short text for a flow, whichever sensor saw it and whichever side it saw first.

Source: the Community ID flow hashing specification, version 1 (github.com/corelight/community-id-spec), seed 0.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha1
from typing import Final

from tocsin.event import ip

_MAPPED: Final = b"\0" * 10 + b"\xff\xff"
_NUMBERS: Final = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "icmp6": 58, "icmpv6": 58, "sctp": 132}
_PORTS: Final = frozenset({6, 17, 132})
# A message type and its answer; a type without one makes a flow of one direction, which isn't reordered.
_ICMP: Final = {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17, 9: 10, 10: 9}
_ICMP6: Final = {
    128: 129,
    129: 128,
    130: 131,
    131: 130,
    133: 134,
    134: 133,
    135: 136,
    136: 135,
    139: 140,
    140: 139,
    144: 145,
    145: 144,
}

Address = str | bytes | None


def community_ids(
    src: Sequence[Address],
    sport: Sequence[int | None],
    dst: Sequence[Address],
    dport: Sequence[int | None],
    transport: Sequence[str | int | None],
) -> list[str | None]:
    """One id a row. Addresses are texts or 16 bytes (`event.ip`); a transport is its lower-case name or IANA number.

    For ICMP the ports are type and code, as Zeek writes them. A row that lacks an address, the transport or a port
    where the transport has ports has no id.
    """
    return list(map(_cached, src, sport, dst, dport, transport))


def community_id(
    src: Address, sport: int | None, dst: Address, dport: int | None, transport: str | int | None
) -> str | None:
    """The id of one flow, or None."""
    if src is None or dst is None or transport is None:
        return None
    number = transport if isinstance(transport, int) else _NUMBERS.get(transport.lower())
    if isinstance(transport, str) and number is None and transport.isascii() and transport.isdigit():
        number = int(transport[:4])
    here = _bare(src)
    there = _bare(dst)
    if number is None or not 0 <= number <= 255 or here is None or there is None or len(here) != len(there):
        return None
    one_way = False
    has_ports = number in _PORTS or number in (1, 58)
    if has_ports:
        if sport is None or dport is None or not (0 <= sport <= 65535 and 0 <= dport <= 65535):
            return None
        if number in (1, 58):
            answer = (_ICMP if number == 1 else _ICMP6).get(sport)
            one_way = answer is None
            dport = dport if answer is None else answer
    else:
        sport = dport = 0
    if not one_way and (there, dport) < (here, sport):
        here, there, sport, dport = there, here, dport, sport
    data = b"\0\0" + here + there + bytes((number, 0))
    if has_ports:
        data += sport.to_bytes(2, "big") + dport.to_bytes(2, "big")
    return "1:" + b64encode(sha1(data, usedforsecurity=False).digest()).decode()


_cached = lru_cache(maxsize=65536)(community_id)


def _bare(address: Address) -> bytes | None:
    """4 bytes of an IPv4 address, 16 of an IPv6 one."""
    if isinstance(address, str):
        address = ip.packed(address)
    if address is None or len(address) != 16:
        return None
    return address[12:] if address.startswith(_MAPPED) else address
