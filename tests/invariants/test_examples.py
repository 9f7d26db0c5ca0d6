"""Each invariant is broken by the history that it is about, by the right party, and not by one that nearly is."""

import inspect
from base64 import b64encode

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.core.history import Kind
from harness.invariants import RULES
from harness.wasmbed.pki.authority import Authority
from tests.invariants.assignment_histories import comes_back, is_sent_away
from tests.invariants.histories import EXAMPLES
from tests.invariants.pace_histories import beats_unwritten, writes_heartbeats
from tests.invariants.report_histories import in_virtual_time, prints
from tests.invariants.story import (
    ID,
    OTHER_ID,
    START,
    Story,
    attempts,
    counts_retries,
    deploys_again,
    moment,
    publishes,
    registered,
)


@pytest.mark.parametrize("name", RULES)
def test_a_history_that_breaks_it_convicts_the_party(name: str) -> None:
    story, example = Story(), EXAMPLES[name]
    example.breaks(story)
    found = [violation for violation in story.violations() if violation.rule == name]
    assert [violation.party for violation in found][:1] == [example.party]
    assert str(found[0]).startswith(f"convicts {example.party}")


@pytest.mark.parametrize("name", RULES)
def test_a_history_that_nearly_breaks_it_breaks_nothing(name: str) -> None:
    story = Story()
    EXAMPLES[name].nearly(story)
    assert [str(violation) for violation in story.violations()] == []


def test_a_stop_that_comes_late_is_judged_by_what_was_said_before_it() -> None:
    """The device was deployed to again before the change to Stopped came."""
    story = Story()
    story.runs()
    story.stops()
    story.writes("ApplicationController", "PATCH Application", "app", status={"phase": "Stopped"})
    story.is_asked_to_deploy()
    story.deploys(number=31)
    story.chunk(0, 32)
    story.chunk(1, 33)
    story.answers(31)
    story.state("Application", "app", status={"phase": "Stopped"})
    assert "stops are awaited" not in [violation.rule for violation in story.violations()]


def test_outputs_of_an_earlier_run_may_be_written_late_by_entries_that_say_so() -> None:
    """The API server was away meanwhile: python -m benchmarks.clean --seed 6000051 --recipe applications."""
    story = Story()
    story.runs()
    publishes(story)
    earlier = moment(story.clock.now())
    story.later(6)
    deploys_again(story)
    output = [{"topic": "t", "payload": "1", "encoding": "text"}]
    story.writes_entry(state="receiving", output=[], updated=earlier)
    story.writes_entry(state="running", output=output, updated=earlier)
    story.writes_entry(state="receiving", output=[], updated=moment(story.clock.now()))
    assert "outputs of this run" not in [violation.rule for violation in story.violations()]
    story.writes_entry(state="running", output=output, updated=moment(story.clock.now()))
    assert "outputs of this run" in [violation.rule for violation in story.violations()]


def test_a_device_that_is_back_after_stopped_was_written_was_out_of_reach() -> None:
    """It says that it runs before the change to Stopped comes."""
    story = Story()
    story.runs()
    story.becomes_disconnected()
    story.writes("ApplicationController", "PATCH Application", "app", status={"phase": "Stopped"})
    story.becomes_connected()
    story.state("Application", "app", status={"phase": "Stopped"})
    assert "stops are awaited" not in story.broken()


def test_a_device_that_is_back_before_its_application_is_gone_was_out_of_reach() -> None:
    """When Stopped was written. The gateway stops what the device says that it runs."""
    story = Story()
    story.runs()
    story.becomes_disconnected()
    story.writes_status("ApplicationController", "Application", "app", phase="Stopped")
    story.becomes_connected()
    story.device("ApplicationStatus", "app", applicationId="app", state="running", messageId=21)
    story.writes("ApplicationController", "PATCH Application", "app", metadata={"finalizers": []})
    story.state("Application", "app", "deleted")
    assert "stops are awaited" not in story.broken()


def test_a_loss_that_is_written_when_the_device_is_back_belongs_to_the_session_before() -> None:
    story = Story()
    story.enrolls()
    story.closes()
    story.connects(link=2)
    story.beats(link=2)
    story.becomes_disconnected()
    assert [violation.rule for violation in story.violations()] == []


def test_writes_that_are_recorded_late_show_nothing_about_their_pace() -> None:
    story = Story()
    story.note("stack started", cluster="kubeconfig", boards="virtual")
    EXAMPLES["applications rest between writes"].breaks(story)
    assert "applications rest between writes" not in [violation.rule for violation in story.violations()]


def test_a_gateway_that_ends_gives_no_rest() -> None:
    story = Story()
    story.gateway_up(restPerDevice=0.5)
    story.specifies()
    entries = {f"pump-{number}": {"state": "running"} for number in range(1000)}
    story.writes_status("ApplicationController", "Application", "app", deviceStatuses=entries)
    story.note("gateway down", gateway="gateway-1")
    for _ in range(2):
        story.writes("Gateway", "PATCH Application", "app", subresource="status", status={"metrics": {}})
    assert "applications rest between writes" not in story.broken()


def test_entries_that_another_party_removed_give_no_rest() -> None:
    """The change of the resource comes after the gateway's next write."""
    story = Story()
    story.gateway_up(restPerDevice=0.5)
    story.specifies()
    entries = {f"pump-{number}": {"state": "running"} for number in range(1000)}
    story.writes_status("ApplicationController", "Application", "app", deviceStatuses=entries)
    for status in ({"metrics": {}}, {"deviceStatuses": dict.fromkeys(entries)}, {"metrics": {}}, {"metrics": {}}):
        source = "ApplicationController" if "deviceStatuses" in status else "Gateway"
        story.writes(source, "PATCH Application", "app", subresource="status", status=status)
    assert "applications rest between writes" not in story.broken()


def test_retries_of_a_device_that_enrolls_again_do_not_count_meanwhile() -> None:
    story = Story()
    attempts(story, 1, 2, 3)
    story.state("Device", "pump-1", status={"phase": "Enrolling"})
    counts_retries(story, 0)
    assert "retries are counted" not in story.broken()


def test_retries_of_a_device_that_left_by_its_labels_do_not_count() -> None:
    """It keeps its entry for a while, and the device that is the target now has none yet."""
    story = Story()
    story.specifies()
    attempts(story, 1, 2, 3)
    story.state("Device", "pump-1", metadata={"labels": {"site": "cellar"}})
    counts_retries(story, 0)
    assert "retries are counted" not in story.broken()


@pytest.mark.parametrize("waits", [False, True])
def test_an_enrollment_request_that_waits_for_its_turn_is_not_late(waits: bool) -> None:
    """Enrollments under way are bounded, and first come, first served."""
    story = Story()
    in_virtual_time(story)
    story.gateway_up()
    if waits:
        story.connects("pump-2", link=2)
        story.asks("pump-2", link=2)
        story.writes("Gateway", "POST Device", "pump-2", 201)
    story.connects()
    story.asks()
    story.later(1.5)
    story.gateway("Error", messageId=1, code="DUPLICATE_DEVICE", retryAfter=1000)
    assert ("gateways are prompt" in story.broken()) is not waits


def test_retries_of_an_entry_that_is_removed_leave_with_it() -> None:
    """In the write that removes it, while the attempt that it notes counts in the next."""
    story = Story()
    story.specifies()
    for number in (1, 2):
        record = {"deployment": {"revision": "r", "attempts": number}}
        entries = {"pump-1": record, "pump-2": record}
        story.writes_status("ApplicationController", "Application", "app", deviceStatuses=entries)
    counts_retries(story, 2)
    entries = {"pump-1": None, "pump-2": {"deployment": {"revision": "r", "attempts": 3}}}
    told = {"statistics": {"target": 1}, "retryCount": 1, "deviceStatuses": entries}
    story.writes_status("ApplicationController", "Application", "app", **told)
    assert "retries are counted" not in story.broken()


@pytest.mark.parametrize("shown", [True, False])
def test_a_board_waits_for_an_error_that_its_console_shows(shown: bool) -> None:
    story = Story()
    story.enrolls()
    story.gateway("Error", messageId=3, code="GATEWAY_DRAINING", retryAfter=1000)
    lines = ["error from gateway: GATEWAY_DRAINING: the gateway is shutting down"] * shown + ["link: down: closed"]
    for text in lines:
        story.history.record(Kind.CONSOLE, "Device", "", "Console", {"board": "pump-1", "text": text}, "pump-1")
    story.closes("Gateway")
    story.connects(link=2)
    assert ("devices wait to retry" in story.broken()) is shown


def test_a_lease_that_was_given_back_without_an_answer_may_be_taken() -> None:
    """The managed fields of what the next holder replaces are later than the last write on record."""
    story = Story()
    story.leases("one")
    story.later(5)
    given_back = {"manager": "ControllerManager", "operation": "Update", "time": moment(story.clock.now() - 1)}
    story.writes(
        "ControllerManager",
        "PUT Lease",
        "wasmbed-controllers",
        metadata={"managedFields": [given_back]},
        spec={"holderIdentity": "two", "leaseDurationSeconds": 15},
    )
    assert [violation.rule for violation in story.violations()] == []


@pytest.mark.parametrize("given", [False, True], ids=["of its own", "given a wrong clock"])
def test_a_gateway_whose_clock_a_test_sets_tells_what_that_says(given: bool) -> None:
    """The clock goes back where the test ends what it did."""
    story, told = Story(), int(START * 1000)
    if given:
        story.fault("clock is wrong")
    story.enrolls()
    for number, time in ((3, told + 18_000), (4, told)):
        story.beats(number, answered=False)
        story.gateway("HeartbeatAcknowledgment", messageId=number, gatewayTime=time)
        story.later(1)
    assert ("gateway time" in [violation.rule for violation in story.violations()]) is not given


@pytest.mark.parametrize(("late", "stands_still"), [("heartbeat", True), ("answer", False)])
def test_a_gateway_reads_its_clock_after_the_heartbeat_and_may_be_late_to_answer(late: str, stands_still: bool) -> None:
    """The same time twice: in answers to heartbeats that came apart, and in answers that came apart."""
    story, told = Story(), int(START * 1000)
    story.enrolls()
    story.beats(3, answered=False)
    story.gateway("HeartbeatAcknowledgment", messageId=3, gatewayTime=told)
    if late == "heartbeat":
        story.later(1)
    story.beats(4, answered=False)
    if late == "answer":
        story.later(1)
    story.gateway("HeartbeatAcknowledgment", messageId=4, gatewayTime=told)
    assert ("gateway time" in [violation.rule for violation in story.violations()]) is stands_still


def test_silence_counts_from_the_heartbeat_and_not_from_its_answer() -> None:
    """The machine stood still between the gateway's look at its clock and the answer."""
    story = Story()
    story.enrolls()
    story.later(0.5)
    story.beats(3, answered=False)
    story.later(0.5)
    story.gateway("HeartbeatAcknowledgment", messageId=3, gatewayTime=int(story.clock.now() * 1000) - 500)
    story.later(2.5)
    story.closes("Gateway", reason="3 heartbeats missed")
    assert [violation.rule for violation in story.violations()] == []


@pytest.mark.parametrize("asks", ["before", "after"])
def test_behind_a_relay_what_was_asked_before_a_shutdown_may_be_answered(asks: str) -> None:
    """It reads two links in any order. A request after the device got the shutdown's word cannot be answered."""
    story = Story()
    story.enrolls()
    story.device("TlsConnected", device="pump-2", link=2, address="127.0.0.1:2", relayed="127.0.0.1:3", certificate={})
    if asks == "before":
        story.asks("pump-2", 2)
    story.gateway("Error", messageId=70, code="GATEWAY_DRAINING", retryAfter=500)
    if asks == "after":
        story.asks("pump-2", 2)
    story.responds("pump-2", 2, deviceId=OTHER_ID)
    rules = [violation.rule for violation in story.violations()]
    assert ("draining gateways take no device" in rules) is (asks == "after")


@pytest.mark.parametrize("claims", [True, False])
def test_a_device_that_its_test_lets_claim_less_describes_itself_alike(claims: bool) -> None:
    story = Story()
    if claims:
        story.note("claims", "pump-1", capabilities=["tls", "cbor"])
    story.gateway_up()
    story.connects()
    story.asks(capabilities=["tls", "cbor"])
    story.responds()
    story.beats()
    rules = [violation.rule for violation in story.violations()]
    assert ("one description" in rules) is not claims


@pytest.mark.parametrize("goes_on", [True, False])
def test_behind_a_relay_an_order_is_refused_wrongly_if_the_session_goes_on(goes_on: bool) -> None:
    """The relay sees the end of a session, and what was sent before it, after the gateway."""
    story = Story()
    story.enrolls()
    story.closes()
    story.device("TlsConnected", link=2, address="127.0.0.1:2", relayed="127.0.0.1:3", certificate={})
    story.beats(5, link=2)
    story.beats(6, link=2, answered=False)
    story.refuses(404)
    story.gateway("HeartbeatAcknowledgment", link=2, messageId=6, gatewayTime=int(story.clock.now() * 1000))
    if goes_on:
        story.beats(7, link=2)
    story.closes(link=2)
    rules = [violation.rule for violation in story.violations()]
    assert ("orders are taken" in rules) is goes_on


@pytest.mark.parametrize(
    ("reassigned", "known", "right"), [(True, True, True), (None, True, False), (True, False, False)]
)
def test_a_gateway_may_name_another_one_that_is_on_record(reassigned: bool | None, known: bool, right: bool) -> None:
    story = Story()
    registered(story)
    if known:
        story.state("Gateway", "gateway-2", "added", spec={"endpoint": "10.0.0.2:4433"}, status={})
    story.responds(gatewayName="gateway-2", gatewayEndpoint="10.0.0.2:4433", reassigned=reassigned)
    assert ("gateways name themselves" not in [violation.rule for violation in story.violations()]) is right


def test_an_endpoint_that_was_written_counts_before_its_change_comes() -> None:
    story = Story()
    registered(story)
    story.writes("Gateway", "PATCH Gateway", "gateway-1", spec={"endpoint": "10.0.0.2:4433"})
    story.responds(gatewayName="gateway-1", gatewayEndpoint="10.0.0.2:4433")
    assert "gateways name themselves" not in [violation.rule for violation in story.violations()]


def test_a_spec_is_compared_once_the_gateways_write_is_in_it() -> None:
    """An older form of the Device may come after the write."""
    story = Story()
    story.enrolls()
    story.closes()
    story.writes("Gateway", "PATCH Device", "pump-1", spec={"firmwareVersion": "2"})
    story.state("Device", "pump-1", spec={"firmwareVersion": "1"}, status={"phase": "Disconnected"})
    story.connects(link=2)
    story.asks(link=2, firmwareVersion="2")
    story.responds(link=2)
    assert "spec follows the request" not in [violation.rule for violation in story.violations()]


@pytest.mark.parametrize("issuer", ["devices", "others", "damaged"])
def test_an_issued_certificate_is_the_authoritys(issuer: str) -> None:
    """Read from the frame, and verified by the certificate that the record has of the authority."""
    story = Story()
    authority = Authority.create("devices", story.clock)
    signer = authority if issuer != "others" else Authority.create("devices", story.clock)
    issued = signer.issue_device("pump-1", Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key())
    if issuer == "damaged":
        issued = issued[:-1] + bytes((issued[-1] ^ 1,))
    story.gateway_up(deviceAuthority={"der": b64encode(authority.certificate).decode()})
    story.device("TlsConnected", certificate=None)
    story.asks_to_be_certified()
    fields = {0: ID, 1: "gateway-1", 2: "10.0.0.1:4433", 3: 1000, 4: issued}
    payload = cbor2.dumps([1, 1, [1, fields]], canonical=True)
    told = {"gatewayName": "gateway-1", "gatewayEndpoint": "10.0.0.1:4433", "certificate": issued.hex()}
    story.responds(**told, frame=b64encode(payload).decode(), frameSize=len(payload))
    assert ("issued certificates" in story.broken()) is (issuer != "devices")


@pytest.mark.parametrize(
    ("sent", "is_broken"), [({"SITE": "(secret 1)"}, False), ({"SITE": "(secret 2)"}, True), (None, True)]
)
def test_the_environment_of_a_deployment_is_the_one_that_was_asked_for(sent: object, is_broken: bool) -> None:
    story = Story()
    story.enrolls()
    story.is_asked_to_deploy(environment={"SITE": "(secret 1)"})
    story.deploys(**({} if sent is None else {"environment": sent}))
    assert ("deploy as asked" in story.broken()) is is_broken


@pytest.mark.parametrize(("unit", "is_broken"), [(1000, False), (1, True)])
def test_a_devices_time_goes_on_in_milliseconds(unit: int, is_broken: bool) -> None:
    story = Story()
    story.gateway_up()
    story.connects()
    for number in range(3, 6):
        story.beats(number, deviceTime=int(unit * (story.clock.now() - START)))
        story.later(1)
    assert ("device time" in story.broken()) is is_broken


def test_every_invariant_has_a_sentence_and_a_source() -> None:
    assert len(RULES) >= 25
    assert set(EXAMPLES) == set(RULES)
    for name, rule in RULES.items():
        assert rule.sentence().endswith(".")
        assert rule.source
        assert rule.name == name
        assert inspect.getdoc(rule)


@pytest.mark.parametrize("name", ["boards beat", "live links are connected", "ended links are written"])
def test_a_machine_that_stood_still_excuses_what_came_late(name: str) -> None:
    story = Story()
    story.gets_late = lambda: story.note("stood still", seconds=2.0)
    EXAMPLES[name].breaks(story)
    assert name not in story.broken()


def test_a_deployment_that_was_refused_has_its_outcome() -> None:
    story = Story()
    story.enrolls()
    story.is_asked_to_deploy()
    story.refuses(429)
    story.later(61)
    assert "no lost deployment" not in story.broken()


def test_a_gateway_that_was_killed_writes_no_end_of_a_link() -> None:
    """Its links end when it does."""
    story = Story()
    story.enrolls()
    story.note("gateway down", gateway="gateway-1")
    story.closes()
    story.later(20)
    assert "ended links are written" not in story.broken()


@pytest.mark.parametrize("written", [True, False])
def test_a_gateway_that_begins_writes_that_devices_have_no_link(written: bool) -> None:
    """Those that its earlier process served, and that have not come back."""
    story = Story()
    story.enrolls()
    story.note("gateway down", gateway="gateway-1")
    story.closes()
    story.gateway_up()
    if written:
        story.becomes_disconnected()
    story.later(20)
    assert ("ended links are written" in story.broken()) is not written


@pytest.mark.parametrize("known", [True, False])
def test_a_fault_of_a_time_without_a_session_is_reported_afterwards(known: bool) -> None:
    """If the board knew that it had none: what it sends to a link that is dead is lost."""
    story = Story()
    in_virtual_time(story)
    story.enrolls()
    story.closes("Gateway")
    if known:
        prints(story, "[     1.000] link: next attempt in 1.00 s")
    prints(story, "[     1.500] app app: fault TRAP: unreachable")
    story.connects(link=2)
    prints(story, "[     2.000] link: up, TLSv1.3")
    story.beats(5, link=2)
    story.later(2)
    assert ("boards are prompt" in story.broken()) is known


@pytest.mark.parametrize("jitter", [43.0, 0.0])
def test_what_a_slow_link_holds_may_arrive_after_it_is_as_before(jitter: float) -> None:
    story = Story()
    story.note("stack started", boards="virtual")
    story.enrolls()
    story.history.record(Kind.FAULT, "Harness", "Device", "disturb link", {"jitter": jitter}, "pump-1")
    story.later(1)
    story.note("restore link", "pump-1")
    story.beats(40)
    story.later(3.5)
    story.closes("Gateway", reason="closed by the peer")
    assert ("boards beat" in story.broken()) is (jitter == 0)


def test_a_board_that_refuses_a_repeated_chunk_is_convicted() -> None:
    """The gateway repeats it because the acknowledgment was lost."""
    story = Story()
    story.enrolls()
    story.specifies()
    story.is_asked_to_deploy()
    story.deploys()
    story.chunk(0, 11, acknowledged=False)
    story.later(10)
    story.chunk(0, 12, acknowledged=False)
    story.answers(ok=False, code="BAD_CHUNK", error="chunk 0 came when 1 was due")
    assert [str(each.party) for each in story.violations() if each.rule == "transfers"] == ["board"]


@pytest.mark.parametrize("asked", [True, False])
def test_a_deployment_may_begin_before_the_stop_of_another_is_sent(asked: bool) -> None:
    """If the gateway was asked for that stop."""
    story = Story()
    story.enrolls()
    story.specifies()
    story.is_asked_to_deploy()
    story.deploys()
    story.chunk(0, 11, acknowledged=False)
    if asked:
        story.is_asked_to_stop()
    story.is_asked_to_deploy("other")
    story.deploys("other", number=30)
    assert ("transfers" in story.broken()) is not asked


def test_a_stop_counts_from_when_the_controller_may_know_of_the_session() -> None:
    """It has the session's beginning a little after the record has."""
    story = Story()
    story.runs()
    story.state("Device", "pump-1", status={"phase": "Disconnected"})
    story.is_asked_to_stop()
    story.later(0.05)
    story.state("Device", "pump-1", status={"phase": "Connected"})
    story.is_asked_to_stop()
    assert "stops are asked once" not in story.broken()
    story.later(0.2)
    story.is_asked_to_stop()
    story.is_asked_to_stop()
    assert "stops are asked once" in story.broken()


@pytest.mark.parametrize(
    "excuse",
    ["", "power on", "cut link", "gateway down", "stood still", "silent console", "emulator", "not served there"],
)
def test_an_assigned_device_may_come_elsewhere_with_a_reason(excuse: str) -> None:
    story = Story()
    is_sent_away(story, console=excuse != "silent console")
    match excuse:
        case "power on" | "cut link":
            story.fault(excuse, "pump-1")
        case "gateway down":
            story.note("gateway down", gateway="gateway-2")
        case "stood still":
            story.later(1)
            story.note("stood still", seconds=30.0)
        case "not served there":
            story.device("TlsConnected", link="gateway-2/1", certificate={})
            story.gateway("ConnectionClosed", link="gateway-2/1", reason="full")
        case "emulator":
            story.note("stack started", boards="qemu")
    comes_back(story)
    broken = "assigned devices go there" in [violation.rule for violation in story.violations()]
    assert broken is (excuse == "")


def test_a_device_that_its_home_serves_comes_there_again() -> None:
    """When that link ends, too; elsewhere only after it could not."""
    story = Story()
    is_sent_away(story)
    story.device("TlsConnected", link="gateway-2/1", certificate={})
    story.beats(3, link="gateway-2/1")
    story.closes(link="gateway-2/1")
    comes_back(story)
    assert "assigned devices go there" in [violation.rule for violation in story.violations()]


def test_a_heartbeat_that_says_nothing_new_is_written_seldom() -> None:
    story = Story()
    writes_heartbeats(story, 1, of="heartbeatWriteInterval")
    assert set(story.broken()) == {"heartbeats are summed up"}


def test_a_heartbeat_that_says_something_new_is_written_soon() -> None:
    story = Story()
    beats_unwritten(story, False, of="statusInterval")
    assert story.broken() == ["answered heartbeats are written"]


def test_a_heartbeat_that_says_something_new_is_written_at_any_time() -> None:
    story = Story()
    writes_heartbeats(story, 1, of="heartbeatWriteInterval", runtimeStatus="busy")
    assert "heartbeats are summed up" not in story.broken()
