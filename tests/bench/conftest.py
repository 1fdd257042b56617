"""Windows events for benchmarks: a line each, and a folder that has them in an archive and in a file."""

from __future__ import annotations

import zipfile
from pathlib import Path

import orjson
import pytest


def line(number: int, **more: object) -> bytes:
    """A process that Sysmon saw start, as Mordor's files have it."""
    document = {
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "SourceName": "Microsoft-Windows-Sysmon",
        "EventID": 1,
        "@timestamp": "2020-09-14T12:00:00.000Z",
        "Hostname": "a.example",
        "RecordNumber": number,
        "ProcessGuid": f"{{00000000-0000-0000-0000-{number:012}}}",
        "Image": "C:\\Windows\\System32\\net.exe",
        "CommandLine": f"net user x{number}",
    }
    return orjson.dumps({**document, **more})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """41 events, 40 of them in an archive, beside what is none."""
    with zipfile.ZipFile(tmp_path / "host.zip", "w") as archive:
        archive.writestr("host.json", b"\n".join(line(number) for number in range(40)))
        archive.writestr("cloud.json", b'{"eventName": "of no Windows host"}\n')
        archive.writestr("notes.txt", "no events")
    (tmp_path / "more.ndjson").write_bytes(line(100) + b"\n\n")
    return tmp_path
