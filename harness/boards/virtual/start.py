"""A module's start function, called like any other instead of within the instantiation.

wasmtime would run it where it charges fuel for copying segments too, and before the host functions can know the memory
that they are given pointers into.
"""

from __future__ import annotations

from harness.wasmbed.runtime.reader import Reader, leb

__all__ = ["with_start_exported"]

_EXPORTS, _START = 7, 8


def with_start_exported(module: bytes, name: str) -> bytes:
    """A valid module that exports its start function as ``name`` and has none any more; the module itself if it has
    none, or no exports. ``name`` must be new. What follows the exports moves."""
    parts, exports, start = [], None, None
    reader = Reader(module)
    parts.append(module[: reader.at])
    for section, begin, end in reader.sections():
        if section == _START:
            start = module[reader.at : end]
            continue
        if section == _EXPORTS:
            exports = len(parts), reader.u32(), module[reader.at : end]
        parts.append(module[begin:end])
    if start is None or exports is None:
        return module
    place, count, entries = exports
    text = name.encode()
    content = leb(count + 1) + entries + leb(len(text)) + text + b"\0" + start
    parts[place] = bytes([_EXPORTS]) + leb(len(content)) + content
    return b"".join(parts)
