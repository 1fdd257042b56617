"""The ECS catalogue: names, types, and which kind a name has in a query."""

from __future__ import annotations

import csv
from pathlib import Path

from tocsin.event import ecs
from tocsin.event.schema import Kind


def test_kinds_of_names() -> None:
    assert ecs.kind_of("source.ip") is Kind.IP
    assert ecs.kind_of("source.port") is Kind.LONG
    assert ecs.kind_of("@timestamp") is Kind.DATE
    assert ecs.kind_of("process.command_line") is Kind.KEYWORD
    assert ecs.kind_of("process.command_line.text") is Kind.TEXT
    assert ecs.kind_of("message") is Kind.TEXT
    assert ecs.kind_of("file.x509.version_number") is Kind.KEYWORD
    assert ecs.kind_of("acme.own.field") is Kind.UNKNOWN


def test_the_catalogue_has_every_field_of_ecs(shared: Path) -> None:
    with (shared / "corpora/ecs/generated/csv/fields.csv").open(encoding="utf-8") as lines:
        fields = {row["Field"]: row["Type"] for row in csv.DictReader(lines)}
    catalogue = ecs.catalogue()
    # Left out: the entity sets that 9.4 nests into each other (468 names that no product sets).
    assert {name for name in fields if name not in catalogue and ".relationships." not in name} == set()
    assert {name for name, entry in catalogue.items() if name in fields and fields[name] != entry.type} == set()
