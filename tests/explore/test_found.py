"""Defects that `wasmbed explore` has found, each with its smallest case. `docs/found.md` tells what they were."""

from __future__ import annotations

import pytest

from harness.explore.case import Case, run
from harness.faults import ArrowMoment, Entry, Schedule, Side, make_fault

RESTARTED = Schedule.of(Entry(ArrowMoment(Side.AFTER, "application-stop", 32), make_fault("gateway.restart")))
"""The gateway shuts down while the first board connects."""

FOUND = {
    "a listener that was closed ended a connection that was in use": Case(5, RESTARTED, 1, 2.0, order="pct"),
    "a handshake that was interrupted in its last step became a connection": Case(9, RESTARTED, 1, 2.0, order="random"),
    "a handshake that was interrupted before it began left its socket open": Case(5, RESTARTED, 1, 2.0, order="random"),
}


@pytest.mark.parametrize("defect", FOUND)
def test_it_is_mended(defect: str) -> None:
    outcome = run(FOUND[defect])
    assert outcome.applied == (0,)
    assert outcome.failure is None
