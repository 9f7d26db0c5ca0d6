"""The program that owns a Renode: ``python -m harness.boards.renode.host FOLDER``.

It reads requests from its standard input and answers them in order on its standard output. It ends when its input ends,
and Renode ends with it. Its files are in ``FOLDER``. The environment variable ``RENODE`` names the program if it is not
on the PATH; without that variable, pyrenode3 is preferred if it is installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from harness.boards.renode import requests as ask
from harness.boards.renode.installation import find_program
from harness.boards.renode.library import LibraryMonitor, has_library
from harness.boards.renode.monitor import ConsoleMonitor, Gone, Monitor, die_with_parent
from harness.boards.renode.replies import Log, Reply, read_reply
from harness.boards.renode.script import STAND, START, Command, beginning, commands
from harness.core.errors import UsageError

__all__ = ["Pipe", "RenodeHost", "main", "serve"]

VIRTUAL_TIME = re.compile(r"Elapsed Virtual Time: (?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)")
BYTE = re.compile(r"\b0x([0-9A-F]{2})\b")
REQUEST_LIMIT = 1 << 20


class Failed(Exception):
    """Renode refused a command; the argument is the :class:`~harness.boards.renode.requests.HostError`."""

    def __init__(self, failure: ask.HostError) -> None:
        super().__init__(failure)
        self.failure = failure


class RenodeHost:
    """Executes requests, one after the other, on one Renode.

    Virtual time passes only while a processor runs: with all processors halted, Renode 1.15 lets virtual time run ahead
    of real time, and then waits until real time has caught up.
    """

    def __init__(self, monitor: Monitor, folder: Path) -> None:
        self.monitor = monitor
        self._log = Log(folder / "log")
        self._machines: dict[str, ask.Machine] = {}
        self._live: set[str] = set()
        self._is_wanted = self._is_started = False

    async def begin(self) -> str:
        """Start Renode; returns its version. Raises Gone or Failed."""
        version = await self.monitor.open()
        for command in beginning(str(self._log.path)):
            await self._type(command)
        return version

    async def carry_out(self, request: ask.Request) -> str:
        """Execute a request and return its value. Raises Failed, Gone, or UsageError for a value that Renode's grammar
        cannot express."""
        known = request.machine.name if isinstance(request, ask.Create) else getattr(request, "name", None)
        if isinstance(request, ask.Create):
            self._machines[request.machine.name] = request.machine
        elif isinstance(request, ask.Load):
            self._machines = {machine.name: machine for machine in request.machines}
        elif known is not None and known not in self._machines:
            raise UsageError(f"there is no machine {known!r}", where="Renode")
        after = self._live_after(request)
        if not after:
            await self._move(False)
        value = await self._carry_out(request)
        self._live = after
        if isinstance(request, ask.Create):
            # A new machine does not run until the emulation is started again.
            self._is_started = False
        return value

    async def resume_time(self) -> None:
        """Let virtual time pass if it was requested; called when no request waits. Raises Failed or Gone."""
        if self._is_wanted and self._live:
            await self._move(True)

    async def _carry_out(self, request: ask.Request) -> str:
        if isinstance(request, ask.Run | ask.Stand):
            self._is_wanted = isinstance(request, ask.Run)
            return ""
        if isinstance(request, ask.RunFor | ask.Save | ask.Load):
            self._is_wanted = False
            await self._move(False)
        if isinstance(request, ask.RunFor) and not self._live:
            return ""
        if isinstance(request, ask.Reset):
            # In Renode 1.15 a reset and a byte for an STM32F7's UART at the same time wait for each other for ever.
            await self._move(False)
        value, errors = "", list[str]()
        for command in commands(request, self._machines):
            reply = await self._type(command)
            value = reply.value or value
            errors += reply.errors
        if isinstance(request, ask.Now):
            return _seconds(value)
        if isinstance(request, ask.Read):
            return _digits(value)
        if errors and isinstance(request, ask.Create | ask.PowerOn | ask.Write):
            raise Failed(ask.HostError(type(request).__name__, errors[0], tuple(errors)))
        return value

    def _live_after(self, request: ask.Request) -> set[str]:
        match request:
            case ask.PowerOn(name) | ask.Resume(name):
                return self._live | {name}
            case ask.PowerOff(name) | ask.Pause(name):
                return self._live - {name}
            case ask.Load(live=live):
                return set(live)
        return self._live

    async def _move(self, runs: bool) -> None:
        if runs is not self._is_started:
            await self._type(START if runs else STAND)
            self._is_started = runs

    async def _type(self, command: Command) -> Reply:
        reply = read_reply(await self.monitor.execute(command.text), answers=command.answers)
        errors = (*reply.errors, *self._log.errors())
        if reply.failure is not None:
            raise Failed(ask.HostError(command.text, reply.failure, errors))
        return replace(reply, errors=errors)


def _digits(output: str) -> str:
    return "".join(BYTE.findall(output))


def _seconds(output: str) -> str:
    found = VIRTUAL_TIME.search(output)
    if found is None:
        raise Failed(ask.HostError("emulation GetTimeSourceInfo", f"its output has no time: {output}"))
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return f"{days * 86_400 + hours * 3600 + minutes * 60 + seconds:.6f}"


class Pipe:
    """Writes the answers to the original standard output, which no library can write to."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def send(self, **facts: Any) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stream.write(json.dumps(facts).encode() + b"\n")
            self._stream.flush()


async def serve(host: RenodeHost, requests: asyncio.StreamReader, pipe: Pipe) -> None:
    """Answer requests until the input or Renode ends."""
    try:
        version = await host.begin()
        pipe.send(event="ready", version=version, via=host.monitor.via, pid=host.monitor.pid)
        ended = asyncio.create_task(host.monitor.ended())
        answering = asyncio.create_task(_answer(host, requests, pipe))
        await asyncio.wait({ended, answering}, return_when=asyncio.FIRST_COMPLETED)
        answering.cancel()
        if ended.done():
            raise ended.result()
        ended.cancel()
        # An exception here is an error of this program: let it be printed.
        with contextlib.suppress(asyncio.CancelledError):
            await answering
    except Gone as gone:
        pipe.send(event="ended", status=gone.args[0], output=gone.args[1])
    except Failed as failed:
        pipe.send(event="ended", status=None, output=f"{failed.failure.command}: {failed.failure.message}")
    finally:
        await host.monitor.close()


async def _answer(host: RenodeHost, requests: asyncio.StreamReader, pipe: Pipe) -> None:
    while True:
        next_line = asyncio.ensure_future(requests.readline())
        # Commands are slow while boards run, so virtual time resumes only when no request waits.
        if not (await asyncio.wait([next_line], timeout=0))[0]:
            await host.resume_time()
        if not (line := await next_line):
            return
        number, request = ask.decode_request(line)
        try:
            pipe.send(id=number, value=await host.carry_out(request))
        except Failed as failed:
            pipe.send(id=number, failure=asdict(failed.failure))
        except UsageError as error:
            pipe.send(id=number, usage={"what": error.what, "where": error.where, "do": error.do})


def choose_monitor(folder: Path) -> Monitor:
    """Return the library's monitor if pyrenode3 is installed and ``RENODE`` is not set, else the program's."""
    if has_library() and "RENODE" not in os.environ:
        return LibraryMonitor(folder)
    return ConsoleMonitor(find_program() or "renode", folder)


async def _main(folder: Path, pipe: Pipe) -> None:
    requests = asyncio.StreamReader(limit=REQUEST_LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)
    await serve(RenodeHost(choose_monitor(folder), folder), requests, pipe)


def main(arguments: list[str]) -> int:
    """Run until the standard input ends."""
    # On other systems the end of its input ends it.
    die_with_parent()
    # The output of libraries must not mix with the answers.
    pipe = Pipe(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    asyncio.run(_main(Path(arguments[0]), pipe))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
