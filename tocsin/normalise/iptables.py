"""Linux packet filter logs: the LOG target of iptables and nftables, as kernel, ufw, firewalld and Ubiquiti write it.

The reporting host is the observer and, since its kernel wrote the message, the host. Netfilter is Linux's.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from tocsin.event.records import explode
from tocsin.normalise import Claim, Product
from tocsin.normalise._columns import Stream, Table, TableProduct, addressed, community, fields, related
from tocsin.normalise._lines import syslog, texts

# nf_log_syslog.c: IN= OUT= [MAC=] SRC= DST= LEN= … PROTO= …
_FIRST: Final = r"[^=]{0,256}\bIN=\S* OUT=\S* "
_PACKET: Final = re.compile(r"(?P<prefix>[^=]{0,256}?)\bIN=", re.DOTALL)
_UPTIME: Final = re.compile(r"\s{0,4}\[ {0,12}\d{1,12}\.\d{1,9}\] ?")
_UBIQUITI: Final = re.compile(r"\[(?P<set>[^\[\]]{1,128})-(?P<rule>[^\[\]-]{1,32})-(?P<action>[ADR])\]")
_VERDICT: Final = re.compile(
    r"[A-Za-z_]{0,32}(?:drop|den(?:y|ied)|reject|block|accept|allow|refuse|pass)[A-Za-z_]{0,32}", re.IGNORECASE
)
_DENIED: Final = re.compile(r"drop|den[yi]|reject|block|refuse", re.IGNORECASE)
_ALLOWED: Final = re.compile(r"accept|allow|pass", re.IGNORECASE)
_LETTERS: Final = {"A": "accept", "D": "drop", "R": "reject"}
_TCP: Final = ("CWR", "ECE", "URG", "ACK", "PSH", "RST", "SYN", "FIN")
_FRAGMENTS: Final = ("CE", "DF", "MF")
# Protocols that the kernel writes as numbers.
_NUMBERS: Final = {"2": "igmp", "41": "ipv6", "47": "gre", "89": "ospf", "103": "pim", "112": "vrrp"}


def _packet(text: str) -> tuple[str, dict[str, str], frozenset[str]] | None:
    """Prefix, pairs and flags of one message. What an ICMP error quotes of another packet is not this packet's."""
    match = _PACKET.match(text)
    if match is None:
        return None
    body = text[match.end() - 3 :].partition(" [")[0]
    pairs: dict[str, str] = {}
    flags = []
    for token in body.split():
        name, equals, value = token.partition("=")
        if not equals:
            flags.append(token)
        elif name in pairs:  # LEN stands for the packet first, for the datagram then
            pairs.setdefault("2" + name, value)
        else:
            pairs[name] = value
    return match["prefix"], pairs, frozenset(flags)


@lru_cache(maxsize=4096)
def _rule(prefix: str) -> tuple[str | None, str | None, str | None, str | None, str | None]:
    """(action, verdict, rule set, rule, ) of a log prefix: what the administrator wrote, so only verdicts' own words
    are understood."""
    if match := _UBIQUITI.search(prefix):
        action = _LETTERS[match["action"]]
        return action, "allowed" if action == "accept" else "denied", match["set"], match["rule"], None
    if match := _VERDICT.search(prefix):
        word = match[0].strip("_").lower()
        return (
            word,
            "denied" if _DENIED.search(word) else "allowed" if _ALLOWED.search(word) else None,
            None,
            None,
            None,
        )
    return None, None, None, None, prefix.strip(" :[]") or None


@lru_cache(maxsize=16384)
def _mac(text: str | None) -> tuple[str | None, str | None, int | None]:
    """Destination, source and EtherType of the kernel's MAC= (a whole Ethernet header)."""
    parts = (text or "").split(":")
    if len(parts) != 14 or not all(len(part) == 2 for part in parts):
        return None, None, None
    try:
        kind = int(parts[12] + parts[13], 16)
    except ValueError:
        return None, None, None
    return "-".join(parts[:6]).upper(), "-".join(parts[6:12]).upper(), kind


@lru_cache(maxsize=65536)
def _number(text: str | None) -> int | None:
    if not text or len(text) > 12:
        return None
    try:
        return int(text, 16) if text.startswith("0x") else int(text)
    except ValueError:
        return None


def _log(table: Table) -> None:
    heads = syslog(table)
    bodies = [
        _UPTIME.sub("", body, count=1) if body and head.program in (None, "kernel") else f"{head.program}: {body or ''}"
        for body, head in zip(texts(table), heads, strict=True)
    ]
    found = [_packet(body) for body in bodies]
    for row, packet in enumerate(found):
        if packet is None:
            table.reject(row, "the text is no packet of the kernel's log: IN= was expected")
    table.source.pop("message", None)
    table.set("message", bodies)
    hosts = [head.host for head in heads]
    table.set("observer.name", hosts)

    # Packets of one protocol have the same names in the same order.
    pairs = explode([packet[1] if packet else {} for packet in found])
    nothing: list[Any] = [None] * table.n

    def pair(name: str) -> list[str | None]:
        return pairs.get(name, nothing)

    def number(name: str) -> list[int | None]:
        return [_number(value) for value in pairs[name]] if name in pairs else nothing

    _endpoints(table, pair("SRC"), pair("DST"), number("SPT"), number("DPT"))
    protocols = pair("PROTO")
    transport = [_transport(value) for value in protocols]
    table.set("network.transport", transport)
    macs = [_mac(value) for value in pair("MAC")]
    table.set("destination.mac", [mac[0] for mac in macs])
    table.set("source.mac", [mac[1] for mac in macs])
    source = table.source
    source["ether_type"] = [mac[2] for mac in macs]
    source["input_device"], source["output_device"] = pair("IN"), pair("OUT")
    table.set("observer.ingress.interface.name", [value or None for value in pair("IN")])
    table.set("observer.egress.interface.name", [value or None for value in pair("OUT")])
    for name, key in (("length", "LEN"), ("id", "ID"), ("ttl", "TTL"), ("tos", "TOS"), ("precedence_bits", "PREC")):
        source[name] = number(key)
    for name, key in (("flow_label", "FLOWLBL"), ("hop_limit", "HOPLIMIT"), ("traffic_class", "TC"), ("mark", "MARK")):
        source[name] = number(key)
    source["physical_input_device"], source["physical_output_device"] = pair("PHYSIN"), pair("PHYSOUT")
    flags = [packet[2] if packet else frozenset() for packet in found]
    source["fragment_flags"] = [[flag for flag in _FRAGMENTS if flag in row] or None for row in flags]
    tcp = [name == "tcp" for name in transport]
    source["tcp.flags"] = [
        [flag for flag in _TCP if flag in row] or None if yes else None for row, yes in zip(flags, tcp, strict=True)
    ]
    source["tcp.window"], source["tcp.reserved_bits"] = number("WINDOW"), number("RES")
    source["tcp.seq"], source["tcp.ack"] = number("SEQ"), number("ACK")
    source["udp.length"] = number("2LEN")
    source["icmp.type"], source["icmp.code"] = number("TYPE"), number("CODE")
    _verdicts(table, [packet[0] if packet else "" for packet in found])


def _transport(protocol: str | None) -> str | None:
    if not protocol:
        return None
    return _NUMBERS.get(protocol, protocol.lower().replace("icmpv6", "ipv6-icmp"))


def _endpoints(
    table: Table, src: list[str | None], dst: list[str | None], spt: list[int | None], dpt: list[int | None]
) -> None:
    table.set("source.ip", src)
    table.set("destination.ip", dst)
    table.set("source.port", spt)
    table.set("destination.port", dpt)
    table.set("network.type", [None if ip is None else "ipv6" if ":" in ip else "ipv4" for ip in src])


def _verdicts(table: Table, prefixes: list[str]) -> None:
    rules = [_rule(prefix) for prefix in prefixes]
    table.set("event.action", [rule[0] for rule in rules])
    kinds = {"denied": ["denied", "connection"], "allowed": ["allowed", "connection"]}
    table.set("event.type", [kinds.get(rule[1] or "", ["connection"]) for rule in rules])
    table.set("rule.name", [rule[2] for rule in rules])
    table.set("rule.id", [rule[3] for rule in rules])
    table.source["prefix"] = [rule[4] for rule in rules]
    zones = [rule[2].split("-") if rule[2] and rule[2].count("-") == 1 else (None, None) for rule in rules]
    table.set("observer.ingress.zone", [zone[0] for zone in zones])
    table.set("observer.egress.zone", [zone[1] for zone in zones])


def _flow(table: Table) -> None:
    """The Community ID; for ICMP of type and code in place of the ports."""
    addressed(table)
    held = {name: table.out[name] for name in ("source.port", "destination.port")}
    for name, other in (("source.port", "icmp.type"), ("destination.port", "icmp.code")):
        table.out[name] = [a if a is not None else b for a, b in zip(table.ecs(name), table.get(other), strict=True)]
    community(table)
    table.out.update(held)


log = Stream(
    name="log",
    dataset="iptables.log",
    prefix="iptables",
    columns={},
    before=(_log,),
    constants={"event.category": ["network"], "observer.type": "firewall", "host.os.type": "linux"},
    derive=(_flow, related(ips=("source.ip", "destination.ip"), hosts=("host.name",))),
    sets=fields(
        """
        event.type event.action source.ip source.port source.mac destination.ip destination.port destination.mac
        network.transport network.type network.community_id observer.name observer.ingress.interface.name
        observer.egress.interface.name rule.name rule.id host.name related.ip message log.syslog.priority
        """
    ),
    claims=(Claim(first=_FIRST), Claim(program=frozenset({"kernel"}), first=_FIRST)),
)

PRODUCT: Product = TableProduct("iptables", log)
