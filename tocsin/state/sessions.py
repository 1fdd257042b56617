"""Sign-ins of people: a random token in a cookie, of which only a hash is kept."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import NamedTuple, cast

from sqlalchemy import delete, select

from tocsin.event import time
from tocsin.state._database import Database
from tocsin.state._models import SessionRow, UserRow
from tocsin.state.users import Role


class SignedIn(NamedTuple):
    """Who a token is of; `csrf` must come with every request that changes something."""

    user: str
    role: Role
    csrf: str
    expires: int


class Sessions:
    """Sign-ins that have not expired."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, user: str, hours: float, peer: str = "") -> tuple[str, str]:
        """A new sign-in: its token and its CSRF text."""
        token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        now = time.now()
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires <= now))
            row = SessionRow(token=_hashed(token), user=user, csrf=csrf, created=now, peer=peer[:64])
            row.expires = now + int(hours * 3600 * time.SECOND)
            session.add(row)
        return token, csrf

    def find(self, token: str) -> SignedIn | None:
        """Who is signed in with a token: None for an unknown or expired one, and for a disabled user's."""
        asked = select(SessionRow, UserRow).join(UserRow, UserRow.name == SessionRow.user)
        with self._database.read() as session:
            found = session.execute(asked.where(SessionRow.token == _hashed(token))).first()
        if found is None:
            return None
        row, user = found
        if row.expires <= time.now() or user.disabled:
            return None
        return SignedIn(user.name, cast(Role, user.role), row.csrf, row.expires)

    def end(self, token: str) -> None:
        """Signs out."""
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.token == _hashed(token)))

    def end_all(self, user: str) -> None:
        """Signs a user out everywhere."""
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.user == user))


def _hashed(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
