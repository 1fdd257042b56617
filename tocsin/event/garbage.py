"""Python's search for cycles of garbage, switched off while many small objects without any are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Work whose objects go by themselves: documents of a batch, rules. Looking for cycles among them takes up to a
    third of the time. What the work leaves is looked at afterwards, as always."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
