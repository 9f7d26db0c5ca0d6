"""Keywords about boards in an emulator that takes commands and whose time can be held, in Renode's own words."""

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
    """What Renode's users expect to be able to say."""

    _provided: ClassVar[WeakKeyDictionary[Stack, dict[str, BoardsSnapshot]]] = WeakKeyDictionary()

    @async_keyword("boards", "emulation")
    async def execute_command(self, command: str, machine: Board | str) -> str:
        """Have the emulator's monitor carry out a command for a board, and return what it answers. Fails where the
        command fails.

        | ${pc}=    Execute Command    sysbus.cpu PC    machine=${board}
        """
        return await board_of(self.stack, machine).execute(command)

    @async_keyword("boards", "emulation")
    async def wait_for_line_on_uart(
        self, pattern: str, testerId: Board | str, timeout: Duration = SOON, treatAsRegex: bool = False
    ) -> str:
        """Wait until a line of a board's console has these words in it, or matches a regular expression, and return
        the line. Lines that are there already count.

        | Wait For Line On Uart    link: up    testerId=${board}    timeout=10s
        """
        wanted = pattern if treatAsRegex else re.escape(pattern)
        found = await board_of(self.stack, testerId).console.until(wanted, timeout)
        return found.string

    @async_keyword("boards", "emulation")
    async def run_emulation_for(self, time: Duration) -> None:
        """Let exactly so much virtual time pass for all boards whose time can be held; before and after it stands
        still, until `Start Emulation`."""
        await self.stack.boards.run_for(time)

    @async_keyword("boards", "emulation")
    async def start_emulation(self) -> None:
        """Let virtual time follow the real one again, after `Run Emulation For`."""
        await self.stack.boards.run()

    @async_keyword("boards", "emulation")
    async def provides(self, state: str) -> None:
        """Save all boards whose time can be held, under a name for `Requires`.

        It is good as long as the stack is there: share one between tests with ``scope=suite``.
        """
        self._provided.setdefault(self.stack, {})[state] = await self.stack.boards.snapshot()

    @async_keyword("boards", "emulation")
    async def requires(self, state: str) -> None:
        """Bring the boards back to what `Provides` saved under that name. Each connects anew, as the device it was."""
        saved = self._provided.get(self.stack, {})
        if state not in saved:
            raise UsageError(f"nothing provides {state!r}", do=f"there are: {', '.join(saved) or 'none yet'}")
        await saved[state].restore()
