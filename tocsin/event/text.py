"""Folding and tokens: one definition for the text index, the SQL and the matcher (DESIGN section 3, a contract).

Folding is ASCII only, as ClickHouse's `lower()`. A token is a run of ASCII letters, digits and bytes >= 0x80, folded.
"""

from __future__ import annotations

import re
from typing import Final

_UPPER: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FOLD: Final = str.maketrans(_UPPER, _UPPER.lower())
_TOKEN: Final = re.compile("[A-Za-z0-9\u0080-\U0010ffff]+")


def fold(text: str) -> str:
    """`text` with A–Z in lower case and nothing else changed."""
    return text.lower() if text.isascii() else text.translate(_FOLD)


def tokens(text: str) -> list[str]:
    """The folded tokens of `text`, in order."""
    return _TOKEN.findall(fold(text))
