"""Keys of shippers and programs: an id and a secret, of which only a hash is kept."""

from __future__ import annotations

import base64
import hmac
import secrets
import threading
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Literal, NamedTuple, cast

from sqlalchemy import select, update

from tocsin.errors import UsageError, quoted
from tocsin.event import time
from tocsin.state._database import Database
from tocsin.state._models import KeyRow

Scope = Literal["ingest", "read", "write"]
SCOPES: Final[tuple[Scope, ...]] = ("ingest", "read", "write")
# A key is used thousands of times a second; when it was, is written down once in so long.
_EVERY: Final = 60 * time.SECOND
_NOBODY: Final = sha256(secrets.token_bytes(16)).hexdigest()


class Key(NamedTuple):
    """A key, without its secret. Times in µs."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created: int
    created_by: str
    last_used: int | None


class NewKey(NamedTuple):
    """A key with its secret, which is shown once. `encoded` is what `Authorization: ApiKey …` takes, `beats` what
    Elastic's shippers do."""

    key: Key
    secret: str
    encoded: str
    beats: str


class Keys:
    """Keys that have not been revoked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()

    def create(self, name: str, scopes: Sequence[Scope], by: str) -> NewKey:
        """A new key. Raises `UsageError` for a scope that is none, or no scope."""
        wrong = [scope for scope in scopes if scope not in SCOPES]
        if wrong or not scopes:
            what = f"there is no scope {quoted(wrong[0])}" if wrong else "a key needs a scope"
            raise UsageError(what, where="scopes", hint=f"any of {', '.join(SCOPES)}")
        # Letters and digits only: both stand in headers, URLs and configuration files of shippers.
        id_, secret = secrets.token_hex(10), secrets.token_hex(16)
        row = KeyRow(id=id_, secret=_hashed(secret), name=name[:200], scopes=sorted(set(scopes)))
        row.created, row.created_by, row.last_used = time.now(), by, None
        with self._database.write() as session:
            session.add(row)
            key = _key(row)
        beats = f"{id_}:{secret}"
        return NewKey(key, secret, base64.b64encode(beats.encode()).decode(), beats)

    def check(self, id_: str, secret: str) -> Key | None:
        """The key, if the secret is its own. Takes as long where there is no such key."""
        known = id_.isascii() and id_.isalnum()  # anything else is no id, and no database need see it
        with self._database.read() as session:
            row = session.get(KeyRow, id_[:32]) if known else None
            good = hmac.compare_digest(_NOBODY if row is None else row.secret, _hashed(secret))
            if row is None or not good:
                return None
            key = _key(row)
        self._touch(key)
        return key

    def check_encoded(self, text: str) -> Key | None:
        """The key of `ApiKey` header text: base64 of id:secret, or id:secret itself."""
        if len(text) > 400:
            return None
        if ":" not in text:
            try:
                text = base64.b64decode(text, validate=True).decode()
            except ValueError:
                return None
        id_, _, secret = text.partition(":")
        return self.check(id_, secret)

    def all(self) -> list[Key]:
        """Every key, newest first."""
        with self._database.read() as session:
            return [_key(row) for row in session.scalars(select(KeyRow).order_by(KeyRow.created.desc()))]

    def revoke(self, id_: str) -> bool:
        """Takes a key away; whether there was one."""
        with self._database.write() as session:
            row = session.get(KeyRow, id_)
            if row is not None:
                session.delete(row)
            return row is not None

    def _touch(self, key: Key) -> None:
        now = time.now()
        with self._lock:
            if now - self._used.get(key.id, key.last_used or 0) < _EVERY:
                return
            self._used[key.id] = now
        with self._database.write() as session:
            session.execute(update(KeyRow).where(KeyRow.id == key.id).values(last_used=now))


def _hashed(secret: str) -> str:
    # 128 random bits need no slow hash.
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: KeyRow) -> Key:
    scopes = tuple(cast(Scope, scope) for scope in row.scopes)
    return Key(row.id, row.name, scopes, row.created, row.created_by, row.last_used)
