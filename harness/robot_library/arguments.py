"""What keywords take: Robot's words for durations, devices and values, made into the harness's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from robot.utils import secs_to_timestr, timestr_to_secs

from harness.boards.board import Board
from harness.core.errors import UsageError
from harness.core.history import Event
from harness.stack.applications import ApplicationHandle, parse_targets
from harness.stack.devices import DeviceHandle
from harness.stack.mock_board import MockBoard
from harness.stack.stack import Stack

__all__ = [
    "CONVERTERS",
    "SOON",
    "USUAL",
    "About",
    "Duration",
    "application_of",
    "board_of",
    "device_of",
    "name_of",
    "status_of",
    "targets_of",
    "word",
]


EXAMPLE = "as in 5s, 200ms or 1 minute 30 seconds"

About = Board | DeviceHandle | ApplicationHandle | str
"""Whom something is about: a board, which stands for its device, an application, or a name."""


class Duration(float):
    """How long to wait at most: a time string as in ``5s``, ``200ms`` or ``1 minute 30 seconds``, or a number of
    seconds. More than zero: nothing here waits for a while that has passed."""

    @classmethod
    def parse(cls, value: object) -> Duration:
        """A time as in ``5s``, ``200ms`` or ``1 minute 30 seconds``, a number of seconds, or a timedelta. Anything
        else is a ValueError, which Robot tells with the argument's name."""
        try:
            seconds = float(timestr_to_secs(value, round_to=None))
        except ValueError as error:
            raise ValueError(f"write a time {EXAMPLE}") from error
        if not 0 < seconds < float("inf"):
            raise ValueError(f"write a time of more than zero, {EXAMPLE}")
        return cls(seconds)

    @property
    def milliseconds(self) -> int:
        """The same in whole milliseconds."""
        return round(self * 1000)

    def __repr__(self) -> str:
        return str(secs_to_timestr(float(self), compact=True))


SOON, USUAL = Duration(5), Duration(10)


def _returned_by(keyword: str) -> Callable[[object], NoReturn]:
    """A converter for what cannot be written in a suite."""

    def refuse(value: object) -> NoReturn:
        raise ValueError(f"give what {keyword} returned")

    return refuse


CONVERTERS: dict[type, Callable[[Any], Any] | Callable[[Any, Any], Any]] = {
    Duration: Duration.parse,
    Event: _returned_by("Wait For Event"),
    MockBoard: _returned_by("Connect Peer"),
}


def word(text: str) -> str:
    """``text`` where a name is due: Robot hands over a named argument that there is not as if it was one. Raises
    UsageError."""
    if "=" in text:
        raise UsageError(
            f"there is no argument {text.partition('=')[0]!r} (in {text!r})",
            do="look the keyword's arguments up in its documentation",
        )
    return text


def board_of(stack: Stack, board: Board | str) -> Board:
    """The board itself, or the one of that name. Raises UsageError."""
    if isinstance(board, Board):
        return board
    if isinstance(board, str):
        return stack.boards[word(board)]
    raise UsageError(f"{board!r} is no board", do="give what Power On Board returned, or a board's name")


def device_of(stack: Stack, device: Any) -> DeviceHandle:
    """The device of that name, or the one that a board enrolls as. Raises UsageError."""
    if isinstance(device, DeviceHandle):
        return device
    if isinstance(device, Board | str):
        return stack.device(device if isinstance(device, Board) else word(device))
    raise UsageError(f"{device!r} is no device", do="give what Power On Board returned, or a device's name")


def application_of(stack: Stack, application: Any) -> ApplicationHandle:
    """The application itself, or the one of that name. Raises UsageError."""
    if isinstance(application, ApplicationHandle):
        return application
    if isinstance(application, str):
        return stack.application(word(application))
    raise UsageError(f"{application!r} is no application", do="give what Deploy Application returned, or a name")


def name_of(stack: Stack, about: About) -> str:
    """The name of the device or the application that is meant."""
    if isinstance(about, DeviceHandle | ApplicationHandle):
        return about.name
    return stack.boards.device_of(word(about) if isinstance(about, str) else about)


def targets_of(stack: Stack, to: Any, labels: str | None) -> Any:
    """Which devices: a board, a list of boards, ``all`` or names; or labels instead. Raises UsageError."""
    if labels is not None:
        if to is not None:
            raise UsageError("means devices, and so does to", where="labels", do="give one of the two")
        if wanted := parse_targets(labels).get("match_labels"):
            return wanted
        raise UsageError(f"{labels!r} are no labels", where="labels", do="write them as in site=roof,kind=mcu")
    if to is None or isinstance(to, str):
        targets = parse_targets(word(to or "all"))
        return "all" if "all_devices" in targets else targets["device_names"]
    return [device_of(stack, each) for each in to] if isinstance(to, Sequence) else device_of(stack, to)


def status_of(written: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a status and the values they must have; a whole number in a suite means the number."""
    return {
        name: int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
        for name, value in written.items()
    }
