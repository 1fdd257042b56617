"""What a benchmark reads of processes that run: memory, time of the processor, disk, and a server's metrics."""

from __future__ import annotations

import http.client
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil
from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


class Memory(threading.Thread):
    """Watches the proportional set size (shared pages counted once) of processes, each second."""

    def __init__(self, processes: Mapping[str, psutil.Process], every: float = 1.0, part: str = "Pss") -> None:
        """`part` is the line of smaps that is read: `Pss`, or `Anonymous` where mapped files are not to count."""
        super().__init__(name="memory", daemon=True)
        self._part = part
        self.processes = dict(processes)
        self.seen: list[int] = []
        self.by_process: dict[str, int] = {}
        self._every = every
        self._stopping = threading.Event()

    @property
    def highest(self) -> int:
        """The most that all of them took at one time."""
        return max(self.seen, default=0)

    def look(self) -> int:
        """The bytes of all of them now."""
        total = 0
        for name, process in self.processes.items():
            size = pss_of(process.pid, self._part)
            self.by_process[name] = max(self.by_process.get(name, 0), size)
            total += size
        self.seen.append(total)
        return total

    def run(self) -> None:
        """See `threading.Thread.run`."""
        while not self._stopping.wait(self._every):
            self.look()

    def stop(self) -> None:
        """End, with a last look."""
        self._stopping.set()
        if self.is_alive():
            self.join()
        self.look()


def pss_of(pid: int, part: str = "Pss") -> int:
    """Bytes of a process's proportional set size, or of another line of its smaps; 0 where it is gone."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{part}:"):
                return int(line.split()[1]) * 1024
    return 0


def cpu_of(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    """Seconds of the processor, user and system, of each."""
    out = {}
    for name, process in processes.items():
        with suppress(psutil.Error):
            times = process.cpu_times()
            out[name] = times.user + times.system
    return out


def disk_of(data: Path) -> dict[str, int]:
    """Bytes on disk below each folder of a data folder; a file that goes meanwhile counts for nothing."""
    out: dict[str, int] = {}
    for folder in sorted(data.iterdir()):
        if folder.is_dir():
            out[folder.name] = 0
            for place, _, names in os.walk(folder):
                for name in names:
                    with suppress(OSError):
                        out[folder.name] += (Path(place) / name).lstat().st_size
    return out


def metrics_of(url: str) -> dict[str, dict[Labels, float]]:
    """A server's `/metrics`: each sample's value by its labels. Raises `OSError` where it can't be had."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    out: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            out.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return out


def quantile(counts: Mapping[float, float], share: float) -> float:
    """The upper bound under which that share of a histogram's observations lies, between bounds in proportion.
    `counts` are cumulative, by bound."""
    bounds = sorted(counts)
    total = counts[bounds[-1]] if bounds else 0.0
    if not total:
        return 0.0
    wanted = share * total
    below, count = 0.0, 0.0
    for bound in bounds:
        if counts[bound] >= wanted:
            if bound == float("inf"):
                return below
            within = counts[bound] - count
            return below + (bound - below) * ((wanted - count) / within if within else 1.0)
        below, count = bound, counts[bound]
    return below


class Cost(NamedTuple):
    """What something took: seconds of the processor, all threads of this process, and by the clock."""

    cpu: float
    wall: float


def costs(what: Callable[[], object], times: int) -> list[Cost]:
    """What each of so many runs took; one before them is not counted."""
    what()
    out = []
    for _ in range(times):
        cpu, wall = time.process_time(), time.perf_counter()
        what()
        out.append(Cost(time.process_time() - cpu, time.perf_counter() - wall))
    return out


def share_of(values: Sequence[float], share: float) -> float:
    """The value under or at which that share of them lies."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
