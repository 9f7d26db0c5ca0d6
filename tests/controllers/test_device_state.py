"""The assessment of one device, as a table."""

from __future__ import annotations

import pytest

from harness.wasmbed.controllers.device_state import (
    NO_ANSWER,
    DeviceAssessment,
    DeviceState,
    has_module,
    judge,
    obstacle,
)
from harness.wasmbed.controllers.rollout import Rollout
from harness.wasmbed.resources.conditions import find_condition
from harness.wasmbed.resources.views import Application, Device, DeviceEntry

DEVICE = Device(
    {
        "metadata": {"name": "edge-1"},
        "spec": {"capabilities": ["wasm"], "largestModule": 1000},
        "status": {"phase": "Connected", "connectedSince": "s1", "enrollments": 1, "deviceId": "id-1"},
    }
)
RECORD = {"revision": "r", "generation": 3, "session": "s1", "enrollments": 1, "attempts": 1}


def entry(state=None, *, generation=3, record=(), **fields):
    raw = {"state": state, "generation": generation, **fields, "deployment": {**RECORD, **dict(record)}}
    return DeviceEntry(raw)


@pytest.mark.parametrize(
    ("given", "away", "expected"),
    [
        # nothing requested yet
        (DeviceEntry({}), "", DeviceState.DUE),
        (DeviceEntry({}), "asleep", DeviceState.WAITING),
        # requested
        (entry(), "", DeviceState.REQUESTED),
        (entry("receiving"), "", DeviceState.REQUESTED),
        (entry("deployed"), "", DeviceState.DEPLOYED),
        (entry("running"), "", DeviceState.RUNNING),
        (entry("error", error="trap"), "", DeviceState.ERROR),
        (entry("failed", code="MEMORY_LIMIT"), "", DeviceState.FAILED),
        (entry(record={"error": "refused"}), "", DeviceState.FAILED),
        # a failure of the gateway does not blame the device
        (entry("failed", code="CONNECTION_LOST"), "", DeviceState.DUE),
        (entry("failed", code="TIMEOUT"), "", DeviceState.DUE),
        (entry("failed", code="TIMEOUT"), "asleep", DeviceState.WAITING),
        (entry("stopped"), "", DeviceState.DUE),
        # an answer to an earlier request does not count
        (entry("running", generation=2), "", DeviceState.REQUESTED),
        (entry("failed", generation=None), "", DeviceState.REQUESTED),
        # the link ended and a new one began
        (entry("receiving", record={"session": "s0"}), "", DeviceState.DUE),
        (entry("running", record={"session": "s0"}), "", DeviceState.RUNNING),
        # out of reach: unknown
        (entry("running"), "asleep", DeviceState.UNKNOWN),
        (entry("deployed"), "asleep", DeviceState.UNKNOWN),
        (entry("unknown"), "asleep", DeviceState.UNKNOWN),
        (entry("error", error="trap"), "asleep", DeviceState.ERROR),
        (entry("failed", code="TRAP"), "asleep", DeviceState.FAILED),
        (entry("unknown"), "", DeviceState.UNKNOWN),
        (entry("unknown", record={"enrollments": 0}), "", DeviceState.DUE),
        (entry("unknown", record={"revision": "q"}), "", DeviceState.OUTDATED),
        # left by an earlier application of the same name
        (DeviceEntry({"state": "running", "generation": 3}), "", DeviceState.OUTDATED),
        (DeviceEntry({"state": "stopped", "generation": 3}), "", DeviceState.DUE),
        (entry("failed", code="CANCELLED"), "", DeviceState.DUE),
        (entry("receiving"), "asleep", DeviceState.WAITING),
        # the device was restarted
        (entry("running", record={"enrollments": 0}), "", DeviceState.DUE),
        (entry("error", record={"enrollments": 0}), "", DeviceState.DUE),
        (entry("running", record={"enrollments": 0}), "asleep", DeviceState.WAITING),
        # the Device was deleted and created again
        (entry("running", record={"deviceId": "id-0"}), "", DeviceState.DUE),
        (entry("running", record={"deviceId": "id-0"}), "asleep", DeviceState.WAITING),
        (entry("running", record={"deviceId": "id-0", "revision": "q"}), "", DeviceState.DUE),
        (entry("running", record={"deviceId": "id-1"}), "", DeviceState.RUNNING),
        # another revision
        (entry("running", record={"revision": "q"}), "", DeviceState.OUTDATED),
        (entry("receiving", record={"revision": "q"}), "", DeviceState.OUTDATED),
        (entry(record={"revision": "q"}), "", DeviceState.OUTDATED),
        (entry("running", record={"revision": "q"}), "asleep", DeviceState.WAITING),
        (entry("stopped", record={"revision": "q"}), "", DeviceState.DUE),
        (entry("error", record={"revision": "q"}), "", DeviceState.DUE),
        (entry("running", record={"revision": "q", "enrollments": 0}), "", DeviceState.DUE),
        (entry(record={"revision": "q", "error": "refused"}), "", DeviceState.DUE),
    ],
)
def test_the_state_of_a_device(given, away, expected) -> None:
    assert judge(DEVICE, given, "r", away=away).state is expected


def test_a_request_on_record_that_this_process_did_not_make_is_made_again() -> None:
    assert judge(DEVICE, entry(), "r", confirmed=False).state is DeviceState.DUE
    assert judge(DEVICE, entry("receiving"), "r", confirmed=False).state is DeviceState.REQUESTED


def test_a_request_with_an_overdue_answer_is_repeated() -> None:
    assert judge(DEVICE, entry("receiving"), "r", expired=True) == DeviceAssessment(DeviceState.DUE, NO_ANSWER)
    assert judge(DEVICE, entry("running"), "r", expired=True).state is DeviceState.RUNNING


@pytest.mark.parametrize(
    ("device", "size", "part"),
    [
        (None, 10, "does not exist"),
        (Device({"spec": {"capabilities": ["tls"]}}), 10, "no capability wasm"),
        (Device({"spec": {"board": {"kind": "virtual"}}}), 10, "has not enrolled yet"),
        (DEVICE, 1001, "1001 bytes, the device takes 1000"),
    ],
)
def test_the_reason_why_a_device_can_never_have_a_module(device, size, part) -> None:
    assert part in obstacle(device, size)


def test_a_usual_device_can_have_a_module() -> None:
    assert obstacle(DEVICE, 1000) is None
    assert obstacle(Device({"spec": {"capabilities": ["wasm"]}}), 1 << 20) is None


def test_a_request_without_an_answer_may_have_brought_the_module() -> None:
    assert has_module(DEVICE, entry())
    assert not has_module(DEVICE, entry(record={"error": "refused"}))
    assert not has_module(DEVICE, DeviceEntry({}))


@pytest.mark.parametrize(("reported", "is_there"), [("running", True), ("stopped", False), (None, False)])
def test_a_device_that_enrolled_since_has_what_its_heartbeat_names(reported: str | None, is_there: bool) -> None:
    assert has_module(DEVICE, entry("running", record={"deviceId": "id-0"}), reported) is is_there


def test_a_device_that_is_back_without_the_application_gets_it_again() -> None:
    back = Device({**DEVICE.raw, "status": {**DEVICE.raw["status"], "applications": []}})
    assert judge(back, entry("unknown"), "r").state is DeviceState.DUE


W, O, D, Q, A, R, U, F, E = (  # noqa: E741
    DeviceState.WAITING,
    DeviceState.OUTDATED,
    DeviceState.DUE,
    DeviceState.REQUESTED,
    DeviceState.DEPLOYED,
    DeviceState.RUNNING,
    DeviceState.UNKNOWN,
    DeviceState.FAILED,
    DeviceState.ERROR,
)


@pytest.mark.parametrize(
    ("present", "standings", "phase", "progress", "health"),
    [
        ("Creating", [], "Deploying", 0, "unknown"),
        ("Creating", [D, W], "Deploying", 0, "unknown"),
        ("Creating", [W], "Deploying", 0, "unknown"),
        ("Creating", [F, F], "Failed", 100, "unhealthy"),
        ("Deploying", [R, Q], "Deploying", 50, "unknown"),
        ("Deploying", [R, O], "Deploying", 50, "unknown"),
        ("Deploying", [A, F], "Deployed", 100, "degraded"),
        ("Deploying", [R, A], "Deployed", 100, "unknown"),
        ("Deployed", [R, R], "Running", 100, "healthy"),
        ("Deployed", [R, F], "PartiallyRunning", 100, "degraded"),
        ("Deployed", [R, W], "PartiallyRunning", 50, "unknown"),
        ("Deployed", [E, F], "Error", 100, "unhealthy"),
        ("Deployed", [Q], "Deploying", 0, "unknown"),
        ("Running", [R, D], "PartiallyRunning", 50, "unknown"),
        ("Running", [D], "Deploying", 0, "unknown"),
        ("Running", [E, R], "PartiallyRunning", 100, "degraded"),
        ("Running", [E], "Error", 100, "unhealthy"),
        ("PartiallyRunning", [R, R], "Running", 100, "healthy"),
        ("Running", [O, O], "Deploying", 0, "unknown"),
        ("Error", [E, W], "Deploying", 50, "degraded"),
        ("Failed", [F, D], "Deploying", 50, "degraded"),
        ("Stopped", [D], "Deploying", 0, "unknown"),
        ("Stopped", [R], "Running", 100, "healthy"),
        ("Running", [R, U], "PartiallyRunning", 100, "degraded"),
        ("Running", [U, U], "Unknown", 100, "unknown"),
        ("PartiallyRunning", [U, W], "Unknown", 50, "unknown"),
        ("PartiallyRunning", [U, F], "Unknown", 100, "unknown"),
        ("Unknown", [R, U], "PartiallyRunning", 100, "degraded"),
        ("Unknown", [R, R], "Running", 100, "healthy"),
        ("Unknown", [D, U], "Deploying", 50, "degraded"),
        ("Unknown", [D], "Deploying", 0, "unknown"),
        ("Unknown", [E], "Error", 100, "unhealthy"),
        ("Deploying", [U, Q], "Deploying", 50, "degraded"),
    ],
)
def test_the_sum_of_the_device_states(present, standings, phase, progress, health) -> None:
    rollout = Rollout({f"edge-{n}": DeviceAssessment(state) for n, state in enumerate(standings)})
    assert rollout.phase(present) == phase
    assert rollout.progress == progress
    assert rollout.health(phase) == health


def test_devices_out_of_reach_are_counted_separately() -> None:
    rollout = Rollout({"edge-1": DeviceAssessment(R), "edge-2": DeviceAssessment(U, "the device is not connected")}, 2)
    status = rollout.status(Application({}), "PartiallyRunning", 0.0)
    assert status["statistics"] == {"target": 2, "deployed": 2, "running": 1, "failed": 0, "unknown": 3}
    assert status["error"] == "edge-2: the device is not connected"
    running = find_condition(status["conditions"], "Running")
    assert running["message"] == "1 of 2 devices run it, 1 are out of reach and unknown"


def test_an_application_without_a_device_in_reach_is_unknown() -> None:
    rollout = Rollout({"edge-1": DeviceAssessment(U, "the device is not connected")})
    status = rollout.status(Application({}), "Unknown", 0.0)
    assert find_condition(status["conditions"], "Running")["status"] == "Unknown"


@pytest.mark.parametrize(
    ("phase", "assessments", "stalled"),
    [
        ("Failed", [DeviceAssessment(F, "refused")], "True"),
        ("Error", [DeviceAssessment(E, "trap"), DeviceAssessment(F)], "True"),
        ("Failed", [DeviceAssessment(F, "the device does not exist", awaited=True)], "False"),
        ("PartiallyRunning", [DeviceAssessment(R), DeviceAssessment(F)], "False"),
        ("Running", [DeviceAssessment(R)], "False"),
    ],
)
def test_an_application_is_stalled_when_only_a_change_can_help(phase, assessments, stalled) -> None:
    status = Rollout({f"edge-{n}": assessment for n, assessment in enumerate(assessments)}).status(
        Application({}), phase, 0.0
    )
    assert find_condition(status["conditions"], "Stalled")["status"] == stalled


def test_an_error_names_a_few_devices_and_counts_the_rest() -> None:
    assessments = {f"edge-{n}": DeviceAssessment(F, "no memory\n    function 0 at 0x2e") for n in range(5)}
    assert Rollout(assessments).error() == ("edge-0: no memory; edge-1: no memory; edge-2: no memory (and 2 more)")
    assert Rollout({"edge-1": DeviceAssessment(R), "edge-2": DeviceAssessment(W, "asleep")}).error() is None


def test_metrics_are_summed_over_the_devices_that_have_the_module() -> None:
    entries = {name: {"metrics": {"calls": 2, "fuel_used": 5}} for name in ("edge-1", "edge-2", "edge-3")}
    application = Application({"status": {"deviceStatuses": entries, "metrics": {"gone": 1}}})
    rollout = Rollout({"edge-1": DeviceAssessment(R), "edge-2": DeviceAssessment(E), "edge-3": DeviceAssessment(F)})
    assert rollout.status(application, "PartiallyRunning", 0.0)["metrics"] == {
        "calls": 4,
        "fuel_used": 10,
        "gone": None,
    }
