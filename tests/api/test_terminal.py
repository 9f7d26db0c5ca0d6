"""The terminal over the REST API."""

import logging
from typing import Any

import pytest

from harness.core.logs import get_log
from harness.wasmbed.api.terminal import LARGEST
from harness.wasmbed.api.terminal_commands import COMMANDS, read_command
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.kinds import APPLICATION, SECRET
from tests.api.world import World

PATH = "/api/v1/terminal/execute"


async def run(world: World, command: str, role: str = "operator", status: int = 200) -> Any:
    """The answer to a command."""
    return await world.ask("POST", PATH, {"command": command}, role=role, status=status)


async def test_the_list_has_every_command_with_its_arguments(world: World) -> None:
    listed = (await world.ask("GET", "/api/v1/terminal/commands", role="operator"))["commands"]
    assert [each["name"] for each in listed] == [each.name for each in COMMANDS]
    usages = {each["name"]: each["usage"] for each in listed}
    assert usages["Device Status"] == "kubectl get devices [NAME] [-o wide]"
    assert usages["Device Details"] == "kubectl describe device NAME"


async def test_every_command_answers(world: World) -> None:
    await world.register("pump-1", phase="Connected")
    await world.add_gateway("gateway-1")
    await world.api.create(APPLICATION, manifests.application("hello", module=b"\0asm" * 100, all_devices=True))
    await world.settle()
    names = {"device": " pump-1", "gateway": " gateway-1", "application": " hello"}
    for each in COMMANDS:
        command = each.line + names.get(each.line.removeprefix("kubectl describe "), "")
        if each.line == "kubectl top pods":
            assert "metrics-server" in (await run(world, command, status=404))["detail"]
        elif each.line == "kubectl get secrets":
            await run(world, command, status=403)
        else:
            assert (await run(world, command))["success"], command


async def test_a_table_is_as_kubectl_s(world: World) -> None:
    await world.register("pump-1", phase="Connected", gateway="gateway-1")
    await world.register("pump-2", phase="Disconnected")
    lines = (await run(world, "kubectl get devices"))["output"].splitlines()
    assert lines[0].split() == ["NAME", "PHASE", "GATEWAY", "HEALTH", "LAST-HEARTBEAT", "AGE"]
    assert lines[1].split()[:3] == ["pump-1", "Connected", "gateway-1"]
    assert "TYPE" in (await run(world, "kubectl get devices pump-2 -o wide"))["output"].splitlines()[0].split()
    assert len((await run(world, "kubectl get devices pump-2"))["output"].splitlines()) == 2
    assert (await run(world, "kubectl get devices pump-3", status=404))["detail"] == "there is no device pump-3"
    assert "No resources found." in (await run(world, "kubectl get wasmbed"))["output"]


async def test_a_description_has_no_module(world: World) -> None:
    await world.api.create(APPLICATION, manifests.application("hello", module=b"\0asm" * 1000, all_devices=True))
    output = (await run(world, "kubectl describe application hello"))["output"]
    assert "wasmBytes: (5336 characters)" in output


async def test_logs_of_one_component(world: World) -> None:
    log = get_log("harness.wasmbed.gateway.part")
    log.setLevel(logging.INFO)
    log.warning("device pump-1: refused")
    output = (await run(world, "kubectl logs -l app.kubernetes.io/component=gateway"))["output"]
    assert output.endswith("WARNING device pump-1: refused")


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /",
        "kubectl get devices; id",
        "kubectl get devices && id",
        "kubectl get devices $(id)",
        "kubectl get devices `id`",
        "kubectl get devices -o yaml",
        "kubectl get devices --kubeconfig=/etc/passwd",
        "kubectl get devices pump-1 pump-2",
        "kubectl get devices -A",
        "kubectl get secrets gateway-1 -o wide",
        "kubectl describe device",
        "kubectl describe device ../pods",
        "kubectl describe secret pairing-pump-1",
        "kubectl  delete device pump-1",
        "kubectl",
        " ",
        "kubectl get 'devices",
        "kubectl get devices\nid",
    ],
)
async def test_what_is_not_in_the_list_is_refused(world: World, command: str) -> None:
    problem = await run(world, command, status=422)
    assert problem["detail"]
    name, data = world.audit[-1]
    assert (name, data["code"], data["right"]) == ("executeCommand", 422, "create terminals.wasmbed.io")
    assert data["reason"]


async def test_each_use_is_in_the_audit_log(world: World) -> None:
    await run(world, "kubectl get devices")
    await run(world, "kubectl get devices", role="viewer", status=403)
    (_, used), (_, refused) = world.audit
    assert (used["caller"], used["command"], used["code"]) == (
        "system:serviceaccount:wasmbed:operator",
        "kubectl get devices",
        200,
    )
    assert (refused["caller"], refused["code"]) == ("system:serviceaccount:wasmbed:viewer", 403)


async def test_a_command_needs_the_right_to_what_it_reads(world: World) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"token": "hidden"}}
    await world.api.create(SECRET, secret)
    problem = await run(world, "kubectl get secrets", role="admin", status=403)
    assert "no right to list secrets" in problem["detail"]


async def test_an_output_is_bounded(world: World) -> None:
    for number in range(30):
        await world.api.create(
            APPLICATION, manifests.application(f"a{number}", module=b"\0asm", device_names=["x" * 60] * 1)
        )
    world_size = len((await run(world, "kubectl get applications -o wide"))["output"])
    assert world_size < LARGEST
    long = {"device_names": [f"{number:04}-{'x' * 50}" for number in range(2000)]}
    await world.api.create(APPLICATION, manifests.application("long", module=b"\0asm", **long))
    answer = await run(world, "kubectl describe application long")
    assert (answer["truncated"], len(answer["output"])) == (True, LARGEST)


def test_a_quoted_word_is_one_word() -> None:
    assert read_command("kubectl get 'devices' \"pump-1\"").name == "pump-1"
