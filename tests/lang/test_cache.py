"""Lowered rules from the cache are those that were put there, or are made anew."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import zstandard

from tocsin.lang import cache, ir, sigma
from tocsin.lang.cache import RuleCache
from tocsin.lang.fields import Alias, Names, scope_of

NAMES = Names([Alias("winlog.event_data.Image", "process.executable", scope_of(["b", "a"], ["1"]))])
RULE = (
    "title: T\nid: 0f9b3c52-7d1e-4b60-9a55-3f2f6c1f8a11\ndate: 2024-05-01\nmisses: {a: [1, 2.5, null]}\n"
    "logsource: {product: windows, category: process_creation}\n"
    "detection:\n  a: {Image|endswith: [\\x, 'y?z'], N|gte: 5, I|cidr: 10.0.0.0/8, R|re|i: a.b, E: null}\n"
    "  b: [word]\n  condition: a or not b\n"
)


@pytest.fixture
def no_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> list[sigma.SigmaRule]:
        raise AssertionError("it was parsed")

    monkeypatch.setattr(sigma, "load", refuse)


def kept(path: Path, *texts: str, names: Names = NAMES) -> list[sigma.SigmaRule]:
    rules = RuleCache(path, names)
    found = [rule for text in texts for rule in rules.load(text, "r.yml")]
    rules.save()
    return found


def test_gives_what_was_put(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    made = kept(tmp_path / "rules", RULE)
    assert made == sigma.load(RULE, NAMES, "r.yml")
    request.getfixturevalue("no_parsing")
    (found,) = RuleCache(tmp_path / "rules", NAMES).load(RULE, "elsewhere.yml")
    assert (found.plan, found.extra, found.path) == (made[0].plan, made[0].extra, "elsewhere.yml")
    assert ir.digest(found.plan) == ir.digest(made[0].plan)


def test_another_text_or_other_names_are_read_anew(tmp_path: Path) -> None:
    kept(tmp_path / "rules", RULE)
    (other,) = RuleCache(tmp_path / "rules", Names()).load(RULE)
    assert other.plan != sigma.load(RULE, NAMES)[0].plan
    (changed,) = RuleCache(tmp_path / "rules", NAMES).load(RULE.replace("word", "other"))
    assert changed.plan != sigma.load(RULE, NAMES)[0].plan


def test_another_version_of_the_code_starts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(tmp_path / "rules", RULE)
    monkeypatch.setattr(cache, "_code", lambda: "other")
    assert RuleCache(tmp_path / "rules", NAMES)._held == {}


@pytest.mark.parametrize("text", [RULE.replace("a or", "c or"), "title: C\ncorrelation: {type: temporal}\n"])
def test_what_is_wrong_or_joined_later_is_not_kept(tmp_path: Path, text: str) -> None:
    rules = RuleCache(tmp_path / "rules", NAMES)
    rules.load(text)
    assert rules._used == {}


def test_dates_in_keys_of_ones_own_are_read_each_time(tmp_path: Path) -> None:
    text = RULE + "mine: 2024-05-01\n"
    assert kept(tmp_path / "rules", text) == kept(tmp_path / "rules", text) == sigma.load(text, NAMES, "r.yml")


def test_only_what_the_last_run_used_is_kept(tmp_path: Path) -> None:
    other = RULE.replace("word", "other")
    kept(tmp_path / "rules", RULE, other)
    kept(tmp_path / "rules", other)
    assert len(RuleCache(tmp_path / "rules", NAMES)._held) == 1


@pytest.mark.parametrize("damage", [b"", b"x" * 100, zstandard.compress(b"{}"), zstandard.compress(b"[1]")])
def test_a_damaged_file_is_no_loss(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "rules").write_bytes(damage)
    assert kept(tmp_path / "rules", RULE) == sigma.load(RULE, NAMES, "r.yml")


@pytest.mark.parametrize("entry", [[["Nobody", 1]], [["field", 9999]], [["SigmaRule"]], [[]], 5, [["os.system", "x"]]])
def test_a_damaged_entry_is_made_anew(tmp_path: Path, entry: object) -> None:
    kept(tmp_path / "rules", RULE)
    whole = orjson.loads(zstandard.decompress((tmp_path / "rules").read_bytes()))
    whole["rules"] = dict.fromkeys(whole["rules"], entry)
    (tmp_path / "rules").write_bytes(zstandard.compress(orjson.dumps(whole)))
    assert RuleCache(tmp_path / "rules", NAMES).load(RULE, "r.yml") == sigma.load(RULE, NAMES, "r.yml")
