"""The boards and applications of one stack, and what has to have become of them after faults: at the end of a life,
devices are Connected, applications have their final phase, and resources, sessions and boards agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.boards.board import Board, Power
from harness.core.errors import ProductFailure
from harness.core.history import Event
from harness.invariants import Party
from harness.stack import Stack
from harness.stack.applications import ApplicationHandle

__all__ = ["HEARTBEAT", "PATIENCE", "WITHOUT_DEVICE", "Life"]

PATIENCE = 900.0
"""Virtual seconds for a step: three missed heartbeats, the longest backoff of a board, and some retries."""
HEARTBEAT = 10.0
"""Seconds between two heartbeats."""
RECOVERY = 180.0
"""Virtual seconds after the last fault in which all has to be well again: a board misses three answers, waits for up to
30 s, may have to wait for a handshake that fails, and gets what was to be deployed to it."""
WITHOUT_DEVICE = "Deploying"
"""The phase of an application that no device has the labels for."""
FAILED = ("Failed", "PartiallyRunning")
MAY_FAIL = frozenset({"board.memory-exhausted", "link.drop", "link.bandwidth", "link.delay", "link.jitter"})
"""Faults in which a deployment may be given up: the device refuses it, or answers are lost or late again and again."""
QUIET = 30.0
"""Virtual seconds after that in which all has to stay well: what waits for an answer gives up in less."""
GATEWAY, CONTROLLER = str(Party.GATEWAY), str(Party.APPLICATION_CONTROLLER)
END = "the end of a life"


class Life:
    """The boards and applications of one stack, and what has to have become of them at the end."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.boards: list[Board] = []
        """Those that have to be Connected at the end."""
        self.applications: dict[str, tuple[str, ...]] = {}
        """The phases that are right at the end, by application; none: it has to be gone."""

    async def board(self, **options: Any) -> Board:
        """A new board, Connected."""
        board: Board = await self.stack.boards.power_on(**options)
        self.boards.append(board)
        await self.connected(board)
        return board

    async def connected(self, board: Board) -> None:
        await self.stack.device(board).until(phase="Connected", within=PATIENCE)

    async def deployed(self, module: bytes | str, board: Board, *phases: str, **options: Any) -> ApplicationHandle:
        """An application that came to one of ``phases``, and has to have one of them at the end."""
        application = await self.stack.deploy(module, to=board, **options)
        await self.reaches(application, *(phases or ("Running",)))
        return application

    async def reaches(self, application: ApplicationHandle, *phases: str) -> None:
        """Wait until an application has one of ``phases``, which it has to have at the end, too."""
        self.applications[application.name] = phases
        await application.until(phase=self._right(application), within=PATIENCE)

    async def gone(self, application: ApplicationHandle) -> None:
        self.applications[application.name] = ()
        await application.delete()
        await application.until_gone(within=PATIENCE)

    async def settle(self) -> None:
        """Wait until the faults are over and all is as it has to be, and then see that it stays so."""
        clock, history = self.stack.clock, self.stack.history
        await self.stack.faults.settled()
        until = clock.now() + RECOVERY
        for board in self.boards:
            if board.power is Power.OFF:
                await self._is_away(board)
                await board.power_on()
                until = clock.now() + RECOVERY
        since = next(reversed(history), None)
        for board in self.boards:
            within = max(until - clock.now(), 1.0)
            device = self.stack.boards.device_of(board)
            beat = await history.until("Heartbeat", about=device, after=since, within=within)
            await history.until("HeartbeatAcknowledgment", about=device, after=beat, within=within)
            await self.stack.device(board).until(phase="Connected", within=max(until - clock.now(), 1.0))
        for name, phases in self.applications.items():
            application, within = self.stack.application(name), max(until - clock.now(), 1.0)
            if phases:
                await application.until(phase=self._right(application), within=within)
            else:
                await application.until_gone(within=within)
        await clock.sleep(QUIET)
        await self._agree()

    async def _is_away(self, board: Board) -> None:
        """Wait until the record does not say any more that a board without power is Connected."""
        device = self.stack.device(board)
        if device.exists and device.status.phase == "Connected":
            await device.until(phase=lambda phase: phase != "Connected", within=RECOVERY)

    def _right(self, application: ApplicationHandle) -> Callable[[object], bool]:
        phases = self.applications[application.name]
        return lambda phase: phase in phases or (phase in FAILED and self._may_fail)

    @property
    def _may_fail(self) -> bool:
        return any(entry.fault.name in MAY_FAIL for entry in self.stack.faults.applied)

    async def _agree(self) -> None:
        """Sessions, resources and boards say the same, and no trace of the fault is left."""
        stack = self.stack
        sessions = {device for each in stack.gateways if each.running for device in await each.sessions()}
        wanted = {stack.boards.device_of(board) for board in self.boards}
        _same("devices with a session", sessions & wanted, wanted, GATEWAY)
        _same("sessions", sessions - wanted, set(), GATEWAY)
        for board in self.boards:
            status = stack.device(board).status
            _same(f"phase of {board.name}", (status.phase, status.error), ("Connected", None), GATEWAY)
            of_life = {name for name, phases in self.applications.items() if phases}
            unwanted = _running(stack, board.name) - of_life
            # A gateway stops what does not exist any more.
            party = CONTROLLER if any(stack.application(name).exists for name in unwanted) else GATEWAY
            _same(f"what {board.name} runs and nobody wants", unwanted, set(), party)
        for name, phases in self.applications.items():
            application = stack.application(name)
            if not phases:
                _same(f"{name} exists", application.exists, False, CONTROLLER)
                continue
            if application.status.phase == WITHOUT_DEVICE:
                devices = set(application.status.device_statuses)
                _same(f"devices of {name}, which is {WITHOUT_DEVICE}", devices, set(), CONTROLLER)
            if application.status.phase == "Running":
                health = application.status.error, application.status.health
                _same(f"error of {name}", health, (None, "healthy"), CONTROLLER)
            for device, entry in application.status.device_statuses.items():
                if entry.state == "failed" and self._may_fail:
                    continue  # it was given up; the device may have it
                if (said := name in _running(stack, device)) != (entry.state == "running"):
                    raise ProductFailure(
                        f"the status of {name} says {entry.state} on {device}, and the board that it "
                        f"{'runs' if said else 'does not run'}",
                        where=END,
                        # A gateway writes what heartbeats name; a controller judges what they do not name.
                        party=GATEWAY if said else CONTROLLER,
                    )


def _same(what: str, found: object, wanted: object, party: str) -> None:
    if found != wanted:
        raise ProductFailure(f"{what}: {found!r}, not {wanted!r}", where=END, party=party)


def _running(stack: Stack, device: str) -> set[str]:
    """The applications that the last heartbeat of a device names as running."""
    beats: list[Event] = stack.history.find("Heartbeat", about=device)
    states = beats[-1].data.get("applications") or {}
    return {name for name, state in states.items() if state == "running"}
