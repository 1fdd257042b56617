"""An ordinary quarter of an hour: people at work, and all that looks like an attack and is none.

Among it: batch files from the authorised server, approved scripts that start PowerShell, pages fetched by script, port
checks, searches for suspicious words, a sanctioned scanner, a deployment that gives errors to everybody, sign-ins of
many people behind one proxy.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from tocsin.simulate import Emission, Story
from tocsin.simulate import _site as site
from tocsin.simulate import _web as web
from tocsin.simulate import _windows as windows
from tocsin.simulate import _zeek as zeek
from tocsin.simulate._site import Dice, Host

_LENGTH: Final = 890.0  # seconds; a little less than a story may take
_SITES: Final = (
    ("www.example.com", "192.0.2.80"), ("mail.example.net", "192.0.2.25"), ("docs.example.org", "192.0.2.81"),
    ("news.example.com", "192.0.2.82"), ("cdn.example.net", "192.0.2.83"), ("login.example.org", "192.0.2.84"),
)  # fmt: skip
_INTRANET: Final = ("intranet.corp.example", "10.20.0.20")
_BROWSER: Final = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0"
_PS_AGENT: Final = "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.20348.2227"
_PROGRAMS: Final = (
    ("C:\\Program Files\\Microsoft Office\\root\\Office16\\OUTLOOK.EXE", ""),
    ("C:\\Program Files\\Microsoft Office\\root\\Office16\\EXCEL.EXE", " /dde"),
    ("C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE", " /n"),
    (windows.EDGE, " --profile-directory=Default"),
    ("C:\\Windows\\System32\\notepad.exe", " C:\\Users\\Public\\notes.txt"),
    ("C:\\Windows\\System32\\mmc.exe", " eventvwr.msc"),
    ("C:\\Program Files\\7-Zip\\7zFM.exe", ""),
)
_SERVICES: Final = (
    "netsvcs -p -s Schedule",
    "netsvcs -p -s wuauserv",
    "LocalService -p -s nsi",
    "NetworkService -p -s Dnscache",
)
_PORTCHECK: Final = (
    "$t = New-Object System.Net.Sockets.TcpClient; $a = $t.BeginConnect('10.20.2.30', 445, $null, $null); "
    "if ($a.AsyncWaitHandle.WaitOne(2000)) { $t.Connected } ; $t.Close()"
)
_PAGE: Final = "Invoke-WebRequest http://intranet.corp.example/status.html -OutFile status.html"
_SEARCH: Final = "Select-String -Pattern 'New-Object System.Net.Sockets.TCPClient' -Path *.ps1"
_MODULE: Final = (
    "function Test-TCP { param($ComputerName, $Port) $Client = New-Object -TypeName System.Net.Sockets.TcpClient; "
    "$Client.Connect($ComputerName, $Port); $Stream = $Client.GetStream(); $Client.Connected }"
)


class _Noise:
    summary = "an ordinary quarter of an hour with all that looks like an attack and is none (no alert)"

    def tell(self, seed: int, start: datetime) -> list[Emission]:
        """See `Story.tell`."""
        dice = Dice("noise", seed, start)
        out: list[Emission] = []
        parts: tuple[Callable[[Dice], list[Emission]], ...] = (
            _desks, _browsing, _names, _visitors, _background, _deployment, _scanner, _people, _servers,
            _administrators,
        )  # fmt: skip
        for part in parts:
            out.extend(part(dice))
        return out


def _times(dice: Dice, count: int, low: float = 1.0, high: float = _LENGTH) -> list[float]:
    return sorted(dice.between(low, high) for _ in range(count))


def _desks(dice: Dice) -> list[Emission]:
    """Programs that people open and close, and services on their machines."""
    out: list[Emission] = []
    for host in site.WORKSTATIONS:
        begin, explorer = windows.session(dice, host, dice.at(dice.between(1, 30)))
        out += begin
        for t in _times(dice, 28, 40):
            image, rest = dice.pick(_PROGRAMS)
            it = windows.process(dice, host, dice.at(t), image, f'"{image}"{rest}', explorer)
            out.append(windows.created(dice, it))
            if dice.chance(0.6):
                name = f"C:\\Users\\{host.user}\\AppData\\Local\\Temp\\{dice.hex(8)}.tmp"
                out.append(windows.wrote(dice, it, dice.at(t + 0.7), name))
            if dice.chance(0.5):
                name, address = dice.pick(_SITES)
                link = zeek.flow(dice, host.ip, address, 443)
                out.append(windows.asked(dice, it, dice.at(t + 0.8), name, [address]))
                out.append(windows.connected(dice, it, dice.at(t + 0.9), link, name))
                out.append(
                    zeek.conn(
                        dice, link, dice.at(t + 0.88), duration=dice.between(0.3, 9), sent=dice.number(600, 9000),
                        got=dice.number(2000, 250_000), service="ssl",
                    )
                )  # fmt: skip
            out.append(windows.ended(dice, it, dice.at(min(t + dice.between(2, 60), _LENGTH))))
        for t in _times(dice, 9, 5):
            line = f"{windows.SYSTEM32}svchost.exe -k {dice.pick(_SERVICES)}"
            it = windows.process(
                dice, host, dice.at(t), windows.SYSTEM32 + "svchost.exe", line, user="NT AUTHORITY\\SYSTEM"
            )
            out += [windows.created(dice, it), windows.ended(dice, it, dice.at(min(t + 8, _LENGTH)))]
    return out


def _browsing(dice: Dice) -> list[Emission]:
    """Plain HTTP of people's browsers, and what Zeek says of it."""
    out: list[Emission] = []
    for t in _times(dice, 230):
        host, (name, address) = dice.pick(site.WORKSTATIONS), dice.pick((*_SITES, _INTRANET))
        link = zeek.flow(dice, host.ip, address, 80)
        status = dice.pick((200, 200, 200, 304, 301, 404))
        size = dice.number(500, 60_000) if status in (200, 404) else 0
        mime = dice.pick(("text/html", "image/png", "text/css", "application/javascript"))
        out.append(
            zeek.conn(dice, link, dice.at(t), duration=dice.between(0.1, 4), sent=420, got=size + 240, service="http")
        )
        uri = "/" + dice.pick(
            ("", "index.html", "img/logo.png", "css/site.css", "js/app.js", "help/batch-processing.html")
        )
        out += zeek.http(
            dice, link, dice.at(t + 0.05), uri=uri, host=name, agent=_BROWSER, status=status, size=size,
            mime=mime if size else None,
        )  # fmt: skip
    return out


def _names(dice: Dice) -> list[Emission]:
    """Questions to the resolver."""
    out: list[Emission] = []
    for t in _times(dice, 420):
        host, (name, address) = dice.pick(site.WORKSTATIONS), dice.pick((*_SITES, _INTRANET))
        link = zeek.flow(dice, host.ip, site.RESOLVER, 53, "udp")
        known = dice.chance(0.95)
        out.append(zeek.conn(dice, link, dice.at(t), duration=0.02, sent=41, got=66, service="dns"))
        out.append(
            zeek.dns(dice, link, dice.at(t), name if known else f"{dice.hex(6)}.example", [address] if known else [])
        )
    return out


def _visitors(dice: Dice) -> list[Emission]:
    """Visitors of the portal and the shop, and people who sign in: some mistype, many from behind other proxies."""
    out: list[Emission] = []
    for t in _times(dice, 520):
        client = dice.address("203.0.113", 130, 250)
        server = dice.pick((site.WEB, site.SHOP))
        status = dice.pick((200, 200, 200, 200, 304, 302, 404))
        target = dice.pick(
            ("/", "/login", "/account", "/static/app.css", "/static/app.js", "/search?q=batch", "/tools/setup.bat.html")
        )
        out.append(web.access(dice.at(t), client, target, status, server=server, size=dice.number(200, 20_000)))
    for t in _times(dice, 130):
        client = dice.address("203.0.113", 130, 250)
        out.append(web.login(dice, dice.at(t), client, dice.pick(site.WORKSTATIONS).user, dice.chance(0.93)))
    # The whole of one office has the wrong password at once: many clients, one proxy.
    for number, t in enumerate(_times(dice, 12, 400, 520)):
        out.append(web.login(dice, dice.at(t), f"192.0.2.{100 + number}", f"clerk{number:02d}", False))
    for t in _times(dice, 25):
        text = f'*{dice.number(1, 99999)} open() "/srv/www/favicon.ico" failed (2: No such file or directory), client: '
        text += (
            f'{dice.address("203.0.113", 130, 250)}, server: {site.PORTAL_NAME}, request: "GET /favicon.ico HTTP/1.1", '
        )
        out.append(web.error(dice.at(t), "error", text + f'host: "{site.PORTAL_NAME}"'))
    return out


def _background(dice: Dice) -> list[Emission]:
    """What the internet knocks at all day, and what the firewall lets through."""
    out: list[Emission] = []
    for t in _times(dice, 240):
        source = dice.address("192.0.2"[:9], 120, 250)
        port = dice.pick((23, 445, 1433, 3389, 5900, 8080))
        out.append(web.packet(dice, dice.at(t), source, site.PUBLIC, port))
    out.extend(
        web.packet(dice, dice.at(t), dice.address("203.0.113", 130, 250), site.PUBLIC, 443, verdict="ACCEPT")
        for t in _times(dice, 90)
    )
    return out


def _deployment(dice: Dice) -> list[Emission]:
    """A new version of the shop: for a minute everybody gets an error."""
    out: list[Emission] = []
    begin = dice.between(200, 500)
    for number in range(24):
        client = f"203.0.113.{131 + number * 4}"
        for t in _times(dice, 4, begin, begin + 70):
            out.append(web.access(dice.at(t), client, "/cart", dice.pick((502, 503)), server=site.SHOP, size=190))
            text = (
                f"*{dice.number(1, 99999)} connect() failed (111: Connection refused) while connecting to upstream, "
                f'client: {client}, server: shop.corp.example, request: "GET /cart HTTP/1.1", host: "shop.corp.example"'
            )
            out.append(web.error(dice.at(t), "error", text, server=site.SHOP))
    return out


def _scanner(dice: Dice) -> list[Emission]:
    """The auditor's scanner does all that the attacker of the portal does."""
    begin = dice.between(250, 450)
    out = [
        web.packet(dice, dice.at(t), site.SCANNER, site.PUBLIC, dice.number(1, 10_000))
        for t in _times(dice, 30, begin, begin + 60)
    ]
    for t in _times(dice, 12, begin + 60, begin + 120):
        out.append(web.login(dice, dice.at(t), site.SCANNER, "admin", False))
        out.append(web.access(dice.at(t), site.SCANNER, "/login", 401, method="POST", agent="Scanner/7.2"))
    out.extend(
        web.access(dice.at(t), site.SCANNER, f"/report?template={dice.hex(8)}", 500, agent="Scanner/7.2")
        for t in _times(dice, 8, begin + 120, begin + 150)
    )
    return out


def _people(dice: Dice) -> list[Emission]:
    """Network logons at the file server, and processes there as Security 4688."""
    out: list[Emission] = []
    for t in _times(dice, 150):
        host = dice.pick(site.WORKSTATIONS)
        out.append(windows.logged_on(dice, site.FILES, dice.at(t), host.user, 3, host.ip))
    services = windows.process(
        dice, site.FILES, dice.at(0.5), windows.SYSTEM32 + "services.exe", windows.SYSTEM32 + "services.exe",
        user="NT AUTHORITY\\SYSTEM",
    )  # fmt: skip
    out.append(windows.started_4688(dice, services))
    for t in _times(dice, 60, 2):
        line = f"{windows.SYSTEM32}svchost.exe -k {dice.pick(_SERVICES)}"
        image = windows.SYSTEM32 + "svchost.exe"
        it = windows.process(dice, site.FILES, dice.at(t), image, line, services, user="NT AUTHORITY\\SYSTEM")
        out.append(windows.started_4688(dice, it))
    return out


def _servers(dice: Dice) -> list[Emission]:
    """The authorised server gives out batch files on its port; a nightly script that is approved starts PowerShell."""
    host = site.SERVER
    address, port = site.DEPLOY
    out: list[Emission] = []
    services = windows.process(
        dice, host, dice.at(0.5), windows.SYSTEM32 + "services.exe", windows.SYSTEM32 + "services.exe",
        user="NT AUTHORITY\\SYSTEM",
    )  # fmt: skip
    scheduler = windows.process(
        dice, host, dice.at(0.8), windows.SYSTEM32 + "svchost.exe",
        f"{windows.SYSTEM32}svchost.exe -k netsvcs -p -s Schedule", services, user="NT AUTHORITY\\SYSTEM",
    )  # fmt: skip
    out += [windows.created(dice, services), windows.created(dice, scheduler)]
    for t in _times(dice, 3, 30, 800):
        line = f'{windows.CMD} /c "C:\\Admin\\Scripts\\inventory.bat"'
        shell = windows.process(dice, host, dice.at(t), windows.CMD, line, scheduler)
        text = "Get-CimInstance Win32_OperatingSystem | Export-Csv C:\\Admin\\Reports\\os.csv"
        it = windows.process(
            dice, host, dice.at(t + 0.6), windows.POWERSHELL, f'powershell  -NoProfile -Command "{text}"', shell
        )
        out += [
            windows.created(dice, shell),
            windows.created(dice, it),
            windows.script_block(dice, it, dice.at(t + 1), text),
            windows.ended(dice, it, dice.at(t + 3)),
        ]
    for t in _times(dice, 4, 60, 850):
        url = f"http://{address}:{port}/deploy/update-{dice.number(1, 9)}.bat"
        text = f"Invoke-WebRequest -Uri {url} -OutFile C:\\ProgramData\\Deploy\\update.bat"
        it = windows.process(
            dice, host, dice.at(t), windows.POWERSHELL, f'powershell.exe -NoProfile -Command "{text}"', scheduler
        )
        link = zeek.flow(dice, host.ip, address, port)
        out += [
            windows.created(dice, it),
            windows.script_block(dice, it, dice.at(t + 0.4), text),
            windows.connected(dice, it, dice.at(t + 0.6), link),
            zeek.conn(dice, link, dice.at(t + 0.58), duration=0.2, sent=190, got=1400, service="http"),
            *_fetched(dice, link, t + 0.62, url, 1210, "text/x-msdos-batch", _PS_AGENT),
            windows.wrote(dice, it, dice.at(t + 0.8), "C:\\ProgramData\\Deploy\\update.bat"),
        ]
    # Looking whether there is something new fetches nothing.
    for t, method, status in zip(_times(dice, 3, 60, 850), ("HEAD", "GET", "GET"), (200, 304, 404), strict=True):
        link = zeek.flow(dice, host.ip, "198.51.100.220", 8080)
        out.append(zeek.conn(dice, link, dice.at(t), duration=0.1, sent=150, got=180, service="http"))
        uri, at = "/tools/setup.bat", dice.at(t + 0.02)
        out += zeek.http(
            dice, link, at, uri=uri, host="tools.example:8080", agent=_BROWSER, method=method, status=status
        )
    return out


def _fetched(dice: Dice, link: zeek.Flow, t: float, url: str, size: int, mime: str, agent: str) -> list[Emission]:
    authority, _, path = url.removeprefix("http://").partition("/")
    return zeek.http(dice, link, dice.at(t), uri=f"/{path}", host=authority, agent=agent, size=size, mime=mime)


def _administrators(dice: Dice) -> list[Emission]:
    """Administrators and developers: port checks, searches, pages fetched by script, batch files as arguments."""
    out: list[Emission] = []
    out += _at_prompt(
        dice,
        site.JUMP,
        [
            (f'powershell.exe -NoProfile -Command "{_PORTCHECK}"', _PORTCHECK, ""),
            (
                "powershell.exe -NoProfile -File C:\\Admin\\report.ps1 -Log C:\\Admin\\out.bat",
                "Get-Service | Out-Null",
                "",
            ),
            ("powershell.exe Test-NetConnection srv-app-01 -Port 445", "Test-NetConnection srv-app-01 -Port 445", ""),
            (
                f'powershell.exe -Command "{_PAGE}"',
                _PAGE,
                "",
            ),
            (
                f'powershell.exe -Command "{_SEARCH}"',
                _SEARCH,
                "",
            ),
        ],
    )
    module = windows.SYSTEM32 + "WindowsPowerShell\\v1.0\\Modules\\NetTCPIP\\Test-NetConnection.psm1"
    out += _at_prompt(dice, site.JUMP, [("powershell.exe tnc srv-files-01", _MODULE, module)])
    developer = site.WORKSTATIONS[3]
    out += _at_prompt(
        dice,
        developer,
        [
            (
                'powershell.exe -Command "Get-Help Invoke-WebRequest -Examples"',
                "Get-Help Invoke-WebRequest -Examples",
                "",
            ),
            (
                'powershell.exe -Command "Copy-Item build.bat D:\\backup\\build.bat"',
                "Copy-Item build.bat D:\\backup",
                "",
            ),
        ],
    )
    cmd_session = windows.process(dice, developer, dice.at(45), windows.CMD, f'"{windows.CMD}"')
    copying = windows.process(
        dice,
        developer,
        dice.at(50),
        windows.CMD,
        "cmd /c copy build.bat old.bat & powershell -Command Get-Date",
        cmd_session,
    )
    dated = windows.process(
        dice, developer, dice.at(50.5), windows.POWERSHELL, "powershell  -Command Get-Date", copying
    )
    out += [windows.created(dice, each) for each in (cmd_session, copying, dated)]
    return out


def _at_prompt(dice: Dice, host: Host, commands: list[tuple[str, str, str]]) -> list[Emission]:
    """Commands typed at a prompt, each with its script block."""
    begin, explorer = windows.session(dice, host, dice.at(dice.between(2, 20)))
    shell = windows.process(dice, host, dice.at(25), windows.CMD, f'"{windows.CMD}"', explorer)
    out = [*begin, windows.created(dice, shell)]
    for t, (line, block, path) in zip(_times(dice, len(commands), 30, 860), commands, strict=True):
        it = windows.process(dice, host, dice.at(t), windows.POWERSHELL, line, shell)
        out += [
            windows.created(dice, it),
            windows.script_block(dice, it, dice.at(t + 0.5), block, path),
            windows.ended(dice, it, dice.at(t + 4)),
        ]
    return out


STORY: Final[Story] = _Noise()
