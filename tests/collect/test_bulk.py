"""The Elasticsearch-compatible intake: its items and its answers."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.collect import _elastic
from tocsin.collect._elastic import MalformedError, filtered, scan
from tocsin.collect.bulk import Intake, Settings
from tocsin.errors import BusyError
from tocsin.event.records import Chunk
from tocsin.ports import Appended

Ask = Callable[..., httpx.Response]
Program = Callable[[str], str]


def admit(header: str | None, peer: str | None) -> str | None:
    return "key-1" if header == "ApiKey good" else None


class Memory:
    """A journal in memory that can be told to be full."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.settled: list[str] = []
        self.full = False

    async def append(self, chunks: Any, *, lane_key: str, request: bytes | None = None) -> Appended:
        if self.full:
            raise BusyError("the journal is full", retry_after=2)
        place = Appended(3, len(self.chunks))
        self.chunks.extend(chunks)
        return place

    def answered(self, appended: Appended, *, delivered: bool = True) -> None:
        self.settled.append("answered" if delivered else "sent")

    def abandoned(self, appended: Appended) -> None:
        self.settled.append("abandoned")


@pytest.fixture
def journal() -> Memory:
    return Memory()


@pytest.fixture
def ask(journal: Memory) -> Ask:
    """One request to the application, without a server."""
    intake = Intake(journal, admit, Settings(request_bytes=100_000, record_bytes=10_000))

    def send(method: str, path: str, body: bytes = b"", **headers: str) -> httpx.Response:
        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(app=intake, client=("192.0.2.7", 1234))
            async with httpx.AsyncClient(transport=transport, base_url="http://siem") as client:
                named = {"authorization": "ApiKey good"} | {k.replace("_", "-"): v for k, v in headers.items()}
                return await client.request(method, path, content=body, headers=named)

        return asyncio.run(go())

    return send


# ---- items ----


def test_takes_items_in_pairs() -> None:
    body = b'{"create":{"_index":"a"}}\n{"n":1}\n{"index":{"_index":"b","_id":"7"}}\n{"n":2}\n'
    request = scan(body, limit=100)
    assert [item[:3] for item in request.items] == [("create", "a", None), ("index", "b", "7")]
    assert request.payloads == [body]


@pytest.mark.parametrize("between", [b"\n", b"\r\n", b"  \n\t\n"])
def test_leaves_blank_lines_out(between: bytes) -> None:
    body = between.join([b"", b'{"index":{}}\n', b'{"n":1}\n', b'{"index":{}}\n', b'{"n":2}', b""])
    request = scan(body, limit=100)
    assert len(request.items) == 2
    assert b"".join(request.payloads).split() == [b'{"index":{}}', b'{"n":1}', b'{"index":{}}', b'{"n":2}']


def test_refuses_changes_item_by_item() -> None:
    body = b'{"delete":{"_id":"1"}}\n{"index":{}}\n{"n":1}\n{"update":{"_id":"1"}}\n{"doc":{}}\n{"create":{}}\n{"n":2}'
    request = scan(body, limit=100)
    assert [item.operation for item in request.items if item.error] == ["delete", "update"]
    assert b"".join(request.payloads) == b'{"index":{}}\n{"n":1}\n{"create":{}}\n{"n":2}\n'


def test_refuses_a_document_that_is_too_long_alone() -> None:
    request = scan(b'{"index":{}}\n{"n":1}\n{"index":{}}\n' + b"x" * 101 + b'\n{"index":{}}\n{"n":3}\n', limit=100)
    assert [bool(item.error) for item in request.items] == [False, True, False]
    assert b"".join(request.payloads) == b'{"index":{}}\n{"n":1}\n{"index":{}}\n{"n":3}\n'


@pytest.mark.parametrize(
    "body",
    [
        b"hello\n{}\n",
        b"[]\n{}\n",
        b'{"index":{},"create":{}}\n{}\n',
        b'{"upsert":{}}\n{}\n',
        b'{"index":3}\n{}\n',
        b"{}\n{}\n",
        b'{"index":{}}',
        b'{"index":{}}\n\n\n',
        b"\xff\xfe\n{}\n",
        b"[" * 100_000 + b"\n{}\n",
    ],
)
def test_takes_nothing_of_what_cannot_be_cut(body: bytes) -> None:
    with pytest.raises(MalformedError, match="item 1"):
        scan(body, limit=100)


def test_parts_a_large_request_between_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_elastic, "FRAME", 100)
    body = b"".join(b'{"index":{}}\n\n{"n":%d}\n' % number for number in range(50))
    request = scan(body, limit=100)
    assert len(request.payloads) > 5
    assert all(payload.startswith(b'{"index"') and len(payload) <= 130 for payload in request.payloads)
    assert b"".join(request.payloads) == body.replace(b"\n\n", b"\n")


@pytest.mark.fuzz
@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from([b'{"index":{}}', b'{"n":1}', b"", b"\r", b'{"delete":{}}'])).map(b"\n".join)
)
def test_any_body_is_cut_or_refused(body: bytes) -> None:
    try:
        request = scan(body, limit=50)
    except MalformedError:
        return
    taken = [item for item in request.items if item.error is None]
    assert sum(payload.count(b"\n") for payload in request.payloads) == 2 * len(taken)
    lines = set(body.split(b"\n"))
    assert all(line in lines for payload in request.payloads for line in payload.split(b"\n")[:-1])


@given(st.lists(st.tuples(st.sampled_from(["index", "create", "delete", "update"]), st.integers(0, 9)), max_size=20))
def test_answers_stand_in_order(actions: list[tuple[str, int]]) -> None:
    lines = []
    for operation, number in actions:
        lines.append(json.dumps({operation: {"_index": f"i{number}"}}))
        if operation != "delete":
            lines.append(json.dumps({"n": number}))
    request = scan("\n".join(lines).encode(), limit=100)
    answer = json.loads(_elastic.reply(request.items, default_index=None, ids=str, took=3))
    assert [(*item,) for item in answer["items"]] == [(operation,) for operation, _ in actions]
    assert [item[op]["_index"] for item, (op, _) in zip(answer["items"], actions, strict=True)] == [
        f"i{number}" for _, number in actions
    ]
    assert answer["errors"] == any(operation in {"delete", "update"} for operation, _ in actions)


def test_scans_faster_than_it_is_sent() -> None:
    """Work is counted, not timed: one action is parsed once, however often it comes."""
    body = (b'{"create":{"_index":"x"}}\n' + b'{"m":"' + b"x" * 3000 + b'"}\n') * 1000
    calls = 0
    real = _elastic._action

    def counted(line: bytes, number: int) -> _elastic.Item:
        nonlocal calls
        calls += 1
        return real(line, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_elastic, "_action", counted)
        assert len(scan(body, limit=10_000).items) == 1000
    assert calls == 1


# ---- answers ----


def test_answers_a_bulk_request(ask: Ask, journal: Memory) -> None:
    body = '{"index":{}}\n{"n":1}\n{"create":{"_index":"x\\"","_id":"ä"}}\n{"n":2}\n'
    answer = ask("POST", "/logs/_bulk", body.encode())
    assert answer.status_code == 200
    assert re.match(rb'\{"took":\d+,"errors":false,"items":\[\{"index":\{"_index":"logs","_id":', answer.content)
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    items = answer.json()["items"]
    assert items[1]["create"]["_index"] == 'x"'
    assert items[1]["create"]["_id"] == "ä"
    assert [next(iter(item.values()))["status"] for item in items] == [201, 201]
    (chunk,) = journal.chunks
    assert chunk.format == "bulk"
    assert (chunk.origin.index, chunk.origin.key, chunk.origin.peer) == ("logs", "key-1", "192.0.2.7")
    assert journal.settled == ["sent"]  # `ON_ITS_WAY` later it is marked, if the loop still runs


def test_says_which_items_were_refused(ask: Ask, journal: Memory) -> None:
    answer = ask("PUT", "/_bulk", b'{"delete":{"_index":"a","_id":"1"}}\n{"index":{"_index":"a"}}\n{"n":1}\n')
    assert b'"errors":true' in answer.content
    refused, taken = answer.json()["items"]
    assert refused["delete"]["status"] == 400
    assert "can't be changed" in refused["delete"]["error"]["reason"]
    assert taken["index"]["status"] == 201
    assert len(journal.chunks) == 1


def test_an_id_that_is_no_unicode_is_answered(ask: Ask) -> None:
    answer = ask("POST", "/_bulk", b'{"index":{"_index":"a","_id":"\\ud800"}}\n{"n":1}\n')
    assert answer.status_code in {200, 400}


def test_a_document_that_is_no_json_is_taken(ask: Ask, journal: Memory) -> None:
    answer = ask("POST", "/_bulk", b'{"index":{"_index":"a"}}\n{"n": broken\xff\n')
    assert answer.json()["errors"] is False
    assert journal.chunks[0].payload.endswith(b'{"n": broken\xff\n')


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_decompresses(ask: Ask, journal: Memory, coding: str) -> None:
    import zlib

    body = b'{"index":{}}\n{"n":1}\n'
    packed = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
    assert ask("POST", "/a/_bulk", packed, content_encoding=coding).status_code == 200
    assert journal.chunks[0].payload == body


def test_small_requests_do_not_grow_without_measure(journal: Memory) -> None:
    intake = Intake(journal, admit)
    body = b'{"index":{}}\n{"m":"' + b"0" * (60 << 20) + b'"}\n'

    async def go() -> int:
        transport = httpx.ASGITransport(app=intake)
        async with httpx.AsyncClient(transport=transport, base_url="http://siem") as client:
            headers = {"authorization": "ApiKey good", "content-encoding": "gzip"}
            return (await client.post("/_bulk", content=gzip.compress(body), headers=headers)).status_code

    assert asyncio.run(go()) == 413
    assert intake._held == 0


@pytest.mark.parametrize(
    ("body", "coding", "status"),
    [
        (gzip.compress(b"x" * 1_000_000, mtime=0), "gzip", 413),
        (gzip.compress(b'{"index":{}}\n{}\n', mtime=0)[:-4], "gzip", 400),
        (b"not gzip", "gzip", 400),
        (b"x", "br", 415),
        (b"x" * 100_001, "identity", 413),
        (b"", "identity", 400),
        (b" \n", "identity", 400),
        (b"nonsense", "identity", 400),
    ],
)
def test_takes_nothing_of_a_bad_body(ask: Ask, journal: Memory, body: bytes, coding: str, status: int) -> None:
    answer = ask("POST", "/_bulk", body, content_encoding=coding)
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert answer.json()["error"]["reason"]
    assert not journal.chunks


def test_says_busy_when_the_journal_is_full(ask: Ask, journal: Memory) -> None:
    journal.full = True
    answer = ask("POST", "/_bulk", b'{"index":{"_index":"a"}}\n{"n":1}\n')
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["error"]["type"] == "es_rejected_execution_exception"


def test_lets_nobody_in_unasked(ask: Ask, journal: Memory) -> None:
    for method, path in [("GET", "/"), ("POST", "/_bulk"), ("HEAD", "/_cat/health")]:
        answer = ask(method, path, b'{"index":{}}\n{}\n' if method == "POST" else b"", authorization="ApiKey bad")
        assert answer.status_code == 401
        assert "ApiKey" in answer.headers["www-authenticate"]
    assert not journal.chunks


@pytest.mark.parametrize(
    "accept",
    [
        "application/vnd.elasticsearch+json; compatible-with=9",
        "application/vnd.elasticsearch+json;compatible-with=8",
    ],
)
def test_answers_in_the_type_that_is_asked_for(ask: Ask, accept: str) -> None:
    assert ask("GET", "/", accept=accept).headers["content-type"] == accept
    assert ask("GET", "/", accept="*/*").headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("GET", "/", {"tagline": "You Know, for Search"}),
        ("GET", "/es/", {"tagline": "You Know, for Search"}),
        ("GET", "/_license?human=false", {"license": {"status": "active", "type": "basic", "mode": "basic"}}),
        ("GET", "/_xpack", {"license": {"status": "active"}}),
        ("GET", "/_cluster/health", {"status": "green"}),
        ("PUT", "/_ilm/policy/filebeat", {"acknowledged": True}),
        ("PUT", "/_index_template/x", {"acknowledged": True}),
        ("PUT", "/_template/x", {"acknowledged": True}),
        ("PUT", "/_data_stream/x", {"acknowledged": True}),
        ("PUT", "/_ingest/pipeline/x", {"acknowledged": True}),
        ("PUT", "/alias", {"acknowledged": True, "index": "alias"}),
    ],
)
def test_answers_what_clients_ask_first(ask: Ask, method: str, path: str, wanted: dict[str, Any]) -> None:
    answer = ask(method, path)
    assert answer.status_code == 200

    def holds(found: Any, wanted: Any) -> bool:
        if isinstance(wanted, dict):
            return all(holds(found[name], value) for name, value in wanted.items())
        return bool(found == wanted)

    assert holds(answer.json(), wanted)


@pytest.mark.parametrize(
    "path", ["/_index_template/x", "/_ilm/policy/x", "/_data_stream/x", "/_ingest/pipeline/x", "/x"]
)
def test_what_was_put_is_there(ask: Ask, path: str) -> None:
    assert ask("GET", path).status_code == 404
    assert ask("HEAD", path).status_code == 404
    assert ask("PUT", path, b"{}").status_code == 200
    assert ask("GET", path).status_code == 200
    assert ask("HEAD", path).content == b""


def test_names_where_nodes_are(ask: Ask) -> None:
    (node,) = ask("GET", "/_nodes/http").json()["nodes"].values()
    assert node["http"]["publish_address"] == "siem"
    assert {"type": "geoip"} in node["ingest"]["processors"]


def test_answers_health_as_text(ask: Ask) -> None:
    assert b"green" in ask("GET", "/_cat/health").content
    assert ask("HEAD", "/_cat/health").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("POST", "/a/_doc", {"index": {"_index": "a"}}),
        ("PUT", "/a/_doc/7", {"index": {"_index": "a", "_id": "7"}}),
        ("PUT", "/a/_create/7", {"create": {"_index": "a", "_id": "7"}}),
        ("POST", "/a/_doc?op_type=create", {"create": {"_index": "a"}}),
        ("POST", "/system/events", {"index": {"_index": "system"}}),
        ("POST", "/es/a/_doc", {"index": {"_index": "a"}}),
    ],
)
def test_takes_single_documents(ask: Ask, journal: Memory, method: str, path: str, action: dict[str, Any]) -> None:
    answer = ask(method, path, b'{\n  "n": 1\n}')
    assert answer.status_code == 201
    assert answer.json()["result"] == "created"
    line, document, rest = journal.chunks[0].payload.split(b"\n")
    assert orjson.loads(line) == action
    assert orjson.loads(document) == {"n": 1}
    assert rest == b""


@pytest.mark.parametrize("path", ["/a/_search", "/_search", "/_sql", "/a/b/c/d", "/_bulk/x/y"])
def test_says_what_it_does_not_do(ask: Ask, path: str) -> None:
    answer = ask("GET", path)
    assert answer.status_code == 404
    assert "takes events in" in answer.json()["error"]["reason"]


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        ("errors", {"errors": True}),
        (
            "errors,items.*.error,items.*.status",
            {"errors": True, "items": [{"a": {"status": 201}}, {"b": {"error": 1, "status": 400}}]},
        ),
        ("items.*.error", {"items": [{"b": {"error": 1}}]}),
        ("-items", {"errors": True, "took": 3}),
        ("**.status", {"items": [{"a": {"status": 201}}, {"b": {"status": 400}}]}),
        ("items.*.s*", {"items": [{"a": {"status": 201}}, {"b": {"status": 400}}]}),
        ("nothing", {}),
    ],
)
def test_filters_its_answer(paths: str, wanted: object) -> None:
    answer = {
        "took": 3,
        "errors": True,
        "items": [{"a": {"status": 201, "_id": "x"}}, {"b": {"status": 400, "error": 1, "_id": "y"}}],
    }
    assert filtered(answer, paths) == wanted


def test_filters_over_http(ask: Ask) -> None:
    answer = ask("POST", "/_bulk?filter_path=errors,items.*.status", b'{"index":{"_index":"a"}}\n{"n":1}\n')
    assert answer.content == b'{"errors":false,"items":[{"index":{"status":201}}]}'


def test_a_sender_that_hangs_up_has_had_no_answer() -> None:
    async def go() -> list[str]:
        gate = asyncio.Event()

        class Slow(Memory):
            async def append(self, chunks: Any, *, lane_key: str, request: bytes | None = None) -> Appended:
                place = await super().append(chunks, lane_key=lane_key, request=request)
                await gate.wait()
                return place

        journal = Slow()
        told: Iterator[dict[str, Any]] = iter(
            [{"type": "http.request", "body": b'{"index":{}}\n{}\n'}, {"type": "http.disconnect"}]
        )

        async def receive() -> dict[str, Any]:
            gate.set()
            return next(told)

        async def send(message: Any) -> None:
            raise AssertionError("nobody is there")

        scope = {"type": "http", "method": "POST", "path": "/_bulk", "query_string": b"", "client": ("192.0.2.1", 1)}
        await Intake(journal, lambda *_: "")({**scope, "headers": []}, receive, send)
        return journal.settled

    assert asyncio.run(go()) == ["abandoned"]


def test_holds_no_more_bodies_than_it_may(journal: Memory) -> None:
    async def go() -> list[int]:
        intake = Intake(journal, lambda *_: "", Settings(held_bytes=1_000))
        more = asyncio.Event()

        async def one(body: bytes, wait: bool) -> int:
            parts = [body[:800], body[800:]]
            status = 0

            async def receive() -> dict[str, Any]:
                if not parts:
                    await asyncio.sleep(3600)
                if len(parts) == 1 and wait:
                    await more.wait()
                return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

            async def send(message: Any) -> None:
                nonlocal status
                status = message.get("status", status)

            scope = {"type": "http", "method": "POST", "path": "/_bulk", "query_string": b"", "client": None}
            await intake({**scope, "headers": []}, receive, send)
            return status

        body = b'{"index":{}}\n{"m":"' + b"x" * 900 + b'"}\n'
        first = asyncio.create_task(one(body, True))
        await asyncio.sleep(0)
        second = await one(body, False)
        more.set()
        return [await first, second, await one(body, False)]

    assert asyncio.run(go()) == [200, 429, 200]
