"""The way in which every check reports a rule that is broken."""

from __future__ import annotations

from harness.core.errors import ProductFailure

__all__ = ["require"]


def require(holds: object, what: str) -> None:
    """Raise ProductFailure with the message ``what`` unless ``holds`` is true."""
    if not holds:
        raise ProductFailure(what)
