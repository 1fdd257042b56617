"""The dropper's story: the four alerts, and a chain of processes that hangs together down to Zeek's flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FOUR = {
    "Batch File Downloaded over an Unusual Port",
    "PowerShell Launched from a Batch File",
    "Batch File Downloaded with Invoke-WebRequest",
    "Potential Metasploit PowerShell Payload Observed",
}


def test_it_is_found_by_the_four_rules_and_no_other(told: Callable[..., Any]) -> None:
    found = told("dropper", seed=11)
    assert set(found.on_view()) == FOUR
    assert not found.correlations


def test_the_chain_hangs_together(told: Callable[..., Any]) -> None:
    """Parents are processes that were seen, and the shell's connection is Zeek's, by Community ID."""
    events = list(told("dropper", seed=5).documents.values())
    starts = {e["process.entity_id"]: e for e in events if e.get("event.code") == "1"}
    shell = next(e for e in starts.values() if "tcpclient" in e["process.command_line"].lower())
    chain = [shell]
    while (parent := starts.get(chain[-1]["process.parent.entity_id"])) is not None:
        chain.append(parent)
    names = [e["process.name"].lower() for e in chain]
    assert names[:5] == ["powershell.exe", "cmd.exe", "powershell.exe", "cmd.exe", "explorer.exe"]
    assert "shell.bat" in chain[1]["process.command_line"]
    assert "testing.bat" in chain[3]["process.command_line"]
    (link,) = [e for e in events if e.get("event.code") == "3" and e["process.entity_id"] == shell["process.entity_id"]]
    zeek = {e["network.community_id"] for e in events if e["event.dataset"] == "zeek.connection"}
    assert link["network.community_id"] in zeek
    assert len({e["process.pid"] for e in starts.values()}) == len(starts)


def test_the_files_that_run_are_those_that_were_written(told: Callable[..., Any]) -> None:
    events = list(told("dropper", seed=6).documents.values())
    written = {e["file.path"].lower() for e in events if e.get("event.code") == "11"}
    lines = " ".join(str(e.get("process.command_line", "")).lower() for e in events if e.get("event.code") == "1")
    assert {path.rpartition("\\")[2] for path in written} == {"testing.bat", "shell.bat"}
    assert all(path in lines for path in written)


def test_it_asks_for_real_time_protection(told: Callable[..., Any]) -> None:
    lines = [str(e.get("process.command_line", "")) for e in told("dropper", seed=7).documents.values()]
    assert any("Get-MpComputerStatus" in line and "RealTimeProtectionEnabled" in line for line in lines)
