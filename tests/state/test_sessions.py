"""Sign-ins."""

from __future__ import annotations

import sqlalchemy as sa

from tocsin.state import State
from tocsin.state._models import SessionRow

GOOD = "correct horse battery"


def test_a_token_says_who_until_it_ends(opened: State) -> None:
    opened.users.create("ann", GOOD, "analyst")
    token, csrf = opened.sessions.begin("ann", 1, "192.0.2.1")
    found = opened.sessions.find(token)
    assert found is not None
    assert (found.user, found.role, found.csrf) == ("ann", "analyst", csrf)
    assert opened.sessions.find(token + "x") is None
    assert opened.sessions.find("\ud800") is None
    opened.sessions.end(token)
    assert opened.sessions.find(token) is None


def test_the_token_itself_is_not_kept(opened: State) -> None:
    opened.users.create("ann", GOOD, "viewer")
    token, _ = opened.sessions.begin("ann", 1)
    with opened._database.read() as session:
        assert token not in list(session.scalars(sa.select(SessionRow.token)))


def test_an_expired_one_is_nobody(opened: State) -> None:
    opened.users.create("ann", GOOD, "viewer")
    token, _ = opened.sessions.begin("ann", 0)
    assert opened.sessions.find(token) is None


def test_a_new_password_role_or_being_disabled_ends_all(opened: State) -> None:
    opened.users.create("root", GOOD, "admin")
    opened.users.create("ann", GOOD, "analyst")
    for change in ({"password": GOOD + "2"}, {"role": "viewer"}, {"disabled": True}):
        token, _ = opened.sessions.begin("ann", 1)
        opened.users.change("ann", **change)
        assert opened.sessions.find(token) is None
