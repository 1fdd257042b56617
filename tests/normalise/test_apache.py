"""Apache: the combined format, where the file or the program says that it is Apache's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tocsin.normalise import Product, apache

product: Product = apache.PRODUCT
LINE = '203.0.113.7 - - [10/Jun/2024:08:13:20 +0200] "GET /a%20b HTTP/1.1" 200 -'


def test_its_files_and_its_program_are_known(read: Callable[..., list[dict[str, Any]]]) -> None:
    (by_path,) = read(LINE, path="/var/log/apache2/access.log")
    (by_program,) = read("<190>Jun 10 08:13:20 web1 httpd[7]: " + LINE)
    (neither,) = read(LINE)
    assert by_path["event.dataset"] == by_program["event.dataset"] == "apache.access"
    assert neither["event.dataset"] != "apache.access"
    assert by_path["url.path"] == "/a b"
    assert "http.response.body.bytes" not in by_path
    assert by_path["log.file.path"] == "/var/log/apache2/access.log"
