"""A system whose devices and gateway speak a dialect: relay, boards and mock boards take it from ``system.toml``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import pytest

from harness.core.errors import UsageError
from harness.stack import Stack
from harness.stack.gateway_choice import find_gateway
from harness.stack.options import StackOptions
from harness.wasmbed.protocol.dialects.messages import BareHeartbeat, BareHeartbeatAcknowledgment, NumberedState
from tests.gateways.commands import described

PROGRAM = Path(__file__).with_name("dialect_gateway.py")
TABLE = """
command = ["{python}", "-P", "{program}", "{wire}", "{{device_port}}", "{{certificate}}", "{{key}}", "{{ca}}"]
certificates = "der"
keys = "pkcs8-der"
ready = {{ line = "^listening" }}
environment = {{ PYTHONPATH = "{root}" }}
system = "system.toml"
"""


def speaking(folder: Path, wire: str) -> StackOptions:
    (folder / "system.toml").write_text(f'wire = "{wire}"\n', "utf-8")
    root = Path(__file__).parents[2]
    return described(folder, TABLE.format(python=sys.executable, program=PROGRAM, wire=wire, root=root), "old")


@pytest.mark.parametrize("wire", ["u", "r"])
async def test_its_frames_are_in_the_history(wire: str, tmp_path: Path) -> None:
    async with Stack(speaking(tmp_path, wire).replace(heartbeat=0.3)) as stack:
        board = await stack.boards.power_on()
        await board.console.until("heartbeat answered", within=60)
        beat = await stack.history.until("BareHeartbeat", about=board.name, source="Device")
        answer = await stack.history.until("BareHeartbeatAcknowledgment", about=board.name, source="Gateway")
        assert (beat.data["link"], "mock" in beat.data) == (answer.data["link"], False)
        with stack.links.disturbed(board, cut=True):
            await stack.history.until("ConnectionClosed", about=board.name)


async def test_its_enrollment_and_its_deployment_are_judged(tmp_path: Path) -> None:
    """The sequence of an enrollment in the dialect, and no invariant about protocol 1."""
    async with Stack(speaking(tmp_path, "r").replace(heartbeat=0.3)) as stack:
        board = await stack.boards.power_on()
        running = await stack.history.until("NumberedStatus", about="hello", within=60)
        assert running.data["state"] == NumberedState.RUNNING
        (deployed,) = stack.history.find("DeployModule", source="Gateway")
        assert deployed.data["module"]["size"] == len(stack.modules("hello"))
        (result,) = stack.history.find("DeploymentResult", source="Device")
        assert result.data["ok"]
        await board.power_off()
        await stack.history.until("ConnectionClosed", about=board.name)
        stack.judge()
        stack.history.follows("dialect-enrollment")


async def test_a_mock_board_speaks_it(tmp_path: Path) -> None:
    async with Stack(speaking(tmp_path, "u")) as stack:
        board = await stack.mock_board("meter")
        board.send(cast(Any, BareHeartbeat()))
        await board.expect(cast(Any, BareHeartbeatAcknowledgment))


async def test_no_frames_are_dropped_where_there_are_none(tmp_path: Path) -> None:
    async with Stack(speaking(tmp_path, "r")) as stack:
        with pytest.raises(UsageError, match="the wire 'r' has no frames"):
            stack.links.disturb(drop=2)


@pytest.mark.parametrize("kind", ["reference", "process"])
def test_this_projects_gateway_speaks_protocol_1(kind: str, tmp_path: Path) -> None:
    (tmp_path / "system.toml").write_text('wire = "u"\n', "utf-8")
    options = described(tmp_path, f'kind = "{kind}"\nsystem = "system.toml"\n', "old")
    with pytest.raises(UsageError, match=f"a gateway of kind {kind} does not speak the wire 'u'"):
        find_gateway(options)
