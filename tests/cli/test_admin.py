"""`user`, `key` and `doctor`: accounts without the page, and what is wrong with a set-up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.serving import PASSWORD
from tocsin import state as states

Run = Callable[..., Any]


def test_users_from_the_command_line(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = run("user", "add", "ada", "--role", "admin", "--data", data, stdin=f"{PASSWORD}\n".encode())
    assert made.code == 0, made.err
    assert made.out == ""
    again = run("user", "add", "ada", "--data", data, stdin=f"{PASSWORD}\n".encode())
    assert again.code == 2
    assert len(again.err.splitlines()) == 1
    short = run("user", "add", "grace", "--data", data, stdin=b"short\n")
    assert short.code == 2
    assert "short" not in short.err.replace("shortest", "")
    listed = run("user", "list", "--data", data)
    assert "ada" in listed.out
    assert "admin" in listed.out
    last = run("user", "set", "ada", "--disable", "--data", data)
    assert last.code == 2
    assert "last admin" in last.err
    with states.open(f"sqlite:///{data / 'state.db'}") as state:
        assert state.users.authenticate("ada", PASSWORD) is not None
        assert [entry.action for entry in state.audit.page()] == ["add user"]
    assert PASSWORD.encode() not in (data / "state.db").read_bytes()


def test_keys_are_shown_once(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = run("key", "add", "a shipper", "--scope", "ingest", "--scope", "read", "--data", data)
    assert made.code == 0, made.err
    beats, encoded = made.out.split()
    with states.open(f"sqlite:///{data / 'state.db'}") as state:
        key = state.keys.check_encoded(encoded)
        assert key is not None
        assert set(key.scopes) == {"ingest", "read"}
    listed = run("key", "list", "--data", data)
    identity, secret = beats.split(":")
    assert identity in listed.out
    assert secret not in listed.out
    assert run("key", "revoke", identity, "--data", data).code == 0
    assert run("key", "revoke", identity, "--data", data).code == 2
    assert run("key", "add", "x", "--scope", "everything", "--data", data).code == 2


def test_doctor_says_what_is_wrong_and_how_to_mend_it(run: Run, tmp_path: Path, free_port: int) -> None:
    config = tmp_path / "tocsin.toml"
    data = tmp_path / "data"
    ports = f"[server]\nport = {free_port}\nbulk_port = 0\n"
    config.write_text(f"data = {str(data)!r}\n{ports}")
    ran = run("doctor", "--config", config)
    assert ran.code == 1
    assert "BAD somebody can sign in" in ran.out
    assert "tocsin user add" in ran.out
    run("user", "add", "ada", "--role", "admin", "--data", data, stdin=f"{PASSWORD}\n".encode())
    data.chmod(0o700)
    ran = run("doctor", "--config", config)
    assert ran.code == 0, ran.out
    config.write_text("[server]\nprot = 1\n")
    wrong = run("doctor", "--config", config)
    assert wrong.code == 2
    assert "port" in wrong.err
    assert "tocsin.toml:2" in wrong.err
    config.write_text("[journal]\naddress = 'kafka://h/t'\n")
    wrong = run("doctor", "--config", config)
    assert wrong.code == 2
    assert "BAD the settings can't be read" in wrong.out
    assert "Kafka is not there yet" in wrong.err
