"""The command line: `tocsin COMMAND`. Results go to stdout and nothing else does; errors are one line on stderr.

Exit codes: 0 done; 1 done, and a check failed; 2 wrong usage or input, with one line that says what and where.
"""

from __future__ import annotations

import sys

import typer

from tocsin.cli import admin, measure, offline, rules, server
from tocsin.errors import QueryError, TocsinError

app = typer.Typer(
    name="tocsin",
    help="Collects the events of an organisation, finds attacks in them, and tells their story.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (server, offline, rules, measure, admin):
    module.register(app)


def main() -> None:
    """The script `tocsin`."""
    try:
        app(standalone_mode=True)
    except QueryError as error:
        sys.stderr.write(error.render() + "\n")
        sys.exit(2)
    except TocsinError as error:
        sys.stderr.write(f"tocsin: {error}\n")
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read has had enough
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
