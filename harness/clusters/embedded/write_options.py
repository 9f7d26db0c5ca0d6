"""The options of a write, wherever they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.values import Object

__all__ = ["Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a writing request."""

    dry_run: bool = False
    manager: str = "unknown"
    validation: str = "Warn"
    """The treatment of unknown fields: ``Ignore``, ``Warn`` or ``Strict``."""
    force: bool = False
    budget: Budget = field(default_factory=Budget)
    approve: Callable[[Object], object] | None = None
    """Raises a refusal for an object that this user may not store."""
    repeated: Sequence[str] = ()
    """Fields that the body names twice."""
    size: int = 0
    """Bytes of the request's body; of a request in the same process they are not counted."""
