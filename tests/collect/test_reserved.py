"""A port is kept for the server that shares it, and one that another program has is refused."""

from __future__ import annotations

import socket

import pytest

from tocsin.collect._reserved import reserved
from tocsin.errors import ConfigError


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_free_port_is_kept_for_who_shares_it(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with reserved(host, 0, who="the API", where="server.port") as held, socket.socket(family) as server:
        port = held.getsockname()[1]
        with pytest.raises(OSError, match="refused"), socket.create_connection((host, port), timeout=5):
            pass  # nobody listens yet
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind((host, port))
        server.listen(1)
        socket.create_connection((host, port), timeout=5).close()


def test_a_port_that_another_has_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"server\.port: the API can't listen on .* port {port}: .*in use"):
            reserved("127.0.0.1", port, who="the API", where="server.port")


def test_an_address_of_nobody_here_is_said() -> None:
    with pytest.raises(ConfigError, match=r"the intake can't listen on 203\.0\.113\.1"):
        reserved("203.0.113.1", 0, who="the intake", where="server.bulk_port")
