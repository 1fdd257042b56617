"""Windows event logs: Sysmon, Security, PowerShell, System, Defender, Task Scheduler, WMI-Activity, any channel.

One mapping reads an event whatever way it came: EVTX files, Winlogbeat 6 to 9 and Elastic Agent, NXLog and what copies
it, Windows Event XML (also within `message` or `event.original`). The channel that the record names decides its data
set. Times are Sysmon's `UtcTime`, else when the event was created, else the shipper's `@timestamp`.

`event.category` and `event.type` are missing for codes that nobody has classified yet, and for channels without a
mapping of their own, whose data set is `windows.CHANNEL`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import pyarrow as pa

from tocsin.event.batch import BatchBuilder
from tocsin.event.records import Records, Rejected
from tocsin.normalise import Claim, Normalised, StreamInfo
from tocsin.normalise import _windows_codes as codes
from tocsin.normalise._windows_ecs import FIELDS_SET, Moments, made
from tocsin.normalise._windows_fields import aliases
from tocsin.normalise._windows_processes import processes
from tocsin.normalise._windows_shapes import groups

_NAMES: Final = {
    "sysmon_operational": codes.SYSMON,
    "sysmon_linux": codes.SYSMON_LINUX,
    "security": codes.SECURITY,
    "powershell_operational": codes.POWERSHELL_OPERATIONAL,
    "powershell": codes.POWERSHELL,
    "system": codes.SYSTEM,
    "application": codes.APPLICATION,
    "windows_defender": codes.DEFENDER,
    "task_scheduler": codes.TASKS,
    "wmi_activity": codes.WMI,
}
_XML: Final = r"\s*(?:<\?xml[^>]{0,200}\?>\s*)?<Event[\s>]"
_WORD: Final = re.compile(r"[^a-z0-9]+")


def _streams() -> tuple[StreamInfo, ...]:
    channels: dict[str, set[str]] = {}
    for channel, dataset in codes.CHANNELS.values():
        channels.setdefault(dataset, set()).add(channel)
    known = tuple(
        StreamInfo(
            name,
            dataset,
            (Claim(channel=frozenset(channels[dataset])),),
            FIELDS_SET,
            "linux" if dataset == codes.SYSMON_LINUX else "windows",
        )
        for name, dataset in _NAMES.items()
    )
    # Any other channel, and XML: whose channel is known once it has been read.
    rest = (
        Claim(channel=frozenset({"*"})),
        Claim(dataset=frozenset({"windows.forwarded", "winlogbeat.windows"})),
        Claim(first=_XML),
        Claim(keys=frozenset({"winlog"})),
        Claim(keys=frozenset({"Event"})),
        Claim(keys=frozenset({"EventID", "SourceName"})),
    )
    return (*known, StreamInfo("eventlog", "windows.eventlog", rest, FIELDS_SET, "windows"))


@lru_cache(maxsize=4096)
def dataset_of(channel: str) -> tuple[str, str]:
    """A channel as Windows spells it, and its data set: `windows.` and the channel without `Microsoft-Windows-`, in
    lower case with `_` for all but letters and digits."""
    known = codes.CHANNELS.get(channel.lower())
    if known is not None:
        return known
    plain = channel.lower().removeprefix("microsoft-windows-")
    return channel, "windows." + (_WORD.sub("_", plain).strip("_")[:100] or "eventlog")


class Windows:
    """The product: every stream is the same mapping; a stream's data set is that of records without a channel."""

    name = "windows"
    streams = _streams()
    aliases = aliases()

    def __init__(self) -> None:
        self._datasets = {info.name: info.dataset for info in self.streams}

    def normalise(self, stream: str, records: Records) -> Normalised:
        """Read the records, by channel, code and column."""
        found, reasons = groups(records.documents)
        n = len(records)
        builder = BatchBuilder(n)
        moments = Moments(n)
        for group in found:
            channel, dataset = dataset_of(group.channel) if group.channel else ("", self._datasets[stream])
            columns, same = made(group, channel, dataset, records, moments)
            for name, values in columns.items():
                builder.put_at(name, group.rows, values)
            for name, value in same.items():
                builder.put_same(name, group.rows, value)
        moments.put(builder)
        batch = builder.finish()
        if not reasons:
            return Normalised(batch, [])
        keep = np.ones(n, dtype=bool)
        keep[list(reasons)] = False
        return Normalised(batch.filter(pa.array(keep)), [Rejected(row, why) for row, why in sorted(reasons.items())])

    def processes(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The processes that the batch's events start, as rows of `PROCESS_SCHEMA`."""
        return processes(batch)


PRODUCT: Final = Windows()

__all__: Sequence[str] = ["PRODUCT", "Windows", "dataset_of"]
