"""Users: their passwords, roles and first sign-in; failed sign-ins are slowed down."""

from __future__ import annotations

import hmac
import re
import secrets
from hashlib import sha256
from typing import Final, Literal, NamedTuple, cast

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from tocsin.errors import BusyError, UsageError, quoted
from tocsin.event import time
from tocsin.state._database import Database
from tocsin.state._models import AttemptRow, SessionRow, SettingRow, UserRow

Role = Literal["admin", "analyst", "viewer"]
ROLES: Final[tuple[Role, ...]] = ("admin", "analyst", "viewer")
SHORTEST: Final = 10
LONGEST: Final = 256
# So many failures are nobody's business; after that each doubles the wait.
FREE: Final = 5
LONGEST_WAIT: Final = 15 * 60 * time.SECOND
_FORGOTTEN: Final = time.DAY
_MOST_ATTEMPTS: Final = 10_000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_SETUP: Final = "users.setup"


class User(NamedTuple):
    """A person with an account. Times in µs."""

    name: str
    role: Role
    disabled: bool
    created: int
    last_seen: int | None


class Users:
    """Accounts. `cost` is for tests: argon2's number of passes."""

    def __init__(self, database: Database, cost: int | None = None) -> None:
        self._database = database
        self._hasher = PasswordHasher() if cost is None else PasswordHasher(time_cost=cost, memory_cost=32)
        # What the password of a name that nobody has is checked against, so that both take as long.
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    def create(self, name: str, password: str, role: Role) -> User:
        """A new account. Raises `UsageError` for a name or password that can't be one."""
        _check_name(name)
        _check_password(password)
        if role not in ROLES:
            raise UsageError(f"there is no role {quoted(role)}", where="role", hint=f"one of {', '.join(ROLES)}")
        hashed = self._hasher.hash(_bytes(password))
        with self._database.write() as session:
            if session.get(UserRow, name) is not None:
                raise UsageError(f"there is a user {quoted(name)} already", where="username")
            row = UserRow(name=name, password=hashed, role=role, disabled=False, created=time.now(), last_seen=None)
            session.add(row)
            return _user(row)

    def authenticate(self, name: str, password: str, peer: str = "") -> User | None:
        """The user, if the password is theirs and the account is not disabled; None otherwise, after as long a time.
        Raises `BusyError` (with `retry_after`) after too many failures of that address, or for that name from it."""
        keys = (f"peer {peer[:45]}", f"name {_shown(name)} {peer[:45]}")
        now = time.now()
        with self._database.read() as session:
            until = session.scalar(select(func.max(AttemptRow.until)).where(AttemptRow.key.in_(keys)))
            row = session.get(UserRow, name) if _NAME.fullmatch(name) else None
        if until is not None and until > now:
            wait = (until - now) / time.SECOND
            raise BusyError("too many failed sign-ins", retry_after=wait, hint=f"wait {wait:.0f} s")
        good = self._verified(self._nobody if row is None else row.password, password) and row is not None
        if row is None or not good or row.disabled:
            self._failed(keys, now)
            return None
        with self._database.write() as session:
            session.execute(delete(AttemptRow).where(AttemptRow.key.in_(keys)))
            held = session.get(UserRow, name)
            if held is None or held.disabled:
                return None
            held.last_seen = now
            if self._hasher.check_needs_rehash(held.password) and held.password == row.password:
                held.password = self._hasher.hash(_bytes(password))
            return _user(held)

    def change(
        self, name: str, *, password: str | None = None, role: Role | None = None, disabled: bool | None = None
    ) -> User:
        """What is given changes; a new password, role or being disabled ends all sign-ins. Raises `UsageError` for
        nobody, and where no admin would be left."""
        if password is not None:
            _check_password(password)
        if role is not None and role not in ROLES:
            raise UsageError(f"there is no role {quoted(role)}", where="role", hint=f"one of {', '.join(ROLES)}")
        hashed = None if password is None else self._hasher.hash(_bytes(password))
        with self._database.write() as session:
            row = session.get(UserRow, name)
            if row is None:
                raise UsageError(f"there is no user {quoted(name)}", where="username")
            row.password = hashed or row.password
            row.role = role or row.role
            row.disabled = row.disabled if disabled is None else disabled
            session.flush()
            if not _admins(session):
                raise UsageError("the last admin can't be taken away", hint="make another user admin first")
            session.execute(delete(SessionRow).where(SessionRow.user == name))
            return _user(row)

    def get(self, name: str) -> User | None:
        """The user of that name."""
        with self._database.read() as session:
            row = session.get(UserRow, name)
            return None if row is None else _user(row)

    def all(self) -> list[User]:
        """Everybody, by name."""
        with self._database.read() as session:
            return [_user(row) for row in session.scalars(select(UserRow).order_by(UserRow.name))]

    def setup_needed(self) -> bool:
        """Whether nobody has an account yet."""
        with self._database.read() as session:
            return session.scalar(select(func.count()).select_from(UserRow)) == 0

    def setup_token(self) -> str | None:
        """A new token for the first sign-in, to be shown where only the operator looks; the one before no longer
        counts. None where there are users."""
        token = secrets.token_urlsafe(24)
        with self._database.write() as session:
            if session.scalar(select(func.count()).select_from(UserRow)):
                return None
            session.merge(SettingRow(name=_SETUP, value=_hashed(token), changed=time.now()))
        return token

    def set_up(self, token: str, name: str, password: str) -> User:
        """The first admin. Raises `UsageError` where the token is not the one, or somebody has an account already."""
        _check_name(name)
        _check_password(password)
        hashed = self._hasher.hash(_bytes(password))
        with self._database.write() as session:
            held = session.get(SettingRow, _SETUP)
            if session.scalar(select(func.count()).select_from(UserRow)):
                raise UsageError("there are users already", hint="sign in, or use `tocsin user add`")
            if held is None or not hmac.compare_digest(str(held.value), _hashed(token)):
                raise UsageError("this is not the token that the server printed", where="token")
            session.delete(held)
            row = UserRow(name=name, password=hashed, role="admin", disabled=False, created=time.now(), last_seen=None)
            session.add(row)
            return _user(row)

    def _verified(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, _bytes(password[: LONGEST + 1]))
        except (VerificationError, InvalidHashError):
            return False

    def _failed(self, keys: tuple[str, ...], now: int) -> None:
        with self._database.write() as session:
            session.execute(delete(AttemptRow).where(AttemptRow.last < now - _FORGOTTEN))
            if (session.scalar(select(func.count()).select_from(AttemptRow)) or 0) > _MOST_ATTEMPTS:
                # Somebody tries from everywhere: the oldest are forgotten, so that the table stays small.
                oldest = select(AttemptRow.key).order_by(AttemptRow.last).limit(_MOST_ATTEMPTS // 10)
                session.execute(delete(AttemptRow).where(AttemptRow.key.in_(oldest)))
            for key in keys:
                row = session.get(AttemptRow, key) or AttemptRow(key=key, failures=0, until=0, last=now)
                row.failures += 1
                row.last = now
                # An address may be a whole office's.
                over = row.failures - (FREE if key.startswith("name") else 4 * FREE)
                row.until = now + min(time.SECOND << min(over, 20), LONGEST_WAIT) if over >= 0 else 0
                session.add(row)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


def _shown(name: str) -> str:
    """A name that somebody tried, as a part of a key: no text that a database refuses."""
    return ascii(name[:64])[:96]


def _hashed(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _admins(session: Session) -> int:
    where = (UserRow.role == "admin", UserRow.disabled.is_(False))
    return session.scalar(select(func.count()).select_from(UserRow).where(*where)) or 0


def _user(row: UserRow) -> User:
    return User(row.name, cast(Role, row.role), row.disabled, row.created, row.last_seen)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        hint = "1 to 64 letters, digits and . _ @ -, a letter or digit first"
        raise UsageError(f"{quoted(name, 80)} can't be a user's name", where="username", hint=hint)


def _check_password(password: str) -> None:
    if not SHORTEST <= len(password) <= LONGEST:
        raise UsageError(f"a password has {SHORTEST} to {LONGEST} characters", where="password")
