"""`tocsin user`, `key` and `doctor`: accounts and keys without the page, and what is wrong with a set-up."""

from __future__ import annotations

import getpass
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tocsin.cli import _output
from tocsin.errors import TocsinError, UsageError

if TYPE_CHECKING:
    from tocsin.config import Settings
    from tocsin.state import State

Config = Annotated[Path | None, typer.Option("--config", help="A tocsin.toml.")]
Data = Annotated[Path | None, typer.Option("--data", help="The folder that keeps everything.")]
Role = Literal["admin", "analyst", "viewer"]


class Scope(StrEnum):
    """What a key may."""

    INGEST = "ingest"
    READ = "read"
    WRITE = "write"


users = typer.Typer(help="Accounts of people.", no_args_is_help=True)
keys = typer.Typer(help="Keys of shippers and programs.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(users, name="user")
    app.add_typer(keys, name="key")
    app.command()(doctor)


def _settings(config_file: Path | None, data: Path | None) -> Settings:
    from tocsin import config

    return config.load(config_file, flags={"data": str(data)} if data else {})


def _state(config_file: Path | None, data: Path | None) -> State:
    from tocsin import state as states

    return states.open(_settings(config_file, data).state_address)


@users.command("add")
def add_user(
    name: str,
    role: Annotated[Role, typer.Option(help="What they may.")] = "analyst",
    config_file: Config = None,
    data: Data = None,
) -> None:
    """Make an account; the password is asked for, or read from standard input."""
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    with _state(config_file, data) as state:
        made = state.users.create(name, password, role)
        state.audit.add("command line", "add user", made.name, detail={"role": made.role})
    _output.note(f"{made.name} may sign in as {made.role}")


@users.command("list")
def list_users(config_file: Config = None, data: Data = None) -> None:
    """Everybody with an account."""
    from tocsin.event import time

    with _state(config_file, data) as state:
        rows = [
            [u.name, u.role, "disabled" if u.disabled else "", time.iso(u.last_seen) if u.last_seen else ""]
            for u in state.users.all()
        ]
    _output.table(["name", "role", "state", "last seen"], rows)


@users.command("set")
def change_user(
    name: str,
    role: Annotated[Role | None, typer.Option(help="Another role.")] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new password.")] = False,
    disabled: Annotated[bool | None, typer.Option("--disable/--enable", help="Whether they may sign in.")] = None,
    config_file: Config = None,
    data: Data = None,
) -> None:
    """Change a role, a password, or whether somebody may sign in."""
    new = None
    if password:
        new = getpass.getpass("New password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    with _state(config_file, data) as state:
        state.users.change(name, role=role, password=new, disabled=disabled)
        state.audit.add("command line", "change user", name)
    _output.note(f"{name} is changed")


@keys.command("add")
def add_key(
    name: str,
    scope: Annotated[list[Scope], typer.Option(help="What it may; again for more.")] = [Scope.INGEST],
    config_file: Config = None,
    data: Data = None,
) -> None:
    """Make a key; its secret is shown once, on stdout."""
    with _state(config_file, data) as state:
        made = state.keys.create(name, [each.value for each in scope], "command line")
        state.audit.add("command line", "add key", made.key.id, detail={"name": name, "scopes": list(scope)})
    _output.note(f"For Beats and Elastic Agent: {made.key.id}:…  For others: Authorization: ApiKey …")
    _output.say(made.beats)
    _output.say(made.encoded)


@keys.command("list")
def list_keys(config_file: Config = None, data: Data = None) -> None:
    """All keys, without secrets."""
    from tocsin.event import time

    with _state(config_file, data) as state:
        rows = [
            [k.id, k.name, ",".join(k.scopes), time.iso(k.created), time.iso(k.last_used) if k.last_used else "never"]
            for k in state.keys.all()
        ]
    _output.table(["id", "name", "scopes", "created", "last used"], rows)


@keys.command("revoke")
def revoke_key(id: str, config_file: Config = None, data: Data = None) -> None:
    """Take a key away."""
    with _state(config_file, data) as state:
        if not state.keys.revoke(id):
            raise UsageError("there is no such key", where=id)
        state.audit.add("command line", "remove key", id)
    _output.note(f"{id} is revoked; senders notice within seconds")


def doctor(config_file: Config = None, data: Data = None) -> None:
    """Say what is wrong with the settings and the data folder, and how to mend it. Exit code 1 where something is."""
    from tocsin import config
    from tocsin import state as states

    problems = 0

    def told(good: bool, what: str, hint: str = "") -> None:
        nonlocal problems
        problems += not good
        _output.say(f"{'ok ' if good else 'BAD'} {what}{'' if good or not hint else ' — ' + hint}")

    try:
        settings = _settings(config_file, data)
    except TocsinError:
        told(False, "the settings can't be read", "where and why is said on standard error")
        raise
    told(True, "the settings can be read")
    for name in config.unread_environment():
        told(False, f"{name} in the environment is no setting", "its name is wrong, or it is of another version")
    folder = settings.data_dir
    told(
        not folder.exists() or folder.stat().st_mode & 0o077 == 0,
        f"{folder} is its owner's alone",
        f"chmod 700 {folder}",
    )
    _disk(settings, told)
    _ports(settings, told)
    try:
        with states.open(settings.state_address) as state:
            told(True, "the state can be opened")
            told(
                settings.server.no_auth or not state.users.setup_needed(),
                "somebody can sign in",
                "tocsin user add NAME --role admin",
            )
    except TocsinError as error:
        told(False, f"the state: {error}")
    from tocsin.pipeline.knowledge import Knowledge, Plan

    lists_dir = str(settings.lists.dir) if settings.lists.dir else None
    try:
        knowledge = Knowledge(
            Plan(folders=[str(f) for f in settings.rules.dirs], shipped=settings.rules.shipped, lists_dir=lists_dir)
        )
        invalid = [rule for rule in knowledge.all_rules if rule.status == "invalid"]
        told(not invalid, f"{len(knowledge.all_rules)} rules can be read", f"{len(invalid)} can't: tocsin rules check")
    except TocsinError as error:
        told(False, f"the rules: {error}")
    if problems:
        raise typer.Exit(1)


def _disk(settings: Settings, told: object) -> None:
    import shutil

    place = settings.data_dir if settings.data_dir.exists() else settings.data_dir.parent
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    told(free > 2 << 30, f"{free / 1e9:.1f} GB are free for data", "the journal refuses to take more below 0.5 GB")  # type: ignore[operator]


def _ports(settings: Settings, told: object) -> None:
    import socket

    wanted = {"server.port": settings.server.port, "server.bulk_port": settings.server.bulk_port}
    for name, port in wanted.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.server.host, port))
                free = True
            except OSError:
                free = False
        told(free, f"port {port} ({name}) is free", "another program has it, or Tocsin runs already")  # type: ignore[operator]
