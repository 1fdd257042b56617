"""A port that is kept for a server which binds it itself, later: a free one would be given away meanwhile."""

from __future__ import annotations

import socket

from tocsin.errors import ConfigError


def reserved(host: str, port: int, *, who: str, where: str) -> socket.socket:
    """A bound socket that does not listen: it keeps the port (0: a free one) until the server, which shares it, has it.

    Raises `ConfigError`, saying `who` can't listen and the setting `where` the port is told, for an address that can't
    be had: taken by another program too, which sharing would hide.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if port:
            with socket.socket(family, socket.SOCK_STREAM) as alone:
                alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                alone.bind((host, port))
                alone.listen(1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except OSError as error:
        held.close()
        raise ConfigError(
            f"{who} can't listen on {host} port {port}: {error.strerror or error}",
            where=where,
            hint="end what uses it, or choose another port",
        ) from error
    return held
