"""Published vectors: what differs is what docs/reference/vectors.md explains, and nothing else."""

from __future__ import annotations

import importlib.util
import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tocsin.event.document import nested, to_documents
from tocsin.event.records import Chunk, Format, Frame, Origin
from tocsin.normalise._run import Normaliser

ROOT = Path(__file__).parents[2]
STREAMS = ("zeek", "windows", "nginx", "iptables", "system", "apache")


def explained() -> set[tuple[str, str]]:
    """(stream pattern, field) of each row of the page's second table."""
    page = (ROOT / "docs" / "reference" / "vectors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| (`[^|]+`) \|", page, re.MULTILINE)
    return {
        (stream.strip(), field)
        for streams, fields in rows
        for stream in streams.split(",")
        for field in re.findall("`(.+?)`", fields)
    }


def differences(shared: Path, normaliser: Normaliser) -> set[tuple[str, str]]:
    """(stream, field) of every difference, judged as the vectors' own script does."""
    spec = importlib.util.spec_from_file_location("compare_vectors", shared / "tools" / "compare_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    script: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    names, found = script.ecs_names(), set()
    for path in sorted((shared / "corpora" / "vectors").glob("*/*-expected.json")):
        stream = path.parent.name
        if stream.partition(".")[0] not in STREAMS:
            continue
        raw = path.with_name(path.name.replace("-expected.json", ""))
        raw = raw if raw.is_file() else raw.with_suffix(".json")
        payload = raw.read_bytes()
        if raw.suffix == ".json":
            payload = b"\n".join(json.dumps(event).encode() for event in json.loads(payload)["events"])
        format_: Format = "ndjson" if payload.lstrip().startswith(b"{") else "lines"
        chunk = Chunk(format_, payload, Origin("normalise", product=stream))
        ours = to_documents(normaliser.run([Frame(0, 0, 1_718_100_000_000_000, chunk)]).batch)
        expected = json.loads(path.read_bytes())["expected"]
        assert len(ours) == len(expected)
        for document, want in zip(ours, expected, strict=True):
            got = dict(script.flat(nested(document)))
            for field, value in script.flat(want):
                skipped = field not in names or field.startswith(script.IGNORE) or any(p in field for p in script.PART)
                if skipped or value in (None, "", [], {}) or (field == "@timestamp" and stream in script.NO_YEAR):
                    continue
                if field not in got or not script.same(field, got[field], value):
                    found.add((stream, field))
    return found


def test_what_differs_is_explained_and_the_rest_is_equal(shared: Path, normaliser: Normaliser) -> None:
    page, found = explained(), differences(shared, normaliser)
    assert page
    unexplained = [pair for pair in found if not any(fnmatchcase(pair[0], s) and pair[1] == f for s, f in page)]
    stale = [row for row in page if not any(fnmatchcase(s, row[0]) and f == row[1] for s, f in found)]
    assert (sorted(unexplained), sorted(stale)) == ([], [])
