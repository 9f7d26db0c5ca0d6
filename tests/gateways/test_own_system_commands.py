"""The commands on a system with resource types of its own, end to end: the user sees the documents' words."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from harness.cli.main import run
from harness.clusters.embedded import EmbeddedCluster
from harness.stack import Stack
from harness.stack.options import StackOptions
from tests.gateways.commands import described
from tests.gateways.own_system import write_system
from tests.gateways.two_phases import two_phases

COMMAND = (sys.executable, "-P", "-m", "harness.cli")
OWN_WORDS = re.compile(r"\b(Thing|Program|Hub|joining|joined|online|offline)\b")
MODULE = str(Path("scenarios/modules/hello.wat").absolute())


class Commands:
    """``wasmbed`` in the folder of a harness.toml, which is the working directory."""

    def __init__(self, gateway: str, output: pytest.CaptureFixture[str]) -> None:
        self._at, self._output = ("--kubeconfig", "kubeconfig", f"--gateway={gateway}"), output

    async def start(self, *words: str) -> Process:
        """A command that goes on, as a program of its own."""
        return await asyncio.create_subprocess_exec(*COMMAND, *words, *self._at, stdout=PIPE, stderr=PIPE)

    async def run(self, *words: str, code: int = 0) -> str:
        """The output of a command, both streams."""
        ended = await asyncio.to_thread(run, [*words, *self._at])
        said = "".join(self._output.readouterr())
        assert ended == code, said
        assert not OWN_WORDS.search(said), said
        return said


@asynccontextmanager
async def platform(options: StackOptions, folder: Path) -> AsyncIterator[Stack]:
    """A stack with the device ``meter``, and its kubeconfig in the folder."""
    async with Stack(options) as stack:
        board = await stack.boards.power_on(name="meter")
        assert isinstance(stack.cluster, EmbeddedCluster)
        stack.cluster.serve_logs({"meter": board.console}.get)
        await stack.device(board).until(phase="Connected")
        await stack.cluster.write_kubeconfig(folder / "kubeconfig")
        yield stack


async def told(monitor: Process, line: str) -> list[str]:
    """The lines of a monitor, up to that one."""
    assert monitor.stdout is not None
    lines: list[str] = []
    while not lines or lines[-1] != line:
        text = await monitor.stdout.readline()
        assert text, lines
        lines.append(text.decode().strip())
    return lines


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the commands."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_an_application_from_its_deployment_to_its_stop(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_system(folder)
    options = described(folder, 'kind = "reference"\nsystem = "system.toml"\n')
    wasmbed = Commands(options.gateway, capsys)
    async with platform(options, folder) as stack:
        monitor = await wasmbed.start("monitor")
        await told(monitor, "device meter: Connected")
        said = await wasmbed.run("deploy", MODULE, "--to", "meter")
        assert said.endswith("application hello: Running, running on 1 of 1 devices\n")
        assert re.search(r"meter +Connected", await wasmbed.run("devices"))
        assert "devices: 1 Connected\napplications: 1 Running\n" in await wasmbed.run("status")
        assert re.search(r"meter +running", await wasmbed.run("apps", "hello"))
        logs = await wasmbed.start("logs", "meter")
        assert b"connecting to" in (await logs.communicate())[0]
        again = await wasmbed.run("deploy", MODULE, "--to", "meter", "--name", "hello", "--fuel", "5000")
        assert "hello: Running" in again
        assert (await wasmbed.run("stop", "hello")).endswith("application hello stopped\n")
        assert stack.application("hello").status.phase == "Stopped"
        lines = await told(monitor, "application hello: Stopped")
        for line in ("application hello: Running", "application hello: Stopping"):
            assert line in lines
        monitor.send_signal(signal.SIGINT)
        await monitor.communicate()
        assert "existing devices: meter" in await wasmbed.run("deploy", MODULE, "--to", "other", code=2)
        assert "known applications: hello" in await wasmbed.run("stop", "hallo", code=2)


async def test_a_system_without_applications(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its devices are shown; nothing is deployed, with the file that says why."""
    options = two_phases(folder)
    wasmbed = Commands(options.gateway, capsys)
    async with platform(options, folder):
        status = await wasmbed.run("status")
        assert "devices: 1 Connected\n" in status
        assert "applications" not in status
        for words in (("deploy", MODULE, "--to", "all"), ("stop", "hello"), ("apps",)):
            assert "system.toml: the system has no Applications" in await wasmbed.run(*words, code=2)
        monitor = await wasmbed.start("monitor")
        await told(monitor, "device meter: Connected")
        monitor.send_signal(signal.SIGINT)
        assert not (await monitor.communicate())[1]
