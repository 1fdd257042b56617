"""The client of a request: the sender's address, or what a trusted proxy says of it (`tocsin.client.ip`).

X-Forwarded-For counts only behind an address of the list `trusted_proxies`: read from the right, the first address
that isn't a trusted proxy itself is the client; without such a header it is the document's own `client.ip`
(https://developer.mozilla.org/docs/Web/HTTP/Headers/X-Forwarded-For#selecting_an_ip_address).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from tocsin.event import ip
from tocsin.ports import Document, Lists

FIELD: Final = "tocsin.client.ip"
LIST: Final = "trusted_proxies"
PEERS: Final = ("source.ip", "client.ip", "source.address")
# From the left; what the document itself calls the client stands before all hops.
FORWARDED: Final = (
    "client.ip",
    "network.forwarded_ip",
    "http.request.headers.x-forwarded-for",
    "http.request.headers.X-Forwarded-For",
)


class Clients:
    """Works out clients by the list of trusted proxies."""

    def __init__(self, lists: Lists) -> None:
        rows = lists.rows(LIST)
        self._trusted = [bounds for row in rows if (bounds := ip.bounds(row.get("value", ""))) is not None]

    def of(self, peers: Iterable[Any], forwarded: Iterable[Any]) -> str | None:
        """The client from the values of the peer's fields and of the forwarded header's; None where none is an
        address."""
        peer = next((p for value in peers if (p := ip.packed(str(value))) is not None), None)
        if peer is None:
            return None
        if self.trusted(peer):
            hops = [hop for value in forwarded for hop in str(value).split(",")]
            for hop in reversed(hops[-64:]):
                address = ip.packed(_without_port(hop.strip()))
                if address is None:
                    break
                if not self.trusted(address):
                    return ip.text(address)
        return ip.text(peer)

    def trusted(self, address: bytes) -> bool:
        """Whether the list holds the address."""
        return any(low <= address <= high for low, high in self._trusted)

    def of_document(self, document: Document) -> str | None:
        """The client of a flat document, which may have been worked out already."""
        if FIELD in document:
            return str(document[FIELD])
        return self.of(_values(document, PEERS), _values(document, FORWARDED))


def _without_port(hop: str) -> str:
    """Some proxies write the client's port as well: `192.0.2.1:4711`, `[2001:db8::1]:4711`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _values(document: Document, names: Sequence[str]) -> list[Any]:
    out: list[Any] = []
    for name in names:
        value = document.get(name)
        out.extend(value if isinstance(value, list) else [] if value is None else [value])
    return out
