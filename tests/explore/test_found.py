"""Defects that `wasmbed explore` has found, each with its smallest case. `docs/found.md` tells what they were."""

from __future__ import annotations

import pytest

from harness.explore.acts import Act
from harness.explore.case import Case, run
from harness.faults import ArrowMoment, Entry, Schedule, Side, TimeMoment, make_fault

RESTARTED = Schedule.of(Entry(ArrowMoment(Side.AFTER, "application-stop", 32), make_fault("gateway.restart")))
"""The gateway shuts down while the first board connects."""
LOSSY = Schedule.of(Entry(TimeMoment(0.1), make_fault("link.drop", {"every": 1}), "sim-1"))
"""All frames of the first five seconds are lost, a stop among them."""

ENDING = Schedule.of(Entry(ArrowMoment(Side.AFTER, "device-enrollment", 2, 7), make_fault("gateway.restart")))
"""The gateway shuts down while the seventh board enrolls."""
FIRST_BEAT = Schedule.of(Entry(ArrowMoment(Side.BEFORE, "connection-lost", 7, 3), make_fault("gateway.restart")))
"""The gateway shuts down while the third board is about to be Enrolled."""
LAST = Schedule.of(Entry(ArrowMoment(Side.BEFORE, "connection-lost", 4), make_fault("gateway.restart")))
"""A device is Disconnected for the first time as the stack ends."""
REFUSED = Schedule.of(
    Entry(TimeMoment(1.0), make_fault("cluster.refusals", {"lasts": 24.0})),
    Entry(TimeMoment(4.0), make_fault("board.power-cut", {"lasts": 40.0}), "sim-1"),
)
"""A link ends while the API server refuses to write, and longer than a status may take."""
LOST = Schedule.of(Entry(ArrowMoment(Side.BEFORE, "heartbeat-and-monitoring", 6), make_fault("link.drop"), "sim-1"))
"""The acknowledgment of an enrollment is lost, and the heartbeat after it is not."""
HELD_UP = Schedule.of(
    Entry(TimeMoment(1.9), make_fault("cluster.lost-answers"), "Gateway"),
    Entry(TimeMoment(2.0), make_fault("gateway.restart")),
)
"""A gateway shuts down, and its first write afterwards has no answer."""
FROZEN = Schedule.of(
    Entry(ArrowMoment(Side.AFTER, "heartbeat-and-monitoring", 5), make_fault("cluster.watch-delay")),
    Entry(TimeMoment(10.0), make_fault("gateway.freeze")),
)
"""A gateway that stood still hears of the end of a link, and then of an order for it."""
AWAY = Schedule.of(Entry(ArrowMoment(Side.AFTER, "application-stop", 9), make_fault("gateway.slow", {"by": 22.0})))
"""The gateway is Offline before the device has answered its stop."""
LATE = Schedule.of(
    Entry(TimeMoment(3.0), make_fault("gateway.slow", {"by": 12.5, "lasts": 40.0})),
    Entry(TimeMoment(5.0), make_fault("application.trap"), "sim-1"),
    Entry(TimeMoment(5.0), make_fault("link.delay"), "sim-2"),
)
"""Orders wait for a gateway until their asker gives up, and are carried out then."""

MANY_CHANGES = (
    Act("deploy", which=1, module="hello_again"),
    Act("deploy", at=0.714, which=1, module="idle"),
    Act("stop", at=0.92),
    Act("redeploy", at=1.146, which=1),
    Act("stop", at=1.372),
    Act("delete", at=1.548, which=1),
    Act("stop", at=1.786),
)
STARTED_TWICE = (
    Act("deploy", which=1, module="hello_again"),
    Act("deploy", at=0.554, module="thermometer"),
    Act("start", at=1.034),
    Act("start", at=1.084, which=1),
)
DELETED = (Act("deploy", module="thermometer"), Act("redeploy", at=2.75), Act("delete", at=3.01))
STOPPED = (Act("deploy", which=1), Act("stop", at=0.86), Act("stop", at=0.958), Act("redeploy", at=0.964))
REPLACED = (
    Act("deploy"),
    Act("replace", after=1),
    Act("start", at=1.26),
    Act("deploy", at=3.12, which=1),
    Act("stop", at=3.23),
    Act("deploy", at=3.755, which=1),
)
POWERED = (
    Act("deploy", which=2, module="hello_again"),
    Act("stop", at=0.405),
    Act("stop", at=4.02),
    Act("delete", at=4.065),
    Act("power", at=12.0),
    Act("replace", at=12.0),
    Act("deploy", at=13.515, which=2),
)
BUSY = (
    Act("deploy", which=3, module="idle"),
    Act("start", at=6.12),
    Act("redeploy", at=9.57),
    Act("deploy", at=13.56, which=3, module="thermometer"),
    Act("deploy", at=15.921, which=1, module="hello_again"),
    Act("stop", at=21.621, which=1),
)

FOUND = {
    "a listener that was closed ended a connection that was in use": Case(
        5, RESTARTED, 1, 2.0, "sim", "pct", MANY_CHANGES
    ),
    "a handshake that was interrupted in its last step became a connection": Case(
        9, RESTARTED, 1, 2.0, "sim", "random", STARTED_TWICE
    ),
    "a handshake that was interrupted before it began left its socket open": Case(
        5, RESTARTED, 1, 2.0, "sim", "random", MANY_CHANGES
    ),
    "a device whose stop was lost ran a deleted application for ever": Case(0, LOSSY, 1, 5.0, acts=DELETED),
    "a gateway that shut down enrolled a device": Case(1887, ENDING, 10, 2.0, "sim", "pct", STOPPED),
    "a gateway that shut down acknowledged a first heartbeat": Case(1887, FIRST_BEAT, 3, 2.0, "sim", "pct", STOPPED),
    "a stop was to be awaited from a device of a gateway that is Offline": Case(0, AWAY, 1, 5.0, acts=DELETED),
    "an end was to be written while the API server refused it": Case(0, REFUSED, 2, 6.0, acts=DELETED),
    "a device was to have sent what a link had lost": Case(527609, LOST, 1, 5.0, acts=REPLACED),
    "a gateway that the API server did not let begin was not started again": Case(0, HELD_UP, 1, 5.0, acts=DELETED),
    "an order that was refused was to be carried out": Case(351464, FROZEN, 2, 15.0, acts=POWERED),
    "an order without an answer was not in the record": Case(2, LATE, 3, 30.0, acts=BUSY),
}


def test_a_fault_that_is_refused_beside_an_equal_one_fails_nothing() -> None:
    """The injector took the refusal for the end of the fault that had begun."""
    crash = Entry(TimeMoment(3.0), make_fault("gateway.crash"))
    outcome = run(Case(0, Schedule.of(crash, Entry(TimeMoment(3.0), make_fault("gateway.crash"))), 1, 5.0))
    assert outcome.failure is None


def test_a_user_acts_after_a_fault_and_another_manager_waits() -> None:
    """The platform comes to rest then, too, and the history shows other steps."""
    fault = Schedule.of(Entry(TimeMoment(1.0), make_fault("gateway.restart")))
    acts = (Act("deploy", after=1), Act("stop", at=0.5, after=1), Act("replace", at=3.0, after=1))
    calm, busy = run(Case(3, fault, 1, 15.0)), run(Case(3, fault, 1, 15.0, acts=acts, managers=2))
    assert (calm.failure, busy.failure) == (None, None)
    assert busy.features - calm.features


@pytest.mark.parametrize("defect", FOUND)
def test_it_is_mended(defect: str) -> None:
    outcome = run(FOUND[defect])
    assert 0 in outcome.applied
    assert outcome.failure is None


def test_a_fault_does_not_begin_while_the_stack_ends() -> None:
    """The gateway was started again, and nobody stopped it."""
    outcome = run(Case(1887, LAST, 3, 3.0, order="pct"))
    assert outcome.applied == ()
    assert outcome.failure is None
