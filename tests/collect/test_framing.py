"""Framings of syslog over TCP: each is recognised, and none is confused by how its bytes arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.collect._framing import Framer


def cut(data: bytes, *sizes: int, limit: int = 1000) -> list[bytes]:
    framer = Framer(limit)
    out: list[bytes] = []
    at = 0
    for size in [*sizes, len(data)]:
        out += framer.feed(data[at : at + size])
        at += size
    return out + framer.finish()


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (b"<13>one\n<13>two\n", [b"<13>one", b"<13>two"]),
        (b"<13>one\r\n<13>two\r\n", [b"<13>one", b"<13>two"]),
        (b"<13>one\r<13>two\r", [b"<13>one", b"<13>two"]),
        (b"<13>one\0<13>two\nhas two lines\0", [b"<13>one", b"<13>two\nhas two lines"]),
        (b"7 <13>one7 <13>two", [b"<13>one", b"<13>two"]),
        (b"8 <13>one\n8 <13>two\n", [b"<13>one", b"<13>two"]),
        (b"10 <13>a\nb\0cd7 <13>two", [b"<13>a\nb\0cd", b"<13>two"]),
        (b"5 hello5 world", [b"hello", b"world"]),
        (b"5 apples were eaten\n<13>two\n", [b"5 apples were eaten", b"<13>two"]),
        (b"2024-01-01 one\n2024-01-01 two\n", [b"2024-01-01 one", b"2024-01-01 two"]),
        (b"no priority\nat all", [b"no priority", b"at all"]),
        (b"\n\n<13>one\n\n\n", [b"<13>one"]),
        (b"<13>not ended", [b"<13>not ended"]),
        (b"20 <13>not whole", [b"<13>not whole"]),
        (b"", []),
        (b"\xff\xfe\n\x80", [b"\xff\xfe", b"\x80"]),
        (b"0 x\n", [b"0 x"]),
        (b"99999999999999999999 x\n", [b"99999999999999999999 x"]),
    ],
)
def test_recognises_a_framing(data: bytes, messages: list[bytes]) -> None:
    assert cut(data) == messages


def test_goes_on_as_lines_where_a_count_is_none() -> None:
    assert cut(b"7 <13>one<13>two\n<13>three\n") == [b"7 <13>one<13>two", b"<13>three"]
    framer = Framer(100)
    assert framer.feed(b"7 <13>one") == [b"<13>one"]
    assert framer.feed(b"<13>two\n7 <13>x\n") == [b"<13>two", b"7 <13>x"]


@pytest.mark.parametrize("data", [b"<13>" + b"x" * 5_000 + b"\n", b"5004 <13>" + b"x" * 5_000])
@pytest.mark.parametrize("step", [1, 7, 900, 10_000])
def test_keeps_a_long_message_without_its_end(data: bytes, step: int) -> None:
    following = b"<13>next\n" if data.endswith(b"\n") else b"8 <13>next"
    data += following * 2
    framer = Framer(1_000)
    out = [m for at in range(0, len(data), step) for m in framer.feed(data[at : at + step])] + framer.finish()
    assert out == [b"<13>" + b"x" * 996, b"<13>next", b"<13>next"]
    assert framer.cut == 1


def test_holds_no_more_than_it_may() -> None:
    framer = Framer(1_000)
    for _ in range(100):
        framer.feed(b"x" * 10_000)
        assert len(framer._rest) <= 1_001
    framer = Framer(1_000)
    framer.feed(b"999999999 ")
    for _ in range(100):
        framer.feed(b"x" * 10_000)
        assert len(framer._rest) <= 11_000


text = st.binary(min_size=1, max_size=30).map(lambda b: b"<13>" + b.strip(b"\r\n\0") + b".")


@pytest.mark.fuzz
@given(st.lists(text, min_size=1, max_size=10), st.lists(st.integers(1, 20), max_size=20))
def test_counted_messages_may_hold_anything(messages: list[bytes], sizes: list[int]) -> None:
    data = b"".join(b"%d %s" % (len(message), message) for message in messages)
    # The first bytes decide: a count with its message, whose end may be still to come.
    assert cut(data, *sizes) == messages


@pytest.mark.fuzz
@given(
    st.lists(text, min_size=1, max_size=10),
    st.lists(st.integers(1, 20), max_size=20),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_lines_are_the_same_however_they_come(messages: list[bytes], sizes: list[int], end: bytes) -> None:
    plain = [bytes(byte for byte in message if byte not in b"\r\n\0") for message in messages]
    assert cut(b"".join(message + end for message in plain), *sizes) == plain


@pytest.mark.fuzz
@given(st.binary(max_size=200), st.lists(st.integers(1, 20), max_size=20))
def test_nothing_raises_and_all_ends(data: bytes, sizes: list[int]) -> None:
    assert all(0 < len(message) <= 50 for message in cut(data, *sizes, limit=50))
