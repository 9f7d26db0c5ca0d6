"""The table ``[boards.NAME]`` of boards with an image of another project: its keys, read and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.boards.board import FEATURES
from harness.boards.foreign import ForeignImage, Source
from harness.core.errors import UsageError, suggestion

__all__ = ["read_image"]

_KEYS = (
    "kind",
    "image",
    "source",
    "address",
    "size",
    "text",
    "entries",
    "sector",
    "port",
    "console",
    "ready",
    "features",
)
_ONLY_FOR: Mapping[str, tuple[Source, ...]] = {
    "address": (Source.WORDS, Source.SETTINGS, Source.FILES),
    "size": (Source.WORDS, Source.SETTINGS, Source.FILES),
    "text": (Source.WORDS,),
    "entries": (Source.SETTINGS, Source.FILES),
    "sector": (Source.SETTINGS, Source.FILES),
    "port": (Source.NOTHING,),
    "ready": (Source.WORDS, Source.SETTINGS, Source.FILES, Source.NOTHING),
}
"""The sources for which a key has a meaning; other keys are for all."""
_NEEDED: Mapping[Source, tuple[str, ...]] = {
    Source.WORDS: ("address",),
    Source.SETTINGS: ("address", "size", "entries"),
    Source.FILES: ("address", "size", "entries"),
}
_SIZE_OF_WORDS = 1024


def read_image(table: Mapping[str, Any], folder: Path, at: Callable[[str], str]) -> ForeignImage:
    """Read a table; paths in it are relative to ``folder``. ``at`` tells where a key is written. Raises UsageError
    naming the key."""
    read = _Reader(table, at)
    read.check_keys()
    source = read.source()
    read.check_source(source)
    return ForeignImage(
        kind=read.text("kind", "qemu"),
        path=folder / read.text("image", None),
        source=source,
        address=read.number("address", 0, 0, 0xFFFF_FFFF),
        size=read.number("size", _SIZE_OF_WORDS, 8, 1 << 24),
        text=read.text("text", "{endpoint}"),
        entries=read.entries(),
        sector=read.number("sector", 4096, 64, 0xFFF8),
        port=read.number("port", 0, 1, 0xFFFF),
        console=read.number("console", 0, 0, 1) if "console" in table else None,
        ready=read.pattern("ready"),
        features=read.features(),
        at=at,
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    table: Mapping[str, Any]
    at: Callable[[str], str]

    def check_keys(self) -> None:
        for key in self.table:
            if key not in _KEYS:
                do = f"{suggestion(key, _KEYS)}the keys are {', '.join(_KEYS)}"
                raise UsageError(f"unknown key {key!r}", where=self.at(key), do=do)

    def source(self) -> Source:
        value = self.table.get("source", Source.BLOB)
        if value not in tuple(Source):
            raise self.wrong("source", f"must be one of {', '.join(Source)}")
        return Source(value)

    def check_source(self, source: Source) -> None:
        for key in _NEEDED.get(source, ()):
            if key not in self.table:
                do = f"write {key} = ... into the table; docs/how-to/bring-your-firmware.md describes it"
                raise UsageError(f"source {source} needs the key {key!r}", where=self.at("source"), do=do)
        for key in self.table:
            if source not in _ONLY_FOR.get(key, (source,)):
                allowed = ", ".join(_ONLY_FOR[key])
                what = f"has no meaning for source {source}"
                raise UsageError(f"{key} {what}", where=self.at(key), do=f"leave it out; it is for {allowed}")

    def text(self, key: str, default: str | None) -> str:
        value = self.table.get(key, default)
        if value is None:
            raise UsageError(f"there is no {key}", where=self.at(key), do="write image = PATH, or give --image PATH")
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "must be a text")
        return value

    def number(self, key: str, default: int, least: int, most: int) -> int:
        value = self.table.get(key)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.wrong(key, f"must be a whole number from {least} to {most:#x}")
        return value

    def entries(self) -> tuple[tuple[str, str], ...]:
        value = self.table.get("entries", {})
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            raise self.wrong("entries", 'must be a table of texts, as {"wasmbed/endpoint" = "{endpoint}"}')
        return tuple(value.items())

    def pattern(self, key: str) -> str | None:
        value = self.table.get(key)
        if value is None:
            return None
        try:
            re.compile(value)
        except (re.error, TypeError) as error:
            raise self.wrong(key, f"is not a regular expression: {error}") from error
        return str(value)

    def features(self) -> frozenset[str] | None:
        value = self.table.get("features")
        if value is None:
            return None
        if not isinstance(value, list):
            raise self.wrong("features", "must be a list of names")
        for name in value:
            if name not in FEATURES:
                raise self.wrong("features", f"{suggestion(str(name), FEATURES)}unknown feature {name!r}")
        return frozenset(value)

    def wrong(self, key: str, what: str) -> UsageError:
        return UsageError(f"{key} {what}", where=self.at(key), do="correct it there")
