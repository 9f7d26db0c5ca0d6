"""The sandbox: what programs in it cannot do, and what ends them."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest

from harness.core.clock import SystemClock
from harness.wasmbed.compile.results import CannotCompile
from harness.wasmbed.compile.sandbox import Bounds, Ended, Sandbox
from tests.compile.tools import NEEDS_SANDBOX

PYTHON = shutil.which("python3", path="/usr/bin") or sys.executable
needs_python = pytest.mark.skipif(not PYTHON.startswith("/usr/bin"), reason="the system's Python is not installed")


async def run(folder: Path, *command: str, bounds: Bounds | None = None, untrusted: bool = True) -> Ended:
    return await Sandbox(SystemClock(), bounds).run(command, folder, untrusted=untrusted)


@NEEDS_SANDBOX
async def test_a_program_writes_its_own_folder_and_nothing_else(tmp_path: Path) -> None:
    secret = tmp_path.parent / "secret"
    secret.write_text("secret")
    script = f"echo a > made; cat {secret}; cat /etc/passwd; echo b > /usr/made; ls {Path.home()}; echo $HOME; true"
    ended = await run(tmp_path, "/bin/sh", "-c", script)
    assert (tmp_path / "made").read_text() == "a\n"
    said = ended.output.decode()
    assert "secret: No such file" in said
    assert "passwd: No such file" in said
    assert "root:" not in said
    assert "Read-only file system" in said


@NEEDS_SANDBOX
@needs_python
async def test_a_program_has_no_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        assert (await run(tmp_path, PYTHON, "-c", connect)).code == 1
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


@NEEDS_SANDBOX
@needs_python
@pytest.mark.parametrize(
    ("program", "bounds", "reason"),
    [
        ("while True: pass", Bounds(processor=1), "longer than 1 s of processor time"),
        ("import time; time.sleep(60)", Bounds(seconds=0.2), "longer than 0.2 s"),
        ("while True: print('x' * 10000)", Bounds(output=1 << 16), "more than 65,536 bytes of messages"),
        ("open('large', 'wb').write(bytes(1 << 20))", Bounds(file=1 << 16), "a file of more than 65,536 bytes"),
    ],
)
async def test_a_bound_ends_a_program(tmp_path: Path, program: str, bounds: Bounds, reason: str) -> None:
    # Python ignores the signal of a file that is too large; a compiler does not.
    prelude = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
    ended = await run(tmp_path, PYTHON, "-c", prelude + program, bounds=bounds)
    assert ended.broken is not None
    assert reason in ended.broken
    assert len(ended.output) <= bounds.output


@NEEDS_SANDBOX
@needs_python
async def test_memory_has_a_bound(tmp_path: Path) -> None:
    ended = await run(tmp_path, PYTHON, "-c", "bytearray(1 << 30)", bounds=Bounds(memory=1 << 28))
    assert ended.code == 1
    assert b"MemoryError" in ended.output


@NEEDS_SANDBOX
async def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    ended = await run(tmp_path, "/bin/sh", "-c", "sleep 60 & echo started", bounds=Bounds(seconds=30))
    assert (ended.code, ended.broken, ended.output) == (0, None, b"started\n")


async def test_code_of_others_is_refused_where_bubblewrap_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "prlimit").symlink_to(shutil.which("prlimit") or "")
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(CannotCompile, match=r"without a sandbox: bubblewrap .* is not installed"):
        await run(tmp_path, "/bin/true")
    assert (await run(tmp_path, "/bin/sh", "-c", "echo own", untrusted=False)).output == b"own\n"


async def test_code_of_others_is_refused_where_bubblewrap_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'No permissions to create a new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(CannotCompile, match="does not work here: No permissions to create a new namespace"):
        await run(tmp_path, "/bin/true")
