"""Lines: patterns by program, the first that matches, by column."""

from __future__ import annotations

from tocsin.event.records import Origin, Records
from tocsin.normalise._columns import Table
from tocsin.normalise._lines import classified, line, pid


def table(*messages: object) -> Table:
    n = len(messages)
    records = Records([{}] * n, [None] * n, [""] * n, [Origin("file")] * n, [0] * n, [0] * n, [0] * n, [0] * n)
    return Table(records, {"message": list(messages)})


LINES = {
    "a": (line(r"in (?P<user__name>\w+)", event__outcome="success"), line(r"i", event__outcome="failure")),
    "": (line(r".*bye", event__action="left"),),
}


def test_each_program_has_its_lines_and_all_share_the_last() -> None:
    found = table("in bob", "i", "good bye", "in bob", None, 7)
    classified(found, LINES, ["a", "a", "a", "b", "a", None])
    assert found.ecs("user.name") == ["bob", None, None, None, None, None]
    assert found.ecs("event.outcome") == ["success", "failure", None, None, None, None]
    assert found.ecs("event.action") == [None, None, "left", None, None, None]


def test_process_ids_are_numbers_or_nothing() -> None:
    assert [pid(text) for text in ("12", "x", "", None, "٣", "9" * 20)] == [12, None, None, None, None, None]
