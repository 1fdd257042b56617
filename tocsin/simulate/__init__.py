"""Attack stories and the noise around them, as the real sensors write them; each public file is one story.

A story is a pure function of its seed and its start: the same two give the same records, byte for byte. Addresses are
private ones and those reserved for documentation; nothing is attacked, only written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from tocsin import registry
from tocsin.errors import UsageError, quoted
from tocsin.event.records import Format

# The stories that are told together under one name.
TOGETHER: Final = "demo"
# How long a story takes at most: begin so long before now, and nothing lies in the future.
SPAN: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Emission:
    """One record as its sensor hands it over.

    `raw` is the line or document in `format`, without a line end; `file` where that sensor would write it (a relative
    path); `index` the index that its shipper would name, and `envelope` what the shipper puts around a text line.
    """

    time: datetime
    sensor: str
    format: Format
    raw: bytes
    file: str
    index: str
    envelope: bytes = b""


class Story(Protocol):
    """What a story's file holds as `STORY`."""

    summary: str  # one sentence for `tocsin simulate --help`

    def tell(self, seed: int, start: datetime) -> list[Emission]:
        """All records, in any order, with times in start <= t < start + SPAN."""
        ...


def stories() -> dict[str, str]:
    """Every story's name with its summary, and `demo`, which is all of them together."""
    found = {name: module.STORY.summary for name, module in registry.plugins("tocsin.simulate").items()}
    return {TOGETHER: "all stories together: " + ", ".join(found), **found}


def generate(name: str, *, seed: int, start: datetime) -> Iterator[Emission]:
    """The records of a story (`demo`: of all) in the order of their times. Raises `UsageError` for a name nobody has
    and for a start without a zone."""
    if start.tzinfo is None:
        raise UsageError("a story's start needs a time zone", where="simulate")
    modules = registry.plugins("tocsin.simulate")
    if name != TOGETHER and name not in modules:
        raise UsageError(
            f"no story is called {quoted(name)}", where="simulate", hint="there are " + ", ".join(stories())
        )
    tell: list[Callable[[int, datetime], list[Emission]]] = [
        module.STORY.tell for key, module in modules.items() if name in (TOGETHER, key)
    ]
    found = [emission for each in tell for emission in each(seed, start)]
    return iter(sorted(found, key=lambda emission: (emission.time, emission.sensor, emission.raw)))
