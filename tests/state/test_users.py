"""Accounts: nobody gets in unasked, and guessing gets slower."""

from __future__ import annotations

import pytest

from tocsin.errors import BusyError, UsageError
from tocsin.state import State
from tocsin.state.users import FREE

GOOD = "correct horse battery"


def test_a_password_is_kept_as_a_hash_and_lets_in(opened: State) -> None:
    user = opened.users.create("ann", GOOD, "analyst")
    assert (user.name, user.role, user.disabled) == ("ann", "analyst", False)
    found = opened.users.authenticate("ann", GOOD)
    assert found is not None
    assert found.last_seen is not None
    assert opened.users.authenticate("ann", GOOD + "x") is None
    assert opened.users.authenticate("Ann", GOOD) is None


@pytest.mark.parametrize("name", ["", " ann", "ann\n", "a" * 65, "é", "a/b", "-a"])
def test_a_name_is_letters_digits_and_little_else(opened: State, name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        opened.users.create(name, GOOD, "viewer")


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
def test_a_password_has_a_length(opened: State, password: str) -> None:
    with pytest.raises(UsageError, match="10 to 256"):
        opened.users.create("ann", password, "viewer")


def test_a_name_is_taken_once_and_a_role_is_one_of_three(opened: State) -> None:
    opened.users.create("ann", GOOD, "viewer")
    with pytest.raises(UsageError, match="already"):
        opened.users.create("ann", GOOD, "viewer")
    with pytest.raises(UsageError, match="role"):
        opened.users.create("bob", GOOD, "root")  # type: ignore[arg-type]


def test_a_disabled_user_does_not_get_in(opened: State) -> None:
    opened.users.create("root", GOOD, "admin")
    opened.users.create("ann", GOOD, "viewer")
    opened.users.change("ann", disabled=True)
    assert opened.users.authenticate("ann", GOOD) is None
    opened.users.change("ann", disabled=False, password=GOOD + "2")
    assert opened.users.authenticate("ann", GOOD) is None
    assert opened.users.authenticate("ann", GOOD + "2") is not None


def test_one_admin_always_stays(opened: State) -> None:
    opened.users.create("root", GOOD, "admin")
    with pytest.raises(UsageError, match="last admin"):
        opened.users.change("root", role="viewer")
    with pytest.raises(UsageError, match="last admin"):
        opened.users.change("root", disabled=True)
    found = opened.users.get("root")
    assert found is not None
    assert (found.role, found.disabled) == ("admin", False)


def test_guessing_one_name_is_slowed_down_for_that_address_only(opened: State) -> None:
    opened.users.create("ann", GOOD, "viewer")
    for _ in range(FREE):
        assert opened.users.authenticate("ann", "wrong password", "192.0.2.1") is None
    with pytest.raises(BusyError) as refused:
        opened.users.authenticate("ann", GOOD, "192.0.2.1")
    assert 0 < refused.value.retry_after <= 2
    assert opened.users.authenticate("ann", GOOD, "192.0.2.2") is not None


def test_guessing_many_names_is_slowed_down_too(opened: State) -> None:
    for number in range(4 * FREE):
        assert opened.users.authenticate(f"nobody{number}", "x", "192.0.2.1") is None
    with pytest.raises(BusyError):
        opened.users.authenticate("another", "x", "192.0.2.1")


def test_the_first_admin_needs_the_token_of_this_start(opened: State) -> None:
    assert opened.users.setup_needed()
    old = opened.users.setup_token()
    token = opened.users.setup_token()
    assert old is not None and token is not None
    for wrong in ("", old, token[:-1]):
        with pytest.raises(UsageError, match="token"):
            opened.users.set_up(wrong, "root", GOOD)
    assert opened.users.set_up(token, "root", GOOD).role == "admin"
    assert not opened.users.setup_needed()
    assert opened.users.setup_token() is None
    with pytest.raises(UsageError, match="users already"):
        opened.users.set_up(token, "eve", GOOD)
    assert [user.name for user in opened.users.all()] == ["root"]


@pytest.mark.parametrize("name", ["", "\ud800", "\x00", "x" * 100_000, "' OR 1=1 --"])
def test_what_can_be_no_name_is_nobody(opened: State, name: str) -> None:
    assert opened.users.authenticate(name, "\ud800" + name, "192.0.2.1") is None
