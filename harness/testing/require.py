"""What every check says when something is not as it must be."""

from __future__ import annotations

from harness.core.errors import ProductFailure

__all__ = ["require"]


def require(holds: object, what: str) -> None:
    """Raise ProductFailure saying ``what`` was found unless it holds."""
    if not holds:
        raise ProductFailure(what)
