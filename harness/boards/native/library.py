"""The shared library with the firmware's node, and one board in it: the C interface of ``firmware/wasmbed-native``.

Nothing here knows of an event loop or reads a clock, so that real and simulated time can drive the same boards.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from harness.boards.platform import IMAGES_VARIABLE, ROOT
from harness.core.errors import RigError, reason

__all__ = ["NEVER", "Node", "Step", "library_path", "load", "missing_library"]

NAME = "wasmbed-native.so"
INTERFACE: Final = 3
NEVER: Final = (1 << 64) - 1
"""The wake-up time of a board that sleeps until bytes arrive."""
GET_IT = f"run `make boards` in the repository, or name the folder with {NAME} in {IMAGES_VARIABLE}"


class _Step(ctypes.Structure):
    _fields_ = (
        ("wake", ctypes.c_uint64),
        ("sent", ctypes.c_void_p),
        ("sent_count", ctypes.c_size_t),
        ("written", ctypes.c_void_p),
        ("written_count", ctypes.c_size_t),
        ("unread", ctypes.c_size_t),
        ("is_torn", ctypes.c_bool),
    )


@dataclass(frozen=True, slots=True)
class Step:
    """The results of a step."""

    wake: int
    """When it wants to run again, in the milliseconds of the step, unless bytes arrive before. Not later than the
    step's time: at once. :data:`NEVER`."""
    sent: bytes
    """The bytes that it sent on its serial line."""
    written: bytes
    """Its console output."""
    unread: int
    """How many of the bytes that arrived it has not read yet."""


def library_path() -> Path:
    """The library that ``make boards`` builds."""
    return Path(os.environ.get(IMAGES_VARIABLE) or ROOT / "firmware" / "images") / NAME


def missing_library() -> str | None:
    """A message that the library was not built, and how to get it; None if it was."""
    path = library_path()
    return None if path.exists() else f"there is no {NAME} in {path.parent}; {GET_IT}"


@cache
def load(path: Path) -> ctypes.PyDLL:
    """Load the library, once in a process. Raises RigError if it is missing, or of another version.

    Its boards are for one thread at a time: a ``PyDLL`` keeps the interpreter's lock during each call.
    """
    try:
        library = ctypes.PyDLL(str(path))
        interface = library.wasmbed_interface()
    except (OSError, AttributeError) as error:
        raise RigError(f"cannot be loaded: {reason(error)}", where=str(path), do=GET_IT) from error
    if interface != INTERFACE:
        raise RigError(
            f"has version {interface} of its interface, the harness has {INTERFACE}", where=str(path), do=GET_IT
        )
    pointer, number, count = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_size_t
    library.wasmbed_new.restype = pointer
    library.wasmbed_drop.argtypes = (pointer,)
    library.wasmbed_power_on.argtypes = (pointer, ctypes.c_char_p, count, number)
    library.wasmbed_power_on.restype = ctypes.c_bool
    library.wasmbed_cut_power.argtypes = (pointer, ctypes.c_bool)
    library.wasmbed_reset.argtypes = (pointer,)
    switches = (library.wasmbed_exhaust_memory, library.wasmbed_wear_flash, library.wasmbed_tear_write)
    for switch in switches:
        switch.argtypes = (pointer, ctypes.c_bool)
    library.wasmbed_set_sensor.argtypes = (pointer, ctypes.c_uint32, ctypes.c_int32, ctypes.c_bool)
    library.wasmbed_pins.argtypes, library.wasmbed_pins.restype = (pointer,), ctypes.c_uint32
    library.wasmbed_step.argtypes = (
        *(pointer, number, ctypes.c_char_p, count),
        *(ctypes.c_bool, ctypes.POINTER(_Step)),
    )
    others = (library.wasmbed_drop, library.wasmbed_cut_power, library.wasmbed_reset, library.wasmbed_step)
    for function in (*switches, *others, library.wasmbed_set_sensor):
        function.restype = None
    return library


class Node:
    """A board in the library, made without power and with empty flash.

    The same seed and the same steps make the same bytes. Raises RigError like :func:`load`.
    """

    def __init__(self) -> None:
        self._library = load(library_path())
        self._board: int | None = self._library.wasmbed_new()
        self._result = _Step()
        self._at = ctypes.byref(self._result)
        self._torn: Callable[[], object] | None = None

    def power_on(self, blob: bytes, seed: int) -> None:
        """Switch it on; it boots in the next step. ``blob`` is its provisioning, ``seed`` (64 bits) determines its
        source of entropy. A board that is on stays as it is."""
        self._library.wasmbed_power_on(self._board, blob, len(blob), seed)

    def cut_power(self, *, keep_flash: bool = True) -> None:
        """Cut its power, in the middle of whatever it does."""
        self._library.wasmbed_cut_power(self._board, keep_flash)

    def reset(self) -> None:
        """Restart the firmware in the next step; a board that is off stays off."""
        self._library.wasmbed_reset(self._board)

    def exhaust_memory(self, is_exhausted: bool) -> None:
        """Leave the firmware no memory for another application, or give it back."""
        self._library.wasmbed_exhaust_memory(self._board, is_exhausted)

    def wear_flash(self, is_worn: bool) -> None:
        """Let the flash refuse each write, or take writes again."""
        self._library.wasmbed_wear_flash(self._board, is_worn)

    def tear_write(self, torn: Callable[[], object] | None) -> None:
        """Let the power go in the middle of the next write to the flash: half of it is there, and ``torn`` is called.
        With None it does not."""
        self._torn = torn
        self._library.wasmbed_tear_write(self._board, torn is not None)

    def set_sensor(self, channel: int, value: int | None) -> None:
        """Let readings of a channel, 0 to 7, be ``value``; None: the board makes them."""
        self._library.wasmbed_set_sensor(self._board, channel, value or 0, value is not None)

    def pins(self) -> int:
        """The output pins that are high, a bit each."""
        return int(self._library.wasmbed_pins(self._board))

    def step(self, now: int, arrived: bytes = b"", *, is_held: bool = False) -> Step:
        """Let it run until it sleeps. ``now`` is in milliseconds and never goes back; ``arrived`` are the bytes on its
        serial line since the last step. With ``is_held`` it cannot send."""
        result = self._result
        self._library.wasmbed_step(self._board, now, arrived, len(arrived), is_held, self._at)
        if result.is_torn and self._torn is not None:
            self._torn()
        return Step(
            result.wake,
            ctypes.string_at(result.sent, result.sent_count),
            ctypes.string_at(result.written, result.written_count),
            result.unread,
        )

    def close(self) -> None:
        """Drop it, with its flash. It cannot be used any more; a second call does nothing."""
        board, self._board = self._board, None
        if board is not None:
            self._library.wasmbed_drop(board)

    def __del__(self) -> None:
        if hasattr(self, "_board"):
            self.close()
