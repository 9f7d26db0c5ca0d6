"""How files that people name are read: whatever is wrong with one is the caller's error, in words."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import UsageError, reason

__all__ = ["read_bytes", "read_text"]


def read_bytes(path: Path, do: str) -> bytes:
    """What is in a file. Raises UsageError, with what to ``do``, where it cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: its name has a NUL
        raise UsageError(f"cannot be read: {reason(error)}", where=str(path), do=do) from error


def read_text(path: Path, do: str) -> str:
    """The same as text: UTF-8, without the byte order mark that some editors begin a file with."""
    content = read_bytes(path, do)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte, line = content[error.start], content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"is not UTF-8 text: byte 0x{byte:02x} in line {line}", where=str(path), do=do) from error
