"""The REST API as a program of its own: ``wasmbed api``."""

import asyncio
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from harness.cli.main import run
from tests.api.world import World


async def test_the_program_serves_until_a_signal(world: World, tmp_path: Path) -> None:
    await world.register("pump-1", phase="Connected")
    kubeconfig = tmp_path / "kubeconfig"
    await world.cluster.write_kubeconfig(kubeconfig)
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "harness.cli", "api", "--http", "127.0.0.1:0", "--kubeconfig", str(kubeconfig),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert program.stdout is not None
    said = (await program.stdout.readline()).decode().split()
    assert said[0] == "ready"
    headers = {"Authorization": f"Bearer {world.tokens['viewer']}"}
    url = f"http://{said[1].removeprefix('http=')}/api/v1/devices"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        assert [each["id"] for each in (await answer.json())["devices"]] == ["pump-1"]
        async with session.post(f"{url}/pump-1/connect", headers=headers) as refused:
            assert refused.status == 403
    program.send_signal(signal.SIGTERM)
    _, log = await program.communicate()
    assert program.returncode == 0
    assert b'{"operation": "connectDevice", "code": 403, "method": "POST", "caller": "system:serviceaccount:' in log


@pytest.mark.parametrize("origin", ["*", "null", "dashboard.example", "https://dashboard.example/"])
def test_an_origin_that_no_browser_sends_is_refused(origin: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["api", "--origin", origin]) == 2
    assert f"invalid origin {origin!r}" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "users: [{name: c, user: {}}]\ncontexts: [{name: c, context: {cluster: c, user: c}}]\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["api", "--http", f"127.0.0.1:{port}", "--kubeconfig", str(kubeconfig)]) == 3
    assert f"cannot listen at 127.0.0.1:{port}" in capsys.readouterr().err
