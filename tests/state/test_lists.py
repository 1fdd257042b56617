"""Edited lists."""

from __future__ import annotations

import pytest

from tocsin.errors import ConflictError, QueryError
from tocsin.lang.lists import ListTable
from tocsin.state import State


def test_an_edited_list_stands_in_for_the_shipped_one_only(opened: State) -> None:
    shipped = ListTable({"ports": [{"value": "80"}], "servers": [{"value": "10.0.0.1"}]})
    opened.lists.put("ports", "value,note\n80,\n8080,proxy\n", by="ann")
    table = opened.lists.table(shipped)
    assert [row["value"] for row in table.rows("ports")] == ["80", "8080"]
    assert [row["value"] for row in table.rows("servers")] == ["10.0.0.1"]
    assert opened.lists.version() == 1
    assert opened.lists.reset("ports")
    assert not opened.lists.reset("ports")
    assert [row["value"] for row in opened.lists.table(shipped).rows("ports")] == ["80"]


def test_a_list_that_cannot_be_read_is_not_kept(opened: State) -> None:
    with pytest.raises(QueryError):
        opened.lists.put("ports", "port\n80\n", by="ann")
    with pytest.raises(QueryError):
        opened.lists.put("../x", "value\n80\n", by="ann")
    assert opened.lists.all() == []


def test_two_people_do_not_overwrite_each_other(opened: State) -> None:
    opened.lists.put("ports", "value\n80\n", by="ann", revision=0)
    with pytest.raises(ConflictError):
        opened.lists.put("ports", "value\n81\n", by="bob", revision=0)
    held = opened.lists.get("ports")
    assert held is not None
    assert "80" in held.text
