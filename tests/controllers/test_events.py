"""Kubernetes Events of Devices, Applications, and Gateways."""

from __future__ import annotations

from typing import Any

import pytest

from harness.wasmbed.controllers import ControllerSettings
from harness.wasmbed.controllers.event_correlator import BURST, OBJECTS, REFILL, SIMILAR, EventCorrelator, Happening
from harness.wasmbed.controllers.manager import lease_of
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import ApiError, Object, Resource
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, EVENT
from tests.controllers.world import MODULE, Broken, World

TRAP = {"state": "error", "code": "TRAP", "error": "unreachable executed\n    at f0"}


async def events(world: World, kind: str, name: str) -> list[Object]:
    """The Events of an object, as ``kubectl describe`` finds them."""
    found = await world.api.list(EVENT, field_selector=f"involvedObject.kind={kind},involvedObject.name={name}")
    return sorted(found.items, key=lambda event: (event["firstTimestamp"], event["metadata"]["resourceVersion"]))


async def has(world: World, kind: str, name: str, reason: str, count: int = 1) -> Object:
    """Advance the clock until the object has this Event with this count."""

    async def found() -> Object | None:
        for event in await events(world, kind, name):
            if (event["reason"], event["count"]) == (reason, count):
                return event
        return None

    found_event = await world.until(found)
    assert found_event is not None
    return found_event


async def test_the_life_of_a_device_is_told(world: World) -> None:
    await world.manager()
    await world.device("edge-1", "Connected")
    await world.move("edge-1", "Disconnected")
    uid = (await world.get(DEVICE, "edge-1")).uid
    await has(world, "Device", "edge-1", "Disconnected")
    await world.api.delete(DEVICE, "edge-1")
    await has(world, "Device", "edge-1", "Deleted")
    told = await events(world, "Device", "edge-1")
    assert [(event["type"], event["reason"]) for event in told] == [
        ("Normal", "Enrolled"),
        ("Normal", "Connected"),
        ("Warning", "Disconnected"),
        ("Normal", "Deleted"),
    ]
    assert {event["involvedObject"]["uid"] for event in told} == {uid}
    assert told[1]["message"] == "connected to gateway gateway-1"
    assert told[2]["message"] == "connection to gateway gateway-1 lost"
    assert {event["source"]["component"] for event in told} == {"wasmbed-controllers"}


async def test_a_device_of_an_offline_gateway_is_told_why(world: World) -> None:
    await world.manager()
    await world.device("edge-1", "Connected")
    world.alive.discard("gateway-1")
    offline = await has(world, "Gateway", "gateway-1", "Offline")
    assert (offline["type"], offline["message"].partition(" since")[0]) == ("Warning", "no heartbeat received")
    assert (await has(world, "Device", "edge-1", "Disconnected"))["message"] == "gateway gateway-1 is offline"


async def test_an_invalid_key_is_told(world: World) -> None:
    await world.manager()
    await world.api.create(DEVICE, manifests.device("edge-1", public_key=b"\x02\x01\x05", device_type="mcu"))
    await world.move("edge-1", "Enrolling")
    assert "SubjectPublicKeyInfo" in (await has(world, "Device", "edge-1", "EnrollmentFailed"))["message"]


async def test_a_trap_is_told_with_its_device(world: World) -> None:
    world.gateways.answers["edge-2"] = ["receiving", "deployed", "running", TRAP]
    await world.manager()
    for name in ("edge-1", "edge-2"):
        await world.device(name, "Connected")
    await world.api.create(APPLICATION, manifests.application("app", module=MODULE, all_devices=True))
    event = await has(world, "Application", "app", "Faulted")
    assert (event["type"], event["message"]) == ("Warning", "edge-2: TRAP: unreachable executed")
    assert (event["related"]["kind"], event["related"]["name"]) == ("Device", "edge-2")
    partly = await has(world, "Application", "app", "PartiallyRunning")
    assert partly["message"].startswith("1 of 2 devices run it; edge-2: unreachable executed")
    await world.api.delete(APPLICATION, "app")
    assert (await has(world, "Application", "app", "Stopped"))["type"] == "Normal"
    await has(world, "Application", "app", "Deleted")


async def test_a_repetition_is_counted(world: World) -> None:
    await world.manager()
    await world.device("edge-1", "Connected")
    for count in (1, 2, 3):
        await world.move("edge-1", "Disconnected")
        event = await has(world, "Device", "edge-1", "Disconnected", count)
        await world.move("edge-1", "Connected")
        await world.settle(2.0)
    assert event["firstTimestamp"] < event["lastTimestamp"]
    assert len([one for one in await events(world, "Device", "edge-1") if one["reason"] == "Disconnected"]) == 1


async def test_an_event_that_the_cluster_deleted_is_written_again(world: World) -> None:
    await world.manager()
    await world.device("edge-1", "Connected")
    event = await has(world, "Device", "edge-1", "Connected")
    await world.api.delete(EVENT, event["metadata"]["name"])
    await world.move("edge-1", "Disconnected")
    await world.move("edge-1", "Connected")
    await has(world, "Device", "edge-1", "Connected", 2)


@pytest.mark.parametrize("fault", [OSError("down"), ApiError({"code": 503, "message": "busy"})])
async def test_an_event_survives_an_outage(world: World, fault: Exception) -> None:
    clients: dict[str, Any] = {}

    def client(name: str) -> Any:
        clients[name] = world.client(name)
        return clients[name]

    await world.manager(clients=client)
    clients["EventRecorder"].faults["create"] = [fault] * 3
    await world.device("edge-1", "Connected")
    await has(world, "Device", "edge-1", "Enrolled")


async def test_an_event_whose_answer_was_lost_is_not_written_twice(world: World) -> None:
    class Deaf(Broken):
        async def create(self, resource: Resource, body: Object) -> Object:
            answer = await self.api.create(resource, body)
            self._trip("answer")
            return answer

    deaf = Deaf(world.cluster.client("EventRecorder"))
    deaf.faults["answer"] = [OSError("reset by peer")] * 2
    await world.manager(clients=lambda name: deaf if name == "EventRecorder" else world.client(name))
    await world.device("edge-1", "Connected")
    await has(world, "Device", "edge-1", "Connected")
    await world.settle(2.0)
    await world.move("edge-1", "Disconnected")
    await world.move("edge-1", "Connected")
    await has(world, "Device", "edge-1", "Connected", 2)
    told = [event["reason"] for event in await events(world, "Device", "edge-1")]
    assert sorted(told) == ["Connected", "Disconnected", "Enrolled"]


async def test_work_goes_on_without_the_right_to_write_events(world: World, caplog: pytest.LogCaptureFixture) -> None:
    clients: dict[str, Any] = {}

    def client(name: str) -> Any:
        clients[name] = world.client(name)
        return clients[name]

    manager = await world.manager(clients=client)
    clients["EventRecorder"].faults["create"] = [ApiError({"code": 403, "message": "events is forbidden"})] * 100
    await world.device("edge-1", "Enrolling")
    await world.reaches("edge-1", "Enrolled", DEVICE)
    await world.settle(5.0)
    assert "Event Enrolled is not written: events is forbidden" in caplog.text
    assert await events(world, "Device", "edge-1") == []
    assert (manager.healthy, len(clients["EventRecorder"].faults["create"])) == (True, 99)


async def test_managers_of_one_kind_each_write_the_events_of_theirs(world: World) -> None:
    for kind in ("device", "application", "gateway"):
        await world.manager(controllers=(kind,), settings=ControllerSettings(lease_name=lease_of(kind)))
    await world.device("edge-1", "Connected")
    await world.api.create(APPLICATION, manifests.application("app", module=MODULE, all_devices=True))
    await has(world, "Application", "app", "Running")
    await has(world, "Device", "edge-1", "Connected")
    world.alive.discard("gateway-1")
    await has(world, "Gateway", "gateway-1", "Offline")
    all_events = (await world.api.list(EVENT)).items
    told = [(event["involvedObject"]["name"], event["reason"], event["message"]) for event in all_events]
    assert len(set(told)) == len(told)


def about(name: str = "app") -> Object:
    return {"kind": "Application", "name": name, "namespace": "wasmbed", "uid": f"uid-{name}"}


def test_many_similar_events_are_combined() -> None:
    correlator = EventCorrelator("test", "1")
    records = [correlator.add(about(), Happening("Faulted", f"device {n}"), float(n)) for n in range(SIMILAR + 5)]
    assert len({record.name for record in records if record}) == SIMILAR + 1
    last = records[-1]
    assert last is not None
    assert (last.count, last.happening.message) == (5, f"(combined from similar events): device {SIMILAR + 4}")


def test_the_events_of_one_object_are_limited_in_rate() -> None:
    correlator = EventCorrelator("test", "1")
    told = [correlator.add(about(), Happening("Faulted", "again"), 0.0) for _ in range(BURST + 7)]
    assert (told.count(None), correlator.dropped) == (7, 7)
    assert correlator.add(about("other"), Happening("Faulted", "again"), 0.0) is not None
    assert correlator.add(about(), Happening("Faulted", "again"), REFILL - 1) is None
    assert correlator.add(about(), Happening("Faulted", "again"), REFILL) is not None


def test_events_and_objects_are_forgotten() -> None:
    correlator = EventCorrelator("test", "1")
    first = correlator.add(about(), Happening("Faulted", "again"), 0.0)
    later = correlator.add(about(), Happening("Faulted", "again"), 601.0)
    assert first is not None
    assert later is not None
    assert first.name != later.name
    assert correlator.get(first.name) is None
    for number in range(OBJECTS):
        last = correlator.add(about(f"other-{number}"), Happening("Faulted", "again"), 601.0)
    assert correlator.get(later.name) is None
    assert last is not None
    correlator.add(about(), Happening("Faulted", "again"), 602.0 + BURST * REFILL)
    assert correlator.get(last.name) is None


def test_the_name_of_an_event_is_a_name() -> None:
    record = EventCorrelator("test", "1").add(about("a" * 229 + "." + "b" * 23), Happening("A", "b" * 5000), 0.0)
    assert record is not None
    assert len(record.name) <= 253
    assert record.name.startswith("a" * 229 + ".")
    assert len(record.happening.message) == 1024
