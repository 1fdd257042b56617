"""Which events an Elastic rule's `index` means: a shipped table from index patterns to datasets (DESIGN section 5)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import Final

from tocsin.lang.fields import Names
from tocsin.lang.ir import TRUE, Equals, Gap, Like, Predicate, Test, any_of, negate

# What Winlogbeat sends, by the datasets that we give it.
_WINDOWS: Final = ("windows.*", "system.security", "system.system", "system.application")
_FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "winlogbeat-*": _WINDOWS,
    "auditbeat-*": ("auditd*", "auditd_manager.*", "file_integrity", "system.process", "system.socket", "system.user"),
    "packetbeat-*": ("network_traffic.*",),
    "endgame-*": ("endgame.*",),
    "apm-*": ("apm.*",),
    "traces-apm*": ("apm.*",),
}
_DATA_STREAM: Final = re.compile(r"(?:logs|metrics|traces)-(.+?)-\*?$")


def of_indices(patterns: Iterable[str], names: Names) -> Predicate:
    """The predicate on `event.dataset` for index patterns; true where they mean everything."""
    dataset = names.field("event.dataset")

    def is_any(globs: Iterable[str]) -> Predicate:
        return any_of(*(Test(dataset, _glob(glob)) for glob in globs))

    items: list[Predicate] = []
    for pattern in patterns:
        pattern = pattern.rpartition(":")[2]  # a remote cluster's name in front means the same data here
        if pattern in ("*", "logs-*", "logs-*-*", "*:*"):
            return TRUE
        if pattern in _FAMILIES:
            items.append(is_any(_FAMILIES[pattern]))
        elif pattern == "filebeat-*":
            items.append(negate(is_any(_WINDOWS)))
        elif match := _DATA_STREAM.match(pattern):
            items.append(is_any([match[1]]))
        elif pattern.startswith(("logs-", "metrics-")):
            items.append(is_any([pattern.partition("-")[2]]))
        else:
            items.append(is_any([pattern]))
    return any_of(*items) if items else TRUE


def is_alerts(patterns: Iterable[str]) -> bool:
    """Whether a rule reads alerts instead of events."""
    return any(fnmatch.fnmatch(pattern, "*.alerts-security*") for pattern in patterns)


def _glob(pattern: str) -> Equals | Like:
    if "*" not in pattern:
        return Equals((pattern,))
    parts: list[str | Gap] = []
    for number, text in enumerate(pattern.split("*")):
        if number:
            parts.append(Gap.ANY)
        if text:
            parts.append(text)
    return Like(tuple(parts))
