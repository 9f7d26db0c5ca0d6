"""Errors by blame: the product, the caller, or the rig.

Each kind has its own exit code, and its own colour in the report. A test whose board never started has not failed:
it says nothing about the product.

====================  =========  ==================================================
class                 exit code  means
====================  =========  ==================================================
``ProductFailure``    1          the platform or the firmware is wrong
``UsageError``        2          the caller's mistake; the message says what to change
``RigError``          3          board absent, port taken, emulator died
====================  =========  ==================================================
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

from harness.core.descriptors import explain
from harness.core.text import printable

__all__ = ["HarnessError", "ProductFailure", "RigError", "UsageError", "reason", "suggestion"]

_ADDRESS = re.compile(r"\('([^']*)', (\d+)(?:, \d+, \d+)?\)")
"""How Python writes the address of a socket."""


class HarnessError(Exception):
    """An error whose message a person reads.

    ``what`` happened, ``where`` (a file, a board, an endpoint), and what to ``do`` about it. Always raised as one
    of the three subclasses, chained to the original exception if there is one. The message may quote text from
    outside: control characters in it are escaped.
    """

    exit_code: ClassVar[int]
    blame: ClassVar[str]

    def __init__(self, what: str, *, where: str | None = None, do: str | None = None) -> None:
        self.what, self.where, self.do = what, where, do
        message = f"{where}: {what}" if where else what
        super().__init__(printable(f"{message}\n  -> {do}" if do else message, lines=True))


class UsageError(HarnessError, ValueError):
    """An invalid request by the caller; the message names what to change."""

    exit_code = 2
    blame = "usage"


class RigError(HarnessError, RuntimeError):
    """The equipment failed (emulator, port, cluster, tool), so the product was not judged."""

    exit_code = 3
    blame = "rig"


class ProductFailure(HarnessError, AssertionError):
    """The platform or the firmware behaved incorrectly. ``party`` is the part of it that the record convicts
    (``gateway``, ``board NAME``), empty where it does not tell."""

    exit_code = 1
    blame = "product"

    def __init__(self, what: str, *, where: str | None = None, do: str | None = None, party: str = "") -> None:
        super().__init__(what, where=where, do=do)
        self.party = party


def suggestion(name: str, known: Iterable[str]) -> str:
    """Advice for a misspelled ``name``, which quotes the closest ``known`` one; empty if none is close."""
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def reason(error: BaseException) -> str:
    """The message of an exception; its kind if the message is empty, as in many of Python's timeouts."""
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        return explain(errno.EMFILE)
    text = str(getattr(error, "strerror", None) or error).strip()
    if not text:
        kind = "timed out" if isinstance(error, TimeoutError) else type(error).__name__
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower()
    text = _ADDRESS.sub(lambda found: f"[{found[1]}]:{found[2]}" if ":" in found[1] else f"{found[1]}:{found[2]}", text)
    if isinstance(error, OSError) and error.errno and text.startswith("Connect call failed"):  # asyncio leaves out why
        return f"{text}: {os.strerror(error.errno)}"
    return text
