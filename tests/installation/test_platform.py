"""``wasmbed platform``: programs that run without a terminal, and are kept running."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from harness.core.clock import SystemClock
from harness.core.errors import UsageError
from harness.core.identifiers import Randomness
from harness.platform.control import Control, ask
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from tests.output_shapes import check_shape

ANY_PORTS = """
[gateways]
port = 0
http_port = 0
[controllers]
port = 0
[api]
port = 0
[infrastructure]
port = 0
"""
PUBLIC_KEY = "MCowBQYDK2VwAyEA" + "A" * 43 + "="


class Installation:
    """A folder with a ``wasmbed.toml``, and the command in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.socket = folder, folder / ".wasmbed" / "control.sock"

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run ``wasmbed platform`` with these arguments; returns its exit code and output."""
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "harness.cli", "platform", *arguments,
            cwd=self.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await program.communicate()
        assert program.returncode is not None
        return program.returncode, output.decode()

    async def status(self) -> dict[str, Any]:
        _, output = await self.command("status", "-o", "json")
        check_shape("platform status", json.loads(output))
        return dict(json.loads(output))

    async def programs(self) -> dict[str, dict[str, Any]]:
        return {each["name"]: each for each in (await self.status())["programs"]}

    async def until_line(self, program: str, text: str) -> None:
        """Wait for a line of its log that comes from now on, or has come already."""
        async with SystemClock().deadline(60):
            async for answer in ask(self.socket, do="logs", programs=[program], follow=True):
                if text in answer["line"]:
                    return


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    (tmp_path / "wasmbed.toml").write_text(ANY_PORTS)
    installation = Installation(tmp_path)
    try:
        yield installation
    finally:
        await installation.command("stop")


async def test_a_platform_runs_until_it_is_stopped_and_goes_on_where_it_was(installation: Installation) -> None:
    both = await asyncio.gather(*(installation.command("deploy") for _ in range(2)))
    assert sorted(code for code, _ in both) == [0, 2], both
    assert ["a platform runs here already" in said for code, said in both if code] == [True]
    [said] = [said for code, said in both if code == 0]
    programs = await installation.programs()
    assert f"dashboard      http://{programs['api']['addresses']['http']}/ (sign in with" in said
    assert list(programs) == ["gateway-1", "controllers", "infrastructure", "api", "emulators"]
    assert {each["phase"] for each in programs.values()} == {"running"}
    code, said = await installation.command("deploy")
    assert code == 2
    assert "a platform runs here already" in said
    kubeconfig = installation.folder / ".wasmbed" / "kubeconfig"
    api = await KubernetesApi.open("wasmbed", kubeconfig=kubeconfig)
    assert [item["status"]["phase"] for item in (await api.list(GATEWAY)).items] == ["Online"]
    device = {"apiVersion": "wasmbed.io/v1", "kind": "Device", "metadata": {"name": "pump-1"}}
    await api.create(DEVICE, device | {"spec": {"publicKey": PUBLIC_KEY, "deviceType": "virtual"}})
    await api.close()
    code, token = await installation.command("token", "--role", "viewer")
    assert code == 0
    url = f"http://{programs['api']['addresses']['http']}/api/v1/devices"
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token.strip()}"}) as session,
        session.get(url) as answer,
    ):
        assert [each["id"] for each in (await answer.json())["devices"]] == ["pump-1"]
        async with session.get(url.replace("devices", "status")) as answered:
            assert (await answered.json())["infrastructure"]["ca_status"] == "active"
    code, said = await installation.command("clean", "--yes")
    assert code == 2
    assert "the platform runs" in said
    assert await installation.command("stop") == (0, "stopped\n")
    code, said = await installation.command("status")
    assert code == 2
    assert "no platform runs here" in said
    assert not [pid for each in programs.values() if (pid := each["pid"]) and _is_alive(pid)]
    assert (await installation.command("deploy"))[0] == 0
    api = await KubernetesApi.open("wasmbed", kubeconfig=kubeconfig)
    assert [item["metadata"]["name"] for item in (await api.list(DEVICE)).items] == ["pump-1"]
    await api.close()
    await installation.command("stop")
    code, said = await installation.command("token")
    assert (code, "start it: wasmbed platform deploy" in said) == (2, True)
    code, said = await installation.command("clean")
    assert (code, "--yes" in said) == (2, True)
    assert (await installation.command("clean", "--yes"))[0] == 0
    assert not (installation.folder / ".wasmbed").exists()
    assert await installation.command("clean", "--yes") == (0, "nothing to remove\n")


async def test_of_two_that_are_started_at_once_one_runs(tmp_path: Path) -> None:
    async def answers(_: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        yield {"programs": []}

    first, second = (Control(tmp_path / "control.sock", answers) for _ in range(2))
    await first.start()
    with pytest.raises(UsageError, match="a platform runs here already"):
        await second.start()
    assert [answer async for answer in ask(tmp_path / "control.sock", do="status")] == [{"programs": []}]
    await first.close()
    await second.start()
    await second.close()
    assert os.listdir(tmp_path) == []


async def test_nothing_of_a_platform_is_left_when_its_clients_see_its_end(tmp_path: Path) -> None:
    left: list[str] = []

    async def answers(_: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        try:
            yield {"programs": []}
            await asyncio.Event().wait()
        finally:
            left.extend(["ended", *os.listdir(tmp_path)])

    control = Control(tmp_path / "control.sock", answers)
    await control.start()
    client = ask(tmp_path / "control.sock", do="stop")
    assert await anext(client) == {"programs": []}
    await control.close()
    assert left == ["ended"]
    with pytest.raises(StopAsyncIteration):
        await anext(client)


async def test_the_console_of_a_board_that_a_device_asks_for(installation: Installation) -> None:
    """By the command, with the kubeconfig alone, and by the REST API."""
    assert (await installation.command("deploy"))[0] == 0
    kubeconfig = installation.folder / ".wasmbed" / "kubeconfig"
    address = (await installation.programs())["api"]["addresses"]["http"]
    api = await KubernetesApi.open("wasmbed", kubeconfig=kubeconfig)
    devices = Informer(api, DEVICE, SystemClock(), Randomness())
    await devices.start()
    await api.create(DEVICE, manifests.device_with_board("pump-1", "virtual"))
    await devices.wait_for("pump-1", lambda each: (each or {}).get("status", {}).get("phase") == "Connected", 60)
    await devices.stop()
    await api.close()
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "harness.cli", "logs", "pump-1", f"--kubeconfig={kubeconfig}",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said = (await program.communicate())[0].decode()
    assert program.returncode == 0
    assert said.startswith("virtual board started by ")
    _, token = await installation.command("token", "--role", "viewer")
    headers = {"Authorization": f"Bearer {token.strip()}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"http://{address}/api/v1/devices/pump-1/console") as answer,
    ):
        shown = [each["line"] for each in (await answer.json())["lines"]]
    assert shown[: len(said.splitlines())] == said.splitlines()


async def test_the_status_is_watched_until_the_platform_ends(installation: Installation) -> None:
    assert (await installation.command("deploy"))[0] == 0
    watching = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "harness.cli", "platform", "status", "--watch", "-o", "json",
        cwd=installation.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert watching.stdout is not None
    first = json.loads(await watching.stdout.readline())
    check_shape("platform status --watch", first)
    assert {program["phase"] for program in first["programs"]} == {"running"}
    assert (await installation.command("restart", "controllers"))[0] == 0
    phases: list[str] = []
    while phases[-1:] != ["running"] or "starting" not in phases:
        document = json.loads(await watching.stdout.readline())
        phases += [program["phase"] for program in document["programs"] if program["name"] == "controllers"]
    await installation.command("stop")
    _, said = await watching.communicate()
    assert (watching.returncode, b"the platform ended" in said) == (3, True)


async def test_a_program_that_ends_is_started_again(installation: Installation) -> None:
    assert (await installation.command("deploy"))[0] == 0
    before = (await installation.programs())["controllers"]
    os.kill(before["pid"], signal.SIGKILL)
    await _until(installation, "controllers", restarts=1)
    after = (await installation.programs())["controllers"]
    assert after["phase"] == "running"
    assert after["lastEnd"] == "killed by SIGKILL"
    assert after["pid"] != before["pid"]
    code, said = await installation.command("restart", "controllers", "api")
    assert (code, said) == (0, "restarted controllers, api\n")
    await _until(installation, "api", restarts=1)
    assert (await installation.programs())["api"]["lastEnd"] == "exit code 0"
    code, said = await installation.command("restart", "gatway-1")
    assert code == 2
    assert "did you mean 'gateway-1'" in said.lower()
    code, said = await installation.command("logs", "api", "--tail", "1")
    assert re.fullmatch(r"api +ready http=127.0.0.1:\d+\n", said)


async def test_a_platform_that_does_not_start_leaves_nothing(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = await installation.command("deploy", "--set", f"gateways.port={port}")
    assert code == 3
    assert f"127.0.0.1:{port}" in said
    assert "(0: any free one)" in said
    assert not installation.socket.exists()


async def _until(installation: Installation, program: str, *, restarts: int) -> None:
    """Wait for a program's line that it is ready, of the start of that number."""
    ready = 0
    async with SystemClock().deadline(60):
        async for answer in ask(installation.socket, do="logs", programs=[program], follow=True):
            ready += answer["line"].startswith("ready ")
            if ready == restarts + 1:
                return


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_platform_that_runs_passes_its_smoke_test_and_keeps_nothing_of_it(installation: Installation) -> None:
    code, said = await installation.command("test")
    assert code == 2
    assert "no platform runs here" in said
    assert "wasmbed platform deploy" in said
    assert (await installation.command("deploy"))[0] == 0
    code, said = await installation.command("test")
    assert code == 0, said
    steps = [line.split()[:3:2] for line in said.splitlines()]
    assert steps[:3] == [["device", "Connected"], ["application", "Running"], ["application", "Stopped"]]
    api = await KubernetesApi.open("wasmbed", kubeconfig=installation.folder / ".wasmbed" / "kubeconfig")
    try:
        assert [(await api.list(kind)).items for kind in (DEVICE, APPLICATION)] == [[], []]
    finally:
        await api.close()


async def test_a_smoke_test_says_what_does_not_work(installation: Installation) -> None:
    assert (await installation.command("deploy", "--set", "emulators.enabled=false"))[0] == 0
    code, said = await installation.command("test", "--within", "1")
    assert code == 1
    assert "is not there and not Connected" in said or "is Pending and not Connected" in said
    assert "no emulator manager has taken its board" in said
    assert "Traceback" not in said
