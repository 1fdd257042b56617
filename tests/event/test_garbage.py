"""The collector is off within, and afterwards as it was, whatever happens."""

from __future__ import annotations

import gc

import pytest

from tocsin.event.garbage import uncollected


def test_it_is_off_within_and_as_before_after() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_leaves_it_as_it_was() -> None:
    with pytest.raises(ValueError, match="x"), uncollected():
        raise ValueError("x")
    assert gc.isenabled()
