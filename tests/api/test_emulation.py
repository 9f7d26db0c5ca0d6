"""Boards of devices over the REST API."""

import pytest

from harness.wasmbed.resources.kinds import DEVICE
from tests.api.world import World

ONE = "/api/v1/devices/pump-1"


async def test_a_device_with_a_board_is_made(world: World) -> None:
    made = await world.ask("POST", f"{ONE}/emulation", {"kind": "virtual", "restartPolicy": "Never"}, status=201)
    assert (made["status"], made["publicKey"]) == ("Pending", None)
    assert made["board"] == {
        "kind": "virtual", "running": True, "restartPolicy": "Never", "phase": None, "host": None, "restarts": 0,
        "lastExit": None,
    }  # fmt: skip
    assert (await world.ask("GET", ONE))["board"]["kind"] == "virtual"
    problem = await world.ask("POST", f"{ONE}/emulation", {"kind": "virtual"}, status=409)
    assert "there is a device pump-1 already" in problem["detail"]
    problem = await world.ask("POST", "/api/v1/devices/pump-2/emulation", {"kind": "A B"}, status=422)
    assert problem["errors"][0]["field"] == "kind"


@pytest.mark.parametrize("path", ["emulation", "renode"])
async def test_a_board_is_stopped_and_started(world: World, path: str) -> None:
    await world.ask("POST", f"{ONE}/emulation", {"kind": "virtual"}, status=201)
    for act, running in (("stop", False), ("start", True)):
        assert (await world.ask("POST", f"{ONE}/{path}/{act}", role="operator"))["success"]
        assert (await world.api.get(DEVICE, "pump-1"))["spec"]["board"]["running"] is running


async def test_a_restart_has_a_new_time(world: World) -> None:
    await world.ask("POST", f"{ONE}/emulation", {"kind": "virtual", "running": False}, status=201)
    await world.ask("POST", f"{ONE}/emulation/restart")
    board = (await world.api.get(DEVICE, "pump-1"))["spec"]["board"]
    assert (board["running"], board["restartedAt"]) == (True, "2023-11-14T22:13:20.000000Z")


async def test_who_may_not_and_what_is_not_there(world: World) -> None:
    await world.register("pump-1", phase="Connected")
    problem = await world.ask("POST", f"{ONE}/emulation/stop", status=409)
    assert "no board" in problem["detail"]
    await world.ask("POST", "/api/v1/devices/pump-9/emulation/stop", status=404)
    await world.ask("POST", "/api/v1/devices", {"name": "pump-2"}, status=201)
    problem = await world.ask("POST", "/api/v1/devices/pump-2/emulation/start", status=409)
    assert "no board" in problem["detail"]
    await world.ask("POST", f"{ONE}/emulation/stop", role="viewer", status=403)
    await world.ask("POST", "/api/v1/devices/pump-9/emulation", {"kind": "virtual"}, role="viewer", status=403)
