"""Join keys: from an alert's own events, and from stored events of the same connection or process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from tests.store.conftest import NOW
from tocsin.alert.join import Joiner, weight
from tocsin.ports import PROCESS_SCHEMA, Document
from tocsin.store import Store

SECOND = 1_000_000
Put = Callable[..., list[Document]]


@pytest.fixture
def joiner(held: Store) -> Joiner:
    """Over a host where explorer started cmd, which started powershell."""
    rows = [
        {"entity_id": "E", "parent": "0", "name": "explorer.exe"},
        {"entity_id": "C", "parent": "E", "name": "cmd.exe", "command_line": r'cmd /c "C:\Users\a\testing.bat"'},
        {"entity_id": "P", "parent": "C", "name": "powershell.exe"},
    ]
    given = [{"host": "ws1", "start": NOW, "event": row["entity_id"], "pid": 10, **row} for row in rows]
    held.insert("processes", None, None, pa.RecordBatch.from_pylist(given, schema=PROCESS_SCHEMA))
    return Joiner(held, held, held.names["events"])


def event(**more: Any) -> Document:
    return {
        "host.name": "ws1",
        "@timestamp": "2023-11-14T22:13:20.000Z",
        **{k.replace("__", "."): v for k, v in more.items()},
    }


def test_the_tree_below_the_sessions_own_and_what_it_runs(joiner: Joiner) -> None:
    keys = joiner.keys([event(process__entity_id="P")])
    assert keys == ["tree:ws1:P", "tree:ws1:C", r"file:ws1:c:\users\a\testing.bat"]
    assert joiner.root(event(process__entity_id="P")) == "ws1:C"


def test_sharing_what_starts_everything_says_nothing(joiner: Joiner) -> None:
    assert joiner.keys([event(process__entity_id="E")]) == []
    assert joiner.chain("ws1", "nobody") == ["nobody"]
    assert joiner.chain(None, "P") == []


def test_connections_files_pairs_and_the_rules_own(joiner: Joiner) -> None:
    ends = {"source.ip": "10.0.0.1", "destination.ip": "10.0.0.2", "network.community_id": ["1:x"]}
    document = event(**ends, file__path=r"C:\T\A.BAT", user__name=["ann", "bob"])
    assert set(joiner.keys([document], ["user.name", "absent"])) == {
        "flow:1:x",
        "pair:10.0.0.1>10.0.0.2",
        r"file:ws1:c:\t\a.bat",
        "user.name:ann",
        "user.name:bob",
    }
    assert joiner.keys([event(file__path="/var/log/x.txt")]) == []
    assert [weight(key) for key in ("tree:h:1", "flow:1", "user.name:x", "file:h:p", "pair:a>b")] == [4, 4, 3, 3, 2]


def test_windows_own_programs_are_no_key(joiner: Joiner) -> None:
    line = r'C:\Windows\System32\cmd.exe /c "powershell.exe C:\Temp\x.ps1"'
    assert joiner.keys([event(process__command_line=line)]) == [r"file:ws1:c:\temp\x.ps1"]


def test_a_flow_leads_to_the_process_that_opened_it_and_the_files_it_wrote(joiner: Joiner, events: Put) -> None:
    events(
        {"network.community_id": "1:x", "process.entity_id": "P", "second": 1},
        {"process.entity_id": "P", "file.path": r"C:\T\shell.bat", "file.extension": "bat", "second": 2},
        {"process.entity_id": "P", "file.path": r"C:\T\notes.txt", "file.extension": "txt", "second": 3},
    )
    wire = {"network.community_id": "1:x", "@timestamp": "2023-11-14T22:13:20.000Z"}
    found = joiner.around([([wire], ["flow:1:x", "pair:a>b"])])
    assert found[0] == ["tree:ws1:P", "tree:ws1:C", r"file:ws1:c:\t\shell.bat"]
    assert joiner.around([([wire], ["pair:a>b"])]) == [[]]
    assert joiner.around([([{**wire, "@timestamp": "2023-11-15T22:13:20.000Z"}], ["flow:1:x"])]) == [[]]


def test_hostile_command_lines_are_bounded(joiner: Joiner) -> None:
    line = " ".join(rf"C:\T\{n}.bat" for n in range(5_000))
    assert len(joiner.keys([event(process__command_line=line)])) <= 17
    assert joiner.keys([event(process__command_line="C:\\" * 100_000)]) == []
