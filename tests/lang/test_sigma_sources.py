"""Logsources against SigmaHQ's own map of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tocsin.event.schema import Kind
from tocsin.lang import _sigma_sources as sources
from tocsin.lang.fields import Names

NAMES = Names()


def only(*logsource: str | None) -> sources.View:
    found = sources.views(*logsource)
    assert found is not None and len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def thor(shared: Path) -> dict[str, dict[str, Any]]:
    text = (shared / "corpora/sigma/tests/thor.yml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(text)["logsources"]
    return loaded


def test_channels_are_those_of_sigmahq(thor: dict[str, dict[str, Any]]) -> None:
    for name, entry in thor.items():
        if entry.get("product") == "windows" and "sources" in entry:
            channels = {source.removeprefix("WinEventLog:") for source in entry["sources"]}
            assert channels <= set(sources.CHANNELS[entry["service"]]), name


def test_categories_are_the_event_codes_of_sigmahq(thor: dict[str, dict[str, Any]]) -> None:
    theirs: dict[str, set[tuple[str, str]]] = {}
    for entry in thor.values():
        if "rewrite" in entry:
            codes = entry["conditions"]["EventID"]
            for code in codes if isinstance(codes, list) else [codes]:
                theirs.setdefault(entry["category"], set()).add((entry["rewrite"]["service"], str(code)))
            for field, other in entry.get("fieldmappings", {}).items():
                assert sources.RENAMES[entry["category"], entry["rewrite"]["service"]][field] == other
    assert len(theirs) > 30
    for category, expected in theirs.items():
        ours = {(service, code) for service, codes, _ in sources.CATEGORIES[category] for code in codes}
        assert ours == expected, category


def test_further_conditions_are_those_of_sigmahq(thor: dict[str, dict[str, Any]]) -> None:
    for entry in thor.values():
        kind = entry.get("conditions", {}).get("EventType")
        if kind:
            ((_, _, also),) = sources.CATEGORIES[entry["category"]]
            assert kind in also["EventType"]


@pytest.mark.parametrize(
    ("product", "category", "service", "name", "read"),
    [
        ("windows", "process_creation", "security", "Image", {"winlog.event_data.NewProcessName"}),
        ("windows", "process_creation", "sysmon", "Image", {"winlog.event_data.Image"}),
        ("windows", None, "security", "EventID", {"event.code"}),
        ("windows", None, "system", "Provider_Name", {"winlog.provider_name"}),
        ("zeek", None, "conn", "id.orig_h", {"zeek.connection.id.orig_h"}),
        ("zeek", None, "http", "source.ip", {"zeek.http.source.ip", "source.ip"}),
        ("zeek", None, "http", "c-uri", {"url.full", "url.original"}),
        (None, "webserver", None, "sc-status", {"http.response.status_code"}),
        (None, "dns", None, "query", {"dns.question.name"}),
        ("aws", None, "cloudtrail", "eventName", {"event.action", "aws.cloudtrail.event_name"}),
        ("linux", "process_creation", None, "Image", {"process.executable"}),
        ("acme", None, "app", "Own", {"Own"}),
    ],
)
def test_names(product: str | None, category: str | None, service: str | None, name: str, read: set[str]) -> None:
    view = only(product, category, service)
    assert {source.name for source in view.field(name, NAMES).sources} == read


def test_data_of_a_provider_with_names_of_its_own_is_found_however_it_is_spelt() -> None:
    view = only("windows", None, "windefend")
    read = {source.name for source in view.field("ThreatName", NAMES).sources}
    assert {"winlog.event_data.ThreatName", "winlog.event_data.Threat Name", "winlog.user_data.ThreatName"} <= read


def test_a_merged_field_has_the_first_known_kind() -> None:
    both = sources.merged([NAMES.field("x"), NAMES.field("source.ip")])
    assert (both.name, both.kind) == ("x", Kind.IP)


def test_what_nobody_knows_has_no_views() -> None:
    assert sources.views(None, None, None) is None
    assert sources.views("windows", None, "no such service") is None
    assert sources.views("linux", "no such category", None) is None
