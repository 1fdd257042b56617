"""Unix and Linux system logs: sign-ins, sudo and account changes (`auth`), and any other syslog message (`syslog`).

`host.os.type` is set where only Linux writes such a message (shadow's tools, systemd, Linux-PAM); sshd and sudo run on
any Unix. `event.category` is missing where a message says nothing of a category that ECS has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tocsin.normalise import Claim, Product
from tocsin.normalise._columns import Stream, Table, TableProduct, fields, integer, related, text
from tocsin.normalise._lines import Line, classified, line, pid, syslog

_LOGIN: Final = {"event__action": "ssh_login", "event__outcome": "failure"}
_FAILED: Final = {"event__category": ["authentication"], "event__type": ["info"], **_LOGIN}
_ACCEPTED: Final = {
    "event__category": ["authentication", "session"],
    "event__type": ["start", "info"],
    "event__action": "ssh_login",
    "event__outcome": "success",
}
_PORT: Final = r"(?: port (?P<source__port>\d{1,5}))?"
# OpenSSH's auth.c, auth2.c, sshd-session.c; a repeated message is wrapped by rsyslog. A user name is the client's to
# choose and may hold " from 10.0.0.1 port 1 ssh2": what counts is what sshd wrote last, so names are matched greedily.
_SSHD: Final = (
    line(
        r"(?:message repeated (?P<system__auth__repeated>\d{1,9}) times: \[ )?"
        r"(?P<system__auth__ssh__event>Accepted) (?P<system__auth__ssh__method>\S{1,64}) for (?P<user__name>\S{0,256}) "
        rf"from (?P<source__address>\S{{1,255}}){_PORT}(?: ssh2)?"
        r"(?:: (?P<system__auth__ssh__signature>[^\]]{1,512}))?",
        **_ACCEPTED,
    ),
    line(
        r"(?:message repeated (?P<system__auth__repeated>\d{1,9}) times: \[ )?"
        r"(?P<system__auth__ssh__event>Failed|Postponed|Partial) (?P<system__auth__ssh__method>\S{1,64}) for "
        r"(?:(?:invalid|illegal) user )?(?P<user__name>.{0,256}) from "
        rf"(?P<source__address>\S{{1,255}}){_PORT} ssh\d?(?::.{{0,512}})?\]?\s*\Z",
        **_FAILED,
    ),
    line(
        r"(?P<system__auth__ssh__event>Invalid|Illegal) user (?P<user__name>.{0,256}) from "
        rf"(?P<source__address>\S{{1,255}}){_PORT}\s*\Z",
        **_FAILED,
    ),
    line(
        r"(?:error: )?maximum authentication attempts exceeded for (?:invalid user )?(?P<user__name>.{0,256}) from "
        rf"(?P<source__address>\S{{1,255}}){_PORT}",
        **_FAILED,
    ),
    line(
        r"User (?P<user__name>\S{1,256}) from (?P<source__address>\S{1,255}) not allowed because ",
        **_FAILED,
    ),
    line(rf"Did not receive identification string from (?P<source__address>\S{{1,255}}){_PORT}"),
    line(
        r"(?:Connection (?:closed|reset)|Disconnected) (?:by|from) (?:(?:authenticating |invalid )?user "
        rf"(?P<user__name>\S{{0,256}}) )?(?P<source__address>\S{{1,255}}){_PORT}"
    ),
    line(rf"Received disconnect from (?P<source__address>\S{{1,255}}){_PORT}"),
    line(r"reverse mapping checking getaddrinfo for \S{1,255} \[(?P<source__address>[^\]]{1,64})\] failed"),
    line(
        rf"Connection from (?P<source__address>\S{{1,255}}){_PORT}",
        event__category=["network"],
        event__type=["connection", "start"],
    ),
)
_PAIRS: Final = (
    r"(?:TTY=(?P<system__auth__sudo__tty>[^;]{0,128}?) ; )?(?:CWD=[^;]{0,1024} ; )?"
    r"PWD=(?P<system__auth__sudo__pwd>[^;]{0,1024}?) ; "
    r"USER=(?P<user__effective__name>[^;]{0,256}?) ; (?:(?!COMMAND=)[A-Z]{2,16}=[^;]{0,256} ; ){0,8}"
    r"(?:COMMAND=(?P<system__auth__sudo__command>.{0,60000}))?"
)
# sudo's log format: sudoers(5), "EVENT LOGGING"
_SUDO: Final = (
    line(r"\s{0,16}(?P<user__name>\S{1,256}) : " + _PAIRS, event__category=["process"], event__type=["start"]),
    line(
        r"\s{0,16}(?P<user__name>\S{1,256}) : (?P<system__auth__sudo__error>[^;]{1,256}?) ; " + _PAIRS,
        event__category=["authentication"],
        event__type=["info"],
        event__outcome="failure",
    ),
)
_SU_FAILED: Final = {
    "event__category": ["authentication"],
    "event__type": ["info"],
    "event__action": "su",
    "event__outcome": "failure",
}
_SU_DONE: Final = {**_SU_FAILED, "event__outcome": "success"}
_SU: Final = (
    line(r"FAILED SU \(to (?P<user__effective__name>[^)]{1,256})\) (?P<user__name>\S{1,256}) on", **_SU_FAILED),
    line(r"\(to (?P<user__effective__name>[^)]{1,256})\) (?P<user__name>\S{1,256}) on", **_SU_DONE),
    line(r"FAILED su for (?P<user__effective__name>\S{1,256}) by (?P<user__name>\S{1,256})", **_SU_FAILED),
    line(r"Successful su for (?P<user__effective__name>\S{1,256}) by (?P<user__name>\S{1,256})", **_SU_DONE),
    line(
        r"(?:BAD SU|'su) (?P<user__effective__name>\S{1,256}) failed for (?P<user__name>\S{1,256}) on",
        **_SU_FAILED,
    ),
)


def _account(kind: str, change: str) -> dict[str, object]:
    return {
        "event__category": ["iam"],
        "event__type": [kind, change],
        "event__outcome": "success",
        "host__os__type": "linux",
    }


# shadow-utils: useradd.c, groupadd.c, userdel.c, usermod.c, passwd.c
_SHADOW: Final[Mapping[str, Sequence[Line]]] = {
    "useradd": (
        line(
            r"new user: name=(?P<user__name>[^,]{1,256}), UID=(?P<user__id>\d{1,10}), GID=(?P<group__id>\d{1,10}), "
            r"home=(?P<system__auth__useradd__home>[^,]{0,1024}), "
            r"shell=(?P<system__auth__useradd__shell>[^,\s]{0,1024})",
            **_account("user", "creation"),
        ),
        line(
            r"new group: name=(?P<group__name>[^,]{1,256}), GID=(?P<group__id>\d{1,10})",
            **_account("group", "creation"),
        ),
        line(
            r"add '(?P<user__target__name>[^']{1,256})' to (?:shadow )?group '(?P<group__name>[^']{1,256})'",
            **_account("group", "change"),
        ),
        line(
            r"failed adding user '(?P<user__name>[^']{1,256})'",
            **{**_account("user", "creation"), "event__outcome": "failure"},
        ),
    ),
    "groupadd": (
        line(
            r"(?:new group: name=|group added to \S{1,255}: name=)(?P<group__name>[^,]{1,256})"
            r"(?:, GID=(?P<group__id>\d{1,10}))?",
            **_account("group", "creation"),
        ),
    ),
    "usermod": (
        line(
            r"add '(?P<user__target__name>[^']{1,256})' to (?:shadow )?group '(?P<group__name>[^']{1,256})'",
            **_account("group", "change"),
        ),
        line(r"(?:change|lock|unlock) user '(?P<user__target__name>[^']{1,256})'", **_account("user", "change")),
    ),
    "userdel": (
        line(r"delete user '(?P<user__name>[^']{1,256})'", **_account("user", "deletion")),
        line(r"removed group '(?P<group__name>[^']{1,256})'", **_account("group", "deletion")),
    ),
    "groupdel": (line(r"group '(?P<group__name>[^']{1,256})' removed", **_account("group", "deletion")),),
    "passwd": (
        line(
            r"(?:pam_unix\(passwd:chauthtok\): )?password (?:changed for|for) '?(?P<user__target__name>[^\s']{1,256})",
            **_account("user", "change"),
        ),
    ),
}
_SESSION: Final = r"pam_\w{1,32}\((?P<system__auth__pam__service>[^:)]{1,64}):session\): session "
_ANY: Final = (
    line(
        _SESSION + r"opened for user (?P<user__name>[^\s(]{1,256})(?:\(uid=(?P<user__id>\d{1,10})\))?",
        event__category=["session"],
        event__type=["start"],
        event__action="session_opened",
        event__outcome="success",
        host__os__type="linux",
    ),
    line(
        _SESSION + r"closed for user (?P<user__name>[^\s(]{1,256})",
        event__category=["session"],
        event__type=["end"],
        event__action="session_closed",
        host__os__type="linux",
    ),
    line(
        r"pam_\w{1,32}\((?P<system__auth__pam__service>[^:)]{1,64}):auth\): authentication failure; "
        r"logname=\S{0,256} uid=\d{0,10} euid=\d{0,10} tty=\S{0,128} ruser=\S{0,256} "
        r"rhost=(?P<source__address>\S{0,255})(?: {1,2}user=(?P<user__name>\S{1,256}))?",
        event__category=["authentication"],
        event__type=["info"],
        event__action="pam_authentication",
        event__outcome="failure",
        host__os__type="linux",
    ),
)
_LOGIND: Final = (
    line(
        r"New session '?(?P<system__auth__session>[^\s']{1,32})'? of user '?(?P<user__name>[^\s'.]{1,256})",
        event__category=["session"],
        event__type=["start"],
        host__os__type="linux",
    ),
)
_LINES: Final[Mapping[str, Sequence[Line]]] = {
    "sshd": _SSHD,
    "sshd-session": _SSHD,
    "sshd-auth": _SSHD,
    "sudo": _SUDO,
    "su": _SU,
    "systemd-logind": _LOGIND,
    **_SHADOW,
    "": _ANY,
}
_LINUX: Final = frozenset(
    {"systemd", "systemd-logind", "useradd", "groupadd", "usermod", "userdel", "groupdel", "groupmod", "auditd"}
)


def _head(table: Table) -> None:
    found = syslog(table)
    # A shipper that has read the head itself says the program beside the message.
    nobody: list[Any] = [None] * table.n
    told = zip(*(table.around.get(name, nobody) for name in ("process.name", "log.syslog.appname")), strict=True)
    named = [next((name for name in names if isinstance(name, str) and name), None) for names in told]
    written = [head.program or other for head, other in zip(found, named, strict=True)]
    programs = [program.rpartition("/")[2] if program else None for program in written]
    table.set("process.name", programs)
    table.set("process.pid", [pid(head.pid) for head in found])
    table.set("host.os.type", ["linux" if program in _LINUX else None for program in programs])


def _auth(table: Table) -> None:
    _head(table)
    classified(table, _LINES, [name.lower() if name else None for name in table.ecs("process.name")])
    addresses = table.out.pop("source.address", None)
    if addresses is not None:
        hosts = [value if isinstance(value, str) and value not in ("", "UNKNOWN") else None for value in addresses]
        table.source["source.address"] = hosts
    dropped = [
        address if isinstance(body, str) and body.startswith("Did not receive") else None
        for body, address in zip(table.get("message"), table.get("source.address"), strict=True)
    ]
    if any(dropped):
        table.set("system.auth.ssh.dropped_ip", dropped)
    table.set("system.auth.sudo.user", [
        user if name == "sudo" else None
        for user, name in zip(table.ecs("user.effective.name"), table.ecs("process.name"), strict=True)
    ])  # fmt: skip
    ports = table.out.pop("source.port", None)
    if ports is not None:
        table.source["source.port"] = list(ports)


_SETS: Final = fields(
    """
    host.name host.hostname process.name process.pid host.os.type log.level log.syslog.facility.code
    log.syslog.severity.code log.syslog.appname related.hosts
    """
)
_USERS: Final = ("user.name", "user.effective.name", "user.target.name")
_RELATED: Final = related(ips=("source.ip",), user=_USERS, hosts=("host.name",))


def _addresses(table: Table) -> None:
    """An address goes to `source.ip` and `source.address`, a name to the latter only."""
    from_ = table.ecs("source.address")
    known = [value if isinstance(value, str) and _numeric(value) else None for value in from_]
    table.set("source.ip", known)
    table.set("source.domain", [a if a and not k else None for a, k in zip(from_, known, strict=True)])


def _numeric(value: str) -> bool:
    return value.replace(".", "").isdigit() or ":" in value


auth = Stream(
    name="auth",
    dataset="system.auth",
    before=(_auth,),
    columns={
        "message": text("message"),
        "source.address": text("source.address"),
        "source.port": integer("source.port"),
    },
    derive=(_addresses, _RELATED),
    sets=_SETS
    | fields(
        """
        event.category event.type event.action event.outcome user.name user.id user.effective.name source.ip
        group.name group.id related.user related.ip
        """
    ),
    claims=(
        Claim(
            program=frozenset(name for name in _LINES if name) | {"groupmod", "chpasswd", "chage", "login", "polkitd"}
        ),
        Claim(program=frozenset({"cron", "crond"}), first=r"pam_"),
        Claim(path="auth.log*"),
        Claim(path="secure*"),
    ),
)
syslog_stream = Stream(
    name="syslog",
    dataset="system.syslog",
    before=(_head,),
    columns={"message": text("message")},
    derive=(related(hosts=("host.name",)),),
    sets=_SETS,
    claims=(Claim(rest="syslog"), Claim(path="syslog*"), Claim(path="messages*")),
)

PRODUCT: Product = TableProduct("system", auth, syslog_stream)
