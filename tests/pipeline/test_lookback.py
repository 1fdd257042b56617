"""Rules that are new find what is stored already, once; rules that are not look at nothing again."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.pipeline.conftest import HEAD, OWN, Leave, event, plan
from tests.serving import Server, eventually, started
from tocsin import config, state
from tocsin.detect import LOOK_BACK, Rule
from tocsin.detect._hits import HitMaker
from tocsin.errors import BusyError, TocsinError
from tocsin.event.time import DAY, SECOND
from tocsin.lang.ir import TRUE
from tocsin.normalise._run import Normaliser
from tocsin.pipeline import lookback
from tocsin.pipeline.core import Core
from tocsin.pipeline.knowledge import Knowledge
from tocsin.pipeline.lookback import NAME, LookBacks, window
from tocsin.pipeline.service import Service
from tocsin.pipeline.sources import Sources
from tocsin.ports import Document
from tocsin.store import Store

OFF = {"query": False, "threshold": False}
LONG = OWN["own/query.toml"].replace('type = "query"', 'type = "query"\nfrom = "now-30d"')


class Book:
    """A ledger in memory, which counts what is written."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.written = 0

    def get(self, name: str, default: Any = None) -> Any:
        return self.values.get(name, default)

    def put(self, values: Mapping[str, Any]) -> None:
        self.values.update(values)
        self.written += 1


def known(normaliser: Normaliser, **more: Any) -> Knowledge:
    return Knowledge(plan(**more), normaliser=normaliser)


def opened(core: Core, book: Book) -> LookBacks:
    return LookBacks(core, book, lambda: {rule.id: rule.generation for rule in core.knowledge.running})


def learn(core: Core, back: LookBacks, knowledge: Knowledge) -> None:
    back.plan(knowledge)
    core.learn(knowledge)
    back.run()


def alerts(store: Store) -> list[Document]:
    return store.search(TRUE, of="alerts", limit=10_000)


def rules_of(store: Store) -> list[str]:
    return sorted(str(each["kibana.alert.rule.uuid"]) for each in alerts(store))


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def back(core: Core, normaliser: Normaliser, book: Book) -> LookBacks:
    """Of a core whose rules are all off."""
    core.learn(known(normaliser, enabled=OFF))
    made = opened(core, book)
    made.plan(core.knowledge)
    return made


def test_an_empty_store_has_nothing_to_look_at(core: Core, knowledge: Knowledge, book: Book) -> None:
    back = opened(core, book)
    back.plan(knowledge)
    assert back.waiting() == 0
    assert set(book.values[NAME]["done"]) == {"query", "threshold"}


def test_what_workers_have_at_hand_while_the_store_is_empty_is_found(
    core: Core, held: Store, leave: Leave, normaliser: Normaliser, book: Book
) -> None:
    off, on = known(normaliser, enabled=OFF), known(normaliser)
    core.learn(off)
    back = opened(core, book)
    back.plan(off)
    left = leave([event("alarm")], 0, off)
    back.plan(on)
    core.learn(on)
    core.take(*left)
    back.run()
    assert rules_of(held) == ["query"]


def test_a_rule_that_is_switched_on_looks_back(
    core: Core, held: Store, leave: Leave, normaliser: Normaliser, back: LookBacks
) -> None:
    core.take(*leave([event("alarm"), *(event("probe") for _ in range(4)), event("other")], 0, core.knowledge))
    assert alerts(held) == []
    learn(core, back, known(normaliser))
    assert rules_of(held) == ["query", "threshold"]
    (one,) = [each for each in alerts(held) if each["kibana.alert.rule.uuid"] == "threshold"]
    assert len(one["tocsin.alert.event_ids"]) == 4


def test_what_was_live_already_looks_back_no_more(
    core: Core, held: Store, leave: Leave, normaliser: Normaliser, book: Book
) -> None:
    back = opened(core, book)
    back.plan(core.knowledge)
    core.take(*leave([event("alarm")], 0, core.knowledge))
    written = book.written
    learn(core, back, known(normaliser, keep_original=False))
    assert back.waiting() == 0
    after = opened(Core(held, core.knowledge, Sources()), book)  # a restart
    after.plan(core.knowledge)
    assert after.waiting() == 0
    assert book.written <= written + 1
    learn(core, after, known(normaliser, own={**OWN, "own/query.toml": OWN["own/query.toml"] + 'note = "words"\n'}))
    assert after.waiting() == 0, "its words are not what it matches"


def test_what_came_while_a_rule_was_off_is_found_once(
    core: Core, held: Store, leave: Leave, normaliser: Normaliser, book: Book
) -> None:
    back = opened(core, book)
    back.plan(core.knowledge)
    core.take(*leave([event("alarm", "first")], 0, core.knowledge))
    learn(core, back, known(normaliser, enabled=OFF))
    core.take(
        *leave([event("alarm", "second"), event("probe")], 1, core.knowledge)
    )  # its hits are of rules that nobody runs now
    learn(core, back, known(normaliser))
    learn(core, back, known(normaliser))
    assert sorted(str(each["user.name"]) for each in alerts(held)) == ["first", "second"]


def test_changed_content_looks_back_after_a_restart(
    core: Core, held: Store, leave: Leave, normaliser: Normaliser, book: Book
) -> None:
    opened(core, book).plan(core.knowledge)
    core.take(*leave([event("siren")], 0, core.knowledge))
    changed = {**OWN, "own/query.toml": OWN["own/query.toml"].replace("alarm", "siren")}
    after = Core(held, known(normaliser, own=changed), Sources())
    back = opened(after, book)
    back.plan(after.knowledge)
    assert back.waiting() == 1
    back.run()
    assert back.waiting() == 0
    assert rules_of(held) == ["query"]


def test_a_threshold_goes_on_from_what_it_looked_back_on(
    core: Core, held: Store, leave: Leave, normaliser: Normaliser, back: LookBacks
) -> None:
    """Two of three events came before the rule was on, one comes before it has looked back."""
    core.take(*leave([event("probe"), event("probe")], 0, core.knowledge))
    back.plan(known(normaliser))
    core.learn(known(normaliser))
    core.take(*leave([event("probe")], 1, core.knowledge))
    assert alerts(held) == []
    back.run()
    (alert,) = alerts(held)
    assert len(alert["tocsin.alert.event_ids"]) == 3


def test_older_than_a_day_is_backfill(
    core: Core, held: Store, leave: Leave, normaliser: Normaliser, back: LookBacks
) -> None:
    old = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3 * 86_400))
    core.take(*leave([event("alarm", "old", **{"@timestamp": old}), event("alarm", "new")], 0, core.knowledge))
    learn(core, back, known(normaliser, own={"own/query.toml": LONG}))
    marked = {each["user.name"]: bool(each["tocsin.alert.backfill"]) for each in alerts(held)}
    assert marked == {"old": True, "new": False}


def test_a_rule_looks_no_further_back_than_its_window(
    core: Core, held: Store, leave: Leave, normaliser: Normaliser, back: LookBacks
) -> None:
    before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3_600))
    core.take(*leave([event("alarm", **{"@timestamp": before})], 0, core.knowledge))
    learn(core, back, known(normaliser))
    assert alerts(held) == []
    assert window(core.knowledge.rules["query"]) == LOOK_BACK
    assert window(core.knowledge.rules["threshold"]) == 3600 * SECOND
    assert window(known(normaliser, own={"own/query.toml": LONG}).rules["query"]) == 30 * DAY
    wrong = {"own/query.toml": LONG.replace("now-30d", "yesterday")}
    assert window(known(normaliser, own=wrong).rules["query"]) == LOOK_BACK


def acts(many: int) -> dict[str, str]:
    head = HEAD + 'type = "query"\nlanguage = "kuery"\nquery = "event.action: {action}"\n'
    return {f"own/{n}.toml": head.format(name=f"rule {n}", action=f"act{n}") for n in range(many)}


@pytest.mark.parametrize("read", [0.0, 1e12], ids=["by reading events", "by asking for candidates"])
def test_many_rules_look_back_and_one_that_can_not_stops_nobody(
    core: Core,
    held: Store,
    leave: Leave,
    normaliser: Normaliser,
    book: Book,
    monkeypatch: pytest.MonkeyPatch,
    read: float,
) -> None:
    core.learn(known(normaliser, own={}))
    back = opened(core, book)
    back.plan(core.knowledge)
    monkeypatch.setattr(lookback, "AT_ONCE", 4)
    monkeypatch.setattr(lookback, "_READ", read)
    many = 11
    core.take(*leave([event(f"act{n}") for n in range(many)], 0, core.knowledge))
    tried = []

    class Refusing(HitMaker):
        def __init__(self, rules: Sequence[Rule], *given: Any) -> None:
            names = {rule.id for rule in rules}
            tried.append(names)
            if "rule 5" in names:
                raise TocsinError("refused", where="rule 5")
            super().__init__(rules, *given)

    monkeypatch.setattr(lookback, "HitMaker", Refusing)
    learn(core, back, known(normaliser, own=acts(many)))
    assert set(back.failed) == {"rule 5"}
    assert back.waiting() == 0
    assert len(alerts(held)) == many - 1
    assert "rule 5" in book.values[NAME]["due"], "the next start tries again"
    assert max(map(len, tried)) == (4 if read == 0.0 else 1)


def test_a_question_too_large_for_the_store_is_answered_by_reading(
    core: Core, held: Store, leave: Leave, normaliser: Normaliser, back: LookBacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    core.take(*leave([event("alarm")], 0, core.knowledge))
    stream = held.stream

    def small(where: Any, *given: Any, **more: Any) -> Any:
        if where != TRUE:
            raise BusyError("no memory for this")
        return stream(where, *given, **more)

    monkeypatch.setattr(held, "stream", small)
    monkeypatch.setattr(lookback, "_READ", 1e12)
    learn(core, back, known(normaliser))
    assert rules_of(held) == ["query"]


def test_a_busy_store_is_tried_again(
    core: Core, held: Store, leave: Leave, normaliser: Normaliser, back: LookBacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    core.take(*leave([event("alarm")], 0, core.knowledge))
    feed, busy = core.feed, [BusyError("no memory")]

    def once(*given: Any, **more: Any) -> None:
        if busy:
            raise busy.pop()
        feed(*given, **more)

    monkeypatch.setattr(core, "feed", once)
    monkeypatch.setattr("tocsin.pipeline.lookback._AGAIN", 0.01)
    back.plan(known(normaliser))
    core.learn(known(normaliser))
    back.start()
    assert back.wait("query", 60)
    back.stop()
    assert rules_of(held) == ["query"]


def test_a_rule_waits_until_every_worker_matches_it(
    core: Core, held: Store, leave: Leave, normaliser: Normaliser, book: Book
) -> None:
    core.learn(known(normaliser, enabled=OFF))
    matched: dict[str, str] = {}
    back = LookBacks(core, book, lambda: matched)
    back.plan(core.knowledge)
    core.take(*leave([event("alarm")], 0, core.knowledge))
    learn(core, back, known(normaliser))
    assert alerts(held) == []
    assert back.waiting() == 2
    matched |= {rule.id: rule.generation for rule in core.knowledge.running}
    back.run()
    assert rules_of(held) == ["query"]


def test_waiting_machines_outlive_a_change_of_rules(
    core: Core, held: Store, leave: Leave, normaliser: Normaliser
) -> None:
    core.take(*leave([event("probe"), event("probe")], 0, core.knowledge))
    machine = core.stage._machines["threshold"]
    marks = core.stage.watermarks
    core.learn(known(normaliser, enabled={"query": False}))
    assert core.stage._machines["threshold"] is machine
    assert core.stage.watermarks is marks
    core.take(*leave([event("probe")], 1, core.knowledge))
    assert rules_of(held) == ["threshold"]


def test_going_live_under_load_misses_and_doubles_nothing(tmp_path: Path) -> None:
    """Numbered events come all the time while the rule is switched on, off and on, with real workers."""
    settings = config.load(None, flags={"data": str(tmp_path / "data"), "server.bulk_port": 0, "workers": 2})
    with state.open(settings.state_address) as people:
        service = Service(settings, plan(enabled=OFF), people.cursors)
        sent, ended = 0, threading.Event()
        try:
            service.start()
            url = f"http://127.0.0.1:{service.collected['bulk']}/_bulk"
            kind = {"Content-Type": "application/x-ndjson"}

            def send() -> None:
                nonlocal sent
                with httpx.Client(trust_env=False, timeout=60) as client:
                    while not ended.is_set():
                        body = b""
                        for _ in range(5):
                            sent += 1
                            body += b'{"create":{"_index":"logs-t-h%d"}}\n' % (sent % 7)
                            body += b'{"n":%d,"event.dataset":"t","event.action":"alarm"}\n' % sent
                        assert client.post(url, content=body, headers=kind).status_code == 200
                        time.sleep(0.02)

            sender = threading.Thread(target=send)
            sender.start()
            for enabled in ({}, OFF, {}):
                time.sleep(1.0)
                service.replan(plan(enabled=enabled))
                if not enabled:
                    assert service.look_backs.wait("query", 90)
            time.sleep(0.5)
            ended.set()
            sender.join()
            until = time.monotonic() + 90
            while service.store.count(TRUE) < sent or service.store.count(TRUE, of="alerts") < sent:
                assert time.monotonic() < until, (sent, service.store.count(TRUE), len(alerts(service.store)))
                time.sleep(0.2)
            found = alerts(service.store)
            numbers = [int(each["n"]) for each in found]
            assert len(numbers) == len(set(numbers)) == sent
        finally:
            ended.set()
            service.stop()


def test_a_folder_looks_back_when_a_server_starts_with_it_and_when_it_has_changed(tmp_path: Path) -> None:
    """As a user does it: a server without rules takes an event; later ones have a folder, then another rule in it."""
    rules = tmp_path / "rules"
    rules.mkdir()
    data = tmp_path / "data"

    def found(server: Server) -> list[str]:
        with server.client() as client:
            eventually(lambda: client.get("/status").json()["rules_looking_back"] == 0)
            rows = client.post("/alerts/search", json={}).json()["alerts"]
            return sorted(each["rule"] for each in rows)

    with started(data, "--no-auth") as server, server.client() as client:
        body = b'{"create":{}}\n{"event.dataset":"t","event.action":"alarm"}\n'
        kind = {"Content-Type": "application/x-ndjson"}
        sent = httpx.post(f"{server.bulk}/logs-t-t/_bulk", content=body, headers=kind, trust_env=False, timeout=60)
        assert sent.status_code == 200
        eventually(lambda: client.get("/status").json()["events"] == 1)
    (rules / "query.toml").write_text(OWN["own/query.toml"])
    with started(data, "--no-auth", "--rules", str(rules)) as server:
        assert found(server) == ["query"]
    other = OWN["own/query.toml"].replace('"query"\nrule_id = "query"', '"other"\nrule_id = "other"')
    (rules / "other.toml").write_text(other)
    with started(data, "--no-auth", "--rules", str(rules)) as server:
        assert found(server) == ["other", "query"]
        log = Path(f"{data}.err").read_text()
        assert "could not" not in log
