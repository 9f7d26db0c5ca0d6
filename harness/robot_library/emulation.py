"""Renode's own keywords, for boards in an emulator that takes commands and can hold virtual time."""

from __future__ import annotations

import re
from typing import ClassVar
from weakref import WeakKeyDictionary

from harness.boards.board import Board
from harness.core.errors import UsageError
from harness.robot_library.arguments import SOON, Duration, board_of
from harness.robot_library.async_keywords import StackKeywords, async_keyword
from harness.stack.stack import Stack
from harness.stack.virtual_time import BoardsSnapshot

__all__ = ["EmulationKeywords"]


class EmulationKeywords(StackKeywords):
    """Keywords that Renode's users know."""

    _provided: ClassVar[WeakKeyDictionary[Stack, dict[str, BoardsSnapshot]]] = WeakKeyDictionary()

    @async_keyword("boards", "emulation")
    async def execute_command(self, command: str, machine: Board | str) -> str:
        """Run a command for a board in the emulator's monitor, and return the answer. Fails if the command fails.

        | ${pc}=    Execute Command    sysbus.cpu PC    machine=${board}
        """
        return await board_of(self.stack, machine).execute(command)

    @async_keyword("boards", "emulation")
    async def wait_for_line_on_uart(
        self, pattern: str, testerId: Board | str, timeout: Duration = SOON, treatAsRegex: bool = False
    ) -> str:
        """Wait until a line of a board's console contains ``pattern``, or matches it as a regular expression, and
        return the line. Earlier lines count too.

        | Wait For Line On Uart    link: up    testerId=${board}    timeout=10s
        """
        wanted = pattern if treatAsRegex else re.escape(pattern)
        found = await board_of(self.stack, testerId).console.until(wanted, timeout)
        return found.string

    @async_keyword("boards", "emulation")
    async def run_emulation_for(self, time: Duration) -> None:
        """Let exactly this much virtual time pass for all boards whose time can be held. Before and after, it stands
        still, until `Start Emulation`."""
        await self.stack.boards.run_for(time)

    @async_keyword("boards", "emulation")
    async def start_emulation(self) -> None:
        """Let virtual time follow real time again, after `Run Emulation For`."""
        await self.stack.boards.run()

    @async_keyword("boards", "emulation")
    async def provides(self, state: str) -> None:
        """Save the state of all boards whose time can be held, under a name for `Requires`.

        It is valid as long as the stack runs: use ``scope=suite`` to share it between tests.
        """
        self._provided.setdefault(self.stack, {})[state] = await self.stack.boards.snapshot()

    @async_keyword("boards", "emulation")
    async def requires(self, state: str) -> None:
        """Restore the state that `Provides` saved under that name. Each board reconnects as the device that it was."""
        saved = self._provided.get(self.stack, {})
        if state not in saved:
            raise UsageError(
                f"unknown state {state!r}", do=f"save it with Provides; saved: {', '.join(saved) or 'none'}"
            )
        await saved[state].restore()
