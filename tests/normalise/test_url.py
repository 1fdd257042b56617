"""URLs: parts of any text, and the extension that a server would see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.normalise._url import authority, extension, url


def test_parts_of_a_whole_url() -> None:
    found = url("HTTP://bob:s%20x@[2001:db8::1]:8080/a%20b/c.BAT?q=1#f")
    assert (found.scheme, found.username, found.password, found.domain, found.port) == (
        "http",
        "bob",
        "s%20x",
        "2001:db8::1",
        8080,
    )
    assert (found.path, found.query, found.fragment, found.extension) == ("/a b/c.BAT", "q=1", "f", "bat")


def test_parts_of_a_request_target() -> None:
    found = url("/a/b?c")
    assert (found.scheme, found.domain, found.path, found.query) == (None, None, "/a/b", "c")
    assert url("//evil.example/x").domain == "evil.example"
    assert url("http://10.0.0.5@evil.example/x.bat").domain == "evil.example"
    assert url("x:y").scheme is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/testing.bat", "bat"),
        ("/a/TESTING.BAT", "bat"),
        ("/a/testing%2ebat", "bat"),
        ("/a/testing%252Ebat", "bat"),
        ("/a/testing.bat. .", "bat"),
        ("/a/testing.bat%20", "bat"),
        ("/a/testing.bat;x=1", "bat"),
        ("/a/testing.bat::$DATA", "bat"),
        ("/a/x%2ftesting.cmd", "cmd"),
        ("/a/x\\testing.cmd", "cmd"),
        ("/a.bat/index", None),
        ("/.bat", None),
        ("/a/", None),
        ("/a/b", None),
        ("/a/b.", None),
        ("/a/b." + "x" * 40, None),
        ("/a/b.tar.gz", "gz"),
    ],
)
def test_extension_of_the_last_segment(path: str, expected: str | None) -> None:
    assert extension(path) == expected


def test_host_headers() -> None:
    assert authority("www.example.org:8081") == ("www.example.org", 8081)
    assert authority("[2001:db8::1]:80") == ("2001:db8::1", 80)
    assert authority("www.example.org:99999") == ("www.example.org", None)
    assert authority("a:b:c") == ("a:b:c", None)


@given(st.text(max_size=200))
def test_never_raises(text: str) -> None:
    url(text)
    extension(text)
    authority(text)
