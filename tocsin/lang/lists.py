"""The lists that rules use: CSV files named after the list, and their lowering into plain tests.

`NAME.csv` has the columns `value`, then what narrows it (`port`, `user` …: empty or absent is any), then `note`,
`owner`, `expires` (a date: the row holds through that day, UTC). A value is an address or network on an address field,
a number on a number field, a text elsewhere, exact. A text with `*` is a shape, and shapes and Windows paths ignore
letter case as Windows does; a column `ignore_case` (`yes`) says so for any other row.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, Protocol

from tocsin.errors import QueryError, SyntaxProblem, UsageError, quoted
from tocsin.lang import _literals
from tocsin.lang.ir import FALSE, And, Equals, Field, Gap, InList, Not, Or, Predicate, Test, all_of, any_of, negate

Row = Mapping[str, str]
# Columns that narrow nothing.
_ABOUT: Final = frozenset({"value", "note", "owner", "expires", "ignore_case"})
_MAX_BYTES: Final = 64 * 1024 * 1024
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,99}", re.ASCII)
# A drive, a share, or a device path: names of files there have no case.
_WINDOWS_PATH: Final = re.compile(r"[A-Za-z]:\\|\\\\")


class Rows(Protocol):
    """What `expand` asks for: `ports.Lists` and `ListTable` have it."""

    def rows(self, name: str) -> Sequence[Row]:
        """The rows of a list that have not expired; empty for a list nobody has."""


class ListTable:
    """Lists by name, as they were when read. Rows that expire later are left out from then on."""

    def __init__(self, lists: Mapping[str, Sequence[Row]]) -> None:
        self._lists = {name: tuple(rows) for name, rows in sorted(lists.items())}

    def names(self) -> tuple[str, ...]:
        """Every list, by name."""
        return tuple(self._lists)

    def rows(self, name: str, today: date | None = None) -> Sequence[Row]:
        """The rows of a list that have not expired; empty for a list nobody has."""
        limit = (today or datetime.now(UTC).date()).isoformat()
        return [row for row in self._lists.get(name, ()) if not row.get("expires") or row["expires"] >= limit]

    def version(self) -> str:
        """A hash of all lists' rows that have not expired."""
        hashed = hashlib.sha256()
        for name in self._lists:
            hashed.update(repr((name, [sorted(row.items()) for row in self.rows(name)])).encode())
        return hashed.hexdigest()[:16]

    def replaced_by(self, other: ListTable) -> ListTable:
        """These lists, but those that `other` has instead of ours."""
        return ListTable({**self._lists, **other._lists})


def load(directory: Path) -> ListTable:
    """Every `*.csv` of a folder. Raises `QueryError` with file, line and column of all that is wrong in a file, and
    `UsageError` for a folder or file that can't be read."""
    if not directory.is_dir():
        raise UsageError("there is no such folder of lists", where=str(directory))
    lists = {}
    for path in sorted(directory.glob("*.csv")):
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise UsageError(f"a list larger than {_MAX_BYTES} bytes", where=str(path))
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"can't read the list: {error}", where=str(path)) from error
        lists[path.stem] = read(text, path.stem, where=str(path))
    return ListTable(lists)


def read(text: str, name: str, *, where: str = "") -> list[dict[str, str]]:
    """The rows of one list, checked. Raises `QueryError` with every problem."""
    problems: list[SyntaxProblem] = []
    if not _NAME.fullmatch(name):
        problems.append(SyntaxProblem(f"a list is named in small letters, digits and _, not {quoted(name)}", text=text))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[dict[str, str]] = []
    columns: list[str] = []
    try:
        for cells in reader:
            line = reader.line_num
            if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
                continue
            if not columns:
                columns = [cell.strip() for cell in cells]
                problems += [SyntaxProblem(what, text=text, line=line) for what in _wrong_columns(columns)]
                continue
            row = {key: cell.strip() for key, cell in zip(columns, cells, strict=False)}
            problems += [SyntaxProblem(what, text=text, line=line) for what in _wrong_row(row, cells, columns)]
            rows.append(row)
    except csv.Error as error:
        problems.append(SyntaxProblem(f"no CSV: {error}", text=text, line=max(1, reader.line_num)))
    if not columns and not problems:
        problems.append(SyntaxProblem("a list begins with the names of its columns, `value` first", text=text))
    if problems:
        raise QueryError(problems, where=where or name)
    return rows


def _wrong_columns(columns: list[str]) -> Iterable[str]:
    if "value" not in columns:
        yield "there is no column `value`"
    for column in sorted({column for column in columns if columns.count(column) > 1}):
        yield f"the column {quoted(column)} is there twice"


def _wrong_row(row: Row, cells: list[str], columns: list[str]) -> Iterable[str]:
    if len(cells) > len(columns):
        yield f"{len(cells)} cells for {len(columns)} columns"
    if not row.get("value"):
        yield "`value` is empty: it would mean everything"
    expires = row.get("expires")
    if expires:
        try:
            if len(expires) != 10:
                raise ValueError
            date.fromisoformat(expires)
        except ValueError:
            yield f"`expires` is no date such as 2027-01-31: {quoted(expires)}"
    if row.get("ignore_case", "").lower() not in ("", "yes", "no", "true", "false"):
        yield f"`ignore_case` is yes or no, not {quoted(row['ignore_case'])}"


def expand(predicate: Predicate, lists: Rows) -> Predicate:
    """`predicate` with every `InList` replaced by the tests that its rows mean; a list without rows holds nobody."""
    match predicate:
        case And():
            return all_of(*(expand(item, lists) for item in predicate.items))
        case Or():
            return any_of(*(expand(item, lists) for item in predicate.items))
        case Not():
            return negate(expand(predicate.item, lists))
        case InList():
            return _listed(predicate, lists.rows(predicate.list))
        case _:
            return predicate


def _listed(item: InList, rows: Sequence[Row]) -> Predicate:
    """Rows that ask the same of the other columns become one test of many values."""
    groups: dict[Predicate, list[Row]] = {}
    for row in rows:
        narrow = all_of(
            *(_matches(field, [row], column) for column, field in item.narrow if row.get(column, "") not in ("", "*"))
        )
        groups.setdefault(narrow, []).append(row)
    return any_of(*(all_of(_matches(item.field, each, "value"), narrow) for narrow, each in groups.items()))


def _matches(field: Field, rows: Sequence[Row], column: str) -> Predicate:
    plain: dict[tuple[type, bool], dict[str | int | float | bool, None]] = {}
    rest: list[Predicate] = []
    for row in rows:
        test = _matches_one(field, row[column], row.get("ignore_case", "").lower() in ("yes", "true"))
        if isinstance(test, Test) and isinstance(test.op, Equals):
            for value in test.op.values:
                plain.setdefault((type(value), test.op.fold), {})[value] = None
        else:
            rest.append(test)
    return any_of(*(Test(field, Equals(tuple(values), fold)) for (_, fold), values in plain.items()), *rest)


def _matches_one(field: Field, text: str, fold: bool) -> Predicate:
    fold = fold or bool(_WINDOWS_PATH.match(text))
    try:
        if "*" not in text:
            return _literals.equals(field, text, fold=fold)
        parts: list[str | Gap] = []
        for at, part in enumerate(text.split("*")):
            parts += [Gap.ANY, part] if at else [part]
        return _literals.like(field, tuple(parts), fold=True)
    except _literals.BadLiteralError:
        return FALSE  # what is no address equals none
