"""One address is turned away by the firewall, fails to sign in at the portal many times, and makes its server fail.

Three observers tell of it: the firewall's kernel, the portal itself (which sees its proxy, and the client in the
proxy's header), and nginx before it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tocsin.simulate import Emission, Story
from tocsin.simulate import _web as web
from tocsin.simulate._site import PORTAL_NAME, PUBLIC, Dice

_USERS: Final = ("admin", "administrator", "amara", "jonas", "leila", "petra", "kofi", "sven", "test", "backup")
_AGENT: Final = "python-requests/2.32.3"
_UPSTREAM: Final = "https://10.20.1.21:8443"


class _Portal:
    summary = "a blocked connection, failed logins and server errors from one client (one alert, one incident)"

    def tell(self, seed: int, start: datetime) -> list[Emission]:
        """See `Story.tell`."""
        dice = Dice("portal", seed, start)
        client = dice.address("203.0.113", 20, 99)
        begin = dice.between(120, 200)
        out: list[Emission] = []
        for number in range(dice.number(3, 6)):
            port = dice.pick((22, 3389, 8443, 5432))
            out.append(web.packet(dice, dice.at(begin + 1.5 * number), client, PUBLIC, port))
        t = begin + dice.between(20, 40)
        for _ in range(dice.number(8, 13)):
            out.append(web.login(dice, dice.at(t), client, dice.pick(_USERS), False))
            out.append(web.access(dice.at(t + 0.05), client, "/login", 401, method="POST", size=187, agent=_AGENT))
            t += dice.between(2, 9)
        t += dice.between(5, 20)
        for _ in range(dice.number(4, 6)):
            target = "/report?template=" + "%7B" * dice.number(2, 9) + dice.hex(6)
            out.append(web.access(dice.at(t), client, target, dice.pick((500, 502)), size=157, agent=_AGENT))
            text = (
                f"*{dice.number(10000, 99999)} upstream prematurely closed connection while reading response header "
                f'from upstream, client: {client}, server: {PORTAL_NAME}, request: "GET {target} HTTP/1.1", upstream: '
                f'"{_UPSTREAM}{target}", host: "{PORTAL_NAME}"'
            )
            out.append(web.error(dice.at(t), "error", text))
            t += dice.between(3, 12)
        text = f"worker process {dice.number(2000, 9000)} exited on signal 11 (core dumped)"
        out.append(web.error(dice.at(t), "alert", text, pid=977))
        return out


STORY: Final[Story] = _Portal()
