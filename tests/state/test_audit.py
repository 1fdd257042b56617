"""The record of who did what."""

from __future__ import annotations

from tocsin.state import State
from tocsin.state.audit import Audit


def test_pages_go_back_from_the_newest(opened: State) -> None:
    for number in range(5):
        opened.audit.add("ann", "search", f"q{number}", peer="192.0.2.1", detail={"rows": number})
    opened.audit.add("bob", "sign-in")
    newest = opened.audit.page(limit=2)
    assert [entry.what for entry in newest] == ["", "q4"]
    assert [entry.what for entry in opened.audit.page(before=newest[-1].id, limit=2)] == ["q3", "q2"]
    assert [entry.who for entry in opened.audit.page(action="sign-in")] == ["bob"]
    (entry,) = opened.audit.page(who="ann", limit=1)
    assert (entry.peer, entry.detail) == ("192.0.2.1", {"rows": 4})


def test_the_record_can_only_grow() -> None:
    assert {name for name in vars(Audit) if not name.startswith("_")} == {"add", "page"}
