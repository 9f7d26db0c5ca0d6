"""Values by application and device, of which all of one application, or of one device, go at once."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TypeVar

__all__ = ["Pair", "PairMap"]

V = TypeVar("V")
Pair = tuple[str, str]
"""An application and a device."""


class PairMap(MutableMapping[Pair, V]):
    """A mapping. :meth:`drop` costs as much as the entries that it removes, each of which was set once: constant for
    each event, over all of them."""

    def __init__(self) -> None:
        self._values: dict[Pair, V] = {}
        self._keys: tuple[dict[str, set[Pair]], dict[str, set[Pair]]] = {}, {}
        """By application and by device."""

    def __getitem__(self, key: Pair) -> V:
        return self._values[key]

    def __setitem__(self, key: Pair, value: V) -> None:
        if key not in self._values:
            for keys, part in zip(self._keys, key, strict=True):
                keys.setdefault(part, set()).add(key)
        self._values[key] = value

    def __delitem__(self, key: Pair) -> None:
        del self._values[key]
        for keys, part in zip(self._keys, key, strict=True):
            keys[part].discard(key)
            if not keys[part]:
                del keys[part]

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def of(self, device: str) -> list[Pair]:
        """Return the keys of a device."""
        return list(self._keys[1].get(device, ()))

    def drop(self, *, application: str | None = None, device: str | None = None) -> list[Pair]:
        """Remove all entries of the application or device; returns their keys."""
        chosen = self._keys[0].get(application, ()) if application is not None else ()
        found = [*chosen, *(self._keys[1].get(device, ()) if device is not None else ())]
        for key in found:
            del self[key]
        return found
