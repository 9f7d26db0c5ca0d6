"""Histories are compared by messages and phases, independent of kinds of boards and times."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from harness.core.errors import ProductFailure
from harness.core.history import Event, Kind
from harness.testing.compare import difference, require_alike, story


class Scene:
    """Make a history of one device and one application."""

    def __init__(self, device: str, number: int, at: float = 0.0) -> None:
        self.device, self.at, self.events = device, at, list[Event]()
        self.id = f"{number:08}-0000-4000-8000-000000000000"

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def add(self, kind: Kind, source: str, target: str, name: str, about: str | None = None, **data: Any) -> Scene:
        self.at += 0.25
        self.events.append(Event(self.at, len(self.events), kind, source, target, name, data, about or self.device))
        return self

    def up(self, name: str, about: str | None = None, **data: Any) -> Scene:
        return self.add(Kind.MESSAGE, "Device", "Gateway", name, about, device=self.device, **data)

    def down(self, name: str, about: str | None = None, **data: Any) -> Scene:
        return self.add(Kind.MESSAGE, "Gateway", "Device", name, about, device=self.device, **data)

    def phase(self, kind: str, phase: str | None, about: str | None = None) -> Scene:
        change = "modified" if phase else "deleted"
        return self.add(Kind.STATE, "Kubernetes", "", kind, about, change=change, status={"phase": phase})

    def enrolled(self, beats: int = 1, **request: Any) -> Scene:
        self.up("TlsConnected", version="TLSv1.3", certificate={"serial": self.id}, address=f"127.0.0.1:{self.at}")
        self.up("EnrollmentRequest", messageId=1, **{"capabilities": ["tls"], "mcuType": self.device, **request})
        self.phase("Device", "Enrolling").phase("Device", "Enrolled")
        self.down("EnrollmentResponse", messageId=1, deviceId=self.id, gatewayEndpoint=f"127.0.0.1:{self.at}")
        self.up("EnrollmentAcknowledgment", deviceId=self.id, messageId=1, frame=self.id, frameSize=len(str(self.at)))
        for number in range(beats):
            self.up("Heartbeat", deviceId=self.id, deviceTime=self.at, metrics={"x": self.at}, messageId=number)
            self.down("HeartbeatAcknowledgment", gatewayTime=self.at, messageId=number)
        return self.phase("Device", "Connected")

    def deployed(self, application: str, phase: str = "Running") -> Scene:
        self.add(Kind.MESSAGE, "User", "Kubernetes", "CREATE Application", application)
        token = f"(secret {self.id})"
        self.add(Kind.MESSAGE, "ApplicationController", "Gateway", "DeployApplication", application, token=token)
        self.down("Deploy", application, applicationId=application, size=10)
        self.up("DeploymentResult", application, applicationId=application, ok=True, metrics={"fuel_used": self.at})
        return self.phase("Application", "Deploying", application).phase("Application", phase, application)


def test_the_same_story_of_other_boards_at_another_time_is_the_same() -> None:
    first = Scene("virtual-1", 17).enrolled(beats=1).deployed("hello-1")
    second = Scene("mps2-an385-1", 4711, at=99.0).enrolled(beats=3).deployed("other")
    assert difference(first, second) == ""
    require_alike(first, second)
    lines = story(first)
    assert "device 1, phases:" in lines
    assert "device 1, Device to Gateway:" in lines
    assert '    EnrollmentAcknowledgment {"deviceId": "id 1"}' in lines
    assert '    Deploy on device 1 {"applicationId": "application 1", "size": 10}' in lines
    for secret in ("virtual-1", "hello-1", "00000017", "127.0.0.1"):
        assert secret not in json.dumps(lines)


def test_messages_that_cross_are_not_a_difference() -> None:
    first = Scene("a", 1).up("Heartbeat").down("Stop").up("StopResult")
    second = Scene("b", 2).down("Stop").up("Heartbeat").up("StopResult")
    assert difference(first, second) == ""


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        (Scene("b", 2).enrolled().deployed("app", "Failed"), ["-    Running", "+    Failed"]),
        (Scene("b", 2).enrolled(capabilities=["tls", "wasm"]).deployed("app"), ['+    EnrollmentRequest {"capabil']),
        (Scene("b", 2).enrolled(csr="aa").deployed("app"), ['"csr": "..."']),
        (Scene("b", 2).enrolled().deployed("app").up("Error", code="PROTOCOL_ERROR"), ["+    Error", "PROTOCOL_ERROR"]),
        (Scene("b", 2).enrolled(), ["-application 1, phases:"]),
        (Scene("b", 2).enrolled().deployed("app").phase("Application", None, "app"), ["+    deleted"]),
        (
            Scene("b", 2).enrolled().add(Kind.FAULT, "Device", "", "Crash", cause="panic").deployed("app"),
            ["+    Crash"],
        ),
        (Scene("b", 2).enrolled().enrolled().deployed("app"), ["+    TlsConnected"]),
    ],
)
def test_a_difference_is_shown(other: Scene, shown: list[str]) -> None:
    first = Scene("a", 1).enrolled().deployed("app")
    with pytest.raises(ProductFailure) as caught:
        require_alike(first, other, ("virtual", "qemu"))
    text = str(caught.value)
    assert "--- virtual" in text
    assert "+++ qemu" in text
    for words in shown:
        assert words in text


def test_another_id_on_the_way_is_a_difference() -> None:
    first = Scene("a", 1).enrolled().up("Heartbeat").up("TlsConnected").up("Heartbeat", deviceId=Scene("a", 1).id)
    second = Scene("a", 1).enrolled().up("Heartbeat").up("TlsConnected").up("Heartbeat", deviceId=Scene("a", 2).id)
    assert '+    Heartbeat {"deviceId": "id 2"}' in difference(first, second)


def transferred(chunks: Iterable[int], acknowledged: Iterable[int] = (), *, size: int = 40) -> Scene:
    """A module of ten bytes a chunk, as much of it as passed, and a stop."""
    scene = Scene("a", 1).enrolled().down("Deploy", "app", size=size, chunkSize=10)
    for index in chunks:
        scene.down("ModuleChunk", "app", index=index)
    for index in acknowledged:
        scene.up("ChunkAcknowledgment", "app", index=index)
    return scene.down("Stop", "app").up("DeploymentResult", "app", code="CANCELLED")


def test_how_far_a_transfer_came_before_it_was_broken_off_is_a_matter_of_time() -> None:
    assert difference(transferred([]), transferred([0, 1, 2], [0, 1])) == ""
    assert '"chunks": "broken off"' in "\n".join(story(transferred([0])))


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        (transferred(range(4), range(4)), '"chunks": "broken off"'),
        (transferred([0, 2]), "+    ModuleChunk"),
        (transferred([0, 1, 1]), "+    ModuleChunk"),
        (transferred([0, 1], [1]), "+    ChunkAcknowledgment"),
        (transferred([0], size=50), '"size": 50'),
        (transferred([0]).down("Stop", "app", reason="again"), "+    Stop"),
    ],
)
def test_what_is_wrong_with_a_transfer_is_a_difference(other: Scene, shown: str) -> None:
    """One that came to its end, chunks that were left out, sent twice, or acknowledged out of order."""
    assert shown in difference(transferred([0, 1]), other)


def test_chunks_of_a_whole_transfer_are_compared() -> None:
    assert "ChunkAcknowledgment" in difference(transferred(range(4), range(4)), transferred(range(4), range(3)))


def ending(*phases: str) -> Scene:
    scene = Scene("a", 1).enrolled().deployed("app", "Deployed")
    for phase in phases:
        scene.phase("Application", phase, "app")
    scene.add(Kind.NOTE, "Harness", "", "stack stopping", "")
    return scene.phase("Application", "Unknown", "app")


def test_what_was_under_way_at_the_end_of_a_test_is_a_matter_of_time() -> None:
    assert difference(ending(), ending("Running")) == ""
    assert difference(ending("Running"), ending()) == ""


@pytest.mark.parametrize(("one", "two"), [((), ("Running", "Stopping")), (("Running",), ("Failed",)), ((), ())])
def test_other_phases_are_a_difference(one: tuple[str, ...], two: tuple[str, ...]) -> None:
    """Two of them, another one, and a resource that is gone."""
    other = ending(*two)
    if not two:
        other = Scene("a", 1).enrolled().deployed("app", "Deployed").phase("Application", None, "app")
        other.add(Kind.NOTE, "Harness", "", "stack stopping", "")
    assert difference(ending(*one), other) != ""


def test_empty_histories_are_alike() -> None:
    assert story([]) == []
    assert difference([], []) == ""


def test_devices_may_come_in_any_order_and_links_have_any_names() -> None:
    """One gateway counts its links for ever, the other one begins again after a restart."""

    def history(order: list[str], links: list[str]) -> list[Event]:
        events: list[Event] = []
        names = iter(links)
        for device in (*order, *order):
            scene = Scene(device, len(device))
            link = next(names)
            scene.up("TlsConnected", certificate=device == "a", link=link).down(
                "Error", link=link, retryAfter=len(link)
            )
            events += scene.events
        return events

    first = history(["a", "bb"], ["g/1", "g/2", "g/3", "g/4"])
    assert difference(first, history(["bb", "a"], ["g/1", "g/2", "g/1", "g/2"])) == ""
    assert difference(first, history(["a", "bb"], ["g/1", "g/2", "g/3", "g/4"])[:-1]) != ""


def test_devices_of_one_application_take_turns_in_any_order() -> None:
    """Their messages have an order on each device only; the mark of a secret has a key of its run."""

    def history(order: list[str], secret: str) -> list[Event]:
        scenes = {device: Scene(device, 1) for device in ("a", "bb")}
        for device in order:
            scenes[device].down("Deploy", "app", applicationId="app", environment={"TOKEN": f"(secret {secret})"})
        return [event for device in order for event in scenes[device].events]

    assert difference(history(["a", "bb"], "12"), history(["bb", "a"], "34")) == ""


def test_how_often_a_controller_asked_for_a_device_that_was_away_is_a_matter_of_time() -> None:
    """An order that was answered 404 has brought nothing about. What the gateway did, or did not, is compared."""
    order = (Kind.MESSAGE, "ApplicationController", "Gateway", "StopApplication", "app")
    once, twice, deaf = (Scene("meter", 1).enrolled().deployed("app") for _ in range(3))
    twice.add(*order, device="meter", code=404)
    for scene in (once, twice):
        scene.add(*order, device="meter", code=202).down("Stop", "app", applicationId="app")
    assert not difference(once, twice)
    deaf.add(*order, device="meter", code=404)
    assert "-    Stop on device meter" in difference(once, deaf)


def test_that_a_device_did_not_read_for_a_moment_is_not_compared() -> None:
    assert not difference(Scene("meter", 1).enrolled(), Scene("meter", 1).enrolled().up("Unread"))


def test_what_may_have_crossed_the_gateways_end_of_a_link_is_not_compared() -> None:
    """It is where the gateway has answered it, or where the device has ended the link."""

    def paired(*, says: bool, by: str, answered: bool = False) -> Scene:
        scene = Scene("meter", 1).up("TlsConnected", link="g/1").up("EnrollmentRequest", link="g/1")
        scene.down("EnrollmentResponse", link="g/1")
        if says:
            scene.up("EnrollmentAcknowledgment", link="g/1")
        if answered:
            scene.down("Error", link="g/1", code="PROTOCOL_ERROR")
        ends = ("Gateway", "Device") if by == "Gateway" else ("Device", "Gateway")
        return scene.add(Kind.MESSAGE, *ends, "ConnectionClosed", link="g/1", device="meter")

    assert not difference(paired(says=True, by="Gateway"), paired(says=False, by="Gateway"))
    assert difference(paired(says=True, by="Device"), paired(says=False, by="Device"))
    assert difference(paired(says=True, by="Gateway", answered=True), paired(says=False, by="Gateway", answered=True))


def test_whether_a_controller_looked_while_a_device_was_away_is_a_matter_of_time() -> None:
    """It is not where the Device stays away, or the Application has Failed for another reason."""

    def deployed(*phases: str, error: str = "meter: the device does not exist") -> Scene:
        scene = Scene("meter", 1).enrolled().deployed("app")
        for phase in phases:
            status = {"phase": phase, "error": error if phase in ("Failed", "Unknown") else None}
            scene.add(Kind.STATE, "Kubernetes", "", "Application", "app", change="modified", status=status)
        return scene

    assert not difference(deployed("Failed", "Deploying", "Running"), deployed("Deploying", "Running"))
    away = "meter: the device is not connected"
    assert not difference(deployed("Unknown", "Running", error=away), deployed())
    assert difference(deployed("Failed"), deployed())
    assert difference(deployed("Failed", "Deploying", error="meter: TRAP"), deployed("Deploying"))
