"""The last words of a firmware, read from its console.

A firmware that fails writes ``FAULT cause=... name=value ...``, ``PANIC file:line: message`` and
``BACKTRACE address ...`` (see ``firmware/README.md``); the addresses become names by the image's symbols.
"""

from __future__ import annotations

import bisect
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

__all__ = ["CrashReader", "Symbols"]

_FACT = re.compile(r"(\w+)=(\S+)")
_FAULT_STATUS = ("cfsr", "hfsr", "mmfar", "bfar")


class Symbols:
    """Which function an address lies in, by an ELF file's symbol table."""

    def __init__(self, functions: list[tuple[int, int, str]]) -> None:
        self._functions = sorted(functions)

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, image: Path) -> Symbols:
        """The symbols of ``image``; none if it cannot be read."""
        try:
            with image.open("rb") as file:
                tables = [part for part in ELFFile(file).iter_sections() if isinstance(part, SymbolTableSection)]
                return cls([entry for table in tables for entry in _functions(table)])
        except (OSError, ELFError):
            return cls([])

    def name(self, address: int) -> str:
        """``function+0x12`` for an address in a function, else the address itself."""
        at = bisect.bisect_right(self._functions, (address, 1 << 64, "")) - 1
        if at >= 0:
            start, size, name = self._functions[at]
            if start <= address < start + size:
                return f"{name}+{address - start:#x}"
        return f"{address:#010x}"


def _functions(table: SymbolTableSection) -> list[tuple[int, int, str]]:
    from rust_demangler import demangle

    found = []
    for symbol in table.iter_symbols():
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_size"]:
            name = symbol.name
            if name.startswith(("_ZN", "_R")):
                name = re.sub(r"::h[0-9a-f]{16}$", "", demangle(name))
            found.append((symbol["st_value"] & ~1, symbol["st_size"], name))
    return found


class CrashReader:
    """Gathers what belongs to one crash from the lines of a console."""

    def __init__(self, image: Path) -> None:
        self._image = image
        self._crash: dict[str, Any] = {}

    def read(self, line: str) -> dict[str, Any] | None:
        """The crash that ``line`` completes: cause, message, registers, faultStatus and backtrace as far as told."""
        kind, _, rest = line.partition(" ")
        if kind == "FAULT":
            facts = dict(_FACT.findall(rest))
            self._crash["cause"] = facts.pop("cause", "unknown")
            status = {name: facts.pop(name) for name in _FAULT_STATUS if name in facts}
            registers = {name: value for name, value in facts.items() if value.startswith("0x")}
            numbers = {name: value for name, value in facts.items() if name not in registers}
            parts = {"registers": registers, "faultStatus": status, "numbers": numbers}
            self._crash |= {name: part for name, part in parts.items() if part}
            if "pc" in registers:
                self._crash["at"] = Symbols.of(self._image).name(int(registers["pc"], 16))
        elif kind == "PANIC":
            self._crash.setdefault("cause", "panic")
            self._crash["message"] = rest
        elif kind == "BACKTRACE":
            symbols = Symbols.of(self._image)
            addresses = (int(word, 16) for word in rest.split() if re.fullmatch("0x[0-9a-fA-F]+", word))
            crash, self._crash = self._crash, {}
            return crash | {"backtrace": [symbols.name(address) for address in addresses]}
        return None
