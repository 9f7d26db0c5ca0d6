"""The options of a new board, written once: for `stack.boards.power_on` and for the Robot keywords."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from harness.boards.board import Board, Credentials
from harness.boards.fleet import Progress
from harness.core.errors import UsageError, suggestion
from harness.stack.credentials import Certificate
from harness.wasmbed.protocol.dialects.wires import find_wire

__all__ = ["BoardOptions", "check_options"]


class BoardOptions(TypedDict, total=False):
    """Each option may be left out; so may its value, None, where its type allows that."""

    name: str | None
    """The device's name; of several boards each gets a number after it."""
    certificate: Certificate | str
    """The board's credentials; :attr:`Certificate.VALID` by default."""
    credentials: Credentials | None
    """An identity that the harness has not issued: of an authority that the gateway trusts, and it has not."""
    twin_of: Board | None
    """Another board, whose identity this one gets instead."""
    device_type: str | None
    """The device type that the board claims at enrollment instead of its own."""
    capabilities: Sequence[str] | None
    """The capabilities that it claims instead of its own."""
    self_test: str | None
    """A fault that the firmware provokes once; see :class:`BoardSettings`."""
    watchdog: float | None
    """Seconds without a sign of life after which the firmware resets itself."""
    link: str | None
    """Another link than the board's own: ``ethernet`` or ``plain-serial``, for a board with that feature."""
    wire: str | None
    """Another wire than protocol version 1: ``u`` or ``r``, for a board with the feature ``dialects``."""
    record: bool | None
    """Whether everything that reaches the board is recorded, to replay its run: `wasmbed replay`. By default
    ``--record``."""
    progress: Progress | None
    """Called with the number of boards that run and the number of boards that were asked for."""


def check_options(options: BoardOptions) -> None:
    """Raise UsageError for an option or a certificate that does not exist."""
    known = BoardOptions.__annotations__
    for name in options:
        if name not in known:
            raise UsageError(
                f"unknown option {name!r} of a board", do=f"{suggestion(name, known)}the options are {', '.join(known)}"
            )
    if (wire := options.get("wire")) is not None:
        find_wire(wire)
    if "certificate" in options:
        Certificate.of(options["certificate"])
