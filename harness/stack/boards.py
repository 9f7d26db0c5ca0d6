"""The boards of a stack: makes them, powers them on, records them, and switches them off at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Unpack, overload

from harness.boards.board import Board, BoardEnvironment, BoardSettings, Credentials, Power
from harness.boards.fleet import Fleet, Progress
from harness.boards.usage import Usage, check_fits
from harness.core.errors import RigError, UsageError
from harness.core.network import Endpoint
from harness.stack import virtual_time
from harness.stack.board import RecordedBoard
from harness.stack.board_choice import board_catalogue
from harness.stack.board_options import BoardOptions, check_options
from harness.stack.credentials import Certificate, Pki
from harness.stack.options import StackOptions
from harness.stack.recorder import Recorder
from harness.stack.timeouts import bounded
from harness.stack.virtual_time import BoardsSnapshot
from harness.wasmbed.pki.keys import Algorithm
from harness.wasmbed.protocol.dialects.wires import VERSION_1

__all__ = ["Boards"]

POWER_OFF = 20.0
"""Seconds that switching off all boards may take, plus :data:`POWER_OFF_EACH` for each board."""
POWER_OFF_EACH = 0.5


class Boards:
    """Every board of the stack by name."""

    def __init__(
        self,
        options: StackOptions,
        environment: BoardEnvironment,
        pki: Pki,
        recorder: Recorder,
        gateway: Endpoint,
        folder: Path | None = None,
        wire: str = VERSION_1,
    ) -> None:
        """``wire`` is what they speak unless an option names another."""
        self._options, self._environment, self._pki, self._recorder = options, environment, pki, recorder
        self._folder, self._wire = folder, wire
        self.gateway = gateway
        """The gateway's address for boards that are made from now on."""
        self._catalogue = board_catalogue(options)
        self._boards: dict[str, RecordedBoard] = {}
        self._credentials: dict[str, Credentials] = {}
        self._numbers: dict[str, int] = {}
        self._making = asyncio.Lock()

    @overload
    async def power_on(
        self, kind: str | None = None, *, count: None = None, **options: Unpack[BoardOptions]
    ) -> Board: ...

    @overload
    async def power_on(
        self, kind: str | None = None, *, count: int, **options: Unpack[BoardOptions]
    ) -> list[Board]: ...

    async def power_on(
        self, kind: str | None = None, *, count: int | None = None, **options: Unpack[BoardOptions]
    ) -> Board | list[Board]:
        """Switch on a new board, or ``count`` of them, and return when their firmware runs.

        ``kind`` is a kind of board or a tier, by default ``--boards``; it may name a link: ``mps2-an385+ethernet``.
        ``options`` are those of :class:`BoardOptions`.

        Raises UsageError for an unknown kind or option, a name in use, or a board that cannot be recorded; RigError if
        a board does not start or the boards do not fit into memory.
        """
        check_options(options)
        tier, kind, link = self._catalogue.find(kind or self._options.boards, options.get("link"))
        options["link"] = link
        if (options.get("wire") or self._wire) != VERSION_1 and "dialects" not in tier.features(kind):
            raise UsageError(f"boards of kind {kind} speak protocol 1 only", where="wire", do="take virtual boards")
        recordings = self._recordings(tier.features(kind), kind, options.get("record"))
        check_fits(count or 1, tier.memory(kind), kind, opened=tier.descriptors(kind))
        made = []
        async with self._making:  # a name is free until its board is there
            for name in self._names(kind, options.get("name"), count):
                credentials, device = await self._identity(name, tier.features(kind), options)
                recording = recordings / name if recordings is not None else None
                settings = self._settings(device, credentials, recording, options)
                board = RecordedBoard(name, tier.make(kind, settings, self._environment), self._recorder)
                self._boards[name], self._credentials[name] = board, credentials
                if settings.capabilities is not None:
                    self._recorder.note("claims", device, capabilities=list(settings.capabilities))
                made.append(board)
        await Fleet(made).power_on(progress=options.get("progress"))
        return list(made) if count is not None else made[0]

    async def _identity(self, name: str, features: frozenset[str], options: BoardOptions) -> tuple[Credentials, str]:
        """The credentials of a new board and the name of its device: its own, or those of its twin."""
        if (twin := options.get("twin_of")) is not None:
            return self._credentials[twin.name], self.device_of(twin)
        if (credentials := options.get("credentials")) is not None:
            self._pki.know(credentials)
            return credentials, name
        certificate = options.get("certificate", Certificate.VALID)
        algorithm = Algorithm.ED25519 if "ed25519" in features else Algorithm.P256
        return await self._pki.credentials(name, certificate, algorithm=algorithm), name

    def _settings(
        self, device: str, credentials: Credentials, recording: Path | None, options: BoardOptions
    ) -> BoardSettings:
        capabilities = options.get("capabilities")
        return BoardSettings(
            device,
            credentials,
            gateway=self.gateway,
            server_name=self.gateway[0],
            device_type=options.get("device_type"),
            capabilities=tuple(capabilities) if capabilities is not None else None,
            self_test=options.get("self_test"),
            watchdog=options.get("watchdog"),
            link=options.get("link"),
            wire=options.get("wire") or self._wire,
            recording=recording,
        )

    async def cycle(
        self,
        *,
        at_once: int = 1,
        progress: Progress | None = None,
        back: Callable[[Board], Awaitable[object]] | None = None,
    ) -> None:
        """Cut the power of each board that is on and switch it on again; see :meth:`Fleet.cycle`."""
        await Fleet(self).cycle(at_once=at_once, progress=progress, back=back)

    def __getitem__(self, name: str) -> RecordedBoard:
        """The board of that name. Raises UsageError naming the existing boards."""
        if name not in self._boards:
            raise UsageError(
                f"there is no board {name!r}", do=f"the boards are: {', '.join(self._boards) or 'none yet'}"
            )
        return self._boards[name]

    def __iter__(self) -> Iterator[RecordedBoard]:
        return iter(tuple(self._boards.values()))

    def __len__(self) -> int:
        return len(self._boards)

    def usage(self) -> dict[str, Usage]:
        """Memory and processor time of each running board with its own process, by the board's name."""
        found = {board.name: board.usage for board in self}
        return {name: usage for name, usage in found.items() if usage is not None}

    async def run_for(self, seconds: float) -> None:
        """Let exactly ``seconds`` of virtual time pass for all boards whose time can be held (tier ``renode``). Before
        and after, their time stands still, until :meth:`run`. Raises UsageError if there are no such boards."""
        await virtual_time.run_for(self._catalogue.made, seconds)

    async def run(self) -> None:
        """Let virtual time follow real time again."""
        await virtual_time.run(self._catalogue.made)

    def paced(self, step: float = 0.02) -> AbstractAsyncContextManager[None]:
        """Inside, virtual time follows the stack's clock in steps of ``step`` seconds, and is never ahead of it."""
        return virtual_time.paced(self._catalogue.made, self._environment.clock, step)

    async def snapshot(self, folder: Path | None = None) -> BoardsSnapshot:
        """Save the state of all boards whose time can be held, below ``folder`` if given, to restore it later.

        Raises UsageError if there are no such boards, RigError if their state cannot be saved, for instance on a full
        disk.
        """
        return await virtual_time.take_snapshot(self._catalogue.made, self, folder)

    def provision(self, board: Board, credentials: Credentials) -> None:
        """Give a board other credentials, from its next power-on on (feature ``provision``)."""
        self[board.name].provision(credentials)
        self._credentials[board.name] = credentials

    def credentials(self, board: Board) -> Credentials:
        """The credentials that the board was given."""
        return self._credentials[board.name]

    def device_of(self, board: Board | str) -> str:
        """The name under which a board enrolls as a device."""
        name = board if isinstance(board, str) else board.name
        return self._boards[name].device if name in self._boards else name

    def console(self, device: str) -> list[str]:
        """The console lines of the boards of that device."""
        return [line for board in self._of(device) for line in board.console.lines]

    def check_alive(self, device: str) -> None:
        """Raise RigError if a board of that device went off by itself."""
        for board in self._of(device):
            if board.wanted is Power.ON and board.power is Power.OFF:
                lines = "".join(f"\n    {line}" for line in board.console.lines[-8:])
                raise RigError(f"the board went off by itself; its last lines:{lines}", where=board.name)

    async def stop(self) -> None:
        """Switch off all boards, and stop their tiers."""
        within = POWER_OFF + len(self) * POWER_OFF_EACH
        try:
            await bounded(self._environment.clock, within, "power off of the boards", Fleet(self).stop())
        finally:
            await bounded(self._environment.clock, within, "stop of the tiers", self._catalogue.close())

    def _recordings(self, features: frozenset[str], kind: str, wanted: bool | None) -> Path | None:
        if wanted is None:
            wanted = self._options.record and "record" in features
        if not wanted:
            return None
        if "record" not in features:
            raise UsageError(
                f"boards of kind {kind} cannot be recorded", where="record", do="record boards of the tier qemu"
            )
        if self._folder is None:
            raise UsageError("there is no folder for recordings", where="record", do="give the stack a folder")
        return self._folder / "boards"

    def _of(self, device: str) -> list[RecordedBoard]:
        return [board for board in self._boards.values() if board.device == device]

    def _names(self, kind: str, name: str | None, count: int | None) -> list[str]:
        if name is not None and count is None:
            if name in self._boards:
                raise UsageError(f"the name {name!r} is in use by a board", do="give the new one another name, or none")
            return [name]
        stem = name or kind
        names: list[str] = []
        while len(names) < (count or 1):
            self._numbers[stem] = self._numbers.get(stem, 0) + 1
            if (numbered := f"{stem}-{self._numbers[stem]}") not in self._boards:
                names.append(numbered)
        return names
