"""A simulated run that reaches outside fails, and names the place."""

from __future__ import annotations

import asyncio
import datetime
import gc
import inspect
import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any

import pytest

from harness.core.clock import SystemClock
from harness.core.errors import UsageError
from harness.core.network import SystemNetwork
from harness.sim import Simulation

CLOCK = SystemClock()


async def _process() -> None:
    await asyncio.create_subprocess_exec("true")


async def _bind() -> None:
    await SystemNetwork()._bind("127.0.0.1", 0)


ACTIONS: dict[str, tuple[str, Callable[[], Any]]] = {
    "time": ("read the machine's time", lambda: time.time()),  # noqa: TID251
    "monotonic": ("read the machine's time", lambda: time.monotonic()),  # noqa: TID251
    "perf_counter_ns": ("read the machine's time", lambda: time.perf_counter_ns()),
    "datetime": ("read the machine's time", lambda: datetime.datetime.now(datetime.UTC)),  # noqa: TID251
    "today": ("read the machine's time", lambda: date.today()),
    "clock": ("read the machine's time", lambda: CLOCK.now()),
    "sleep": ("sleep", lambda: time.sleep(0.01)),  # noqa: TID251
    "thread": ("start a thread", lambda: threading.Thread(target=print).start()),
    "process": ("start a process", lambda: subprocess.run(["true"], check=True)),
    "fork": ("start a process", lambda: os.fork()),
    "asyncio-process": ("start a process", _process),
    "socket": ("open a socket", lambda: socket.socket()),
    "system-network": ("open a socket", _bind),
    "connection": ("ask the system for an address", lambda: socket.create_connection(("127.0.0.1", 9))),
    "name": ("ask the system for an address", lambda: socket.gethostbyname("localhost")),
    "file": ("wait for a file of the operating system", lambda: asyncio.get_running_loop().add_reader(0, print)),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_what_is_outside_is_refused(name: str) -> None:
    """Time, threads, processes, and sockets of the machine, each with the file and line that wanted it."""
    what, action = ACTIONS[name]

    async def act() -> None:
        done = action()
        if inspect.isawaitable(done):
            await done

    with Simulation().new_runner() as runner, pytest.raises(UsageError) as caught:
        runner.run(act())
    assert caught.value.what == f"a simulated run cannot {what}"
    assert str(caught.value.where).startswith(f"{__file__}:")


def test_a_refusal_that_was_hidden_is_raised_at_the_end() -> None:
    """Code that catches everything does not make the run depend on the machine unseen."""

    async def hide() -> None:
        with suppress(Exception):
            threading.Thread(target=print).start()

    with Simulation().new_runner() as runner:
        with pytest.raises(UsageError, match="start a thread"):
            runner.run(hide())
        runner.run(asyncio.sleep(1))  # noqa: TID251  # it is raised once


def test_libraries_see_virtual_time() -> None:
    """A log record, which the standard library stamps, has the simulation's time."""

    async def log() -> float:
        await asyncio.sleep(3600)  # noqa: TID251
        return logging.makeLogRecord({}).created

    simulation = Simulation()
    with simulation.new_runner() as runner:
        created = runner.run(log())
    assert created == pytest.approx(simulation.clock.now(), abs=1e-3)


def test_outside_a_run_nothing_is_refused() -> None:
    """Between two runs of the loop, and for other threads during one, the machine is as usual."""
    before = time.monotonic()  # noqa: TID251
    others: list[float] = []
    begun, go_on = threading.Event(), threading.Event()

    def look() -> None:
        begun.set()
        go_on.wait(60)
        others.append(time.monotonic())  # noqa: TID251

    thread = threading.Thread(target=look)
    thread.start()
    begun.wait(60)

    async def let_it_look() -> None:
        go_on.set()
        thread.join(60)

    with Simulation().new_runner() as runner:
        runner.run(let_it_look())
    thread.join()
    assert before <= others[0] <= time.monotonic()  # noqa: TID251
    with socket.socket():
        pass


def test_the_garbage_collector_is_as_before() -> None:
    before = gc.get_threshold()
    with Simulation().new_runner() as runner:
        assert runner.run(_thresholds()) != before
    assert gc.get_threshold() == before


async def _thresholds() -> tuple[int, int, int]:
    return gc.get_threshold()


def test_dates_are_the_real_ones_otherwise() -> None:
    """In a simulated run, what a test does with dates beside asking for the present is unchanged; and so is everything
    after it."""
    before = date, datetime

    async def use() -> None:
        day = date(2026, 1, 1)
        moment = datetime.datetime.fromisoformat("2026-01-01T00:00:00+00:00")
        assert isinstance(day, date)
        assert isinstance(moment, datetime.datetime)
        assert issubclass(type(moment), date)
        assert moment - datetime.timedelta(days=1) < moment <= datetime.datetime.max.replace(tzinfo=datetime.UTC)
        assert datetime.datetime.combine(day, datetime.time(), datetime.UTC) == moment

    with Simulation().new_runner() as runner:
        runner.run(use())
    assert (date, datetime) == before
