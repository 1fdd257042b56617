"""How far each source has come, so that what it sends late can be counted (DESIGN section 6, "Watermark")."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tocsin.event.time import SECOND

# A clock that runs ahead takes its source no further than this past arrival; and so far behind is not yet late.
AHEAD: Final = 300 * SECOND
MOST: Final = 10_000


class Marks:
    """The latest event time of each (dataset, sender); at most `MOST` sources, those longest silent are forgotten."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held: OrderedDict[tuple[str, str], int] = OrderedDict()

    def late(self, source: tuple[str, str], times: npt.NDArray[Any], arrival: int) -> int:
        """How many of these event times (µs) lie more than five minutes behind what the source sent before them; then
        it has come as far as the latest of them."""
        mark = self._held.pop(source, None)
        latest = min(int(times.max()), arrival + AHEAD)
        self._held[source] = latest if mark is None else max(mark, latest)
        if len(self._held) > self._most:
            self._held.popitem(last=False)
        return 0 if mark is None else int(np.count_nonzero(times < mark - AHEAD))
