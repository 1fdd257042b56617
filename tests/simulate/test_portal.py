"""The portal's story: three legs from three observers make one incident of one client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_three_legs_of_one_client_make_one_alert(told: Callable[..., Any]) -> None:
    found = told("portal", seed=11)
    assert not found.on_view()
    (alert,) = found.of("Portal Attacked from One Address")
    assert alert.extra["tocsin.alert.legs"] == ["blocked connection", "failed logins", "server error"]
    assert alert.group["tocsin.client.ip"].startswith("203.0.113.")


def test_the_portal_sees_its_proxy_only(told: Callable[..., Any]) -> None:
    found = told("portal", seed=12)
    logins = [d for d in found.documents.values() if d["event.dataset"] == "portal.auth"]
    assert len(logins) >= 5
    assert {d["source.ip"] for d in logins} == {"10.20.1.10"}
    assert {d.get("observer.name") or d.get("host.name") for d in found.documents.values()} >= {
        "fw01",
        "web01",
        "portal01",
    }
