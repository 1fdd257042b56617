"""The processes of one data folder: started, watched, ended, with nothing left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from tests.pipeline.conftest import plan
from tocsin import config
from tocsin.errors import ConfigError
from tocsin.lang.ir import TRUE
from tocsin.pipeline.service import Service, exclusive


def eventually(what: Callable[[], object]) -> None:
    until = time.monotonic() + 90
    while not what():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_one_folder_has_one_server(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(ConfigError), exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass


def test_children_are_started_again_rules_change_and_all_end(tmp_path: Path) -> None:
    """In one go, since it takes processes: what is sent before, between and after is stored."""
    settings = config.load(None, flags={"data": str(tmp_path / "data"), "server.bulk_port": 0})
    left = tmp_path / "data" / "spool" / "0000-of-before.arrow"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"of a run that was killed")
    service = Service(settings, plan())
    assert not left.exists()
    service.start()
    try:
        assert service.ready()

        def send(n: int) -> None:
            url = f"http://127.0.0.1:{service.collected['bulk']}/_bulk"
            body = b'{"create":{}}\n{"n":%d,"event.dataset":"t"}\n' % n
            kind = {"Content-Type": "application/x-ndjson"}
            assert httpx.post(url, content=body, headers=kind, trust_env=False, timeout=60).status_code == 200

        send(1)
        eventually(lambda: service.store.count(TRUE) == 1)
        before = service.children()
        os.kill(before["worker-0"], signal.SIGKILL)
        eventually(lambda: service.children()["worker-0"] != before["worker-0"] and service.ready())
        send(2)
        eventually(lambda: service.store.count(TRUE) == 2)
        os.kill(before["collectors"], signal.SIGKILL)
        eventually(lambda: service.children()["collectors"] != before["collectors"] and service.ready())
        send(3)
        eventually(lambda: service.store.count(TRUE) == 3)
        service.replan(plan(enabled={"query": False}))
        eventually(service.ready)
        assert list(service.knowledge.rules["query"].legs) == []
        assert service.lag() >= 0
        running = service.children()
    finally:
        service.stop()
    assert not any(psutil.pid_exists(pid) for pid in running.values())
    with exclusive(tmp_path / "data"):
        pass
