"""One test's whole world: cluster, platform, boards and recorder, brought up together and taken down in reverse."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.stack.mock_board import MockBoard
    from harness.stack.mock_gateway import MockGateway
    from harness.stack.options import StackOptions
    from harness.stack.stack import Stack

__all__ = ["MockBoard", "MockGateway", "Stack", "StackOptions"]

_MODULES = {"MockBoard": "mock_board", "MockGateway": "mock_gateway", "Stack": "stack", "StackOptions": "options"}


def __getattr__(name: str) -> Any:
    """Load each on first use: the front doors read options long before, or without, building a world."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
