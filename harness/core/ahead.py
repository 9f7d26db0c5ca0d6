"""Foresight: what is asked before something crosses a boundary, so that a fault can come first.

A tap learns of what has crossed. This has the same arguments, and is called before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Ahead", "Held"]


@dataclass(frozen=True, slots=True)
class Held:
    """The thing that is about to cross waits for ``until``; a ``part`` of its bytes (0 to 1) crosses before."""

    until: asyncio.Future[None]
    part: float = 0.0


class Ahead(Protocol):
    """Asked before something crosses a boundary."""

    def expects(self, source: str, target: str) -> bool:
        """Whether anything that goes from ``source`` to ``target`` may be held: otherwise nobody needs to ask."""

    def __call__(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> Held | None:
        """Called with the fields of the event that it will be, as far as they are known before an answer. None: it goes
        on."""
