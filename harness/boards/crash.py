"""Reads a firmware's crash report from its console.

A firmware that fails writes ``FAULT cause=... name=value ...``, ``PANIC file:line: message`` and
``BACKTRACE address ...``, and at the next start ``BOOT ... reset=cause`` (see ``firmware/README.md``). The
image's symbols turn the addresses into names.
"""

from __future__ import annotations

import bisect
import contextlib
import io
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

__all__ = ["CAUSES", "CrashReader", "Symbols"]

CAUSES = frozenset({"panic", "hard-fault", "stack-overflow", "heap-exhaustion", "watchdog"})
"""The firmware's names for its failures; every other cause of a reset is intended."""

_FACT = re.compile(r"(\w+)=(\S+)")
_ADDRESS = re.compile("0x[0-9a-fA-F]{1,16}")
_FAULT_STATUS = ("cfsr", "hfsr", "mmfar", "bfar", "mcause", "mtval")


class Symbols:
    """Finds the function that contains an address, by an ELF file's symbol table."""

    def __init__(self, functions: list[tuple[int, int, str]]) -> None:
        self._functions = sorted(functions)

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, image: Path) -> Symbols:
        """Read the symbols of ``image``; empty if it cannot be read."""
        try:
            with image.open("rb") as file:
                tables = [part for part in ELFFile(file).iter_sections() if isinstance(part, SymbolTableSection)]
                return cls([entry for table in tables for entry in _functions(table)])
        except (OSError, ELFError):
            return cls([])

    def caller(self, address: int) -> str:
        """Like :meth:`name`, for a return address: the call before it may be the last instruction of its function."""
        return self.name(address, back=1)

    def name(self, address: int, *, back: int = 0) -> str:
        """Return ``function+0x12`` for an address in a function, else the address itself."""
        at = bisect.bisect_right(self._functions, (address - back, 1 << 64, "")) - 1
        if at >= 0:
            start, size, name = self._functions[at]
            if start <= address - back < start + size:
                return f"{_readable(name)}+{address - start:#x}"
        return f"{address:#010x}"


def _functions(table: SymbolTableSection) -> list[tuple[int, int, str]]:
    return [
        # Bit 0 of a function's address marks Thumb code.
        (symbol["st_value"] & ~1, symbol["st_size"], symbol.name)
        for symbol in table.iter_symbols()
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_size"]
    ]


@lru_cache(maxsize=1024)
def _readable(name: str) -> str:
    if not name.startswith(("_ZN", "_R")):
        return name
    from rust_demangler import demangle

    try:
        # The library prints names that it cannot read.
        with contextlib.redirect_stdout(io.StringIO()):
            return re.sub(r"::h[0-9a-f]{16}$", "", demangle(name))
    except Exception:  # each of its two manglings has its own error, and some names raise an IndexError
        return name


class CrashReader:
    """Assembles crashes from the lines of a console."""

    def __init__(self, image: Path) -> None:
        self._image = image
        self._crash: dict[str, Any] = {}
        self._was_reported = False

    def read(self, line: str) -> dict[str, Any] | None:
        """Return the crash that ``line`` completes: cause, message, registers, faultStatus and backtrace if reported.

        A boot line that names a crash as the reset's cause is a crash too, if that was not reported before.
        """
        kind, _, rest = line.partition(" ")
        if kind == "FAULT":
            self._fault(dict(_FACT.findall(rest)))
        elif kind == "PANIC":
            self._crash.setdefault("cause", "panic")
            self._crash["message"] = rest
        elif kind == "BACKTRACE":
            symbols = Symbols.of(self._image)
            addresses = (int(text, 16) for text in rest.split() if _ADDRESS.fullmatch(text))
            self._crash.setdefault("cause", "unknown")
            self._crash["backtrace"] = [symbols.caller(address) for address in addresses]
            self._was_reported = True
            return self._take()
        elif kind == "BOOT":
            reset, was_reported = dict(_FACT.findall(rest)).get("reset"), self._was_reported
            self._was_reported = False
            if self._crash:
                return self._take()
            if reset in CAUSES and not was_reported:
                return {"cause": reset}
        return None

    def _fault(self, facts: dict[str, str]) -> None:
        self._crash["cause"] = facts.pop("cause", "unknown")
        status = {name: facts.pop(name) for name in _FAULT_STATUS if name in facts}
        registers = {name: value for name, value in facts.items() if _ADDRESS.fullmatch(value)}
        numbers = {name: value for name, value in facts.items() if name not in registers}
        parts = {"registers": registers, "faultStatus": status, "numbers": numbers}
        self._crash |= {name: part for name, part in parts.items() if part}
        if "pc" in registers:
            self._crash["at"] = Symbols.of(self._image).name(int(registers["pc"], 16))

    def _take(self) -> dict[str, Any]:
        crash, self._crash = self._crash, {}
        return crash
