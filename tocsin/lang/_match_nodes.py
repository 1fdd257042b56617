"""The algebra of the matcher: bit sets over the rows of a batch, and the nodes of a predicate over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tocsin.lang.ir import Compare, Field, InList, IsNull, Truth

Found = npt.NDArray[np.int32]
Bits = int  # row r is bit r


class Run(Protocol):
    """What nodes ask of the batch: the rows of each test that was met, and the rest when it is needed."""

    full: Bits
    met: dict[int, Bits]
    once: dict[int, Bits]

    def exists(self, field: Field) -> Bits:
        """The rows where a field has a value."""

    def in_list(self, node: InList) -> Bits:
        """The rows where a value is listed."""

    def row_by_row(self, predicate: Compare | Truth | IsNull, mask: Bits) -> Bits:
        """The rows of `mask` where an expression holds."""


def bits_of(rows: npt.NDArray[Any], n: int) -> Bits:
    """Row numbers as a bit set."""
    if len(rows) < 12:
        bits = 0
        for row in rows.tolist():
            bits |= 1 << row
        return bits
    flags = np.zeros(n, np.bool_)
    flags[rows] = True
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def rows_of(bits: Bits, n: int) -> Found:
    """A bit set as ascending row numbers."""
    packed = np.frombuffer(bits.to_bytes((n + 7) // 8, "little"), np.uint8)
    return np.flatnonzero(np.unpackbits(packed, bitorder="little")).astype(np.int32)


# ---- the nodes: each gives those rows of `mask` where it holds

Node = Callable[[Run, Bits], Bits]


def everything(run: Run, mask: Bits) -> Bits:
    return mask


def nothing(run: Run, mask: Bits) -> Bits:
    return 0


def met(test: int, run: Run, mask: Bits) -> Bits:
    return mask & run.met.get(test, 0)


def exists(field: Field, run: Run, mask: Bits) -> Bits:
    return mask & run.exists(field)


def not_(item: Node, run: Run, mask: Bits) -> Bits:
    return mask ^ item(run, mask)


def and_(items: tuple[Node, ...], run: Run, mask: Bits) -> Bits:
    for item in items:
        mask = item(run, mask)
        if not mask:
            return 0
    return mask


def or_(items: tuple[Node, ...], run: Run, mask: Bits) -> Bits:
    found = 0
    rest = mask
    for item in items:
        here = item(run, rest)
        if here:
            found |= here
            rest ^= here
            if not rest:
                break
    return found


def once(node: Node, number: int, run: Run, mask: Bits) -> Bits:
    bits = run.once.get(number)
    if bits is None:
        bits = run.once[number] = node(run, run.full)
    return bits & mask


def in_list(node: InList, run: Run, mask: Bits) -> Bits:
    return mask & run.in_list(node)


def row_by_row(predicate: Compare | Truth | IsNull, run: Run, mask: Bits) -> Bits:
    return run.row_by_row(predicate, mask)
