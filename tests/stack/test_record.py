"""A stack's history can be searched and waited for."""

import asyncio
from typing import Any

import pytest

from harness.core.clock import SystemClock
from harness.core.errors import ProductFailure, RigError, UsageError
from harness.core.history import Kind
from harness.core.redaction import Redaction
from harness.stack.record import Record, format_events
from harness.stack.recorder import RECORDER, Recorder, changes
from harness.stack.waiting import Conditions
from harness.wasmbed.resources.views import ApplicationStatus, DeviceStatus


@pytest.fixture
def record() -> Record:
    record = Record(SystemClock())
    record.record(Kind.MESSAGE, "Device", "Gateway", "Heartbeat", {"deviceId": "a"}, "pump-1")
    record.record(Kind.MESSAGE, "Gateway", "Device", "Deploy", {"device": "pump-1"}, "app")
    record.record(Kind.STATE, "Kubernetes", "", "Device", {"name": "pump-1", "status": {"phase": "Pending"}}, "pump-1")
    record.record(Kind.STATE, "Kubernetes", "", "Device", {"name": "pump-1", "status": {"health": "x"}}, "pump-1")
    record.record(Kind.STATE, "Kubernetes", "", "Device", {"name": "pump-1", "status": {"phase": "Failed"}}, "pump-1")
    return record


def test_events_are_found_by_their_fields_and_data(record: Record) -> None:
    assert [event.n for event in record.find("Heartbeat", deviceId="a")] == [0]
    assert [event.n for event in record.find(about="pump-1", kind=Kind.MESSAGE)] == [0, 1]
    assert [event.n for event in record.find(source="Gateway")] == [1]
    assert record.find("Heartbeat", deviceId=lambda value: value != "a") == []
    assert record.find("Heartbeat", target="Kubernetes") == []
    assert [event.n for event in record.find("Device", after=record[2])] == [3, 4]


async def test_an_incomplete_history_is_not_judged() -> None:
    record = Record(SystemClock(), keep=100)
    for number in range(150):
        record.note("step", number=number)
    for question in (
        lambda: record.find("step"),
        lambda: record.phases("pump-1"),
        lambda: record.follows("device-enrollment"),
        record.judgement,
    ):
        with pytest.raises(RigError, match="150 events happened and 100 are kept"):
            question()
    with pytest.raises(RigError, match="150 events happened"):
        await record.until("step", number=0)
    assert (await record.until("step", number=149, after=record[-2])).n == 149
    assert len(record.recall("step")) == 100


def test_events_that_left_the_memory_are_judged() -> None:
    """A violation that was found stays found, and events that are no longer kept still count."""
    record = Record(SystemClock(), keep=10)
    record.is_judged = True
    twice = {"change": "added", "status": {"deviceId": "the same"}}
    for name in ("pump-1", "pump-2"):
        record.record(Kind.STATE, "Kubernetes", "", "Device", {**twice, "name": name}, name)
    for number in range(50):
        record.note("step", number=number)
    with pytest.raises(ProductFailure, match="the same"):
        record.judgement().conclude()
    record.record(Kind.STATE, "Kubernetes", "", "Device", {**twice, "name": "pump-3"}, "pump-3")
    assert len(record.judgement().violations()) == 2


def test_phases_lists_the_phases_of_a_resource(record: Record) -> None:
    assert record.phases("pump-1") == ["Pending", "Failed"]
    assert record.phases("pump-2") == []


async def test_until_finds_past_events_and_reports_missing_ones(record: Record) -> None:
    first = await record.until("Heartbeat")
    assert first.n == 0
    with pytest.raises(ProductFailure, match="no event name=Heartbeat about=pump-1 within") as failure:
        await record.until("Heartbeat", about="pump-1", after=first, within=0.01)
    assert "Gateway -> Device  Deploy" in str(failure.value)
    with pytest.raises(ProductFailure, match="no event name=Deploy size=bool within"):
        await record.until("Deploy", size=bool, within=0.01)


def test_the_last_events_show_key_fields_and_leave_out_watch_events() -> None:
    record = Record(SystemClock())
    status = {"status": {"phase": "Error", "error": "pump-1: a trap"}}
    for source, target, name, data in (
        ("Gateway", "Kubernetes", "PATCH Application", {"code": 200, "name": "app", **status}),
        ("Gateway", "Kubernetes", "PATCH Application", {"code": 409, "name": "app"}),
        ("Kubernetes", "Gateway", "MODIFIED Application", {"name": "app", **status}),
        ("Device", "Gateway", "DeploymentResult", {"ok": False, "status": "text"}),
    ):
        record.record(Kind.MESSAGE, source, target, name, data, "app")
    assert [line.split("  ", 3)[-1].split(maxsplit=1)[-1] for line in format_events(record).splitlines()] == [
        "Gateway -> Kubernetes  PATCH Application  (phase=Error, error=pump-1: a trap)",
        "Gateway -> Kubernetes  PATCH Application  (code=409)",
        "Device -> Gateway  DeploymentResult  (ok=False)",
    ]


async def test_until_wakes_at_the_event(record: Record) -> None:
    waiting = asyncio.ensure_future(record.until("Stop", about="app"))
    asyncio.get_running_loop().call_soon(record.record, Kind.MESSAGE, "Gateway", "Device", "Stop", {}, "app")
    assert (await waiting).n == 5


async def test_a_failure_without_events_says_so() -> None:
    with pytest.raises(ProductFailure, match=r"\(none\)"):
        await Record(SystemClock()).until("Heartbeat", within=0.01)


def test_an_unknown_sequence_is_the_callers_error(record: Record) -> None:
    with pytest.raises(UsageError, match="no-such-sequence"):
        record.follows("no-such-sequence")


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1, "b": {"c": 1, "d": 2}}, {"a": 1, "b": {"c": 1, "d": 3}}, {"b": {"d": 3}}),
        ({"a": 1, "b": 2}, {"b": 2}, {"a": None}),
        ({"a": None}, {"a": None}, {}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}),
    ],
)
def test_changes_are_a_merge_patch(old: dict[str, Any], new: dict[str, Any], patch: dict[str, Any]) -> None:
    assert changes(old, new) == patch


def test_the_recorders_own_watches_are_not_recorded(record: Record) -> None:
    recorder, before = Recorder(record, Redaction(b"key")), len(record)
    recorder.cluster("Kubernetes", RECORDER, "ADDED Device", {}, "pump-1")
    assert len(record) == before
    recorder.cluster("User", "Kubernetes", "POST Device", {}, "pump-1")
    recorder.console("hello", "pump-1", board="pump-1")
    recorder.platform("Device", "Bridge", "Opened", {}, "pump-1")
    recorder.fault("cut link", "Device", "pump-1", board="pump-1")
    kinds = [event.kind for event in record][before:]
    assert kinds == [Kind.MESSAGE, Kind.CONSOLE, Kind.MESSAGE, Kind.FAULT]


def test_conditions_check_only_the_fields_they_name() -> None:
    status = {"status": {"phase": "Running", "statistics": {"running": 2, "target": 3}, "deployedDevices": ["a", "b"]}}
    assert Conditions(ApplicationStatus, {"statistics": {"running": 2}}).hold(status)
    assert not Conditions(ApplicationStatus, {"statistics": {"running": 3}}).hold(status)
    assert Conditions(ApplicationStatus, {"deployed_devices": ["a", "b"]}).hold(status)
    assert Conditions(ApplicationStatus, {"deployed_devices": lambda names: len(names) == 2}).hold(status)
    assert Conditions(ApplicationStatus, {"error": None}).hold(status)
    assert Conditions(DeviceStatus, {}).hold({})


def test_a_condition_on_an_unknown_field_is_the_callers_error() -> None:
    with pytest.raises(UsageError, match=r"DeviceStatus has no phaze(.|\n)*phase"):
        Conditions(DeviceStatus, {"phaze": "Connected"})


async def test_a_predicate_that_fails_affects_only_the_waiting_test(record: Record) -> None:
    waiting = asyncio.ensure_future(record.until("Heartbeat", after=record[0], uptime=lambda value: value > 3))
    while not record._listeners:
        await record._clock.sleep(0)
    record.record(Kind.MESSAGE, "Device", "Gateway", "Heartbeat", {}, "pump-1")
    with pytest.raises(TypeError):
        await waiting
