"""The alerts of late: what memory says is what the store would say, and what it is too young for is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tocsin.alert.recent import Recent
from tocsin.event import time
from tocsin.ports import Document, Span

NOW = 1_700_000_000_000_000
SECOND = 1_000_000


class Stored:
    """A store of alerts that counts what it is asked."""

    def __init__(self, *alerts: Document) -> None:
        self.alerts = {str(each["kibana.alert.uuid"]): each for each in alerts}
        self.asked: list[tuple[str, Any]] = []

    def by_ids(self, ids: Sequence[str], *, of: str = "events") -> dict[str, Document]:
        self.asked.append(("ids", list(ids)))
        return {each: {**self.alerts[each], "_id": each} for each in ids if each in self.alerts}

    def alerts_by_join(self, keys: Sequence[str], span: Span) -> list[Document]:
        self.asked.append(("join", list(keys)))
        return [a for a in self.alerts.values() if set(a["tocsin.alert.join"]) & set(keys)]

    def alerts_by_event(self, ids: Sequence[str]) -> list[Document]:
        self.asked.append(("event", list(ids)))
        return [a for a in self.alerts.values() if set(a["tocsin.alert.event_ids"]) & set(ids)]


def alert(uuid: str, second: int, *keys: str, **more: Any) -> Document:
    return {
        "kibana.alert.uuid": uuid,
        "@timestamp": time.iso(NOW + second * SECOND),
        "tocsin.alert.state": "active",
        "tocsin.alert.join": list(keys),
        "tocsin.alert.event_ids": [f"e-{uuid}"],
        **{name.replace("__", "."): value for name, value in more.items()},
    }


def over(stored: Stored, most: int = 100) -> Recent:
    return Recent(stored, stored, most)  # type: ignore[arg-type]


def uuids(alerts: Sequence[Document]) -> list[str]:
    return [str(each["kibana.alert.uuid"]) for each in alerts]


def test_memory_that_has_all_of_a_span_answers_alone() -> None:
    stored = Stored()
    recent = over(stored)
    recent.restore([alert("b", 2, "k"), alert("a", 2, "k", "l"), alert("c", 9, "k")], NOW)
    assert uuids(recent.joined(["k", "l"], Span(NOW, NOW + 9 * SECOND))) == ["a", "b"]  # the end is not within
    assert uuids(recent.joined(["l"], Span(NOW, None))) == ["a"]
    assert recent.joined(["nobody"], Span(NOW, None)) == []
    assert uuids(recent.sharing(["e-a", "e-c"], NOW)) == ["a", "c"]
    assert recent.get("nobody", NOW) is None
    assert stored.asked == []


def test_what_it_is_too_young_for_is_asked_and_memory_knows_better() -> None:
    stored = Stored(alert("old", -9, "k"), alert("new", 1, "k"))
    recent = over(stored)
    recent.restore([alert("new", 1, "k", tocsin__alert__incident="i")], NOW)
    found = recent.joined(["k"], Span(NOW - 99 * SECOND, None))
    assert uuids(found) == ["old", "new"]
    assert found[1]["tocsin.alert.incident"] == "i"
    assert uuids(recent.sharing(["e-old"], NOW - 9 * SECOND)) == ["old"]
    assert recent.by_ids(["old", "new", "nobody"]).keys() == {"old", "new"}
    assert stored.asked[-1] == ("ids", ["old", "nobody"])
    assert "_id" not in (recent.held("old") or {})


def test_an_alert_that_changed_is_found_by_what_it_says_now() -> None:
    recent = over(Stored())
    recent.restore([alert("a", 1, "k")], NOW)
    recent.put(alert("a", 1, "l"))
    assert recent.joined(["k"], Span(NOW, None)) == []
    assert uuids(recent.joined(["l"], Span(NOW, None))) == ["a"]
    recent.put(alert("a", 1, "l", tocsin__alert__state="withdrawn"))
    assert recent.joined(["l"], Span(NOW, None)) == []
    assert recent.held("a") is not None


def test_what_was_forgotten_moves_the_moment_from_which_memory_is_whole() -> None:
    stored = Stored(alert("a", 1, "k"))
    recent = over(stored, most=2)
    recent.restore([alert(uuid, n, "k") for n, uuid in enumerate("abc", start=1)], NOW)
    recent.forget()
    assert recent.whole_since == NOW + SECOND + 1
    assert uuids(recent.joined(["k"], Span(NOW + 2 * SECOND, None))) == ["b", "c"]
    assert not stored.asked
    assert uuids(recent.joined(["k"], Span(NOW, None))) == ["a", "b", "c"]
    assert recent.get("a", NOW + SECOND) is not None


def test_what_is_not_stored_yet_is_found_among_what_is() -> None:
    """An alert and what becomes of it may come in one take: it is written at the end."""
    stored = Stored(
        alert("gone", 1, "k"), alert("moved", 2, "k"), {**alert("more", 3), "tocsin.alert.event_ids": ["e"]}
    )
    recent = over(stored)
    recent.restore([alert("gone", 1, "k", tocsin__alert__state="withdrawn"), alert("moved", 2, "l")], NOW + 9 * SECOND)
    recent.put(alert("fresh", 3, "k"))
    assert uuids(recent.joined(["k"], Span(NOW, None))) == ["fresh"]
    assert uuids(recent.joined(["k"], Span(None, NOW + 3 * SECOND))) == []
    recent.put(alert("more", 3, "changed"))
    assert recent.sharing(["e"], NOW)[0]["tocsin.alert.join"] == ["changed"]
