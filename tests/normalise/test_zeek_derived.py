"""What is made of certificates' names and of requests' addresses."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.normalise._zeek_derived import address, distinguished


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("CN=a,O=Example\\, Inc.,C=US", {"common_name": "a", "organization": "Example, Inc.", "country": "US"}),
        ("cn=a,CN=b", {"common_name": "a"}),
        ("CN=back\\\\slash", {"common_name": "back\\slash"}),
        ("CN=,emailAddress=x", {}),
        ("CN=" + "a" * 9000, {}),
        (None, {}),
        (["CN=a"], {}),
    ],
)
def test_reads_the_names_of_certificates(name: Any, parts: dict[str, str]) -> None:
    assert distinguished(name) == parts


@pytest.mark.parametrize(
    ("target", "host", "port", "wanted"),
    [
        ("/x", "files.example", 80, ("files.example", None, "http://files.example/x")),
        ("/x", "files.example", 8080, ("files.example", 8080, "http://files.example:8080/x")),
        ("/x", None, 80, (None, None, "http://[2001:db8::1]/x")),
        ("x", "files.example", 80, ("files.example", None, None)),
        (None, "files.example", 80, ("files.example", None, None)),
    ],
)
def test_makes_the_address_of_a_request(target: Any, host: Any, port: Any, wanted: tuple[Any, ...]) -> None:
    assert address(target, host, None, "2001:db8::1", port) == wanted
