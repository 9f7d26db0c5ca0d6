"""The phases that a resource can still reach, by the table of phases."""

from typing import Any

import pytest

from harness.core.clock import ManualClock
from harness.core.history import History, Kind
from harness.stack.dead_ends import dead_end
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
from harness.wasmbed.resources.phases import MOVES, Cause, reachable


@pytest.fixture
def history() -> History:
    history = History(ManualClock())
    change = {"change": "modified", "name": "app", "status": {"phase": "any"}}
    history.record(Kind.MESSAGE, "User", "Kubernetes", "POST Application", {}, "app")
    history.record(Kind.STATE, "Kubernetes", "", "Application", change, "app")
    return history


def application(phase: str, *, stalled: bool | None = None, deleting: bool = False, **spec: Any) -> dict[str, Any]:
    spec = {"targetDevices": {"deviceNames": ["pump-1"]}, **spec}
    conditions = [] if stalled is None else [{"type": "Stalled", "status": str(stalled)}]
    metadata = {"name": "app", **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {})}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase, "conditions": conditions, "error": "why"}}


@pytest.mark.parametrize(
    ("present", "wanted", "possible"),
    [
        (application("Failed", stalled=True), "Running", False),
        (application("Error", stalled=True), "Running", False),
        (application("Error", stalled=True), "Failed", False),
        (application("Stopped", stopped=True), "Running", False),
        (application("Stopping", stopped=True), "Running", False),
        (application("Running", stopped=True), "Stopped", True),
        (application("Stopping", deleting=True), "Running", False),
        (application("Running", deleting=True), "Stopped", True),
        # phases that may still follow
        (application("Pending"), "Running", True),
        (application("Deploying"), "Failed", True),
        (application("PartiallyRunning"), "Running", True),
        (application("Unknown"), "Running", True),
        (application("Stopped"), "Running", True),
        (application("Failed", stalled=False), "Running", True),
        (application("Failed", stalled=True), "Failed", True),
        (application("Running"), "Stopped", True),
        (application("Error", stalled=True), "Stopped", True),
        # no move leads back
        (application("Running"), "Pending", False),
        # more devices may join
        (application("Failed", stalled=True, targetDevices={"allDevices": True}), "PartiallyRunning", True),
        (application("Failed", stalled=True, targetDevices={"allDevices": True}), "Running", False),
    ],
)
def test_the_phases_that_an_application_can_still_reach(
    history: History, present: dict[str, Any], wanted: str, possible: bool
) -> None:
    reason = dead_end(APPLICATION, "app", present, wanted, history)
    assert (reason is None) is possible
    if reason is not None:
        final = f"it is {present['status']['phase']}, and no move leads from there without a change: why"
        assert reason == ("it is being deleted" if "deletionTimestamp" in present["metadata"] else final)


@pytest.mark.parametrize(
    "wanted", [None, "Running", lambda phase: phase == "Running"], ids=["none", "text", "function"]
)
def test_only_a_phase_given_as_text_is_judged(history: History, wanted: Any) -> None:
    reason = dead_end(APPLICATION, "app", application("Failed", stalled=True), wanted, history)
    assert (reason is not None) is (wanted == "Running")


@pytest.mark.parametrize(
    "act",
    [
        lambda history: history.note("power on", "pump-1"),
        lambda history: history.record(Kind.FAULT, "Harness", "Device", "reset", {}, "pump-1"),
        lambda history: history.record(Kind.FAULT, "Device", "", "Crash", {"device": "pump-1"}, "pump-1"),
        lambda history: history.record(Kind.MESSAGE, "User", "Kubernetes", "PATCH Device", {}, "pump-1"),
        lambda history: history.record(Kind.MESSAGE, "ApiServer", "Kubernetes", "PATCH Application", {}, "app"),
    ],
    ids=["power", "reset", "crash", "label", "rest-write"],
)
def test_an_action_after_the_last_change_leaves_the_outcome_open(history: History, act: Any) -> None:
    act(history)
    assert dead_end(APPLICATION, "app", application("Failed", stalled=True), "Running", history) is None


@pytest.mark.parametrize("code", [200, None])
def test_a_spec_that_no_watch_has_shown_yet_leaves_the_outcome_open(history: History, code: int | None) -> None:
    """Also one whose write had no answer."""
    written = {"name": "app", "code": code, "spec": {"stopped": False}}
    history.record(Kind.MESSAGE, "ApiServer", "Kubernetes", "PATCH Application", written, "app")
    older = {"change": "modified", "name": "app", "status": {"phase": "Stopped"}}
    history.record(Kind.STATE, "Kubernetes", "", "Application", older, "app")
    assert dead_end(APPLICATION, "app", application("Stopped", stopped=True), "Running", history) is None
    shown = {"change": "modified", "name": "app", "spec": {"stopped": False}}
    history.record(Kind.STATE, "Kubernetes", "", "Application", shown, "app")
    assert dead_end(APPLICATION, "app", application("Failed", stalled=True), "Running", history) is not None


def test_a_read_request_leaves_the_verdict_unchanged(history: History) -> None:
    history.record(Kind.MESSAGE, "User", "Kubernetes", "GET Application", {}, "app")
    assert dead_end(APPLICATION, "app", application("Failed", stalled=True), "Running", history) is not None


def test_a_deleted_resource_does_not_come_back_unless_it_registers_itself(history: History) -> None:
    assert dead_end(APPLICATION, "later", None, "Running", history) is None
    for kind, name in (("Application", "app"), ("Device", "pump-1"), ("Gateway", "gateway-1")):
        history.record(Kind.STATE, "Kubernetes", "", kind, {"change": "deleted", "name": name}, name)
    assert dead_end(APPLICATION, "app", None, "Running", history) == "it was deleted"
    assert dead_end(DEVICE, "pump-1", None, "Connected", history) is None
    assert dead_end(GATEWAY, "gateway-1", None, "Online", history) is None
    history.record(Kind.STATE, "Kubernetes", "", "Application", {"change": "added", "name": "app"}, "app")
    assert dead_end(APPLICATION, "app", None, "Running", history) is None


@pytest.mark.parametrize("resource", MOVES, ids=lambda resource: resource.kind)
def test_all_causes_together_allow_the_whole_table(resource: Any) -> None:
    for source, targets in MOVES[resource].items():
        assert targets <= reachable(resource, source, Cause)


def test_a_device_may_always_reconnect(history: History) -> None:
    failed = {"metadata": {"name": "pump-1"}, "status": {"phase": "Failed"}}
    assert dead_end(DEVICE, "pump-1", failed, "Connected", history) is None
