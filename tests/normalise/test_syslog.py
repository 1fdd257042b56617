"""Heads of syslog messages as they are really sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.normalise._syslog import Head, from_document, head, is_document, structured


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su 77 ID47 - \ufeff'su root' failed",
            Head(
                "'su root' failed",
                34,
                "2003-10-11T22:14:15.003Z",
                "mymachine.example.com",
                "su",
                "77",
                "ID47",
                None,
                "1",
            ),
        ),
        ("<13>1 - vm sshd 8 - -  Failed x", Head("Failed x", 13, None, "vm", "sshd", "8", None, None, "1")),
        ("<13>1 - - - - - -", Head("", 13, None, None, None, None, None, None, "1")),
        ("<34>Oct 11 22:14:15 host su: failed", Head("failed", 34, "Oct 11 22:14:15", "host", "su")),
        ("Oct  1 22:14:15 host sshd[12]: x", Head("x", None, "Oct  1 22:14:15", "host", "sshd", "12")),
        ("<4>Oct 11 22:14:15 kernel: x", Head("x", 4, "Oct 11 22:14:15", None, "kernel")),
        (
            "2024-05-01T12:00:00.5+02:00 fe80::1 app: x",
            Head("x", None, "2024-05-01T12:00:00.5+02:00", "fe80::1", "app"),
        ),
        ("<189>45: *Oct 11 2023 22:14:15: %SYS-5: x", Head("x", 189, "Oct 11 2023 22:14:15", None, "%SYS-5")),
        ("<13>app[1]: x", Head("x", 13, program="app", pid="1")),
        ("<13>no head at all", Head("no head at all", 13)),
        (
            "Oct 11 22:14:15 host last message repeated 2 times",
            Head("last message repeated 2 times", None, "Oct 11 22:14:15", "host"),
        ),
        ("<192>x", Head("<192>x")),
        ("plain text", Head("plain text")),
        ("", Head("")),
    ],
)
def test_reads(text: str, expected: Head) -> None:
    assert head(text) == expected


def test_structured_data_is_cut_where_it_ends() -> None:
    found = head('<13>1 - h a - - [x@1 a="1" b="q\\"\\]\\\\"][y] m [z c="2"]')
    assert found.message == 'm [z c="2"]'
    assert structured(found.data) == {"x@1": {"a": "1", "b": 'q"]\\'}, "y": {}}


def test_documents_of_syslog_daemons_are_messages() -> None:
    ng = {
        "PROGRAM": "sshd",
        "PRIORITY": "info",
        "PID": "811",
        "MESSAGE": "x",
        "HOST": "web1",
        "FACILITY": "authpriv",
        "@timestamp": "2024-06-10T06:13:20+00:00",
        "ISODATE": "2024-06-10T06:13:20+00:00",
        "SDATA": {"a": 1},
    }
    rsyslog = {
        "message": " x",
        "fromhost": "web1",
        "facility": "auth",
        "priority": "err",
        "timereported": "2024-06-10T06:13:20Z",
    }
    tagged = {"message": "x", "host": "web1", "severity": "nonsense", "facility": 3, "syslogtag": "sshd[811]:"}
    for document in (ng, rsyslog, tagged):
        assert is_document(document)
    assert from_document(ng) == (
        "<86>1 2024-06-10T06:13:20+00:00 web1 sshd 811 - - x",
        {"@timestamp": "2024-06-10T06:13:20+00:00", "SDATA": {"a": 1}},
    )
    assert from_document(rsyslog) == ("<35>1 2024-06-10T06:13:20Z web1 - - - - x", {})
    assert from_document(tagged) == ("<13>1 - web1 sshd 811 - - x", {})
    assert from_document({"MESSAGE": 7, "HOST": "a"}) is None
    assert not is_document({"message": "x", "host": "web1"})


@given(st.text(max_size=300))
def test_never_raises(text: str) -> None:
    for prefix in ("", "<13>", "<13>1 - - - - - ", "Oct 11 22:14:15 "):
        head(prefix + text)
        structured(text)
