"""Zeek's TSV: what the header says decides what a cell is."""

from __future__ import annotations

from tocsin.normalise._tsv import Header

HEADER = """#separator \\x09
#set_separator\t,
#empty_field\t(empty)
#unset_field\t-
#path\tconn
#open\t2024-06-10-06-13-20
#fields\tts\tuid\tid.orig_p\tlocal_orig\ttunnel_parents\tdurations\tnote\tduration
#types\ttime\tstring\tport\tbool\tset[string]\tvector[interval]\tstring\tinterval
"""


def test_cells_become_what_zeeks_json_writes() -> None:
    line = "1718000000.123456\tC1\t80\tT\ta,b\t1.5,-,2.0\t-\t0.25"
    assert Header.of(HEADER).read(line) == {
        "ts": 1718000000.123456,
        "uid": "C1",
        "id.orig_p": 80,
        "local_orig": True,
        "tunnel_parents": ["a", "b"],
        "durations": [1.5, 2.0],
        "duration": 0.25,
    }


def test_empty_and_unset_differ() -> None:
    document = Header.of(HEADER).read("1.0\t-\t1\tF\t(empty)\t-\t(empty)\t-")
    assert isinstance(document, dict)
    assert document["tunnel_parents"] == []
    assert document["note"] == ""
    assert "uid" not in document


def test_escapes_are_bytes() -> None:
    document = Header.of(HEADER).read("1.0\t\\x2d\t1\tF\ta\\x2cb,c\t-\tm\\xc3\\xbcll\\x09x\t-")
    assert isinstance(document, dict)
    assert document["uid"] == "-"
    assert document["tunnel_parents"] == ["a,b", "c"]
    assert document["note"] == "müll\tx"


def test_cells_of_another_type_stay_texts() -> None:
    document = Header.of(HEADER).read("noon\tC1\tmany\tmaybe\t-\t-\t-\t1e999")
    assert document == {"ts": "noon", "uid": "C1", "id.orig_p": "many", "local_orig": "maybe", "duration": "1e999"}


def test_says_why_a_line_is_none() -> None:
    assert Header().read("a\tb") == "a Zeek TSV line without a #fields line before it"
    assert Header.of(HEADER).read("a\tb") == "2 cells under 8 #fields"
    assert Header.of(HEADER).read("\t".join("-" * 8)) == "no field is set"


def test_types_may_be_missing_or_of_another_count() -> None:
    assert Header.of("#fields\ta\tb\n#types\tcount").read("1\t2") == {"a": "1", "b": "2"}
