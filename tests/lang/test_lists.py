"""Lists: what a file may say, and which tests its rows become."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from tocsin.errors import QueryError, UsageError
from tocsin.lang import explain, lists
from tocsin.lang.fields import Names
from tocsin.lang.ir import FALSE, InList, Predicate, all_of, leaves, negate

NAMES = Names()
TABLE = lists.ListTable(
    {
        "servers": lists.read(
            "value,port,note\n10.0.0.0/8,8080,a\n192.168.1.5,,b\nfd00::/8,,c\nnonsense,,d\n", "servers"
        ),
        "ports": lists.read("value\n80\n443\n", "ports"),
        "scripts": lists.read(
            "value,user\nC:\\Ops\\backup.bat,CORP\\ops\n\\\\files\\*\\*.bat,\n/opt/x.sh,\n", "scripts"
        ),
        "users": lists.read("value,ignore_case\nroot,\nAdmin,yes\n", "users"),
    }
)
SERVER = InList(NAMES.field("destination.ip"), "servers", (("port", NAMES.field("destination.port")),))
SCRIPT = InList(NAMES.field("file.path"), "scripts", (("user", NAMES.field("user.name")),))


def holds(item: Predicate, document: Mapping[str, object]) -> bool:
    return explain.explain(lists.expand(item, TABLE), document).holds


@pytest.mark.parametrize(
    ("address", "port", "listed"),
    [
        ("10.1.2.3", 8080, True),
        ("::ffff:10.1.2.3", 8080, True),
        ("10.1.2.3", 80, False),
        ("192.168.1.5", 1, True),
        ("192.168.1.6", 1, False),
        ("fd12::1", None, True),
        (None, 8080, False),
        ("10.1.2.3", None, False),
    ],
)
def test_addresses_by_network_and_narrowed(address: str | None, port: int | None, listed: bool) -> None:
    event = {"destination.ip": address, "destination.port": port}
    assert holds(SERVER, event) is listed
    assert holds(negate(SERVER), event) is not listed


@pytest.mark.parametrize(
    ("path", "user", "listed"),
    [
        ("c:\\ops\\BACKUP.bat", "CORP\\ops", True),
        ("C:\\Ops\\backup.bat", "CORP\\OPS", False),
        ("C:\\Temp\\backup.bat", "CORP\\ops", False),
        ("\\\\FILES\\deploy\\a.BAT", "x", True),
        ("/opt/x.sh", None, True),
        ("/OPT/x.sh", None, False),
    ],
)
def test_paths_as_windows_names_them(path: str, user: str | None, listed: bool) -> None:
    assert holds(SCRIPT, {"file.path": path, "user.name": user}) is listed


def test_case_is_kept_unless_the_row_says_otherwise() -> None:
    item = InList(NAMES.field("user.name"), "users")
    assert [holds(item, {"user.name": name}) for name in ("root", "Root", "admin")] == [True, False, True]


def test_numbers_become_one_test_of_numbers() -> None:
    expanded = lists.expand(all_of(InList(NAMES.field("destination.port"), "ports"), negate(SERVER)), TABLE)
    assert not any(isinstance(leaf, InList) for leaf in leaves(expanded))
    assert explain.describe(expanded).startswith("destination.port is one of 80, 443 and not (")


def test_a_list_that_nobody_has_holds_nobody() -> None:
    assert lists.expand(InList(NAMES.field("user.name"), "none"), TABLE) == FALSE


def test_expired_rows_are_left_out_and_change_the_version() -> None:
    table = lists.ListTable({"a": lists.read("value,expires\nx,2024-05-01\ny,\nz,2999-01-01\n", "a")})
    assert [row["value"] for row in table.rows("a")] == ["y", "z"]
    assert [row["value"] for row in table.rows("a", date(2024, 5, 1))] == ["x", "y", "z"]
    assert table.version() == lists.ListTable({"a": list(table.rows("a"))}).version()
    assert table.version() != TABLE.version()


def test_reads_a_folder_and_another_replaces_only_what_it_has(tmp_path: Path) -> None:
    for folder, files in (("ours", {"a": "value\n1\n", "b": "value\n2\n"}), ("theirs", {"b": "value\n3\n"})):
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / f"{name}.csv").write_text(text, encoding="utf-8")
    both = lists.load(tmp_path / "ours").replaced_by(lists.load(tmp_path / "theirs"))
    assert [[row["value"] for row in both.rows(name)] for name in both.names()] == [["1"], ["3"]]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("port\n80\n", 1, "no column `value`"),
        ("value,note\nx,a\n,b\n", 3, "is empty"),
        ("value,expires\nx,soon\n", 2, "is no date"),
        ("value,expires\nx,20240501\n", 2, "is no date"),
        ("value\nx,y\n", 2, "2 cells for 1"),
        ("value,value\nx,y\n", 1, "twice"),
        ("", 1, "begins with the names"),
        ('value\n"x\n', 2, "no CSV"),
        ("value,ignore_case\nx,perhaps\n", 2, "yes or no"),
    ],
)
def test_says_which_line_is_wrong(tmp_path: Path, text: str, line: int, what: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(QueryError) as caught:
        lists.load(tmp_path)
    assert caught.value.problems[0].line == line
    assert what in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'a.csv'}:{line}:")


def test_says_what_it_cannot_open(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        lists.load(tmp_path / "none")
    (tmp_path / "a.csv").write_bytes(b"value\n\xff\xfe\n")
    with pytest.raises(UsageError, match="can't read"):
        lists.load(tmp_path)
