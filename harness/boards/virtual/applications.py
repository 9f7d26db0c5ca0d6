"""The applications of one virtual board: handles the gateway's messages about them."""

from __future__ import annotations

from collections.abc import Mapping

from harness.boards.virtual.application import BoardApplication, BoardServices
from harness.boards.virtual.reception import DeploymentCode, DeploymentRefused, Reception
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    ChunkAcknowledgment,
    Deploy,
    Error,
    ErrorCode,
    ModuleChunk,
    Stop,
    StopResult,
)
from harness.wasmbed.runtime.interface import LogLevel

__all__ = ["MAXIMUM_APPLICATIONS", "Applications"]

MAXIMUM_APPLICATIONS = 8
"""Applications on one board, including failed ones until they are stopped or replaced."""

_OVER = frozenset({ApplicationState.FAILED, ApplicationState.ERROR})


class Applications:
    """Receives, runs and stops applications. ``largest_module`` is in bytes; 0: the board has no runtime."""

    __slots__ = ("_board", "_cancelled", "_largest", "_present", "errors")

    def __init__(self, board: BoardServices, largest_module: int) -> None:
        self._board = board
        self._largest = largest_module
        self._present: dict[str, BoardApplication] = {}
        self._cancelled: str | None = None
        """The application whose transfer was cancelled most recently."""
        self.errors = 0
        """Failed deployments, and faults of applications that were removed."""

    @property
    def states(self) -> Mapping[str, ApplicationState]:
        return {name: application.state for name, application in self._present.items()}

    @property
    def busy(self) -> bool:
        """Whether a module is being received, loaded or called."""
        return any(application.busy or application.reception is not None for application in self._present.values())

    @property
    def memory_bytes(self) -> int:
        return sum(application.memory_bytes for application in self._present.values())

    def count(self, *states: ApplicationState) -> int:
        return sum(application.state in states for application in self._present.values())

    async def deploy(self, message: Deploy, message_id: int) -> None:
        """Prepare for a module's chunks, or refuse the deployment. A transfer in progress for the same application is
        cancelled: messages on a link are in order, so its sender has given it up too."""
        name = message.application_id
        before = self._present.get(name)
        application = BoardApplication(self._board, message, message_id)
        if before is not None and before.state in (ApplicationState.DEPLOYED, ApplicationState.RUNNING):
            # The running application stays; only this deployment fails.
            application.refuse(DeploymentCode.ALREADY_DEPLOYED, f"it is {before.state} already: stop it first")
            self.errors += 1
            return
        if before is not None:
            await self._forget(before)
        if self._cancelled == name:
            self._cancelled = None
        try:
            await self._make_room()
            if not self._largest:
                raise DeploymentRefused(DeploymentCode.UNAVAILABLE, "this board has no WebAssembly runtime")
            if not self._board.has_memory():
                raise DeploymentRefused(DeploymentCode.NOT_ENOUGH_MEMORY, f"{message.size} bytes, 0 are free")
            application.reception = Reception(message, self._largest)
        except DeploymentRefused as refusal:
            application.refuse(refusal.code, refusal.message)
            self.errors += 1
            return
        self._present[name] = application
        application.say(f"receiving {message.size} bytes in {application.reception.chunks} chunks")

    def chunk(self, message: ModuleChunk, message_id: int) -> None:
        """Take a chunk and acknowledge it; start the application after the last.

        A repeated chunk is acknowledged again: its sender has not seen the first acknowledgment in time. A chunk of a
        cancelled transfer is ignored: it was sent before its sender knew of the cancellation.
        """
        application = self._present.get(message.application_id)
        if application is None and message.application_id == self._cancelled:
            return
        if application is None or application.state is ApplicationState.FAILED:
            reason = f"a chunk of {message.application_id}, which is not being received"
            self._board.send(Error(ErrorCode.PROTOCOL_ERROR, reason), message_id)
            return
        module: bytes | None = None
        if application.reception is not None:
            try:
                module = application.reception.add(message)
            except DeploymentRefused as refusal:
                application.refuse(refusal.code, refusal.message)
                return
        self._board.send(ChunkAcknowledgment(message.application_id, message.index), message_id)
        if module is not None:
            application.start(module)

    async def stop(self, message: Stop, message_id: int) -> None:
        """Stop and remove an application, also while its module is being received. An absent application counts as
        stopped."""
        application = self._present.get(message.application_id)
        if application is not None:
            if application.reception is not None:
                self._cancelled = application.name
            await self._forget(application)
            application.say("stopped")
        self._board.send(StopResult(message.application_id, ok=True), message_id)

    def status(self, name: str | None, message_id: int) -> None:
        """Report on one application or, for None, on each. An absent application counts as stopped."""
        if name is not None and name not in self._present:
            absent = ApplicationStatus(name, ApplicationState.STOPPED, error="not on this board")
            self._board.send(absent, message_id)
        for application in tuple(self._present.values()):
            if name in (None, application.name):
                application.status(message_id)

    def link_lost(self) -> None:
        """Give up transfers in progress: their remaining chunks will not come."""
        self._cancelled = None
        for application in tuple(self._present.values()):
            application.link_lost()
            if application.reception is not None:
                application.say("transfer given up: the link is down", LogLevel.WARNING)
                del self._present[application.name]

    def link_restored(self) -> None:
        """Report what happened while there was no session."""
        for application in self._present.values():
            application.report_unsent()

    async def clear(self) -> None:
        """End all applications, because the power is off."""
        for application in tuple(self._present.values()):
            await self._forget(application)

    async def _make_room(self) -> None:
        if len(self._present) < MAXIMUM_APPLICATIONS:
            return
        over = next((application for application in self._present.values() if application.state in _OVER), None)
        if over is None:
            raise DeploymentRefused(
                DeploymentCode.TOO_MANY_APPLICATIONS, f"this board holds {MAXIMUM_APPLICATIONS} applications at most"
            )
        await self._forget(over)

    async def _forget(self, application: BoardApplication) -> None:
        self.errors += application.state in _OVER
        await application.stop()
        self._present.pop(application.name, None)
