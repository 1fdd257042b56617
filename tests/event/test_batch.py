"""The batch: any value goes in, none raises, none is lost (DESIGN section 3, "Values")."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event import ip
from tocsin.event.batch import BatchBuilder, concat, interleaved
from tocsin.event.document import to_documents
from tocsin.event.records import explode
from tocsin.event.schema import FIELDS, HOT, OVERFLOW, SCHEMA, TYPES

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(st.characters()), st.just("\ud800")
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


def built(**columns: list[Any]) -> pa.RecordBatch:
    n = len(next(iter(columns.values())))
    builder = BatchBuilder(n)
    for name, column in columns.items():
        builder.put(name.replace("__", "."), column)
    return builder.finish()


def fields(batch: pa.RecordBatch, row: int) -> dict[str, list[str]]:
    return dict(batch.column(FIELDS)[row].as_py())


def test_missing_is_null_and_nothing_else() -> None:
    batch = built(user__name=[None, "", []], source__port=[None, 0, []], acme__x=[None, "", []])
    assert batch.schema.equals(SCHEMA)
    assert batch.column("user.name").to_pylist() == [None, "", None]
    assert batch.column("source.port").to_pylist() == [None, 0, None]
    assert [fields(batch, row) for row in range(3)] == [{}, {"acme.x": [""]}, {}]


def test_a_wrong_type_stands_in_the_map_and_is_named() -> None:
    batch = built(
        source__port=[443, "many", {"a": 1}, 3.5, True, "80", "0x1f", 2**63], source__ip=["::1", "here", *[None] * 6]
    )
    assert batch.column("source.port").to_pylist() == [443, None, None, None, None, 80, 31, None]
    assert fields(batch, 1) == {"source.ip": ["here"], "source.port": ["many"]}
    assert fields(batch, 2)["source.port"] == ['{"a":1}']
    assert batch.column(OVERFLOW).to_pylist()[:3] == [[], ["source.ip", "source.port"], ["source.port"]]
    assert fields(batch, 7)["source.port"] == [str(2**63)]


def test_a_list_in_a_scalar_column_is_kept_whole() -> None:
    batch = built(user__name=[["root"], ["root", "alice"], [None, "bob"], [None]])
    assert batch.column("user.name").to_pylist() == ["root", None, "bob", None]
    assert fields(batch, 1) == {"user.name": ["root", "alice"]}
    assert batch.column(OVERFLOW).to_pylist() == [[], ["user.name"], [], []]


def test_numbers_and_booleans_of_the_map_are_named() -> None:
    batch = built(a=[1, "1", True, [1.5, 2]], b=[False, None, "true", ["x", 1]])
    types = [dict(row) for row in batch.column(TYPES).to_pylist()]
    assert types == [{"a": "number", "b": "boolean"}, {}, {"a": "boolean"}, {"a": "number"}]
    assert fields(batch, 3) == {"a": ["1.5", "2"], "b": ["x", "1"]}


def test_addresses_of_both_families_share_a_column() -> None:
    batch = built(source__ip=["10.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0"], related__ip=[["10.0.0.1"], [], ["x"]])
    first, second, third = batch.column("source.ip").to_pylist()
    assert first == second == ip.packed("10.0.0.1")
    assert ip.text(third) == "fe80::1"
    assert batch.column("related.ip").to_pylist() == [[first], [], []]
    assert fields(batch, 2) == {"related.ip": ["x"]}


def test_a_name_put_twice_keeps_both_values() -> None:
    builder = BatchBuilder(2)
    builder.put("user.name", ["a", "b"])
    builder.put("user.name", ["a", "c"])
    builder.put("acme.x", ["1", None])
    builder.put("acme.x", ["2", "3"])
    batch = builder.finish()
    assert batch.column("user.name").to_pylist() == ["a", None]
    assert fields(batch, 1) == {"acme.x": ["3"], "user.name": ["b", "c"]}
    assert fields(batch, 0) == {"acme.x": ["1", "2"]}


def test_a_source_cannot_claim_what_is_tocsins_own() -> None:
    builder = BatchBuilder(1)
    builder.source("tocsin.id", ["forged"])
    builder.source("tocsin.alert.severity", ["none"])
    batch = builder.finish()
    assert batch.column("tocsin.id").to_pylist() == [None]
    assert fields(batch, 0) == {"unmapped.tocsin.alert.severity": ["none"], "unmapped.tocsin.id": ["forged"]}


def test_a_bound_keeps_what_the_source_wrote() -> None:
    builder = BatchBuilder(2)
    builder.put("@timestamp", pa.array([0, 1], pa.timestamp("us", tz="UTC")))
    builder.overflow("@timestamp", [None, "9999-01-01T00:00:00Z"])
    batch = builder.finish()
    assert batch.column("@timestamp").null_count == 0
    assert batch.column(OVERFLOW).to_pylist() == [[], ["@timestamp"]]
    assert fields(batch, 1) == {"@timestamp": ["9999-01-01T00:00:00Z"]}


def test_arrays_of_objects_keep_their_json_and_are_flattened() -> None:
    batch = built(acme__parts=[[{"data": "a", "ttl": 1}, {"data": "b"}], None])
    assert fields(batch, 0) == {
        "acme.parts": ['{"data":"a","ttl":1}', '{"data":"b"}'],
        "acme.parts.data": ["a", "b"],
        "acme.parts.ttl": ["1"],
    }


def test_constants_fill_every_row() -> None:
    builder = BatchBuilder(3)
    builder.constant("event.category", ["network"])
    builder.constant("event.kind", "event")
    builder.constant("acme.version", 3)
    batch = builder.finish()
    assert batch.column("event.category").to_pylist() == [["network"]] * 3
    assert batch.column("event.kind").to_pylist() == ["event"] * 3
    with pytest.raises(ValueError, match="can't hold"):
        builder.constant("source.port", "many")


def test_a_column_of_another_length_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="2 values for 3 events"):
        BatchBuilder(3).put("user.name", ["a", "b"])


def test_no_events_make_an_empty_batch() -> None:
    assert BatchBuilder(0).finish().schema.equals(SCHEMA)


def test_batches_join_with_their_dictionaries() -> None:
    batch = concat([built(user__name=["a", "b"]), built(user__name=["b", None])])
    assert batch.column("user.name").to_pylist() == ["a", "b", "b", None]
    assert batch.schema.equals(SCHEMA)


def test_batches_are_put_in_the_places_of_their_events() -> None:
    one, two = (
        built(user__name=["a", "b"], acme=["x", None]),
        built(event__category=[["network"], []], user__name=["c", "a"]),
    )
    batch = interleaved([one, two], [[3, 0], [1, 2]])
    assert batch.column("user.name").to_pylist() == ["b", "c", "a", "a"]
    assert batch.column("event.category").to_pylist() == [[], ["network"], [], []]
    assert [fields(batch, row) for row in range(4)] == [{}, {}, {}, {"acme": ["x"]}]
    assert batch.schema.equals(SCHEMA)
    batch.validate(full=True)
    assert interleaved([one], [[0, 1]]) is one
    assert interleaved([one], [[1, 0]]).column("user.name").to_pylist() == ["b", "a"]


def empty(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(map(empty, value)))


@given(
    st.lists(
        st.dictionaries(st.sampled_from(sorted(HOT)) | st.text(max_size=12), values, max_size=6), min_size=1, max_size=5
    )
)
def test_any_document_is_taken_and_nothing_of_it_is_lost(documents: list[dict[str, Any]]) -> None:
    columns = explode(documents)
    builder = BatchBuilder(len(documents))
    for name, column in columns.items():
        builder.source(name, column)
    batch = builder.finish()
    assert batch.schema.equals(SCHEMA)
    batch.validate(full=True)
    out = to_documents(batch)
    for name, column in columns.items():
        for row, value in enumerate(column):
            if empty(value):
                continue
            shown = "unmapped." + name if name.startswith("tocsin.") else name
            assert shown.encode("utf-8", "replace").decode() in out[row]
