"""A wait that times out names the party that had to act."""

from collections.abc import Callable

import pytest

from harness.invariants import Party
from harness.invariants.absence import missing_from_application, missing_from_device
from tests.invariants.story import ID, Story

TURNS: dict[str, tuple[Callable[[Story], object], Party, str]] = {
    "handshake": (lambda s: s.note("power on", "pump-1"), Party.PRODUCT, "no handshake"),
    "request": (lambda s: s.connects(), Party.BOARD, "has not asked to enroll"),
    "enrolling": (lambda s: s.asks(), Party.GATEWAY, "is Enrolling"),
    "judged": (
        lambda s: s.writes_status("Gateway", "Device", "pump-1", phase="Enrolling"),
        Party.DEVICE_CONTROLLER,
        "has not judged",
    ),
    "response": (
        lambda s: s.writes_status("DeviceController", "Device", "pump-1", phase="Enrolled"),
        Party.GATEWAY,
        "has not answered pump-1's enrollment request",
    ),
    "acknowledgment": (lambda s: s.responds(), Party.BOARD, "has not acknowledged"),
    "heartbeat": (
        lambda s: s.device("EnrollmentAcknowledgment", messageId=1, deviceId=ID),
        Party.BOARD,
        "has not sent a heartbeat",
    ),
    "answer": (lambda s: s.beats(answered=False), Party.GATEWAY, "has not answered pump-1's heartbeat"),
    "connected": (lambda s: s.gateway("HeartbeatAcknowledgment", messageId=2), Party.GATEWAY, "is Connected"),
}


@pytest.mark.parametrize("step", TURNS)
def test_the_party_whose_turn_it_was_in_an_enrollment(step: str) -> None:
    story = Story()
    for name, (play, party, said) in TURNS.items():
        play(story)
        if name == step:
            found = missing_from_device(story.history, "pump-1")
            assert found is not None
            assert (found.party, said in found.message) == (party, True), str(found)
            return


def test_a_device_that_is_connected_lacks_nothing() -> None:
    story = Story()
    story.enrolls()
    assert missing_from_device(story.history, "pump-1") is None


def test_a_refusal_is_told_and_convicts_nobody() -> None:
    story = Story()
    story.connects()
    story.asks()
    story.gateway("Error", messageId=1, code="ENROLLMENT_FAILED", message="unknown device type")
    story.closes("Gateway")
    found = missing_from_device(story.history, "pump-1")
    assert found is not None
    assert str(found).startswith(
        "the record does not show which part is at fault: the gateway refused: ENROLLMENT_FAILED"
    )


DEPLOYMENT: dict[str, tuple[Callable[[Story], object], Party, str]] = {
    "asked": (lambda s: s.specifies(), Party.APPLICATION_CONTROLLER, "has not asked to deploy"),
    "begun": (lambda s: s.is_asked_to_deploy(), Party.GATEWAY, "has not begun"),
    "chunks": (lambda s: s.deploys(), Party.GATEWAY, "0 of 2 chunks"),
    "acknowledged": (lambda s: s.chunk(0, 11, acknowledged=False), Party.BOARD, "has not acknowledged chunk 0"),
    "rest": (
        lambda s: s.device("ChunkAcknowledgment", "app", applicationId="app", index=0, messageId=11),
        Party.GATEWAY,
        "1 of 2 chunks",
    ),
    "answer": (lambda s: s.chunk(1, 12), Party.BOARD, "has not answered"),
    "written": (lambda s: s.answers(), Party.GATEWAY, "has not written that"),
    "runs": (lambda s: s.writes_entry(state="deployed"), Party.BOARD, "has not said that app runs"),
    "running": (lambda s: s.device("ApplicationStatus", "app", state="running"), Party.GATEWAY, "has not written that"),
    "phase": (lambda s: s.writes_entry(state="running"), Party.APPLICATION_CONTROLLER, "what has become of app"),
}


@pytest.mark.parametrize("step", DEPLOYMENT)
def test_the_party_whose_turn_it_was_in_a_deployment(step: str) -> None:
    story = Story()
    story.enrolls()
    for name, (play, party, said) in DEPLOYMENT.items():
        play(story)
        if name == step:
            found = missing_from_application(story.history, "app", ["pump-1"])
            assert found is not None
            assert (found.party, said in found.message) == (party, True), str(found)
            return


def test_a_device_that_refuses_a_transfer_convicts_the_gateway_that_writes_nothing() -> None:
    """The chunk that it answered with an error is not one that it never acknowledged."""
    story = Story()
    story.enrolls()
    story.specifies()
    story.is_asked_to_deploy()
    story.deploys()
    story.chunk(0, 11, acknowledged=False)
    story.device("Error", messageId=11, code="NOT_ENOUGH_MEMORY", message="no room")
    found = missing_from_application(story.history, "app", ["pump-1"])
    assert found is not None
    assert (found.party, found.is_answered, "NOT_ENOUGH_MEMORY" in found.message) == (Party.GATEWAY, True, True)
    story.writes("Gateway", "PATCH Application", "app", status={"deviceStatuses": {"pump-1": {"state": "failed"}}})
    found = missing_from_application(story.history, "app", ["pump-1"])
    assert found is None or not found.is_answered


def test_a_stop_that_the_device_does_not_answer_convicts_it() -> None:
    story = Story()
    story.runs()
    story.state("Application", "app", spec={"stopped": True})
    story.is_asked_to_stop()
    story.gateway("Stop", "app", messageId=30, applicationId="app")
    found = missing_from_application(story.history, "app", ["pump-1"])
    assert found is not None
    assert found.convicts == "board pump-1"


def test_a_record_that_stood_still_speaks_against_it() -> None:
    story = Story()
    story.connects()
    story.later(5)
    found = missing_from_device([*story.history], "pump-1")
    assert found is not None
    assert not found.against
    story.device("UnreadableFrame", reason="?")
    found = missing_from_device([*story.history], "pump-1")
    assert found is not None
    assert "nothing was recorded for 5.0 s" in found.against
