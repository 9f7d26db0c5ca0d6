"""A failed assertion names the party whose value it reads; a stack names what it leaves behind."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.core.clock import ManualClock, SystemClock, Timer
from harness.core.errors import ProductFailure
from harness.core.history import Kind
from harness.stack import Stack, StackOptions
from harness.stack.authors import author_of_event, author_of_field, author_of_message, author_of_order, author_of_spec
from harness.stack.leftovers import Leftovers, WatchedClock
from harness.stack.mock_link import MockEnd
from harness.stack.record import Record, plain
from harness.stack.subjects import _unequal, order_missing, subject_of
from harness.wasmbed.gateway.gateway import Gateway
from harness.wasmbed.gateway.service import LinkService
from harness.wasmbed.protocol.errors import LinkClosed

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.fixture
def record() -> Record:
    return Record(ManualClock())


def writes(record: Record, source: str, kind: str, name: str, **status: Any) -> None:
    record.record(
        Kind.MESSAGE, source, "Kubernetes", f"PATCH {kind}", {"code": 200, "name": name, "status": status}, name
    )
    record.record(Kind.STATE, "Kubernetes", "", kind, {"change": "modified", "name": name, "status": status}, name)


def says(record: Record, source: str, name: str, about: str, **data: Any) -> None:
    record.record(Kind.MESSAGE, source, "Gateway", name, data, about)


def test_the_author_of_a_field_wrote_it_last(record: Record) -> None:
    writes(record, "Gateway", "Device", "pump-1", phase="Connected", health="healthy")
    writes(record, "DeviceController", "Device", "pump-1", phase="Disconnected")
    assert author_of_field(record, "Device", "pump-1", ["phase"]).party == "device controller"
    assert author_of_field(record, "Device", "pump-1", ["health"]).party == "gateway"


def test_the_author_of_a_field_that_was_not_written_is_its_owner(record: Record) -> None:
    for kind, field, party in (
        ("Application", "retryCount", "application controller"),
        ("Application", "deviceStatuses", "gateway"),
        ("Gateway", "phase", "gateway controller"),
        ("Device", "connectedSince", "gateway"),
    ):
        assert author_of_field(record, kind, "x", [field]).party == party


def test_a_board_is_the_author_of_what_the_gateway_relays(record: Record) -> None:
    """Its fault is in the entry and decides the phase. If the entry says something else, it is the gateway's."""
    says(record, "Gateway", "Deploy", "app", device="pump-1")
    says(record, "Device", "RuntimeFault", "app", device="pump-1", code="TRAP")
    writes(record, "Gateway", "Application", "app", deviceStatuses={"pump-1": {"state": "error"}})
    writes(record, "ApplicationController", "Application", "app", phase="Error")
    assert author_of_field(record, "Application", "app", ["phase"]).party == "board pump-1"
    assert author_of_field(record, "Application", "app", ["deviceStatuses", "pump-1", "code"]).party == "board pump-1"
    writes(record, "Gateway", "Application", "app", deviceStatuses={"pump-1": {"state": "running"}})
    assert author_of_field(record, "Application", "app", ["deviceStatuses", "pump-1", "state"]).party == "gateway"


@pytest.mark.parametrize(
    ("field", "written", "wrong"),
    [("health", "degraded", "healthy"), ("wasmRuntime", "busy", "ready"), ("deviceMetrics", {"a": 1}, {"a": 2})],
)
def test_a_board_is_the_author_of_what_it_said_of_itself(record: Record, field: str, written: Any, wrong: Any) -> None:
    """While it is connected, and as long as the gateway wrote it right."""
    says(
        record,
        "Device",
        "Heartbeat",
        "pump-1",
        device="pump-1",
        status="degraded",
        runtimeStatus="busy",
        metrics={"a": 1},
    )
    writes(record, "Gateway", "Device", "pump-1", phase="Connected", **{field: written})
    assert author_of_field(record, "Device", "pump-1", [field]).party == "board pump-1"
    writes(record, "Gateway", "Device", "pump-1", **{field: wrong})
    assert author_of_field(record, "Device", "pump-1", [field]).party == "gateway"
    writes(record, "Gateway", "Device", "pump-1", phase="Disconnected", **{field: written})
    assert author_of_field(record, "Device", "pump-1", [field]).party == "gateway"


def test_a_board_is_the_author_of_the_spec_that_it_asked_for(record: Record) -> None:
    says(record, "Device", "EnrollmentRequest", "pump-1", device="pump-1", architecture="thumbv7")
    data = {"change": "added", "name": "pump-1", "spec": {"architecture": "thumbv7"}}
    record.record(Kind.STATE, "Kubernetes", "", "Device", data, "pump-1")
    assert author_of_spec(record, "pump-1", "architecture").party == "board pump-1"
    record.record(Kind.STATE, "Kubernetes", "", "Device", {**data, "spec": {"architecture": "riscv32"}}, "pump-1")
    assert author_of_spec(record, "pump-1", "architecture").party == "gateway"
    record.note("mock board", "pump-1")
    assert author_of_spec(record, "pump-1", "architecture").party == "gateway"


def test_a_mock_boards_word_is_the_tests(record: Record) -> None:
    record.note("peer connected", "pump-1", address="127.0.0.1:1")
    says(record, "Device", "RuntimeFault", "app", device="pump-1", code="TRAP")
    writes(record, "Gateway", "Application", "app", deviceStatuses={"pump-1": {"state": "error"}})
    assert author_of_field(record, "Application", "app", ["deviceStatuses", "pump-1", "state"]).party == "gateway"


def test_what_a_mock_board_does_is_not_its_doing(record: Record) -> None:
    says(record, "Device", "StopResult", "app", device="pump-1")
    found = author_of_event(record, record[-1])
    assert found is not None
    assert found.party == "board pump-1"
    record.note("mock board", "pump-1")
    assert author_of_event(record, record[0]) is None


def test_an_entry_of_a_device_out_of_reach_is_the_controllers(record: Record) -> None:
    writes(record, "Gateway", "Application", "app", deviceStatuses={"pump-1": {"state": "running"}})
    writes(record, "Gateway", "Device", "pump-1", phase="Disconnected")
    author = author_of_field(record, "Application", "app", ["deviceStatuses", "pump-1", "state"])
    assert author.party == "application controller"


def test_what_a_dead_gateway_leaves_is_the_controllers(record: Record) -> None:
    """Phase, count and links of a gateway that was killed are not its own any more; after a restart they are."""
    writes(record, "Gateway", "Gateway", "gateway-1", phase="Online", connectedDevices=1)
    writes(record, "Gateway", "Device", "pump-1", phase="Connected", gateway="gateway-1", wasmRuntime="ready")
    record.record(Kind.FAULT, "Harness", "Gateway", "kill gateway", {"gateway": "gateway-1"}, "")
    record.note("gateway down", gateway="gateway-1")
    found = {
        ("Gateway", "gateway-1", "phase"): "gateway controller",
        ("Gateway", "gateway-1", "connectedDevices"): "gateway controller",
        ("Device", "pump-1", "phase"): "device controller",
        ("Device", "pump-1", "wasmRuntime"): "gateway",
    }
    assert {key: author_of_field(record, *key[:2], [key[2]]).party for key in found} == found
    says(record, "Gateway", "HeartbeatAcknowledgment", "pump-1", device="pump-1")
    assert author_of_field(record, "Device", "pump-1", ["phase"]).party == "gateway"
    record.note("gateway up", gateway="gateway-1")
    assert author_of_field(record, "Gateway", "gateway-1", ["connectedDevices"]).party == "gateway"


def test_an_offline_convicts_the_controller_that_wrote_it(record: Record) -> None:
    writes(record, "Gateway", "Gateway", "gateway-1", phase="Online", connectedDevices=1)
    assert author_of_field(record, "Gateway", "gateway-1", ["connectedDevices"]).party == "gateway"
    writes(record, "GatewayController", "Gateway", "gateway-1", phase="Offline")
    assert author_of_field(record, "Gateway", "gateway-1", ["connectedDevices"]).party == "gateway controller"


def test_an_entry_that_stays_is_the_controllers(record: Record) -> None:
    """A device that has stopped an application, and is still on its record."""
    writes(record, "Gateway", "Application", "app", deviceStatuses={"pump-1": {"state": "running"}})
    assert author_of_field(record, "Application", "app", ["deviceStatuses"]).party == "gateway"
    writes(record, "Gateway", "Application", "app", deviceStatuses={"pump-1": {"state": "stopped"}})
    assert author_of_field(record, "Application", "app", ["deviceStatuses"]).party == "application controller"


def test_a_lease_is_the_managers(record: Record) -> None:
    assert author_of_field(record, "Lease", "wasmbed-controllers", ()).party == "controller manager"


def test_of_two_tuples_the_part_that_differs_is_read() -> None:
    expression = ast.parse("(entry.state, status.phase) == ('running', 'Stopping')", mode="eval").body
    told = AssertionError("assert ('running', 'Stopped') == ('running', 'Stopping')\n  and more")
    assert ast.unparse(_unequal(expression, told)) == "status.phase"
    assert _unequal(expression, AssertionError("something else")) is expression
    assert _unequal(expression, AssertionError("assert (<object>, 1) == (2, 3)")) is expression


def test_a_result_that_was_not_asked_for_again_is_the_controllers(record: Record, runner: asyncio.Runner) -> None:
    """A device answered one deployment, and no other was sent: not the device is late."""
    says(record, "Gateway", "Deploy", "app", device="pump-1", applicationId="app")
    says(record, "Device", "DeploymentResult", "app", device="pump-1", applicationId="app", ok=True)
    assert _waited_for_another(record, runner) == "application controller"
    says(record, "Gateway", "Deploy", "app", device="pump-1", applicationId="app")
    assert _waited_for_another(record, runner) == "board pump-1"


def _waited_for_another(record: Record, runner: asyncio.Runner) -> str:
    """The party for a second result that does not come."""
    latest = record[-1]

    async def wait() -> None:
        waiting = asyncio.create_task(
            record.until("DeploymentResult", about="app", device="pump-1", after=latest, within=1)
        )
        await SystemClock().sleep(0)
        await record._clock.advance(2)  # type: ignore[attr-defined]
        await waiting

    with pytest.raises(ProductFailure) as failure:
        runner.run(wait())
    return failure.value.party


def test_a_field_that_a_message_lacks_convicts_its_sender(record: Record) -> None:
    record.record(Kind.MESSAGE, "Gateway", "Device", "Error", {"code": "CERTIFICATE_INVALID"}, "pump-1")
    refused, stack = record[-1], SimpleNamespace(history=record)
    with pytest.raises(KeyError) as raised:
        assert refused.data["action"] == "RENEW_CERTIFICATE"
    found = subject_of(raised.value, stack)  # type: ignore[arg-type]
    assert found is not None
    assert found.party == "gateway"


def test_messages_have_senders(record: Record) -> None:
    found = {name: author_of_message(record, name, "pump-1") for name in ("Heartbeat", "Deploy", "Error", "Sunrise")}
    assert {name: author and author.party for name, author in found.items()} == {
        "Heartbeat": "board pump-1",
        "Deploy": "gateway",
        "Error": None,
        "Sunrise": None,
    }


def test_an_order_that_did_not_come_was_not_asked_for_or_not_sent(record: Record) -> None:
    assert author_of_order(record, "Deploy", "pump-1").party == "application controller"
    says(record, "ApplicationController", "DeployApplication", "app", device="pump-1")
    assert author_of_order(record, "Deploy", "pump-1").party == "gateway"
    says(record, "Gateway", "Deploy", "app", device="pump-1")
    assert author_of_order(record, "Deploy", "pump-1").party == "application controller"
    waited = ProductFailure("the gateway did not send Stop within 30 s", where="pump-1", party="gateway")
    found = order_missing(waited, record)
    assert found is not None
    assert found.party == "application controller"
    assert order_missing(ProductFailure("the gateway did not send Error within 30 s", where="pump-1"), record) is None


def test_a_nameless_predicate_is_shown_as_its_expression() -> None:
    assert plain(lambda output: len(output) == 2) == "(len(output) == 2)"
    assert plain(len) == "len"
    assert plain("Connected") == "Connected"


def test_a_wait_for_an_event_names_its_sender(record: Record, runner: asyncio.Runner) -> None:
    async def wait() -> None:
        waiting = asyncio.create_task(record.until("Heartbeat", about="pump-1", within=1))
        await SystemClock().sleep(0)
        await record._clock.advance(2)  # type: ignore[attr-defined]
        await waiting

    with pytest.raises(ProductFailure, match="convicts board pump-1") as failure:
        runner.run(wait())
    assert failure.value.party == "board pump-1"


async def test_a_stop_that_the_gateway_does_not_pass_on_is_the_gateways_although_others_count_by_it() -> None:
    """The phase and the controller's counts follow from the stop that the gateway was asked for."""
    options = StackOptions(wire_defect="gateway.stop.drop", modules=SCENARIOS / "modules")
    async with Stack(options) as stack:
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected")
        application = await stack.deploy("hello", to=board)
        await application.until(phase="Running")
        await application.stop()
        await stack.history.until("StopApplication", about=application.name, within=60)
        with pytest.raises(ProductFailure, match="was asked to stop") as failure:
            await application.until(phase="Stopped", statistics={"running": 0}, within=0.2)
        assert failure.value.party == "gateway"


def test_either_end_of_a_mock_names_the_other() -> None:
    assert {each.other for each in MockEnd.__subclasses__()} == {"the gateway", "the board"}


def test_a_timer_of_the_platform_that_is_left_behind_is_named(runner: asyncio.Runner) -> None:
    async def leave() -> None:
        before = await Leftovers.begin()
        session = SimpleNamespace(start_timer=lambda timer: kept.append(timer))
        settings = SimpleNamespace(first_message_timeout=3600)
        service = SimpleNamespace(_clock=clock, _settings=settings)
        LinkService._expect_first_message(service, session)  # type: ignore[arg-type]
        try:
            await before.check(clock)
        finally:
            kept[0].cancel()
            await before.check(clock)

    kept: list[Timer] = []
    clock = WatchedClock()
    with pytest.raises(ProductFailure, match=r"the gateway left a timer behind: .*_expect_first_message") as failure:
        runner.run(leave())
    assert failure.value.party == "gateway"


@pytest.mark.parametrize("how", ["a task that nobody awaits", "a timer", "a future that nobody awaits"])
def test_an_error_that_nobody_sees_is_named(runner: asyncio.Runner, how: str) -> None:
    """A task of the platform that fails unseen, a callback that fails, and a future that got an error for nothing."""

    async def lose() -> None:
        before, loop = await Leftovers.begin(), asyncio.get_running_loop()
        kept: list[object] = []
        if how == "a timer":
            loop.call_soon(LinkService._stalled, None, None, True)  # type: ignore[arg-type]
        elif how == "a task that nobody awaits":
            kept.append(asyncio.ensure_future(LinkService._serve(None, None)))  # type: ignore[arg-type]
        else:
            loop.create_future().set_exception(LinkClosed("gone", by_peer=True))
        await SystemClock().sleep(0.01)
        kept.clear()
        await before.check(SystemClock())

    with pytest.raises(ProductFailure, match=r"nobody saw an error of the (gateway|product)") as failure:
        runner.run(lose())
    assert failure.value.party == ("product" if "future" in how else "gateway")


def test_a_task_of_the_platform_that_is_left_behind_is_named(runner: asyncio.Runner) -> None:
    async def leave() -> None:
        before = await Leftovers.begin()
        settings = SimpleNamespace(drain_timeout=3600, name="gateway-1")
        gateway = SimpleNamespace(_clock=SystemClock(), settings=settings)
        task = asyncio.create_task(Gateway._in_time(gateway, asyncio.Event().wait(), ""))  # type: ignore[arg-type]
        try:
            await before.check(SystemClock())
        finally:
            task.cancel()
            await asyncio.wait([task])

    with pytest.raises(ProductFailure, match="the gateway left a task behind") as failure:
        runner.run(leave())
    assert failure.value.party == "gateway"
