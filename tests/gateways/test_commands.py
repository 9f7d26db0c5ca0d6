"""Gateways of any command: what a person reads when the table or the program is wrong, and that no process stays."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from harness.core.clock import SystemClock
from harness.core.errors import ProductFailure, RigError, UsageError
from harness.gateways.files import PREFIX
from harness.stack.stack import Stack
from tests.gateways.commands import described
from tests.processes import descendants

PYTHON = sys.executable


def program(folder: Path, source: str) -> str:
    """The first line of a table whose command runs ``source`` with the device port as its argument."""
    (folder / "program.py").write_text(source, "utf-8")
    return f"command = ['{PYTHON}', 'program.py', '{{device_port}}']\n"


def folders(inside: Path) -> list[Path]:
    """The folders of gateways, with their keys."""
    return list(inside.glob(f"{PREFIX}*"))


LISTENS = "import socket,sys,time\ns=socket.create_server(('127.0.0.1', int(sys.argv[1])))\nprint('up', flush=True)\n"
WAITS = "while True: time.sleep(100)\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("command = 'no-such-program --port={device_port}'\n", "there is no program 'no-such-program'"),
        ("command = 'sh -c true'\n", r"ended before it was ready: exit code 0"),
        ("command = 'sh -c \"echo no config; exit 3\"'\n", r"exit code 3; the end of its log:\n    no config"),
        ("command = 'sleep 60'\nready_within = 0.5\n", r"within 0.5 s: it listens on no port"),
        (
            "command = 'sleep 60'\nready = {line = 'go'}\nready_within = 0.3\n",
            r"did not listen on port \d+ within 0.3 s",
        ),
        ("command = 'sleep {port}'\n", r"harness.toml \[gateways.mine\], line 3: unknown placeholder {port}"),
        ("command = 'sleep 60'\nredy = {port = true}\n", r"line 4: unknown key 'redy'\n  -> did you mean 'ready'"),
        ("command = 'sleep 60'\nready = {sign = 'x'}\n", r"line 4: ready must be {port = true}"),
        ("command = 'sleep 60'\nstop = 'SIGNOPE'\n", r"line 4: stop must be a signal's name"),
        ("command = 'sleep 60'\nkeys = 'pem'\n", r"line 4: keys must be one of pkcs8-pem"),
        ("command = 'sleep 60'\ndirectory = 'nowhere'\n", r"line 4: there is no folder"),
        (
            "command = 'sleep 60'\nfiles = {'../key' = ''}\n",
            r"line 4: files '../key' is not the name of a file in the gateway's own folder",
        ),
        ("command = 'sleep 60'\nfiles = {'/tmp/key' = ''}\n", r"line 4: files '/tmp/key' is not the name of a file"),
        ("command = 'sleep 60'\nfiles = {a = '', 'a/b' = ''}\n", r"line 4: files 'a/b' needs a folder that is a file"),
        (
            "command = 'sleep 60'\nfiles = {kubeconfig = ''}\n",
            r"line 4: the file kubeconfig cannot be written: the harness",
        ),
        ("command = 3\n", r"line 3: command must be a command line"),
        ("kind = 'commando'\n", r"line 3: unknown kind 'commando'\n  -> did you mean 'command'"),
        ("command = 'sleep 60'\nfeatures = ['gateway-htp']\n", r"line 4: features did you mean 'gateway-http'"),
    ],
)
async def test_what_is_wrong_is_said_with_its_line(
    body: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the file, the line, and what to do; no process and no key of the gateway stays."""
    before = descendants(os.getpid())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises((RigError, UsageError), match=message):
        async with Stack(described(tmp_path, body)):
            pass
    assert descendants(os.getpid()) <= before
    assert not folders(tmp_path)


async def test_a_program_that_listens_elsewhere_is_told_so(tmp_path: Path) -> None:
    """The message names the port on which it does listen."""
    source = "import socket,time\ns=socket.create_server(('127.0.0.1', 0))\nprint(s.getsockname()[1], flush=True)\n"
    table = program(tmp_path, source + WAITS) + "ready_within = 3\n"
    with pytest.raises(RigError, match=r"within 3 s: it listens on (\d+); the end of its log:\n    \1"):
        async with Stack(described(tmp_path, table)):
            pass


async def test_its_output_is_in_the_history(tmp_path: Path) -> None:
    """Lines of the program are console lines of the gateway; one that ends by itself is the product's failure."""
    allowed = tmp_path / "allowed"
    waits = f"import os\nwhile not os.path.exists({str(allowed)!r}):\n    time.sleep(0.05)\n"
    table = program(tmp_path, LISTENS + waits + "print('giving up')\nsys.exit(7)\n")
    async with Stack(described(tmp_path, table)) as stack:
        os.close(os.open(allowed, os.O_CREAT))
        line = await stack.history.until("Console", source="Gateway", text="giving up")
        assert line.data["gateway"] == stack.gateway.name
        ended = await stack.history.until("GatewayEnded")
        assert ended.data["how"] == "exit code 7"
        with pytest.raises(ProductFailure, match="ended by itself: exit code 7; the end of its log:\n    up"):
            stack.judge()


async def test_one_that_does_not_end_is_killed_and_named(tmp_path: Path) -> None:
    """SIGTERM is ignored: it is killed after ``stop_within``, and the message says so."""
    ignores = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    table = program(tmp_path, ignores + LISTENS + WAITS) + "stop_within = 0.3\n"
    before = descendants(os.getpid())
    async with Stack(described(tmp_path, table)) as stack:
        with pytest.raises(RigError, match=r"did not end within 0.3 s of SIGTERM: it was killed"):
            await stack.gateway.stop()
    assert descendants(os.getpid()) <= before


async def test_nothing_stays_after_a_test_that_was_killed(tmp_path: Path) -> None:
    """kill -9 of the harness: the program, a process that it started, and its folder with keys go with it."""
    source = "import subprocess\nsubprocess.Popen(['sleep', '3600'])\n" + LISTENS + WAITS
    described(tmp_path, program(tmp_path, source))
    (tmp_path / "run.py").write_text(
        "import asyncio, pathlib\n"
        "from harness.stack.options import StackOptions\n"
        "from harness.stack.stack import Stack\n"
        "async def main():\n"
        "    async with Stack(StackOptions(gateway='mine', gateway_file=pathlib.Path('harness.toml'))):\n"
        "        print('up', flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    harness = await asyncio.create_subprocess_exec(
        PYTHON, "run.py", cwd=tmp_path, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert harness.stdout is not None
    assert await harness.stdout.readline() == b"up\n"
    started = {pid: os.pidfd_open(pid) for pid in descendants(harness.pid)}
    assert len(started) >= 3  # the program, its child, and the shell that watches
    assert folders(tmp_path)
    harness.send_signal(signal.SIGKILL)
    await harness.wait()
    loop, clock = asyncio.get_running_loop(), SystemClock()
    for descriptor in started.values():
        ended: asyncio.Future[None] = loop.create_future()
        loop.add_reader(descriptor, lambda ended=ended: ended.done() or ended.set_result(None))
        async with clock.deadline(15):
            await ended
        loop.remove_reader(descriptor)
        os.close(descriptor)
    assert not folders(tmp_path)
