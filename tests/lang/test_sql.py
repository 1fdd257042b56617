"""The SQL on the edges of the values' contract, in the table that the store has, against the slow interpreter.

`test_agreement` holds both against each other at large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import clickhouse_connect
import pytest

from tests.lang.generate import batch
from tests.lang.interpreter import events, holds
from tocsin.errors import UnsupportedError
from tocsin.event import ip
from tocsin.event.schema import COLUMNS, HOT
from tocsin.lang import _sql_expressions, sql
from tocsin.lang.fields import Alias, Names, scope_of
from tocsin.lang.ir import (
    FALSE,
    TRUE,
    And,
    Call,
    Compare,
    Constant,
    Equals,
    Exists,
    Field,
    Gap,
    InList,
    IsNull,
    Like,
    Not,
    Op,
    Or,
    Predicate,
    Range,
    Regex,
    Source,
    Test,
    Truth,
    Value,
    Words,
)
from tocsin.lang.lists import ListTable

Test.__test__ = False  # type: ignore[attr-defined]
ANY, ONE = Gap.ANY, Gap.ONE
NAMES = Names([Alias("Image", "process.executable", scope_of(["a.b"], ["1"]))])
Rows = Callable[..., list[int]]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    opened = clickhouse_connect.get_client(interface="chdb", path=str(tmp_path_factory.mktemp("sql")))
    columns = ", ".join(f"{sql.quote(column.name)} {column.clickhouse}" for column in COLUMNS)
    # As the store has it: `host.ip` and `host.mac` may have different lengths.
    opened.command(f"CREATE TABLE events ({columns}) ENGINE = MergeTree ORDER BY () SETTINGS share_nested_offsets = 0")
    yield opened
    opened.close()


@pytest.fixture
def ask(client: Any) -> Rows:
    """The rows that the SQL gives for a predicate, which must be the interpreter's."""

    def asked(predicate: Predicate, documents: Sequence[dict[str, Any]], **options: Any) -> list[int]:
        client.command("TRUNCATE TABLE events")
        arrow = batch(documents)
        names = ", ".join(sql.quote(column.name) for column in COLUMNS)
        client.command(f"INSERT INTO events ({names}) SELECT {names} FROM Python(arrow)")
        lists = options.get("lists", ListTable({}))
        found = sql.where(predicate, lists=lists, **{k: v for k, v in options.items() if k != "lists"})
        query = "SELECT toUInt32(`tocsin.id`) FROM events WHERE {} ORDER BY 1"
        rows = [row for (row,) in client.query(query.format(found.text), parameters=found.parameters).result_rows]
        settled = [row for (row,) in client.query(query.format(found.settled), parameters=found.parameters).result_rows]
        assert rows == settled
        assert rows == [row for row, event in enumerate(events(arrow)) if holds(predicate, event, lists.rows)]
        return rows

    return asked


@pytest.fixture
def met(ask: Rows) -> Rows:
    def asked(name: str, op: Op, *values: Any) -> list[int]:
        return ask(Test(NAMES.field(name), op), [{} if value is None else {name: value} for value in values])

    return asked


def test_missing_null_and_the_empty_list_are_no_value_and_all_else_is_one(met: Rows) -> None:
    for name in ("process.name", "process.args", "my.own"):
        assert met(name, Exists(), None, [], [None], "", "a", ["a", None]) == [3, 4, 5]
        assert met(name, Equals(("",)), None, [], [None], "", "a") == [3]
    assert met("source.port", Exists(), None, 0, [], [0, 1]) == [1, 3]
    assert met("source.ip", Exists(), None, "::", "not an address") == [1, 2]


def test_a_negation_negates_the_whole(ask: Rows) -> None:
    test = Test(NAMES.field("process.args"), Equals(("a",)))
    documents = [{}, {"process.args": ["a", "b"]}, {"process.args": ["b"]}]
    assert ask(Not(test), documents) == [0, 2]
    assert ask(Not(Or((test, FALSE))), documents) == [0, 2]
    assert ask(Not(And((test, TRUE))), documents) == [0, 2]
    assert ask(Not(Not(test)), documents) == [1]
    null = Test(NAMES.field("process.name"), Equals(("a",)))
    assert ask(Not(Or((null, test))), documents) == [0, 2]
    assert (ask(TRUE, documents), ask(FALSE, documents), ask(And(()), [{}]), ask(Or(()), [{}])) == (
        [0, 1, 2],
        [],
        [0],
        [],
    )


@pytest.mark.parametrize("name", ["process.name", "process.command_line", "process.args", "my.own"])
def test_folding_is_ascii(met: Rows, name: str) -> None:
    texts = ["ÉTÉ K", "été k", "ÉtÉ k", "ÉTÉ \u212a", "ſ"]
    assert met(name, Equals(("ÉTÉ k",), fold=True), *texts) == [0, 2]
    assert met(name, Equals(("ÉTÉ K", "x")), *texts) == [0]
    assert met(name, Like((ANY, "tÉ k"), fold=True), *texts) == [0, 2]
    assert met(name, Like((ANY, "s", ANY), fold=True), *texts) == []
    assert met(name, Regex("k$", fold=True), *texts) == [0, 1, 2, 3]


def test_shapes_take_newlines_and_count_code_points(met: Rows) -> None:
    texts = ["a\nb", "aéb", "a😀b", "ab", "a\n\nb", "xa\nb", "a\nb\n"]
    assert met("my.own", Like(("a", ONE, "b")), *texts) == [0, 1, 2]
    assert met("my.own", Like(("a", ANY, "b")), *texts) == [0, 1, 2, 3, 4]
    assert met("my.own", Like((ANY, "b")), *texts) == [0, 1, 2, 3, 4, 5]
    assert met("my.own", Like(("a", ANY)), *texts) == [0, 1, 2, 3, 4, 6]
    assert met("my.own", Like((ONE, ONE)), *texts, "é😀") == [3, 7]
    assert met("my.own", Like(()), "", "a") == [0]


@pytest.mark.parametrize("text", ["%", "_", "\\", "a\\%b", "100%_", "\\\\server\\c$", "'); --", "{p0:String}", "\x00x"])
def test_signs_of_sql_are_texts(met: Rows, text: str) -> None:
    others = [text, text + "x", "x" + text, "axb", ""]
    assert met("my.own", Equals((text,)), *others) == [0]
    assert met("my.own", Like(("x", ANY, text)), *others) == [2]
    assert met("my.own", Like((ONE, text, ANY)), *others) == [2]
    assert met("my.own", Like((ANY, text, ANY)), *others) == [0, 1, 2]


def test_a_dot_takes_no_newline_unless_told(met: Rows) -> None:
    assert met("my.own", Regex("a.b"), "a\nb", "acb") == [1]
    assert met("my.own", Regex("a.b", dotall=True), "a\nb", "acb") == [0, 1]
    assert met("my.own", Regex("^b$"), "a\nb", "b", "b\n") == [1]
    assert met("my.own", Regex("^b$", multiline=True), "a\nb", "b", "b\n") == [0, 1, 2]
    assert met("my.own", Regex("b|c", whole=True), "b", "c", "bc", "c\n") == [0, 1]


def test_numbers_compare_exactly_to_64_bits(met: Rows) -> None:
    big = 2**53 + 1
    for name in ("event.sequence", "my.own"):
        assert met(name, Equals((big,)), big, big - 1, big + 1, str(big)) == [0, 3]
        assert met(name, Range(big, None, low_included=False), big, big + 1, 2**63 - 1) == [1, 2]
        assert met(name, Range(None, -(2**63)), -(2**63), -(2**63) + 1) == [0]
        assert met(name, Range(6.5, 7.5), 6, 7, 8) == [1]
        assert met(name, Range(float(2**53), None), 2**53 - 1, 2**53, big) == [1, 2]
        assert met(name, Range(1e300, None), 1, 2**63 - 1) == []
    assert met("my.own", Equals((2**64 - 1,)), 2**64 - 1, 2**64 - 2, 2**64, -1) == [0]
    assert met("event.sequence", Equals((2**64 - 1,)), 2**64 - 1, -1) == [0]
    texts = ["7", "007", "7.0", "0x7", " 7", "+7", "7e0", "seven", "", "٧", "7\n"]
    assert met("my.own", Equals((7,)), *texts) == [0, 2, 6]
    assert met("my.own", Equals((0.1,)), 0.1, "0.1", "0.10", "1e-1", 0.2) == [0, 1, 2, 3]
    assert met("my.own", Equals((True,)), True, "true", "TRUE", 1, False) == [0, 1]


def test_an_address_is_one_however_it_is_written(met: Rows) -> None:
    low, high = ip.bounds("10.0.0.0/8") or (b"", b"")
    for name in ("source.ip", "host.ip"):
        values = ["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2", "::1", "0:0::1", "nobody", ["10.0.0.9", "::1"], "[::1]"]
        assert met(name, Equals(("10.0.0.1",)), *values) == [0, 1]
        assert met(name, Equals(("::0001",)), *values) == [3, 4, 6, 7]
        assert met(name, Equals(("nobody",)), *values) == [5]
        assert met(name, Range(low, high), *values) == [0, 1, 2, 6]
        assert met(name, Like(("10.0.", ANY)), *values) == [0, 1, 2, 6]
    six_low, six_high = ip.bounds("fe80::/10") or (b"", b"")
    assert met("source.ip", Range(six_low, six_high), "fe80::1", "fec0::1", "10.0.0.1", "fe80::1%eth0") == [0, 3]


def test_texts_order_by_their_bytes(met: Rows) -> None:
    assert met("process.name", Range("b", "é"), "a", "b", "z", "é", "😀", "B") == [1, 2, 3]


def test_dates_are_microseconds(met: Rows) -> None:
    at = 1_714_564_800_000_000
    texts = ["2024-05-01T12:00:00Z", "2024-05-01T12:00:00.000001Z", "2024-05-01T14:00:00+02:00", "yesterday"]
    for name in ("event.start", "file.mtime"):
        assert met(name, Equals((at,)), *texts, [texts[0], texts[0]]) == [0, 2, 4]
        assert met(name, Range(at, None, low_included=False), *texts) == [1]
        assert met(name, Range(None, at), *texts) == [0, 2]


def test_words_are_neighbouring_tokens(met: Rows) -> None:
    texts = ["Event Sink!", "sink event", "event-sink", "eventsink", "an EVENT, and sink", "éevent sink", "event sinks"]
    assert met("message", Words(("event", "sink")), *texts) == [0, 2]
    assert met("message", Words(("event",)), *texts) == [0, 1, 2, 4, 6]
    assert met("message", Words((("ev", ANY), ("sin", ONE))), *texts) == [0, 2]
    assert met("message", Words(((ONE, "event"),)), *texts) == [5]
    assert met("message", Words(((ANY,), "sink")), *texts, "sink") == [0, 2, 4, 5]
    assert met("message", Words(("no token",)), "no token") == []


def test_an_alias_holds_in_its_scope_only(ask: Rows) -> None:
    sysmon = {"event.dataset": "a.b", "process.executable": "a.exe"}
    documents = [
        {**sysmon, "event.code": "1"},
        {**sysmon, "event.code": "3"},
        {**sysmon, "event.code": "1", "event.dataset": "c.d"},
        {"Image": "a.exe"},
        {**sysmon, "event.code": "1", "process.executable": ["z", "a.exe"]},
        sysmon,
    ]
    test = Test(NAMES.field("Image"), Equals(("a.exe",)))
    assert ask(test, documents) == [0, 3, 4]
    assert ask(Not(test), documents) == [1, 2, 5]


def test_what_no_map_has_is_not_read(ask: Rows) -> None:
    field = NAMES.field("process.name")
    assert "tocsin.fields" not in sql.where(Test(field, Exists()), keys={"own"}).text
    assert sql.where(Test(NAMES.field("nobody"), Exists()), keys={"own"}).text == sql.FALSE
    overflowed = [{"process.name": ["a", "b"]}, {"process.name": "b"}]
    assert ask(Test(field, Equals(("b",))), overflowed, keys={"process.name"}) == [0, 1]


def test_the_columns_of_pipeline_and_maps_are_no_fields(ask: Rows) -> None:
    for name in ("tocsin.fields", "tocsin.types"):
        field = Field(name, HOT[name].kind, (Source(name, True),))
        assert sql.where(Test(field, Equals(("x",)))).text == sql.FALSE


def test_a_list_is_spelt_out_with_what_narrows_it(ask: Rows) -> None:
    address, port = NAMES.field("destination.ip"), NAMES.field("destination.port")
    rows = [{"value": "10.0.0.0/24", "port": ""}, {"value": "192.0.2.7", "port": "8080"}]
    documents = [
        {"destination.ip": "10.0.0.9", "destination.port": 5},
        {"destination.ip": "192.0.2.7", "destination.port": 8080},
        {"destination.ip": "192.0.2.7", "destination.port": 80},
        {"destination.port": 8080},
    ]
    node = InList(address, "servers", (("port", port),))
    assert ask(node, documents, lists=ListTable({"servers": rows})) == [0, 1]
    assert ask(Not(node), documents, lists=ListTable({"servers": rows})) == [2, 3]
    assert ask(node, documents) == []


def test_expressions_are_three_valued_inside(ask: Rows) -> None:
    command = Value(NAMES.field("process.command_line"))
    documents: list[dict[str, Any]] = [{"process.command_line": "abcd"}, {"process.command_line": "É€c"}, {}]
    long = Compare(Call("length", (command,)), ">", Constant(3))
    assert ask(long, documents) == [0]
    assert ask(Not(long), documents) == [1, 2]
    assert ask(IsNull(Call("length", (command,))), documents) == [2]
    assert ask(Truth(Call("startswith", (command, Constant("AB")), fold=True)), documents) == [0]
    assert ask(Compare(Call("substring", (command, Constant(-2))), "==", Constant("€c")), documents) == [1]
    assert ask(Compare(Call("concat", (command, Constant(5))), "==", Constant("abcd5")), documents) == [0]
    between = Call("between", (command, Constant("a"), Constant("D")), fold=True)
    assert ask(Compare(between, "==", Constant("bc")), documents) == [0]
    port, other = Value(NAMES.field("source.port")), Value(NAMES.field("destination.port"))
    ports: list[dict[str, Any]] = [
        {"source.port": 1, "destination.port": 1},
        {"source.port": [1, 2], "destination.port": 2},
        {"source.port": "1"},
        {},
    ]
    assert ask(Compare(port, "==", other), ports) == [0, 1]
    assert ask(Compare(Call("/", (port, Constant(0))), "==", Constant(0)), ports) == []
    assert ask(Compare(Call("*", (Constant(2**62), Constant(4))), ">", port), ports) == []
    address = Value(NAMES.field("source.ip"))
    inside = Truth(Call("cidrmatch", (address, Constant("10.0.0.0/8"), Constant("nonsense"))))
    assert ask(inside, [{"source.ip": "10.1.1.1"}, {"source.ip": "11.1.1.1"}, {}]) == [0]
    own = Value(NAMES.field("my.own"))
    sixteen = Compare(Call("number", (own, Constant(16))), "==", Constant(255))
    assert ask(sixteen, [{"my.own": "0xFf"}, {"my.own": "ff"}, {"my.own": "fg"}, {"my.own": 255}]) == [0, 1]
    typed = [{"my.own": 1}, {"my.own": "1"}, {"my.own": True}, {"my.own": "true"}]
    assert ask(Compare(own, "==", Constant("1")), typed) == [0, 1]
    assert ask(Compare(own, "==", Constant(True)), typed) == [2]


def test_a_tree_too_deep_or_too_large_is_refused() -> None:
    test = Test(NAMES.field("a"), Equals(("b",)))
    node: Predicate = test
    for _ in range(sql.DEEPEST + 1):
        node = Not(node)
    with pytest.raises(UnsupportedError, match="deep"):
        sql.where(node)
    with pytest.raises(UnsupportedError, match="conditions"):
        sql.where(Or((test,) * (sql.MOST_LEAVES + 1)))
    call: Any = Value(NAMES.field("a"))
    for _ in range(300):
        call = Call("string", (call,))
    with pytest.raises(UnsupportedError):
        sql.where(Truth(call))
    wide = Call("concat", tuple(Value(NAMES.field(f"a{number}")) for number in range(2000)))
    with pytest.raises(UnsupportedError, match="large"):
        sql.where(IsNull(wide))
    assert _sql_expressions.LARGEST < 16 << 20


def test_every_value_is_a_parameter() -> None:
    secret = "'; DROP TABLE events --"
    ops: list[Op] = [Equals((secret,)), Like((ANY, secret)), Regex(secret), Range(secret, None)]
    for op in ops:
        found = sql.where(Test(NAMES.field("my.own"), op), prefix="q")
        assert "DROP" not in found.text
        assert all(name.startswith("q") for name in found.parameters)
    assert sql.quote("a`b\\") == "`a\\`b\\\\`"
