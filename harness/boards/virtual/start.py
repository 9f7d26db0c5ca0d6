"""Exports a module's start function, so that it is called like another function instead of during instantiation.

During instantiation wasmtime would also charge fuel for copying segments, and the host functions would not know the
memory that their pointers refer to.
"""

from __future__ import annotations

from harness.wasmbed.runtime.reader import Reader, leb

__all__ = ["with_start_exported"]

_EXPORTS, _START = 7, 8


def with_start_exported(module: bytes, name: str) -> bytes:
    """Return a copy of a valid module that exports its start function as ``name`` instead of starting with it. A module
    without a start function or exports is returned unchanged. ``name`` must be new. The bytes after the exports
    move."""
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
