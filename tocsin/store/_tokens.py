"""Insert tokens after a crash: chDB notes a token before it commits the part that the token stands for.

Killed in between, it has the token and not the rows, and a replay of the stretch would be dropped as a repeat: events
that were acknowledged would be lost (seen in one of eleven kills). So before the engine opens its folder, tokens whose
part isn't there are taken out of its logs.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

# PARTITION_FIRSTBLOCK_LASTBLOCK_LEVEL, and the version of a mutation
_PART: Final = re.compile(r"([^_]+)_(\d+)_(\d+)_\d+(?:_\d+)?\Z")
_ADDED: Final = "1"
Blocks = dict[str, list[tuple[int, int]]]


def drop_stale(folder: Path) -> int:
    """Takes the tokens without a part out of all tables' logs below `folder`; how many there were. No engine may have
    the folder open."""
    return sum(_mend(log, _blocks(log.parent.parent)) for log in folder.glob("store/*/*/deduplication_logs/*.txt"))


def _blocks(table: Path) -> Blocks:
    """By partition, the runs of blocks that the table's parts hold; one that isn't committed has another name."""
    found: Blocks = defaultdict(list)
    for entry in os.scandir(table):
        if (match := _PART.match(entry.name)) and entry.is_dir():
            found[match[1]].append((int(match[2]), int(match[3])))
    return found


def _mend(log: Path, there: Blocks) -> int:
    lines = log.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
    kept = [line for line in lines if not _is_stale(line.rstrip("\n").split("\t"), there)]
    if len(kept) < len(lines):
        made = log.with_name(log.name + ".tmp")
        made.write_text("".join(kept), encoding="utf-8", errors="surrogateescape")
        made.replace(log)
    return len(lines) - len(kept)


def _is_stale(words: list[str], there: Blocks) -> bool:
    match = _PART.match(words[1]) if len(words) == 3 and words[0] == _ADDED else None
    return match is not None and not _holds(there.get(match[1], ()), int(match[2]), int(match[3]))


def _holds(runs: Iterable[tuple[int, int]], first: int, last: int) -> bool:
    return any(low <= first and last <= high for low, high in runs)
