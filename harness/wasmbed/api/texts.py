"""Objects as JSON, made once for each version: most of a list of a thousand devices is what it was a moment ago."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from harness.wasmbed.resources.api import Object
from harness.wasmbed.resources.informer import Informer

__all__ = ["Texts"]


class Texts:
    """The texts of one kind, for as long as their objects are there."""

    def __init__(self, informer: Informer, shape: Callable[[Object], Any]) -> None:
        self._informer, self._shape = informer, shape
        self._texts: dict[str, tuple[Object, orjson.Fragment]] = {}
        informer.add_handler(self._forget)

    def of(self, found: Object) -> orjson.Fragment:
        """Return an object's text, as a part of other JSON."""
        name = found["metadata"]["name"]
        known = self._texts.get(name)
        if known is not None and known[0] is found:
            return known[1]
        text = orjson.Fragment(orjson.dumps(self._shape(found)))
        if self._informer.get(name) is found:  # not a device that is only awaited
            self._texts[name] = found, text
        return text

    def _forget(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._texts.pop(old["metadata"]["name"], None)
