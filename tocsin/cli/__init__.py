"""The command line: `tocsin COMMAND`. Results go to stdout and nothing else does; errors are one line on stderr.

Exit codes: 0 done; 1 done, and a check failed; 2 wrong usage or input, with one line that says what and where.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import typer

from tocsin.cli import admin, measure, offline, rules, server
from tocsin.errors import QueryError, TocsinError

# What typer raises for a wrong use. Its own way of telling it is a box of several lines.
_WRONG_USE: Final[Any] = next(each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException")
# Options that take all the words after them, as a shell's glob gives them: the endings that such words have, if known.
_MANY: Final = {"search": ("--input", ()), "scan": ("--rules", (".yml", ".yaml", ".toml"))}

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
        code = app(spread(sys.argv[1:]), standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except QueryError as error:
        sys.stderr.write(error.render() + "\n")
        sys.exit(2)
    except TocsinError as error:
        sys.stderr.write(f"tocsin: {error}\n")
        sys.exit(2)
    except _WRONG_USE as error:
        place = getattr(getattr(error, "ctx", None), "command_path", "tocsin")
        what = " ".join(str(error.format_message()).split())
        if what:  # without words the help has been shown
            sys.stderr.write(f"{place}: {what}; {place} -h tells more\n")
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read has had enough
        sys.exit(0)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)


def spread(words: Sequence[str]) -> list[str]:
    """The words of the command line with the option repeated that takes many: `--input A B` is `--input A --input B`.

    The query, or the inputs, must stand before it; else the words after the first one are these.
    """
    if not words or words[0] not in _MANY:
        return list(words)
    option, endings = _MANY[words[0]]
    out: list[str] = []
    plain = many = False  # a word that is no option's value has been seen; the option's values are being read
    value = True  # the next word belongs to what stands before it: the command is none
    for word in words:
        if word.startswith("-") and word != "-":
            many = value = word == option
            value = value or ("=" not in word and word not in ("--per-file", "-h", "--help"))
        elif value:
            value = False
        elif many and plain and (not endings or word.lower().endswith(endings) or Path(word).is_dir()):
            out.append(option)
        else:
            plain = True
            many = False
        out.append(word)
    return out
