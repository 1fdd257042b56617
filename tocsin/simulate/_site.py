"""The place where the stories happen: hosts, people and addresses, the same in every story; what varies comes from the
seed. Every source of records draws its ids here."""

from __future__ import annotations

import hashlib
import random
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")
DOMAIN: Final = "corp.example"
_BASE62: Final = string.ascii_letters + string.digits


class Host(NamedTuple):
    """A machine of the organisation."""

    name: str
    ip: str
    user: str  # who works there; a service's account on a server
    sid: int

    @property
    def fqdn(self) -> str:
        """As its own records call it."""
        return f"{self.name}.{DOMAIN}"


WORKSTATIONS: Final = (
    Host("WS-FIN-07", "10.20.7.107", "amara", 1107),
    Host("WS-FIN-09", "10.20.7.109", "jonas", 1109),
    Host("WS-HR-02", "10.20.7.132", "leila", 1132),
    Host("WS-DEV-11", "10.20.7.151", "petra", 1151),
    Host("WS-DEV-14", "10.20.7.154", "kofi", 1154),
    Host("WS-MKT-03", "10.20.7.173", "sven", 1173),
)
VICTIMS: Final = WORKSTATIONS[:3]
SERVER: Final = Host("SRV-APP-01", "10.20.2.21", "svc_inventory", 1501)
FILES: Final = Host("SRV-FILES-01", "10.20.2.30", "svc_backup", 1502)
JUMP: Final = Host("ADM01", "10.20.3.5", "adm.jensen", 1601)
DEPLOY: Final = ("10.20.0.15", 8080)  # stands in authorised_file_servers
SCANNER: Final = "198.51.100.200"  # stands in sanctioned_scanners
FIREWALL: Final = "fw01"
WEB: Final = ("web01", "10.20.1.10")  # the portal's reverse proxy, stands in trusted_proxies
PORTAL: Final = ("portal01", "10.20.1.21")
SHOP: Final = ("web02", "10.20.1.11")
PUBLIC: Final = "192.0.2.10"  # the portal as the world sees it
PORTAL_NAME: Final = "portal.corp.example"
RESOLVER: Final = "10.20.0.53"


@dataclass
class Dice:
    """Randomness of one story: everything drawn depends on its name, the seed and the start only."""

    story: str
    seed: int
    start: datetime

    def __post_init__(self) -> None:
        self.start = self.start.astimezone(UTC)
        self._random = random.Random(f"{self.story}:{self.seed}:{self.start.isoformat()}")  # no secret
        self._records: dict[str, int] = {}
        self._pids: dict[str, int] = {}

    def at(self, seconds: float) -> datetime:
        """So long after the start."""
        return self.start + timedelta(microseconds=round(seconds * 1e6))

    def pick(self, items: Sequence[T]) -> T:
        """One of them."""
        return self._random.choice(items)

    def number(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return self._random.randint(low, high)

    def between(self, low: float, high: float) -> float:
        """A number."""
        return self._random.uniform(low, high)

    def chance(self, of: float) -> bool:
        """True in so many of one."""
        return self._random.random() < of

    def hex(self, digits: int) -> str:
        """So many digits, lower case."""
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def zeek_id(self, letter: str) -> str:
        """A connection's or file's id as Zeek makes them: a letter and base 62."""
        return letter + "".join(self._random.choices(_BASE62, k=17))

    def port(self) -> int:
        """A client's port."""
        return self._random.randint(49152, 65535)

    def address(self, network: str, low: int = 10, high: int = 199) -> str:
        """An address of a /24, given as its first three numbers."""
        return f"{network}.{self._random.randint(low, high)}"

    def pid(self, host: str) -> int:
        """A process id that this host has not had in this story: a multiple of four, as Windows has them."""
        held = self._pids.get(host)
        held = 4 * self._random.randint(900, 1400) if held is None else held + 4 * self._random.randint(1, 9)
        self._pids[host] = held
        return held

    def record(self, host: str, channel: str) -> int:
        """The next record number of a host's channel; stories draw from far apart."""
        key = f"{host}:{channel}"
        if key not in self._records:
            self._records[key] = self._random.randint(10_000, 9_000_000) * 100
        self._records[key] += 1
        return self._records[key]


def digest(kind: str, *of: object) -> str:
    """A hash that stands for a file's content: the same wherever that file is met."""
    return hashlib.new(kind, "\0".join(map(str, of)).encode(), usedforsecurity=False).hexdigest()
