"""Nothing runs after its Application is deleted or stopped: histories that break it, and others that nearly do."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from harness.core.clock import ManualClock
from harness.core.history import History, Kind
from harness.invariants import find_violations
from harness.invariants.unwanted import CHUNKS

RULE = "nothing runs after its Application is deleted or stopped"


class Story:
    """The history of application ``app`` on device ``pump-1``."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.history = History(self.clock)
        self._message("Device", "Gateway", "TlsConnected", about="pump-1", certificate={"subject": "CN=pump-1"})
        self.exists()

    def _message(self, source: str, target: str, name: str, about: str = "app", **data: Any) -> None:
        self.history.record(Kind.MESSAGE, source, target, name, {"device": "pump-1", **data}, about)

    def state(self, change: str, **data: Any) -> None:
        self.history.record(
            Kind.STATE, "Kubernetes", "", "Application", {"change": change, "name": "app", **data}, "app"
        )

    def exists(self) -> None:
        self.state("added", spec={"stopped": False})

    def deleted(self) -> None:
        self.state("deleted")

    def stopped_by_the_user(self) -> None:
        self.state("modified", spec={"stopped": True})

    def asked_to_deploy(self) -> None:
        self._message("ApplicationController", "Gateway", "DeployApplication")

    def asked_to_stop(self) -> None:
        self._message("ApplicationController", "Gateway", "StopApplication")

    def learned_that_it_is_gone(self) -> None:
        self.history.record(
            Kind.MESSAGE, "Gateway", "Kubernetes", "PATCH Application",
            {"code": 404, "status": {"deviceStatuses": {"pump-1": {"state": "running"}}}}, "app",
        )  # fmt: skip

    def says_that_it_did_not_answer(self) -> None:
        entry = {"state": "error", "code": "CONNECTION_LOST"}
        self.history.record(
            Kind.MESSAGE, "Gateway", "Kubernetes", "PATCH Application",
            {"code": 200, "status": {"deviceStatuses": {"pump-1": entry}}}, "app",
        )  # fmt: skip

    def stood_still(self, seconds: float) -> None:
        self.history.note("resume gateway", gateway="gateway-1", seconds=seconds)

    def announced(self) -> None:
        self._message("Gateway", "Device", "Deploy")

    def chunks(self, count: int = 1) -> None:
        for index in range(count):
            self._message("Gateway", "Device", "ModuleChunk", index=index)

    def deploy(self, chunks: int = 3) -> None:
        self.asked_to_deploy()
        self.announced()
        self.chunks(chunks)

    def answered(self, *, ok: bool = True) -> None:
        self._message("Device", "Gateway", "DeploymentResult", ok=ok)

    def stop(self) -> None:
        self._message("Gateway", "Device", "Stop")

    def confirmed(self) -> None:
        self._message("Device", "Gateway", "StopResult", ok=True)

    def runs(self) -> None:
        self._message("Device", "Gateway", "ApplicationStatus", state="running")

    def beat(self, **applications: str) -> None:
        self._message("Device", "Gateway", "Heartbeat", about="pump-1", applications=applications)

    def reconnected(self) -> None:
        self._message("Device", "Gateway", "TlsConnected", about="pump-1", certificate={"subject": "CN=pump-1"})

    def later(self, seconds: float) -> None:
        asyncio.run(self.clock.advance(seconds))

    def broken(self) -> list[str]:
        return [violation.message for violation in find_violations(self.history) if violation.rule == RULE]


Tale = Callable[[Story], object]


def as_it_was_once(story: Story) -> None:
    """900 KB to a slow board: the stop waits until they are over, and the module runs when its Application is gone."""
    story.deploy(20)
    story.asked_to_stop()
    story.chunks(60)
    story.later(30)
    story.deleted()
    story.chunks(140)
    story.later(76)
    story.answered()
    story.runs()
    story.stop()
    story.confirmed()


def sent_after_the_stop(story: Story) -> None:
    story.deploy()
    story.stop()
    story.chunks(1)


def sent_from_the_queue(story: Story) -> None:
    story.asked_to_deploy()
    story.asked_to_stop()
    story.announced()


def sent_although_it_is_gone(story: Story) -> None:
    story.deploy()
    story.deleted()
    story.learned_that_it_is_gone()
    story.chunks(CHUNKS + 1)


def runs_after_its_own_word(story: Story) -> None:
    story.deploy()
    story.answered()
    story.asked_to_stop()
    story.stop()
    story.confirmed()
    story.beat(app="running")


def started_after_its_own_word(story: Story) -> None:
    story.deploy()
    story.asked_to_stop()
    story.stop()
    story.confirmed()
    story.answered()


def forgotten(story: Story) -> None:
    story.deploy()
    story.answered()
    story.deleted()
    for _ in range(7):
        story.later(10)
        story.beat(app="running")


def forgotten_after_a_stop(story: Story) -> None:
    story.deploy()
    story.answered()
    story.stopped_by_the_user()
    story.later(61)
    story.runs()


@pytest.mark.parametrize(
    ("tale", "words"),
    [
        (as_it_was_once, "more than 8 chunks of app went to pump-1 after its gateway was asked to stop"),
        (sent_after_the_stop, "a chunk of app was sent to pump-1 after its Stop"),
        (sent_from_the_queue, "app was sent to pump-1 after its gateway was asked to stop it"),
        (sent_although_it_is_gone, "more than 8 chunks"),
        (runs_after_its_own_word, "app runs on pump-1, which had stopped it"),
        (started_after_its_own_word, "app runs on pump-1, which had stopped it"),
        (forgotten, "app runs on pump-1 70 s after it was deleted or stopped"),
        (forgotten_after_a_stop, "app runs on pump-1 61 s after"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_runs_unwanted_is_found_once(tale: Tale, words: str) -> None:
    story = Story()
    tale(story)
    (found,) = story.broken()
    assert words in found


def cancelled_in_time(story: Story) -> None:
    story.deploy()
    story.asked_to_stop()
    story.chunks(CHUNKS)
    story.stop()
    story.answered(ok=False)
    story.confirmed()
    story.deleted()


def started_just_before(story: Story) -> None:
    """The stop and the last chunk crossed: the module ran until the device came to the stop."""
    story.deploy()
    story.asked_to_stop()
    story.stop()
    story.answered()
    story.runs()
    story.confirmed()
    story.beat()


def deployed_again(story: Story) -> None:
    story.deploy()
    story.asked_to_stop()
    story.stop()
    story.confirmed()
    story.deploy(100)
    story.answered()
    story.beat(app="running")


def replaced_by_another(story: Story) -> None:
    """The gateway cancels what it sends in favour of a newer request, by itself."""
    story.deploy()
    story.asked_to_deploy()
    story.stop()
    story.confirmed()
    story.announced()
    story.chunks(100)
    story.answered()
    story.runs()


def started_again_by_the_user(story: Story) -> None:
    story.deploy()
    story.stopped_by_the_user()
    story.state("modified", spec={"stopped": False})
    story.later(100)
    story.runs()


def away_when_it_was_deleted(story: Story) -> None:
    story.deploy()
    story.answered()
    story.deleted()
    story.later(1000)
    story.reconnected()
    story.beat(app="running")
    story.learned_that_it_is_gone()
    story.later(50)
    story.beat(app="running")
    story.stop()
    story.confirmed()


def broke_on_the_way(story: Story) -> None:
    story.deploy()
    story.answered()
    story.deleted()
    story.later(59)
    story.history.record(Kind.FAULT, "Harness", "Gateway", "partition", {}, "")
    story.later(59)
    story.beat(app="running")


def receives_still(story: Story) -> None:
    story.deploy()
    story.deleted()
    story.later(100)
    story.beat(app="receiving", other="running")


def made_anew(story: Story) -> None:
    story.deploy()
    story.answered()
    story.deleted()
    story.exists()
    story.learned_that_it_is_gone()
    story.chunks(100)
    story.later(100)
    story.beat(app="running")


def made_anew_and_recorded_late(story: Story) -> None:
    """The state of the new one comes to the record when it runs already."""
    story.deleted()
    story.later(100)
    story.history.record(Kind.MESSAGE, "User", "Kubernetes", "POST Application", {"code": 201, "spec": {}}, "app")
    story.deploy()
    story.answered()
    story.runs()
    story.exists()


@pytest.mark.parametrize(
    "tale",
    [
        cancelled_in_time,
        started_just_before,
        deployed_again,
        replaced_by_another,
        started_again_by_the_user,
        away_when_it_was_deleted,
        broke_on_the_way,
        receives_still,
        made_anew,
        made_anew_and_recorded_late,
    ],
    ids=lambda tale: tale.__name__,
)
def test_what_is_stopped_in_time_is_none(tale: Tale) -> None:
    story = Story()
    tale(story)
    assert story.broken() == []


@pytest.mark.parametrize(
    ("what", "party"),
    [("its Stop was lost with its link", "gateway"), ("its gateway has said so", "application controller")],
)
def test_who_forgot_a_stop_that_did_not_arrive(what: str, party: str) -> None:
    story = Story()
    story.deploy()
    story.answered()
    story.stopped_by_the_user()
    story.asked_to_stop()
    story.stop()
    if party == "application controller":
        story.says_that_it_did_not_answer()
    story.reconnected()
    story.later(61)
    story.runs()
    (found,) = [each for each in find_violations(story.history) if each.rule == RULE]
    assert found.convicts == party


def test_a_deployment_that_a_gateway_took_before_it_stood_still_may_go_out_after_a_stop() -> None:
    """The record has an order when it is sent; a gateway that stands still reads it later."""
    story = Story()
    story.asked_to_deploy()
    story.later(5)
    story.asked_to_stop()
    story.stood_still(10)
    story.announced()
    assert story.broken() == []
