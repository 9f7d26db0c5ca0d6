"""Converts keyword arguments from Robot's forms of durations, devices, and values to the harness's types."""

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
    "plain_name",
    "status_of",
    "targets_of",
]


EXAMPLE = "as in 5s, 200ms or 1 minute 30 seconds"

About = Board | DeviceHandle | ApplicationHandle | str
"""A board, which stands for its device, an application, or the name of a device or an application."""


class Duration(float):
    """The longest time to wait: a time string as in ``5s``, ``200ms``, or ``1 minute 30 seconds``, or a number of
    seconds. It must be positive."""

    @classmethod
    def parse(cls, value: object) -> Duration:
        """Parse a time as in ``5s``, ``200ms``, or ``1 minute 30 seconds``, a number of seconds, or a timedelta.

        Raises ValueError, which Robot shows with the argument's name.
        """
        try:
            seconds = float(timestr_to_secs(value, round_to=None))
        except ValueError as error:
            raise ValueError(f"write a time {EXAMPLE}") from error
        if not 0 < seconds < float("inf"):
            raise ValueError(f"write a positive time {EXAMPLE}")
        return cls(seconds)

    @property
    def milliseconds(self) -> int:
        """The time in whole milliseconds."""
        return round(self * 1000)

    def __repr__(self) -> str:
        return str(secs_to_timestr(float(self), compact=True))


SOON, USUAL = Duration(5), Duration(10)


def _returned_by(keyword: str) -> Callable[[object], NoReturn]:
    """A converter for values that cannot be written in a suite."""

    def refuse(value: object) -> NoReturn:
        raise ValueError(f"give the value that {keyword} returned")

    return refuse


CONVERTERS: dict[type, Callable[[Any], Any] | Callable[[Any, Any], Any]] = {
    Duration: Duration.parse,
    Event: _returned_by("Wait For Event"),
    MockBoard: _returned_by("Connect Peer"),
}


def plain_name(text: str) -> str:
    """``text`` as a name. Raises UsageError for ``name=value``: Robot passes an unknown named argument as text."""
    if "=" in text:
        raise UsageError(
            f"unknown argument {text.partition('=')[0]!r} (in {text!r})",
            do="see the keyword's documentation for its arguments",
        )
    return text


def board_of(stack: Stack, board: Board | str) -> Board:
    """The given board, or the board of that name. Raises UsageError."""
    if isinstance(board, Board):
        return board
    if isinstance(board, str):
        return stack.boards[plain_name(board)]
    raise UsageError(f"{board!r} is not a board", do="give the value that Power On Board returned, or a board's name")


def device_of(stack: Stack, device: Any) -> DeviceHandle:
    """The device of that name, or the device that a board enrolls as. Raises UsageError."""
    if isinstance(device, DeviceHandle):
        return device
    if isinstance(device, Board | str):
        return stack.device(device if isinstance(device, Board) else plain_name(device))
    raise UsageError(
        f"{device!r} is not a device", do="give the value that Power On Board returned, or a device's name"
    )


def application_of(stack: Stack, application: Any) -> ApplicationHandle:
    """The given application, or the application of that name. Raises UsageError."""
    if isinstance(application, ApplicationHandle):
        return application
    if isinstance(application, str):
        return stack.application(plain_name(application))
    raise UsageError(
        f"{application!r} is not an application", do="give the value that Deploy Application returned, or a name"
    )


def name_of(stack: Stack, about: About) -> str:
    """The name of a device or an application."""
    if isinstance(about, DeviceHandle | ApplicationHandle):
        return about.name
    return stack.boards.device_of(plain_name(about) if isinstance(about, str) else about)


def targets_of(stack: Stack, to: Any, labels: str | None) -> Any:
    """The targets of a deployment: a board, a list of boards, ``all``, names, or labels. Raises UsageError."""
    if labels is not None:
        if to is not None:
            raise UsageError("cannot be combined with the argument to", where="labels", do="give one of the two")
        if wanted := parse_targets(labels).get("match_labels"):
            return wanted
        raise UsageError(f"invalid labels {labels!r}", where="labels", do="write them as in site=roof,kind=mcu")
    if to is None or isinstance(to, str):
        targets = parse_targets(plain_name(to or "all"))
        return "all" if "all_devices" in targets else targets["device_names"]
    return [device_of(stack, each) for each in to] if isinstance(to, Sequence) else device_of(stack, to)


def status_of(written: Mapping[str, Any]) -> dict[str, Any]:
    """Conditions on the fields of a status. A whole number written as text becomes a number."""
    return {
        name: int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
        for name, value in written.items()
    }
