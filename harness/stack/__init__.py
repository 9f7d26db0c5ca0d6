"""One test's whole setup: cluster, platform, boards, and recorder, started together and stopped in reverse order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.stack.options import StackOptions
    from harness.stack.stack import Stack

__all__ = ["Stack", "StackOptions"]


def __getattr__(name: str) -> Any:
    """Load either on first use: the front doors read options long before they start a stack, or without one."""
    if name == "Stack":
        from harness.stack.stack import Stack

        return Stack
    if name == "StackOptions":
        from harness.stack.options import StackOptions

        return StackOptions
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
