"""Histories made by hand: the ones that follow, the ones that do not, and what the verdict says of them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ProductFailure, UsageError
from harness.core.history import Event, Kind, read_history
from harness.sequences import Mismatch, judge, load, load_text

ENROLLED = """
    Device->>Gateway: TlsConnected (certificate, version = TLSv1.3)
    Device->>Gateway: EnrollmentRequest (capabilities = wasm, capabilities = tls, capabilities = cbor, publicKey, nonce)
    Gateway->>Kubernetes: POST Device (code = 201, spec.publicKey, spec.deviceType)
    Kubernetes->>DeviceController: ADDED Device (status.phase = Pending)
    Gateway->>Kubernetes: PATCH Device (code = 200, status.phase = Enrolling, status.deviceId, status.gateway)
    Kubernetes->>Gateway: MODIFIED Device (status.phase = Enrolling)
    DeviceController->>Kubernetes: PATCH Device (code = 200, status.phase = Enrolled, status.enrolledAt)
    Kubernetes->>Gateway: MODIFIED Device (status.phase = Enrolled)
    Gateway->>Device: EnrollmentResponse (deviceId, gatewayName, heartbeatInterval = 30s)
    Device->>Gateway: EnrollmentAcknowledgment
    Device->>Gateway: Heartbeat (runtimeStatus = ready, deviceId, status = running)
    Gateway->>Device: HeartbeatAcknowledgment (gatewayTime)
"""
CONNECTED = """
    Gateway->>Kubernetes: PATCH Device (status.phase = Connected, status.deviceStatus = Running,
        status.wasmRuntime = ready, status.health = healthy, status.connectedSince, status.lastHeartbeat)
    Kubernetes->>Gateway: MODIFIED Device (status.phase = Connected)
"""
BEATS = """
    Device->>Gateway: Heartbeat (runtimeStatus = ready, deviceId, status = running)
    Gateway->>Device: HeartbeatAcknowledgment (gatewayTime)
    Gateway->>Kubernetes: PATCH Device (status.lastHeartbeat, status.health = healthy, status.deviceMetrics)
    Device->>Gateway: Heartbeat (runtimeStatus = ready, deviceId, status = running)
    Gateway->>Device: HeartbeatAcknowledgment (gatewayTime)
"""
LOST = """
    Device->>Gateway: ConnectionClosed
    Gateway->>Kubernetes: PATCH Device (status.phase = Disconnected, status.lastHeartbeat = null,
        status.deviceStatus = Stopped, status.error = "Connection lost")
"""
BACK = """
    Device->>Gateway: TlsConnected (certificate, version = TLSv1.3)
    Device->>Gateway: Heartbeat (runtimeStatus = ready, deviceId, status = running)
    Gateway->>Device: HeartbeatAcknowledgment (gatewayTime)
    Gateway->>Kubernetes: PATCH Device (status.phase = Connected, status.connectedSince, status.error = null)
"""
PAIRED = """
    User->>Kubernetes: POST Secret
    Device->>Gateway: TlsConnected (certificate = null, version = TLSv1.3)
    Device->>Gateway: EnrollmentRequest (csr, pairingToken, publicKey)
    Gateway->>Kubernetes: DELETE Secret (code = 200)
    Gateway->>Device: EnrollmentResponse (certificate, deviceId)
    Gateway->>Device: ConnectionClosed
"""
ANNOUNCED = """
    User->>Kubernetes: POST Application (code = 201)
    Kubernetes->>ApplicationController: ADDED Application
    ApplicationController->>Kubernetes: PATCH Application (metadata.finalizers = wasmbed.io/stop)
    ApplicationController->>Kubernetes: PATCH Application (status.phase = Creating)
    ApplicationController->>Kubernetes: PATCH Application (status.phase = Deploying, status.deploymentProgress = 0)
    ApplicationController->>Gateway: DeployApplication
"""
TRANSFERRED = """
    Gateway->>Device: Deploy (size, sha256, chunkSize, entry = run)
    Gateway->>Device: ModuleChunk (index = 0)
    Gateway->>Kubernetes: PATCH Application (status.deviceStatuses.{device}.state = receiving)
    Gateway->>Device: ModuleChunk (index = 1)
    Device->>Gateway: ChunkAcknowledgment (index = 0)
    Device->>Gateway: ChunkAcknowledgment (index = 1)
"""
RUNNING = """
    Device->>Gateway: DeploymentResult (ok = true, metrics)
    Device->>Gateway: ApplicationStatus (state = running, metrics)
    Gateway->>Kubernetes: PATCH Application (status.deviceStatuses.{device}.state = running,
        status.deviceStatuses.{device}.metrics, status.deviceStatuses.{device}.updated)
    ApplicationController->>Kubernetes: PATCH Application (status.phase = Deployed,
        status.deploymentProgress = 100, status.deployedDevices)
    ApplicationController->>Kubernetes: PATCH Application (status.phase = Running, status.health = healthy)
"""
ATTEMPT = """
    Device->>Gateway: TlsConnected (certificate)
    Device->>Gateway: EnrollmentRequest
    Gateway->>Device: Error ({})
    Gateway->>Device: ConnectionClosed
"""

FOLLOWED = [
    ("device-enrollment", ENROLLED + CONNECTED),
    ("device-enrollment", ENROLLED + CONNECTED + BEATS + LOST),
    ("device-enrollment-by-request", PAIRED + ENROLLED + CONNECTED),
    ("connection-establishment", ENROLLED + CONNECTED + LOST + BACK),
    (
        "heartbeat-and-monitoring",
        ENROLLED + CONNECTED + BEATS.replace(")", ", deviceId, status)", 1).replace("Ack", "Ack"),
    ),
    (
        "connection-lost",
        ENROLLED + CONNECTED.replace("status.phase", "status.error = null, status.phase") + BEATS + LOST,
    ),
    (
        "device-connection",
        ENROLLED + CONNECTED.replace("status.phase", "status.error = null, status.phase") + LOST + BACK,
    ),
    ("enrollment-failure", ATTEMPT.format("code = ENROLLMENT_FAILED, message")),
    ("enrollment-failure", ATTEMPT.format("code = UNSUPPORTED_CAPABILITY, message") * 2),
    ("enrollment-failure", ENROLLED + ATTEMPT.format("code = DUPLICATE_DEVICE, message, retryAfter") + LOST),
    ("certificate-invalid", ATTEMPT.format("code = CERTIFICATE_INVALID, action = RENEW_CERTIFICATE")),
    ("application-deployment", ANNOUNCED + TRANSFERRED + RUNNING),
    ("execution-on-device", ANNOUNCED + TRANSFERRED + RUNNING),
    ("application-monitoring", BACK + ANNOUNCED + TRANSFERRED + RUNNING),
    (
        "application-stop",
        ANNOUNCED + TRANSFERRED + RUNNING + "User->>Kubernetes: DELETE Application\n"
        "ApplicationController->>Kubernetes: PATCH Application (status.phase = Stopping)\n"
        "ApplicationController->>Gateway: StopApplication\nGateway->>Device: Stop\n"
        "Device->>Gateway: StopResult (ok = true)\n"
        "ApplicationController->>Kubernetes: PATCH Application (status.phase = Stopped)\n"
        "ApplicationController->>Kubernetes: PATCH Application (metadata.finalizers)\n"
        "Kubernetes->>ApplicationController: DELETED Application",
    ),
    (
        "deployment-failure",
        ANNOUNCED + TRANSFERRED + "Device->>Gateway: DeploymentResult (ok = false, error)\n"
        "Gateway->>Kubernetes: PATCH Application (status.deviceStatuses.{device}.state = failed, "
        "status.deviceStatuses.{device}.error)\n"
        "ApplicationController->>Kubernetes: PATCH Application (status.phase = Failed, status.error)",
    ),
    (
        "runtime-error",
        ANNOUNCED + TRANSFERRED + "Device->>Gateway: DeploymentResult (ok = true)\n"
        "Device->>Gateway: RuntimeFault (code = OUT_OF_FUEL, message)\n"
        "ApplicationController->>Kubernetes: PATCH Application (status.phase = Deployed)\n"
        "Gateway->>Kubernetes: PATCH Application (status.deviceStatuses.{device}.state = error, "
        "status.deviceStatuses.{device}.code, status.deviceStatuses.{device}.error)\n"
        "ApplicationController->>Kubernetes: PATCH Application (status.phase = Error, status.health = unhealthy)",
    ),
]


@pytest.mark.parametrize(("name", "text"), FOLLOWED, ids=[f"{name}-{n}" for n, (name, _) in enumerate(FOLLOWED)])
def test_a_history_that_follows(build: Any, name: str, text: str) -> None:
    verdict = judge(name, build.history(text))
    assert verdict.ok, str(verdict)
    verdict.raise_on_failure()
    assert str(verdict) == f"1 {verdict.sequence.subject.value} followed it"


def _without(events: list[Event], name: str) -> list[Event]:
    return [event for event in events if event.name != name]


def test_what_is_missing_is_told_with_what_came_instead(build: Any) -> None:
    events = _without(build.history(ENROLLED + CONNECTED), "EnrollmentResponse")
    verdict = judge("device-enrollment", events)
    (failure,) = verdict.failures
    assert failure.finding is not None
    assert (failure.finding.mismatch, failure.place) == (Mismatch.MISSING, 8)
    assert failure.event is not None
    assert failure.event.name == "EnrollmentAcknowledgment"
    with pytest.raises(ProductFailure) as error:
        verdict.raise_on_failure()
    lines = [line.strip() for line in str(error.value).splitlines()]
    line = verdict.sequence.arrows[failure.expected[0]].arrow.line
    place = f"(scenarios/sequences/device-enrollment.mmd:{line})"
    response = "Gateway->>Device: EnrollmentResponse (deviceId, gatewayName, heartbeatInterval, no certificate)"
    assert lines == [
        "sequence device-enrollment: 1 of 1 device did not follow it",
        "",
        f"board-1: {response} is missing before EnrollmentAcknowledgment",
        "...       5 events as expected",
        "seen      Kubernetes->>Gateway: MODIFIED Device (status.phase = Enrolling)",
        "seen      DeviceController->>Kubernetes: PATCH Device (status.phase = Enrolled)",
        "seen      Kubernetes->>Gateway: MODIFIED Device (status.phase = Enrolled)",
        f"> expected  {response}   {place} <- missing",
        "x seen      Device->>Gateway: EnrollmentAcknowledgment",
        "then      Device->>Gateway: Heartbeat",
        "then      Gateway->>Device: HeartbeatAcknowledgment",
        f"raw       {failure.event.to_json()}",
    ]


def test_a_history_that_ends_in_the_middle_has_not_followed(build: Any) -> None:
    verdict = judge("device-enrollment", build.history(ENROLLED))
    assert not verdict.ok
    text = str(verdict)
    assert "board-1: the history ends before Gateway->>Kubernetes: PATCH Device (status.phase = Connected" in text
    assert "nothing more: the history ends here" in text


def test_a_part_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    """Texts stay expanded: the same text, with another part, is another sequence."""
    part = tmp_path / "part.mmd"
    (tmp_path / "whole.mmd").write_text("sequenceDiagram\nNote over Device: ref middle\n")
    (tmp_path / "middle.mmd").write_text("sequenceDiagram\nNote over Device: ref part\n")
    for name in ("DeviceInfo", "Heartbeat", "DeviceInfo"):
        part.write_text(f"sequenceDiagram\nDevice->>Gateway: {name}\n")
        assert [arrow.label.name for arrow in load("whole", tmp_path).arrows] == [name]
    part.unlink()
    with pytest.raises(UsageError, match="there is no sequence 'part'"):
        load("whole", tmp_path)


def test_an_event_after_the_diagrams_end(build: Any, tmp_path: Path) -> None:
    body = "alt\nDevice->>Gateway: DeviceInfo\nelse\nDevice->>Gateway: Heartbeat\nend"
    (tmp_path / "short.mmd").write_text(f"sequenceDiagram\n{body}\n")
    (tmp_path / "whole.mmd").write_text("sequenceDiagram\nNote over Device: ref short\n")
    verdict = judge(load("whole", tmp_path), build.history("Device->>Gateway: DeviceInfo\n" * 2))
    assert [line.strip() for line in str(verdict).splitlines()][2:6] == [
        "board-1: Device->>Gateway: DeviceInfo is not expected here",
        "seen      Device->>Gateway: DeviceInfo",
        f"> expected  nothing more, the diagram ends here   ({tmp_path / 'short.mmd'}:3)",
        "x seen      Device->>Gateway: DeviceInfo",
    ]


def test_an_event_that_does_not_belong(build: Any) -> None:
    events = build.history(ENROLLED + "Gateway->>Kubernetes: POST Device (spec.publicKey, spec.deviceType)" + CONNECTED)
    (failure,) = judge("device-enrollment", events).failures
    assert failure.finding is not None
    assert failure.finding.mismatch is Mismatch.EXTRA
    assert failure.finding.text == "Gateway->>Kubernetes: POST Device is not expected here"


def test_a_change_without_a_phase_says_what_it_changed(build: Any) -> None:
    change = "Gateway->>Kubernetes: PATCH Device (code = 200, status.health = healthy, status.deviceMetrics)"
    (failure,) = judge("device-enrollment", build.history(ENROLLED + change + CONNECTED)).failures
    assert failure.finding is not None
    assert failure.finding.text == (
        "Gateway->>Kubernetes: PATCH Device (changed = status.health status.deviceMetrics) is not expected here"
    )


def test_an_event_too_early_and_one_too_late(build: Any) -> None:
    events = build.history(ENROLLED + CONNECTED)
    order = [event.name for event in events]
    response = order.index("EnrollmentResponse")
    early = [*events[:6], events[response], *events[6:response], *events[response + 1 :]]
    (failure,) = judge("device-enrollment", _renumber(early)).failures
    assert failure.finding is not None
    assert failure.finding.mismatch is Mismatch.MISPLACED
    assert (
        failure.finding.text
        == "EnrollmentResponse came too early: it belongs after MODIFIED Device (status.phase = Enrolled)"
    )
    post = order.index("POST Device")
    late = [*events[:post], *events[post + 1 : 10], events[post], *events[10:]]
    (failure,) = judge("device-enrollment", _renumber(late)).failures
    assert failure.finding is not None
    assert failure.finding.mismatch is Mismatch.MISPLACED
    assert "came too late: after EnrollmentAcknowledgment" in failure.finding.text


def test_an_event_with_other_data(build: Any) -> None:
    events = build.history(ENROLLED + CONNECTED.replace("healthy", "degraded"))
    assert "PATCH Device came with other data: expected status.health = healthy; seen status.health = degraded" in str(
        judge("device-enrollment", events)
    )


def test_an_event_too_late_for_its_limit(build: Any) -> None:
    events = build.history(ENROLLED + CONNECTED)
    late = [replace(event, at=event.at + 12) if event.n >= 9 else event for event in events]
    (failure,) = judge("device-enrollment", late).failures
    assert failure.finding is not None
    assert failure.finding.mismatch is Mismatch.LATE
    assert failure.finding.text == "EnrollmentAcknowledgment came 12 s after the arrow before it, later than 10 s"


def _renumber(events: list[Event]) -> list[Event]:
    return [replace(event, n=number, at=number * 0.01) for number, event in enumerate(events)]


def test_each_device_is_judged_by_itself(build: Any) -> None:
    good = build.history(ENROLLED + CONNECTED, "board-1")
    bad = _without(build.history(ENROLLED + CONNECTED, "board-2"), "POST Device")
    events = _renumber([event for pair in zip(good, [*bad, *good[:1]], strict=True) for event in pair][:-1])
    events = [replace(event, data=dict(event.data)) for event in events]
    verdict = judge("device-enrollment", events)
    assert [(str(item.instance), item.ok) for item in verdict.instances] == [("board-1", True), ("board-2", False)]
    assert str(verdict).startswith("1 of 2 devices did not follow it\n\nboard-2: ")
    assert judge("device-enrollment", events, only=["board-1"]).ok
    nobody = judge("device-enrollment", events, only=["board-3"])
    assert not nobody.ok
    assert "the history has no event of this sequence for any device board-3" in str(nobody)


def test_many_failures_are_summed_up(build: Any) -> None:
    text = ENROLLED.replace("nonce", "firmwareVersion")
    events = [event for n in range(20) for event in build.history(text, f"board-{n:02}")]
    shown = str(judge("device-enrollment", _renumber(events)))
    assert shown.startswith("20 of 20 devices did not follow it")
    assert shown.count("board-00: EnrollmentRequest came with other data") == 1
    assert shown.endswith("    likewise  " + ", ".join(f"board-{n:02}" for n in range(1, 11)) + " and 9 more")
    different = [build.history("\n".join(ENROLLED.split("\n")[:n]), f"b{n}") for n in range(2, 8)]
    shown = str(judge("device-enrollment", _renumber([event for events in different for event in events])))
    assert shown.endswith("other failures: b5, b6, b7")


def test_diagrams_of_ten_thousand_arrows_are_judged_or_refused(build: Any) -> None:
    beat = "Device->>Gateway: Heartbeat\nGateway->>Device: HeartbeatAcknowledgment\n"
    flow = load_text("sequenceDiagram\n" + beat * 5_000, "long")
    events = build.history(beat)
    many = [replace(events[n % 2], n=n, at=n * 0.01) for n in range(10_000)]
    assert judge(flow, many).ok
    assert not judge(flow, many[:-1]).ok
    deep = "sequenceDiagram\n" + beat + ("Note over Device: within 5s\nopt\n" + beat + "end\n") * 2_500
    with pytest.raises(UsageError, match="too ambiguous"):
        judge(load_text(deep, "deep"), many)


def test_a_history_without_the_flow_does_not_follow_it() -> None:
    verdict = judge("device-enrollment", [])
    assert not verdict.ok
    assert str(verdict).splitlines()[1].startswith("  the first expected arrow: Device->>Gateway: TlsConnected")


def test_applications_are_judged_on_each_device(build: Any) -> None:
    """An event without a device concerns all of them; a patch of some devices' statuses concerns those."""
    flow = load_text(
        "sequenceDiagram\n"
        "User->>Kubernetes: POST Application\n"
        "ApplicationController->>Gateway: DeployApplication\n"
        "Gateway->>Kubernetes: PATCH Application (status.deviceStatuses.{device}.state = running)\n"
        "ApplicationController->>Kubernetes: PATCH Application (status.phase = Running)\n",
        "small",
    )
    asked = "ApplicationController->>Gateway: DeployApplication"
    runs = "Gateway->>Kubernetes: PATCH Application (status.deviceStatuses.{device}.state = running)"
    events = [
        *build.history("User->>Kubernetes: POST Application"),
        *build.history(asked, "board-1"),
        *build.history(asked, "board-2"),
        *build.history(runs, "board-2"),
        *build.history(runs, "board-1"),
        *build.history("ApplicationController->>Kubernetes: PATCH Application (status.phase = Running)"),
    ]
    verdict = judge(flow, _renumber(events))
    assert verdict.ok
    assert str(verdict) == "1 application on 2 devices followed it"
    assert [str(item.instance) for item in verdict.instances] == ["blink on board-1", "blink on board-2"]
    both = dict(events[3].data) | {
        "status": {"deviceStatuses": {"board-1": {"state": "running"}, "board-2": {"state": "running"}}}
    }
    assert judge(flow, _renumber([*events[:3], replace(events[3], data=both), events[5]])).ok
    stranger = [*events[:4], *events[5:]]
    verdict = judge(flow, _renumber(stranger))
    assert [str(failure.instance) for failure in verdict.failures] == ["blink on board-1"]
    assert str(verdict).startswith("1 application on 2 devices: 1 of 2 did not follow it")


def test_an_application_flow_may_ask_for_the_devices_own_events(build: Any) -> None:
    flow = load_text(
        "sequenceDiagram\nDevice->>Gateway: Heartbeat\nGateway->>Device: Deploy\nDevice->>Gateway: Heartbeat\n", "mixed"
    )
    beat, deploy = "Device->>Gateway: Heartbeat", "Gateway->>Device: Deploy"
    other = build.history(beat, "board-9")
    assert judge(flow, _renumber([*build.history(beat), *other, *build.history(deploy), *build.history(beat)])).ok
    assert not judge(flow, _renumber([*build.history(beat), *build.history(deploy), *other])).ok


def test_an_application_without_a_device_is_one_instance(build: Any) -> None:
    events = build.history(ANNOUNCED)[:4]
    failed = build.history(
        "ApplicationController->>Kubernetes: PATCH Application (status.phase = Failed, status.error)"
    )
    verdict = judge("deployment-failure", _renumber([*events, *failed]))
    assert verdict.ok
    assert str(verdict.instances[0].instance) == "blink on no device"


def test_a_status_request_for_all_applications_is_about_the_device(build: Any) -> None:
    flow = load_text("sequenceDiagram\nGateway->>Device: Stop\nGateway->>Device: ApplicationStatusRequest\n", "ask")
    stop = build.history("Gateway->>Device: Stop")
    (ask,) = build.history("Gateway->>Device: ApplicationStatusRequest")
    ask = replace(ask, data={"device": "board-1"}, correlation="board-1")
    assert judge(flow, _renumber([*stop, ask])).ok


def test_refused_requests_are_nobodys_business_unless_asked_for(build: Any) -> None:
    beats = build.history(
        "Device->>Gateway: Heartbeat\nGateway->>Kubernetes: PATCH Device (code = 409, status.phase = Failed)"
    )
    accepted = build.history("Gateway->>Kubernetes: PATCH Device (code = 200, status.phase = Connected)")
    events = _renumber([*beats, *accepted])
    plain = (
        "sequenceDiagram\nDevice->>Gateway: Heartbeat\nGateway->>Kubernetes: PATCH Device (status.phase = Connected)\n"
    )
    assert judge(load_text(plain, "plain"), events).ok
    asking = plain + "loop\nGateway->>Kubernetes: PATCH Device (code = 409)\nend\n"
    assert not judge(load_text(asking, "asking"), events).ok
    lines = plain.splitlines()
    asking = "\n".join([*lines[:2], "Gateway->>Kubernetes: PATCH Device (code = 409)", lines[2]])
    assert judge(load_text(asking, "asking"), events).ok


def test_a_pending_sequence_judges_nothing() -> None:
    with pytest.raises(UsageError, match="cannot be judged yet: the PX4 bridge is not built yet"):
        judge("px4-communication", [])


def test_only_messages_are_judged(build: Any) -> None:
    events = build.history(ENROLLED + CONNECTED)
    odd = replace(events[0], kind=Kind.FAULT)
    assert judge("device-enrollment", _renumber([odd, *events])).ok


# bad input


def test_events_out_of_order_are_no_history(build: Any) -> None:
    events = build.history(ENROLLED)
    swapped = [*events[:3], events[4], events[3], *events[5:]]
    with pytest.raises(UsageError, match=r"event 3 at 0\.030 s comes after event 4 at 0\.040 s"):
        judge("device-enrollment", swapped)
    back = [replace(event, at=event.at - 5) if event.n > 5 else event for event in events]
    with pytest.raises(UsageError, match="comes after event 5"):
        judge("device-enrollment", back)
    with pytest.raises(UsageError, match="event 2 at"):
        judge("device-enrollment", [*events[:3], *events[2:]])
    with pytest.raises(UsageError, match="event 3 at nan s"):
        judge("device-enrollment", [*events[:3], replace(events[3], at=math.nan), *events[4:]])


def test_data_of_another_shape_than_the_diagram_asks_for_is_no_crash(build: Any) -> None:
    arrow = "Gateway->>Kubernetes: PATCH Application (status.deviceStatuses.{device}.state = running)"
    (event,) = build.history(arrow)
    flow = load_text(f"sequenceDiagram\n{arrow}\n", "one")
    for statuses in (5, [], None, {"board-1": None}, {"board-1": {"state": ["stopped"]}}):
        verdict = judge(flow, [replace(event, data={"status": {"deviceStatuses": statuses}})])
        assert not verdict.ok
        assert str(verdict)


@pytest.mark.parametrize(
    ("arrow", "data"),
    [("Device->>Gateway: Heartbeat", {"device": "board-2"}), ("Gateway->>Device: Deploy", {"applicationId": "other"})],
)
def test_an_event_with_two_correlations_is_refused(build: Any, arrow: str, data: dict[str, str]) -> None:
    flow = load_text(f"sequenceDiagram\n{arrow}\n", "one")
    (event,) = build.history(arrow)
    with pytest.raises(UsageError, match="has two correlations"):
        judge(flow, [replace(event, data=data)])


def test_participants_and_events_that_nobody_knows_are_remarked(build: Any) -> None:
    events = build.history(ENROLLED + CONNECTED)
    strange = replace(events[0], source="Gatway", target="Device", name="EnrollmentResponse")
    nameless = replace(events[0], correlation="", data={})
    verdict = judge("device-enrollment", _renumber([strange, nameless, *events]))
    assert verdict.ok
    assert verdict.remarks == (
        "left out, because they name no device or application: TlsConnected",
        "unknown participants: Gatway",
    )
    assert "note: unknown participants: Gatway" in str(verdict)


def test_a_hundred_thousand_events_over_a_thousand_devices(build: Any) -> None:
    """As many as the oracle promises to take in its stride; the time is measured by the benchmarks."""
    device = build.history(ENROLLED + CONNECTED + BEATS * 17)
    assert len(device) >= 99
    boards = [f"b{number}" for number in range(1000)]
    events = []
    for event in device:
        own = "device" in event.data
        for board in boards:
            data = {**event.data, "device": board} if own else event.data
            key = (event.source, event.target, event.name)
            events.append(Event(event.at, len(events), event.kind, *key, data, board))
    flow = load("device-enrollment")
    verdict = judge(flow, events)
    assert verdict.ok
    assert len(verdict.instances) == 1000
    broken = [event for event in events if not (event.correlation == "b77" and event.name == "POST Device")]
    assert [str(item.instance) for item in judge(flow, broken).failures] == ["b77"]


def test_a_gateway_that_answered_before_the_device_was_registered() -> None:
    """A real history, of a gateway that was broken for it; the picture in the documentation is its verdict."""
    events, trouble = read_history(Path(__file__).parent / "histories" / "answered-too-soon.jsonl")
    assert not trouble
    (failure,) = judge("device-enrollment", events).failures
    assert failure.finding is not None
    assert failure.finding.mismatch is Mismatch.MISPLACED
    assert failure.finding.text.startswith("EnrollmentResponse came too early")
    assert judge("connection-establishment", events).ok


def test_the_field_by_which_a_write_differs_is_named(build: Any) -> None:
    """A wrong word of a device about itself is the device's, not that of the gateway that writes it down."""
    told = CONNECTED.replace("status.health = healthy", "status.health = degraded")
    verdict = judge("device-enrollment", build.history(ENROLLED + told))
    assert verdict.differing_field() == "health"
    assert judge("device-enrollment", build.history(ENROLLED + CONNECTED)).differing_field() == ""
    early = ENROLLED.replace(
        "    Gateway->>Device: EnrollmentResponse (deviceId, gatewayName, heartbeatInterval = 30s)\n", ""
    )
    assert judge("device-enrollment", build.history(early + CONNECTED)).differing_field() == ""
