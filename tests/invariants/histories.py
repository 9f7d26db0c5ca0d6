"""For each invariant a history that breaks it and one that nearly does. The docs show the verdicts on the first."""

from __future__ import annotations

from collections.abc import Mapping

import cbor2

from harness.invariants import Party
from tests.invariants.assignment_histories import ASSIGNMENTS
from tests.invariants.device_histories import DEVICES
from tests.invariants.outage_histories import OUTAGES
from tests.invariants.pace_histories import PACES
from tests.invariants.report_histories import REPORTS
from tests.invariants.story import (
    METRICS,
    SESSION,
    START,
    Example,
    all,
    application_becomes,
    attempts,
    changes_spec,
    counts_retries,
    deploys_again,
    enrolled,
    example,
    observes,
    observes_spec,
    publishes,
    refuses_after,
    registered,
    reports_use,
    running,
    stop_frame,
    uncertified,
    writes_output,
)

EXAMPLES: Mapping[str, Example] = {
    **ASSIGNMENTS,
    **DEVICES,
    **PACES,
    **OUTAGES,
    **REPORTS,
    "frames keep the contract": example(
        Party.GATEWAY,
        all(
            enrolled, lambda s: s.sends_bytes("Gateway", "Stop", stop_frame(b"\x00"), about="app", applicationId="app")
        ),
        all(
            enrolled,
            lambda s: s.sends_bytes("Gateway", "Stop", cbor2.dumps([1, 1, [6, {0: "app", 9: 1}]]), about="app"),
        ),
    ),
    "device turns": example(
        Party.BOARD,
        all(lambda s: s.gateway_up(), lambda s: s.connects(), lambda s: s.device("DeviceInfo", memory=1)),
        all(
            enrolled,
            lambda s: s.gateway("DeviceInfoRequest", messageId=9),
            lambda s: s.device("DeviceInfo", messageId=9),
        ),
    ),
    "gateway turns": example(
        Party.GATEWAY,
        all(
            lambda s: s.gateway_up(),
            lambda s: s.connects(),
            lambda s: s.asks(),
            lambda s: s.gateway("Error", messageId=1, code="CERTIFICATE_INVALID"),
            lambda s: s.responds(),
        ),
        all(
            enrolled,
            lambda s: s.gateway("Error", messageId=3, code="PROTOCOL_ERROR"),
            lambda s: s.gateway("DeviceInfoRequest", messageId=9),
        ),
    ),
    "nothing after the end of a link": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.closes(), lambda s: s.gateway("DeviceInfoRequest", messageId=9)),
        all(enrolled, lambda s: s.gateway("DeviceInfoRequest", messageId=9), lambda s: s.closes()),
    ),
    "one session a device": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.connects(link=2), lambda s: s.beats(9, link=2)),
        all(enrolled, lambda s: s.closes(), lambda s: s.connects(link=2), lambda s: s.beats(9, link=2)),
    ),
    "gateway replies": example(
        Party.GATEWAY,
        all(
            enrolled,
            lambda s: s.beats(3, answered=False),
            lambda s: s.gateway("HeartbeatAcknowledgment", messageId=4, gatewayTime=int(START * 1000)),
        ),
        all(
            enrolled,
            lambda s: s.beats(3, answered=False),
            lambda s: s.beats(4),
            lambda s: s.gateway("HeartbeatAcknowledgment", messageId=3, gatewayTime=int(START * 1000)),
        ),
    ),
    "device replies": example(
        Party.BOARD,
        all(
            enrolled,
            lambda s: s.gateway("Stop", "app", messageId=8, applicationId="app"),
            lambda s: s.device("StopResult", "app", messageId=9, applicationId="app", ok=True),
        ),
        all(
            enrolled,
            lambda s: s.gateway("Stop", "one", messageId=8, applicationId="one"),
            lambda s: s.gateway("Stop", "two", messageId=9, applicationId="two"),
            lambda s: s.device("StopResult", "two", messageId=9, applicationId="two", ok=True),
            lambda s: s.device("StopResult", "one", messageId=8, applicationId="one", ok=True),
        ),
    ),
    "fresh device ids": example(
        Party.BOARD,
        all(enrolled, lambda s: s.beats(2, answered=False)),
        all(
            enrolled,
            lambda s: s.gateway("ApplicationStatusRequest", messageId=9),
            lambda s: s.device("ApplicationStatus", "app", messageId=9, applicationId="app"),
            lambda s: s.device("ApplicationStatus", "app", messageId=9, applicationId="app"),
            lambda s: s.closes(),
            lambda s: s.connects(link=2),
            lambda s: s.beats(2, link=2),
        ),
    ),
    "fresh gateway ids": example(
        Party.GATEWAY,
        all(
            enrolled,
            lambda s: s.gateway("Stop", "one", messageId=8, applicationId="one"),
            lambda s: s.gateway("DeviceInfoRequest", messageId=8),
        ),
        all(
            enrolled,
            lambda s: s.gateway("Stop", "one", messageId=2, applicationId="one"),
            lambda s: s.gateway("DeviceInfoRequest", messageId=3),
        ),
    ),
    "replays are refused": example(
        Party.GATEWAY,
        all(
            enrolled,
            lambda s: s.device("RuntimeFault", "app", messageId=5, applicationId="app"),
            lambda s: s.gateway("Error", messageId=5, code="REPLAYED_MESSAGE"),
        ),
        all(
            lambda s: s.note("peer connected", "pump-1", address="127.0.0.1:10001"),
            enrolled,
            lambda s: s.beats(2, answered=False),
            lambda s: s.gateway("Error", messageId=2, code="REPLAYED_MESSAGE"),
        ),
    ),
    "transfers": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.is_asked_to_deploy(), lambda s: s.deploys(), lambda s: s.chunk(1, 11)),
        all(
            enrolled,
            lambda s: s.is_asked_to_deploy(),
            lambda s: s.deploys(),
            lambda s: s.chunk(0, 11, acknowledged=False),
            lambda s: s.chunk(1, 12, acknowledged=False),
            lambda s: s.chunk(0, 13),
        ),
    ),
    "deploy as asked": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.is_asked_to_deploy(), lambda s: s.deploys(entry="main")),
        all(enrolled, lambda s: s.is_asked_to_deploy(), lambda s: s.deploys()),
    ),
    "nothing is deployed twice": example(
        Party.GATEWAY,
        all(running, lambda s: s.is_asked_to_deploy(), lambda s: s.deploys(number=40)),
        all(running, lambda s: s.stops(), lambda s: s.is_asked_to_deploy(), lambda s: s.deploys(number=40)),
    ),
    "asked as specified": example(
        Party.APPLICATION_CONTROLLER,
        all(enrolled, lambda s: s.specifies(fuel=5), lambda s: s.is_asked_to_deploy()),
        all(enrolled, lambda s: s.specifies(fuel=5), lambda s: s.is_asked_to_deploy(generation=0)),
    ),
    "no lost deployment": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.is_asked_to_deploy(), lambda s: s.later(61)),
        all(enrolled, lambda s: s.is_asked_to_deploy(), lambda s: s.is_asked_to_stop(), lambda s: s.later(61)),
    ),
    "states are reported": example(
        Party.GATEWAY,
        all(
            running,
            lambda s: s.is_asked_to_stop(),
            lambda s: s.gateway("Stop", "app", messageId=30, applicationId="app"),
            lambda s: s.writes_entry(state="stopped"),
        ),
        all(running, lambda s: s.stops(), lambda s: s.writes_entry(state="stopped")),
    ),
    "outputs of this run": example(  # the first write after a deployment may have been under way before it
        Party.GATEWAY,
        all(running, publishes, deploys_again, writes_output, writes_output),
        all(running, publishes, writes_output, deploys_again, writes_output),
    ),
    "stops are awaited": example(
        Party.APPLICATION_CONTROLLER,
        all(running, lambda s: s.is_asked_to_stop(), lambda s: s.state("Application", "app", "deleted")),
        all(running, lambda s: s.stops(), lambda s: s.state("Application", "app", "deleted")),
    ),
    "phases add up": example(
        Party.APPLICATION_CONTROLLER,
        lambda s: application_becomes(s, "Running", running=1),
        lambda s: application_becomes(s, "PartiallyRunning", running=1),
    ),
    "nothing runs after its Application is deleted or stopped": example(
        Party.BOARD,
        all(running, lambda s: s.stops(), lambda s: s.beats(40, applications={"app": "running"})),
        all(running, lambda s: s.beats(40, applications={"app": "running"}), lambda s: s.stops()),
    ),
    "connected devices": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.writes("Gateway", "PATCH Gateway", "gateway-1", status={"connectedDevices": 2})),
        all(enrolled, lambda s: s.writes("Gateway", "PATCH Gateway", "gateway-1", status={"connectedDevices": 1})),
    ),
    "live gateways are online": example(
        Party.GATEWAY_CONTROLLER,
        all(
            enrolled,
            lambda s: s.state("Gateway", "gateway-1", "added", status={"phase": "Pending"}),
            lambda s: s.writes_status(
                "Gateway", "Gateway", "gateway-1", phase="Online", lastSeen="now", lastSeenIntervalMilliseconds=5000
            ),
            lambda s: s.later(6),
            lambda s: s.writes_status(
                "GatewayController", "Gateway", "gateway-1", phase="Offline", error="3 beats of 5 s missed"
            ),
        ),
        all(
            enrolled,
            lambda s: s.state("Gateway", "gateway-1", "added", status={"phase": "Pending"}),
            lambda s: s.writes_status(
                "Gateway", "Gateway", "gateway-1", phase="Online", lastSeen="now", lastSeenIntervalMilliseconds=5000
            ),
            lambda s: s.later(15),
            lambda s: s.writes_status(
                "GatewayController", "Gateway", "gateway-1", phase="Offline", error="3 beats of 5 s missed"
            ),
        ),
    ),
    "sessions are listed": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.closes(), lambda s: observes(s, SESSION, **METRICS)),
        all(enrolled, lambda s: observes(s, SESSION, **METRICS)),
    ),
    "metrics count": example(
        Party.GATEWAY,
        all(enrolled, lambda s: observes(s, SESSION, **{**METRICS, "Heartbeat": 7})),
        all(enrolled, lambda s: observes(s, SESSION, **METRICS)),
    ),
    "gauges agree": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.later(2), lambda s: observes(s, SESSION, **METRICS)),
        all(enrolled, lambda s: s.later(2), lambda s: observes(s, SESSION, connected=1, **METRICS)),
    ),
    "writes are valid": example(
        Party.DEVICE_CONTROLLER,
        lambda s: s.writes("DeviceController", "PATCH Device", "pump-1", 422),
        all(
            lambda s: s.writes("DeviceController", "PATCH Device", "pump-1", 409),
            lambda s: s.writes("User", "POST Application", "app", 422),
        ),
    ),
    "orders are taken": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.refuses(404)),
        all(enrolled, lambda s: s.refuses(429), lambda s: s.refuses(401, token="(secret 9)")),
    ),
    "stops are asked once": example(
        Party.APPLICATION_CONTROLLER,
        all(running, lambda s: s.is_asked_to_stop(), lambda s: s.is_asked_to_stop()),
        all(running, lambda s: s.is_asked_to_stop(), lambda s: s.refuses(429), lambda s: s.is_asked_to_stop()),
    ),
    "pauses grow": example(
        Party.APPLICATION_CONTROLLER,
        all(enrolled, lambda s: refuses_after(s, 0.3, 0.3, 0.3)),
        all(enrolled, lambda s: refuses_after(s, 0.15, 0.3, 0.5)),
    ),
    "attempts are counted": example(
        Party.APPLICATION_CONTROLLER,
        all(lambda s: attempts(s, 1, 1)),
        all(lambda s: attempts(s, 1, 2)),
    ),
    "retries are counted": example(
        Party.APPLICATION_CONTROLLER,
        all(lambda s: attempts(s, 1, 2), lambda s: counts_retries(s, 2)),
        all(lambda s: attempts(s, 1, 2), lambda s: counts_retries(s, 1)),
    ),
    "leases run out": example(
        Party.MANAGER,
        all(lambda s: s.leases("one"), lambda s: s.later(5), lambda s: s.leases("two")),
        all(
            lambda s: s.leases("one"),
            lambda s: s.later(16),
            lambda s: s.leases("two"),
            lambda s: s.leases(""),
            lambda s: s.leases("one"),
        ),
    ),
    "leases of others are not renewed": example(
        Party.MANAGER,
        all(lambda s: s.leases("one"), lambda s: s.leases("else", "Client"), lambda s: s.leases("else")),
        all(lambda s: s.leases("one"), lambda s: s.leases("", "Client"), lambda s: s.leases("one")),
    ),
    "generations are observed": example(
        Party.DEVICE_CONTROLLER,
        all(enrolled, lambda s: changes_spec(s, 2), lambda s: s.later(21)),
        all(enrolled, lambda s: changes_spec(s, 2), lambda s: observes_spec(s, 2), lambda s: s.later(21)),
    ),
    "signed requests": example(
        Party.BOARD,
        all(lambda s: s.gateway_up(), uncertified, lambda s: s.asks_to_be_certified(damaged=True)),
        all(lambda s: s.gateway_up(), uncertified, lambda s: s.asks_to_be_certified()),
    ),
    "issued certificates": example(
        Party.GATEWAY,
        all(lambda s: s.gateway_up(), uncertified, lambda s: s.asks_to_be_certified(), lambda s: s.responds()),
        all(
            lambda s: s.gateway_up(),
            lambda s: s.connects(),
            lambda s: s.asks(csr="3081", pairingToken="(secret 2)"),
            lambda s: s.responds(),
        ),
    ),
    "own proof": example(
        Party.BOARD,
        all(
            lambda s: s.gateway_up(),
            lambda s: s.note("pairing token issued", "pump-1", token="(secret 2)"),
            uncertified,
            lambda s: s.asks(csr="3081", pairingToken="(secret 3)"),
        ),
        all(
            lambda s: s.gateway_up(),
            lambda s: s.note("pairing token issued", "pump-1", token="(secret 2)"),
            uncertified,
            lambda s: s.asks(csr="3081", pairingToken="(secret 2)"),
        ),
    ),
    "gateways name themselves": example(
        Party.GATEWAY,
        all(
            registered,
            lambda s: s.responds(gatewayName="gateway-2", gatewayEndpoint="10.0.0.1:4433"),
        ),
        all(
            registered,
            lambda s: s.responds(gatewayName="gateway-1", gatewayEndpoint="10.0.0.1:4433"),
        ),
    ),
    "one description": example(
        Party.BOARD,
        all(
            lambda s: s.gateway_up(),
            lambda s: s.connects(),
            lambda s: s.asks(architecture="riscv32", largestModule=65536),
            lambda s: s.device("DeviceInfo", architecture="riscv32", largestModule=65535),
        ),
        all(
            enrolled,
            lambda s: s.gateway("DeviceInfoRequest", messageId=9),
            lambda s: s.device("DeviceInfo", messageId=9, architecture="riscv32"),
        ),
    ),
    "heartbeats agree": example(
        Party.BOARD,
        all(running, lambda s: s.beats(3, metrics={"applications_running": 2}, applications={"app": "running"})),
        all(running, lambda s: s.beats(3, metrics={"applications_running": 1}, applications={"app": "running"})),
    ),
    "use within limits": example(
        Party.BOARD,
        all(running, lambda s: reports_use(s, memory_bytes=65537)),
        all(running, lambda s: reports_use(s, memory_bytes=65536)),
    ),
    "applications do not survive a reset": example(
        Party.BOARD,
        all(
            running,
            lambda s: s.fault("reset", "pump-1"),
            lambda s: s.closes(),
            lambda s: s.connects(link=2),
            lambda s: s.beats(3, link=2, applications={"app": "running"}),
        ),
        all(
            running,
            lambda s: s.fault("cut link", "pump-1"),
            lambda s: s.closes(),
            lambda s: s.connects(link=2),
            lambda s: s.beats(3, link=2, applications={"app": "running"}),
        ),
    ),
    "failed deployments do not run": example(
        Party.BOARD,
        all(
            enrolled,
            lambda s: s.is_asked_to_deploy(),
            lambda s: s.deploys(),
            lambda s: s.answers(ok=False),
            lambda s: s.beats(40, applications={"app": "running"}),
        ),
        all(
            enrolled,
            lambda s: s.is_asked_to_deploy(),
            lambda s: s.deploys(),
            lambda s: s.answers(ok=False),
            lambda s: s.beats(40, applications={"app": "failed"}),
        ),
    ),
}
"""By the invariant's name."""
