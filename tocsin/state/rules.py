"""What people set about rules: which run, what is left out of them, and the rules that they wrote here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, or_, select

from tocsin.errors import ConflictError, UsageError, quoted
from tocsin.event import time
from tocsin.state._database import Database
from tocsin.state._models import CustomRuleRow, ExceptionRow, RuleRow
from tocsin.state._revision import next_revision, revision

_VERSION = "rules.version"


class RuleException(NamedTuple):
    """What is left out of a rule ("" is every rule): all entries (`field`, `operator`, `values` …) must hold."""

    id: int
    rule: str
    entries: list[dict[str, Any]]
    comment: str
    author: str
    created: int
    expires: int | None


class CustomRule(NamedTuple):
    """A rule that people wrote here: its text is Elastic's TOML or Sigma's YAML."""

    id: str
    format: str
    text: str
    enabled: bool
    revision: int
    created: int
    created_by: str
    changed: int
    changed_by: str


class Rules:
    """Rules' settings. `version` grows with every change, so that others see that there was one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def version(self) -> int:
        """How many changes there have been."""
        with self._database.read() as session:
            return revision(session, _VERSION)

    def enabled(self) -> dict[str, bool]:
        """Rules that somebody switched on or off."""
        with self._database.read() as session:
            return {row.id: row.enabled for row in session.scalars(select(RuleRow)) if row.enabled is not None}

    def set_enabled(self, id_: str, enabled: bool | None, by: str) -> None:
        """Switches a rule on or off; None: as its file says."""
        with self._database.write() as session:
            session.merge(RuleRow(id=id_, enabled=enabled, changed=time.now(), changed_by=by))
            next_revision(session, _VERSION)

    def exceptions(self, rule: str | None = None, *, now: int | None = None) -> list[RuleException]:
        """Exceptions that have not expired, oldest first; of one rule, or of all."""
        moment = time.now() if now is None else now
        asked = select(ExceptionRow).where(or_(ExceptionRow.expires.is_(None), ExceptionRow.expires > moment))
        if rule is not None:
            asked = asked.where(ExceptionRow.rule == rule)
        with self._database.read() as session:
            return [_exception(row) for row in session.scalars(asked.order_by(ExceptionRow.id))]

    def add_exception(
        self, rule: str, entries: Sequence[dict[str, Any]], *, by: str, comment: str = "", expires: int | None = None
    ) -> RuleException:
        """Leaves something out of a rule. Raises `UsageError` without entries: that would leave out everything."""
        if not entries:
            raise UsageError("an exception needs at least one condition", where="entries")
        row = ExceptionRow(rule=rule, entries=[dict(entry) for entry in entries], comment=comment, author=by)
        row.created, row.expires = time.now(), expires
        with self._database.write() as session:
            session.add(row)
            session.flush()
            next_revision(session, _VERSION)
            return _exception(row)

    def remove_exception(self, id_: int) -> bool:
        """Takes an exception away; whether there was one."""
        with self._database.write() as session:
            row = session.get(ExceptionRow, id_)
            if row is None:
                return False
            session.delete(row)
            next_revision(session, _VERSION)
            return True

    def custom(self) -> list[CustomRule]:
        """Every rule that people wrote, by id."""
        with self._database.read() as session:
            return [_custom(row) for row in session.scalars(select(CustomRuleRow).order_by(CustomRuleRow.id))]

    def get_custom(self, id_: str) -> CustomRule | None:
        """One of them."""
        with self._database.read() as session:
            row = session.get(CustomRuleRow, id_)
            return None if row is None else _custom(row)

    def save_custom(
        self, id_: str, format_: str, text: str, *, by: str, enabled: bool = True, revision: int | None = None
    ) -> CustomRule:
        """Writes a rule, new or over the one of that id. `revision` is the one that was seen (0: none); raises
        `ConflictError` where it is no longer."""
        now = time.now()
        with self._database.write() as session:
            row = session.get(CustomRuleRow, id_)
            held = 0 if row is None else row.revision
            if revision is not None and revision != held:
                raise ConflictError(f"the rule {quoted(id_)} has been changed", current=held)
            if row is None:
                row = CustomRuleRow(id=id_, created=now, created_by=by)
                session.add(row)
            row.format, row.text, row.enabled = format_, text, enabled
            row.revision, row.changed, row.changed_by = held + 1, now, by
            next_revision(session, _VERSION)
            return _custom(row)

    def delete_custom(self, id_: str) -> bool:
        """Takes a rule away, with its exceptions and settings; whether there was one."""
        with self._database.write() as session:
            row = session.get(CustomRuleRow, id_)
            if row is None:
                return False
            session.delete(row)
            session.execute(delete(ExceptionRow).where(ExceptionRow.rule == id_))
            session.execute(delete(RuleRow).where(RuleRow.id == id_))
            next_revision(session, _VERSION)
            return True


def _exception(row: ExceptionRow) -> RuleException:
    return RuleException(row.id, row.rule, row.entries, row.comment, row.author, row.created, row.expires)


def _custom(row: CustomRuleRow) -> CustomRule:
    return CustomRule(
        row.id,
        row.format,
        row.text,
        row.enabled,
        row.revision,
        row.created,
        row.created_by,
        row.changed,
        row.changed_by,
    )
