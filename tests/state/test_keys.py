"""Keys of shippers and programs."""

from __future__ import annotations

import base64

import pytest

from tocsin.errors import UsageError
from tocsin.state import State


def test_a_key_is_known_by_its_secret_however_it_comes(opened: State) -> None:
    new = opened.keys.create("beats", ["ingest"], "root")
    for found in (
        opened.keys.check(new.key.id, new.secret),
        opened.keys.check_encoded(new.encoded),
        opened.keys.check_encoded(new.beats),
    ):
        assert found is not None
        assert (found.id, found.scopes) == (new.key.id, ("ingest",))
    assert base64.b64decode(new.encoded).decode() == new.beats
    (listed,) = opened.keys.all()
    assert listed.last_used is not None
    assert new.secret not in repr(listed)


@pytest.mark.parametrize("text", ["", ":", "a:b", "!!!", "x" * 5000, "é", "\x00:\x00", "\ud800:x"])
def test_anything_else_is_nobody(opened: State, text: str) -> None:
    opened.keys.create("beats", ["ingest"], "root")
    assert opened.keys.check_encoded(text) is None


def test_a_revoked_key_is_nobody(opened: State) -> None:
    new = opened.keys.create("beats", ["ingest", "read"], "root")
    assert opened.keys.revoke(new.key.id)
    assert not opened.keys.revoke(new.key.id)
    assert opened.keys.check(new.key.id, new.secret) is None


def test_a_scope_is_one_of_three(opened: State) -> None:
    with pytest.raises(UsageError, match="no scope 'root'"):
        opened.keys.create("k", ["root"], "root")  # type: ignore[list-item]
    with pytest.raises(UsageError, match="needs a scope"):
        opened.keys.create("k", [], "root")
