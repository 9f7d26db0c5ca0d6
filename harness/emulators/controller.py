"""The controller of boards: it brings each board to what its Device asks for, and keeps it there.

A manager runs a board only while ``status.board.host`` names it. It writes its name there conditionally on the version
of the Device that it read, so of two that want a board one gets it, and takes over a board only when the host's lease
has expired, by when that host has stopped its boards. A gateway has at most one session for a device, so even a host
that does not notice the loss of its lease can do no more than keep a link for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.boards.board import Board, Power
from harness.core.backoff import Backoff
from harness.core.clock import Clock
from harness.core.errors import HarnessError, UsageError
from harness.core.errors import reason as reason_of
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.emulators.consoles import Consoles
from harness.emulators.members import Members
from harness.emulators.workshop import Workshop
from harness.wasmbed.controllers.controller import Controller
from harness.wasmbed.resources.api import ApiError, Conflict, Object, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.names import BOARD_FINALIZER
from harness.wasmbed.resources.views import BoardSpec, Device

__all__ = ["BoardController"]

log = get_log(__name__)

_BACKOFF = Backoff(first=1.0, longest=300.0)
_LOOK_AGAIN = 15.0
"""Seconds after which a board is looked at again that another member is to claim, and may not."""
_STABLE_AFTER = 600.0
"""Seconds of running after which the pause before a restart is the shortest again."""


@dataclass(frozen=True, slots=True)
class _Local:
    """A board that this manager has made, for a spec, at a moment (clock seconds)."""

    board: Board
    spec: BoardSpec
    began: float


@dataclass(frozen=True, slots=True)
class _End:
    """How a board ended by itself, or why it did not start. It is kept until it is in the status. ``final``: only
    another spec can help."""

    reason: str
    failed: bool = True
    final: bool = False


@dataclass(frozen=True, slots=True)
class _Pause:
    """The board is started again ``at`` clock seconds, after ``failures`` failures in a row, unless its spec is
    another than ``spec`` before."""

    at: float
    failures: int
    spec: BoardSpec


class BoardController(Controller):
    """Runs the boards that this member, ``identity``, has claimed. :meth:`close` cuts the power of all."""

    name: ClassVar[str] = "EmulatorManager"
    workers: ClassVar[int] = 8

    def __init__(
        self,
        api: ResourceApi,
        devices: Informer,
        members: Members,
        workshop: Workshop,
        consoles: Consoles,
        identity: str,
        clock: Clock,
        randomness: Randomness,
        *,
        resync: float,
    ) -> None:
        super().__init__(clock, randomness, resync=resync)
        self._api, self._devices, self._members, self._workshop = api, devices, members, workshop
        self._consoles, self._identity = consoles, identity
        self._local: dict[str, _Local] = {}
        self._ends: dict[str, _End] = {}
        self._pauses: dict[str, _Pause] = {}
        members.on_changed(self._members_changed)
        workshop.on_ended(self._ended)

    @property
    def boards(self) -> dict[str, Board]:
        """The boards that are on here, by device."""
        return {name: local.board for name, local in self._local.items()}

    def watch(self) -> Iterable[Callable[[], None]]:
        return [self._devices.add_handler(self._changed)]

    def keys(self) -> Iterable[str]:
        return [name for name, raw in self._devices.objects.items() if _concerns(raw)]

    async def reconcile(self, key: str) -> float | None:
        raw = self._devices.get(key)
        if raw is None:
            await self._power_off(key)
            self._consoles.forget(key)
            return None
        device = Device(raw)
        status, wanted = device.status.board, device.spec.board
        if status.console_host != self._identity:
            self._consoles.forget(key)
        if status.host not in (None, self._identity) and (patience := self._members.patience(status.host)) > 0:
            await self._power_off(key)  # another one has it: this member lost its lease for a while
            return patience
        is_mine = status.host == self._identity
        if device.deleting or not wanted.kind:
            if is_mine or self._is_chosen(key):
                await self._dismantle(device)
            return None
        if not is_mine:
            has_settled = status.phase in ("Stopped", "Failed") and status.spec_hash == wanted.hash
            if has_settled:
                return None
            if not self._is_chosen(key):
                return _LOOK_AGAIN
            device = await self._claim(device)
        if not wanted.running:
            await self._power_off(key)
            await self._settle(device, "Stopped")
            return None
        return await self._run(device)

    async def close(self) -> None:
        """Cut the power of every board here, at once: this member does not hold its lease any more."""
        boards, self._local = self.boards, {}
        self._consoles.close()
        ended = await asyncio.gather(*(board.cut_power() for board in boards.values()), return_exceptions=True)
        for name, error in zip(boards, ended, strict=True):
            if error is not None:
                log.error("device %s: its board could not be switched off: %r", name, error)
        self._ends.clear()
        self._pauses.clear()

    async def release(self) -> None:
        """Stop every board here in order, and let other members have them."""
        names = tuple(self._local)
        await asyncio.gather(*map(self._release, names))

    async def _release(self, name: str) -> None:
        await self._power_off(name)
        while True:
            try:
                device = Device(await self._api.get(DEVICE, name))
                if device.status.board.host == self._identity:
                    await self._write(device, host=None, pid=None, phase="Pending")
                return
            except Conflict:
                continue  # its gateway wrote meanwhile: read it again
            except (OSError, ApiError) as error:
                log.warning("device %s: others wait for this member's lease to expire: %s", name, reason_of(error))
                return

    async def _run(self, device: Device) -> float | None:
        """Start the board, or start it again, if it has to be."""
        name, wanted = device.name, device.spec.board
        if name in self._ends:
            return await self._after(device, self._ends[name])
        local = self._local.get(name)
        if local is not None and _needs_restart(local.spec, wanted):
            await self._power_off(name)
            local = None
        pause = self._pauses.get(name)
        if local is None and pause is not None and pause.spec == wanted and self.clock.now() < pause.at:
            return pause.at - self.clock.now()
        if local is None:
            try:
                local = await self._start(device)
            except HarnessError as error:
                end = self._ends[name] = _End(f"{error.what}; {error.do}", final=isinstance(error, UsageError))
                return await self._after(device, end)
        if (device.status.board.phase, device.status.board.pid) != ("Running", local.board.pid):
            await self._write(device, phase="Running", pid=local.board.pid, specHash=wanted.hash)
        return None

    async def _start(self, device: Device) -> _Local:
        await self._consoles.publish()
        board = await self._workshop.make(device)
        self._consoles.follow(device.name, board.console)
        local = self._local[device.name] = _Local(board, device.spec.board, self.clock.now())
        self._consoles.note(device.name, f"{device.spec.board.kind} board started by {self._identity}")
        await board.power_on()
        log.info("device %s: %s board started", device.name, device.spec.board.kind)
        return local

    async def _after(self, device: Device, end: _End) -> float | None:
        """Handle the end of a board, or a start that failed."""
        name, wanted, status = device.name, device.spec.board, device.status.board
        again = wanted.restart_policy == "Always" or (wanted.restart_policy == "OnFailure" and end.failed)
        local, before = self._local.get(name), self._pauses.get(name)
        lasted = self.clock.now() - local.began if local is not None else 0.0
        if end.final or not again:
            await self._settle(device, "Failed" if end.failed else "Stopped", end.reason)
        else:
            restarts = status.restarts + 1
            await self._write(device, phase="BackingOff", pid=None, restarts=restarts, lastExit=end.reason[:1024])
        self._consoles.note(name, f"the board ended: {end.reason}")
        log.warning("device %s: the board ended: %s", name, end.reason)
        await self._power_off(name)
        self._ends.pop(name, None)
        if end.final or not again:
            return None
        failures = before.failures if before is not None and lasted < _STABLE_AFTER else 0
        pause = _BACKOFF.delay(failures, self.randomness)
        self._pauses[name] = _Pause(self.clock.now() + pause, failures + 1, wanted)
        return pause

    async def _claim(self, device: Device) -> Device:
        """Write this member's name. Raises :class:`Conflict` if the Device was changed since it was read."""
        if BOARD_FINALIZER not in device.finalizers:
            finalizers = [*device.finalizers, BOARD_FINALIZER]
            patch = {"metadata": {"resourceVersion": device.resource_version, "finalizers": finalizers}}
            written = await self._api.patch(DEVICE, device.name, patch)
            self._devices.remember(written)
            device = Device(written)
        self._ends.pop(device.name, None)
        self._pauses.pop(device.name, None)
        me = self._identity
        return await self._write(device, phase="Starting", host=me, consoleHost=me, pid=None)

    async def _settle(self, device: Device, phase: str, reason: str | None = None) -> None:
        """Write that the board is off, and stays off until the board of its spec is changed: no member has it."""
        more: dict[str, Any] = {"lastExit": reason[:1024]} if reason is not None else {}
        await self._write(device, phase=phase, host=None, pid=None, specHash=device.spec.board.hash, **more)
        self._ends.pop(device.name, None)
        self._pauses.pop(device.name, None)

    async def _dismantle(self, device: Device) -> None:
        """Remove the board and its identity, and let the Device go."""
        await self._power_off(device.name)
        if BOARD_FINALIZER not in device.finalizers:
            return
        await self._workshop.remove(device.name)
        self._consoles.forget(device.name)
        finalizers = [each for each in device.finalizers if each != BOARD_FINALIZER]
        if not device.deleting:
            device = Device(await self._api.patch_status(DEVICE, device.name, {"status": {"board": None}}))
        patch = {"metadata": {"resourceVersion": device.resource_version, "finalizers": finalizers}}
        await self._api.patch(DEVICE, device.name, patch)

    async def _write(self, device: Device, **board: Any) -> Device:
        patch: Object = {"metadata": {"resourceVersion": device.resource_version}, "status": {"board": board}}
        written = await self._api.patch_status(DEVICE, device.name, patch)
        self._devices.remember(written)
        return Device(written)

    async def _power_off(self, name: str) -> None:
        local = self._local.get(name)
        if local is None:
            return
        if local.board.power is Power.ON and name not in self._ends:
            await local.board.power_off()
            self._consoles.note(name, "the board is off")
        else:
            await local.board.cut_power()
        self._local.pop(name, None)  # a release meanwhile may have been first

    def _is_chosen(self, name: str) -> bool:
        return self._members.chosen(name) == self._identity

    def _ended(self, name: str, reason: str, failed: bool) -> None:
        if name in self._local:
            self._ends[name] = _End(reason, failed)
            self.queue.add(name)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        concerned = [each for each in (old, new) if each is not None and _concerns(each)]
        if concerned and _key(old) != _key(new):
            self.queue.add(concerned[0]["metadata"]["name"])

    def _members_changed(self) -> None:
        for name in self.keys():
            self.queue.add(name)


def _concerns(raw: Object) -> bool:
    """Whether a Device asks for a board, or had one."""
    return "board" in (raw.get("spec") or {}) or BOARD_FINALIZER in (raw["metadata"].get("finalizers") or ())


def _key(raw: Object | None) -> object:
    """The part of a Device that matters here; other changes, like heartbeats, do not."""
    if raw is None:
        return None
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    return spec.get("board"), raw["metadata"].get("deletionTimestamp"), (status.get("board") or {}).get("host")


def _needs_restart(present: BoardSpec, wanted: BoardSpec) -> bool:
    return (present.kind, present.restarted_at) != (wanted.kind, wanted.restarted_at)
