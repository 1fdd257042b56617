"""Unix logs: who signed in, from where, and with what outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tocsin.event.records import Chunk, Frame, Origin, with_lengths
from tocsin.normalise import Product, system

product: Product = system.PRODUCT
Read = Callable[..., list[dict[str, Any]]]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "sshd[811]: Failed password for invalid user admin from 203.0.113.7 port 51812 ssh2",
            {
                "user.name": "admin",
                "source.ip": "203.0.113.7",
                "source.port": 51812,
                "event.outcome": "failure",
                "process.pid": 811,
            },
        ),
        (
            "sshd-session[811]: Accepted publickey for alice from 2001:db8::7 port 51814 ssh2: ED25519 SHA256:abc",
            {
                "user.name": "alice",
                "source.ip": "2001:db8::7",
                "event.outcome": "success",
                "event.action": "ssh_login",
                "system.auth.ssh.signature": "ED25519 SHA256:abc",
            },
        ),
        (
            "sshd[1]: message repeated 5 times: [ Failed password for root from 203.0.113.7 port 22 ssh2]",
            {"user.name": "root", "system.auth.repeated": "5", "event.outcome": "failure"},
        ),
        ("sshd[1]: Invalid user  from 203.0.113.7 port 22", {"user.name": "", "event.outcome": "failure"}),
        (
            "sshd[1]: Failed password for a from b from 203.0.113.7 port 22 ssh2",
            {"user.name": "a from b", "source.ip": "203.0.113.7"},
        ),
        (
            "sshd[1]: Failed none for x from evil.example port 1 ssh2",
            {"source.domain": "evil.example", "source.ip": None},
        ),
        (
            "sshd[1]: Did not receive identification string from 203.0.113.7",
            {"system.auth.ssh.dropped_ip": "203.0.113.7", "event.outcome": None},
        ),
        (
            "sshd[1]: error: maximum authentication attempts exceeded for root from 203.0.113.7 port 9 ssh2 [preauth]",
            {"event.outcome": "failure", "user.name": "root"},
        ),
        (
            "sshd[1]: Server listening on 0.0.0.0 port 22.",
            {"event.outcome": None, "message": "Server listening on 0.0.0.0 port 22."},
        ),
        (
            "sudo:    alice : TTY=pts/0 ; PWD=/home/a ; USER=root ; COMMAND=/bin/sh -c 'a ; b'",
            {
                "user.name": "alice",
                "user.effective.name": "root",
                "system.auth.sudo.command": "/bin/sh -c 'a ; b'",
                "event.category": ["process"],
            },
        ),
        (
            "sudo[7]:      eve : 3 incorrect password attempts ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
            {"event.outcome": "failure", "system.auth.sudo.error": "3 incorrect password attempts"},
        ),
        (
            "su[7]: FAILED SU (to root) eve on pts/1",
            {"event.outcome": "failure", "user.name": "eve", "user.effective.name": "root"},
        ),
        ("su: (to root) alice on pts/1", {"event.outcome": "success"}),
        (
            "useradd[7]: new user: name=mallory, UID=1005, GID=1005, home=/home/m, shell=/bin/bash, from=/dev/pts/1",
            {"event.type": ["user", "creation"], "user.name": "mallory", "user.id": "1005", "host.os.type": "linux"},
        ),
        ("userdel[7]: delete user 'mallory'", {"event.type": ["user", "deletion"], "user.name": "mallory"}),
        (
            "usermod[7]: add 'eve' to group 'sudo'",
            {"event.type": ["group", "change"], "group.name": "sudo", "user.target.name": "eve"},
        ),
        (
            (
                "sshd[7]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
                "rhost=203.0.113.7  user=root"
            ),
            {"event.outcome": "failure", "source.ip": "203.0.113.7", "user.name": "root", "host.os.type": "linux"},
        ),
        (
            "login: pam_unix(login:session): session opened for user bob(uid=1) by LOGIN(uid=0)",
            {"event.category": ["session"], "user.name": "bob"},
        ),
    ],
)
def test_reads(read: Read, message: str, expected: dict[str, Any]) -> None:
    (event,) = read("Jun 10 06:13:20 web1 " + message)
    assert event["event.dataset"] == "system.auth"
    assert {name: event.get(name) for name in expected} == expected
    assert event["host.name"] == event["host.hostname"] == "web1"
    assert event["@timestamp"] == "2024-06-10T06:13:20.000Z"


def test_a_forged_line_inside_a_user_name_names_the_real_address(read: Read) -> None:
    """The name is the attacker's to choose; the address is what sshd wrote last."""
    name = "root from 10.0.0.1 port 1 ssh2"
    (event,) = read(
        f"Jun 10 06:13:20 web1 sshd[1]: Failed password for invalid user {name} from 203.0.113.7 port 22 ssh2"
    )
    assert event["source.ip"] == "203.0.113.7"
    assert event["user.name"] == name


def test_structured_messages_keep_their_data(read: Read) -> None:
    line = '<165>1 2024-06-10T06:13:20.003Z app1 evntslog - ID47 [ex@32473 iut="3" x="a\\"b"] Hello'
    (event,) = read(line)
    assert event["event.dataset"] == "system.syslog"
    assert event["log.syslog.structured_data.ex@32473.x"] == 'a"b'
    assert (event["log.syslog.facility.code"], event["log.syslog.severity.code"], event["log.level"]) == (
        20,
        5,
        "notice",
    )
    assert event["log.syslog.msgid"] == "ID47"
    assert event["message"] == "Hello"
    assert "process.pid" not in event


def test_who_connected_stands_apart_from_who_is_claimed(normaliser: Any) -> None:
    payload = with_lengths([b"<13>Jun 10 06:13:20 domain-controller app: x", b"<13>no head"])
    chunk = Chunk("syslog", payload, Origin("syslog", peer="::ffff:198.51.100.9"))
    batch = normaliser.run([Frame(0, 0, 1_718_100_000_000_000, chunk)]).batch
    assert batch.column("host.name").to_pylist() == ["domain-controller", None]
    assert len(set(batch.column("tocsin.peer").to_pylist())) == 1
    assert batch.column("tocsin.peer").null_count == 0
    assert batch.column("@timestamp").null_count == 0


def test_a_kernel_message_of_no_firewall_is_the_systems(read: Read) -> None:
    (event,) = read("Jun 10 06:13:20 web1 kernel: [1.0] eth0: link up")
    assert event["event.dataset"] == "system.syslog"
    assert event["process.name"] == "kernel"


def test_a_daemons_document_is_read_by_its_program(read: Read) -> None:
    """syslog-ng's elasticsearch-http() and rsyslog's omelasticsearch send documents through `_bulk`."""
    message = "Failed password for root from 203.0.113.7 port 22 ssh2"
    sent = {"PROGRAM": "sshd", "PRIORITY": "info", "PID": "811", "MESSAGE": message, "HOST": "web1", "FACILITY": "auth"}
    (event,) = read({**sent, "ISODATE": "2024-06-10T06:13:20+00:00", "SDATA": {"x": {"y": "z"}}})
    assert event["event.dataset"] == "system.auth"
    assert (event["host.name"], event["process.pid"], event["source.ip"]) == ("web1", 811, "203.0.113.7")
    assert event["@timestamp"] == "2024-06-10T06:13:20.000Z"
    assert event["SDATA.x.y"] == "z"
    (other,) = read(
        {"message": " hello", "fromhost": "web1", "facility": "user", "priority": "notice", "timereported": "x"}
    )
    assert (other["event.dataset"], other["message"], other["host.name"]) == ("system.syslog", "hello", "web1")


def test_a_line_without_a_head_has_its_documents_host_and_time(read: Read) -> None:
    """Filebeat's journald input sends the message alone; what the daemon wrote before it stands in the document."""
    sent = {"message": "hello", "host": {"name": "web1"}, "process": {"name": "app"}, "agent": {"type": "filebeat"}}
    whole = {**sent, "@timestamp": "2024-06-10T06:13:20Z", "event": {"dataset": "system.syslog"}}
    told = {**whole, "message": "Jun 10 07:00:00 web2 other[1]: hello"}
    first, second = read(whole, told)
    assert first["@timestamp"] == "2024-06-10T06:13:20.000Z"
    assert (first["host.name"], first["process.name"], first["message"]) == ("web1", "app", "hello")
    assert second["@timestamp"].endswith("-06-10T07:00:00.000Z")
    assert (second["host.name"], second["process.name"], second["process.pid"]) == ("web2", "other", 1)


@pytest.mark.parametrize("named", [{"process": {"name": "sshd"}}, {"log.syslog.appname": "/usr/sbin/sshd"}])
def test_the_program_may_stand_beside_the_message(normaliser: Any, named: dict[str, Any]) -> None:
    document = {"message": "Failed password for root from 203.0.113.9 port 22 ssh2", "agent.type": "filebeat", **named}
    chunk = Chunk("ndjson", orjson.dumps(document), Origin("bulk"))
    batch = normaliser.run([Frame(0, 0, 1_718_100_000_000_000, chunk)]).batch
    assert batch.column("event.dataset").to_pylist() == ["system.auth"]
    assert batch.column("process.name").to_pylist() == ["sshd"]
    assert batch.column("event.outcome").to_pylist() == ["failure"]
