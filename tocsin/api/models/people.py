"""Accounts, sessions, keys, and the record of who did what."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tocsin.api.models._model import Model, Role


class Setup(Model):
    """Whether the first admin is still to be made."""

    needed: bool


class SetupRequest(Model):
    """The first admin."""

    token: str
    username: str
    password: Annotated[str, Field(min_length=10, max_length=256)]


class SignIn(Model):
    """Name and password."""

    username: str
    password: str


class Me(Model):
    """Who is signed in; `csrf` goes into the header X-CSRF of every request that changes something."""

    username: str
    role: Role
    csrf: str
    version: str


class User(Model):
    """A person with an account."""

    username: str
    role: Role
    disabled: bool = False
    last_seen: str | None = None


class UserDraft(Model):
    """A new account."""

    username: str
    password: Annotated[str, Field(min_length=10, max_length=256)]
    role: Role


class UserChange(Model):
    """What is given changes."""

    password: Annotated[str, Field(min_length=10, max_length=256)] | None = None
    role: Role | None = None
    disabled: bool | None = None


class Key(Model):
    """A key for a shipper ("ingest") or a program ("read", "write")."""

    id: str
    name: str
    scopes: list[Literal["ingest", "read", "write"]]
    created: str
    created_by: str
    last_used: str | None = None


class KeyDraft(Model):
    """A new key."""

    name: str
    scopes: list[Literal["ingest", "read", "write"]]


class NewKey(Model):
    """The secret is shown once. `encoded` is what `Authorization: ApiKey …` takes; `beats` is id:secret."""

    key: Key
    secret: str
    encoded: str
    beats: str


class AuditEntry(Model):
    """Who did what, from where."""

    id: int
    time: str
    who: str
    action: str
    what: str
    peer: str | None = None
    detail: dict[str, Any] = {}
