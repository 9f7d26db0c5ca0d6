"""The wires by name, for links."""

from __future__ import annotations

from collections.abc import Mapping

from harness.core.errors import UsageError
from harness.wasmbed.protocol import codec
from harness.wasmbed.protocol.dialects import bare, u
from harness.wasmbed.protocol.link import Codec

__all__ = ["VERSION_1", "WIRES", "find_wire", "is_framed"]

VERSION_1 = "1"
WIRES: Mapping[str, Codec] = {VERSION_1: codec, "u": u, "r": bare}
"""``1``, and the dialects of the original."""


def find_wire(name: str) -> Codec:
    """Return the wire of that name. Raises UsageError naming the wires."""
    if name not in WIRES:
        raise UsageError(f"unknown wire {name!r}", where="wire", do=f"the wires are {', '.join(WIRES)}")
    return WIRES[name]


def is_framed(name: str) -> bool:
    """Whether its messages are in frames; otherwise what one read returns is a message."""
    return not hasattr(find_wire(name), "ReadDecoder")
