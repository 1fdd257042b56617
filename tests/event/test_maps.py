"""The maps of what is not hot: names sorted within a row, values as texts, and what they were."""

from __future__ import annotations

import numpy as np

from tocsin.event._maps import maps


def test_names_are_sorted_and_kinds_are_kept() -> None:
    fields, types = maps({"b": ["x", None], "a": [1, True]}, {}, (), 2)
    assert fields.to_pylist() == [[("a", ["1"]), ("b", ["x"])], [("a", ["true"])]]
    assert types.to_pylist() == [[("a", "number")], [("a", "boolean")]]


def test_parts_and_a_whole_column_of_one_name_are_one() -> None:
    fields, _ = maps({"a": ["x", None]}, {"a": [(np.array([0, 1]), ["y", "z"])]}, (), 2)
    assert fields.to_pylist() == [[("a", ["x", "y"])], [("a", ["z"])]]


def test_objects_of_an_array_stand_flattened_beside_their_json_but_never_over_a_hot_column() -> None:
    fields, _ = maps({"a": [[{"b": 1, "hot": 2}]]}, {}, ("a.hot",), 1)
    assert fields.to_pylist() == [[("a", ['{"b":1,"hot":2}']), ("a.b", ["1"])]]


def test_nothing_is_two_empty_maps() -> None:
    fields, types = maps({}, {}, (), 2)
    assert fields.to_pylist() == types.to_pylist() == [[], []]
