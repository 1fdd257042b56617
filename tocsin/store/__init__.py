"""The column store: events, hits, alerts, incidents and processes, in chDB or on a ClickHouse server.

`open(address)` gives a `Store`, which fulfils the ports `EventReader`, `AlertStore` and `EntityReader` and takes the
worker's stretches. One SQL serves both engines; all of it goes through clickhouse-connect.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tocsin.lang.fields import Alias
from tocsin.lang.lists import Rows
from tocsin.store._alerts import Alerts
from tocsin.store._care import Care, Size
from tocsin.store._engine import Engine, Memory, connect
from tocsin.store._entities import Entities
from tocsin.store._hits import Hits
from tocsin.store._migrate import migrate
from tocsin.store._names import Known
from tocsin.store._read import Reader
from tocsin.store._write import Inserted, Writer

__all__ = ["Inserted", "Memory", "Size", "Store", "open"]


class Store(Reader, Alerts, Entities):
    """The store at one address. Safe from many threads; close it, or use it in `with`.

    `hits` reads hits for the state stage.
    """

    def __init__(self, engine: Engine, aliases: Iterable[Alias] = (), lists: Rows | None = None) -> None:
        known = Known(engine)
        Reader.__init__(self, engine, known, aliases, lists)
        Alerts.__init__(self, engine, known)
        self.hits = Hits(engine)
        self._writer = Writer(engine, known)
        self._care = Care(engine)

    def insert(
        self,
        token: str,
        events: pa.RecordBatch | None,
        hits: pa.RecordBatch | None = None,
        processes: pa.RecordBatch | None = None,
    ) -> Inserted:
        """Stores what came of a stretch; see `Writer.insert`."""
        return self._writer.insert(token, events, hits, processes)

    def unseen(self, events: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """True for each event that the store has not, the first of equal ids within the batch only."""
        return self._writer.unseen(events)

    def known_names(self) -> Sequence[str]:
        """Names outside the hot columns that events have had, for completion; empty where there are too many."""
        return sorted(self._known.names("events") or ())

    def size(self) -> dict[str, Size]:
        """Rows, bytes on disk and parts, by table."""
        return self._care.size()

    def expire(self, months: int, now: int | None = None) -> list[str]:
        """Drops partitions older than so many months; their names."""
        dropped = self._care.expire(months, now)
        if dropped:
            self._writer.forget()
        return dropped

    def pace(self, behind: bool) -> None:
        """Say, each second or so, whether events wait to be stored: merging waits for them then, within a bound."""
        self._care.pace(behind)

    def merging(self) -> int:
        """How many merges run now."""
        return self._care.merging()

    def settle(self) -> None:
        """Merges everything now."""
        self._care.settle()

    def close(self) -> None:
        """Gives the engine back."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open(  # noqa: A001  # it is what one does with a store, and it is called as store.open
    address: str,
    *,
    memory: Memory | None = None,
    aliases: Iterable[Alias] = (),
    lists: Rows | None = None,
) -> Store:
    """The store at `chdb:///folder` or `clickhouse(s)://user:password@host:port/database`, its tables brought up to
    this version. `aliases` are the products', `lists` has the lists that rules use (`ports.Lists`).

    Raises `ConfigError` where the address can't be had, another process has the folder, or a later version made it.
    """
    engine = connect(address, memory)
    try:
        migrate(engine)
        return Store(engine, aliases, lists)
    except BaseException:
        engine.close()
        raise
