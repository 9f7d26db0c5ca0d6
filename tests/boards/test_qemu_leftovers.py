"""A test run that ends in any way leaves no emulator and no file of one."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from harness.boards.platform import find_platforms
from harness.boards.qemu import QemuTier
from tests.processes import PYTEST

KIND = "mps2-an385"
IMAGE = find_platforms("qemu-system-arm")[KIND].image_path
MISSING = QemuTier.unavailable() or (None if IMAGE.exists() else f"no image of {KIND}: `make firmware`")
pytestmark = [
    pytest.mark.system("QEMU"),
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc"),
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux"),
]
PATIENCE = 60
WITH_SIGNALS = ["env", "--default-signal=HUP"]
"""Prefix of a command that restores the default action of hangups: the caller of the tests may ignore them."""
MARK = "WASMBED_TEST_OF_LEFTOVERS"
GOES_ON = f"""
import asyncio, os, socket

def tell():
    socket.create_connection(("127.0.0.1", int(os.environ["{MARK}"].rpartition(":")[2]))).close()

async def test_runs(stack):
    board = await stack.boards.power_on("{KIND}")
    await stack.device(board).until(phase="Connected", within=45)
    tell()
    await asyncio.get_running_loop().create_future()

async def test_starts(stack):
    stack.history.listen(lambda event: "BOOT" in event.data.get("text", "") and tell())
    await stack.boards.power_on("{KIND}", count=6)
    await asyncio.get_running_loop().create_future()
"""


def marked(mark: str) -> list[int]:
    """Return the processes whose environment has the mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def all_end(mark: str) -> None:
    while pids := marked(mark):
        for pid in pids:
            with suppress(ProcessLookupError), selectors.DefaultSelector() as selector:
                descriptor = os.pidfd_open(pid)
                try:
                    selector.register(descriptor, selectors.EVENT_READ)
                    assert selector.select(timeout=PATIENCE), Path(f"/proc/{pid}/cmdline").read_bytes()
                finally:
                    os.close(descriptor)


@pytest.mark.parametrize(
    ("test", "number", "options"),
    [
        ("test_runs", signal.SIGINT, []),
        ("test_runs", signal.SIGKILL, ["-n1"]),
        ("test_starts", signal.SIGTERM, []),
        ("test_starts", signal.SIGHUP, []),
        ("test_starts", signal.SIGKILL, []),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else None,
)
def test_an_ended_run_leaves_nothing(tmp_path: Path, test: str, number: signal.Signals, options: list[str]) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_goes_on.py").write_text(GOES_ON)
    (tmp_path / "tmp").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        mark = f"{tmp_path}:{server.getsockname()[1]}"
        environment = {**os.environ, MARK: mark, "TMPDIR": str(tmp_path / "tmp")}
        command = [*WITH_SIGNALS, *PYTEST, "-q", *options, "-k", test]
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as process:
            try:
                server.accept()[0].close()
                assert len(marked(mark)) > 1
                process.send_signal(number)
                process.wait(PATIENCE)
            finally:
                process.kill()
    all_end(mark)
    assert [path.name for path in (tmp_path / "tmp").iterdir() if path.name.startswith("wasmbed")] == []
