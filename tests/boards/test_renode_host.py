"""The protocol between harness and host, its errors without Renode, and that an ended host leaves nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from harness.boards.renode import requests as ask
from harness.boards.renode.driver import HostProcess
from harness.boards.renode.farm import MACHINES
from harness.boards.renode.host import Failed, Pipe, RenodeHost, _digits, _seconds, serve
from harness.boards.renode.monitor import THREADS, Gone, surroundings
from harness.core.clock import SystemClock
from harness.core.errors import RigError, UsageError

MACHINE = ask.Machine(
    "pump-1", "/f4.repl", "/f4.elf", "sysbus.cpu", 400, ask.Wire("sysbus.usart2", "/l"), ask.Wire("sysbus.usart3", "/c")
)
REQUESTS = [
    ask.Create(MACHINE, 0.005),
    ask.PowerOn("pump-1", "/blob", 4096),
    ask.PowerOff("pump-1"),
    ask.Read("pump-1", 4096, 16),
    ask.Write("pump-1", "/storage", 4096),
    ask.Reset("pump-1"),
    ask.Pause("pump-1"),
    ask.Resume("pump-1"),
    ask.Run(),
    ask.Stand(),
    ask.RunFor(0.25),
    ask.Now(),
    ask.Save("/save"),
    ask.Load("/save", (MACHINE,), ("pump-1",)),
    ask.Execute("pump-1", "sysbus.cpu PC"),
]


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


# on the wire


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
def test_a_request_arrives_as_it_was_sent(request_: ask.Request) -> None:
    line = ask.encode_request(7, request_)
    assert line.count(b"\n") == 1
    assert ask.decode_request(line) == (7, request_)


def test_every_request_is_tried() -> None:
    assert {type(request) for request in REQUESTS} == set(ask.Request.__args__)


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[]",
        b'{"request": "Now"}',
        b'{"id": 1}',
        b'{"id": 1, "request": "Explode"}',
        b'{"id": 1, "request": "Now", "name": "pump-1"}',
        b'{"id": 1, "request": "Reset"}',
        b'{"id": 1, "request": "Create", "quantum": 1, "machine": {"name": "x"}}',
        b'{"id": 1, "request": "Create", "quantum": 1, "machine": {"link": {}, "console": {}}}',
    ],
)
def test_an_invalid_request_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - JSON's own words, or ours
        ask.decode_request(line)


def test_renode_has_threads_for_every_serial_line_from_the_start(tmp_path: Path) -> None:
    own = surroundings(tmp_path)
    for name in ("TMPDIR", "XDG_CONFIG_HOME"):
        assert Path(own[name]).is_dir()
        assert Path(own[name]).is_relative_to(tmp_path)
    assert int(own["MONO_THREADS_PER_CPU"]) == int(own["DOTNET_ThreadPool_ForceMinWorkerThreads"], 16) == THREADS
    # Two lines a machine, and some for Renode itself.
    assert THREADS >= 2 * MACHINES + 16


def test_virtual_time_is_read_to_the_microsecond() -> None:
    assert _seconds("Elapsed Virtual Time: 00:00:00.110000\nState: Idle") == "0.110000"
    assert _seconds("Elapsed Virtual Time: 01:02:03.5") == "3723.500000"
    assert _seconds("Elapsed Virtual Time: 2.00:00:01") == "172801.000000"
    with pytest.raises(Failed):
        _seconds("nothing")


def test_memory_is_read_as_digits() -> None:
    output = "[\n0xAB, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,\n0x00, 0x7F,\n]"
    assert bytes.fromhex(_digits(output)) == b"\xab" + bytes(10) + b"\x7f"


# the host's commands and their order, with a monitor that only records


class Diary:
    """Records its commands and prints nothing."""

    via = "diary"
    pid = 0

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._wanted: tuple[str, asyncio.Future[None]] | None = None

    async def typed(self, command: str) -> None:
        """Return when ``command`` is executed."""
        self._wanted = command, asyncio.get_running_loop().create_future()
        await self._wanted[1]

    async def open(self) -> str:
        return "1.15.0"

    async def execute(self, command: str) -> str:
        self.lines.append(command)
        if self._wanted is not None and self._wanted[0] == command:
            self._wanted[1].set_result(None)
        return ""

    async def ended(self) -> Gone:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def close(self) -> None:
        """Do nothing: there is no process."""

    def since(self) -> list[str]:
        lines, self.lines = self.lines, []
        return [line for line in lines if line in ("start", "pause") or "IsHalted" in line or "RunFor" in line]


async def test_time_passes_only_while_some_processor_runs(tmp_path: Path) -> None:
    """Renode lets virtual time run ahead when all processors are halted."""

    diary = Diary()
    host = RenodeHost(diary, tmp_path)
    await host.begin()
    await host.carry_out(ask.Create(MACHINE, 0.005))
    await host.carry_out(ask.Run())
    assert "start" not in diary.since()
    await host.carry_out(ask.PowerOn("pump-1", "/blob", 0))
    assert diary.since() == ["sysbus.cpu IsHalted false"]
    await host.resume_time()
    assert diary.since() == ["start"]
    await host.carry_out(ask.Reset("pump-1"))
    assert diary.since() == ["pause"]
    await host.resume_time()
    assert diary.since() == ["start"]
    await host.carry_out(ask.Pause("pump-1"))
    assert diary.since() == ["pause", "sysbus.cpu IsHalted true"]
    await host.resume_time()
    assert diary.since() == []
    await host.carry_out(ask.Resume("pump-1"))
    await host.resume_time()
    assert diary.since() == ["sysbus.cpu IsHalted false", "start"]
    await host.carry_out(ask.RunFor(0.5))
    await host.resume_time()
    assert diary.since() == ["pause", 'emulation RunFor "0.500000"']
    await host.carry_out(ask.PowerOff("pump-1"))
    await host.carry_out(ask.RunFor(0.5))
    assert diary.since() == ["sysbus.cpu IsHalted true"]
    await host.carry_out(ask.Load("/save", (MACHINE,), ("pump-1",)))
    assert diary.since() == []
    await host.carry_out(ask.Run())
    await host.resume_time()
    assert diary.since() == ["start"]


async def test_a_new_machine_is_started_with_the_others(tmp_path: Path) -> None:
    diary = Diary()
    host = RenodeHost(diary, tmp_path)
    for request in (ask.Create(MACHINE, 0.005), ask.Run(), ask.PowerOn("pump-1", "/blob", 0)):
        await host.carry_out(request)
    await host.resume_time()
    diary.since()
    other = ask.Machine("pump-2", "/f4.repl", "/f4.elf", "sysbus.cpu", 400, MACHINE.link, MACHINE.console)
    await host.carry_out(ask.Create(other, 0.005))
    await host.resume_time()
    assert diary.since()[-1] == "start"


async def test_a_fleet_is_powered_on_before_time_resumes(tmp_path: Path) -> None:
    """Each command takes longer while boards run."""

    diary = Diary()
    requests = asyncio.StreamReader()
    for number, request in enumerate((ask.Create(MACHINE, 0.005), ask.Run(), ask.PowerOn("pump-1", "/blob", 0))):
        requests.feed_data(ask.encode_request(number, request))
    with (tmp_path / "answers").open("wb") as answers:
        serving = asyncio.create_task(serve(RenodeHost(diary, tmp_path), requests, Pipe(answers)))
        await diary.typed("start")
        assert diary.lines.count("start") == 1
        requests.feed_eof()
        await serving
    assert (tmp_path / "answers").read_bytes().count(b"value") == 3


async def test_a_request_for_an_unknown_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no machine 'pump-9'"):
        await RenodeHost(Diary(), tmp_path).carry_out(ask.Reset("pump-9"))


# the process


async def test_a_missing_renode_is_reported_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENODE", "/nowhere/renode")
    host = HostProcess("host 1", SystemClock())
    folder = host.folder
    with pytest.raises(RigError, match=r"renode did not start: No such file"):
        await host.start()
    assert host.pid is None
    assert not folder.exists()


def program(folder: Path, text: str) -> str:
    path = folder / "renode"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


async def test_a_renode_that_ends_at_once_is_reported_with_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENODE", program(tmp_path, "echo 'mono: not found' >&2; exit 3"))

    with pytest.raises(RigError, match=r"(?s)it ended with status 3.*mono: not found.*wasmbed doctor"):
        await HostProcess("host 1", SystemClock()).start()


async def test_a_renode_that_is_too_old_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tells = 'case "$l" in version) echo "Renode, version 1.13.2.9";; echo*) eval "$l";; esac'
    monkeypatch.setenv("RENODE", program(tmp_path, f"while read -r l; do {tells}; done"))

    with pytest.raises(RigError, match=r"it is version 1\.13\.2\.9, 1\.15 or newer is needed"):
        await HostProcess("host 1", SystemClock()).start()


def peer(text: str) -> list[str]:
    """A host without a Renode: it executes ``text`` as Python code after its first line."""
    ready = '{"event": "ready", "version": "1.15.0", "via": "test", "pid": null}'
    return [sys.executable, "-c", f"import sys, os\nprint('{ready}', flush=True)\n{text}"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sys.stdin.readline(); os._exit(9)", "its host ended with status 9"),
        ("sys.stdin.readline(); print('what broke', file=sys.stderr); sys.exit(1)", "what broke"),
        (
            'sys.stdin.readline(); print(\'{"event": "ended", "status": 139, "output": "SIGSEGV"}\', flush=True)',
            "it ended with status 139; its last output:\nSIGSEGV",
        ),
    ],
)
async def test_a_host_that_dies_in_the_middle_of_a_request(text: str, words: str) -> None:
    host = HostProcess("host 1", SystemClock(), peer(text))
    heard: list[RigError] = []
    host.on_end = heard.append
    await host.start()
    with pytest.raises(RigError) as caught:
        await host.ask(ask.Now())
    assert words in str(caught.value)
    assert heard == [caught.value]
    with pytest.raises(RigError):
        await host.ask(ask.Now())
    await host.kill()


async def test_a_host_that_does_not_answer_is_given_up() -> None:
    host = HostProcess("host 1", SystemClock(), peer("sys.stdin.read()"))
    host.ANSWER_WITHIN = 0.2
    await host.start()
    pid = host.pid
    assert pid is not None
    with pytest.raises(RigError, match=r"did not answer Now within 0\.2 s"):
        await host.ask(ask.Now())
    assert not alive(pid)


async def test_a_host_that_never_starts_is_given_up() -> None:
    host = HostProcess("host 1", SystemClock(), [sys.executable, "-c", "import sys; sys.stdin.read()"])
    host.START_WITHIN = 0.2
    with pytest.raises(RigError, match=r"did not come up within 0\.2 s"):
        await host.start()


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (
            '"failure": {"command": "Save @x", "message": "no", "log": ["a", "b"]}',
            RigError,
            "Renode refused `Save @x`: no",
        ),
        ('"usage": {"what": "odd", "where": "here", "do": "this"}', UsageError, "here: odd\n  -> this"),
    ],
)
async def test_a_refused_request_is_reported(answer: str, error: type[Exception], words: str) -> None:
    text = f"sys.stdin.readline()\nprint('{{\"id\": 1, {answer}}}', flush=True)\nsys.stdin.read()"
    host = HostProcess("host 1", SystemClock(), peer(text))
    await host.start()
    with pytest.raises(error) as caught:
        await host.ask(ask.Now())
    assert words in str(caught.value)
    await host.kill()


async def test_it_ends_with_the_harness() -> None:
    """A killed harness leaves no host, because the host's input ends."""
    code = (
        "import asyncio, sys\n"
        "from harness.boards.renode.driver import HostProcess\n"
        "from harness.core.clock import SystemClock\n"
        f"host = HostProcess('host 1', SystemClock(), {peer('sys.stdin.read()')!r})\n"
        "async def main():\n"
        "    await host.start()\n"
        "    print(host.pid, host.folder, flush=True)\n"
        "    await asyncio.get_running_loop().create_future()\n"
        "asyncio.run(main())\n"
    )
    harness = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert harness.stdout is not None
    pid, folder = (await harness.stdout.readline()).decode().split()
    ended = os.pidfd_open(int(pid))
    gone = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_reader(ended, gone.set_result, None)
    harness.kill()
    await harness.communicate()
    await gone
    asyncio.get_running_loop().remove_reader(ended)
    os.close(ended)
    os.rmdir(folder)
