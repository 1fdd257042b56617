"""The tables of Windows events hold together: names that exist, aliases that don't contradict each other."""

from __future__ import annotations

import pyarrow as pa

from tocsin.event import ecs
from tocsin.event.schema import HOT, SCHEMA
from tocsin.normalise._windows_codes import CHANNELS, MEANINGS
from tocsin.normalise._windows_fields import TABLES, aliases
from tocsin.normalise._windows_processes import processes
from tocsin.normalise.windows import PRODUCT
from tocsin.ports import PROCESS_SCHEMA

# ECS 9's allowed values (generated/ecs/ecs_flat.yml).
CATEGORIES = {
    *("api", "authentication", "configuration", "database", "driver", "email", "file", "host", "iam", "library"),
    *("intrusion_detection", "malware", "network", "package", "process", "registry", "session", "threat"),
    *("vulnerability", "web"),
}
TYPES = {
    *("access", "admin", "allowed", "change", "connection", "creation", "deletion", "denied", "device", "end"),
    *("error", "group", "indicator", "info", "installation", "protocol", "start", "user"),
}
OURS = ("winlog.", "powershell.", "process.Ext.")
# Elastic's own beyond ECS, as its pipelines set them.
ELASTICS = frozenset({"file.code_signature.status"})


def test_categories_and_types_are_those_of_ecs() -> None:
    for key, meaning in MEANINGS.items():
        assert set(meaning.category) <= CATEGORIES, key
        assert set(meaning.type) <= TYPES, key
        assert meaning.kind in ("event", "alert"), key
        assert meaning.outcome in (None, "failure"), key


def test_every_target_is_a_field_of_ecs() -> None:
    known = ecs.catalogue()
    targets = {target.ecs for table in TABLES.values() for target in table.values()}
    assert not {t for t in targets if t not in known and t not in HOT and t not in ELASTICS and not t.startswith(OURS)}


def test_ways_of_reading_are_known() -> None:
    assert {target.read for table in TABLES.values() for target in table.values()} == {
        *("same", "int", "guid", "copy", "hex")
    }


def test_an_alias_names_the_codes_where_it_holds() -> None:
    places: dict[tuple[str, str, str], str] = {}
    for alias in aliases():
        if alias.scope is None:
            continue
        assert alias.scope.codes, alias
        for dataset in alias.scope.datasets:
            for code in alias.scope.codes:
                target = TABLES[dataset, code].get(alias.name.removeprefix("winlog.event_data."))
                assert target is None or target.ecs == alias.target, alias
                assert places.setdefault((dataset, code, alias.name), alias.target) == alias.target, alias


def test_every_known_channel_has_a_stream() -> None:
    datasets = {info.dataset for info in PRODUCT.streams}
    assert {dataset for _, dataset in CHANNELS.values()} <= datasets
    assert {dataset for dataset, _ in MEANINGS} <= datasets


def test_processes_of_an_empty_batch_have_the_schema() -> None:
    assert processes(pa.RecordBatch.from_pylist([], schema=SCHEMA)).schema == PROCESS_SCHEMA
