"""Keywords about boards: power, links, consoles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from robot.api import SkipExecution
from robot.api.deco import keyword

from harness.boards.board import Board
from harness.boards.catalogue import registered
from harness.core.errors import UsageError, suggestion
from harness.robot_library.arguments import SOON, Duration, board_of, plain_name
from harness.robot_library.async_keywords import StackKeywords, async_keyword
from harness.stack.backends import lacking
from harness.stack.board_options import BoardOptions
from harness.stack.credentials import Certificate

__all__ = ["BoardKeywords"]


class BoardKeywords(StackKeywords):
    """Keywords about boards."""

    @async_keyword("boards")
    async def power_on_board(
        self,
        kind: str | None = None,
        *,
        name: str | None = None,
        certificate: Certificate = Certificate.VALID,
        twin_of: Board | str | None = None,
        device_type: str | None = None,
        capabilities: Sequence[str] | None = None,
        self_test: str | None = None,
        watchdog: Duration | None = None,
        record: bool | None = None,
    ) -> Board:
        """Switch on a new board, and return it once its firmware runs.

        ``kind`` is a kind of board that ``wasmbed boards`` lists, optionally with a link; by default that of the option
        ``boards``. ``name`` is the name of its device. ``certificate`` selects its credentials, ``twin_of`` gives it
        another board's identity instead. ``device_type`` and ``capabilities`` replace the board's own in its enrollment
        request. ``self_test`` is a fault that its firmware provokes once, such as ``panic`` or ``hang``; ``watchdog``
        is the time of silence after which it resets itself. With ``record`` all of its input is recorded, for
        ``wasmbed replay``.

        | ${board}=    Power On Board
        | ${board}=    Power On Board    mps2-an385+ethernet    name=pump-1
        | ${board}=    Power On Board    certificate=expired
        """
        options = BoardOptions(
            name=name,
            certificate=certificate,
            twin_of=board_of(self.stack, twin_of) if twin_of is not None else None,
            device_type=device_type,
            capabilities=capabilities,
            self_test=self_test,
            watchdog=watchdog,
            record=record,
        )
        return await self.stack.boards.power_on(plain_name(kind) if kind is not None else None, **options)

    @async_keyword("boards")
    async def power_on_boards(
        self,
        count: int,
        kind: str | None = None,
        *,
        name: str | None = None,
        certificate: Certificate = Certificate.VALID,
        device_type: str | None = None,
        capabilities: Sequence[str] | None = None,
    ) -> list[Board]:
        """Switch on ``count`` new boards and return them as a list. ``name`` is numbered. See `Power On Board`.

        | @{boards}=    Power On Boards    3    name=pump
        """
        options = BoardOptions(name=name, certificate=certificate, device_type=device_type, capabilities=capabilities)
        return await self.stack.boards.power_on(plain_name(kind) if kind is not None else None, count=count, **options)

    @async_keyword("boards")
    async def power_off_board(self, board: Board | str) -> None:
        """Switch a board off gracefully: it closes its link first."""
        await board_of(self.stack, board).power_off()

    @async_keyword("boards")
    async def set_sensor_of_board(self, board: Board | str, channel: int, value: float) -> None:
        """Let applications on a board read ``value`` at a sensor's channel, 0 to 7, in the sensor's unit. The board
        must have the feature ``sensors``.

        | Set Sensor Of Board    ${board}    0    21.5
        """
        await board_of(self.stack, board).sensor(channel).set(value)

    @async_keyword("boards", "faults")
    async def cut_power_of_board(self, board: Board | str) -> None:
        """Cut a board's power: its link ends without a message."""
        await board_of(self.stack, board).cut_power()

    @async_keyword("boards")
    async def restore_power_of_board(self, board: Board | str) -> None:
        """Switch a board on again after `Power Off Board` or `Cut Power Of Board`. Its flash keeps its content."""
        await board_of(self.stack, board).power_on()

    @async_keyword("boards", "faults")
    async def reset_board(self, board: Board | str) -> None:
        """Restart a board's firmware. Its flash keeps its content."""
        await board_of(self.stack, board).reset()

    @async_keyword("boards", "faults")
    async def cycle_power_of_boards(self, at_once: int = 1) -> None:
        """Cut the power of each board that is on and switch it on again, ``at_once`` boards at a time."""
        await self.stack.boards.cycle(at_once=at_once)

    @async_keyword("boards", "faults")
    async def pause_board(self, board: Board | str) -> None:
        """Stop a board's processor, and with it the board's time. The board must have the feature ``pause``.

        | Skip Unless Boards Have    pause
        | Pause Board    ${board}
        """
        await board_of(self.stack, board).pause()

    @async_keyword("boards")
    async def resume_board(self, board: Board | str) -> None:
        """Continue a paused board."""
        await board_of(self.stack, board).resume()

    @async_keyword("boards", "faults")
    async def cut_the_link_of(self, board: Board | str) -> None:
        """Cut a board's connection, and prevent a new one until `Restore The Link Of`."""
        await board_of(self.stack, board).cut_link()

    @async_keyword("boards")
    async def restore_the_link_of(self, board: Board | str) -> None:
        """Let a board connect again."""
        await board_of(self.stack, board).restore_link()

    @async_keyword("boards", "faults")
    async def disturb_the_link_of(
        self,
        board: Board | str,
        *,
        cut: bool = False,
        half_open: str | None = None,
        silent: bool = False,
        delay: Duration | None = None,
        jitter: Duration | None = None,
        slow_close: Duration | None = None,
        bandwidth: int = 0,
        drop: int = 0,
    ) -> None:
        """Disturb the links between a board and its gateway until `Stop Disturbing The Link Of`.

        ``cut``: the gateway sees a reset, the board hears nothing any more, and no other connection is made.
        ``half_open`` is the end, ``device`` or ``gateway``, that still takes the present connection for open.
        ``silent``: nothing passes, and nothing is lost. ``delay`` is the time by which everything passes later,
        ``jitter`` a random time of up to this, and ``slow_close`` one for the end of a connection. ``bandwidth`` are
        the bytes a second in each direction, and with ``drop`` every Nth frame is lost.

        The links of the gateway kind ``reference`` pass a relay with the option ``RELAY`` only.

        | Disturb The Link Of    ${board}    delay=200ms    bandwidth=2000
        """
        given: dict[str, Any] = {
            "cut": cut,
            "half_open": half_open,
            "silent": silent,
            "bandwidth": bandwidth,
            "drop": drop,
        }
        times = {"delay": delay, "jitter": jitter, "slow_close": slow_close}
        seconds = {name: float(value or 0) for name, value in times.items()}
        self.stack.links.disturb(board_of(self.stack, board), **given, **seconds)

    @async_keyword("boards")
    async def stop_disturbing_the_link_of(self, board: Board | str) -> None:
        """End what `Disturb The Link Of` began."""
        self.stack.links.restore(board_of(self.stack, board))

    @async_keyword("boards")
    async def board_console_should_show(self, board: Board | str, pattern: str, within: Duration = SOON) -> str:
        """Wait until a line on a board's console matches the regular expression ``pattern``, and return the match.
        Earlier lines count too.

        | Board Console Should Show    ${board}    link: up
        """
        return (await board_of(self.stack, board).console.until(pattern, within)).group()

    @async_keyword("boards")
    async def expect_from_board(self, board: Board | str, pattern: str, within: Duration = SOON) -> list[str | None]:
        """Wait for the next match of the regular expression ``pattern`` on a board's console, after that of the call
        before, and return a list of the match and its groups. Calls in a row expect an order.

        | Expect From Board    ${board}    enrolled
        | ${match}    ${celsius}=    Expect From Board    ${board}    temperature (\\\\d+)    within=10s
        """
        match = await board_of(self.stack, board).expect(pattern, within=within)
        return [match.group(), *match.groups()]

    @async_keyword("boards")
    async def get_console_of_board(self, board: Board | str) -> list[str]:
        """Return the lines on a board's console."""
        return list(board_of(self.stack, board).console.lines)

    @keyword(tags=["boards", "rig"])
    def skip_unless_boards_have(self, *wanted: str) -> None:
        """Skip the test if the boards of this run lack one of these features, such as ``csr`` or ``storage``.

        | Skip Unless Boards Have    csr
        """
        with self.listener.errors_for_robot():
            reason = lacking(self.listener.options, wanted)
        if reason is not None:
            raise SkipExecution(reason)

    @keyword(tags=["boards", "rig"])
    def skip_unless_there_is_tier(self, tier: str) -> None:
        """Skip the test, or the tests of a suite, with the reason, if boards of this tier cannot run.

        | Suite Setup    Skip Unless There Is Tier    renode
        """
        known = {entry.name: entry.unavailable for entry in registered()}
        with self.listener.errors_for_robot():
            if tier not in known:
                raise UsageError(
                    f"unknown tier {tier!r}", do=f"{suggestion(tier, known)}the tiers are: {', '.join(known)}"
                )
        if reason := known[tier]:
            raise SkipExecution(reason)
