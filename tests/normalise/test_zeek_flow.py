"""How a log of Zeek is known: by its name, its file, or names that no other log has together."""

from __future__ import annotations

from tocsin.normalise import Claim
from tocsin.normalise._zeek_flow import claims, stream


def test_a_log_is_known_by_its_name_and_by_its_file() -> None:
    assert claims("dns") == (
        Claim(zeek=frozenset({"dns"})),
        Claim(path="dns.*log*", keys=frozenset({"ts"})),
    )


def test_names_that_stand_together_nowhere_else_are_a_third_way() -> None:
    assert claims("dns", "ts uid")[2:] == (Claim(keys=frozenset({"ts", "uid"})),)


def test_a_constant_is_given_with_underscores_for_the_dots() -> None:
    made = stream("x", "x", {}, network__transport="tcp")
    assert made.constants["network.transport"] == "tcp"
    assert made.dataset == made.prefix == "zeek.x"
