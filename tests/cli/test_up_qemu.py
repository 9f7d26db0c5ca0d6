"""``wasmbed up`` with emulated boards: they connect, and Ctrl-C or a kill ends all of them."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.boards.platform import find_platforms
from harness.boards.qemu import QemuTier
from tests.processes import children, command

KIND = "mps2-an385"
IMAGE = find_platforms("qemu-system-arm")[KIND].image_path
MISSING = QemuTier.unavailable() or (None if IMAGE.exists() else f"no image of {KIND}: `make firmware`")
pytestmark = [pytest.mark.system("QEMU"), pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "from harness.cli import main; main()", "up", "--port=0", "--http-port=0"]
    command += [f"--boards={KIND}=3", f"--kubeconfig={tmp_path / 'kubeconfig'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdout
    said = ""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while text not in said:
            assert selector.select(timeout=180), said
            part = os.read(process.stdout.fileno(), 65_536).decode()
            assert part, said
            said += part


def emulators(process: subprocess.Popen[bytes]) -> dict[int, int]:
    """For each emulator of the process, a descriptor that becomes readable when it ends."""
    pids = [pid for pid in children(process.pid) if re.match(r"qemu-system|\S*/qemu-system", command(pid))]
    return {pid: os.pidfd_open(pid) for pid in pids}


def all_end(descriptors: dict[int, int]) -> None:
    with selectors.DefaultSelector() as selector:
        for pid, descriptor in descriptors.items():
            selector.register(descriptor, selectors.EVENT_READ)
            assert selector.select(timeout=120), f"emulator {pid} goes on"
            selector.unregister(descriptor)
            os.close(descriptor)


KILL = pytest.param(
    signal.SIGKILL,
    -signal.SIGKILL,
    marks=pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux"),
)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), KILL])
def test_three_boards_start_and_no_emulator_is_left(
    up: subprocess.Popen[bytes], number: signal.Signals, code: int
) -> None:
    until(up, "3 Connected")
    running = emulators(up)
    assert len(running) == 3
    up.send_signal(number)
    assert up.wait(30) == code
    all_end(running)


def test_an_interrupted_start_leaves_no_emulator(up: subprocess.Popen[bytes]) -> None:
    until(up, "cluster")
    up.send_signal(signal.SIGINT)
    running = emulators(up)
    assert up.wait(45) == 0
    all_end(running)
