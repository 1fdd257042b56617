"""What single Windows values become."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event import time
from tocsin.normalise import _windows_values as read
from tocsin.normalise._windows_datasets import particular
from tocsin.normalise._windows_ecs import micros
from tocsin.normalise._windows_shapes import Group, groups

NONE = -(1 << 63)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ()),
        ("  a\t b ", ("a", "b")),
        ('"a b" c', ("a b", "c")),
        ('a"b c"d', ("ab cd",)),
        ('a\\\\"b c" d', ("a\\b c", "d")),
        ('a\\"b c', ('a"b', "c")),
        ('a\\\\\\"b', ('a\\"b',)),
        ("C:\\x\\ y", ("C:\\x\\", "y")),
        ('"a ""b" c', ('a "b c',)),
        ('"" x', ("", "x")),
        ('"open end', ("open end",)),
        ('"C:\\Program Files\\x.exe" -e "a\\\\"', ("C:\\Program Files\\x.exe", "-e", "a\\")),
    ],
)
def test_splits_a_command_line_as_windows_does(line: str, expected: tuple[str, ...]) -> None:
    assert read.arguments(line) == expected


@given(st.text(alphabet='a\\" \t', max_size=40))
def test_splitting_loses_no_letter(line: str) -> None:
    assert "".join(read.arguments(line)).count("a") == line.count("a")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("DFAE8213-9310-5CE1-0000-0010EABA0A00", "{dfae8213-9310-5ce1-0000-0010eaba0a00}"),
        ("{DFAE8213-9310-5CE1-0000-0010EABA0A00}", "{dfae8213-9310-5ce1-0000-0010eaba0a00}"),
        ("{00000000-0000-0000-0000-000000000000}", None),
        ("-", None),
        ("anything", "anything"),
    ],
)
def test_a_guid_has_one_spelling(value: str, expected: str | None) -> None:
    assert read.guid(value) == expected


@pytest.mark.parametrize(
    ("path", "name", "folder", "end"),
    [
        ("C:\\a\\b.TAR.gz", "b.TAR.gz", "C:\\a", "gz"),
        ("C:\\a\\.profile", ".profile", "C:\\a", None),
        ("C:\\a.b\\c", "c", "C:\\a.b", None),
        ("System", "System", None, None),
        ("/usr/a.b/x", "x", "/usr/a.b", None),
        ("/usr/bin/x", "x", "/usr/bin", None),
        ("C:\\a\\", None, "C:\\a", None),
    ],
)
def test_a_path_in_parts(path: str, name: str | None, folder: str | None, end: str | None) -> None:
    assert (read.base_name(path), read.directory(path), read.extension(path)) == (name, folder, end)


def test_hashes_of_zeros_are_none() -> None:
    assert read.hashes("SHA1=AB,MD5=000,IMPHASH=") == {"sha1": "ab"}


def test_dns_answers() -> None:
    found, addresses = read.answers("type:  5 a.net;::ffff:1.2.3.4;fe80::1;-;type: 999;")
    assert addresses == ("1.2.3.4", "fe80::1")
    assert found == (
        {"type": "CNAME", "data": "a.net"},
        {"type": "A", "data": "1.2.3.4"},
        {"type": "AAAA", "data": "fe80::1"},
        {"type": "999"},
    )


@pytest.mark.parametrize(
    ("path", "hive", "key"),
    [
        ("HKLM\\System\\X", "HKLM", "System\\X"),
        ("\\REGISTRY\\MACHINE\\SYSTEM", "HKLM", "SYSTEM"),
        ("HKEY_USERS\\S-1-5-18", "HKU", "S-1-5-18"),
        ("\\REGISTRY\\A\\{361c}\\x", None, "\\REGISTRY\\A\\{361c}\\x"),
        ("HKLM", "HKLM", None),
    ],
)
def test_a_registry_path(path: str, hive: str | None, key: str | None) -> None:
    assert (read.hive(path), read.registry_key(path)) == (hive, key)


@pytest.mark.parametrize(
    ("details", "kind", "strings"),
    [
        ("DWORD (0x0000000a)", "REG_DWORD", ["10"]),
        ("QWORD (0x00000001-0x00000002)", "REG_QWORD", ["4294967298"]),
        ("DWORD (x)", "REG_DWORD", ["DWORD (x)"]),
        ("Binary Data", "REG_BINARY", None),
        ("C:\\x.exe", "REG_SZ", ["C:\\x.exe"]),
        ("", None, None),
    ],
)
def test_registry_data(details: str, kind: str | None, strings: list[str] | None) -> None:
    assert (read.registry_type(details), read.registry_strings(details)) == (kind, strings)


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ("0x8020000000000000", ["Audit Success"]),
        (-9218868437227405312, ["Audit Failure"]),
        ("0x80000000000000", ["Classic"]),
        ("0x8000000000000000", None),
        ("Audit Success", ["Audit Success"]),
        ("", None),
        (True, None),
        ({}, None),
    ],
)
def test_keywords_are_bits_or_names(keywords: object, expected: list[str] | None) -> None:
    assert read.keywords(keywords) == expected


def test_a_powershell_context_counts_lines_only() -> None:
    text = "\tHostApplication=x \tEngineVersion=9\r\n\tEngineVersion=5.1\r\n\tEngineVersion=6\r\n"
    assert read.context(text, ("\n\tEngineVersion=",)) == {"\n\tEngineVersion=": "5.1"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2024-05-19T17:32:00.4829821Z", None], [1716139920482982, NONE]),
        (["2024-05-19 17:32:00.478"], [1716139920478000]),
        (["2024-05-19T17:32:00Z", "2024-05-19 17:32:00"], [1716139920000000] * 2),
        (["noon", "", [], True, {}], [NONE] * 5),
        ([1716139920.5], [1716139920500000]),
        (["9999-12-31T23:59:59Z"], [253402300799000000]),
        (["1601-01-01T00:00:00Z"], [time.EARLIEST]),
    ],
)
def test_times_are_microseconds(values: list[object], expected: list[int]) -> None:
    assert micros(values).tolist() == expected


def test_a_local_time_takes_the_zone_of_its_source() -> None:
    assert micros(["2024-05-19 13:32:00"], "-04:00").tolist() == [1716139920000000]


def test_records_of_one_code_are_one_group() -> None:
    first = {"Channel": "Security", "EventID": 1, "X": "a"}
    second = {"EventID": "1", "Channel": "Security", "Y": "b"}
    (group,), reasons = groups([first, {"a": 1}, second])
    assert list(reasons) == [1]
    assert (group.channel, group.code, group.rows) == ("Security", "1", [0, 2])
    assert group.data == {"X": ["a", None], "Y": [None, "b"]}


def test_a_data_set_without_particulars_is_left_alone() -> None:
    ecs: dict[str, list[object]] = {}
    particular(Group("flat", "X", "1", [0], data={"User": ["a"]}), "windows.x", ecs)
    assert not ecs
