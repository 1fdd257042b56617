"""The YAML of Sigma files: what is read, what is refused, and where."""

from __future__ import annotations

import pytest

from tocsin.errors import QueryError
from tocsin.lang import _sigma_text


def test_reads_values_as_pysigma_does() -> None:
    """YAML 1.1, as pySigma's own reader: an octal look-alike with a 9 is a text, `yes` is true."""
    (read,) = _sigma_text.documents("a: 00000429\nb: yes\nc: 0x10\nd: '5'\ne: 2024-05-01\n", "r.yml")
    assert (read["a"], read["b"], read["c"], read["d"], read["e"].year) == ("00000429", True, 16, "5", 2024)


def test_reads_every_document_and_skips_empty_ones() -> None:
    assert [each["a"] for each in _sigma_text.documents("a: 1\n---\n---\na: 2\n", "r.yml")] == [1, 2]


def test_anchors_are_fine_while_they_are_small() -> None:
    (read,) = _sigma_text.documents("a: &x {F: 1}\nb: *x\nc:\n  <<: *x\n  G: 2\n", "r.yml")
    assert (read["b"], read["c"]) == ({"F": 1}, {"F": 1, "G": 2})


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("a: 1\nb:\n  c: 1\n  c: 2\n", 4, 3), ("a: [\n", 2, 1), ("a: b: c\n", 1, 5), ("\ta: 1\n", 1, 1)],
)
def test_says_where_it_is_no_yaml(text: str, line: int, column: int) -> None:
    with pytest.raises(QueryError) as caught:
        _sigma_text.documents(text, "r.yml")
    problem = caught.value.problems[0]
    assert (problem.line, problem.column) == (line, column)


@pytest.mark.parametrize(
    ("condition", "wrong"),
    [
        ("a and not b", []),
        ("1 of a* or all of them", []),
        ("c", ["'c' is not a selection of this rule"]),
        ("a and (c or d)", ["'c' is not", "'d' is not"]),
        ("1 of z*", ["no selection of this rule is named like 'z*'"]),
        ("1 of *a*b*c*d*", ["at most three stars"]),
        ("(" * 300 + "a" + ")" * 300, ["of that length"]),
        (5, ["a condition is a text"]),
        (["a", "c"], ["'c' is not"]),
    ],
)
def test_conditions_name_what_is_there(condition: object, wrong: list[str]) -> None:
    document = {
        "title": "T",
        "logsource": {"product": "linux"},
        "detection": {"a": {"F": 1}, "b": ["x"], "condition": condition},
    }
    found = [problem.what for problem in _sigma_text.check(document, "rule", "title: T\n")]
    assert len(found) == len(wrong)
    assert all(part in what for part, what in zip(wrong, found, strict=True))


@pytest.mark.parametrize(
    ("detection", "wrong"),
    [
        ({"a": {"F|contains|all": ["x"]}}, []),
        ({"a": [{"F": 1}, {"G|re|i": "x"}]}, []),
        ({"a": [{"F|no": 1}, {"G|nor": "x"}]}, 2),
        ({"a": {1: "x"}}, 1),
        ({"a": []}, 1),
        ({1: "x", "a": "y"}, 1),
        ({"a" * 101: "x", "a": "y"}, 1),
        ({f"s{number}": "x" for number in range(1001)} | {"a": "y"}, 1),
    ],
)
def test_selections_are_checked(detection: dict[object, object], wrong: int | list[str]) -> None:
    document = {"title": "T", "logsource": {"product": "linux"}, "detection": {**detection, "condition": "a"}}
    found = _sigma_text.check(document, "rule", "title: T\n")
    assert len(found) == (wrong or 0)


def test_pysigmas_words_are_made_readable() -> None:
    told = ValueError("Expected {x | y}, found 'foo'  (at char 5), (line:1, col:6)")
    assert _sigma_text.message(told) == "the condition can't be read from 'foo' on"
    assert _sigma_text.message(ValueError("a\n  b")) == "a b"
    assert _sigma_text.message(ValueError()) == "ValueError"
