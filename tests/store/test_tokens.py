"""A token whose rows a crash took does not make their replay a repeat."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.store.conftest import Make
from tocsin import store
from tocsin.lang.ir import TRUE
from tocsin.store._tokens import drop_stale


def parts(folder: Path) -> list[Path]:
    """The parts of the table of events, which alone is cut into months and data sets."""
    return [path for path in folder.glob("db/store/*/*/*_0") if not path.name.startswith("all")]


def test_what_was_cut_off_is_inserted_again(folder: Path, events: Make) -> None:
    with store.open(f"chdb://{folder}") as first:
        first.insert("0:0", events([{"user.name": "kept"}], seed="a"))
        before = set(parts(folder))
        first.insert("0:1", events([{"user.name": "lost"}], seed="b"))
        made = set(parts(folder)) - before
    assert len(made) == 1
    for part in made:
        shutil.rmtree(part)  # as if the process had been killed before the part had its name
    with store.open(f"chdb://{folder}") as again:
        assert again.count(TRUE) == 1
        again.insert("0:1", events([{"user.name": "lost"}], seed="b"))
        again.insert("0:0", events([{"user.name": "kept"}], seed="a"))
        assert again.count(TRUE) == 2


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("1\tall_3_3_0\tall_77_88\n", True),  # as it was written
        ("1\tall_6_6_0\tall_77_88\n", True),  # merged into others since
        ("1\t202601_6_6_0\t202601_77_88\n", False),  # another partition
        ("1\tall_9_9_0\tall_77_88\n", False),
        ("1\tall_10_10_0\tall_77_88\n", False),  # never got its name
        ("2\tall_9_9_0\tall_77_88\n", True),  # a part that was dropped
        ("a line of no known form\n", True),
    ],
)
def test_only_tokens_without_a_part_are_taken_out(tmp_path: Path, line: str, stays: bool) -> None:
    table = tmp_path / "store" / "abc" / "abcdef"
    for name in (
        "all_3_3_0",
        "all_4_8_2_11",
        "202601_1_1_0",
        "tmp_insert_all_10_10_0",
        "detached",
        "deduplication_logs",
    ):
        (table / name).mkdir(parents=True)
    log = table / "deduplication_logs" / "deduplication_log_1.txt"
    log.write_text("1\tall_3_3_0\tall_1_2\n" + line)
    assert drop_stale(tmp_path) == (0 if stays else 1)
    assert log.read_text() == "1\tall_3_3_0\tall_1_2\n" + (line if stays else "")
    assert [path.name for path in log.parent.iterdir()] == [log.name]


def test_a_folder_without_tables_has_none(tmp_path: Path) -> None:
    assert drop_stale(tmp_path / "nothing") == 0
