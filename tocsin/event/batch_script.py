"""The batch files that a command line of cmd runs: those in command position, not those that are arguments.

How cmd reads its command line: https://learn.microsoft.com/windows-server/administration/windows-commands/cmd. Takes
linear time; nothing is run or looked up.
"""

from __future__ import annotations

import ntpath
import re
from functools import lru_cache
from typing import Final

_LIMIT: Final = 8192  # cmd takes no longer line (8191 characters)
# cmd's own switches, up to the one that begins the command.
_SWITCH: Final = re.compile(
    r"\s*(?:\"[^\"]*\"|[^\s\"]*?(?:cmd|cmd\.exe|%comspec%)(?=[\s/\"]|\Z)|[^\s\"/]*)\"?\s*"
    r"(?:/[abd-jl-qs-z](?::[^\s/\"]{0,8})?\s*){0,16}/[ckr]",
)
_TOKEN: Final = re.compile(r"[&|()\n]|\d?[<>]+(?:&\d)?|(?:\"[^\"\n]*\"?|[^\s&|()<>\",;=]|(?<=\S)[,;=](?=\S))+")
_BATCH: Final = re.compile(r"(.*?\.(?:bat|cmd)(?::[^/,;=]*)?)[. ]*(?:[/,;=+].*)?\Z", re.DOTALL)
_SHELL: Final = re.compile(r"(?:.*[\\/])?(?:cmd(?:\.exe)?|%comspec%)\Z", re.DOTALL)
_RUN: Final = re.compile(r"/(?:[sqdau]/)*[ckr](.*)\Z", re.DOTALL)
_WHOLE: Final = re.compile(r"(?:[a-z]:|\\\\|%|\.|[^\s]+\Z)[^&|<>]*\.(?:bat|cmd)\Z", re.DOTALL)
# What takes the next words before its command, and how many.
_TAKES: Final = {"exist": 1, "errorlevel": 1, "defined": 1, "cmdextversion": 1, "not": 0, "/i": 0}
_START_VALUES: Final = frozenset({"/d", "/node", "/affinity", "/machine"})


@lru_cache(maxsize=2048)
def batch_scripts(canonical: str) -> tuple[str, ...]:
    """The batch files that a command line of cmd (canonical text) runs, as whole paths where it names them so, in
    order, each once; `..` is worked out. Names without .bat or .cmd are not seen."""
    text = canonical[:_LIMIT]
    match = _SWITCH.match(text)
    if match is None:
        return ()
    return tuple(dict.fromkeys(_path(name) for name in _commands(_unquoted(text[match.end() :]))))


def script_of(canonical: str | None) -> str | None:
    """The one batch file that it runs; of several a text that is no path and names them; None where it runs none."""
    scripts = batch_scripts(canonical) if canonical else ()
    if len(scripts) > 1:
        return "several: " + " & ".join(scripts)
    return scripts[0] if scripts else None


def _unquoted(rest: str) -> str:
    """Without the first and last quote, where cmd takes them away."""
    rest = rest.strip()
    if not rest.startswith('"'):
        return rest
    inner = rest[1:].rpartition('"')
    body = inner[0] + inner[2] if inner[1] else rest[1:]
    if rest.count('"') == 2 and not re.search(r"[&<>()@|]", rest) and _WHOLE.match(inner[0]):
        return rest
    return body if rest.count('"') != 2 or (inner[1] and not inner[2].strip()) else rest


def _commands(text: str) -> list[str]:
    found: list[str] = []
    ready, skip = True, 0
    mode = ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[0] in "&|()\n" and len(token) == 1:
            if mode == "for" and token in "()":
                continue
            ready, skip, mode = True, 0, ""
            continue
        if token.lstrip("0123456789")[:1] in ("<", ">"):
            # What cmd is fed with is run as well: `cmd < x.bat`.
            skip += "&" not in token
            mode = "fed" if "<" in token and mode == "shell" else mode
            continue
        word = token.replace('"', "").strip()
        if skip:
            skip -= 1
            if mode == "fed" and (batch := _BATCH.match(word)):
                found.append(batch[1])
            continue
        if mode == "for":
            if word == "do":
                ready, mode = True, ""
            elif word[:1] in "'`" and (batch := _BATCH.match(word.strip("'`@"))):
                found.append(batch[1])
            continue
        if mode == "shell" and (run := _RUN.match(word)):
            mode, ready = "", True
            word = run[1]
            if not word:
                continue
        if mode == "start":
            if token.startswith('"') and ready:
                ready = False  # its title
                continue
            if word.startswith("/"):
                skip = word in _START_VALUES
                continue
            mode, ready = "", True
        if mode == "if":
            if word in _TAKES:
                skip = _TAKES[word]
                mode = "if" if word in ("not", "/i") else ""
            elif "=" in word:
                mode = ""
                skip = int(word.endswith("="))
            else:
                skip, mode = 2, ""
            ready = True
            continue
        if not ready:
            continue
        word = word.lstrip("@")
        if word in ("", "call", "do", "else"):
            continue
        if word in ("start", "if", "for"):
            mode = word
            continue
        ready = False
        if _SHELL.match(word):
            mode = "shell"
        elif batch := _BATCH.match(word):
            found.append(batch[1])
    return found


def _path(name: str) -> str:
    name = name.replace("/", "\\")
    name = name.removeprefix("\\\\?\\")
    if ":" in name[2:]:
        return "stream of " + name
    return ntpath.normpath(name)
