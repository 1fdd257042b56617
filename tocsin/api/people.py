"""Sign-in, users, keys, notifications and the audit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from tocsin import __version__
from tocsin.api._access import COOKIE, Caller, admin, caller, reader
from tocsin.api._context import Context, context
from tocsin.api.models.notifications import Delivery, Notifications
from tocsin.api.models.people import (
    AuditEntry,
    Key,
    KeyDraft,
    Me,
    NewKey,
    Setup,
    SetupRequest,
    SignIn,
    User,
    UserChange,
    UserDraft,
)
from tocsin.errors import BusyError, UsageError
from tocsin.event import time

router = APIRouter(tags=["people"])
Here = Annotated[Context, Depends(context)]
Reader = Annotated[Caller, Depends(reader)]
Admin = Annotated[Caller, Depends(admin)]


def _iso(micros: int | None) -> str | None:
    return None if micros is None else time.iso(micros)


@router.get("/setup")
def setup(here: Here) -> Setup:
    """Whether the first admin is still to be made."""
    return Setup(needed=not here.settings.server.no_auth and here.state.users.setup_needed())


@router.post("/setup")
def set_up(request: SetupRequest, here: Here, http: Request, response: Response) -> Me:
    """Make the first admin, with the token that `tocsin serve` printed."""
    peer = http.client.host if http.client else ""
    if not here.state.users.setup_needed():
        raise UsageError("there are users already", hint="sign in, or use `tocsin user add`")
    with _hashing():
        here.state.users.set_up(request.token, request.username, request.password)
    here.audit(Caller(request.username, "admin", peer), "setup", f"user {request.username}")
    return _signed_in(here, http, response, SignIn(username=request.username, password=request.password))


@router.post("/session")
def sign_in(request: SignIn, here: Here, http: Request, response: Response) -> Me:
    """Sign in; the answer sets the cookie."""
    return _signed_in(here, http, response, request)


def _signed_in(here: Context, http: Request, response: Response, request: SignIn) -> Me:
    peer = http.client.host if http.client else ""
    with _hashing():
        try:
            user = here.state.users.authenticate(request.username, request.password, peer)
        except BusyError as error:
            here.audit(Caller(request.username[:64], "viewer", peer), "sign-in refused", "too many failures")
            wait = max(1, round(error.retry_after))
            raise HTTPException(429, f"{error.what}: wait {wait} s", headers={"Retry-After": str(wait)}) from error
    if user is None:
        here.audit(Caller(request.username[:64], "viewer", peer), "sign-in refused", "session")
        raise HTTPException(401, "the name or the password is wrong")
    token, csrf = here.state.sessions.begin(user.name, here.settings.server.session_hours, peer)
    response.set_cookie(
        COOKIE,
        token,
        max_age=here.settings.server.session_hours * 3600,
        httponly=True,
        samesite="strict",
        secure=http.url.scheme == "https",
        path="/",
    )
    here.audit(Caller(user.name, user.role, peer), "sign-in", "session")
    return Me(username=user.name, role=user.role, csrf=csrf, version=__version__)


# A password's hash takes 64 MB for a moment: so many at once, and nobody who floods the sign-in takes all threads.
_HASHES: Final = threading.BoundedSemaphore(2)
_PATIENCE: Final = 2.0


@contextmanager
def _hashing() -> Iterator[None]:
    if not _HASHES.acquire(timeout=_PATIENCE):
        raise HTTPException(429, "too many sign in at this moment", headers={"Retry-After": "2"})
    try:
        yield
    finally:
        _HASHES.release()


@router.delete("/session", status_code=204)
def sign_out(here: Here, http: Request, response: Response, who: Reader) -> None:
    """Sign out."""
    here.state.sessions.end(http.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE, path="/")
    here.audit(who, "sign-out", "session")


@router.get("/me")
def me(who: Annotated[Caller, Depends(caller)]) -> Me:
    """Who is signed in."""
    return Me(username=who.name, role=who.role, csrf=who.csrf, version=__version__)  # type: ignore[arg-type]


@router.get("/users")
def users(here: Here, who: Reader) -> list[User]:
    """Everybody with an account (to assign alerts to)."""
    return [_user(each) for each in here.state.users.all()]


def _user(each: Any) -> User:
    return User(username=each.name, role=each.role, disabled=each.disabled, last_seen=_iso(each.last_seen))


@router.post("/users", status_code=201)
def add_user(request: UserDraft, here: Here, who: Admin) -> User:
    """A new account."""
    made = here.state.users.create(request.username, request.password, request.role)
    here.audit(who, "add user", request.username, {"role": request.role})
    return _user(made)


@router.patch("/users/{name}")
def change_user(name: str, request: UserChange, here: Here, who: Admin) -> User:
    """Change a password, a role, or whether somebody may sign in."""
    changed = here.state.users.change(name, password=request.password, role=request.role, disabled=request.disabled)
    what = {key: value for key, value in request.model_dump(exclude_none=True).items() if key != "password"}
    here.audit(who, "change user", name, what | ({"password": "changed"} if request.password else {}))
    return _user(changed)


@router.get("/keys")
def keys(here: Here, who: Admin) -> list[Key]:
    """All keys, without their secrets."""
    return [_key(each) for each in here.state.keys.all()]


def _key(each: Any) -> Key:
    return Key(
        id=each.id,
        name=each.name,
        scopes=list(each.scopes),
        created=time.iso(each.created),
        created_by=each.created_by,
        last_used=_iso(each.last_used),
    )


@router.post("/keys", status_code=201)
def add_key(request: KeyDraft, here: Here, who: Admin) -> NewKey:
    """A new key; its secret is shown once."""
    made = here.state.keys.create(request.name, list(request.scopes), who.name)
    here.audit(who, "add key", made.key.id, {"name": request.name, "scopes": list(request.scopes)})
    return NewKey(key=_key(made.key), secret=made.secret, encoded=made.encoded, beats=made.beats)


@router.delete("/keys/{id}", status_code=204)
def remove_key(id: str, here: Here, who: Admin) -> None:  # noqa: A002
    """Take a key back."""
    if not here.state.keys.revoke(id):
        raise here.missing(f"there is no key {id!r}")
    here.audit(who, "remove key", id)


@router.get("/notifications")
def notifications(here: Here, who: Admin) -> Notifications:
    """Where somebody is told, and the last messages."""
    return here.notifications()


@router.put("/notifications")
def set_notifications(request: Notifications, here: Here, who: Admin) -> Notifications:
    """Other channels. A masked URL keeps the one that was there."""
    here.set_notifications(request)
    here.audit(who, "change notifications", f"{len(request.channels)} channels")
    return here.notifications()


@router.post("/notifications/test")
def test_notifications(here: Here, who: Admin) -> list[Delivery]:
    """Send a test message to every channel now."""
    here.audit(who, "test notifications", "channels")
    return here.test_notifications()


@router.get("/audit")
def audit(
    here: Here, who: Admin, before: int | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> list[AuditEntry]:
    """Who did what, newest first; `before` is the id of the last one already had."""
    return [
        AuditEntry(
            id=each.id,
            time=time.iso(each.time),
            who=each.who,
            action=each.action,
            what=each.what,
            peer=each.peer,
            detail=each.detail,
        )
        for each in here.state.audit.page(before=before, limit=limit)
    ]
