"""The web's and the firewall's logs: nginx (combined, and its error log), the kernel's packet filter, and the sign-ins
that the portal itself sends as ECS documents."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import orjson

from tocsin.simulate import Emission
from tocsin.simulate._site import FIREWALL, PORTAL, PORTAL_NAME, WEB, Dice

_FILEBEAT: Final = "filebeat-8.19.2"


def _line(
    when: datetime, host: str, module: str, fileset: str, path: str, line: str, file: str, format_: Any = "lines"
) -> Emission:
    """A text line, and what Filebeat's module puts around it."""
    envelope = {
        "@timestamp": when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z",
        "message": line,
        "event": {"module": module, "dataset": f"{module}.{fileset}"},
        "fileset": {"name": fileset},
        "service": {"type": module},
        "input": {"type": "log"},
        "log": {"file": {"path": path}},
        "host": {"name": host},
        "agent": {"name": host, "type": "filebeat", "version": "8.19.2"},
        "ecs": {"version": "8.0.0"},
    }
    return Emission(when, f"{module}.{fileset}", format_, line.encode(), file, _FILEBEAT, orjson.dumps(envelope))


def access(
    when: datetime,
    client: str,
    target: str,
    status: int,
    *,
    server: tuple[str, str] = WEB,
    method: str = "GET",
    size: int = 512,
    referrer: str = "-",
    agent: str = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
) -> Emission:
    """A line of nginx's access log, by syslog's head where it goes to a file of many hosts."""
    stamp = when.strftime("%d/%b/%Y:%H:%M:%S +0000")
    line = f'{client} - - [{stamp}] "{method} {target} HTTP/1.1" {status} {size} "{referrer}" "{agent}"'
    name = server[0]
    return _syslog(when, name, "nginx", "access", 190, line)


def error(when: datetime, level: str, text: str, *, server: tuple[str, str] = WEB, pid: int = 2211) -> Emission:
    """A line of nginx's error log."""
    line = f"{when.strftime('%Y/%m/%d %H:%M:%S')} [{level}] {pid}#{pid}: {text}"
    return _syslog(when, server[0], "nginx", "error", {"error": 187, "warn": 188}.get(level, 185), line)


def _syslog(when: datetime, host: str, program: str, fileset: str, priority: int, line: str) -> Emission:
    """nginx's own syslog logging (RFC 3164 with its program's name); Filebeat would read the bare line."""
    plain = _line(when, host, program, fileset, f"/var/log/nginx/{fileset}.log", line, f"syslog/{host}-{program}.log")
    framed = f"<{priority}>{_bsd(when)} {host} {program}: {line}"
    return Emission(when, plain.sensor, "syslog", framed.encode(), plain.file, plain.index, plain.envelope)


def _bsd(when: datetime) -> str:
    return f"{when.strftime('%b')} {when.day:2d} {when.strftime('%H:%M:%S')}"


def packet(
    dice: Dice,
    when: datetime,
    source: str,
    destination: str,
    dport: int,
    *,
    verdict: str = "DROP",
    transport: str = "TCP",
) -> Emission:
    """What the kernel's packet filter says of a packet."""
    mac = f"52:54:00:4f:1a:0{dice.number(1, 9)}:52:54:00:9c:2b:01:08:00"
    tail = "WINDOW=64240 RES=0x00 SYN URGP=0" if transport == "TCP" else "LEN=40"
    line = (
        f"kernel: [{dice.number(100000, 900000)}.{dice.number(100000, 999999)}] iptables {verdict}: IN=eth0 OUT= "
        f"MAC={mac} SRC={source} DST={destination} LEN=60 TOS=0x00 PREC=0x00 "
        f"TTL={dice.number(44, 118)} ID={dice.number(1, 65535)} "
        f"DF PROTO={transport} SPT={dice.number(32768, 60999)} DPT={dport} {tail}"
    )
    text = f"{_bsd(when)} {FIREWALL} {line}"
    found = _line(when, FIREWALL, "iptables", "log", "/var/log/kern.log", text, "syslog/fw01-kern.log", "syslog")
    return Emission(when, found.sensor, "syslog", f"<4>{text}".encode(), found.file, found.index, found.envelope)


def login(
    dice: Dice, when: datetime, client: str, user: str, succeeded: bool, *, proxy: str = WEB[1], name: str = PORTAL_NAME
) -> Emission:
    """A sign-in as the portal logs it: it sees the proxy, and the client in the proxy's header."""
    document: dict[str, Any] = {
        "@timestamp": when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z",
        "ecs": {"version": "8.11.0"},
        "message": f"sign-in of {user} {'succeeded' if succeeded else 'failed: wrong password'}",
        "event": {
            "id": dice.hex(20),
            "kind": "event",
            "category": ["authentication"],
            "type": ["start"],
            "action": "portal-login",
            "outcome": "success" if succeeded else "failure",
            "dataset": "portal.auth",
        },
        "service": {"name": "portal", "version": "4.2.1"},
        "host": {"name": PORTAL[0], "ip": [PORTAL[1]]},
        "user": {"name": user},
        "source": {"ip": proxy},
        "http": {"request": {"method": "POST", "headers": {"x-forwarded-for": client}}},
        "url": {"path": "/login", "domain": name},
    }
    return Emission(when, "portal", "ndjson", orjson.dumps(document), "portal/auth.ndjson", "logs-portal.auth-default")
