"""An image that this project did not build, and how its firmware learns its settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

__all__ = ["ForeignImage", "Source"]


class Source(StrEnum):
    """Where a firmware finds its endpoint and its identity."""

    BLOB = "blob"
    """In the provisioning blob of this project's firmware. It then speaks the bridge's protocol, and its console tells
    that it runs."""
    WORDS = "words"
    """In a text in memory, after its length as a 32-bit little-endian number."""
    SETTINGS = "settings"
    """In a settings partition of Zephyr in memory, in the format of its back end NVS."""
    FILES = "files"
    """In a littlefs file system in memory."""
    NOTHING = "nothing"
    """Nowhere: both are compiled in, or it does not connect."""


@dataclass(frozen=True, slots=True)
class ForeignImage:
    """An image, and the kind of board for which it is. Unless its source is the blob, the firmware connects by TCP over
    Ethernet, and the harness speaks TLS for it if it lacks the feature ``tls``."""

    kind: str
    path: Path
    """An ELF file, or for a Cortex-M board a copy of its flash from the first byte."""
    source: Source = Source.BLOB
    address: int = 0
    """The address of words, settings or files."""
    size: int = 0
    """The most bytes there, with the length of words; all bytes of a settings partition or a file system."""
    sector: int = 4096
    """Bytes of a sector of the settings partition, or of a block of the file system."""
    text: str = "{endpoint}"
    """The text of the words, with placeholders."""
    entries: tuple[tuple[str, str], ...] = ()
    """The settings or files by name, with placeholders in their contents."""
    port: int = 0
    """The port at which the firmware expects the gateway; 0: another one at each power-on, which it is given, or none
    if its source is nothing."""
    console: int | None = None
    """The serial line of its console; None: 1 if the source is the blob, else 0."""
    ready: str | None = None
    """A regular expression for the console line which tells that the firmware runs."""
    features: frozenset[str] | None = None
    """The features of the boards; None: those of the kind if the source is the blob, else none."""
    at: Callable[[str], str] = lambda key: "--image"
    """Where a key was written, for messages."""

    @property
    def connects(self) -> bool:
        """Whether its firmware connects over Ethernet."""
        return not self.is_ours and (self.source is not Source.NOTHING or self.port > 0)

    @property
    def is_ours(self) -> bool:
        """Whether its firmware has this project's blob, bridge protocol and console."""
        return self.source is Source.BLOB
