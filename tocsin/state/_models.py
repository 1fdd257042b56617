"""The tables of what people configure. Times are whole µs since 1970 (UTC)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# SQLite counts up only where the type is its own INTEGER.
Counted = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """What all tables have in common: how a Python type is stored."""

    type_annotation_map = {int: BigInteger, dict[str, Any]: JSON, list[str]: JSON, list[dict[str, Any]]: JSON}  # noqa: RUF012


class UserRow(Base):
    """A person with an account."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("role IN ('admin', 'analyst', 'viewer')", name="role"),)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    password: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(16))
    disabled: Mapped[bool] = mapped_column(default=False)
    created: Mapped[int]
    last_seen: Mapped[int | None]


class SessionRow(Base):
    """A sign-in; `token` is a hash."""

    __tablename__ = "sessions"
    token: Mapped[str] = mapped_column(String(64), primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.name", ondelete="CASCADE"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    created: Mapped[int]
    expires: Mapped[int] = mapped_column(index=True)
    peer: Mapped[str] = mapped_column(String(64), default="")


class AttemptRow(Base):
    """Failed sign-ins of one address, or of one name from it."""

    __tablename__ = "attempts"
    key: Mapped[str] = mapped_column(String(160), primary_key=True)
    failures: Mapped[int]
    until: Mapped[int]
    last: Mapped[int] = mapped_column(index=True)


class KeyRow(Base):
    """A key of a shipper or program; `secret` is a hash."""

    __tablename__ = "keys"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    secret: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    scopes: Mapped[list[str]]
    created: Mapped[int]
    created_by: Mapped[str] = mapped_column(String(64))
    last_used: Mapped[int | None]


class RuleRow(Base):
    """What people set about a rule of a file: whether it runs."""

    __tablename__ = "rules"
    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    enabled: Mapped[bool | None]
    changed: Mapped[int]
    changed_by: Mapped[str] = mapped_column(String(64))


class CustomRuleRow(Base):
    """A rule that people wrote here."""

    __tablename__ = "custom_rules"
    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    format: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(default=True)
    revision: Mapped[int]
    created: Mapped[int]
    created_by: Mapped[str] = mapped_column(String(64))
    changed: Mapped[int]
    changed_by: Mapped[str] = mapped_column(String(64))


class ExceptionRow(Base):
    """What is left out of a rule ("" is every rule): all entries must hold."""

    __tablename__ = "exceptions"
    id: Mapped[int] = mapped_column(Counted, primary_key=True, autoincrement=True)
    rule: Mapped[str] = mapped_column(String(200), index=True)
    entries: Mapped[list[dict[str, Any]]]
    comment: Mapped[str] = mapped_column(Text, default="")
    author: Mapped[str] = mapped_column(String(64))
    created: Mapped[int]
    expires: Mapped[int | None]


class ListRow(Base):
    """An edited copy of a list, as CSV."""

    __tablename__ = "lists"
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    revision: Mapped[int]
    changed: Mapped[int]
    changed_by: Mapped[str] = mapped_column(String(64))


class TriageRow(Base):
    """What people decided about an alert or incident. No row: it is open."""

    __tablename__ = "triage"
    __table_args__ = (CheckConstraint("status IN ('open', 'acknowledged', 'closed')", name="status"),)
    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16), default="open", index=True)
    verdict: Mapped[str | None] = mapped_column(String(32))
    assignee: Mapped[str | None] = mapped_column(String(64))
    tags: Mapped[list[str]]
    revision: Mapped[int]
    changed: Mapped[int] = mapped_column(index=True)
    changed_by: Mapped[str] = mapped_column(String(64))


class DecisionRow(Base):
    """Alerts that people merged into one incident, or split."""

    __tablename__ = "decisions"
    __table_args__ = (CheckConstraint("kind IN ('merge', 'split')", name="kind"),)
    id: Mapped[int] = mapped_column(Counted, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(16))
    left: Mapped[list[str]]
    right: Mapped[list[str]]
    time: Mapped[int]
    by: Mapped[str] = mapped_column(String(64))
    applied: Mapped[bool] = mapped_column(default=False)


class DeedRow(Base):
    """What somebody did to an alert or incident: its history."""

    __tablename__ = "deeds"
    id: Mapped[int] = mapped_column(Counted, primary_key=True, autoincrement=True)
    subject: Mapped[str] = mapped_column(String(128), index=True)
    time: Mapped[int]
    by: Mapped[str] = mapped_column(String(64))
    what: Mapped[str] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(Text)


class NoteRow(Base):
    """What somebody wrote about an alert or incident."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(Counted, primary_key=True, autoincrement=True)
    subject: Mapped[str] = mapped_column(String(128), index=True)
    author: Mapped[str] = mapped_column(String(64))
    time: Mapped[int]
    text: Mapped[str] = mapped_column(Text)


class SearchRow(Base):
    """A search that somebody kept."""

    __tablename__ = "searches"
    id: Mapped[int] = mapped_column(Counted, primary_key=True, autoincrement=True)
    owner: Mapped[str] = mapped_column(String(64), index=True)
    name: Mapped[str] = mapped_column(String(200))
    shared: Mapped[bool] = mapped_column(default=False)
    search: Mapped[dict[str, Any]]
    changed: Mapped[int]


class SettingRow(Base):
    """A setting that is made in the page, or a number that must outlive a restart."""

    __tablename__ = "settings"
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
    changed: Mapped[int]


class CursorRow(Base):
    """How far a stage is."""

    __tablename__ = "cursors"
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
    changed: Mapped[int]


class MessageRow(Base):
    """A notification: to be sent, sent, or given up."""

    __tablename__ = "outbox"
    __table_args__ = (Index("outbox_due", "state", "next_try"),)
    id: Mapped[int] = mapped_column(Counted, primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    channel: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    next_try: Mapped[int]
    created: Mapped[int]
    error: Mapped[str] = mapped_column(Text, default="")


class AuditRow(Base):
    """Who did what, when, from where."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(Counted, primary_key=True, autoincrement=True)
    time: Mapped[int] = mapped_column(index=True)
    who: Mapped[str] = mapped_column(String(128), index=True)
    action: Mapped[str] = mapped_column(String(64), index=True)
    what: Mapped[str] = mapped_column(Text)
    peer: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[dict[str, Any]]


class SourceRow(Base):
    """What one sender of one data set has sent."""

    __tablename__ = "sources"
    dataset: Mapped[str] = mapped_column(String(200), primary_key=True)
    sender: Mapped[str] = mapped_column(String(200), primary_key=True)
    host: Mapped[str | None] = mapped_column(String(300))
    events: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(default=0)
    late: Mapped[int] = mapped_column(default=0)
    unparsed: Mapped[int] = mapped_column(default=0)
    overflowed: Mapped[int] = mapped_column(default=0)
    reasons: Mapped[dict[str, Any]]
    first: Mapped[int]
    last: Mapped[int]
    newest: Mapped[int | None]
