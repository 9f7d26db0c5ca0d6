"""The controllers of a stack: a manager in this process, or the program ``wasmbed controllers``.

Several wait for one lease, and its holder acts. Both kinds start, stop, and can be killed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.clock import Clock
from harness.core.errors import ProductFailure, RigError, reason
from harness.gateways.program import Program, describe_end

if TYPE_CHECKING:  # what tests without a stack would wait for: this module tells the features
    from harness.stack.recorder import Recorder
    from harness.wasmbed.controllers import ControllerManager

__all__ = ["FEATURES", "Controllers", "ControllersHere", "ControllersProcess"]

FEATURES = {
    "controllers-api-faults": "the controllers' requests to the cluster can be made to fail",
    "controllers-clock": "the controllers' clock can be made wrong",
}
"""The features of controllers, each with its meaning; scenarios ask for them by ``requires``."""
PREFIX = "wasmbed-controllers-"
"""The prefix of the names of the folders, in the folder for temporary files."""
_READY = re.compile(r"ready http=\S+")
_STARTS_WITHIN = 60.0
"""Seconds for Python to start and the program to read the cluster."""
_STOPS_WITHIN = 30.0
_OURS = "WASMBED_CONTROLLERS_"


class Controllers(ABC):
    """All controllers under one name, which the lease has while they lead."""

    def __init__(self, name: str, recorder: Recorder) -> None:
        self.name = name
        self._recorder = recorder

    @property
    @abstractmethod
    def leading(self) -> bool:
        """Whether these are the ones that act."""

    @property
    @abstractmethod
    def running(self) -> bool:
        """Whether they were started, and neither stopped nor killed since."""

    @abstractmethod
    async def start(self) -> None:
        """Return when they have read the cluster and stand for the lease; again after :meth:`stop` or :meth:`kill`."""

    @abstractmethod
    async def stop(self) -> None:
        """Let them finish present work and give the lease back."""

    async def kill(self) -> None:
        """End them as kill -9 does: present work is cut, and the lease runs out."""
        if self.running:
            from harness.wasmbed.controllers.manager import OWN_CLIENT

            self._recorder.fault("kill controllers", OWN_CLIENT, controllers=self.name)
            await self._kill()

    @abstractmethod
    async def _kill(self) -> None: ...

    def check(self) -> None:  # noqa: B027, controllers in this process cannot be gone
        """Raise ProductFailure if they ended by themselves, with their last lines."""


class ControllersHere(Controllers):
    """The kind ``reference``: in this process, on the stack's clock and network."""

    def __init__(self, name: str, recorder: Recorder, manager: ControllerManager) -> None:
        super().__init__(name, recorder)
        self._manager = manager

    @property
    def leading(self) -> bool:
        return self._manager.leading

    @property
    def running(self) -> bool:
        return self._manager.synced

    async def start(self) -> None:
        await self._manager.start()

    async def stop(self) -> None:
        await self._manager.stop()

    async def _kill(self) -> None:
        await self._manager.kill()


class ControllersProcess(Controllers):
    """The kind ``process``: the program, whose log is in the record."""

    def __init__(
        self,
        name: str,
        recorder: Recorder,
        clock: Clock,
        namespace: str,
        give_access: Callable[[Path], Awaitable[None]],
        lease_duration: float | None,
    ) -> None:
        super().__init__(name, recorder)
        self._clock, self._namespace, self._give_access = clock, namespace, give_access
        self._lease_duration = lease_duration
        self._program: Program | None = None
        self._leading = False

    @property
    def leading(self) -> bool:
        return self._leading and self.running

    @property
    def running(self) -> bool:
        return self.pid is not None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._program.pid if self._program is not None else None

    async def start(self) -> None:
        if self.running:
            return
        self._leading = False
        self._program = program = Program(f"controllers {self.name}", self._clock, self._line)
        try:
            folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{self.name}-"))
        except OSError as error:
            raise RigError(
                f"cannot make a folder: {reason(error)}", where=tempfile.gettempdir(), do="free space, or set TMPDIR"
            ) from error
        try:
            await self._give_access(folder / "kubeconfig")
            environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
            await program.start(self._command(folder), folder, environment=environment, directory=Path.cwd())
            await self._until_ready(program)
        except BaseException:
            await program.kill()
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _command(self, folder: Path) -> list[str]:
        command = [sys.executable, "-P", "-m", "harness.cli", "controllers", "--identity", self.name]
        command += ["--http", "127.0.0.1:0", "--namespace", self._namespace]
        command += ["--kubeconfig", str(folder / "kubeconfig")]
        if self._lease_duration is not None:
            command += ["--lease-duration", str(self._lease_duration)]
        return command

    async def _until_ready(self, program: Program) -> None:
        try:
            async with self._clock.deadline(_STARTS_WITHIN):
                await program.until_line(_READY.fullmatch)
        except TimeoutError:
            raise program.failure(
                f"was not ready within {_STARTS_WITHIN:g} s", "see the machine's load, and the end of its log"
            ) from None

    async def stop(self) -> None:
        if self._program is not None and not await self._program.stop(signal.SIGTERM, _STOPS_WITHIN):
            raise RigError(
                f"did not end within {_STOPS_WITHIN:g} s of SIGTERM: it was killed", where=f"controllers {self.name}"
            )

    async def _kill(self) -> None:
        if self._program is not None:
            await self._program.kill()

    def check(self) -> None:
        program = self._program
        if program is not None and program.ended.done() and not program.asked_to_end:
            raise ProductFailure(
                f"ended by itself: {describe_end(program.ended.result())}{program.last_lines()}",
                where=f"controllers {self.name}",
                party="controller manager",
            )

    def _line(self, line: str) -> None:
        self._recorder.controllers_line(line, self.name)
        said = line.removeprefix("INFO ").removeprefix("WARNING ")
        if said in (f"{self.name} leads", f"{self.name} lost the lease"):
            self._leading = said.endswith(" leads")
