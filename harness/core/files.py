"""Reads files that the caller named: a file that cannot be read is the caller's error, a UsageError."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import UsageError, reason

__all__ = ["read_bytes", "read_text"]


def read_bytes(path: Path, do: str) -> bytes:
    """The content of a file. Raises UsageError, with what to ``do``, if it cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: its name has a NUL
        raise UsageError(f"cannot be read: {reason(error)}", where=str(path), do=do) from error


def read_text(path: Path, do: str) -> str:
    """The content of a UTF-8 file as text, without the byte order mark that some editors write first."""
    content = read_bytes(path, do)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte, line = content[error.start], content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"is not UTF-8 text: byte 0x{byte:02x} in line {line}", where=str(path), do=do) from error
