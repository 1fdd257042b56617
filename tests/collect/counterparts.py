"""Real syslog daemons, started for one test with a configuration of its own and ended by their process."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Send = Callable[[str], None]


@contextmanager
def rsyslog(executable: str, folder: Path, actions: str, modules: tuple[str, ...] = ()) -> Iterator[Send]:
    """An rsyslogd that hands what it is sent to `actions`."""
    loads = "\n".join(f'module(load="{name}")' for name in modules)
    (folder / "rsyslog.conf").write_text(
        f"""
global(workDirectory="{folder}" maxMessageSize="64k")
{loads}
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{folder}/log" ratelimit.interval="0")
{actions}
"""
    )
    command = [executable, "-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "rsyslog.pid")]
    with _running(command, folder) as send:
        yield send


@contextmanager
def syslog_ng(executable: str, folder: Path, destination: str) -> Iterator[Send]:
    """A syslog-ng that hands what it is sent to `destination`."""
    (folder / "ng.conf").write_text(
        f"""@version: 3.38
@include "scl.conf"
options {{ stats_freq(0); }};
source s {{ unix-dgram("{folder}/log"); }};
destination d {{ {destination}; }};
log {{ source(s); destination(d); }};
"""
    )
    command = [executable, "--foreground", "--no-caps", "-f", str(folder / "ng.conf")]
    for option, name in [("-R", "persist"), ("-p", "pid"), ("-c", "control")]:
        command += [option, str(folder / name)]
    with _running(command, folder) as send:
        yield send


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[Send]:
    log = folder / "daemon.txt"
    path = folder / "log"
    with (
        log.open("wb") as out,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire,
        subprocess.Popen(command, stdout=out, stderr=out, cwd=folder) as process,
    ):
        try:
            for _ in range(400):
                if path.exists() or process.poll() is not None:
                    break
                time.sleep(0.05)
            try:
                wire.connect(str(path))
            except OSError as error:
                raise AssertionError(f"{command[0]} has not started: {log.read_text(errors='replace')}") from error

            def send(message: str) -> None:
                wire.send(f"<13>{time.strftime('%b %e %H:%M:%S')} app: {message}".encode())

            yield send
        finally:
            process.terminate()
            process.wait(20)
