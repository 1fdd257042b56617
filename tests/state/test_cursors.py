"""Checkpoints."""

from __future__ import annotations

from tocsin import state
from tocsin.state import State


def test_a_checkpoint_outlives_a_restart(opened: State, address: str) -> None:
    opened.cursors.put({"detect.0": 17, "detect.1": 2**62, "other": {"x": 1}})
    opened.cursors.put({"detect.0": 18})
    with state.open(address) as again:
        assert again.cursors.get("detect.0") == 18
        assert again.cursors.all("detect.") == {"detect.0": 18, "detect.1": 2**62}
        assert again.cursors.all("d_tect") == {}
        assert again.cursors.get("none") is None
