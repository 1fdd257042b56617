"""The store's health and its retention."""

from __future__ import annotations

from typing import Final, NamedTuple

from tocsin.event import time
from tocsin.metrics import gauge
from tocsin.store._ddl import ODD
from tocsin.store._engine import Engine

ROWS = gauge("tocsin_store_rows", "Rows, by table.", ["table"])
BYTES = gauge("tocsin_store_bytes", "Bytes on disk, by table.", ["table"])
PARTS = gauge("tocsin_store_parts", "Parts that are not yet merged, by table.", ["table"])
_MONTHLY: Final = ("events", "hits")
# Parts of a month of `events` past which merges don't wait any longer, since searches open each of them; and down to
# which they then go on, whatever waits: to hold them back again sooner would break off those that run.
MOST_PARTS: Final = 200
FEW_PARTS: Final = 50


class Size(NamedTuple):
    """What a table takes."""

    rows: int
    bytes: int
    parts: int


class Care:
    """Looks after the tables."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held = False
        self._due = False

    def size(self) -> dict[str, Size]:
        """Rows, bytes on disk and parts, by table; the gauges of `/metrics` are set too."""
        rows = self._engine.rows(
            "SELECT `table`, sum(rows), sum(bytes_on_disk), count() FROM system.parts"
            " WHERE active AND database = currentDatabase() GROUP BY `table`"
        )
        out = {str(table): Size(int(number), int(size), int(parts)) for table, number, size, parts in rows}
        for table, size in out.items():
            ROWS.labels(table).set(size.rows)
            BYTES.labels(table).set(size.bytes)
            PARTS.labels(table).set(size.parts)
        return out

    def expire(self, months: int, now: int | None = None) -> list[str]:
        """Drops what is older than so many whole months (of the event's time; of its arrival where that is odd).
        The partitions dropped, as TABLE/PARTITION."""
        if months < 1:
            return []
        oldest = _before(time.iso(time.now() if now is None else now)[:7], months)
        dropped = []
        rows = self._engine.rows(
            "SELECT DISTINCT `table`, partition FROM system.parts"
            " WHERE active AND database = currentDatabase() AND `table` IN {tables:Array(String)}",
            {"tables": list(_MONTHLY)},
        )
        for table, partition in sorted((str(table), str(partition)) for table, partition in rows):
            month = partition.strip("'").removeprefix(ODD)
            if month.isdigit() and month < oldest:
                literal = partition.strip("'")
                value = f"'{literal}'" if table == "events" else literal
                self._engine.command(f"ALTER TABLE `{table}` DROP PARTITION {value}")
                dropped.append(f"{table}/{literal}")
        return dropped

    def pace(self, behind: bool) -> None:
        """Holds the merges of `events` back while events wait to be stored, until there are many parts. A merge costs a
        row as much as its insert did, and can be done when there is time. A server looks after its own."""
        if not self._engine.embedded or (not behind and not self._held):
            return
        parts = int(
            self._engine.rows(
                "SELECT max(parts) FROM (SELECT count() AS parts FROM system.parts WHERE active"
                " AND database = currentDatabase() AND `table` = 'events' GROUP BY partition)"
            )[0][0]
        )
        self._due = parts >= (FEW_PARTS if self._due else MOST_PARTS)
        hold = behind and not self._due
        if hold != self._held:
            self._engine.command(f"SYSTEM {'STOP' if hold else 'START'} MERGES events")
            self._held = hold

    def merging(self) -> int:
        """How many merges run now."""
        return int(self._engine.rows("SELECT count() FROM system.merges WHERE database = currentDatabase()")[0][0])

    def settle(self) -> None:
        """Merges everything now: for benchmarks and backups, not for the hot path."""
        self.pace(behind=False)
        for table in ("events", "hits", "alerts", "incidents", "processes"):
            self._engine.command(f"OPTIMIZE TABLE `{table}` FINAL")


def _before(month: str, count: int) -> str:
    """The month (YYYYMM) so many before a month (YYYY-MM)."""
    number = int(month[:4]) * 12 + int(month[5:7]) - 1 - count
    return f"{number // 12:04}{number % 12 + 1:02}"
