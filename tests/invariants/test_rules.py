"""Each invariant is broken by the history that it is about, and by no other."""

from collections.abc import Callable
from typing import Any

import pytest

from harness.core.clock import ManualClock
from harness.core.errors import ProductFailure
from harness.core.history import History, Kind
from harness.invariants import find_violations, judge
from harness.wasmbed.resources.timestamps import format_timestamp


class Story:
    """A history written by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.history = History(self.clock)

    def says(self, source: str, target: str, name: str, about: str = "", /, **data: Any) -> None:
        self.history.record(Kind.MESSAGE, source, target, name, data, about)

    def state(self, kind: str, name: str, change: str = "modified", **status: Any) -> None:
        data: dict[str, Any] = {"change": change, "name": name}
        if status:
            data["status"] = status
        self.history.record(Kind.STATE, "Kubernetes", "", kind, data, name)

    async def pass_time(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        self.history.note("later")

    def broken(self) -> list[str]:
        return [violation.rule for violation in find_violations(self.history)]


@pytest.fixture
def story() -> Story:
    return Story()


def enroll(story: Story, name: str = "pump-1", device_id: str = "id-1") -> None:
    """Record a correct enrollment."""
    story.says("Device", "Gateway", "TlsConnected", name, device=name, certificate={"subject": f"CN={name}"})
    story.says("Device", "Gateway", "EnrollmentRequest", name, device=name)
    story.says("Gateway", "Kubernetes", "POST Device", name, name=name, code=201)
    story.state("Device", name, "added", phase="Pending")
    story.state("Device", name, phase="Enrolling", deviceId=device_id)
    story.state("Device", name, phase="Enrolled")
    story.says("Gateway", "Device", "EnrollmentResponse", name, device=name, heartbeatInterval=1000)
    story.says("Device", "Gateway", "EnrollmentAcknowledgment", name, device=name)
    story.says("Device", "Gateway", "Heartbeat", name, device=name)
    story.says("Gateway", "Device", "HeartbeatAcknowledgment", name, device=name)
    story.state("Device", name, phase="Connected", connectedSince=format_timestamp(story.clock.now()))


def test_a_good_history_breaks_nothing(story: Story) -> None:
    enroll(story)
    enroll(story, "pump-2", "id-2")
    story.says("ApplicationController", "Gateway", "DeployApplication", "app", device="pump-1")
    story.says("Device", "Gateway", "DeploymentResult", "app", device="pump-1", ok=True)
    judge(story.history)


def test_an_illegal_move_is_found(story: Story) -> None:
    enroll(story)
    story.state("Device", "pump-1", phase="Pending")
    assert story.broken() == ["legal phases"]
    with pytest.raises(ProductFailure, match="pump-1 went from Connected to Pending"):
        judge(story.history)


def test_phases_between_two_lists_were_not_seen(story: Story) -> None:
    story.state("Application", "app", "added", phase="Deploying")
    changed = {"change": "modified", "name": "app"}
    relisted = {**changed, "relisted": True, "status": {"phase": "Running"}}
    story.history.record(Kind.STATE, "Kubernetes", "", "Application", relisted, "app")
    assert story.broken() == []
    relisted = {**changed, "relisted": True, "status": {"phase": "Creating"}}
    story.history.record(Kind.STATE, "Kubernetes", "", "Application", relisted, "app")
    assert story.broken() == ["legal phases"]


def test_a_resource_that_is_made_again_starts_over(story: Story) -> None:
    enroll(story)
    story.state("Device", "pump-1", "deleted")
    story.says("Device", "Gateway", "TlsConnected", "pump-1", device="pump-1", certificate={"subject": "CN=pump-1"})
    story.state("Device", "pump-1", "added", phase="Pending")
    assert story.broken() == []


def test_an_unknown_phase_is_found(story: Story) -> None:
    story.state("Application", "app", "added", phase="Dancing")
    assert story.broken() == ["legal phases"]


def test_a_shared_id_is_found(story: Story) -> None:
    enroll(story)
    enroll(story, "pump-2", "id-1")
    assert story.broken() == ["unique device ids"]


def test_a_changed_id_is_found(story: Story) -> None:
    enroll(story)
    story.state("Device", "pump-1", deviceId="id-9")
    assert story.broken() == ["unique device ids"]


@pytest.mark.parametrize(
    "before",
    [
        lambda story: None,
        lambda story: story.says("Device", "Gateway", "TlsConnected", "x", device="x", certificate=None),
        lambda story: (
            story.says("Device", "Gateway", "TlsConnected", "x", device="x", certificate={"subject": "CN=x"}),
            story.says("Gateway", "Device", "Error", "x", device="x", code="CERTIFICATE_INVALID"),
        ),
        lambda story: story.says("Device", "Gateway", "TlsConnected", "y", device="y", certificate={"subject": "CN=y"}),
        lambda story: story.says("Device", "Gateway", "EnrollmentRequest", "x", device="x", csr={"size": 300}),
    ],
    ids=["nobody", "no-certificate", "bad-certificate", "somebody-else", "no-token"],
)
def test_a_device_nobody_proved_to_be_is_found(story: Story, before: Callable[[Story], object]) -> None:
    before(story)
    story.says("Gateway", "Kubernetes", "POST Device", "x", name="x", code=201)
    assert story.broken() == ["authenticated devices"]


def test_a_signing_request_with_a_token_is_proof(story: Story) -> None:
    story.says("Device", "Gateway", "EnrollmentRequest", "x", device="x", csr={"size": 300}, pairingToken="t")
    story.says("Gateway", "Kubernetes", "POST Device", "x", name="x", code=201)
    assert story.broken() == []


def test_a_device_that_the_user_made_needs_no_proof(story: Story) -> None:
    story.says("User", "Kubernetes", "POST Device", "x", name="x", code=201)
    assert story.broken() == []


async def lost(story: Story, then: Callable[[Story], object]) -> list[str]:
    enroll(story)
    story.says("ApplicationController", "Gateway", "DeployApplication", "app", device="pump-1")
    then(story)
    await story.pass_time(61)
    await story.pass_time(1)
    return story.broken()


def test_a_lost_deployment_is_found(run: Callable[..., Any], story: Story) -> None:
    assert run(lost(story, lambda story: None)) == ["no lost deployment"]


@pytest.mark.parametrize(
    "then",
    [
        lambda story: story.says("Device", "Gateway", "DeploymentResult", "app", device="pump-1", ok=False),
        lambda story: story.says("ApplicationController", "Gateway", "StopApplication", "app", device="pump-1"),
        lambda story: story.says("Device", "Gateway", "ConnectionClosed", "pump-1", device="pump-1", reason="gone"),
        lambda story: story.state("Application", "app", deviceStatuses={"pump-1": {"state": "failed"}}),
        lambda story: story.state("Application", "app", "deleted"),
    ],
    ids=["answered", "stopped", "disconnected", "reported", "deleted"],
)
def test_a_deployment_that_ends_somehow_is_not_lost(
    run: Callable[..., Any], story: Story, then: Callable[[Story], object]
) -> None:
    assert "no lost deployment" not in run(lost(story, then))


def test_a_history_that_ends_early_proves_nothing(story: Story) -> None:
    enroll(story)
    story.says("ApplicationController", "Gateway", "DeployApplication", "app", device="pump-1")
    assert story.broken() == []


async def silent(story: Story, then: Callable[[Story], object]) -> list[str]:
    story.says("Device", "Gateway", "TlsConnected", "pump-1", device="pump-1", certificate={"subject": "CN=pump-1"})
    story.says("Device", "Gateway", "EnrollmentRequest", "pump-1", device="pump-1")
    story.state("Device", "pump-1", "added", phase="Pending")
    story.says("Gateway", "Device", "EnrollmentResponse", "pump-1", device="pump-1", heartbeatInterval=1000)
    then(story)
    await story.pass_time(6)
    return story.broken()


def test_a_live_link_that_never_connects_is_found(run: Callable[..., Any], story: Story) -> None:
    assert run(silent(story, lambda story: None)) == ["live links are connected"]


def test_a_link_that_ended_need_not_be_connected(run: Callable[..., Any], story: Story) -> None:
    assert run(silent(story, lambda story: story.says("Device", "Gateway", "ConnectionClosed", "pump-1"))) == []


def test_metrics_count_what_crossed_before_the_gateway_was_noted_as_up_and_nothing_of_the_one_before(
    story: Story,
) -> None:
    def connects(link: str) -> None:
        story.says("Device", "Gateway", "TlsConnected", "pump-1", device="pump-1", link=link, certificate={})

    def reports(link: str) -> None:
        story.says("Device", "Gateway", "DeviceInfo", "pump-1", device="pump-1", link=link)

    def observed(count: int) -> list[str]:
        metrics = {"wasmbed_gateway_messages_total{type=DeviceInfo}": count}
        story.history.note("gateway observed", gateway="gateway-1", since=0, sessions=[], metrics=metrics)
        return [violation.rule for violation in find_violations(story.history) if violation.rule == "metrics count"]

    story.history.note("gateway up", gateway="gateway-1")
    connects("gateway-1/1")
    story.history.note("gateway down", gateway="gateway-1")
    reports("gateway-1/1")
    connects("gateway-1/2")
    reports("gateway-1/2")
    story.history.note("gateway up", gateway="gateway-1")
    assert observed(1) == []
    assert observed(2) == ["metrics count"]
