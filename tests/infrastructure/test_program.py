"""The infrastructure service as a program of its own: ``wasmbed infrastructure``."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from harness.cli.main import run
from harness.core.clock import SystemClock
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.resources.kinds import CONFIG_MAP
from harness.wasmbed.resources.names import CRL_CONFIG_MAP
from tests.api.world import World


async def test_the_program_publishes_its_list_and_serves_until_a_signal(world: World, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    await world.cluster.write_kubeconfig(kubeconfig)
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "harness.cli", "infrastructure", str(tmp_path / "authorities"),
        "--http", "127.0.0.1:0", "--kubeconfig", str(kubeconfig),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert program.stdout is not None
    said = (await program.stdout.readline()).decode().split()
    assert said[0] == "ready"
    assert "crl.der" in (await world.api.get(CONFIG_MAP, CRL_CONFIG_MAP))["binaryData"]
    headers = {"Authorization": f"Bearer {world.tokens['operator']}"}
    url = f"http://{said[1].removeprefix('http=')}/api/v1/certificates"
    body = {"subject": "pump-1"}
    async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=headers) as answer:
        assert answer.status == 201
    program.send_signal(signal.SIGTERM)
    assert await program.wait() == 0
    assert len(list((tmp_path / "authorities" / "devices" / "issued").iterdir())) == 1


def test_a_new_folder_takes_the_authority_that_gateways_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is kept: another one is refused then, and one half of one always."""
    for name in ("one", "two"):
        Authority.create(name, SystemClock()).save(tmp_path / name)
    start = ["infrastructure", str(tmp_path / "kept"), "--kubeconfig", str(tmp_path / "absent")]

    def options(name: str) -> list[str]:
        folder = tmp_path / name
        return [f"--device-authority={folder / 'ca-cert.der'}", f"--device-authority-key={folder / 'ca-key.der'}"]

    assert run([*start, *options("one")]) == 2
    assert "absent" in capsys.readouterr().err
    kept, given = (tmp_path / folder / "ca-cert.der" for folder in ("kept/devices", "one"))
    assert kept.read_bytes() == given.read_bytes()
    assert run([*start, *options("two")]) == 2
    assert "has another authority of devices than --device-authority" in capsys.readouterr().err
    assert run([*start, *options("one")[:1]]) == 2
    assert "a certificate and its key belong together" in capsys.readouterr().err
