"""Documents: a row back as what its source sent, flat and nested."""

from __future__ import annotations

from typing import Any

import orjson
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event.batch import BatchBuilder
from tocsin.event.document import nested, readable, to_documents


def document(**columns: Any) -> dict[str, Any]:
    builder = BatchBuilder(1)
    for name, value in columns.items():
        builder.put(name.replace("__", "."), [value])
    return to_documents(builder.finish())[0]


def test_times_addresses_and_numbers_are_readable() -> None:
    builder = BatchBuilder(1)
    builder.put("@timestamp", pa.array([1_547_188_415_857_497], pa.timestamp("us", tz="UTC")))
    builder.put("source.ip", ["::ffff:10.0.0.1"])
    builder.put("related.ip", [["10.0.0.1", "2001:DB8::1"]])
    builder.put("acme", [[1, 2.5]])
    builder.put("flag", [True])
    builder.put("big", [2**60])
    assert to_documents(builder.finish()) == [
        {
            "@timestamp": "2019-01-11T06:33:35.857497Z",
            "source.ip": "10.0.0.1",
            "related.ip": ["10.0.0.1", "2001:db8::1"],
            "acme": [1, 2.5],
            "flag": True,
            "big": 2**60,
        }
    ]


def test_what_no_column_could_hold_is_there_under_its_name() -> None:
    assert document(source__port="many") == {"source.port": "many", "tocsin.overflow": ["source.port"]}
    assert document(user__name=["a", "b"])["user.name"] == ["a", "b"]


def test_missing_fields_are_absent_and_empty_texts_are_not() -> None:
    assert document(user__name="", source__port=None, event__category=[]) == {"user.name": ""}


def test_nests_as_ecs_does() -> None:
    assert nested({"source.ip": "a", "source.port": 1, "@timestamp": "t"}) == {
        "source": {"ip": "a", "port": 1},
        "@timestamp": "t",
    }


def test_a_name_with_a_value_and_names_below_it_loses_neither() -> None:
    assert nested({"user": "root", "user.name": "alice"}) == {"user": "root", "user.name": "alice"}
    assert nested({"a.b": 1, "a.b.c.d": 2}) == {"a": {"b": 1, "b.c.d": 2}}


def test_arrays_of_objects_come_back_as_they_were() -> None:
    answers = [{"data": "a", "ttl": 1}, {"data": "b", "ttl": 2}]
    assert nested(document(dns__answers=answers)) == {"dns": {"answers": answers}}


@given(
    st.dictionaries(st.text("ab.", min_size=1, max_size=7), st.integers() | st.text() | st.just('{"x":1}'), max_size=8)
)
def test_nesting_never_raises_and_is_json(flat: dict[str, Any]) -> None:
    orjson.loads(orjson.dumps(nested({k: v if isinstance(v, str) else v % 2**60 for k, v in flat.items()})))


def test_every_shape_of_column_is_read_where_it_is_cut_or_in_pieces() -> None:
    texts = pa.dictionary(pa.int32(), pa.string())
    rows: list[Any] = [["a", "b"], None, [], ["b"], ["c", "a"]]
    maps: list[Any] = [[("a", ["1"])], None, [("b", ["2", "3"]), ("c", [])], [], [("a", ["4"])]]
    made = [
        (pa.array(["a", None, "b", "a", "c"], texts), ["a", None, "b", "a", "c"]),
        (pa.array(rows, pa.list_(pa.string())), rows),
        (pa.array(rows, pa.list_(texts)), rows),
        (pa.array(maps, pa.map_(pa.string(), pa.list_(pa.string()))), [dict(row) if row else None for row in maps]),
    ]
    for array, wanted in made:
        assert readable(array) == wanted
        assert readable(array[1:4]) == wanted[1:4]
        assert readable(array[:0]) == []
        assert readable(pa.chunked_array([array[3:], array[1:3]])) == wanted[3:] + wanted[1:3]
