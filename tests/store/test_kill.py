"""`kill -9` at any moment: what was stored is there, what was sent again shows once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.store.conftest import make
from tocsin import store
from tocsin.lang.ir import TRUE

ROWS = 200
CHILD = """
import sys
from tests.store.conftest import make
from tocsin import store
opened = store.open(sys.argv[1])
for stretch in range(int(sys.argv[2]), 1000):
    opened.insert(f"0:{stretch}", make([{"message": f"m{row}"} for row in range(200)], seed=f"{stretch}."))
    print(stretch, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_it_was_told_is_stored(folder: Path) -> None:
    address = f"chdb://{folder}"
    told = -1
    for kills in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, address, str(told + 1)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        ) as child:
            assert child.stdout is not None
            for _ in range(3 + kills):
                told = int(child.stdout.readline())
            child.send_signal(signal.SIGKILL)
            rest = [int(line) for line in child.stdout.read().split()]
            told = rest[-1] if rest else told
    with store.open(address) as opened:
        stored = opened.count(TRUE)
        assert (told + 1) * ROWS <= stored <= (told + 2) * ROWS
        # The replay: the last stretch that was told, and the one that was under way.
        for stretch in (told, told + 1):
            opened.insert(f"0:{stretch}", make([{"message": f"m{row}"} for row in range(ROWS)], seed=f"{stretch}."))
        assert opened.count(TRUE) == (told + 2) * ROWS
