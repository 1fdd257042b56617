"""Who calls, and what they may: sessions by cookie, API keys by header, three roles; checked in every route's
signature.

A session's cookie is HttpOnly and SameSite=Strict; what changes something needs the session's token in X-CSRF too. With
`no_auth` (loopback only) everybody is admin, and the Host header must be a loopback name: a page of another site can't
reach it by DNS rebinding.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request

from tocsin.config import is_loopback

COOKIE: Final = "tocsin_session"
CSRF: Final = "x-csrf"
ROLES: Final = {"viewer": 0, "analyst": 1, "admin": 2}
_SCOPES: Final = {"read": "viewer", "write": "analyst"}
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Caller(NamedTuple):
    """Who calls: a user by session, or a key."""

    name: str
    role: str
    peer: str | None
    csrf: str = ""


def caller(request: Request) -> Caller:
    """Who calls. 401 for nobody, 403 for a session without its token."""
    context = request.app.state.context
    peer = request.client.host if request.client else None
    if request.app.state.trusted:
        return Caller("local", "admin", None)
    if context.settings.server.no_auth:
        host = request.headers.get("host", "").rsplit(":", 1)[0].strip("[]")
        if not (is_loopback(host) or host == "localhost"):
            raise HTTPException(403, f"the Host {host!r} is not this machine's own")
        _same_site(request)
        return Caller("local", "admin", peer)
    header = request.headers.get("authorization", "")
    if header.lower().startswith("apikey "):
        return _by_key(context, header[7:].strip(), peer)
    token = request.cookies.get(COOKIE)
    session = context.state.sessions.find(token) if token else None
    if session is None:
        raise HTTPException(401, "sign in first", headers={"WWW-Authenticate": "ApiKey"})
    if request.method not in _SAFE and not hmac.compare_digest(session.csrf, request.headers.get(CSRF, "")):
        raise HTTPException(403, "the header X-CSRF is missing or not this session's")
    return Caller(session.user, session.role, peer, session.csrf)


def _same_site(request: Request) -> None:
    """Without a sign-in there is no token that another site's page lacks: its origin must be this machine's."""
    origin = request.headers.get("origin")
    if request.method in _SAFE or origin is None:
        return
    host = urlsplit(origin).hostname or ""
    if not (is_loopback(host) or host == "localhost"):
        raise HTTPException(403, "a page of another site can't change anything here")


def _by_key(context: Any, text: str, peer: str | None) -> Caller:
    pair = split_key(text)
    key = context.state.keys.check(*pair) if pair else None
    if key is None:
        raise HTTPException(401, "no such key")
    roles = [_SCOPES[scope] for scope in key.scopes if scope in _SCOPES]
    if not roles:
        raise HTTPException(403, "this key may only send events")
    return Caller(f"key:{key.name}", max(roles, key=ROLES.__getitem__), peer)


def split_key(text: str) -> tuple[str, str] | None:
    """(id, secret) from `base64(id:secret)` or `id:secret`."""
    if ":" not in text:
        try:
            text = base64.b64decode(text, validate=True).decode()
        except ValueError:
            return None
    identity, colon, secret = text.partition(":")
    return (identity, secret) if colon and identity and secret else None


def _at_least(role: str) -> Callable[[Caller], Caller]:
    def check(who: Annotated[Caller, Depends(caller)]) -> Caller:
        if ROLES[who.role] < ROLES[role]:
            raise HTTPException(403, f"this takes the role {role}, yours is {who.role}")
        return who

    return check


reader = _at_least("viewer")
analyst = _at_least("analyst")
admin = _at_least("admin")
