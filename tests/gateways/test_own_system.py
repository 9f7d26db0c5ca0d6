"""A system whose resource types are its own is judged as any other: history, waits, and sequences see the documents'."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.history import Kind
from harness.stack import Stack
from harness.stack.backends import lacking
from harness.stack.options import StackOptions
from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kinds import DEVICE
from tests.gateways.commands import described
from tests.gateways.own_system import GROUP, write_system

THING = Resource(GROUP, "v1beta1", "things", "Thing")


@pytest.fixture
def reference(tmp_path: Path) -> StackOptions:
    """The reference gateway on that system's resources."""
    write_system(tmp_path)
    return described(tmp_path, 'kind = "reference"\nsystem = "system.toml"\n')


async def test_the_reference_gateway_works_with_its_resources(reference: StackOptions) -> None:
    async with Stack(reference) as stack:
        board = await stack.boards.power_on()
        device = await stack.device(board).until(phase="Connected")
        application = await stack.deploy("hello", to=board)
        await application.until(phase="Running")
        stored = await stack.cluster.client("Test").get(THING, device.name)
        assert stored["status"]["state"] == "online"
        assert "phase" not in stored["status"]
        assert stored["status"]["identity"]["uuid"] == device.status.device_id
        assert [each["metadata"]["name"] for each in (await stack.api.list(DEVICE)).items] == [device.name]
        await board.power_off()
        await stack.device(board).until(phase="Disconnected")
        stack.history.follows("device-enrollment")
        stack.history.follows("application-deployment")
        stack.judge()
        names = {event.name for event in stack.history if event.kind in (Kind.MESSAGE, Kind.STATE)}
        assert not any(word in name for name in names for word in ("Thing", "Program", "Hub"))


async def test_a_feature_that_it_lacks_is_left_out_with_one_line(reference: StackOptions) -> None:
    assert lacking(reference, ["gateway-kill"]) is None
    assert lacking(reference, ["gateway-kill", "gateway-pairing"]) == "the system of --gateway=mine has no gateway-pairing"
