"""What a field's name means: its kind and where its values stand."""

from __future__ import annotations

import pytest

from tocsin.event.schema import ALERT_HOT, Kind
from tocsin.lang import ir
from tocsin.lang.fields import Alias, Names, scope_of

ALIASES = [
    Alias("winlog.event_data.Image", "process.executable", scope_of(["windows.sysmon_operational"], ["1"])),
    Alias("zeek.http.uid", "zeek.session_id"),
]
NAMES = Names(ALIASES)


def read(name: str) -> list[tuple[str, bool]]:
    return [(source.name, source.hot) for source in NAMES.field(name).sources]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("process.name", Kind.KEYWORD),
        ("process.pid", Kind.LONG),
        ("@timestamp", Kind.DATE),
        ("source.ip", Kind.IP),
        ("message", Kind.TEXT),
        ("process.name.text", Kind.TEXT),
        ("process.code_signature.trusted", Kind.BOOLEAN),
        ("http.response.code", Kind.LONG),
        ("nobody.knows", Kind.UNKNOWN),
        ("zeek.http.uid", Kind.KEYWORD),
    ],
)
def test_kind(name: str, kind: Kind) -> None:
    assert NAMES.field(name).kind is kind


def test_a_hot_field_is_read_in_its_column_and_in_the_map() -> None:
    assert read("process.name") == [("process.name", True), ("process.name", False)]
    assert read("nobody.knows") == [("nobody.knows", False)]
    assert read("process.name.text") == read("process.name")


def test_a_name_that_means_another_keeps_its_own_place() -> None:
    assert read("http.response.code") == [
        ("http.response.status_code", True),
        ("http.response.status_code", False),
        ("http.response.code", False),
    ]


def test_an_alias_is_read_within_its_scope() -> None:
    sources = NAMES.field("winlog.event_data.Image").sources
    assert {source.scope for source in sources if source.name == "process.executable"} == {ALIASES[0].scope}


def test_knows_and_finds_names() -> None:
    assert NAMES.known("process.name") and NAMES.known("zeek.http.uid") and NAMES.known("http.response.code")
    assert not NAMES.known("nobody.knows")
    assert NAMES.nearest("proces.name") == "process.name"
    assert NAMES.nearest("qqqqqqqqqq") is None
    assert NAMES.like(lambda name: name.startswith("zeek.")) == ["zeek.http.uid", "zeek.session_id"]
    assert NAMES.is_hot("process.name") and not NAMES.is_hot("zeek.http.uid")


def test_names_that_nobody_sets_are_told_with_the_nearest() -> None:
    asked = [
        ir.Test(NAMES.field(name), ir.Exists()) for name in ("proces.name", "user.name.text", "qqqqqqqq", "message")
    ]
    assert NAMES.unknown(ir.all_of(*asked)) == {"proces.name": "process.name", "qqqqqqqq": None}


def test_equal_tables_have_equal_digests() -> None:
    assert Names(reversed(ALIASES)).digest() == NAMES.digest() != Names().digest()
    assert Names(hot=ALERT_HOT).digest() != Names().digest()


def test_alerts_have_columns_of_their_own() -> None:
    extra = next(name for name in ALERT_HOT if not NAMES.is_hot(name))
    assert Names(hot=ALERT_HOT).field(extra).sources[0].hot


def test_many_names_do_not_fill_the_memory() -> None:
    names = Names()
    for number in range(70_000):
        names.field(f"x.{number}")
    assert len(names._fields) <= 65_537
