"""`tocsin.id`: the identity of an event (DESIGN section 3, a contract).

It hashes the first of these that exists: computer + channel + record id + time (Windows); key + index + client `_id`;
Kafka topic + partition + offset; agent or nothing + file fingerprint + offset + raw bytes; journal position. The same
record that comes again, whatever way, has the same id and so shows once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import blake2b

Part = str | int | bytes | None


def event_id(kind: str, *parts: Part) -> str:
    """32 hexadecimal digits from a kind ("windows", "client", "kafka", "file", "journal") and its parts."""
    digest = blake2b(kind.encode(), digest_size=16)
    digest.update(_encoded(parts))
    return digest.hexdigest()


def ids_with(kind: str, *first: Part) -> Callable[..., str]:
    """`event_id(kind, *first, …)` as a function of its last parts, for the many records of one origin."""
    begun = blake2b(kind.encode(), digest_size=16)
    begun.update(_encoded(first))

    def rest(*parts: Part) -> str:
        digest = begun.copy()
        digest.update(_encoded_number(parts[0]) if len(parts) == 1 and type(parts[0]) is int else _encoded(parts))
        return digest.hexdigest()

    return rest


@lru_cache(maxsize=32768)
def _encoded_number(number: int) -> bytes:
    """Record numbers come again in every frame."""
    return _encoded((number,))


def _encoded(parts: Iterable[Part]) -> bytes:
    """Each part after its length, so that no two lists of parts read the same."""
    out = []
    for part in parts:
        if part is None:
            out.append(b"\xff" * 8)
            continue
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        out += (len(data).to_bytes(8, "big"), data)
    return b"".join(out)


def stable_id(*parts: Part | Iterable[Part]) -> str:
    """The hash that alerts, incidents and generations use: the same parts give the same 32 digits anywhere."""
    flat: list[Part] = []
    for part in parts:
        if isinstance(part, (str, int, bytes)) or part is None:
            flat.append(part)
        else:
            items = list(part)
            flat.append(len(items))
            flat.extend(items)
    return event_id("stable", *flat)
