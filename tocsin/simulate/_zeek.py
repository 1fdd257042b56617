"""Zeek's logs as its JSON writer makes them (LogAscii::use_json, json_timestamps as seconds), with Community ID."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from tocsin.event.community_id import community_id
from tocsin.simulate import Emission
from tocsin.simulate._site import Dice, digest

SENSOR: Final = "zeek"


@dataclass(slots=True)
class Flow:
    """One connection."""

    uid: str
    source: str
    sport: int
    destination: str
    dport: int
    transport: str = "tcp"

    def head(self, when: datetime) -> dict[str, Any]:
        """What each of its logs begins with."""
        return {
            "ts": round(when.timestamp(), 6),
            "uid": self.uid,
            "id.orig_h": self.source,
            "id.orig_p": self.sport,
            "id.resp_h": self.destination,
            "id.resp_p": self.dport,
        }


def flow(dice: Dice, source: str, destination: str, dport: int, transport: str = "tcp") -> Flow:
    """A new connection."""
    return Flow(dice.zeek_id("C"), source, dice.port(), destination, dport, transport)


def _log(name: str, when: datetime, record: dict[str, Any]) -> Emission:
    stream = {"conn": "connection"}.get(name, name)
    return Emission(when, SENSOR, "ndjson", orjson.dumps(record), f"zeek/{name}.log", f"logs-zeek.{stream}-default")


def _local(address: str) -> bool:
    return address.startswith(("10.", "192.168.", "127."))


def conn(
    dice: Dice,
    link: Flow,
    when: datetime,
    *,
    duration: float,
    sent: int,
    got: int,
    service: str | None = None,
    state: str = "SF",
) -> Emission:
    """A line of conn.log."""
    there, back = max(1, sent // 1200 + 4), max(1, got // 1200 + 4)
    record = link.head(when) | {"proto": link.transport}
    if service:
        record["service"] = service
    history = {"SF": "ShADadFf", "S0": "S", "REJ": "Sr", "S1": "ShADad"}.get(state, "ShADad")
    record |= {
        "duration": round(duration, 6),
        "orig_bytes": sent,
        "resp_bytes": got,
        "conn_state": state,
        "local_orig": _local(link.source),
        "local_resp": _local(link.destination),
        "missed_bytes": 0,
        "history": history if link.transport == "tcp" else "Dd",
        "orig_pkts": there,
        "orig_ip_bytes": sent + 40 * there,
        "resp_pkts": back if got else 0,
        "resp_ip_bytes": got + 40 * back if got else 0,
        "community_id": community_id(link.source, link.sport, link.destination, link.dport, link.transport),
    }
    del dice
    return _log("conn", when, record)


def http(
    dice: Dice,
    link: Flow,
    when: datetime,
    *,
    uri: str,
    host: str,
    agent: str,
    method: str = "GET",
    status: int = 200,
    size: int = 0,
    mime: str | None = None,
    name: str | None = None,
    sent: int = 0,
    referrer: str | None = None,
) -> list[Emission]:
    """A request's line of http.log, and that of files.log where a body came back."""
    record = link.head(when) | {"trans_depth": 1, "method": method, "host": host, "uri": uri}
    if referrer:
        record["referrer"] = referrer
    record |= {"version": "1.1", "user_agent": agent, "request_body_len": sent, "response_body_len": size}
    record |= {"status_code": status, "status_msg": _MESSAGES[status], "tags": []}
    if not (size and mime and method != "HEAD"):
        return [_log("http", when, record)]
    fuid = dice.zeek_id("F")
    record["resp_fuids"] = [fuid]
    if name:
        record["resp_filenames"] = [name]
    record["resp_mime_types"] = [mime]
    content = (host, uri, size)
    file = {
        "ts": round(when.timestamp() + 0.004, 6),
        "fuid": fuid,
        "uid": link.uid,
        "id.orig_h": link.source,
        "id.orig_p": link.sport,
        "id.resp_h": link.destination,
        "id.resp_p": link.dport,
        "source": "HTTP",
        "depth": 0,
        "analyzers": ["MD5", "SHA1", "SHA256"],
        "mime_type": mime,
        "duration": 0.0,
        "local_orig": False,
        "is_orig": False,
        "seen_bytes": size,
        "total_bytes": size,
        "missing_bytes": 0,
        "overflow_bytes": 0,
        "timedout": False,
        "md5": digest("md5", *content),
        "sha1": digest("sha1", *content),
        "sha256": digest("sha256", *content),
    }
    if name:
        file["filename"] = name
    return [_log("http", when, record), _log("files", when, file)]


_MESSAGES: Final = {
    200: "OK", 206: "Partial Content", 301: "Moved Permanently", 304: "Not Modified", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 201: "Created",
}  # fmt: skip


def dns(dice: Dice, link: Flow, when: datetime, name: str, answers: list[str], kind: str = "A") -> Emission:
    """A line of dns.log."""
    record = link.head(when) | {
        "proto": "udp",
        "trans_id": dice.number(1, 65535),
        "rtt": round(dice.between(0.0004, 0.03), 6),
        "query": name,
        "qclass": 1,
        "qclass_name": "C_INTERNET",
        "qtype": {"A": 1, "AAAA": 28, "PTR": 12}[kind],
        "qtype_name": kind,
        "rcode": 0 if answers else 3,
        "rcode_name": "NOERROR" if answers else "NXDOMAIN",
        "AA": False,
        "TC": False,
        "RD": True,
        "RA": True,
        "Z": 0,
        "answers": answers,
        "TTLs": [300.0] * len(answers),
        "rejected": False,
    }
    if not answers:
        del record["answers"], record["TTLs"]
    return _log("dns", when, record)
