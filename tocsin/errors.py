"""What Tocsin raises: an error says what happened, where, and what to do.

`str(error)` is the one line that a user reads: `where: what; hint`. Text that came from outside is quoted with
`quoted()`, so that it can neither forge a log line nor colour a terminal.
"""

from __future__ import annotations


def quoted(value: object, limit: int = 120) -> str:
    """`value` as a Python literal, cut to `limit` characters: safe in a log line or a terminal."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


class TocsinError(Exception):
    """Any failure that a user can read and act on.

    `what` happened, `where` (a file, a field, a rule id, a setting), and a `hint` at what to do.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}; {self.hint}" if self.hint else text


class UsageError(TocsinError):
    """The command or the input is wrong: exit code 2."""


class ConfigError(TocsinError):
    """A setting is wrong or contradicts another."""


class PluginError(TocsinError):
    """A plug-in can't be found or can't be loaded."""


class SyntaxProblem:
    """One place in a text (a query, a rule file) that is wrong. Lines and columns count from 1."""

    def __init__(self, what: str, *, text: str = "", line: int = 1, column: int = 1, length: int = 1) -> None:
        self.what = what
        self.text = text
        self.line = line
        self.column = column
        self.length = max(1, length)

    def excerpt(self) -> str:
        """The line with carets under the wrong part; empty where the text is not known."""
        lines = self.text.splitlines()
        if not 1 <= self.line <= len(lines):
            return ""
        shown = "".join(c if c.isprintable() else " " for c in lines[self.line - 1])
        head = f"{self.line:>4} | "
        return f"{head}{shown}\n{' ' * (len(head) + self.column - 1)}{'^' * self.length}"


class QueryError(TocsinError):
    """A query or rule can't be read; `problems` holds each place, all of them in one run."""

    def __init__(self, problems: list[SyntaxProblem], *, where: str = "") -> None:
        first = problems[0]
        place = f"{where}:{first.line}:{first.column}" if where else f"{first.line}:{first.column}"
        super().__init__(first.what, where=place)
        self.problems = problems

    def render(self) -> str:
        """All problems, each with its excerpt, for a terminal."""
        name = self.where.rsplit(":", 2)[0] if self.where.count(":") >= 2 else ""
        parts = []
        for problem in self.problems:
            place = ":".join(x for x in (name, str(problem.line), str(problem.column)) if x)
            parts.append(f"{place}: {problem.what}")
            if excerpt := problem.excerpt():
                parts.append(excerpt)
        return "\n".join(parts)


class UnsupportedError(TocsinError):
    """A rule or query asks for what Tocsin can't run (a function, a type, look-around): the reason is the message."""


class BusyError(TocsinError):
    """Back-pressure: nothing was taken, the sender should try again after `retry_after` seconds."""

    def __init__(self, what: str, *, retry_after: float = 1.0, where: str = "", hint: str = "") -> None:
        super().__init__(what, where=where, hint=hint)
        self.retry_after = retry_after


class ConflictError(TocsinError):
    """Somebody else changed it first: what was seen is not what is there. `current` is the revision that is."""

    def __init__(self, what: str, *, current: int = 0, where: str = "", hint: str = "look again and repeat") -> None:
        super().__init__(what, where=where, hint=hint)
        self.current = current
