"""Verdicts: the first line, the party, and what a failed body adds."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.core.errors import ProductFailure, UsageError
from harness.invariants import Judgement, exchanges, find_violations, judge
from harness.reporting.verdict import Verdict, notes_of
from harness.stack.hosted import HostedStack
from tests.invariants.histories import EXAMPLES
from tests.invariants.story import START, Story


def wrong_time() -> Story:
    story = Story()
    EXAMPLES["gateway time"].breaks(story)
    return story


def accused(error: BaseException, story: Story) -> None:
    HostedStack.accuse(cast(HostedStack, SimpleNamespace(stack=SimpleNamespace(history=story.history))), error)


def test_the_first_line_convicts_and_names_the_events() -> None:
    with pytest.raises(ProductFailure) as caught:
        judge(wrong_time().history)
    first = str(caught.value).partition("\n")[0]
    assert first.startswith("invariants: convicts gateway: gateway time: the gateway told pump-1 the time 1800000000;")
    assert "(event " in first
    assert caught.value.party == "gateway"


def test_a_verdict_keeps_the_party() -> None:
    verdict: Any = Verdict("test", "title")
    with pytest.raises(ProductFailure) as caught:
        judge(wrong_time().history)
    verdict.take(caught.value)
    assert (verdict.blame, verdict.party) == ("product", "gateway")


def test_a_body_that_fails_is_told_whom_its_record_convicts() -> None:
    error = AssertionError("assert 3 == 1")
    accused(error, wrong_time())
    assert notes_of(error)[0].startswith("convicts gateway: gateway time")
    verdict: Any = Verdict("test", "title")
    verdict.take(error)
    assert verdict.party == "gateway"
    assert "convicts gateway" in verdict.message


@pytest.mark.parametrize("concluded", ["", "product", "application controller"])
def test_a_broken_invariant_outweighs_what_a_wait_concluded(concluded: str) -> None:
    error = ProductFailure("did not reach phase=Running within 10 s", party=concluded)
    accused(error, wrong_time())
    assert error.party == "gateway"


def test_a_mistake_of_the_caller_convicts_nobody() -> None:
    error = UsageError("unknown option")
    accused(error, wrong_time())
    assert notes_of(error) == []


def test_what_a_test_sends_by_hand_convicts_nobody_but_a_gateway_that_takes_it() -> None:
    story = Story()
    story.note("peer connected", "pump-1", address="127.0.0.1:10001")
    story.gateway_up()
    story.connects()
    story.sends_bytes("Device", "EnrollmentAcknowledgment", bytes.fromhex("830101820300"))
    assert {str(violation.party) for violation in find_violations(story.history)} == {"gateway"}


def test_what_a_mock_gateway_does_convicts_nobody() -> None:
    story = Story()
    story.gateway_up()
    story.connects()
    story.responds(mock="Gateway")
    assert find_violations(story.history) == []


def test_an_answer_to_a_request_that_is_forgotten_convicts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay notes what a device sends before the gateway has read it: more may wait than is remembered."""
    monkeypatch.setattr(exchanges, "MOST", 3)
    for ids, expected in (([3, 4, 5, 6, 7], []), ([3, 3], ["gateway replies"]), ([99], ["gateway replies"])):
        story = Story()
        story.enrolls()
        for number in range(3, 8 if len(ids) == 5 else 5):
            story.beats(number, answered=False)
        for number in ids:
            story.gateway("HeartbeatAcknowledgment", messageId=number, gatewayTime=int(START * 1000))
        assert [rule for rule in story.broken() if rule == "gateway replies"] == expected


def test_the_end_of_a_link_whose_device_does_not_read_may_be_unseen() -> None:
    """A relay that waits for a device sees nothing of the gateway until the device reads: not that it has ended the
    link either. What it sends afterwards shows that it has not."""
    gave_up, still_there = Story(), Story()
    for story in (gave_up, still_there):
        story.enrolls()
        story.device("Unread")
    still_there.beats(number=3)
    for story in (gave_up, still_there):
        story.becomes_disconnected()
        story.writes("Gateway", "PATCH Gateway", "gateway-1", status={"connectedDevices": 0})
    assert gave_up.broken() == []
    assert still_there.broken() == ["live devices stay connected", "connected devices"]


def test_what_boards_have_seen_is_judged_link_by_link_and_not_against_the_cluster() -> None:
    """Where the gateway's side of the links is not recorded, no invariant compares the cluster with links; a gateway
    that serves before it accepts is convicted by what its board has seen."""
    story = Story()
    story.gateway_up(seenBy="board")
    story.writes("Gateway", "POST Device", "pump-1", code=201)
    story.writes("Gateway", "PATCH Gateway", "gateway-1", status={"connectedDevices": 5})
    assert story.broken() == []
    story.device("TlsConnected", seenBy="board")
    story.gateway("HeartbeatAcknowledgment", seenBy="board", messageId=1)
    assert story.broken() == ["gateway turns", "gateway replies"]
    judgement = Judgement()
    for event in story.history:
        judgement.see(event)
    assert judgement.left_out.startswith("the links are recorded as their boards see them: ")
    assert "connected devices" in judgement.left_out
    assert "gateway turns" not in judgement.left_out
